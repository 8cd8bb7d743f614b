"""A push, and the regions in which it is known: what the pages of pushes, tags and digests show of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from registrail.instants import TICKS_PER_SECOND, Instant
from registrail.projections import Period
from registrail.pushes import Push
from registrail.query import Query
from registrail.replicas import expected_regions, lags_of, missing_regions

AROUND: Final = timedelta(minutes=10)
"""How far from an event the push is looked for that it belongs to."""
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Replicated:
    """A push, and where it is known.

    Attributes:
        lags: in seconds, for each region that reported it.
        missing: the regions that should have.
    """

    push: Push
    lags: Mapping[str, float]
    missing: Sequence[str]


async def days_around(query: Query, registry: str, at: Instant) -> Sequence[Period]:
    """The day of a time and the one before it, whose regions are expected: one request."""
    day = Instant.parse(f"{at.day}T00:00:00Z")
    return await query.activity.periods(registry, "day", since=day.plus(-_DAY), until=day.plus(_DAY), breakdown=True)


def lags_in_seconds(push: Push) -> dict[str, float]:
    """For each region that reported a push."""
    return {region: lag / TICKS_PER_SECOND for region, lag in sorted(lags_of(push.event).items())}


def replicated(push: Push, at: Instant, periods: Sequence[Period]) -> Replicated:
    """Where a push is known, and where not, by the `days_around` a time."""
    lags = lags_in_seconds(push)
    by_day = {period.period: period.lags for period in periods}
    expected = expected_regions(by_day.get(at.day, {}), by_day.get(at.plus(-_DAY).day, {}))
    return Replicated(push=push, lags=lags, missing=sorted(missing_regions(push.event, expected)) if lags else ())
