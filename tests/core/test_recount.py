"""Counting in pieces: what is folded with little in memory is what it is with everything in memory."""

import asyncio
import gc
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final

import pytest

from bench.fill import fill
from bench.year import REGISTRY, year
from registrail.compose import use_cases
from registrail.events import Arrival, RecordedEvent, RegistryEvent
from registrail.instants import Instant
from registrail.ports import EventPage, Journal
from registrail.settings import Settings
from registrail.storage.sqlite import SqliteStore
from registrail.storage.store import Entity, scan_all
from torture.copies import content_of, store_with

NOW: Final = Instant.parse("2025-03-01T00:00:00Z")
BUSY: Final = "busy.azurecr.io"
"""Whose events no other test has."""


async def derived(store: SqliteStore) -> list[Entity]:
    """All that was worked out, without the versions of rows."""
    return [
        replace(entity, version="")
        for table in ("history", "activity")
        for entity in await scan_all(store, table, REGISTRY)
    ]


@pytest.fixture(scope="module")
def unfolded() -> bytes:
    """A store with two busy days that nobody has counted."""

    async def made() -> bytes:
        store = SqliteStore(":memory:")
        await fill(store, year(events=400, repositories=4, days=2, seed=5))
        content = content_of(store)
        await store.close()
        return content

    return asyncio.run(made())


@pytest.mark.parametrize("most_events", [1, 3, 50])
async def test_pieces_do_not_matter(unfolded: bytes, most_events: int) -> None:
    """The rows of a fold in pieces are those of a fold at once."""
    whole, pieces = store_with(unfolded), store_with(unfolded)
    summarize = use_cases(pieces, Settings(), lambda: NOW).summarize
    await replace(summarize, most_events=most_events).bring_up_to_date(REGISTRY)
    await use_cases(whole, Settings(), lambda: NOW).summarize.bring_up_to_date(REGISTRY)
    expected = await derived(whole)
    assert len(expected) > 1000
    assert await derived(pieces) == expected
    for store in (whole, pieces):
        await store.close()


@dataclass
class Watched:
    """A journal that counts the events in memory whenever more are read."""

    journal: Journal
    most: int = 0

    async def read(self, *args: Any, **options: Any) -> EventPage:
        gc.collect()
        alive = [one.id for one in gc.get_objects() if isinstance(one, RecordedEvent) and one.event.registry == BUSY]
        self.most = max(self.most, len(alive))
        return await self.journal.read(*args, **options | {"limit": 10})


async def test_a_piece_is_let_go_of_before_the_next_one_is_read() -> None:
    """A fold of a busy minute never has two pieces in memory."""
    store = SqliteStore(":memory:")
    app = use_cases(store, Settings(), lambda: NOW)
    begin = NOW.plus(timedelta(minutes=-5))
    for number in range(200):
        event = RegistryEvent(
            action="push",
            registry=BUSY,
            repository="a",
            tag=f"v{number}",
            occurred_at=begin.plus(timedelta(milliseconds=200 * number)),
        )
        await app.ingest.journal.append([event], Arrival(sender="acr", delivery="1", received_at=NOW))
    await app.ingest.marks.touch(BUSY, [begin.minute])
    watched = Watched(app.summarize.journal)
    await replace(app.summarize, journal=watched, most_events=20).bring_up_to_date(BUSY)  # type: ignore[arg-type]
    assert 10 <= watched.most <= 20  # of a piece that was read in part
    await store.close()
