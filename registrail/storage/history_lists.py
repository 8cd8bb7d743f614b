"""Reading the table `history` in the order of its rows."""

import re
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from registrail.dossier import Deletion, DigestHistory, RepositoryHistory
from registrail.instants import Instant
from registrail.ports import Listed
from registrail.storage import history_rows as rows
from registrail.storage import keys
from registrail.storage.history import TABLE
from registrail.storage.store import Entity, EntityStore, scan_all
from registrail.timeline import Hold, Movement, TagHistory

T = TypeVar("T")

_EVENT: Final = re.compile("[0-9]{19}~[0-9a-f]{32}")
"""The id of a dated event."""

_END: Final = "~"
"""Comes after everything that a part of a key may begin with."""


class EntityHistoryLists:
    """HistoryLists in an EntityStore."""

    def __init__(self, store: EntityStore) -> None:
        self._store = store

    async def repositories(
        self, registry: str, *, prefix: str = "", after: str | None = None, limit: int = 1000
    ) -> Listed[RepositoryHistory]:
        """One range, without the names, which then pass for too many to keep."""
        first = keys.repository_row(prefix)
        return await self._range(
            registry,
            first,
            first + _END,
            after,
            limit,
            lambda entity: rows.repository_history(entity.properties),
            select=rows.SHOWN,
        )

    async def tags(
        self,
        registry: str,
        *,
        repository: str | None = None,
        prefix: str = "",
        after: str | None = None,
        limit: int = 1000,
    ) -> Listed[tuple[str, str, TagHistory]]:
        """One range."""
        first = keys.TAGS if repository is None else keys.tag_row(repository, prefix)
        return await self._range(registry, first, first + _END, after, limit, _tag, select=rows.TAG)

    async def present(self, registry: str, repository: str, prefix: str, limit: int) -> Listed[str]:
        """One range, of which little is read."""
        first = keys.tag_row(repository, prefix)
        found = await self._range(registry, first, first + _END, None, limit, rows.read_present, select=rows.PRESENT)
        return Listed([tag for tag in found.items if tag is not None], found.after)

    async def movements(  # noqa: PLR0913 - as in the port
        self,
        registry: str,
        repository: str,
        tag: str,
        *,
        since: Instant | None = None,
        until: Instant | None = None,
        after: str | None = None,
        limit: int = 1000,
    ) -> Listed[Movement]:
        """One range."""
        first = keys.move_row(repository, tag, "")
        start, stop = keys.time_range(since, until)
        return await self._range(
            registry,
            first + start,
            first + (stop or _END),
            after,
            limit,
            lambda entity: rows.movement(entity.row[len(first) :], entity.properties),
            select=rows.MOVEMENT,
        )

    async def digests(
        self,
        registry: str,
        *,
        digest: str | None = None,
        repository: str = "",
        after: str | None = None,
        limit: int = 1000,
    ) -> Listed[tuple[str, DigestHistory]]:
        """One range."""
        first = keys.DIGESTS if digest is None else keys.digest_row(digest, repository)
        stop = first + ("!" if repository else _END)
        return await self._range(registry, first, stop, after, limit, rows.read_digest)

    async def holds(self, registry: str, digest: str) -> list[tuple[str, str, Hold]]:
        """One range, whole."""
        first = keys.holds_of(digest)
        found = await scan_all(self._store, TABLE, keys.encode(registry), start=first, stop=first + _END)
        return [rows.read_hold(entity) for entity in found]

    async def deletions(  # noqa: PLR0913 - as in the port
        self,
        registry: str,
        *,
        repository: str | None = None,
        since: Instant | None = None,
        until: Instant | None = None,
        after: str | None = None,
        limit: int = 1000,
    ) -> Listed[Deletion]:
        """One range, of all deletes or of those of one repository."""
        first = keys.delete_row("") if repository is None else keys.deleted_row(repository, "")
        start, stop = keys.time_range(since, until)
        found = await self._range(
            registry,
            first + start,
            first + (stop or _END),
            first + after if after else None,
            limit,
            lambda entity: rows.read_deletion(entity.row[len(first) :], entity.properties),
        )
        return Listed(found.items, found.after[len(first) :] if found.after else None)

    async def deletion(self, registry: str, event: str) -> Deletion | None:
        """One row."""
        if not _EVENT.fullmatch(event):
            return None
        entity = await self._store.get(TABLE, keys.encode(registry), keys.delete_row(event))
        return rows.read_deletion(event, entity.properties) if entity else None

    async def _range(  # noqa: PLR0913, PLR0917 - where, what and how
        self,
        registry: str,
        start: str,
        stop: str,
        after: str | None,
        limit: int,
        read: Callable[[Entity], T],
        select: Sequence[str] | None = None,
    ) -> Listed[T]:
        page = await self._store.scan(
            TABLE, keys.encode(registry), start=start, stop=stop, after=after, limit=min(limit, 1000), select=select
        )
        return Listed([read(entity) for entity in page.entities], page.after)


def _tag(entity: Entity) -> tuple[str, str, TagHistory]:
    return entity.row, *rows.read_tag(entity)
