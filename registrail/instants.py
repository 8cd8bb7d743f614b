"""Points in time, exact to 100 ns.

Registries send 7 or 9 fractional digits and `datetime` holds 6, so two events of one microsecond would become one.
An `Instant` counts what Table Storage counts: units of 100 ns since 0001-01-01T00:00:00Z ("ticks"), written with
seven digits. Further digits are cut off.
"""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Self

TICKS_PER_SECOND = 10_000_000
TICKS_PER_MINUTE = 60 * TICKS_PER_SECOND
TICKS_PER_DAY = 86_400 * TICKS_PER_SECOND
LAST_TICK = 3_155_378_975_999_999_999
"""9999-12-31T23:59:59.9999999Z, and the number that inverted times are counted down from."""

_RFC3339 = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt ]([0-9]{2}):([0-9]{2}):([0-9]{2})"
    r"(?:[.,]([0-9]{1,30}))?(?:[Zz]|([+-])([0-9]{2}):?([0-9]{2}))?"
)

_EPOCH = datetime(1, 1, 1, tzinfo=UTC)
_UNIX_EPOCH = (date(1970, 1, 1).toordinal() - 1) * TICKS_PER_DAY


@dataclass(frozen=True, slots=True, order=True)
class Instant:
    """A point in time as `ticks` (100 ns since year 1, UTC), between years 1 and 9999."""

    ticks: int

    def __post_init__(self) -> None:
        if not 0 <= self.ticks <= LAST_TICK:
            message = f"{self.ticks} ticks are not between the years 1 and 9999"
            raise ValueError(message)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read an RFC 3339 time; one without a zone is taken as UTC.

        Raises:
            ValueError: `text` is no time, or outside the years 1 to 9999.
        """
        match = _RFC3339.fullmatch(text)
        if match is None:
            message = f"{text[:64]!r} is not an RFC 3339 time such as 2026-01-31T12:00:00Z"
            raise ValueError(message)
        year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
        fraction, sign, offset_hours, offset_minutes = match.groups()[6:]
        if hour > 23 or minute > 59 or second > 60:  # noqa: PLR2004 - the clock's own numbers; 60 is a leap second
            message = f"{text[:64]!r} has a time of day that does not exist"
            raise ValueError(message)
        seconds = hour * 3600 + minute * 60 + second
        if sign is not None:
            offset = int(offset_hours) * 3600 + int(offset_minutes) * 60
            seconds += -offset if sign == "+" else offset
        days = date(year, month, day).toordinal() - 1
        ticks = int((fraction or "")[:7].ljust(7, "0"))
        return cls(days * TICKS_PER_DAY + seconds * TICKS_PER_SECOND + ticks)

    @classmethod
    def from_datetime(cls, moment: datetime) -> Self:
        """Take over an aware `datetime`."""
        since = moment - _EPOCH
        return cls((since.days * 86_400 + since.seconds) * TICKS_PER_SECOND + since.microseconds * 10)

    @classmethod
    def from_unix(cls, nanoseconds: int) -> Self:
        """Take over what `time.time_ns` counts."""
        return cls(_UNIX_EPOCH + nanoseconds // 100)

    @classmethod
    def from_inverted(cls, text: str) -> Self:
        """Undo `inverted`."""
        return cls(LAST_TICK - int(text))

    @property
    def inverted(self) -> str:
        """19 digits that sort the newest first."""
        return f"{LAST_TICK - self.ticks:019d}"

    def to_datetime(self) -> datetime:
        """The same as an aware `datetime`; the last digit is lost."""
        return _EPOCH + timedelta(microseconds=self.ticks // 10)

    def isoformat(self) -> str:
        """RFC 3339 in UTC with exactly seven fractional digits, so that texts sort as times do."""
        minutes, rest = divmod(self.ticks, TICKS_PER_MINUTE)
        digits = f"{rest:09d}"
        return f"{_minute(minutes)}:{digits[:2]}.{digits[2:]}Z"

    @property
    def day(self) -> str:
        """`YYYY-MM-DD`, UTC."""
        return _date(self.ticks // TICKS_PER_DAY)

    @property
    def hour(self) -> str:
        """`YYYY-MM-DDTHH`, UTC."""
        return self.minute[:13]

    @property
    def minute(self) -> str:
        """`YYYY-MM-DDTHH:MM`, UTC."""
        return _minute(self.ticks // TICKS_PER_MINUTE)

    def plus(self, delta: timedelta) -> "Instant":
        """Move by `delta`, no further than the first or the last instant."""
        moved = self.ticks + (delta.days * 86_400 + delta.seconds) * TICKS_PER_SECOND + delta.microseconds * 10
        return Instant(min(max(moved, 0), LAST_TICK))


@lru_cache(maxsize=1000)
def _date(days: int) -> str:
    """The date so many days after 0001-01-01; nearly always one of a few."""
    return date.fromordinal(days + 1).isoformat()


@lru_cache(maxsize=1000)
def _minute(minutes: int) -> str:
    """`YYYY-MM-DDTHH:MM`, so many minutes after 0001-01-01; what happens at a time shares it."""
    days, minute = divmod(minutes, 24 * 60)
    return f"{_date(days)}T{minute // 60:02d}:{minute % 60:02d}"
