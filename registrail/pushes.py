"""Logical pushes: what one push of an image left in the journal. Pure; `docs/history.md` defines the terms."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from registrail.clusters import Clusters
from registrail.events import RecordedEvent, oldest_first
from registrail.gathering import Gatherer, Push
from registrail.instants import Instant
from registrail.manifests import host, takes_part

__all__ = ["Found", "Push", "find", "fold"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A push in a stretch of the journal.

    Attributes:
        final: whether events that were not read can change nothing about it.
        settled: likewise, unless an event that it consists of, or that is near before it, is the echo of a part of a
            push that was not read. In a long row of pushes without pauses nothing may be final.
        newest: the id of the newest event that it depends on, from which on it must be read to be found again.
        oldest: the id of the oldest one.
    """

    push: Push
    final: bool
    settled: bool
    newest: str
    oldest: str


def fold(events: Iterable[RecordedEvent]) -> list[Push]:
    """All pushes, the newest first, if these are all the events, in whatever order."""
    return [found.push for found in find(events, None)]


def find(events: Iterable[RecordedEvent], edge: Instant | None) -> list[Found]:
    """Gather a stretch of the journal into pushes, the newest first.

    Args:
        events: in any order; an event that is there twice is there once.
        edge: events up to this time may not have been read; None if everything was read.
    """
    found: list[Found] = []
    for group in _groups(events):
        pushes = Gatherer().gather(group)
        clusters = Clusters(group, [push.members for push in pushes])
        unsure = clusters.open(edge) if edge else set()
        for push in pushes:
            cluster = clusters.of(push.id)
            found.append(
                Found(
                    push=push,
                    final=cluster.oldest.id not in unsure,
                    settled=edge is None or not cluster.is_near(edge),
                    newest=cluster.newest.id,
                    oldest=cluster.oldest.id,
                )
            )
    return sorted(found, key=lambda one: one.push.id)


def _groups(events: Iterable[RecordedEvent]) -> Iterator[list[RecordedEvent]]:
    """What can be one push: of one repository, actor, client and host; oldest first."""
    groups: dict[tuple[str | None, ...], dict[str, RecordedEvent]] = {}
    for recorded in events:
        if takes_part(recorded):
            event = recorded.event
            key = (event.registry, event.repository, event.actor, event.client, host(event.address))
            groups.setdefault(key, {})[recorded.id] = recorded
    for group in groups.values():
        yield oldest_first(group.values())
