"""What is known of a digest and of a repository, and what a delete removed. Pure; `docs/history.md` defines the terms.

Events are told apart and ordered by their ids: the *greater* id is the *earlier* event. Everything here is a union of
what single events say, so the order in which they come, and how often, makes no difference.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Generic, NamedTuple, TypeVar

from registrail.events import RecordedEvent
from registrail.instants import TICKS_PER_SECOND, Instant
from registrail.names import Names
from registrail.timeline import Fact, fact, time_of

T = TypeVar("T")

PUSHES_KEPT: Final = 20
"""Pushes of a digest that are remembered, the first and the newest: a late delete finds the last before it there."""


class Sighting(NamedTuple):
    """A push of a digest."""

    event: str
    actor: str | None
    client: str | None

    @property
    def at(self) -> Instant:
        """When."""
        return time_of(self.event)


class Told(NamedTuple, Generic[T]):
    """What a push tells of its manifest."""

    event: str
    value: T


def _first_told(known: Told[T] | None, event: str, value: T | None) -> Told[T] | None:
    """Of what two pushes tell, what the earlier one tells."""
    if value is None or (known is not None and event < known.event):
        return known
    return Told(event, value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """A delete of a digest.

    Attributes:
        fact: as it concerns the tags that point to the digest.
        tag: the tag that it names as well.
        last: the last push of the digest before it.
    """

    fact: Fact
    tag: str | None = None
    last: Sighting | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DigestHistory:
    """A digest in a repository.

    Attributes:
        pushes: the first one and the newest, oldest first.
        media_type: by the first push that tells it.
        size: likewise.
        removals: its deletes by event.
    """

    digest: str
    pushes: Sequence[Sighting] = ()
    media_type: Told[str] | None = None
    size: Told[int] | None = None
    removals: Mapping[str, Removal] = field(default_factory=dict)

    @property
    def first(self) -> Sighting | None:
        """The first push."""
        return self.pushes[0] if self.pushes else None

    @property
    def last(self) -> Sighting | None:
        """The last push."""
        return self.pushes[-1] if self.pushes else None

    def pushed(self, recorded: RecordedEvent) -> "DigestHistory":
        """With a push."""
        event = recorded.event
        sighting = Sighting(recorded.id, event.actor, event.client)
        pushes = {known.event: known for known in self.pushes} | {recorded.id: sighting}
        oldest_first = sorted(pushes.values(), key=_event, reverse=True)
        removals = {
            name: replace(removal, last=sighting) if _is_last(sighting, removal) else removal
            for name, removal in self.removals.items()
        }
        kept = oldest_first if len(oldest_first) <= PUSHES_KEPT else [oldest_first[0], *oldest_first[1 - PUSHES_KEPT :]]
        return replace(
            self,
            pushes=tuple(kept),
            media_type=_first_told(self.media_type, recorded.id, event.media_type),
            size=_first_told(self.size, recorded.id, event.size),
            removals=removals,
        )

    def deleted(self, recorded: RecordedEvent) -> "DigestHistory":
        """With a delete."""
        last = self.last_before(recorded.id)
        removal = Removal(fact=fact(recorded, "delete"), tag=recorded.event.tag, last=last)
        return replace(self, removals={**self.removals, recorded.id: removal})

    def last_before(self, event: str) -> Sighting | None:
        """The last push before an event, as far as it is remembered."""
        before = [sighting for sighting in self.pushes if sighting.event > event]
        removal = self.removals.get(event)
        return min((*before, *([removal.last] if removal and removal.last else [])), key=_event, default=None)

    def removals_after(self, event: str) -> list[Removal]:
        """Its deletes after an event, oldest first."""
        return [self.removals[name] for name in sorted(self.removals, reverse=True) if name < event]


def _event(sighting: Sighting) -> str:
    return sighting.event


def _is_last(sighting: Sighting, removal: Removal) -> bool:
    """Whether a push is the last one before a delete, as far as is known."""
    if sighting.event <= removal.fact.event:
        return False
    return removal.last is None or sighting.event <= removal.last.event


@dataclass(frozen=True, slots=True, kw_only=True)
class RepositoryHistory:
    """A repository.

    Attributes:
        first_push: the event.
        last_push: the event.
        last_delete: the event.
        clears: the deletes of all of it, oldest first.
        tags: how many point to something.
        images: how many digests were ever pushed.
        recount: slots whose counts another slot's events changed, and which were not marked yet.
        names: of its tags and digests: of all that have a row.
    """

    repository: str
    first_push: str | None = None
    last_push: str | None = None
    last_delete: str | None = None
    clears: Sequence[Fact] = ()
    tags: int = 0
    images: int = 0
    recount: Sequence[str] = ()
    names: Names = field(default_factory=Names)

    def pushed(self, event: str) -> "RepositoryHistory":
        """With a push."""
        return replace(
            self,
            first_push=event if self.first_push is None else max(self.first_push, event),
            last_push=event if self.last_push is None else min(self.last_push, event),
        )

    def deleted(self, recorded: RecordedEvent) -> "RepositoryHistory":
        """With a delete."""
        event = recorded.id
        last = event if self.last_delete is None else min(self.last_delete, event)
        if recorded.event.digest or recorded.event.tag:
            return replace(self, last_delete=last)
        clears = {clear.event: clear for clear in self.clears} | {event: fact(recorded, "clear")}
        return replace(self, last_delete=last, clears=tuple(clears[name] for name in sorted(clears, reverse=True)))

    def clears_after(self, event: str) -> list[Fact]:
        """The deletes of all of it after an event, oldest first."""
        return [clear for clear in self.clears if clear.event < event]


class RemovedTag(NamedTuple):
    """A tag that a delete removed, and the event since which it had pointed to what it pointed to."""

    tag: str
    begin: str
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Deletion:
    """The dossier of a delete.

    Attributes:
        event: its id.
        digest: that it names, or that the tag pointed to which it names; None if it is about a whole repository.
        tag: that it names.
        tags: what it removed, by name.
        first: the first push of the digest, if that was before it.
        last: the last push of the digest before it.
        media_type: of the digest, by the first push that tells it, else by the delete.
    """

    event: str
    action: str
    repository: str
    digest: str | None
    tag: str | None
    actor: str | None
    client: str | None
    tags: Sequence[RemovedTag] = ()
    first: Sighting | None = None
    last: Sighting | None = None
    media_type: str | None = None
    size: int | None = None

    @property
    def at(self) -> Instant:
        """When."""
        return time_of(self.event)

    @property
    def age_seconds(self) -> float | None:
        """From the first push to the delete."""
        return None if self.first is None else (self.at.ticks - self.first.at.ticks) / TICKS_PER_SECOND


def deletion(recorded: RecordedEvent, tags: Sequence[RemovedTag], known: DigestHistory | None) -> Deletion:
    """Write the dossier of a delete.

    Args:
        recorded: the delete.
        tags: what it removed.
        known: the digest that it is about.
    """
    event = recorded.event
    about = known or DigestHistory(digest="")
    first = about.first if about.first and about.first.event > recorded.id else None
    media_type, size = about.media_type, about.size
    return Deletion(
        event=recorded.id,
        action=event.action,
        repository=event.repository,
        digest=event.digest or next((tag.digest for tag in tags if tag.tag == event.tag), None),
        tag=event.tag,
        actor=event.actor,
        client=event.client,
        tags=tuple(sorted(tags)),
        first=first,
        last=about.last_before(recorded.id),
        media_type=media_type.value if media_type and media_type.event > recorded.id else event.media_type,
        size=size.value if size and size.event > recorded.id else event.size,
    )
