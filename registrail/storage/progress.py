"""How far rebuilds and retention have come: in the table `catalog`, one row for each registry.

The partition `rebuilds` has the notes of rebuilds, `expired` the first days that were not deleted.
"""

from contextlib import suppress
from typing import Final, cast

from registrail.errors import ConflictError
from registrail.instants import Instant
from registrail.storage import keys
from registrail.storage.catalog import TABLE
from registrail.storage.store import Delete, EntityStore, Insert, Operation, Replace, Value
from registrail.upkeep import RebuildNote

REBUILDS: Final = "rebuilds"
EXPIRED: Final = "expired"


class EntityProgress:
    """Progress in an EntityStore."""

    def __init__(self, store: EntityStore) -> None:
        self._store = store

    async def read(self, registry: str) -> RebuildNote | None:
        """Read the note."""
        entity = await self._store.get(TABLE, REBUILDS, keys.encode(registry))
        if entity is None:
            return None
        return RebuildNote(
            day=cast("str | None", entity.properties.get("day")),
            claimed_until=cast("Instant | None", entity.properties.get("claimed_until")),
            version=entity.version,
        )

    async def write(self, registry: str, note: RebuildNote) -> RebuildNote:
        """Write the note, if it is as we know it."""
        known = {"registry": registry, "day": note.day, "claimed_until": note.claimed_until}
        columns: dict[str, Value] = {name: value for name, value in known.items() if value is not None}
        row = keys.encode(registry)
        write: Operation = Insert(row, columns) if note.version is None else Replace(row, columns, note.version)
        [version] = await self._store.commit(TABLE, REBUILDS, [write])
        return RebuildNote(day=note.day, claimed_until=note.claimed_until, version=version)

    async def remove(self, registry: str, note: RebuildNote) -> None:
        """Delete the note, if it is as we know it."""
        await self._store.commit(TABLE, REBUILDS, [Delete(keys.encode(registry), note.version)])


class EntityLimits:
    """Limits in an EntityStore."""

    def __init__(self, store: EntityStore) -> None:
        self._store = store

    async def read(self, registry: str) -> str | None:
        """Read one row."""
        entity = await self._store.get(TABLE, EXPIRED, keys.encode(registry))
        return cast("str", entity.properties["before"]) if entity else None

    async def raise_to(self, registry: str, day: str) -> None:
        """Write it, unless it says as much already."""
        row = keys.encode(registry)
        columns: dict[str, Value] = {"registry": registry, "before": day}
        while True:
            entity = await self._store.get(TABLE, EXPIRED, row)
            if entity is not None and cast("str", entity.properties["before"]) >= day:
                return
            with suppress(ConflictError):  # somebody else writes it at the same time
                write: Operation = Replace(row, columns, entity.version) if entity else Insert(row, columns)
                await self._store.commit(TABLE, EXPIRED, [write])
                return
