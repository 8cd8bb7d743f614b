"""The history: table `history`, one partition for each registry.

All rows of a registry lie in one partition, so that what one event changes (a tag, its timeline, the digests that it
pointed to and points to) changes in one commit. Which kinds of rows there are is said in `docs/tables.md`.
"""

import asyncio
from collections.abc import Collection, Sequence
from contextlib import suppress
from typing import Final, cast

from registrail.dossier import DigestHistory, RepositoryHistory
from registrail.errors import ConflictError
from registrail.instants import Instant
from registrail.projections import Changes
from registrail.storage import history_rows as rows
from registrail.storage import keys
from registrail.storage.store import (
    MOST_OPERATIONS,
    Delete,
    Entity,
    EntityStore,
    Insert,
    Operation,
    Replace,
    scan_all,
)
from registrail.timeline import Hold, Movement, TagHistory, Window

TABLE: Final = "history"
AT_ONCE: Final = 8
"""Point reads under way for one repository: with more of them webhooks wait behind those of a fold."""
_PAGE: Final = 100


class EntityHistory:
    """A History in an EntityStore."""

    def __init__(self, store: EntityStore) -> None:
        self._store = store

    async def repository(self, registry: str, repository: str) -> tuple[RepositoryHistory, str | None]:
        """Read a repository's row."""
        entity = await self._store.get(TABLE, keys.encode(registry), keys.repository_row(repository))
        if entity is None:
            return RepositoryHistory(repository=repository), None
        return rows.repository_history(entity.properties), entity.version

    async def digests(self, registry: str, repository: str, names: Sequence[str]) -> dict[str, DigestHistory]:
        """Read digests by name."""
        found = await self._get_each(registry, [keys.digest_row(name, repository) for name in names])
        return {
            name: rows.read_digest(entity)[1] for name, entity in zip(names, found, strict=True) if entity is not None
        }

    async def tags(self, registry: str, repository: str, names: Sequence[str]) -> dict[str, TagHistory]:
        """Read tags by name."""
        found = await self._get_each(registry, [keys.tag_row(repository, name) for name in names])
        return {name: rows.read_tag(entity)[1] for name, entity in zip(names, found, strict=True) if entity is not None}

    async def all_tags(self, registry: str, repository: str) -> list[TagHistory]:
        """Read all tags of a repository."""
        first = keys.tag_row(repository, "")
        found = await scan_all(self._store, TABLE, keys.encode(registry), start=first, stop=f"{first}~")
        return [rows.read_tag(entity)[1] for entity in found]

    async def window(self, registry: str, repository: str, tag: str, event: str) -> Window:
        """Read a tag's movements, a page at a time, until a change before an event."""
        first = keys.move_row(repository, tag, "")
        newest_first: list[Movement] = []
        after: str | None = None
        while True:
            page = await self._store.scan(
                TABLE, keys.encode(registry), start=first, stop=f"{first}~", limit=_PAGE, after=after
            )
            for entity in page.entities:
                movement = rows.movement(entity.row[len(first) :], entity.properties)
                if movement.changed and movement.event > event:
                    return Window(base=movement, since=movement.event, movements=newest_first[::-1])
                newest_first.append(movement)
            after = page.after
            if after is None:
                return Window(movements=newest_first[::-1])

    async def holders(self, registry: str, repository: str, digest: str) -> list[tuple[str, Hold]]:
        """Read which tags of a repository pointed to a digest."""
        first = keys.hold_row(digest, repository, "", "")[:-1]
        found = await scan_all(self._store, TABLE, keys.encode(registry), start=first, stop=f"{first}~")
        return [(tag, hold) for _, tag, hold in map(rows.read_hold, found)]

    async def commit(self, registry: str, repository: RepositoryHistory, version: str | None, changes: Changes) -> str:
        """Write one transaction, the repository's row first."""
        name = repository.repository
        row, columns = keys.repository_row(name), rows.repository_columns(repository)
        operations: list[Operation] = [Replace(row, columns, version) if version else Insert(row, columns)]
        for digest, history in changes.digests.items():
            operations.append(Replace(keys.digest_row(digest, name), rows.digest_columns(name, history)))
        for tag, known in changes.tags.items():
            operations.append(Replace(keys.tag_row(name, tag), rows.tag_columns(name, known)))
        for (tag, event), movement in changes.movements.items():
            row = keys.move_row(name, tag, event)
            operations.append(Replace(row, rows.movement_columns(name, tag, movement)) if movement else Delete(row))
        for (tag, digest, begin), hold in changes.holds.items():
            row = keys.hold_row(digest, name, tag, begin)
            operations.append(Replace(row, rows.hold_columns(name, tag, hold)) if hold else Delete(row))
        for dossier in changes.dossiers.values():
            columns = rows.deletion_columns(dossier)
            operations += [
                Replace(keys.delete_row(dossier.event), columns),
                Replace(keys.deleted_row(name, dossier.event), columns),
            ]
        versions = await self._store.commit(TABLE, keys.encode(registry), operations)
        return cast("str", versions[0])

    async def expire(self, registry: str, limit: Instant, tags: Collection[tuple[str, str]]) -> None:
        """Delete what ended before a time: first of the tags, then the dossiers by which one finds them."""
        partition = keys.encode(registry)
        await self._expire_tags(partition, limit, sorted(tags))
        first = keys.delete_row("")
        start, _ = keys.time_range(None, limit)
        while True:
            page = await self._store.scan(TABLE, partition, start=first + start, stop=f"{first}~", limit=_PAGE)
            if not page.entities:
                return
            dossiers = [rows.read_deletion(entity.row[len(first) :], entity.properties) for entity in page.entities]
            removed = {(one.repository, tag.tag) for one in dossiers for tag in one.tags}
            await self._expire_tags(partition, limit, sorted(removed - set(tags)))
            pairs = [[keys.delete_row(one.event), keys.deleted_row(one.repository, one.event)] for one in dossiers]
            await self._delete(partition, pairs)

    async def _expire_tags(self, partition: str, limit: Instant, tags: Sequence[tuple[str, str]]) -> None:
        """Delete the movements of tags before a time but the newest change, which later ones build on.

        A time during which a tag pointed to something goes with the movement that it began with: if that is not the
        newest change, then another one ended it, before the limit. So both or none are there.
        """
        start, _ = keys.time_range(None, limit)

        async def of_tag(repository: str, tag: str) -> None:
            first = keys.move_row(repository, tag, "")
            newest: str | None = None
            after: str | None = None
            while True:
                page = await self._store.scan(TABLE, partition, start=first + start, stop=f"{first}~", after=after)
                old: list[list[str]] = []
                for entity in page.entities:
                    moved = rows.movement(entity.row[len(first) :], entity.properties)
                    if moved.changed and newest is None:
                        newest = moved.event
                        continue
                    held = moved.digest is not None and moved.changed
                    hold = [keys.hold_row(moved.digest or "", repository, tag, moved.event)] if held else []
                    old.append([entity.row, *hold])
                await self._delete(partition, old)
                after = page.after
                if after is None:
                    return

        for begin in range(0, len(tags), AT_ONCE):
            await asyncio.gather(*(of_tag(*one) for one in tags[begin : begin + AT_ONCE]))

    async def _delete(self, partition: str, groups: Sequence[Sequence[str]]) -> None:
        """Delete rows, those of a group together; if somebody deletes the same ones, what is left one by one."""
        for begin in range(0, len(groups), MOST_OPERATIONS // 2):
            rows_at_once = [row for group in groups[begin : begin + MOST_OPERATIONS // 2] for row in group]
            try:
                await self._store.commit(TABLE, partition, [Delete(row) for row in rows_at_once])
            except ConflictError:
                for row in rows_at_once:
                    with suppress(ConflictError):
                        await self._store.commit(TABLE, partition, [Delete(row)])

    async def _get_each(self, registry: str, wanted: Sequence[str]) -> list[Entity | None]:
        """Read rows by key, some at once."""
        partition = keys.encode(registry)
        found: list[Entity | None] = []
        for begin in range(0, len(wanted), AT_ONCE):
            some = wanted[begin : begin + AT_ONCE]
            found += await asyncio.gather(*(self._store.get(TABLE, partition, row) for row in some))
        return found
