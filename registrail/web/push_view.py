"""What the page of one push shows: at most eight requests to the store."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from registrail.errors import InvalidParameterError
from registrail.instants import TICKS_PER_SECOND, Instant
from registrail.pushes import Push
from registrail.query import PushFilter, Query
from registrail.replicas import expected_regions, lags_of, missing_regions
from registrail.timeline import time_of

AROUND: Final = timedelta(minutes=10)
"""How far from an event the push is looked for that it belongs to."""
_FIRST: Final = 3
_THEN: Final = 4
"""Requests: for a push by its own id, then for one that the event is a part of."""
_AT_ONCE: Final = 20
_NEARBY: Final = 200
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class PushView:
    """A push.

    Attributes:
        lags: in seconds, for each region that reported it.
        missing: the regions that should have.
    """

    push: Push
    lags: Mapping[str, float]
    missing: Sequence[str]


async def push_view(query: Query, registry: str, event: str) -> PushView | None:
    """Read the push that an event completed, or is a part of; None if there is none.

    Raises:
        InvalidParameterError: that is no id of an event with a time.
    """
    at = _time(event)
    day = Instant.parse(f"{at.day}T00:00:00Z")
    exact = PushFilter(registry=registry, since=at, until=Instant(at.ticks + 1))
    found, periods = await asyncio.gather(
        query.pushes(exact, limit=_AT_ONCE, requests=_FIRST),
        query.activity.periods(registry, "day", since=day.plus(-_DAY), until=day.plus(_DAY), breakdown=True),
    )
    push = next((one for one in found.items if one.id == event), None)
    if push is None:
        around = PushFilter(registry=registry, since=at.plus(-AROUND), until=at.plus(AROUND))
        nearby = await query.pushes(around, limit=_NEARBY, requests=_THEN)
        push = next((one for one in nearby.items if event in one.members), None)
    if push is None:
        return None
    lags = {region: lag / TICKS_PER_SECOND for region, lag in sorted(lags_of(push.event).items())}
    by_day = {period.period: period.lags for period in periods}
    expected = expected_regions(by_day.get(day.day, {}), by_day.get(day.plus(-_DAY).day, {}))
    missing = sorted(missing_regions(push.event, expected)) if lags else ()
    return PushView(push=push, lags=lags, missing=missing)


def _time(event: str) -> Instant:
    try:
        return time_of(event)
    except ValueError as error:
        raise InvalidParameterError("event", "is not the id of an event that a list gave") from error
