"""Folding: the slots that somebody added events to are counted anew, and their hours and days with them.

Nothing is ever added to a count, so a repeated delivery, a late event, two folds at once and a crash anywhere are all
the same case: count again. What makes that safe:

- ingest writes events, then marks; a fold takes marks, then reads events, so it sees all that the mark stands for;
- counts are written only where nobody else wrote since they were read (else the fold starts again);
- a mark is removed only in the version in which it was taken, so an event that came meanwhile keeps its mark.

Claims on marks only keep two folds from doing the same work twice.
"""

import asyncio
import itertools
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from registrail.activity import Breakdown, merge, tally
from registrail.errors import ConflictError, StorageUnavailableError
from registrail.events import RegistryEvent
from registrail.instants import TICKS_PER_SECOND, Instant
from registrail.ports import Activity, Clock, Journal, Mark, Marks

SLOT: Final = timedelta(minutes=1)
CLAIM: Final = timedelta(seconds=15)
"""How long a fold may take before another one starts over, and how long the marks of a dead one wait."""
ATTEMPTS: Final = 8
PATIENCE_SECONDS: Final = 1.0
"""How long a reader waits for another fold before it does the work itself."""
READER_SECONDS: Final = 20.0

_log = logging.getLogger("registrail.summarize")


@dataclass(frozen=True, slots=True, kw_only=True)
class Summarize:
    """The use case."""

    journal: Journal
    marks: Marks
    activity: Activity
    clock: Clock

    async def fold_all(self) -> int:
        """Fold what is marked in every registry and not being folded by somebody else; how many slots."""
        folded = 0
        for registry in await self.journal.registries():
            marks = [mark for mark in await self.marks.pending(registry) if self._is_free(mark)]
            folded += len(await self._fold(registry, marks))
        _log.info("activity summarized", extra={"slots": folded})
        return folded

    async def bring_up_to_date(self, registry: str) -> None:
        """Return when everything that was marked at the time of the call is counted, by whomever.

        Raises:
            StorageUnavailableError: others kept writing the same counts for too long.
        """
        waited_since = self.clock()
        marks = await self.marks.pending(registry)
        awaited = {mark.slot for mark in marks}
        while marks:
            waited = (self.clock().ticks - waited_since.ticks) / TICKS_PER_SECOND
            if waited > READER_SECONDS:
                raise StorageUnavailableError("the activity keeps changing; try again")
            free = [mark for mark in marks if self._is_free(mark) or waited > PATIENCE_SECONDS]
            folded = await self._fold(registry, free)
            awaited -= folded
            if not awaited:
                return
            if not folded:
                await asyncio.sleep(0.02)
            marks = [mark for mark in await self.marks.pending(registry) if mark.slot in awaited]

    def _is_free(self, mark: Mark) -> bool:
        return mark.claimed_until is None or mark.claimed_until <= self.clock()

    async def _fold(self, registry: str, marks: Sequence[Mark]) -> set[str]:
        """Fold marks, hour by hour; the slots that were counted."""
        folded: set[str] = set()
        for hour, of_hour in itertools.groupby(marks, key=lambda mark: mark.slot[: len("YYYY-MM-DDTHH")]):
            folded |= await self._fold_hour(registry, hour, list(of_hour))
        return folded

    async def _fold_hour(self, registry: str, hour: str, marks: Sequence[Mark]) -> set[str]:
        claimed = await self.marks.claim(registry, marks, self.clock().plus(CLAIM))
        if not claimed:
            return set()
        for _ in range(ATTEMPTS):
            opened = await self.activity.open_account(registry, hour)
            slots = await self._count(registry, [mark.slot for mark in claimed])
            try:
                await self.activity.write_account(registry, opened, slots, self.clock())
            except ConflictError:
                continue
            await self.marks.clear(registry, claimed)
            return set(slots)
        await self.marks.release(registry, claimed)
        return set()

    async def _count(self, registry: str, slots: Sequence[str]) -> dict[str, Breakdown]:
        """Count the events of some slots of one hour, neighbouring slots in one read, a page at a time."""
        counted: dict[str, Breakdown] = {slot: {} for slot in slots}
        for since, until in _runs([Instant.parse(f"{slot}:00Z") for slot in slots]):
            after: str | None = None
            while True:
                page = await self.journal.read(registry, since.day, since=since, until=until, after=after)
                for slot, breakdown in _tallies([recorded.event for recorded in page.events]).items():
                    counted[slot] = merge((counted[slot], breakdown))
                after = page.after
                if after is None:
                    break
        return counted


def _tallies(events: Sequence[RegistryEvent]) -> dict[str, Breakdown]:
    """Count dated events by slot."""
    by_slot: dict[str, list[RegistryEvent]] = {}
    for event in events:
        if event.occurred_at is not None:
            by_slot.setdefault(event.occurred_at.minute, []).append(event)
    return {slot: tally(of_slot) for slot, of_slot in by_slot.items()}


def _runs(begins: Sequence[Instant]) -> list[tuple[Instant, Instant]]:
    """Join slots that touch each other into stretches of time."""
    runs: list[tuple[Instant, Instant]] = []
    for begin in begins:
        end = begin.plus(SLOT)
        if runs and runs[-1][1] == begin:
            runs[-1] = (runs[-1][0], end)
        else:
            runs.append((begin, end))
    return runs
