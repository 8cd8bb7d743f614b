"""What the overview shows: which stretch of time, its counts in columns, and who and what was busiest. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import Any, Final

from registrail.activity import NOTHING, Breakdown, Counts, Dimension, Grain, add, merge, monday
from registrail.errors import InvalidParameterError
from registrail.instants import TICKS_PER_DAY, TICKS_PER_MINUTE, Instant
from registrail.query import OverviewOf, Span
from registrail.web.chart import Column, column

RANGES: Final[Mapping[str, str]] = {"24h": "24 h", "7d": "7 d", "30d": "30 d", "90d": "90 d"}
USUAL_RANGE: Final = "7d"
LONGEST: Final = timedelta(days=1000)
BUSIEST: Final = 8
_HOUR: Final = timedelta(hours=1)
_DAY: Final = timedelta(days=1)
_LENGTHS: Final[Mapping[Grain, timedelta]] = {
    "slot": timedelta(minutes=1),
    "hour": _HOUR,
    "day": _DAY,
    "week": timedelta(days=7),
}
_FINEST: Final[Sequence[tuple[timedelta, Grain]]] = (
    (timedelta(hours=4), "slot"),
    (timedelta(days=8), "hour"),
    (timedelta(days=180), "day"),
)
"""How long a stretch may be to be shown in such periods; all others are in weeks."""
_SHOWN: Final[Mapping[str, tuple[Grain, int]]] = {
    "24h": ("hour", 24),
    "7d": ("hour", 168),
    "30d": ("day", 30),
    "90d": ("day", 90),
}
_READ: Final = 168
"""Hours that are read even if fewer are shown, to know what is usual."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A stretch of time that is shown.

    Attributes:
        name: one of RANGES, or None if somebody chose its ends.
        span: what is read; it may begin earlier.
        begin: of the first period that is shown.
    """

    name: str | None
    span: Span
    begin: Instant

    @property
    def length(self) -> timedelta:
        """Of a period."""
        return _LENGTHS[self.span.grain]


def shown(name: str | None, since: Instant | None, until: Instant | None, now: Instant) -> Shown:
    """Find out what is asked for.

    Raises:
        InvalidParameterError: there is no such range, or it ends before it begins.
    """
    if since is None and until is None:
        chosen = name or USUAL_RANGE
        if chosen not in RANGES:
            raise InvalidParameterError("range", f"{chosen[:40]!r} is none of {', '.join(RANGES)}")
        grain, number = _SHOWN[chosen]
        last = _begin(grain, now)
        begin = last.plus(-_LENGTHS[grain] * (number - 1))
        first = last.plus(-_HOUR * (_READ - 1)) if grain == "hour" else begin
        end = now.plus(timedelta(microseconds=1))
        return Shown(name=chosen, span=Span(grain=grain, since=first, until=end, is_live=True), begin=begin)
    end = until or now
    begin = since or end.plus(-_DAY * 7)
    if begin >= end:
        raise InvalidParameterError("since", "is not before the end of the range")
    length = timedelta(microseconds=(end.ticks - begin.ticks) // 10)
    if length > LONGEST:
        raise InvalidParameterError("since", f"is more than {LONGEST.days} days before the end of the range")
    grain = next((grain for most, grain in _FINEST if length <= most), "week")
    first = _begin(grain, begin)
    return Shown(name=None, span=Span(grain=grain, since=first, until=end, is_live=False), begin=first)


def _begin(grain: Grain, at: Instant) -> Instant:
    """Of the period that a time lies in."""
    if grain == "week":
        return Instant.parse(f"{monday(at.day)}T00:00:00Z")
    ticks = {"slot": TICKS_PER_MINUTE, "hour": 60 * TICKS_PER_MINUTE, "day": TICKS_PER_DAY}[grain]
    return Instant(at.ticks - at.ticks % ticks)


@dataclass(frozen=True, slots=True)
class Busy:
    """A repository, an actor or a client with its counts; `share` is per cent of the busiest one's events."""

    registry: str
    name: str
    counts: Counts
    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The counts of what is shown."""

    columns: Sequence[Column]
    total: Counts
    repositories: Sequence[Busy]
    actors: Sequence[Busy]
    clients: Sequence[Busy]


def summary(found: OverviewOf, wanted: Shown) -> Summary:
    """Add up all registries."""
    periods = [(one.registry, period) for one in found.registries for period in one.periods]
    counted = [(registry, period) for registry, period in periods if _time(period.period) >= wanted.begin]
    by_begin: dict[Instant, list[Counts]] = {}
    for _, period in counted:
        by_begin.setdefault(_time(period.period), []).append(period.counts)
    columns: list[Column] = []
    at = wanted.begin
    while at < wanted.span.until:
        columns.append(column(at, wanted.length, add(by_begin[at]) if at in by_begin else NOTHING))
        at = at.plus(wanted.length)
    breakdowns = {
        one.registry: merge(
            period.breakdown for registry, period in counted if registry == one.registry and period.breakdown
        )
        for one in found.registries
    }
    return Summary(
        columns=columns,
        total=add([period.counts for _, period in counted]) if counted else NOTHING,
        repositories=_busiest(breakdowns, "repository"),
        actors=_busiest(breakdowns, "actor"),
        clients=_busiest(breakdowns, "client"),
    )


def _busiest(breakdowns: Mapping[str, Breakdown], by: Dimension) -> Sequence[Busy]:
    everyone: Iterable[tuple[str, str, Counts]] = (
        (registry, name, counts) for registry, found in breakdowns.items() for name, counts in found.of(by).items()
    )
    first = sorted(everyone, key=lambda one: (-one[2].events, one[1], one[0]))[:BUSIEST]
    most = first[0][2].events if first else 1
    return [Busy(registry, name, counts, round(100 * counts.events / most, 2)) for registry, name, counts in first]


@lru_cache(maxsize=1000)
def _time(period: str) -> Instant:
    full = f"{period}{'T00:00:00Z'[len(period) - len('YYYY-MM-DD') :]}"
    return Instant.parse(full)


def series(columns: Sequence[Column], wanted: Shown) -> Mapping[str, Any]:
    """The same numbers for a script: times in seconds since 1970."""
    return {
        "grain": wanted.span.grain,
        "step": int(wanted.length.total_seconds()),
        "x": [_epoch(one.begin) for one in columns],
        "pushes": [one.pushes for one in columns],
        "moves": [one.moves for one in columns],
        "deletes": [one.deletes for one in columns],
    }


def _epoch(at: Instant) -> int:
    return (at.ticks - _EPOCH.ticks) // (TICKS_PER_MINUTE // 60)


_EPOCH: Final = Instant.parse("1970-01-01T00:00:00Z")
