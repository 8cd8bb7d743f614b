"""What tags pointed to and from when to when, by whatever is at hand: for the picture of a repository. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from registrail.dossier import Deletion
from registrail.instants import Instant
from registrail.pushes import Push
from registrail.timeline import UNKNOWN_DIGEST, Movement, Pointer, TagHistory, time_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Stay:
    """That a tag pointed to a digest, or to nothing (None), since a change; until the next stay, or until now.

    Attributes:
        event: that it began with.
        removed: whether a delete named the digest or the whole repository, not this tag.
    """

    digest: str | None
    event: str
    actor: str | None = None
    client: str | None = None
    removed: bool = False

    @property
    def begin(self) -> Instant:
        """When."""
        return time_of(self.event)


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """A tag's stays, oldest first, each with another digest than the one before.

    Attributes:
        is_whole: whether the tag was absent before the first; else what was before is not known here.
        changes: how many there are, also those that are not known here.
    """

    tag: str
    stays: Sequence[Stay]
    is_whole: bool
    changes: int = 0

    @property
    def needs_timeline(self) -> bool:
        """Whether there are more changes than are known here."""
        return not self.is_whole

    @property
    def changed_at(self) -> Instant:
        """When it changed last."""
        return self.stays[-1].begin


def track_of(known: TagHistory) -> Track | None:
    """As far as a tag's own row tells; None if the tag never pointed anywhere."""
    change = known.change
    if change is None:
        return None
    before = [_pointed(change.previous)] if change.previous else []
    is_whole = known.changes == 1 + len(before)
    return Track(tag=known.tag, stays=[*before, _stay(change)], is_whole=is_whole, changes=known.changes)


def track_of_timeline(tag: str, movements: Sequence[Movement], *, is_all: bool) -> Track | None:
    """As far as the newest movements tell, the newest first; all of them, or some."""
    changes = [movement for movement in reversed(movements) if movement.changed]
    if not changes:
        return None
    first = changes[0].previous
    before = [_pointed(first)] if first else []
    return Track(tag=tag, stays=[*before, *map(_stay, changes)], is_whole=is_all)


def tracks_of_pushes(pushes: Iterable[Push], deletions: Iterable[Deletion]) -> list[Track]:
    """As far as the newest pushes and deletes of a repository tell, for repositories with very many tags."""
    stays: dict[str, list[Stay]] = {}
    for push in pushes:
        event = push.event.event
        for tag in push.tags:
            digest = push.digest or UNKNOWN_DIGEST
            stay = Stay(digest=digest, event=push.id, actor=event.actor, client=event.client)
            stays.setdefault(tag, []).append(stay)
    for deletion in deletions:
        for removed in deletion.tags:
            of_tag = stays.setdefault(removed.tag, [])
            of_tag.append(_pointed(Pointer(removed.digest, removed.begin)))
            of_tag.append(_gone(deletion, removed.tag))
    return [Track(tag=tag, stays=_changes(found), is_whole=False) for tag, found in stays.items()]


def newest_first(tracks: Iterable[Track]) -> list[Track]:
    """The most recently changed tags first."""
    return sorted(tracks, key=lambda track: (-track.changed_at.ticks, track.tag))


def replaced(tracks: Iterable[Track], better: Mapping[str, Track]) -> list[Track]:
    """With some of them known better."""
    return [better.get(track.tag, track) for track in tracks]


def _changes(stays: Iterable[Stay]) -> list[Stay]:
    """In order, without those that changed nothing."""
    ordered = sorted(stays, key=lambda stay: stay.event, reverse=True)
    return ordered[:1] + [after for before, after in pairwise(ordered) if after.digest != before.digest]


def _pointed(before: Pointer) -> Stay:
    return Stay(digest=before.digest, event=before.event)


def _stay(movement: Movement) -> Stay:
    said = movement.fact
    return Stay(
        digest=movement.digest,
        event=movement.event,
        actor=said.actor,
        client=said.client,
        removed=movement.change == "deleted",
    )


def _gone(deletion: Deletion, tag: str) -> Stay:
    return Stay(
        digest=None,
        event=deletion.event,
        actor=deletion.actor,
        client=deletion.client,
        removed=deletion.tag != tag,
    )
