"""Insert, mark, fold: whatever the order in which two receivers and two folds take their steps, nothing is lost.

The real use cases run on the real SQLite engine, one storage request at a time. `explore` tries every task that can go
on from each state that can be reached, so it covers all interleavings; states that were reached before are not followed
again. Where there are too many of them, `sample` tries some thousand.
"""

import json
import random
import sqlite3
from collections.abc import Awaitable, Callable, Coroutine, Generator, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any, cast

from registrail.activity import Breakdown, tally, total
from registrail.compose import UseCases, use_cases
from registrail.errors import ConflictError
from registrail.events import Arrival
from registrail.instants import Instant
from registrail.ports import Account, Activity, DeliveryLog
from registrail.senders.sender import Batch, Request
from registrail.settings import Settings
from registrail.storage.sqlite import SqliteStore
from registrail.storage.store import Entity, Operation, Page
from registrail.summarize import Summarize

NOON = Instant.parse("2026-06-15T12:00:00Z")
LATER = Instant.parse("2026-06-15T13:00:00Z")
REGISTRY = "r.azurecr.io"
Task = Coroutine[None, None, Any]


class Step:
    """Awaiting it hands control to whoever drives the task."""

    def __await__(self) -> Generator[None, None, None]:
        yield


@dataclass
class SteppedStore:
    """A store in memory that stops before every request, and remembers what each task saw.

    Versions are random; here they are told apart by how often their row was written.
    """

    inner: SqliteStore = field(default_factory=lambda: SqliteStore(":memory:"))
    stepping: bool = True
    seen: list[tuple[Hashable, ...]] = field(default_factory=list)
    task: int = 0
    writes: dict[tuple[str, str], int] = field(default_factory=dict)
    names: dict[str, tuple[str, str, int]] = field(default_factory=dict)

    async def _step(self, see: Callable[[Any], Hashable], request: Callable[[], Awaitable[Any]]) -> Any:
        if self.stepping:
            await Step()
        if not self.stepping:
            return await request()
        try:
            result = await request()
        except ConflictError as conflict:
            self._see(("conflict", conflict.index))
            raise
        self._see(see(result))
        return result

    def _see(self, what: Hashable) -> None:
        self.seen[self.task] = (hash((self.seen[self.task], what)),)

    def _name(self, entity: Entity) -> Hashable:
        return self.names.get(entity.version, ("", "", 0)), repr(sorted(entity.properties.items()))

    async def get(self, table: str, partition: str, row: str) -> Entity | None:
        result: Entity | None = await self._step(
            lambda found: self._name(found) if found else None, lambda: self.inner.get(table, partition, row)
        )
        return result

    async def scan(self, table: str, partition: str, **options: Any) -> Page:
        result: Page = await self._step(
            lambda page: tuple((entity.row, self._name(entity)) for entity in page.entities),
            lambda: self.inner.scan(table, partition, **options),
        )
        return result

    async def commit(self, table: str, partition: str, operations: Sequence[Operation]) -> Sequence[str | None]:
        async def write() -> Sequence[str | None]:
            versions = await self.inner.commit(table, partition, operations)
            for operation, version in zip(operations, versions, strict=True):
                key = (table, operation.row)
                self.writes[key] = self.writes.get(key, 0) + 1
                if version is not None:
                    self.names[version] = (*key, self.writes[key])
            return versions

        result: Sequence[str | None] = await self._step(lambda _: "written", write)
        return result

    async def close(self) -> None:
        await self.inner.close()

    async def state(self) -> Hashable:
        """What is stored, and what each task has seen so far: all that can influence what happens next."""
        content: list[Hashable] = []
        for table, partition in (("events", f"{REGISTRY}~2026-06-15"), ("marks", REGISTRY), ("activity", REGISTRY)):
            page = await self.inner.scan(table, partition)
            content += [(table, entity.row, self._name(entity)) for entity in page.entities]
        return tuple(content), tuple(self.seen)


def webhook(number: int, minute: int) -> Request:
    """Push one of several images in a given minute."""
    event = {
        "action": "push",
        "timestamp": f"2026-06-15T11:{minute:02}:01Z",
        "target": {"repository": f"app{number}", "tag": "v1", "digest": f"sha256:{number:064x}"},
        "request": {"host": REGISTRY, "id": str(number)},
    }
    return Request(body=json.dumps(event).encode())


def on(store: SteppedStore) -> UseCases:
    """The use cases; the delivery log is left out, because it shares no row with anything."""
    app = use_cases(store, Settings(), lambda: NOON)
    return replace(app, ingest=replace(app.ingest, deliveries=cast("DeliveryLog", Silence())))


@dataclass(frozen=True)
class Beginning:
    """A store in which one event was recorded and folded, so that there are rows to be overwritten."""

    content: bytes
    writes: dict[tuple[str, str], int]
    names: dict[str, tuple[str, str, int]]

    @classmethod
    def make(cls) -> "Beginning":
        store = SteppedStore(stepping=False)
        app = on(store)
        run(app.ingest.receive("acr", webhook(0, 5), path=""))
        run(app.summarize.fold_all())
        connection = store.inner._connection  # noqa: SLF001 - SQLite can copy a database, the port cannot
        assert connection is not None
        content = connection.serialize()
        run(store.close())
        return cls(content, store.writes, store.names)

    def again(self) -> SteppedStore:
        inner = SqliteStore(":memory:")
        inner._connection = sqlite3.connect(":memory:", isolation_level=None)  # noqa: SLF001 - likewise
        inner._connection.deserialize(self.content)  # noqa: SLF001 - likewise
        return SteppedStore(inner, writes=dict(self.writes), names=dict(self.names))


class Silence:
    """A delivery log that keeps nothing: it shares no row with anything else."""

    def record(self, _: Any) -> Awaitable[None]:
        """Forget a delivery."""
        return Done()


class Done:
    """An awaitable that has nothing to wait for."""

    def __await__(self) -> Generator[None, None, None]:
        yield from ()


def run(task: Task) -> Any:
    """Drive a coroutine that never really waits."""
    try:
        while True:
            task.send(None)
    except StopIteration as stop:
        return stop.value


def lost_something(store: SteppedStore, app: UseCases) -> bool:
    """Whether, after one more fold, some count differs from a recount of the events, or a mark is left."""
    store.stepping = False
    run(impatient(app).fold_all())
    recount = tally(recorded.event for recorded in run(app.query.journal.read(REGISTRY, "2026-06-15")).events)
    periods = [
        period
        for grain in ("hour", "day")
        for period in run(app.query.activity.periods(REGISTRY, grain, breakdown=True))
    ]
    counted = [(period.breakdown, period.counts) for period in periods]
    return counted != [(recount, total(recount))] * 2 or run(app.query.marks.pending(REGISTRY)) != []


Make = Callable[[UseCases], Sequence[Task]]


@dataclass
class Found:
    """How many different ends there are, and by which schedules something was lost."""

    ends: int = 0
    lost: list[tuple[int, ...]] = field(default_factory=list)


@dataclass
class Trial:
    """One run of some tasks by a schedule: the number of the task that goes on, again and again."""

    store: SteppedStore
    app: UseCases
    tasks: dict[int, Task]

    @classmethod
    def begin(cls, beginning: Beginning, make: Make) -> "Trial":
        store = beginning.again()
        app = on(store)
        trial = cls(store, app, dict(enumerate(make(app))))
        store.seen = [() for _ in trial.tasks]
        for number in list(trial.tasks):
            trial.go_on(number)
        return trial

    def go_on(self, number: int) -> None:
        self.store.task = number
        try:
            self.tasks[number].send(None)
        except StopIteration:
            del self.tasks[number]

    def end(self) -> None:
        for task in self.tasks.values():
            task.close()
        run(self.store.close())


def explore(make: Make) -> Found:
    """Try all interleavings of some tasks."""
    beginning = Beginning.make()
    known: set[Hashable] = set()
    found = Found()
    pending: list[tuple[int, ...]] = [()]
    while pending:
        schedule = pending.pop()
        trial = Trial.begin(beginning, make)
        for number in schedule:
            trial.go_on(number)
        state = (run(trial.store.state()), tuple(trial.tasks))
        if state not in known:
            known.add(state)
            pending += [(*schedule, number) for number in trial.tasks]
            if not trial.tasks:
                found.ends += 1
                found.lost += [schedule] if lost_something(trial.store, trial.app) else []
        trial.end()
    return found


def sample(make: Make, *, runs: int) -> Found:
    """Try some interleavings of tasks that have too many, always the same ones."""
    beginning = Beginning.make()
    rng = random.Random(1)  # noqa: S311 - nothing secret
    found = Found()
    for _ in range(runs):
        trial = Trial.begin(beginning, make)
        schedule: list[int] = []
        while trial.tasks:
            # A task that is under way likely goes on for a while, so that the others overlap at different places.
            if not schedule or schedule[-1] not in trial.tasks or rng.random() < 0.3:
                schedule.append(rng.choice(list(trial.tasks)))
            else:
                schedule.append(schedule[-1])
            trial.go_on(schedule[-1])
        found.ends += 1
        found.lost += [tuple(schedule)] if lost_something(trial.store, trial.app) else []
        trial.end()
    return found


def receive(app: UseCases, number: int, minute: int) -> Task:
    """Receive one of several events."""
    return app.ingest.receive("acr", webhook(number, minute), path="")


async def mark_then_insert(app: UseCases, number: int, minute: int) -> None:
    """Do what ingest does in the wrong order."""
    said = app.ingest.senders["acr"].translate(webhook(number, minute))
    assert isinstance(said, Batch)
    [event] = said.events
    await app.ingest.marks.touch(REGISTRY, [f"2026-06-15T11:{minute:02}"])
    await app.ingest.journal.append([event], Arrival(sender="acr", delivery="", received_at=NOON))


def impatient(app: UseCases) -> Summarize:
    """A fold whose clock is ahead, so that it respects nobody's claims."""
    return replace(app.summarize, clock=lambda: LATER)


def without_checks(app: UseCases) -> UseCases:
    """Write counts whatever is there."""

    async def write(registry: str, opened: Account, slots: Mapping[str, Breakdown], now: Instant) -> None:
        current = await app.summarize.activity.open_account(registry, opened.hour)
        await app.summarize.activity.write_account(registry, replace(opened, versions=current.versions), slots, now)

    activity = cast("Activity", SimpleNamespace(open_account=app.summarize.activity.open_account, write_account=write))
    return replace(app, summarize=replace(app.summarize, activity=activity))


def test_two_receivers_and_a_fold() -> None:
    """After an interleaving and one more fold, activity equals a recount and no mark is left."""
    found = sample(lambda app: [receive(app, 1, 5), receive(app, 2, 5), app.summarize.fold_all()], runs=2000)
    assert (found.lost, found.ends) == ([], 2000)


def test_a_receiver_and_two_folds() -> None:
    """After every interleaving with two folds, which respect each other's claims, nothing is lost either."""
    found = explore(lambda app: [receive(app, 1, 5), app.summarize.fold_all(), app.summarize.fold_all()])
    assert (found.lost, found.ends > 1) == ([], True)


def test_folds_that_overlap() -> None:
    """The same if claims expire, so that folds of one slot and of neighbouring slots work at the same time."""
    found = sample(
        lambda app: [
            receive(app, 1, 5),
            receive(app, 2, 7),
            app.summarize.fold_all(),
            impatient(app).fold_all(),
            impatient(app).fold_all(),
        ],
        runs=2000,
    )
    assert (found.lost, found.ends) == ([], 2000)


def test_marking_first_would_lose_events() -> None:
    """The order matters, and this test would notice."""
    found = explore(lambda app: [mark_then_insert(app, 1, 5), app.summarize.fold_all()])
    assert found.lost != []


def test_unchecked_writes_would_lose_events() -> None:
    """The version checks matter, and this test would notice."""
    found = sample(
        lambda app: [
            receive(app, 1, 5),
            receive(app, 2, 7),
            without_checks(app).summarize.fold_all(),
            impatient(without_checks(app)).fold_all(),
        ],
        runs=2000,
    )
    assert found.lost != []
