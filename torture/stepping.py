"""Tasks that take turns at a store: who makes the next request is up to whoever drives them. Nothing is left to chance.

A loop of its own runs what is ready until everybody waits for a turn, which is how a driver knows that they do. A task
that starts others (`asyncio.gather`) has a name that theirs begin with, so what a driver sees does not depend on when
they were started.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Coroutine, Hashable, Sequence
from contextlib import suppress
from contextvars import Context
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

from registrail.errors import ConflictError
from registrail.storage.sqlite import SqliteStore
from registrail.storage.store import Entity, Operation, Page

T = TypeVar("T")


class Turn(NamedTuple):
    """What a task waits for: a request to a table."""

    table: str
    writes: bool
    given: asyncio.Future[None]

    def commutes(self, other: "Turn") -> bool:
        """Whether it makes no difference which of two comes first."""
        return self.table != other.table or not (self.writes or other.writes)


class SteppedLoop(asyncio.AbstractEventLoop):
    """As much of an event loop as tasks, futures and `gather` need.

    Attributes:
        waiting: for a turn, by the name of the task.
        tasks: those that nobody else started, by name.
        problems: what nobody caught.
    """

    def __init__(self) -> None:
        self.waiting: dict[str, Turn] = {}
        self.tasks: dict[str, asyncio.Task[Any]] = {}
        self.problems: list[dict[str, Any]] = []
        self._ready: deque[asyncio.Handle] = deque()
        self._children: Counter[str] = Counter()

    def begin(self, name: str, work: Coroutine[Any, Any, Any]) -> None:
        """Start a task, and go on until it waits for its first turn."""
        self.tasks[name] = asyncio.Task(work, loop=self, name=name)
        self.settle()

    async def turn(self, table: str, *, writes: bool) -> str:
        """Wait for one's turn; the name of the task."""
        name = _current(self)
        self.waiting[name] = Turn(table, writes, asyncio.Future(loop=self))
        await self.waiting[name].given
        return name

    def go_on(self, name: str) -> None:
        """Give a task its turn, and go on until it waits for the next one or ends."""
        self.waiting.pop(name).given.set_result(None)
        self.settle()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a task that need not wait for turns."""
        task = asyncio.Task(work, loop=self, name="")
        self.settle()
        return task.result()

    def end(self) -> None:
        """Leave nobody waiting; raises what a task raised."""
        unfinished = [task for task in self.tasks.values() if not task.done()]
        for task in unfinished:
            task.cancel()
        while self.waiting:
            self.waiting.popitem()[1].given.cancel()
            self.settle()
        for task in self.tasks.values():
            with suppress(asyncio.CancelledError):
                task.result()
        assert not self.problems, self.problems

    def settle(self) -> None:
        """Run what is ready until nothing is."""
        asyncio._set_running_loop(self)  # noqa: SLF001 - meant for those who write loops
        try:
            while self._ready:
                self._ready.popleft()._run()  # noqa: SLF001 - likewise
        finally:
            asyncio._set_running_loop(None)  # noqa: SLF001 - likewise

    def get_debug(self) -> bool:
        """Never, it is slow."""
        return False

    def call_soon(self, callback: Callable[..., Any], *args: Any, context: Context | None = None) -> asyncio.Handle:  # type: ignore[override]  # as all who call it do
        """Make a call ready."""
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def call_later(self, _delay: float, callback: Callable[..., Any], *args: Any, **options: Any) -> Any:  # type: ignore[override]  # likewise
        """Make a call ready: nobody here waits for time to pass."""
        return self.call_soon(callback, *args, **options)

    def create_future(self) -> asyncio.Future[Any]:
        """One of this loop."""
        return asyncio.Future(loop=self)

    def create_task(self, coro: Any, **_: Any) -> asyncio.Task[Any]:
        """Start a task for another one: its first is called `{name}.1`."""
        parent = _current(self)
        self._children[parent] += 1
        return asyncio.Task(coro, loop=self, name=f"{parent}.{self._children[parent]}")

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Remember what nobody caught."""
        self.problems.append(context)


def stepped_loop() -> SteppedLoop:
    """A new loop; what else a loop can do, this one refuses to."""
    return SteppedLoop()  # type: ignore[abstract]  # of all its methods tasks need only a few


def root(name: str) -> str:
    """The name of the task that started a task, directly or not."""
    return name.partition(".")[0]


def _current(loop: asyncio.AbstractEventLoop) -> str:
    task = asyncio.current_task(loop)
    assert task is not None
    return task.get_name()


@dataclass
class SteppedStore:
    """A store in memory that waits for a turn before every request, and remembers what each task saw.

    Versions are random; here they are told apart by how often their row was written.
    """

    loop: SteppedLoop
    inner: SqliteStore = field(default_factory=lambda: SqliteStore(":memory:"))
    stepping: bool = True
    seen: dict[str, int] = field(default_factory=dict)
    writes: Counter[tuple[str, str]] = field(default_factory=Counter)
    names: dict[str, tuple[str, str, int]] = field(default_factory=dict)

    async def _step(
        self, table: str, see: Callable[[Any], Hashable], request: Callable[[], Awaitable[T]], *, writes: bool = False
    ) -> T:
        if not self.stepping:
            return await request()
        task = await self.loop.turn(table, writes=writes)
        try:
            result = await request()
        except ConflictError as conflict:
            self._see(task, ("conflict", conflict.index))
            raise
        self._see(task, see(result))
        return result

    def _see(self, task: str, what: Hashable) -> None:
        self.seen[task] = hash((self.seen.get(task), what))

    def _name(self, entity: Entity) -> Hashable:
        return entity.row, self.names.get(entity.version), repr(sorted(entity.properties.items()))

    async def get(self, table: str, partition: str, row: str) -> Entity | None:
        return await self._step(
            table, lambda found: found and self._name(found), lambda: self.inner.get(table, partition, row)
        )

    async def scan(self, table: str, partition: str, **options: Any) -> Page:
        return await self._step(
            table,
            lambda page: tuple(map(self._name, page.entities)),
            lambda: self.inner.scan(table, partition, **options),
        )

    async def head(self, table: str, limit: int) -> Sequence[Entity]:
        return await self._step(
            table, lambda entities: tuple(map(self._name, entities)), lambda: self.inner.head(table, limit)
        )

    async def commit(self, table: str, partition: str, operations: Sequence[Operation]) -> Sequence[str | None]:
        async def write() -> Sequence[str | None]:
            versions = await self.inner.commit(table, partition, operations)
            for operation, version in zip(operations, versions, strict=True):
                key = (table, operation.row)
                self.writes[key] += 1
                if version is not None:
                    self.names[version] = (*key, self.writes[key])
            return versions

        return await self._step(table, lambda _: "written", write, writes=True)

    async def close(self) -> None:
        await self.inner.close()

    def state(self) -> Hashable:
        """What is stored, and what each task that goes on has seen: all that can influence what happens next."""
        at_work = frozenset(name for name, task in self.loop.tasks.items() if not task.done())
        seen = frozenset((name, what) for name, what in self.seen.items() if root(name) in at_work)
        stored = tuple((*key, self.names.get(version), columns) for *key, version, columns in self._rows())
        return stored, at_work, seen

    def content(self) -> Hashable:
        """What is stored, whatever its versions."""
        return tuple((*key, columns) for *key, _, columns in self._rows())

    def _rows(self) -> list[tuple[str, str, str, str]]:
        connection = self.inner._connection  # noqa: SLF001 - one query instead of one for each partition
        assert connection is not None
        return connection.execute('SELECT "table", row, version, properties FROM entities').fetchall()
