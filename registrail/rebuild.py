"""Rebuilding: everything that was worked out from the journal is thrown away and worked out again.

Ingestion goes on meanwhile; readers of this registry are told to come again later, and timers leave it alone, because
of a mark in place of a slot. Who is interrupted leaves the mark and a note of how far he came; the next one goes on
there.
"""

import asyncio
import itertools
import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from registrail.errors import BusyError, ConflictError, StorageUnavailableError
from registrail.ports import REBUILD, Activity, Clock, HistoryEraser, Journal, Mark, Marks, Progress
from registrail.summarize import ATTEMPTS, Summarize

LEASE: Final = timedelta(minutes=2)
"""How long a rebuild that does not go on keeps others from taking over."""
MOST_EVENTS: Final = 5_000
"""That are worked out at once; a single slot may have more."""

_log = logging.getLogger("registrail.rebuild")


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """How far a rebuild has come: a day is done, and so many days are left."""

    day: str
    events: int
    left: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuild:
    """The use case."""

    journal: Journal
    marks: Marks
    history: HistoryEraser
    activity: Activity
    progress: Progress
    summarize: Summarize
    clock: Clock

    async def rebuild(self, registry: str, tell: Callable[[Step], None] = lambda _: None) -> int:
        """Work out a registry's history and activity anew; how many events that were.

        Args:
            registry: whose.
            tell: is called after each day.

        Raises:
            BusyError: somebody else is rebuilding this registry.
            StorageUnavailableError: others kept changing what is rebuilt for too long.
        """
        lease = await self._begin(registry)
        done = await self.progress.read(registry)
        if done is None:
            lease = await self._clear(registry, lease)
            await self.progress.write(registry, "")
        events = 0
        days = [day for day in reversed(await self.journal.days(registry, None, None)) if day[0].isdigit()]
        days = [day for day in days if day > (done or "")]
        for number, day in enumerate(days, start=1):
            lease = await self._renew(registry, lease)
            of_day = 0
            async for slots in self._chunks(registry, day):
                of_day += await self._recount(registry, day, slots)
            await self.progress.write(registry, day)
            events += of_day
            tell(Step(day=day, events=of_day, left=len(days) - number))
        await self.progress.remove(registry)
        await self.marks.clear(registry, [lease])
        _log.info("history rebuilt", extra={"registry": registry, "events": events})
        return events

    async def _begin(self, registry: str) -> Mark:
        """Set or take over the mark that keeps readers and timers away."""
        pending = await self.marks.pending(registry)
        found = next((mark for mark in pending if mark.slot == REBUILD), None)
        if found is None:
            await self.marks.touch(registry, [REBUILD])
            found = next(mark for mark in await self.marks.pending(registry) if mark.slot == REBUILD)
        if found.claimed_until and found.claimed_until > self.clock():
            raise BusyError(registry, found.claimed_until)
        return await self._renew(registry, found)

    async def _renew(self, registry: str, lease: Mark) -> Mark:
        claimed = await self.marks.claim(registry, [lease], self.clock().plus(LEASE))
        if not claimed:
            raise BusyError(registry, None)
        return claimed[0]

    async def _clear(self, registry: str, lease: Mark) -> Mark:
        """Wait until nobody folds any more, then delete what was worked out, until nothing is left."""
        while any(  # noqa: ASYNC110 - others fold in other processes
            mark.slot != REBUILD and mark.claimed_until and mark.claimed_until > self.clock()
            for mark in await self.marks.pending(registry)
        ):
            await asyncio.sleep(0.1)
        while True:
            lease = await self._renew(registry, lease)
            if not await self.history.erase(registry) and not await self.activity.erase(registry):
                return lease

    async def _chunks(self, registry: str, day: str) -> AsyncIterator[Sequence[str]]:
        """The slots of a day that have events, oldest first, so many at a time that their events are not too many."""
        counted: Counter[str] = Counter()
        after: str | None = None
        while True:
            page = await self.journal.read(registry, day, after=after)
            counted.update(one.event.occurred_at.minute for one in page.events if one.event.occurred_at)
            after = page.after
            if after is None:
                break
        sums = itertools.accumulate(counted[slot] for slot in sorted(counted))
        for _, group in itertools.groupby(zip(sorted(counted), sums, strict=True), lambda one: one[1] // MOST_EVENTS):
            yield [slot for slot, _ in group]

    async def _recount(self, registry: str, day: str, slots: Sequence[str]) -> int:
        for _ in range(ATTEMPTS):
            try:
                return await self.summarize.recount(registry, day, slots)
            except ConflictError:
                continue
        message = f"the activity of {registry} keeps changing; run the rebuild again, it goes on at {day}"
        raise StorageUnavailableError(message)
