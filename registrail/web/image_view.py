"""What the pages of a tag and of a digest show: at most eight requests to the store, most of them at once."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from registrail.instants import Instant
from registrail.manifests import Kind
from registrail.query import DigestRecord, PushFilter, Query
from registrail.timeline import Movement
from registrail.web.lanes import Picture, beginning, draw
from registrail.web.replicated import AROUND, Replicated, days_around, lags_in_seconds, replicated
from registrail.web.repository_view import newest_pushes
from registrail.web.signs import read_signs
from registrail.web.stays import track_of_timeline

ROWS: Final = 100
"""Movements in a page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TagView:
    """A tag.

    Attributes:
        digest: what it points to, or pointed to at the instant; None if to nothing.
        since: the movement that made it so, if it is among these.
        last: its last push.
        signs: what refers to the digest.
        picture: of the movements of this page.
    """

    registry: str
    repository: str
    tag: str
    movements: Sequence[Movement]
    next: str | None
    digest: str | None
    since: Movement | None
    last: Replicated | None
    signs: Sequence[Kind]
    picture: Picture | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DigestView:
    """A digest.

    Attributes:
        records: by repository.
        last: the last push that it was a part of.
        signs: what refers to it in the repository of that push.
    """

    registry: str
    digest: str
    records: Sequence[DigestRecord]
    last: Replicated | None
    signs: Sequence[Kind]

    @property
    def tags_now(self) -> int:
        """How many tags point to it."""
        return sum(hold.end is None for record in self.records for _, hold in record.tags)

    @property
    def media_type(self) -> str | None:
        """As the first push told."""
        return next((record.history.media_type.value for record in self.records if record.history.media_type), None)

    @property
    def size(self) -> int | None:
        """Of the manifest, in bytes."""
        return next((record.history.size.value for record in self.records if record.history.size), None)


async def tag_view(  # noqa: PLR0913 - which tag, when, and which page
    query: Query,
    registry: str,
    repository: str,
    tag: str,
    *,
    at: Instant | None,
    cursor: str | None,
    now: Instant,
) -> TagView | None:
    """Read it; None if nothing ever happened to it, or not by then."""
    until = Instant(at.ticks + 1) if at else None
    found = await query.history.timeline(registry, repository, tag, until=until, limit=ROWS, cursor=cursor)
    if not found.items:
        return None
    newest = found.items[0]
    pushed = next((one for one in found.items if one.fact.verb == "push"), None)
    last: Replicated | None = None
    signs: Sequence[Kind] = ()
    if cursor is None:
        last, signs = await asyncio.gather(
            _pushed(query, registry, repository, pushed.at, tag=tag) if pushed else _nothing(),
            _signs(query, registry, repository, newest.digest),
        )
    whole = track_of_timeline(tag, found.items, is_all=found.next is None)
    end = max(at or now, Instant(newest.at.ticks + 1))
    return TagView(
        registry=found.registry,
        repository=repository,
        tag=tag,
        movements=found.items,
        next=found.next,
        digest=newest.digest,
        since=next((one for one in found.items if one.changed), None),
        last=last,
        signs=signs,
        picture=draw([whole], beginning([whole], end), end) if whole and cursor is None else None,
    )


async def digest_view(query: Query, registry: str, digest: str) -> DigestView | None:
    """Read it; None if no event names it."""
    found = await query.history.digest(registry, digest)
    if not found.items:
        return None
    pushed = [record for record in found.items if record.history.last]
    newest = min(pushed, key=lambda record: record.history.last.event if record.history.last else "", default=None)
    last: Replicated | None = None
    signs: Sequence[Kind] = ()
    if newest and newest.history.last:
        at = newest.history.last.at
        last, signs = await asyncio.gather(
            _pushed(query, found.registry, newest.repository, at, digest=digest),
            _signs(query, found.registry, newest.repository, digest),
        )
    return DigestView(registry=found.registry, digest=digest, records=found.items, last=last, signs=signs)


async def _pushed(  # noqa: PLR0913 - of what
    query: Query, registry: str, repository: str, at: Instant, *, tag: str | None = None, digest: str | None = None
) -> Replicated | None:
    """The push that an event belongs to, and the regions that know of it: at most four requests."""
    wanted = PushFilter(
        registry=registry,
        repository=repository,
        tag=tag,
        digest=digest,
        since=at.plus(-AROUND),
        until=at.plus(AROUND) if digest else Instant(at.ticks + 1),
    )
    found = await newest_pushes(query, wanted, 1)
    if not found.items:
        return None
    push = found.items[0]
    if not lags_in_seconds(push):
        return Replicated(push=push, lags={}, missing=())
    return replicated(push, push.at, await days_around(query, registry, push.at))


async def _nothing() -> None:
    """No push."""


async def _signs(query: Query, registry: str, repository: str, digest: str | None) -> Sequence[Kind]:
    """What refers to a digest: one request."""
    if not digest:
        return ()
    signs, _ = await read_signs(query, registry, repository, digest.replace(":", "-", 1))
    return signs.get(digest, ())
