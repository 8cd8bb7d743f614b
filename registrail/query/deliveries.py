"""Lists of deliveries."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from registrail.instants import Instant
from registrail.ports import Delivery, DeliveryLog, Outcome
from registrail.query.pages import UNDATED, Budget, Days, Plan, cut, newest, read_cursor

MOST_READS: Final = 40
"""Of each sender's deliveries in one page: more than there are days, as long as they are kept for the usual time."""
SIFTED: Final = 250
"""Deliveries that one request gives where only those of one outcome are wanted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryFilter:
    """Which requests of senders; None is any."""

    sender: str | None = None
    outcome: Outcome | None = None
    since: Instant | None = None
    until: Instant | None = None

    def admits(self, delivery: Delivery) -> bool:
        """Whether a request of the right sender and time is wanted."""
        return self.outcome in {None, delivery.outcome}


@dataclass(frozen=True, slots=True)
class DeliveryList:
    """One page of requests; `next` is the cursor of the next page, None at the end."""

    items: Sequence[Delivery]
    next: str | None


@dataclass(frozen=True, slots=True)
class _Source:
    """The deliveries of one sender, on days that are known; `then` is the day where others may follow."""

    log: DeliveryLog
    sender: str
    known: Sequence[str]
    then: str | None
    wanted: DeliveryFilter

    async def days(self, begin: str | None, budget: Budget) -> Days:
        """As they are known already."""
        del begin
        left = self.known[budget.reads :]
        return Days(self.known[: budget.reads], left[0] if left else self.then)

    async def read(self, day: str, after: str | None, limit: int) -> tuple[Sequence[tuple[str, Delivery]], str | None]:
        """One request."""
        since, until = self.wanted.since, self.wanted.until
        page = await self.log.read(self.sender, day, since=since, until=until, after=after, limit=limit)
        return [(delivery.key, delivery) for delivery in page.deliveries], page.after


async def page_of_deliveries(
    log: DeliveryLog, wanted: DeliveryFilter, *, limit: int, cursor: str | None = None, requests: int | None = None
) -> DeliveryList:
    """One page, newest first.

    Args:
        log: where they are.
        wanted: which ones.
        limit: the most that a page holds.
        cursor: where it begins.
        requests: the most requests to the store, if there are fewer senders than that. A page may then hold fewer
            deliveries than there are, or none, and still have a next one.

    Raises:
        InvalidParameterError: the cursor is not one that this function gave.
    """
    position = read_cursor(cursor)
    start = position and position[0]
    if start and start.day == UNDATED:
        return DeliveryList([], None)
    latest = min((day for day in (start and start.day, wanted.until and wanted.until.day) if day), default=None)
    logged = await log.days(begin=latest, since=wanted.since.day if wanted.since else None)
    of_senders = logged.by_sender
    sources = [
        _Source(log, sender, [one.day for one in of_senders.get(sender, ())], logged.then, wanted)
        for sender in (of_senders if wanted.sender is None else [wanted.sender])
    ]
    reads = MOST_READS if requests is None else max(1, (requests - 1) // max(1, len(sources)))
    plan: Plan[Delivery] = Plan(
        is_enough=lambda found: sum(wanted.admits(item.value) for item in found.items) > limit,
        size=limit + 1 if wanted.outcome is None else max(limit + 1, SIFTED),
        requests=reads,
        reads=reads,
    )
    stretch = await newest(sources, start, plan)
    return DeliveryList(*cut(stretch, wanted.admits, limit))


async def recent_deliveries(log: DeliveryLog, *, limit: int, requests: int) -> Mapping[str, Sequence[Delivery]]:
    """For each sender of late the last deliveries, newest first.

    Args:
        log: where they are.
        limit: how many are enough; a sender has fewer if no more lie on the days that can be read.
        requests: the most requests to the store, if there are fewer senders than that.
    """
    days = (await log.days()).by_sender
    reads = max(1, (requests - 1) // max(1, len(days)))

    async def of(sender: str) -> Sequence[Delivery]:
        found: list[Delivery] = []
        for one in days[sender][:reads]:
            found += (await log.read(sender, one.day, limit=limit)).deliveries
            if len(found) >= limit:
                break
        return found

    return dict(zip(days, await asyncio.gather(*map(of, days)), strict=True))
