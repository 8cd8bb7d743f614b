"""Which partitions there are.

A store cannot be asked for its partitions, so before the first row goes into a new one its name is written here:
registries, the days of each registry's events, the days of deliveries. A process writes each name once.
"""

from contextlib import suppress
from typing import Final

from registrail.errors import ConflictError
from registrail.storage.store import Delete, Entity, EntityStore, Merge, Page, Value, scan_all

TABLE: Final = "catalog"
_MOST_REMEMBERED: Final = 100_000


class Catalog:
    """Lists of names, written before what they name."""

    def __init__(self, store: EntityStore) -> None:
        self._store = store
        self._written: set[tuple[str, str, tuple[str, ...]]] = set()

    async def add(self, group: str, name: str, **columns: Value) -> None:
        """Make sure that a group has a name, with these columns; group and name are parts of keys."""
        written = (group, name, tuple(columns))
        if written in self._written:
            return
        await self._store.commit(TABLE, group, [Merge(name, columns)])
        if len(self._written) >= _MOST_REMEMBERED:
            self._written.clear()
        self._written.add(written)

    async def remove(self, group: str, name: str) -> None:
        """Take a name from a group, when what it names is empty."""
        self._written = {written for written in self._written if written[:2] != (group, name)}
        with suppress(ConflictError):  # somebody else removed it
            await self._store.commit(TABLE, group, [Delete(name)])

    async def names(
        self, group: str, start: str = "", stop: str | None = None, *, limit: int | None = None
    ) -> list[str]:
        """The names of a group from `start` up to `stop`, in order: all of them, or the first `limit`."""
        if limit is None:
            return [entity.row for entity in await self.entries(group, start, stop)]
        page = await self._store.scan(TABLE, group, start=start, stop=stop, limit=limit)
        return [entity.row for entity in page.entities]

    async def entries(self, group: str, start: str = "", stop: str | None = None) -> list[Entity]:
        """All names of a group with their columns, in order."""
        return await scan_all(self._store, TABLE, group, start=start, stop=stop)

    async def some(self, group: str, start: str, stop: str | None, limit: int) -> Page:
        """Some names of a group with their columns, in order: one request."""
        return await self._store.scan(TABLE, group, start=start, stop=stop, limit=limit)
