"""Tags: all events replayed once, and every movement of every tag noted down."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from bench.oracle.journal import Json, at, is_delete, is_push, text
from registrail.events import RecordedEvent
from registrail.instants import Instant


class Tag(NamedTuple):
    """A tag's full name."""

    registry: str
    repository: str
    tag: str


@dataclass(frozen=True, slots=True)
class Movement:
    """One row of a timeline; `position` is the event's place among all."""

    position: int
    event: RecordedEvent
    change: str
    digest: str | None
    previous: str | None


@dataclass(frozen=True, slots=True)
class Deletion:
    """What a delete did.

    Attributes:
        digest: that it is about, if any.
        removed: tags and the events since which they had pointed there.
        held: repositories and tags that point to the digest right after it.
    """

    position: int
    event: RecordedEvent
    digest: str | None
    removed: list[tuple[str, RecordedEvent]]
    held: list[tuple[str, str]]


@dataclass(slots=True)
class Replay:
    """Goes through all events, oldest first."""

    timelines: dict[Tag, list[Movement]] = field(default_factory=lambda: defaultdict(list))
    deletions: list[Deletion] = field(default_factory=list)
    _points: dict[Tag, tuple[str, RecordedEvent]] = field(default_factory=dict)
    _holders: dict[tuple[str, str], set[Tag]] = field(default_factory=lambda: defaultdict(set))

    def play(self, events: Sequence[RecordedEvent]) -> "Replay":
        """Take all events, in their order."""
        for position, recorded in enumerate(events):
            if is_push(recorded.event):
                self._push(position, recorded)
            elif is_delete(recorded.event):
                self._delete(position, recorded)
        return self

    def _push(self, position: int, recorded: RecordedEvent) -> None:
        event = recorded.event
        if event.tag is None:
            return
        tag, digest = Tag(event.registry, event.repository, event.tag), event.digest or ""
        pointed, _ = self._points.get(tag, (None, None))
        change = {None: "created", digest: "unchanged"}.get(pointed, "moved")
        self._move(position, recorded, tag, change, digest)

    def _delete(self, position: int, recorded: RecordedEvent) -> None:
        event = recorded.event
        registry, repository = event.registry, event.repository
        digest = event.digest
        removed: list[tuple[str, RecordedEvent]] = []
        if event.tag is not None:
            tag = Tag(registry, repository, event.tag)
            if tag in self._points:
                pointed, since = self._points[tag]
                removed.append((tag.tag, since))
                digest = pointed if digest is None else digest
            self._move(position, recorded, tag, "untagged" if tag in self._points else "unchanged", None)
        if event.digest is not None:
            gone = {tag for tag in self._holders[registry, event.digest] if tag.repository == repository}
        elif event.tag is None:
            gone = {tag for tag in self._points if (tag.registry, tag.repository) == (registry, repository)}
        else:
            gone = set()
        for tag in gone:
            removed.append((tag.tag, self._points[tag][1]))
            self._move(position, recorded, tag, "deleted", None)
        removed.sort(key=lambda entry: entry[0])
        held = sorted((tag.repository, tag.tag) for tag in self._holders[registry, digest]) if digest else []
        self.deletions.append(Deletion(position, recorded, digest, removed, held))

    def _move(self, position: int, recorded: RecordedEvent, tag: Tag, change: str, digest: str | None) -> None:
        previous, _ = self._points.get(tag, (None, None))
        self.timelines[tag].append(Movement(position, recorded, change, digest, previous))
        if change == "unchanged":
            return
        if previous is not None:
            self._holders[tag.registry, previous].discard(tag)
            del self._points[tag]
        if digest is not None:
            self._holders[tag.registry, digest].add(tag)
            self._points[tag] = (digest, recorded)


def until_moment(timeline: Sequence[Movement], moment: Instant | None) -> list[Movement]:
    """The movements at or before a time."""
    return [movement for movement in timeline if moment is None or at(movement.event) <= moment]


def movement_item(tag: Tag, movement: Movement) -> Json:
    """An item of `/api/timeline`."""
    return {
        **tag._asdict(),
        "at": text(movement.event),
        "change": movement.change,
        "digest": movement.digest,
        "previous_digest": movement.previous,
        "event": movement.event.id,
        "action": movement.event.event.action,
        "actor": movement.event.event.actor,
        "client": movement.event.event.client,
    }


def tag_item(tag: Tag, timeline: Sequence[Movement]) -> Json:
    """An item of `/api/tags`, as it is after the last movement of (a part of) a timeline."""
    real = [movement for movement in timeline if movement.change != "unchanged"]
    told = real[-1] if real else timeline[-1]
    return {
        **tag._asdict(),
        "digest": timeline[-1].digest,
        "change": told.change,
        "since": text(told.event) if real else None,
        "last_event_at": text(timeline[-1].event),
        "changes": len(real),
        "previous_digest": told.previous,
        "actor": told.event.event.actor,
        "client": told.event.event.client,
        "event": told.event.id,
    }


@dataclass(frozen=True, slots=True)
class Holding:
    """A tag pointed to a digest from one event to another, or still does."""

    tag: Tag
    digest: str
    begin: Movement
    end: Movement | None


def holdings(timelines: dict[Tag, list[Movement]]) -> list[Holding]:
    """Every time that a tag pointed somewhere."""
    found = []
    for tag, timeline in timelines.items():
        real = [movement for movement in timeline if movement.change != "unchanged"]
        ends = [*real[1:], None]
        for begin, end in zip(real, ends, strict=False):
            if begin.digest is not None:
                found.append(Holding(tag, begin.digest, begin, end))
    return found
