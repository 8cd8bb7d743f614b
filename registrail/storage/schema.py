"""Which version the tables have: in the table `catalog`, partition and row `schema`.

The version is that of what is worked out (counts, history): events are never rewritten, and their columns are only
added to. A process asks once, before its first other request; a store without a version gets ours with the first write.
"""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from typing import Final, Unpack, cast

from registrail.errors import ConflictError, NewerTablesError
from registrail.storage.catalog import TABLE
from registrail.storage.store import Entity, EntityStore, Insert, Operation, Page, Replace, ScanOptions

VERSION: Final = 2
"""Ours. Raised when rows of counts or history are written differently; then `registrail rebuild` is due."""

PARTITION: Final = "schema"
ROW: Final = "schema"

_log = logging.getLogger("registrail.schema")


async def stored_version(store: EntityStore) -> int | None:
    """The version of the tables; None if none was ever written."""
    entity = await store.get(TABLE, PARTITION, ROW)
    return cast("int", entity.properties["version"]) if entity else None


async def raise_version(store: EntityStore, version: int = VERSION) -> None:
    """Say that all that is worked out was worked out anew by this version."""
    await store.commit(TABLE, PARTITION, [Replace(ROW, {"version": version})])


class VersionedStore:
    """An EntityStore that looks at the version first, once.

    Every method raises NewerTablesError if a newer app wrote the tables. Older ones are used: events must be received,
    and `registrail doctor` says that a rebuild is due.
    """

    def __init__(self, store: EntityStore, version: int = VERSION) -> None:
        self._store = store
        self._version = version
        self._known = False
        self._missing = False
        self._asking = asyncio.Lock()

    async def get(self, table: str, partition: str, row: str) -> Entity | None:
        """Read one row."""
        await self._check()
        return await self._store.get(table, partition, row)

    async def scan(self, table: str, partition: str, **options: Unpack[ScanOptions]) -> Page:
        """Read a range of rows in one partition."""
        await self._check()
        return await self._store.scan(table, partition, **options)

    async def head(self, table: str, limit: int) -> Sequence[Entity]:
        """Read some rows of a table."""
        await self._check()
        return await self._store.head(table, limit)

    async def commit(self, table: str, partition: str, operations: Sequence[Operation]) -> Sequence[str | None]:
        """Do all operations or none."""
        await self._check()
        if self._missing:
            with suppress(ConflictError):  # another process has just written it
                await self._store.commit(TABLE, PARTITION, [Insert(ROW, {"version": self._version})])
            self._missing = False
        return await self._store.commit(table, partition, operations)

    async def close(self) -> None:
        """Close the store."""
        await self._store.close()

    async def _check(self) -> None:
        if not self._known:
            async with self._asking:
                await self._ask()

    async def _ask(self) -> None:
        if not self._known:  # nobody else has asked while we waited
            found = await stored_version(self._store)
            if found is not None and found > self._version:
                raise NewerTablesError(found, self._version)
            if found is not None and found < self._version:
                _log.warning("tables are older", extra={"version": found, "ours": self._version})
            self._missing = found is None
            self._known = True
