"""Folding: the slots that somebody added events to are traced and counted anew, and their hours and days with them.

Nothing is ever added to a count, so a repeated delivery, a late event, two folds at once and a crash anywhere are all
the same case: count again. What makes that safe:

- ingest writes events, then marks; a fold takes marks, then reads events, so it sees all that the mark stands for;
- counts are written only where nobody else wrote since they were read (else the fold starts again), and they are read
  before the history that they depend on; who changes what another slot's events did marks that slot (`trace.py`);
- a mark is removed only in the version in which it was taken, so an event that came meanwhile keeps its mark.

Claims on marks only keep two folds from doing the same work twice.
"""

import asyncio
import itertools
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from registrail.errors import ConflictError, StorageUnavailableError
from registrail.instants import TICKS_PER_SECOND, Instant
from registrail.ports import REBUILD, Clock, Journal, Mark, Marks
from registrail.projections import Activity
from registrail.recount import Recount
from registrail.strands import Strands
from registrail.stretches import MOST_EVENTS, stretches
from registrail.trace import Trace

SLOT: Final = timedelta(minutes=1)
SETTLES: Final = timedelta(seconds=5)
"""How long after a minute its last events may still come, as a rule."""
CLAIM: Final = timedelta(seconds=15)
"""How long a fold may take before another one starts over, and how long the marks of a dead one wait."""
MOST_SLOTS: Final = 5
"""That are folded at once: a fold has to end within its claim."""
ATTEMPTS: Final = 8
PATIENCE_SECONDS: Final = 1.0
"""How long a reader waits for another fold before it does the work itself."""
READER_SECONDS: Final = 20.0
PAUSE_SECONDS: Final = 0.02
"""How long a reader sleeps before it looks again."""

_log = logging.getLogger("registrail.summarize")


@dataclass(frozen=True, slots=True, kw_only=True)
class Summarize:
    """The use case.

    Attributes:
        most_events: that are worked on at once.
    """

    journal: Journal
    marks: Marks
    trace: Trace
    activity: Activity
    clock: Clock
    most_events: int = MOST_EVENTS

    async def fold_all(self) -> int:
        """Fold what is marked in every registry and not being folded by somebody else; how many slots.

        A minute that is not over yet, or has just ended, is left for the next time, or its events would be read twice:
        some of them are still on their way.
        """
        folded = 0
        now = self.clock()
        unfinished = {now.minute, now.plus(-SETTLES).minute}
        for registry, marks in (await self._marked()).items():
            if not any(mark.slot == REBUILD for mark in marks):
                ready = [mark for mark in marks if self._is_free(mark) and mark.slot not in unfinished]
                folded += len(await self._fold(registry, ready))
        _log.info("activity summarized", extra={"slots": folded})
        return folded

    async def _marked(self) -> Mapping[str, Sequence[Mark]]:
        """The marks of every registry."""
        found = await self.marks.everywhere()
        if found is not None:
            return found
        return {registry: await self.marks.pending(registry) for registry in await self.journal.registries()}

    async def bring_up_to_date(self, registry: str) -> None:
        """Return when everything that was marked at the time of the call is counted, by whomever.

        Also what that corrects: late events change what later ones did, and so mark their slots, once.

        Raises:
            StorageUnavailableError: others kept writing the same counts for too long, or the history is being rebuilt.
        """
        waited_since = self.clock()
        if marks := await self._to_be_counted(registry):
            await self._see_counted(registry, marks, waited_since)
            await self._see_counted(registry, await self._to_be_counted(registry), waited_since)

    async def _to_be_counted(self, registry: str) -> Sequence[Mark]:
        marks = await self.marks.pending(registry)
        if any(mark.slot == REBUILD for mark in marks):
            message = f"the history of {registry} is being rebuilt; try again later"
            raise StorageUnavailableError(message)
        return marks

    async def _see_counted(self, registry: str, marks: Sequence[Mark], waited_since: Instant) -> None:
        """Count what is marked, or wait until somebody else has done so.

        Pauses count as well as the clock, which may be set back meanwhile.
        """
        awaited = {mark.slot for mark in marks}
        pauses = 0
        while marks:
            waited = max((self.clock().ticks - waited_since.ticks) / TICKS_PER_SECOND, pauses * PAUSE_SECONDS)
            if waited > READER_SECONDS:
                raise StorageUnavailableError("the activity keeps changing; try again")
            free = [mark for mark in marks if self._is_free(mark) or waited > PATIENCE_SECONDS]
            folded = await self._fold(registry, free)
            awaited -= folded
            if not awaited:
                return
            if not folded:
                await asyncio.sleep(PAUSE_SECONDS)
                pauses += 1
            marks = [mark for mark in await self.marks.pending(registry) if mark.slot in awaited]

    def _is_free(self, mark: Mark) -> bool:
        return mark.claimed_until is None or mark.claimed_until <= self.clock()

    async def _fold(self, registry: str, marks: Sequence[Mark]) -> set[str]:
        """Fold marks, some of an hour at a time; the slots that were counted."""
        folded: set[str] = set()
        for hour, of_hour in itertools.groupby(marks, key=lambda mark: mark.slot[: len("YYYY-MM-DDTHH")]):
            left = list(of_hour)
            for begin in range(0, len(left), MOST_SLOTS):
                folded |= await self._fold_hour(registry, hour, left[begin : begin + MOST_SLOTS])
        return folded

    async def _fold_hour(self, registry: str, hour: str, marks: Sequence[Mark]) -> set[str]:
        claimed = await self.marks.claim(registry, marks, self.clock().plus(CLAIM))
        if not claimed:
            return set()
        slots = [mark.slot for mark in claimed]
        for _ in range(ATTEMPTS):
            try:
                await self._recount(registry, hour, slots)
            except ConflictError:
                continue
            await self.marks.clear(registry, claimed)
            return set(slots)
        await self.marks.release(registry, claimed)
        return set()

    async def _recount(self, registry: str, hour: str, slots: Sequence[str]) -> None:
        day = hour[: len("YYYY-MM-DD")]
        recount = self.recount(registry)
        await recount.open(day, [hour], slots)
        for since, until in _runs([Instant.parse(f"{slot}:00Z") for slot in slots]):
            async for events in stretches(self.journal, registry, day, since, until, self.most_events):
                await recount.add(events)
                del events  # before more is read
        await recount.write(self.clock())

    def recount(self, registry: str, kept: Strands | None = None) -> Recount:
        """Begin to count some slots of a registry anew."""
        return Recount(registry=registry, trace=self.trace, activity=self.activity, kept=kept)


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
