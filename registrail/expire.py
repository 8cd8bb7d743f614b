"""Retention: what is older than the limit is deleted, a day at a time, and never anything younger.

Days are deleted whole, so a day goes when its last moment is older than the limit. Each step is safe to repeat: whoever
is interrupted, or meets another one doing the same, goes on where things are.

Of the history goes what ended before the limit. What stays is enough for all events that are younger; older ones, which
come late, would be put where others were. So first all that was acknowledged is folded, then the limit is noted, and
from then on events before it are counted, until the next run deletes them, but take no part in the history.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from registrail.activity import Effect
from registrail.errors import StorageUnavailableError
from registrail.events import RecordedEvent
from registrail.instants import Instant
from registrail.ports import Clock, DeliveryLog, Journal
from registrail.projections import Activity
from registrail.strands import Strands
from registrail.timeline import takes_part
from registrail.trace import Trace
from registrail.upkeep import HistoryExpirer, Limits

_log = logging.getLogger("registrail.expire")


@dataclass(frozen=True, slots=True, kw_only=True)
class Expire:
    """The use case.

    Attributes:
        fold: counts and traces what a registry has acknowledged; refuses while its history is being rebuilt.
        keep_deliveries: how long deliveries are kept.
        keep_events: how long events, their counts and their history are kept; None is for ever. Events without a time
            stay.
    """

    journal: Journal
    activity: Activity
    history: HistoryExpirer
    deliveries: DeliveryLog
    limits: Limits
    fold: Callable[[str], Awaitable[None]]
    clock: Clock
    keep_deliveries: timedelta
    keep_events: timedelta | None = None

    async def expire(self) -> int:
        """Delete what is too old; how many days of senders and registries that was."""
        now = self.clock()
        days = 0
        then: str | None = now.plus(-self.keep_deliveries - timedelta(days=1)).day  # the first that is wholly over
        while then is not None:
            logged = await self.deliveries.days(begin=then)
            for one in logged.days:
                await self.deliveries.forget(one.sender, one.day)
                days += 1
            then = logged.then
        if self.keep_events is not None:
            for registry in await self.journal.registries():
                over = _over(await self.journal.days(registry, None, None), now, self.keep_events)
                if over and await self._close(registry, now.plus(-self.keep_events).day):
                    await self._forget(registry, over, now.plus(-self.keep_events).day)
                    days += len(over)
        _log.info("history expired", extra={"days": days})
        return days

    async def _close(self, registry: str, limit: str) -> bool:
        """See to it that nobody adds events before a limit to the history any more; whether that is so."""
        try:
            await self.fold(registry)
            await self.limits.raise_to(registry, limit)
            await self.fold(registry)  # or wait for those who do, and have not seen the limit
        except StorageUnavailableError as error:
            _log.warning("nothing expired", extra={"registry": registry, "problem": str(error)})
            return False
        return True

    async def _forget(self, registry: str, days: Sequence[str], limit: str) -> None:
        """Delete days: at last their events, by which the rest is found."""
        seen: set[tuple[str, str]] = set()
        for day in days:
            after: str | None = None
            while True:
                page = await self.journal.read(registry, day, after=after)
                named = {(one.event.repository, one.event.tag) for one in page.events if takes_part(one.event)}
                tags = {(repository, tag) for repository, tag in named if tag} - seen
                await self.history.expire(registry, _begin(limit), tags)
                seen |= tags
                after = page.after
                if after is None:
                    break
            await self.activity.forget(registry, day)
            await self.journal.forget(registry, day)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnexpiredTrace(Trace):
    """A Trace that leaves out events of days that were deleted already."""

    limits: Limits
    clock: Clock

    async def apply(
        self, registry: str, events: Sequence[RecordedEvent], kept: Strands | None = None
    ) -> Mapping[str, Effect]:
        """Add events to the history; what each did, by its id.

        Only if one is from before yesterday it may be that its day was deleted.
        """
        times = [one.event.occurred_at for one in events if one.event.occurred_at]
        if times and min(times) < _begin(self.clock().plus(-timedelta(days=1)).day):
            limit = await self.limits.read(registry)
            if limit is not None:
                begin = _begin(limit)
                events = [one for one in events if one.event.occurred_at and one.event.occurred_at >= begin]
        return await Trace.apply(self, registry, events, kept)


def _begin(day: str) -> Instant:
    return Instant.parse(f"{day}T00:00:00Z")


def _over(days: Sequence[str], now: Instant, keep: timedelta) -> list[str]:
    """The days that lie wholly before the limit, oldest first."""
    limit = now.plus(-keep).day
    return sorted(day for day in days if day != "undated" and day < limit)
