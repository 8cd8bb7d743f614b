"""An EntityStore that counts what is asked of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Unpack

from registrail.storage.store import Entity, EntityStore, Operation, Page, ScanOptions


@dataclass(slots=True)
class Count:
    """Requests that would be billed, and entities that were read and written."""

    requests: int = 0
    read: int = 0
    written: int = 0


@dataclass
class CountingStore:
    """Passes everything on. One scan is one request, for no scan asks for more than the service gives at once."""

    store: EntityStore
    count: Count = field(default_factory=Count)

    async def get(self, table: str, partition: str, row: str) -> Entity | None:
        """Read one row."""
        self.count.requests += 1
        found = await self.store.get(table, partition, row)
        self.count.read += found is not None
        return found

    async def scan(self, table: str, partition: str, **options: Unpack[ScanOptions]) -> Page:
        """Read a range of rows."""
        self.count.requests += 1
        page = await self.store.scan(table, partition, **options)
        self.count.read += len(page.entities)
        return page

    async def head(self, table: str, limit: int) -> Sequence[Entity]:
        """Read some rows of a table."""
        self.count.requests += 1
        found = await self.store.head(table, limit)
        self.count.read += len(found)
        return found

    async def commit(self, table: str, partition: str, operations: Sequence[Operation]) -> Sequence[str | None]:
        """Write a transaction."""
        self.count.requests += 1
        self.count.written += len(operations)
        return await self.store.commit(table, partition, operations)

    async def close(self) -> None:
        """Close the store."""
        await self.store.close()

    def taken(self) -> Count:
        """What was counted since this was last asked."""
        taken, self.count = self.count, Count()
        return taken
