"""Deleting all rows of a registry in a table, in the middle of which somebody else may take over."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from registrail.errors import ConflictError
from registrail.storage import keys
from registrail.storage.store import MOST_OPERATIONS, Delete, EntityStore
from registrail.upkeep import unasked


class EntityEraser:
    """An Eraser of a table in an EntityStore whose partitions are registries."""

    def __init__(self, store: EntityStore, table: str) -> None:
        self._store = store
        self._table = table

    async def erase(self, registry: str, go_on: Callable[[], Awaitable[None]] = unasked) -> bool:
        """Delete a page of rows after the other, each row in the version in which it was read."""
        partition = keys.encode(registry)
        found = False
        while True:
            page = await self._store.scan(self._table, partition)
            if not page.entities:
                return found
            found = True
            await go_on()
            rows = [Delete(entity.row, entity.version) for entity in page.entities]
            pieces = [rows[start : start + MOST_OPERATIONS] for start in range(0, len(rows), MOST_OPERATIONS)]
            await asyncio.gather(*(self._delete(partition, piece) for piece in pieces))

    async def _delete(self, partition: str, rows: list[Delete]) -> None:
        """Delete rows; if somebody else changed one of them, they are read once more."""
        with suppress(ConflictError):
            await self._store.commit(self._table, partition, rows)
