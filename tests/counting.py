"""An EntityStore that counts what it is asked for."""

from collections import Counter
from collections.abc import Sequence
from typing import Unpack

from registrail.storage.store import Entity, EntityStore, Operation, Page, ScanOptions


class Counting:
    """Passes everything on; counts requests by kind, `get`, `scan`, `head`, `commit`, and what scans read of texts."""

    def __init__(self, store: EntityStore) -> None:
        self._store = store
        self.requests: Counter[str] = Counter()
        self.read_bytes = 0

    async def get(self, table: str, partition: str, row: str) -> Entity | None:
        self.requests["get"] += 1
        return await self._store.get(table, partition, row)

    async def scan(self, table: str, partition: str, **options: Unpack[ScanOptions]) -> Page:
        self.requests["scan"] += 1
        page = await self._store.scan(table, partition, **options)
        self.read_bytes += sum(
            len(value)
            for entity in page.entities
            for value in entity.properties.values()
            if isinstance(value, str | bytes)
        )
        return page

    async def head(self, table: str, limit: int) -> Sequence[Entity]:
        self.requests["head"] += 1
        return await self._store.head(table, limit)

    async def commit(self, table: str, partition: str, operations: Sequence[Operation]) -> Sequence[str | None]:
        self.requests["commit"] += 1
        return await self._store.commit(table, partition, operations)

    async def close(self) -> None:
        await self._store.close()

    def reset(self) -> None:
        """Begin anew."""
        self.requests.clear()

    @property
    def total(self) -> int:
        """All requests since the beginning."""
        return self.requests.total()
