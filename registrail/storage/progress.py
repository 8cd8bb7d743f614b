"""How far rebuilds have come: in the table `catalog`, partition `rebuilds`, one row for each registry."""

from contextlib import suppress
from typing import Final, cast

from registrail.errors import ConflictError
from registrail.storage import keys
from registrail.storage.catalog import TABLE
from registrail.storage.store import Delete, EntityStore, Replace

PARTITION: Final = "rebuilds"


class EntityProgress:
    """Progress in an EntityStore."""

    def __init__(self, store: EntityStore) -> None:
        self._store = store

    async def read(self, registry: str) -> str | None:
        """The last day that is done."""
        entity = await self._store.get(TABLE, PARTITION, keys.encode(registry))
        return cast("str", entity.properties["day"]) if entity else None

    async def write(self, registry: str, day: str) -> None:
        """Note a day."""
        await self._store.commit(TABLE, PARTITION, [Replace(keys.encode(registry), {"day": day})])

    async def remove(self, registry: str) -> None:
        """Remove the note."""
        with suppress(ConflictError):  # there is none
            await self._store.commit(TABLE, PARTITION, [Delete(keys.encode(registry))])
