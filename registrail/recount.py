"""Counting anew: the events of some slots are traced and counted, and the hours and days of these slots with them.

What makes it safe that others do the same is said in `summarize.py`: counts are read before the events and the history
that they depend on, and written only where nobody else wrote since then.
"""

import asyncio
import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, cast

from registrail.activity import EMPTY, Breakdown, Tally
from registrail.events import RecordedEvent
from registrail.instants import Instant
from registrail.projections import Account, Activity
from registrail.strands import Strands
from registrail.trace import Trace

DAYS_AT_ONCE: Final = 8
"""Whose counts are written at once."""


@dataclass(slots=True, kw_only=True)
class Recount:
    """Slots of one registry while their events come in, oldest first. Who is interrupted begins with a new one.

    Attributes:
        kept: repositories that were traced before; None keeps none.
        events: how many came in.
    """

    registry: str
    trace: Trace
    activity: Activity
    kept: Strands | None = None
    events: int = 0
    _accounts: list[Account] = field(default_factory=list)
    _counted: dict[str, Breakdown] = field(default_factory=dict)
    _slot: str = ""
    _tally: Tally = field(default_factory=Tally)

    async def open(self, day: str, hours: Iterable[str], slots: Iterable[str] = ()) -> None:
        """Before any event of a day is read: read its counts.

        Args:
            day: which.
            hours: of all slots whose events will come.
            slots: those of them that are counted even if no event comes.
        """
        self._accounts.append(await self.activity.open_account(self.registry, day, sorted(set(hours))))
        self._counted.update(dict.fromkeys(slots, EMPTY))

    async def add(self, events: Sequence[RecordedEvent]) -> None:
        """Trace and count events, in any order, none earlier than those before.

        Raises:
            StorageUnavailableError: others kept changing the history for too long.
        """
        effects = await self.trace.apply(self.registry, events, self.kept)
        for slot, of_slot in itertools.groupby(sorted(events, key=_slot), key=_slot):
            if slot != self._slot:
                self._close()
                self._slot = slot
            self._tally.add(of_slot, effects)
        self.events += len(events)

    def _close(self) -> None:
        """Let go of what is remembered of events of the last slot."""
        if self._slot:
            self._counted[self._slot] = self._tally.breakdown
        self._tally = Tally()

    async def write(self, now: Instant) -> None:
        """Write what was counted.

        Raises:
            ConflictError: somebody else wrote counts of these days meanwhile; nothing is lost, start again.
        """
        self._close()
        free = asyncio.Semaphore(DAYS_AT_ONCE)

        async def write_day(account: Account, counted: Mapping[str, Breakdown]) -> None:
            async with free:
                await self.activity.write_account(self.registry, account, counted, now)

        by_day: dict[str, dict[str, Breakdown]] = {}
        for slot, found in self._counted.items():
            by_day.setdefault(slot[: len("YYYY-MM-DD")], {})[slot] = found
        days = (write_day(one, by_day.get(one.date, {})) for one in self._accounts)
        for result in await asyncio.gather(*days, return_exceptions=True):  # nobody writes on when this has ended
            if result is not None:
                raise result


def _slot(recorded: RecordedEvent) -> str:
    return cast("Instant", recorded.event.occurred_at).minute
