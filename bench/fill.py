"""Loading a made-up year into a store: as if it had been received, but in commits of a hundred rows."""

import asyncio
import itertools
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Final, Unpack

from bench.year import Told
from registrail.compose import use_cases
from registrail.settings import Settings
from registrail.storage.store import (
    Entity,
    EntityStore,
    Merge,
    Operation,
    Page,
    Replace,
    ScanOptions,
    check_operations,
    commits,
)

AT_ONCE: Final = 50_000
"""Reports that are gathered before they are written."""

_IN_FLIGHT: Final = 8


async def fill(store: EntityStore, told: Iterable[Told]) -> int:
    """Append reports through the app's own journal, in their order, and mark their slots; who calls may fold.

    Returns:
        How many reports there were.
    """
    gathering = Gathering(store)
    ingest = use_cases(gathering, Settings(storage="sqlite:///:memory:")).ingest
    count = 0
    reports = iter(told)
    while batch := list(itertools.islice(reports, AT_ONCE)):
        slots: dict[str, set[str]] = defaultdict(set)
        for event, arrival in batch:
            await ingest.journal.append([event], arrival)
            if event.occurred_at is not None:
                slots[event.registry].add(event.occurred_at.minute)
        await gathering.flush()
        for registry, of_registry in slots.items():
            await ingest.marks.touch(registry, sorted(of_registry))
        await gathering.flush()
        count += len(batch)
    return count


class Gathering:
    """An EntityStore that keeps unconditional writes to itself until `flush`, one for each row. Reads see the store."""

    def __init__(self, store: EntityStore) -> None:
        self._store = store
        self._rows: dict[tuple[str, str], dict[str, Merge | Replace]] = defaultdict(dict)

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
        """Note merges and replacements; what depends on what is there goes to the store, after all that was noted."""
        check_operations(operations)
        rows = self._rows[table, partition]
        writes = [one for one in operations if isinstance(one, Merge | Replace) and one.version is None]
        if len(writes) != len(operations):
            await self.flush()
            return await self._store.commit(table, partition, operations)
        for write in writes:
            before = rows.get(write.row)
            if before is not None and isinstance(write, Merge):
                rows[write.row] = type(before)(write.row, {**before.properties, **write.properties})
            else:
                rows[write.row] = write
        return [None] * len(operations)

    async def flush(self) -> None:
        """Write everything: the catalog before the rows that it names."""
        rows, self._rows = self._rows, defaultdict(dict)
        for wanted in (True, False):
            chosen = [key for key in rows if (key[0] == "catalog") is wanted]
            lanes = [iter(chosen)] * _IN_FLIGHT
            await asyncio.gather(*(self._write(lane, rows) for lane in lanes))

    async def _write(
        self, lane: Iterable[tuple[str, str]], rows: dict[tuple[str, str], dict[str, Merge | Replace]]
    ) -> None:
        """Write partitions until none is left; the others take from the same lane."""
        for table, partition in lane:
            for operations in commits(list(rows[table, partition].values())):
                await self._store.commit(table, partition, operations)

    async def close(self) -> None:
        """Write what is noted; the store is somebody else's."""
        await self.flush()
