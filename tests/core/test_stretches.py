"""Reading oldest first: everything once, in order, and never too much at once."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from registrail.compose import use_cases
from registrail.events import Arrival, RecordedEvent, RegistryEvent
from registrail.instants import Instant
from registrail.ports import EventPage, Journal
from registrail.settings import Settings
from registrail.storage.sqlite import SqliteStore
from registrail.stretches import stretches

REGISTRY: Final = "r.example"
NOON: Final = Instant.parse("2026-06-15T12:00:00Z")
LENGTH: Final = 1000
"""Of what is read, in units of 100 ns."""


async def journal_with(ticks: Sequence[int]) -> tuple[SqliteStore, Journal]:
    """Events of one day, so many units of 100 ns after noon."""
    store = SqliteStore(":memory:")
    journal = use_cases(store, Settings()).summarize.journal
    events = [
        RegistryEvent(
            action="push", registry=REGISTRY, repository="a", tag=f"v{number}", occurred_at=Instant(NOON.ticks + at)
        )
        for number, at in enumerate(ticks)
    ]
    await journal.append(events, Arrival(sender="acr", delivery="1", received_at=NOON))
    return store, journal


async def read(journal: Journal, most: int) -> list[Sequence[RecordedEvent]]:
    """From noon, `LENGTH` units long."""
    until = Instant(NOON.ticks + LENGTH)
    return [stretch async for stretch in stretches(journal, REGISTRY, NOON.day, NOON, until, most)]


@given(st.lists(st.integers(-5, LENGTH + 5), max_size=60), st.integers(1, 20))
@example([0] * 9, 3)
@example([LENGTH - 1] * 9, 3)
@example([*range(0, LENGTH, 50), *range(500, 520)], 4)
async def test_everything_comes_once_and_in_order(ticks: list[int], most: int) -> None:
    """And not too much at once, unless it is of one instant."""
    store, journal = await journal_with(ticks)
    found = [
        [one.event.occurred_at.ticks - NOON.ticks for one in some if one.event.occurred_at]
        for some in await read(journal, most)
    ]
    assert sorted(itertools.chain(*found)) == sorted(at for at in ticks if 0 <= at < LENGTH)
    assert all(len(some) <= most or len(set(some)) == 1 for some in found)
    ends = [(min(some), max(some)) for some in found if some]
    assert all(before < after for (_, before), (after, _) in itertools.pairwise(ends))
    await store.close()


@dataclass
class Counted:
    """A journal that counts the events that were read."""

    journal: Journal
    events: int = 0

    async def read(self, *args: Any, **options: Any) -> EventPage:
        page = await self.journal.read(*args, **options | {"limit": 10})
        self.events += len(page.events)
        return page


@pytest.mark.parametrize(("number", "times"), [(20, 1), (200, 2)])
async def test_little_is_read_twice(number: int, times: float) -> None:
    """What fits is read once; of more, the pieces are soon as long as they may be."""
    store, journal = await journal_with([at * LENGTH // number for at in range(number)])
    counted = Counted(journal)
    found = await read(counted, 20)  # type: ignore[arg-type]
    assert sum(map(len, found)) == number
    assert counted.events <= times * number
    await store.close()
