"""Marks: table `marks`, one row for each slot that awaits a fold."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Final, cast

from registrail.errors import ConflictError
from registrail.instants import Instant
from registrail.ports import Mark
from registrail.storage import keys
from registrail.storage.store import Delete, Entity, EntityStore, Operation, Replace, commits, scan_all

TABLE: Final = "marks"
MOST_AT_ONCE: Final = 1000


class EntityMarks:
    """Marks in an EntityStore."""

    def __init__(self, store: EntityStore) -> None:
        self._store = store

    async def touch(self, registry: str, slots: Sequence[str]) -> None:
        """Write marks whatever is there, so that their versions change and claims on them end."""
        operations: list[Operation] = [Replace(slot, {}) for slot in dict.fromkeys(slots)]
        for operations_at_once in commits(operations):
            await self._store.commit(TABLE, keys.encode(registry), operations_at_once)

    async def pending(self, registry: str, *, limit: int | None = None) -> Sequence[Mark]:
        """All marks, or the first ones; oldest slot first."""
        if limit is None:
            return [_mark(entity) for entity in await scan_all(self._store, TABLE, keys.encode(registry))]
        page = await self._store.scan(TABLE, keys.encode(registry), limit=limit)
        return [_mark(entity) for entity in page.entities]

    async def everywhere(self) -> Mapping[str, Sequence[Mark]] | None:
        """All marks in one request, if they are few and say themselves whose they are."""
        found = await self._store.head(TABLE, MOST_AT_ONCE)
        if len(found) == MOST_AT_ONCE:
            return None
        marks: dict[str, list[Mark]] = defaultdict(list)
        try:
            for entity in found:
                marks[keys.decode(entity.partition)].append(_mark(entity))
        except ValueError:
            return None
        return marks

    async def claim(self, registry: str, marks: Sequence[Mark], until: Instant) -> Sequence[Mark]:
        """Put an end of our time on marks, unless they changed."""
        claimed: list[Mark] = []
        left = list(marks)
        while left:
            batch, left = left[:100], left[100:]
            operations = [Replace(mark.slot, {"claimed_until": until}, mark.version) for mark in batch]
            try:
                versions = await self._store.commit(TABLE, keys.encode(registry), operations)
            except ConflictError as conflict:
                left = batch[: conflict.index] + batch[conflict.index + 1 :] + left
                continue
            claimed += [
                Mark(mark.slot, cast("str", version), until) for mark, version in zip(batch, versions, strict=True)
            ]
        return claimed

    async def release(self, registry: str, marks: Sequence[Mark]) -> None:
        """Take our claims back."""
        await self._each(registry, [Replace(mark.slot, {}, mark.version) for mark in marks])

    async def clear(self, registry: str, marks: Sequence[Mark]) -> None:
        """Remove marks that are still as we claimed them."""
        await self._each(registry, [Delete(mark.slot, mark.version) for mark in marks])

    async def _each(self, registry: str, operations: Sequence[Operation]) -> None:
        """Do what can be done: what meets another version is somebody else's now."""
        left = list(operations)
        while left:
            batch, left = left[:100], left[100:]
            try:
                await self._store.commit(TABLE, keys.encode(registry), batch)
            except ConflictError as conflict:
                left = batch[: conflict.index] + batch[conflict.index + 1 :] + left


def _mark(entity: Entity) -> Mark:
    return Mark(entity.row, entity.version, cast("Instant | None", entity.properties.get("claimed_until")))
