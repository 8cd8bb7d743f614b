"""Which partitions there are.

A store cannot be asked for its partitions, so before the first row goes into a new one its name is written here:
registries, the days of each registry's events, the days of deliveries. A process writes each name once.
"""

from typing import Final

from registrail.storage.store import EntityStore, Merge

TABLE: Final = "catalog"
_MOST_REMEMBERED: Final = 100_000


class Catalog:
    """Lists of names, written before what they name."""

    def __init__(self, store: EntityStore) -> None:
        self._store = store
        self._written: set[tuple[str, str]] = set()

    async def add(self, group: str, name: str) -> None:
        """Make sure that a group has a name; both are parts of keys."""
        if (group, name) in self._written:
            return
        await self._store.commit(TABLE, group, [Merge(name, {})])
        if len(self._written) >= _MOST_REMEMBERED:
            self._written.clear()
        self._written.add((group, name))

    async def names(self, group: str, start: str = "", stop: str | None = None) -> list[str]:
        """All names of a group, in order."""
        found: list[str] = []
        after: str | None = None
        while True:
            page = await self._store.scan(TABLE, group, start=start, stop=stop, after=after)
            found += [entity.row for entity in page.entities]
            after = page.after
            if after is None:
                return found
