"""Reading the history: tags, timelines, digests, deletes, repositories; never less than what was acknowledged."""

import asyncio
import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

from registrail.dossier import Deletion, DigestHistory, RepositoryHistory
from registrail.errors import InvalidParameterError
from registrail.instants import Instant
from registrail.ports import Journal
from registrail.projections import HistoryLists
from registrail.query.journal import Pattern
from registrail.query.meant import Knows, having_delete, having_digest, having_repository, the_only
from registrail.summarize import Summarize
from registrail.timeline import Hold, Movement, TagHistory, time_of

T = TypeVar("T")

LOOKUPS: Final = 3
"""Tags of one page whose timelines are read, because their own rows do not tell what they were at an instant."""
SIFTED: Final = 1000
"""Deletes that are looked at for one page of those that a filter admits: as many as one request gives."""
PRESENT: Final = 250
"""Tags that are looked at, at least, for one page of those that point to something."""
MOVEMENTS: Final = 25
"""Movements among which the one that made a tag what it was is looked for."""


@dataclass(frozen=True, slots=True)
class Rows(Generic[T]):
    """One page; `next` is the cursor of the next page, None at the end."""

    registry: str
    items: Sequence[T]
    next: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TagState:
    """What a tag pointed to at an instant.

    Attributes:
        digest: None if it was absent.
        since: the event that made it so; None if it never pointed anywhere, or that is too far back among repetitions.
        movement: the newest one up to then that is known here; None if there was none.
        history: the tag as of now.
    """

    repository: str
    tag: str
    digest: str | None
    since: str | None
    movement: Movement | None
    history: TagHistory


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteFilter:
    """Which deletes; None is any. A `repository` that ends in `*` is the beginning of names."""

    repository: str | None = None
    tag: str | None = None
    digest: str | None = None
    actor: str | None = None
    client: str | None = None
    since: Instant | None = None
    until: Instant | None = None

    @property
    def sifts(self) -> bool:
        """Whether `admits` may refuse one of the right time: a repository has a list of its own."""
        by_beginning = self.repository is not None and Pattern(self.repository).name is None
        return by_beginning or any((self.tag, self.digest, self.actor, self.client))

    def admits(self, found: Deletion) -> bool:
        """Whether a delete of the right time is wanted; a tag also if the delete removed it."""
        return (
            (self.repository is None or Pattern(self.repository).admits(found.repository))
            and (self.tag is None or self.tag == found.tag or any(self.tag == removed.tag for removed in found.tags))
            and (self.digest is None or self.digest == found.digest)
            and (self.actor is None or self.actor == found.actor)
            and (self.client is None or self.client == found.client)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DigestRecord:
    """A digest in a repository, and the tags that pointed to it there, the newest first."""

    repository: str
    history: DigestHistory
    tags: Sequence[tuple[str, Hold]] = field(default=())


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """The use case."""

    journal: Journal
    lists: HistoryLists
    summarize: Summarize

    async def open(self, registry: str | None, knows: Knows | None = None) -> str:
        """The registry that is meant, with everything counted that was acknowledged; empty if there is none at all.

        Where none is named it is the only one there is, or the only one that `knows` what is asked about.

        Raises:
            InvalidParameterError: there are several and none is named.
        """
        if registry is None:
            return await the_only(self.journal, self.summarize, knows)
        await self.summarize.bring_up_to_date(registry)
        return registry

    async def repositories(
        self, registry: str | None, *, prefix: str = "", limit: int, cursor: str | None = None
    ) -> Rows[RepositoryHistory]:
        """Repositories by name."""
        after = _read_cursor(cursor, "repository~")
        name = await self.open(registry)
        found = await self.lists.repositories(name, prefix=prefix, after=after, limit=limit)
        return Rows(name, found.items, _write_cursor(found.after))

    async def tags(  # noqa: PLR0913 - what may be asked for
        self,
        registry: str | None,
        *,
        repository: str | None = None,
        prefix: str = "",
        present: bool = True,
        at: Instant | None = None,
        limit: int,
        cursor: str | None = None,
    ) -> Rows[TagState]:
        """Tags by repository and name, as of now or of an instant.

        Args:
            registry: None if there is only one, or only one that has the repository.
            repository: None is all.
            prefix: of tags, in one repository.
            present: leave out those that point to nothing.
            at: None is now.
            limit: the most items; a page may hold fewer, even none, and still have a next one.
            cursor: of the page before.

        One request for rows, and one for each tag whose own row does not tell: it moved more than once since then.

        Raises:
            InvalidParameterError: the cursor is none, or it is not clear which registry is meant.
        """
        after = _read_cursor(cursor, "tag~")
        name = await self.open(registry, having_repository(self.lists, repository) if repository else None)
        size = max(limit, PRESENT) if present else limit
        found = await self.lists.tags(name, repository=repository, prefix=prefix, after=after, limit=size)
        chosen: list[tuple[str, TagHistory, TagState | None]] = []
        lookups = 0
        cut: str | None = None
        for row, of_repository, known in found.items:
            state = _state(of_repository, known, at)
            if len(chosen) == limit or (state is None and lookups == LOOKUPS):
                cut = after
                break
            after = row
            lookups += state is None
            if state is None or state.digest is not None or not present:
                chosen.append((of_repository, known, state))
        states = await asyncio.gather(*(self._as_it_was(name, *one, at) for one in chosen))
        shown = [state for state in states if state.digest is not None or not present]
        return Rows(name, shown, _write_cursor(cut or found.after))

    async def _as_it_was(
        self, registry: str, repository: str, known: TagHistory, state: TagState | None, at: Instant | None
    ) -> TagState:
        """What a tag pointed to: by its own row, which made the state, or else by its timeline."""
        return state or await self._looked_up(registry, repository, known, at or self.summarize.clock())

    async def _looked_up(self, registry: str, repository: str, known: TagHistory, at: Instant) -> TagState:
        """What a tag pointed to, by its timeline."""
        found = await self.lists.movements(registry, repository, known.tag, until=_just_after(at), limit=MOVEMENTS)
        movement = found.items[0] if found.items else None
        change = next((one for one in found.items if one.changed), None)
        return TagState(
            repository=repository,
            tag=known.tag,
            digest=movement.digest if movement else None,
            since=change.event if change else None,
            movement=movement,
            history=known,
        )

    async def timeline(  # noqa: PLR0913 - what may be asked for
        self,
        registry: str | None,
        repository: str,
        tag: str,
        *,
        since: Instant | None = None,
        until: Instant | None = None,
        limit: int,
        cursor: str | None = None,
    ) -> Rows[Movement]:
        """Movements of a tag, newest first."""
        after = _read_cursor(cursor, "move~")
        name = await self.open(registry, having_repository(self.lists, repository))
        found = await self.lists.movements(name, repository, tag, since=since, until=until, after=after, limit=limit)
        return Rows(name, found.items, _write_cursor(found.after))

    async def movement_at(self, registry: str | None, repository: str, tag: str, at: Instant) -> Rows[Movement]:
        """The movement of a tag that was in force at an instant, if there was one."""
        name = await self.open(registry, having_repository(self.lists, repository))
        found = await self.lists.movements(name, repository, tag, until=_just_after(at), limit=1)
        return Rows(name, found.items)

    async def digests(
        self, registry: str | None, *, limit: int, cursor: str | None = None
    ) -> Rows[tuple[str, DigestHistory]]:
        """All digests with the repositories that saw them, by digest."""
        after = _read_cursor(cursor, "digest~")
        name = await self.open(registry)
        found = await self.lists.digests(name, after=after, limit=limit)
        return Rows(name, found.items, _write_cursor(found.after))

    async def digest(self, registry: str | None, digest: str, repository: str | None = None) -> Rows[DigestRecord]:
        """What is known of a digest in each repository that saw it."""
        name = await self.open(registry, having_digest(self.lists, digest))
        found, held = await asyncio.gather(self.lists.digests(name, digest=digest), self.lists.holds(name, digest))
        tags: dict[str, list[tuple[str, Hold]]] = {}
        for of_repository, tag, hold in held:
            tags.setdefault(of_repository, []).append((tag, hold))
        return Rows(
            name,
            [
                DigestRecord(
                    repository=of_repository,
                    history=known,
                    tags=sorted(tags.get(of_repository, []), key=lambda one: (one[1].begin, one[0])),
                )
                for of_repository, known in found.items
                if repository in {None, of_repository}
            ],
        )

    async def deletions(
        self, registry: str | None, wanted: DeleteFilter, *, limit: int, cursor: str | None = None
    ) -> Rows[Deletion]:
        """Deletes, newest first, by one request for rows: a page may hold fewer than `limit` and still have a next."""
        after = _read_cursor(cursor, "")
        name = await self.open(registry, self._deleted_there(wanted))
        exact = Pattern(wanted.repository).name if wanted.repository else None
        size = SIFTED if wanted.sifts else limit
        found = await self.lists.deletions(
            name, repository=exact, since=wanted.since, until=wanted.until, after=after, limit=size
        )
        admitted = [one for one in found.items if wanted.admits(one)]
        if len(admitted) > limit:
            return Rows(name, admitted[:limit], _write_cursor(admitted[limit - 1].event))
        return Rows(name, admitted, _write_cursor(found.after))

    async def deletion(self, registry: str | None, event: str) -> Rows[Deletion]:
        """One delete, if there is such a one."""
        name = await self.open(registry, having_delete(self.lists, event))
        found = await self.lists.deletion(name, event)
        return Rows(name, [found] if found else [])

    def _deleted_there(self, wanted: DeleteFilter) -> Knows | None:
        """Whether a registry knows what was deleted."""
        if wanted.repository:
            return having_repository(self.lists, wanted.repository)
        return having_digest(self.lists, wanted.digest) if wanted.digest else None

    async def holders(self, registry: str, digest: str, event: str) -> list[tuple[str, str]]:
        """The repositories and tags that pointed to a digest right after an event."""
        held = await self.lists.holds(registry, digest)
        return sorted(
            (repository, tag)
            for repository, tag, hold in held
            if hold.begin >= event and (hold.end is None or hold.end < event)
        )


def _is_clear(known: TagHistory, at: Instant) -> bool:
    """Whether a tag's own row tells what it pointed to at an instant."""
    change = known.change
    if change is None or change.at <= at or known.changes == 1:
        return True
    return change.previous is not None and time_of(change.previous.event) <= at


def _state(repository: str, known: TagHistory, at: Instant | None) -> TagState | None:
    """What a tag pointed to, by its own row; None if that does not tell."""
    if at is not None and not _is_clear(known, at):
        return None
    change = known.change
    digest, since, movement = None, None, None
    if change is None:
        movement = known.last if at is None or known.last.at <= at else None
    elif at is None or change.at <= at:
        movement = change
        digest, since = change.digest, change.event
    elif known.changes > 1 and change.previous:
        digest, since = change.previous
    return TagState(repository=repository, tag=known.tag, digest=digest, since=since, movement=movement, history=known)


def _just_after(at: Instant) -> Instant:
    return Instant(at.ticks + 1)


def _write_cursor(row: str | None) -> str | None:
    return base64.urlsafe_b64encode(json.dumps([row]).encode()).decode().rstrip("=") if row else None


def _read_cursor(cursor: str | None, kind: str) -> str | None:
    """The row key in a cursor.

    Raises:
        InvalidParameterError: it is none that such a list gave.
    """
    if cursor is None:
        return None
    try:
        [row] = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if not (isinstance(row, str) and row.isascii() and row.isprintable() and row.startswith(kind)):
            raise ValueError("that is no such key")
    except (ValueError, TypeError, RecursionError) as error:
        raise InvalidParameterError("cursor", "is not one that this list gave as its next") from error
    else:
        return row
