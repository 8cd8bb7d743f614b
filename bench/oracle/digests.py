"""Digests: when they came and went, and which tags pointed to them."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.oracle.journal import Json, is_delete, is_push, text
from bench.oracle.tags import Holding
from registrail.events import RecordedEvent

Name = tuple[str, str, str]
"""Registry, repository, digest."""


@dataclass(slots=True)
class Life:
    """All that happened to one digest in one repository: pushes and deletes, with their places among all events."""

    pushes: list[tuple[int, RecordedEvent]] = field(default_factory=list)
    deletes: list[tuple[int, RecordedEvent]] = field(default_factory=list)

    def until(self, position: int) -> "Life":
        """What had happened right after the event at a place."""
        return Life(
            [entry for entry in self.pushes if entry[0] <= position],
            [entry for entry in self.deletes if entry[0] <= position],
        )

    @property
    def is_there(self) -> bool:
        """Whether it was pushed and not deleted since."""
        return bool(self.pushes) and (not self.deletes or self.deletes[-1][0] < self.pushes[-1][0])

    @property
    def first(self) -> RecordedEvent | None:
        """The first push."""
        return self.pushes[0][1] if self.pushes else None

    @property
    def last(self) -> RecordedEvent | None:
        """The last push."""
        return self.pushes[-1][1] if self.pushes else None

    def told(self, name: str) -> Any:
        """The media type or size, from the first push that tells it."""
        values = (getattr(recorded.event, name) for _, recorded in self.pushes)
        return next((value for value in values if value is not None), None)


def lives(events: Sequence[RecordedEvent]) -> dict[Name, Life]:
    """Go through all events, oldest first."""
    found: dict[Name, Life] = defaultdict(Life)
    of_repository: dict[tuple[str, str], set[Name]] = defaultdict(set)
    for position, recorded in enumerate(events):
        event = recorded.event
        place = event.registry, event.repository
        if event.digest is not None and (is_push(event) or is_delete(event)):
            name = (*place, event.digest)
            of_repository[place].add(name)
            (found[name].pushes if is_push(event) else found[name].deletes).append((position, recorded))
        elif is_delete(event) and event.tag is None:
            for name in of_repository[place]:
                if found[name].is_there:
                    found[name].deletes.append((position, recorded))
    return dict(found)


def digest_item(name: Name, life: Life, held: Sequence[Holding]) -> Json:
    """An item of `/api/digests/{digest}`; `held` are the holdings of this digest in this repository."""
    registry, repository, digest = name
    first, last = life.first, life.last
    tags = [
        {"tag": h.tag.tag, "since": text(h.begin.event), "until": text(h.end.event) if h.end else None} for h in held
    ]
    return {
        "registry": registry,
        "repository": repository,
        "digest": digest,
        "media_type": life.told("media_type"),
        "size": life.told("size"),
        "first_pushed_at": text(first),
        "first_event": first.id if first else None,
        "first_actor": first.event.actor if first else None,
        "first_client": first.event.client if first else None,
        "last_pushed_at": text(last),
        "last_event": last.id if last else None,
        "last_actor": last.event.actor if last else None,
        "last_client": last.event.client if last else None,
        "deleted_at": [text(recorded) for _, recorded in life.deletes if recorded.event.digest is not None],
        "tags": sorted(tags, key=lambda tag: (str(tag["since"]), str(tag["tag"]))),
    }


def repository_items(events: Sequence[RecordedEvent], lived: dict[Name, Life], held: Sequence[Holding]) -> list[Json]:
    """Items of `/api/repositories`, by name."""
    pushes: dict[tuple[str, str], list[RecordedEvent]] = defaultdict(list)
    deletes: dict[tuple[str, str], list[RecordedEvent]] = defaultdict(list)
    tags: dict[tuple[str, str], int] = defaultdict(int)
    images: dict[tuple[str, str], int] = defaultdict(int)
    for recorded in events:
        place = recorded.event.registry, recorded.event.repository
        if is_push(recorded.event):
            pushes[place].append(recorded)
        elif is_delete(recorded.event):
            deletes[place].append(recorded)
    for holding in held:
        tags[holding.tag[:2]] += holding.end is None
    for name, life in lived.items():
        images[name[:2]] += bool(life.pushes)
    return [
        {
            "registry": place[0],
            "repository": place[1],
            "first_pushed_at": text(pushes[place][0]) if pushes[place] else None,
            "last_pushed_at": text(pushes[place][-1]) if pushes[place] else None,
            "last_deleted_at": text(deletes[place][-1]) if deletes[place] else None,
            "tags": tags[place],
            "images": images[place],
        }
        for place in sorted({*pushes, *deletes})
    ]
