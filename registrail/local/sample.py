"""Sample data: two made-up days of a registry, so that a first look finds something to look at."""

import itertools
import logging
import random
from datetime import UTC, datetime

import httpx

from registrail.local.delivery import Hook, Pace, deliver
from registrail.local.dialects import Dialect, UntellableError, grid_event
from registrail.local.simulate import SAMPLE_REGISTRY, Happening, history

_SEED = 7071
_CONCURRENCY = 8

logger = logging.getLogger(__name__)


async def fill(base_url: str, *, transport: httpx.AsyncBaseTransport | None = None, now: datetime | None = None) -> int:
    """Deliver the last 48 hours of `sample-data.example` to an app that has recorded nothing yet.

    Every happening comes from the registry's webhook, and every tenth a second time through Event Grid, as
    where both are set up. It goes the way of any other event, through the hooks.

    Args:
        base_url: of the app.
        transport: to reach the app without a socket.
        now: the end of the history; by default the clock's.

    Returns:
        How many events were recorded; 0 if the app was not empty.

    Raises:
        httpx.HTTPError: the app cannot be asked whether it is empty.
    """
    async with httpx.AsyncClient(transport=transport, timeout=30, trust_env=False) as client:
        answer = await client.get(f"{base_url.rstrip('/')}/api/events", params={"limit": 1})
        if answer.raise_for_status().json()["items"]:
            return 0
        rng = random.Random(_SEED)  # noqa: S311 - a simulation, the same each time
        told = list(history(rng, now=now or datetime.now(UTC)))
        by_webhook = Hook(client=client, base_url=base_url, dialect=Dialect.ACR)
        by_grid = Hook(client=client, base_url=base_url, dialect=Dialect.EVENTGRID)
        pace = Pace(concurrency=_CONCURRENCY)
        tally = await deliver(len(told), iter(told).__next__, by_webhook, pace)
        twice = [happening for happening in itertools.islice(told, 0, None, 10) if _known_to_grid(happening)]
        await deliver(len(twice), iter(twice).__next__, by_grid, pace)
    if tally.failure is not None:
        logger.warning("sample data is incomplete", extra={"failed": tally.failed, "problem": tally.failure.problem})
    if tally.accepted:
        logger.info(
            "filled with sample data; REGISTRAIL_DEMO=0 starts empty",
            extra={"registry": SAMPLE_REGISTRY, "events": tally.accepted},
        )
    return tally.accepted


def _known_to_grid(happening: Happening) -> bool:
    try:
        grid_event(happening)
    except UntellableError:
        return False
    return True
