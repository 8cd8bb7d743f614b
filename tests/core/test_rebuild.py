"""Rebuilding: the rows are those that counting event by event left, whatever comes or breaks off meanwhile."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Final

import httpx
import pytest

from bench.fill import fill
from bench.year import REGISTRY, year
from registrail.compose import UseCases, use_cases
from registrail.errors import BusyError, StorageUnavailableError
from registrail.instants import Instant
from registrail.ports import REBUILD, Mark
from registrail.rebuild import LEASE, ForgettingError, Rebuild, Step
from registrail.senders.sender import Request
from registrail.settings import Settings
from registrail.storage.activity_rows import breakdown
from registrail.storage.marks import EntityMarks
from registrail.storage.sqlite import SqliteStore
from registrail.storage.store import EntityStore, Operation, Replace, scan_all
from registrail.upkeep import RebuildNote
from registrail.web.app import web_app
from tests.conftest import Clock
from tests.mortal import Mortal, PulledPlugError
from torture.copies import content_of, store_with

NOW: Final = Instant.parse("2025-03-01T00:00:00Z")
TABLES: Final = ("history", "activity")
OWN: Final = ("breakdown_", "due_after", "folded_at")
Rows = Mapping[tuple[str, str], Mapping[str, Any]]


async def rows(store: EntityStore) -> Rows:
    """All that was worked out. Breakdowns are unpacked: for our own use they hold what was left to be written once."""
    found: dict[tuple[str, str], Mapping[str, Any]] = {}
    for entity in await scan_all(store, "history", REGISTRY):
        found["history", entity.row] = entity.properties
    for entity in await scan_all(store, "activity", REGISTRY):
        if "events" not in entity.properties:
            continue  # late events took everything away that it counted
        told = {name: value for name, value in entity.properties.items() if not name.startswith(OWN)}
        packed = {"breakdown": breakdown(entity.properties)} if "breakdown_0" in entity.properties else {}
        found["activity", entity.row] = told | packed
    return found


async def fold(app: UseCases) -> None:
    """Fold until nothing is marked."""
    while await app.summarize.marks.pending(REGISTRY):
        await app.summarize.fold_all()


@pytest.fixture(scope="module")
def fortnight() -> bytes:
    """A store with a busy fortnight, that was told in three parts and folded after each."""

    async def made() -> bytes:
        store = SqliteStore(":memory:")
        app = use_cases(store, Settings(), lambda: NOW)
        told = year(events=500, repositories=5, days=12, seed=3)
        for begin in range(0, len(told), 200):
            await fill(store, told[begin : begin + 200])
            await fold(app)
        content = content_of(store)
        await store.close()
        return content

    return asyncio.run(made())


def rebuilding(app: UseCases, most_events: int = 60) -> Rebuild:
    """The use case, for readers who need no grace; little at a time, so that there is much to interrupt."""
    return replace(app.rebuild, grace_seconds=0, most_events=most_events)


async def damage(store: SqliteStore) -> None:
    """Change some rows, lose some, and add one that nobody would write."""
    for table in TABLES:
        found = await scan_all(store, table, REGISTRY)
        operations: list[Operation] = [Replace(entity.row, {"broken": True}) for entity in found[::7][:99]]
        await store.commit(table, REGISTRY, [*operations, Replace("zzz", {"lost": 1})])


@pytest.mark.parametrize("most_events", [1, 60, 5000])
async def test_all_rows_are_what_they_were(fortnight: bytes, most_events: int) -> None:
    """Whatever was damaged, and however little is worked out at once; and the journal is not touched."""
    store = store_with(fortnight)
    app = use_cases(store, Settings(), lambda: NOW)
    before = await rows(store)
    await damage(store)
    assert await rows(store) != before
    steps: list[Step] = []
    events = await rebuilding(app, most_events).rebuild(REGISTRY, steps.append)
    assert await rows(store) == before
    assert sum(step.events for step in steps) == events > 400
    assert [step.left for step in steps] == list(range(len(steps) - 1, -1, -1))
    assert await app.summarize.marks.pending(REGISTRY) == []
    assert await app.rebuild.progress.read(REGISTRY) is None
    await store.close()


async def test_what_awaited_a_fold_is_counted(fortnight: bytes) -> None:
    """After an import all minutes do, and nobody has to count them twice."""
    store = store_with(fortnight)
    app = use_cases(store, Settings(), lambda: NOW)
    before = await rows(store)
    slots = [row.rpartition("~")[2] for table, row in before if table == "activity" and row.startswith("slot")]
    await app.summarize.marks.touch(REGISTRY, slots)
    await rebuilding(app).rebuild(REGISTRY)
    assert await app.summarize.marks.pending(REGISTRY) == []
    assert await rows(store) == before
    await store.close()


@dataclass(kw_only=True)
class Busy(EntityMarks):
    """Marks of a registry that adds to one of its slots just before anything is cleared."""

    store: EntityStore
    slot: str

    def __post_init__(self) -> None:
        super().__init__(self.store)

    async def clear(self, registry: str, marks: Sequence[Mark]) -> None:
        await self.touch(registry, [self.slot])
        await super().clear(registry, marks)


async def test_what_was_added_meanwhile_still_awaits_a_fold(fortnight: bytes) -> None:
    """Nobody knows whether the rebuild has read it."""
    store = store_with(fortnight)
    app = use_cases(store, Settings(), lambda: NOW)
    slots = ["2025-01-05T10:00", "2025-01-06T10:00", "2025-01-06T10:01"]
    await app.summarize.marks.touch(REGISTRY, slots)
    await replace(rebuilding(app), marks=Busy(store=store, slot=slots[1])).rebuild(REGISTRY)
    assert [mark.slot for mark in await app.summarize.marks.pending(REGISTRY)] == slots[1:2]
    await store.close()


@dataclass
class Interrupted:
    """A store that somebody else makes use of before some of the commits."""

    inner: SqliteStore
    every: int
    others: AsyncIterator[None]
    commits: int = 0
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def commit(self, table: str, partition: str, operations: Sequence[Operation]) -> Sequence[str | None]:
        self.commits += 1
        if self.commits % self.every == 0 and not self.turn.locked():
            async with self.turn:
                await anext(self.others, None)
        return await self.inner.commit(table, partition, operations)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


@pytest.mark.parametrize("every", [3, 11])
async def test_events_come_meanwhile(every: int) -> None:
    """New, late and repeated ones: in the end the rows are those of a store that never was rebuilt."""
    told = year(events=300, repositories=4, days=6, seed=4)
    store, other = SqliteStore(":memory:"), SqliteStore(":memory:")
    await fill(store, told[:150])
    await fold(use_cases(store, Settings(), lambda: NOW))

    async def ingest() -> AsyncIterator[None]:
        for begin in range(150, len(told), 10):
            await fill(store, told[begin : begin + 10])
            yield

    arriving = ingest()
    app = use_cases(Interrupted(store, every, arriving), Settings(), lambda: NOW)
    await rebuilding(app).rebuild(REGISTRY)
    async for _ in arriving:
        pass
    await fold(use_cases(store, Settings(), lambda: NOW))
    await fill(other, told)
    await fold(use_cases(other, Settings(), lambda: NOW))
    assert await rows(store) == await rows(other)
    await store.close()
    await other.close()


@pytest.mark.parametrize("lives", [[0], [1], [2], [3], [5], [8], [20], [40], [41], [60], [90], [4, 30, 7, 50]])
async def test_whoever_is_interrupted_is_followed_by_another(fortnight: bytes, clock: Clock, lives: list[int]) -> None:
    """When the time of the dead one is over, the next one goes on, and ends where an undisturbed one does."""
    store = store_with(fortnight)
    before = await rows(store)
    await damage(store)
    for left in lives:
        with pytest.raises(PulledPlugError):
            await rebuilding(use_cases(Mortal(store, left), Settings(), clock)).rebuild(REGISTRY)
        clock.now = clock.now.plus(LEASE)
    app = use_cases(store, Settings(), clock)
    await rebuilding(app).rebuild(REGISTRY)
    assert await rows(store) == before
    assert await app.summarize.marks.pending(REGISTRY) == []
    await store.close()


async def test_two_do_not_rebuild_at_once(fortnight: bytes, clock: Clock) -> None:
    """The second one is told until when the first one has it; who was taken for dead finds out, and breaks nothing."""
    store = store_with(fortnight)
    before = await rows(store)
    app = use_cases(store, Settings(), clock)
    taken_over: list[str] = []

    def tell(step: Step) -> None:
        if step.day is not None and not taken_over:
            taken_over.append(step.day)

    async def second() -> AsyncIterator[None]:
        with pytest.raises(BusyError, match="try again after"):
            await rebuilding(app).rebuild(REGISTRY)
        clock.now = clock.now.plus(LEASE + timedelta(seconds=1))
        await rebuilding(app).rebuild(REGISTRY)
        yield

    slow = use_cases(Interrupted(store, 25, second()), Settings(), clock)
    with pytest.raises(BusyError, match="somebody else"):
        await rebuilding(slow).rebuild(REGISTRY, tell)
    assert await rows(store) == before
    assert await app.summarize.marks.pending(REGISTRY) == []
    assert await app.rebuild.progress.read(REGISTRY) is None
    await store.close()


async def test_readers_wait_and_timers_leave_it_alone(fortnight: bytes) -> None:
    """A reader hears 503 and when to come again; a timer folds nothing of this registry."""
    store = store_with(fortnight)
    app = use_cases(store, Settings(), lambda: NOW)
    await app.summarize.marks.touch(REGISTRY, [REBUILD, "2025-01-05T10:00"])
    assert await app.summarize.fold_all() == 0
    with pytest.raises(StorageUnavailableError, match="being rebuilt"):
        await app.summarize.bring_up_to_date(REGISTRY)
    transport = httpx.ASGITransport(web_app(app.query, app.ingest, Settings()))
    async with httpx.AsyncClient(transport=transport, base_url="http://registrail.localhost") as http:
        answer = await http.get("/api/repositories")
    assert (answer.status_code, "being rebuilt" in answer.json()["detail"]) == (503, True)
    assert int(answer.headers["retry-after"]) > 0
    event = {
        "action": "push",
        "target": {"repository": "a", "tag": "t", "digest": "sha256:1"},
        "request": {"host": "h"},
    }
    receipt = await app.ingest.receive("acr", Request(body=json.dumps(event).encode()), path="/hooks/acr")
    assert receipt.answer is not None
    await store.close()


async def test_what_retention_deleted_is_not_forgotten_by_accident(fortnight: bytes) -> None:
    """Only if one says so; and a refusal leaves nothing behind."""
    store = store_with(fortnight)
    app = use_cases(store, Settings(), lambda: NOW)
    before = await rows(store)
    await app.rebuild.limits.raise_to(REGISTRY, "2025-01-05")
    with pytest.raises(ForgettingError, match="--forget"):
        await rebuilding(app).rebuild(REGISTRY)
    assert await rows(store) == before
    assert (await app.summarize.marks.pending(REGISTRY), await app.rebuild.progress.read(REGISTRY)) == ([], None)
    await rebuilding(app).rebuild(REGISTRY, forget=True)
    assert await rows(store) != before
    await store.close()


async def test_the_note_of_a_rebuild_that_came_to_its_end_is_no_beginning(fortnight: bytes, clock: Clock) -> None:
    """Who died between taking the mark and the note away has done all of it: the next one begins from the first day."""
    store = store_with(fortnight)
    app = use_cases(store, Settings(), clock)
    before = await rows(store)
    await app.rebuild.progress.write(REGISTRY, RebuildNote(day="2025-01-09"))
    await damage(store)
    await rebuilding(app).rebuild(REGISTRY)
    assert await rows(store) == before
    await store.close()
