"""Tracing: what events did to the tags and digests of their repositories is written to the history.

What one event says is added to what is known (`timeline.py`, `dossier.py`); to add it again changes nothing. So events
may come in any order and any number of times. What makes that safe:

- Each commit writes the repository's own row and checks its version: what was read before it is still so, or all
  starts again.
- Where an event changes what others did (a late push makes a later one `unchanged`), their minutes have to be counted
  anew. They are noted in the repository's row, in the commit that changes them, and taken from there only after they
  were marked.
"""

import asyncio
import itertools
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from registrail.activity import Effect
from registrail.errors import ConflictError, StorageUnavailableError
from registrail.events import RecordedEvent, oldest_first
from registrail.pauses import pauses
from registrail.ports import Marks
from registrail.projections import History
from registrail.strand import Strand
from registrail.strands import Strands
from registrail.timeline import takes_part

AT_ONCE: Final = 4
"""Repositories that are traced at once; each reads some rows at a time, and webhooks wait behind them."""
ATTEMPTS: Final = 16
FIRST_PAUSE: Final = 0.005
LONGEST_PAUSE: Final = 0.5
"""Seconds between attempts, 2 to 5 for all of them. Whoever folds many slots of a repository commits one after the
other, and without pauses another one lost against each of these."""
UNANSWERED: Final = 1
"""The last attempt, from 0, after which a commit without an answer is tried again."""

_log = logging.getLogger("registrail.trace")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """The use case."""

    history: History
    marks: Marks

    async def apply(
        self, registry: str, events: Sequence[RecordedEvent], kept: Strands | None = None
    ) -> Mapping[str, Effect]:
        """Add events to the history; what each did, by its id.

        Args:
            registry: of all events.
            events: all that there are of some slots, in any order.
            kept: repositories that were traced before; those of these events are kept there.

        Raises:
            StorageUnavailableError: others kept changing the same repository for too long.
        """
        traced = sorted((one for one in events if takes_part(one.event)), key=_repository)
        free = asyncio.Semaphore(AT_ONCE)

        async def of_repository(repository: str, some: Sequence[RecordedEvent]) -> Mapping[str, Effect]:
            async with free:
                return await self._apply(registry, repository, some, kept or Strands(0))

        effects = await asyncio.gather(
            *(of_repository(name, list(some)) for name, some in itertools.groupby(traced, key=_repository))
        )
        return {event: effect for one in effects for event, effect in one.items()}

    async def _apply(
        self, registry: str, repository: str, events: Sequence[RecordedEvent], kept: Strands
    ) -> Mapping[str, Effect]:
        """Add the events of one repository, as many to a commit as fit."""
        left = oldest_first(events)
        effects: dict[str, Effect] = {}
        for attempt, pause in zip(range(ATTEMPTS), pauses(FIRST_PAUSE, LONGEST_PAUSE), strict=False):
            strand = kept.take(repository) or await Strand.open(self.history, registry, repository)
            await strand.prepare(left)
            done = 0
            try:
                for number, event in enumerate(left):
                    if strand.is_full:
                        await strand.commit()
                        done = number
                    effects[event.id] = await strand.add(event)
                await strand.commit()
            except (ConflictError, StorageUnavailableError) as error:
                # Who got no answer does not know whether his commit took place; to add all again does no harm.
                if isinstance(error, StorageUnavailableError) and attempt > UNANSWERED:
                    raise
                left = left[done:]
                await asyncio.sleep(pause)
                continue
            if await self._mark(registry, strand):
                kept.keep(strand)
            return effects
        message = f"the history of {repository!r} keeps changing; try again"
        raise StorageUnavailableError(message)

    async def _mark(self, registry: str, strand: "Strand") -> bool:
        """Mark the slots that have to be counted anew; then forget that they had to be marked.

        Returns:
            Whether the repository is still as it is known here.
        """
        recount = strand.repository.recount
        if not recount:
            return True
        await self.marks.touch(registry, recount)
        _log.info("history corrected", extra={"repository": strand.repository.repository, "slots": len(recount)})
        strand.repository = replace(strand.repository, recount=())
        try:
            await strand.commit(always=True)
        except ConflictError:
            _log.info("slots stay noted", extra={"repository": strand.repository.repository})
            return False
        return True


def _repository(recorded: RecordedEvent) -> str:
    return recorded.event.repository
