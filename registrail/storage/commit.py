"""Group commit: writes that arrive while another one is under way share the next transaction.

A store that answers in 5 ms writes 200 rows a second one at a time, and 20,000 a hundred at a time. Nobody waits for
company on an idle store: the first write goes out at once, and whatever arrives in the meantime goes out together when
it is back. In a crowd that would be everybody: all would wait for the store, and then the store for all of them. So
what is worth a transaction goes out while others are under way, and of many that wait only half go together.
Everyone hears the fate of their own rows, and hears it when they are durable.
"""

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence
from copy import copy
from dataclasses import dataclass, field
from typing import Final, Unpack, cast

from registrail.errors import StorageRefusedError, StorageUnavailableError
from registrail.storage.store import (
    MOST_BYTES,
    MOST_OPERATIONS,
    Entity,
    EntityStore,
    Merge,
    Operation,
    Page,
    Replace,
    ScanOptions,
    check_operations,
    estimate,
)

MOST_WAITING: Final = 10_000
"""Operations that may wait; beyond that senders are told to come back."""

ENOUGH: Final = 12
"""Operations that are worth a transaction of their own while others are under way."""

MOST_UNDER_WAY: Final = 4
"""Transactions to one partition at a time; with more than twice `ENOUGH` operations in them others must be full."""

TURNS: Final = 3
"""Of the event loop between transactions: requests that have arrived meanwhile are read and join the next one."""

Write = Merge | Replace


@dataclass(eq=False, slots=True)
class _Waiting:
    """One caller's writes."""

    writes: Sequence[Write]
    size: int
    done: asyncio.Future[Sequence[str | None]]


@dataclass(slots=True)
class _Lane:
    """The writes to one partition: those that wait, how many operations wait and are under way, and who writes them."""

    enough: int
    waiting: deque[_Waiting] = field(default_factory=deque)
    length: int = 0
    under_way: int = 0
    workers: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def has_enough(self) -> bool:
        """Whether what waits should go out although others are under way."""
        return self.length >= (self.enough if self.under_way <= 2 * self.enough else MOST_OPERATIONS)

    @property
    def share(self) -> int:
        """How many operations of those that wait may go together: all, but of a few dozen only half."""
        if self.length > 4 * self.enough:
            return MOST_OPERATIONS
        return min(max(self.enough, (self.length + 1) // 2), MOST_OPERATIONS)


class GroupCommit:
    """An EntityStore that writes through another one, many callers' writes at a time.

    Only unconditional writes (merge, replace) are put together. Commits that insert, delete or expect a version go
    straight through: what they may write depends on what is there.

    Args:
        enough: operations that are worth a transaction of their own while others are under way; at most
            `MOST_OPERATIONS`, which suits an engine that does one transaction at a time.
    """

    def __init__(self, store: EntityStore, *, enough: int = ENOUGH, most_waiting: int = MOST_WAITING) -> None:
        self._store = store
        self._enough = enough
        self._most_waiting = most_waiting
        self._waiting = 0
        self._lanes: dict[tuple[str, str], _Lane] = {}

    async def get(self, table: str, partition: str, row: str) -> Entity | None:
        """Read one row."""
        return await self._store.get(table, partition, row)

    async def scan(self, table: str, partition: str, **options: Unpack[ScanOptions]) -> Page:
        """Read a range of rows in one partition."""
        return await self._store.scan(table, partition, **options)

    async def head(self, table: str, limit: int) -> Sequence[Entity]:
        """Read some rows of a table."""
        return await self._store.head(table, limit)

    async def commit(self, table: str, partition: str, operations: Sequence[Operation]) -> Sequence[str | None]:
        """Do all operations or none, perhaps in one transaction with those of others.

        Raises:
            StorageUnavailableError: also when too many writes are waiting.
        """
        check_operations(operations)
        writes = [operation for operation in operations if isinstance(operation, Write) and operation.version is None]
        if len(writes) != len(operations):
            return await self._store.commit(table, partition, operations)
        if self._waiting + len(writes) > self._most_waiting:
            raise StorageUnavailableError(f"{self._waiting} writes are waiting for the store")
        done: asyncio.Future[Sequence[str | None]] = asyncio.get_running_loop().create_future()
        lane = self._lanes.get((table, partition))
        if lane is None:
            lane = self._lanes[table, partition] = _Lane(self._enough)
        lane.waiting.append(_Waiting(writes, sum(estimate(write.properties) for write in writes), done))
        self._waiting += len(writes)
        lane.length += len(writes)
        if not lane.workers or (lane.has_enough and len(lane.workers) < MOST_UNDER_WAY):
            worker = asyncio.create_task(self._work(table, partition, lane))
            lane.workers.add(worker)
            worker.add_done_callback(lambda worker: self._leave(table, partition, lane, worker))
        return await done

    async def close(self) -> None:
        """Write what is waiting, then close the store."""
        while workers := [worker for lane in self._lanes.values() for worker in lane.workers]:
            await asyncio.wait(workers)
        await self._store.close()

    async def _work(self, table: str, partition: str, lane: _Lane) -> None:
        """Write one transaction after the other until nobody waits, or others write and what waits is not enough."""
        while lane.waiting and (lane.has_enough or len(lane.workers) == 1):
            group = _take(lane.waiting, lane.share)
            operations = self._leave_queue(lane, group)
            lane.under_way += operations
            try:
                await self._write(table, partition, group)
            finally:
                lane.under_way -= operations
                _fail(group, StorageUnavailableError("the app is ending"))  # all have heard unless we are cancelled
            for _ in range(TURNS):
                await asyncio.sleep(0)
        lane.workers.discard(cast("asyncio.Task[None]", asyncio.current_task()))
        if not lane.workers:
            del self._lanes[table, partition]

    def _leave(self, table: str, partition: str, lane: _Lane, worker: asyncio.Task[None]) -> None:
        """Leave nobody waiting for a worker that was cancelled."""
        if worker not in lane.workers:
            return
        lane.workers.discard(worker)
        if not lane.workers:
            del self._lanes[table, partition]
            self._leave_queue(lane, lane.waiting)
            _fail(lane.waiting, StorageUnavailableError("the app is ending"))

    def _leave_queue(self, lane: _Lane, callers: Iterable[_Waiting]) -> int:
        """How many operations do not wait any more."""
        length = sum(len(caller.writes) for caller in callers)
        lane.length -= length
        self._waiting -= length
        return length

    async def _write(self, table: str, partition: str, group: Sequence[_Waiting]) -> None:
        together: dict[str, Write] = {}
        for caller in group:
            for write in caller.writes:
                together[write.row] = _both(together.get(write.row), write)
        try:
            versions = await self._store.commit(table, partition, list(together.values()))
        except StorageRefusedError as error:
            if len(group) == 1:
                _fail(group, error)
                return
            # Somebody's row is not acceptable. The others must not suffer for it.
            for caller in group:
                await self._write(table, partition, [caller])
        except Exception as error:  # noqa: BLE001 - whatever it is, these callers must hear it or wait for ever
            _fail(group, error)
        else:
            version_of = dict(zip(together, versions, strict=True))
            for caller in group:
                if not caller.done.done():
                    caller.done.set_result([version_of[write.row] for write in caller.writes])


def _take(waiting: deque[_Waiting], most: int) -> list[_Waiting]:
    """As many callers, in their order, as fit into one transaction of at most so many operations; at least one."""
    group = [waiting.popleft()]
    rows = {write.row for write in group[0].writes}
    size = group[0].size
    while waiting:
        following = waiting[0]
        rows.update(write.row for write in following.writes)
        size += following.size
        if len(rows) > most or size > MOST_BYTES:
            break
        group.append(waiting.popleft())
    return group


def _both(first: Write | None, second: Write) -> Write:
    """One write that does what two in a row do."""
    if first is None or isinstance(second, Replace):
        return second
    return type(first)(first.row, {**first.properties, **second.properties})


def _fail(callers: Iterable[_Waiting], error: Exception) -> None:
    for caller in callers:
        if not caller.done.done():
            # Each its own exception: one that is raised in two places collects both tracebacks.
            caller.done.set_exception(copy(error))
