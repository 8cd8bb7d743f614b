"""What the page of one push shows: at most eight requests to the store."""

import asyncio
from typing import Final

from registrail.errors import InvalidParameterError
from registrail.instants import Instant
from registrail.query import PushFilter, Query
from registrail.timeline import time_of
from registrail.web.replicated import AROUND, Replicated, days_around, replicated

_FIRST: Final = 3
_THEN: Final = 4
"""Requests: for a push by its own id, then for one that the event is a part of."""
_AT_ONCE: Final = 20
_NEARBY: Final = 200


async def push_view(query: Query, registry: str, event: str) -> Replicated | None:
    """Read the push that an event completed, or is a part of; None if there is none.

    Raises:
        InvalidParameterError: that is no id of an event with a time.
    """
    at = _time(event)
    exact = PushFilter(registry=registry, since=at, until=Instant(at.ticks + 1))
    found, periods = await asyncio.gather(
        query.pushes(exact, limit=_AT_ONCE, requests=_FIRST),
        days_around(query, registry, at),
    )
    push = next((one for one in found.items if one.id == event), None)
    if push is None:
        around = PushFilter(registry=registry, since=at.plus(-AROUND), until=at.plus(AROUND))
        nearby = await query.pushes(around, limit=_NEARBY, requests=_THEN)
        push = next((one for one in nearby.items if event in one.members), None)
    if push is None:
        return None
    return replicated(push, at, periods)


def _time(event: str) -> Instant:
    try:
        return time_of(event)
    except ValueError as error:
        raise InvalidParameterError("event", "is not the id of an event that a list gave") from error
