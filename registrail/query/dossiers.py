"""One delete, and what still held what it deleted."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from registrail import pushes
from registrail.dossier import Deletion, DigestHistory
from registrail.instants import Instant
from registrail.manifests import INDEXES
from registrail.ports import Journal
from registrail.query.history import History

BEFORE: Final = timedelta(seconds=30)
AFTER: Final = timedelta(minutes=10)
"""Around a push of a manifest its index is looked for."""
MOST_EVENTS: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldingIndex:
    """An index that a deleted manifest is a part of, and the tags that pointed to it right after the delete."""

    digest: str
    tags: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dossier:
    """A delete.

    Attributes:
        tags: repositories and tags that pointed to the digest right after the delete.
        indexes: pushed together with the digest, and not deleted by then.
    """

    registry: str
    deletion: Deletion
    tags: Sequence[tuple[str, str]] = ()
    indexes: Sequence[HoldingIndex] = ()


async def dossier(journal: Journal, history: History, registry: str, deletion: Deletion) -> Dossier:
    """Look up what still held a digest right after a delete."""
    if not deletion.digest:
        return Dossier(registry=registry, deletion=deletion)
    tags, indexes = await asyncio.gather(
        history.holders(registry, deletion.digest, deletion.event), _indexes(journal, registry, deletion)
    )
    held = await asyncio.gather(*(_held(history, registry, deletion, index) for index in indexes))
    return Dossier(registry=registry, deletion=deletion, tags=tags, indexes=[one for one in held if one])


async def _indexes(journal: Journal, registry: str, deletion: Deletion) -> Sequence[str]:
    """The indexes that were pushed together with the digest, when it was pushed first and last."""
    moments = {sighting.at for sighting in (deletion.first, deletion.last) if sighting}
    windows = {(day, at) for at in moments for day in {at.plus(-BEFORE).day, at.day, at.plus(AFTER).day}}
    found = await asyncio.gather(*(_pushed(journal, registry, deletion, day, at) for day, at in windows))
    return sorted({digest for some in found for digest in some})


async def _pushed(journal: Journal, registry: str, deletion: Deletion, day: str, at: Instant) -> set[str]:
    page = await journal.read(
        registry,
        day,
        since=at.plus(-BEFORE),
        until=at.plus(AFTER),
        limit=MOST_EVENTS,
        repository=deletion.repository,
    )
    return {
        push.digest
        for push in pushes.fold(page.events)
        if push.digest
        and push.media_type in INDEXES
        and push.id > deletion.event
        and deletion.digest in {part.digest for part in push.parts}
    }


async def _held(history: History, registry: str, deletion: Deletion, index: str) -> HoldingIndex | None:
    """An index, unless it was deleted by then."""
    tags = [
        tag
        for repository, tag in await history.holders(registry, index, deletion.event)
        if repository == deletion.repository
    ]
    if not tags:
        digests, repositories = await asyncio.gather(
            history.lists.digests(registry, digest=index, repository=deletion.repository),
            history.lists.repositories(registry, prefix=deletion.repository, limit=1),
        )
        clears = [clear.event for one in repositories.items for clear in one.clears]
        if not any(_was_there(digest, clears, deletion.event) for _, digest in digests.items):
            return None
    return HoldingIndex(digest=index, tags=tags)


def _was_there(digest: DigestHistory, clears: Sequence[str], event: str) -> bool:
    """Whether a digest was pushed before an event and not deleted between the push and the event."""
    last = digest.last_before(event)
    return last is not None and not any(event <= gone < last.event for gone in (*digest.removals, *clears))
