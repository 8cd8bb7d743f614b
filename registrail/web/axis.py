"""Where a time axis has its lines, and what they say. Pure."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from registrail.instants import LAST_TICK, TICKS_PER_SECOND, Instant

MOST: Final = 8
"""Lines."""
_MINUTES: Final = (1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440, 2880, 10_080, 20_160)
_MONTHS: Final = (1, 2, 3, 6, 12, 24, 60, 120, 240, 600, 1200, 2400, 6000, 12_000)
_DAY: Final = 1440
_WEEK: Final = 10_080


@dataclass(frozen=True, slots=True)
class Tick:
    """A line: where, per cent of the width, at which time, and what it says."""

    x: float
    at: Instant
    text: str


def ticks(begin: Instant, end: Instant) -> list[Tick]:
    """Up to eight lines strictly between two times, at round times in UTC; perhaps none if that is seconds."""
    span = end.ticks - begin.ticks
    minutes = next((step for step in _MINUTES if span <= MOST * step * 60 * TICKS_PER_SECOND), None)
    moments = _by_minutes(begin, end, minutes) if minutes else _by_months(begin, end)
    with_time = minutes is not None and minutes < _DAY
    with_year = minutes is None
    return [
        Tick(round(100 * (at.ticks - begin.ticks) / span, 3), at, _text(at, with_time=with_time, with_year=with_year))
        for at in moments
        if begin < at < end
    ]


def _by_minutes(begin: Instant, end: Instant, minutes: int) -> list[Instant]:
    """Multiples of so many minutes since year 1, which begins on a Monday at midnight."""
    step = minutes * 60 * TICKS_PER_SECOND
    first = -(-begin.ticks // step) * step
    return [Instant(at) for at in range(first, min(end.ticks, LAST_TICK), step)]


def _by_months(begin: Instant, end: Instant) -> list[Instant]:
    """First days of months."""
    first, last = _month(begin), _month(end)
    step = next((step for step in _MONTHS if last - first <= MOST * step), _MONTHS[-1])
    months = range(-(-first // step) * step, last + 1, step)
    return [Instant.from_datetime(datetime(n // 12, n % 12 + 1, 1, tzinfo=UTC)) for n in months if n >= 12]  # noqa: PLR2004


def _month(at: Instant) -> int:
    moment = at.to_datetime()
    return moment.year * 12 + moment.month - 1


def _text(at: Instant, *, with_time: bool, with_year: bool) -> str:
    moment = at.to_datetime()
    if with_time and (moment.hour or moment.minute):
        return f"{moment:%H:%M}"
    if with_year:
        return f"{moment.year}" if moment.month == 1 else f"{moment:%b} {moment.year}"
    return f"{moment.day} {moment:%b}"
