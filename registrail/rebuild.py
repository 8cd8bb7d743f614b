"""Rebuilding: everything that was worked out from the journal is thrown away and worked out again.

Ingestion goes on meanwhile; readers of this registry are told to come again later, and timers leave it alone, because
of a mark in place of a slot. A note tells how far the work has come and until when it is somebody's: who is interrupted
leaves both, and the next one goes on there. What makes that safe:

- the note is written only in the version that one knows, so whoever was taken for dead finds out before the next day;
- rows are deleted only in the versions in which they were read, and that by somebody who had the note after reading: if
  another one took over since then, his rows are other versions;
- everything else adds to what is there, or is checked (`trace.py`, `summarize.py`), so to do it twice does no harm;
- what was marked before the first event was read is counted with the rest, so these marks go, unless somebody touched
  them meanwhile;
- the mark is set before anything is deleted. It is removed only in the version in which it was found before the note
  was written for the last time, and who takes over sets it anew.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from registrail.errors import BusyError, ConflictError, RegistrailError, StorageError, StorageUnavailableError
from registrail.events import RecordedEvent
from registrail.instants import Instant
from registrail.ports import REBUILD, Clock, Journal, Mark, Marks
from registrail.strands import Strands
from registrail.stretches import stretches
from registrail.summarize import ATTEMPTS, Summarize
from registrail.upkeep import ERASED, ERASING, Eraser, Limits, Progress, RebuildNote

LEASE: Final = timedelta(minutes=2)
"""How long a rebuild that does not go on keeps others from taking over."""
GRACE_SECONDS: Final = 10.0
"""How long readers that came before the mark may go on before rows vanish."""
MOST_EVENTS: Final = 5_000
"""That are traced together: the more, the fuller are commits."""
MOST_DAYS: Final = 32
"""That are worked out together, if they have few events: who is interrupted does them again."""

_log = logging.getLogger("registrail.rebuild")


class ForgettingError(RegistrailError):
    """A rebuild would forget what followed from events that retention has deleted."""

    reason = "would-forget"

    def __init__(self, registry: str, limit: str) -> None:
        super().__init__(
            f"the events of {registry} before {limit} were deleted (REGISTRAIL_KEEP_EVENTS_DAYS), so a rebuild would "
            "forget what tags pointed to since then, and first pushes; if that is all right, say --forget"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """How far a rebuild has come.

    Attributes:
        day: the last day that is done; None before the first.
        events: of that day, if it was worked out now.
        left: so many days are not done.
    """

    day: str | None
    events: int
    left: int


@dataclass(slots=True, kw_only=True)
class _Lease:
    """The note while it is ours."""

    registry: str
    progress: Progress
    clock: Clock
    note: RebuildNote

    async def write(self, day: str | None) -> None:
        """Note how far we are, and that we go on.

        Raises:
            BusyError: somebody else has taken over.
        """
        note = replace(self.note, day=day, claimed_until=self.clock().plus(LEASE))
        try:
            self.note = await self.progress.write(self.registry, note)
        except ConflictError as error:
            raise BusyError(self.registry, None) from error

    async def keep(self) -> None:
        """Write the note again if half of our time is over, so that nobody can have taken over when this returns."""
        until = self.note.claimed_until
        if until is None or until <= self.clock().plus(LEASE / 2):
            await self.write(self.note.day)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuild:
    """The use case.

    Attributes:
        history: to throw away.
        activity: likewise.
        limits: before which events were deleted.
        grace_seconds: how long to wait for readers.
        most_events: that are traced together.
    """

    journal: Journal
    marks: Marks
    history: Eraser
    activity: Eraser
    progress: Progress
    limits: Limits
    summarize: Summarize
    clock: Clock
    grace_seconds: float = GRACE_SECONDS
    most_events: int = MOST_EVENTS

    async def rebuild(
        self, registry: str, tell: Callable[[Step], None] = lambda _: None, *, forget: bool = False
    ) -> int:
        """Work out a registry's history and activity anew; how many events that were, without those done before.

        Args:
            registry: whose.
            tell: is called before the first day, and after each day.
            forget: also if retention has deleted events; what followed from them is forgotten.

        Raises:
            BusyError: somebody else is rebuilding this registry.
            ForgettingError: events were deleted, and one was not told to forget them.
            StorageUnavailableError: others kept changing what is rebuilt for too long.
        """
        async with self._leased(registry, forget=forget) as lease:
            if lease.note.day in {None, ERASING}:
                await self._erase(registry, lease)
            events = await self._days(registry, lease, tell)
            await self._end(registry, lease)
        _log.info("history rebuilt", extra={"registry": registry, "events": events})
        return events

    @asynccontextmanager
    async def _leased(self, registry: str, *, forget: bool) -> AsyncIterator[_Lease]:
        """Begin or take over, and keep readers and timers away until the end.

        Who does not come to the end lets others go on at once. As long as nothing was thrown away, they need not.
        """
        note = await self.progress.read(registry)
        if note and note.claimed_until and note.claimed_until > self.clock():
            raise BusyError(registry, note.claimed_until)
        if note and await self._mark(registry) is None:  # it had come to its end
            note = replace(note, day=None)
        lease = _Lease(registry=registry, progress=self.progress, clock=self.clock, note=note or RebuildNote())
        forgets = lease.note.day is None and not forget
        if forgets:
            await self._refuse_to_forget(registry)
        await lease.write(lease.note.day)
        try:
            await self.marks.touch(registry, [REBUILD])
            if forgets:  # once more: retention notes its limit, then looks for the mark
                await self._refuse_to_forget(registry)
            yield lease
        finally:
            with suppress(ConflictError, BusyError, StorageError):
                if lease.note.day is None:
                    await self._end(registry, lease)
                elif lease.note.version is not None:
                    await self.progress.write(registry, replace(lease.note, claimed_until=None))

    async def _refuse_to_forget(self, registry: str) -> None:
        limit = await self.limits.read(registry)
        if limit is not None:
            raise ForgettingError(registry, limit)

    async def _mark(self, registry: str) -> Mark | None:
        """The mark that keeps readers and timers away."""
        return next((mark for mark in await self.marks.pending(registry) if mark.slot == REBUILD), None)

    async def _erase(self, registry: str, lease: _Lease) -> None:
        """Let those finish who fold or read, then delete what was worked out, until nothing is left."""
        while any(
            mark.slot != REBUILD and mark.claimed_until and mark.claimed_until > self.clock()
            for mark in await self.marks.pending(registry)
        ):
            await lease.keep()
            await asyncio.sleep(0.1)
        grace = self.grace_seconds

        async def go_on() -> None:
            nonlocal grace
            waiting, grace = grace, 0.0
            await asyncio.sleep(waiting)
            await (lease.write(ERASING) if lease.note.day is None else lease.keep())

        while await self.history.erase(registry, go_on) or await self.activity.erase(registry, go_on):
            pass
        await lease.write(ERASED)

    async def _days(self, registry: str, lease: _Lease, tell: Callable[[Step], None]) -> int:
        """Work out day after day, some at a time; how many events."""
        done = lease.note.day or ERASED
        days = [day for day in reversed(await self.journal.days(registry, None, None)) if day[0].isdigit()]
        days = [day for day in days if day > done]
        tell(Step(day=None if done == ERASED else done, events=0, left=len(days)))
        events = 0
        kept = Strands()
        marks = await self._marks_by_day(registry)
        while days:
            worked_out = await self._some_days(registry, days, lease, kept)
            await lease.write(list(worked_out)[-1])
            for day, of_day in worked_out.items():
                await self.marks.clear(registry, marks.pop(day, []))
                del days[0]
                events += of_day
                tell(Step(day=day, events=of_day, left=len(days)))
        return events

    async def _marks_by_day(self, registry: str) -> dict[str, list[Mark]]:
        """The slots that await a fold; what they stand for is counted by whoever reads events from now on."""
        marks: dict[str, list[Mark]] = {}
        for mark in await self.marks.pending(registry):
            if mark.slot != REBUILD:
                marks.setdefault(mark.slot[: len("YYYY-MM-DD")], []).append(mark)
        return marks

    async def _some_days(self, registry: str, days: Sequence[str], lease: _Lease, kept: Strands) -> Mapping[str, int]:
        """Work out the first days, at least one; how many events each has."""
        for _ in range(ATTEMPTS):
            try:
                return await self._recount(registry, days, lease, kept)
            except ConflictError:
                continue
        message = f"the activity of {registry} keeps changing; run the rebuild again, it goes on at {days[0]}"
        raise StorageUnavailableError(message)

    async def _recount(self, registry: str, days: Sequence[str], lease: _Lease, kept: Strands) -> Mapping[str, int]:
        """The events of some days are traced together: the fewer commits there are, the fuller they are."""
        recount = self.summarize.recount(registry, kept)
        events: dict[str, int] = {}
        waiting: list[RecordedEvent] = []
        for day in days[:MOST_DAYS]:
            await recount.open(day, [f"{day}T{hour:02}" for hour in range(24)])
            events[day] = 0
            begin = Instant.parse(f"{day}T00:00:00Z")
            async for stretch in stretches(self.journal, registry, day, begin, begin.plus(timedelta(days=1))):
                await lease.keep()
                events[day] += len(stretch)
                waiting += stretch
                del stretch  # before more is read
                if len(waiting) >= self.most_events:
                    await recount.add(waiting)
                    waiting = []
            if recount.events + len(waiting) >= self.most_events:
                break
        await recount.add(waiting)
        await recount.write(self.clock())
        return events

    async def _end(self, registry: str, lease: _Lease) -> None:
        """Let readers and timers come back."""
        mark = await self._mark(registry)
        await lease.write(lease.note.day)
        if mark is not None:
            await self.marks.clear(registry, [mark])
        with suppress(ConflictError):  # somebody else begins
            await self.progress.remove(registry, lease.note)
        lease.note = RebuildNote(day=ERASED)
