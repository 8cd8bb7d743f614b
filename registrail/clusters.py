"""Which push events have to do with each other, and which of them what was not read can change. Pure.

The journal is read newest first, a stretch at a time, and a push may reach beyond a stretch. What comes to be in one
push, or waits for one and the same thing, is put into one cluster. A cluster is *open* if events that were not read may
belong to it, whatever they are: its oldest event is near behind them, or something open reaches it.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from registrail.events import RecordedEvent, RegistryEvent
from registrail.instants import Instant
from registrail.manifests import GAP, at, completes, reference


@dataclass(frozen=True, slots=True)
class Cluster:
    """Events of one origin that have to do with each other; the first and the last of them."""

    oldest: RecordedEvent
    newest: RecordedEvent

    def is_near(self, edge: Instant) -> bool:
        """Whether an event at a time before all of them may be of one push with the oldest."""
        return at(self.oldest).ticks - edge.ticks <= GAP


class Clusters:
    """All clusters of events that may be one push: of one repository, actor, client and host."""

    def __init__(self, events: Sequence[RecordedEvent], pushes: Iterable[Sequence[str]]) -> None:
        """Make clusters.

        Args:
            events: oldest first.
            pushes: the ids of the events of each.
        """
        self._events = events
        self._begins = list(_begins(events))
        self._root = list(range(len(events)))
        self._index = {recorded.id: index for index, recorded in enumerate(events)}
        for one, other in self._links():
            self._join(one, other)
        for members in pushes:
            for one_id, other_id in pairwise(members):
                self._join(self._index[one_id], self._index[other_id])
        newest = {self._find(index): recorded for index, recorded in enumerate(events)}
        self._clusters = {root: Cluster(events[root], last) for root, last in newest.items()}

    def of(self, event_id: str) -> Cluster:
        """The cluster of an event."""
        return self._clusters[self._find(self._index[event_id])]

    def open(self, edge: Instant) -> set[str]:
        """The ids of the oldest events of all open clusters, if what is not after `edge` may not have been read.

        What was not read may have been a push with unknown parts. A manifest without a tag may be the echo of such a
        part, if something that is open is near before it: then it keeps the push in reach of anything that is near
        after it.
        """
        is_open = {root for root, cluster in self._clusters.items() if cluster.is_near(edge)}
        last = echo = edge.ticks
        index = 0
        while index < len(self._events):
            event, root = self._events[index].event, self._find(index)
            may_be_echo = not event.concerns_blob and not completes(event)
            begin = at(self._events[self._begins[index]]).ticks
            if root not in is_open and not event.concerns_blob and begin - (last if may_be_echo else echo) <= GAP:
                is_open.add(root)
                index = root  # what came since then has something open before it now
            if root in is_open:
                ticks = at(self._events[index]).ticks
                last = max(last, ticks)
                echo = max(echo, ticks) if may_be_echo else echo
            index += 1
        return {self._events[root].id for root in is_open}

    def _find(self, index: int) -> int:
        while self._root[index] != index:
            self._root[index] = self._root[self._root[index]]
            index = self._root[index]
        return index

    def _join(self, one: int, other: int) -> None:
        low, high = sorted((self._find(one), self._find(other)))
        self._root[high] = low

    def _links(self) -> Iterator[tuple[int, int]]:
        """Neighbours within the gap: of one digest, or where something waits for what follows it."""
        last: dict[str, int] = {}
        for index, recorded in enumerate(self._events):
            for digest in _digests(recorded.event):
                if digest in last and self._near(last[digest], self._begins[index]):
                    yield last[digest], index
                last[digest] = index
        waits = False
        for index, recorded in enumerate(self._events[:-1]):
            waits = _waits(recorded.event) or (waits and not _surely_completes(recorded.event))
            waits = waits and self._near(index, index + 1)
            if waits:
                yield index, index + 1

    def _near(self, before: int, after: int) -> bool:
        return at(self._events[after]).ticks - at(self._events[before]).ticks <= GAP


def _begins(events: Sequence[RecordedEvent]) -> Iterator[int]:
    """For each event the index of the first of the layers before it, which are of one push with it; or its own."""
    begin: int | None = None
    for index, recorded in enumerate(events):
        if begin is None or at(recorded).ticks - at(events[index - 1]).ticks > GAP:
            begin = index
        yield begin
        if not recorded.event.concerns_blob:
            begin = None


def _digests(event: RegistryEvent) -> set[str]:
    """The digests by which the event of a manifest may find its push."""
    if event.concerns_blob:
        return set()
    about = reference(event.tag)
    return {digest for digest in (event.digest, about[1] if about else None) if digest}


def _waits(event: RegistryEvent) -> bool:
    return event.concerns_blob or not completes(event)


def _surely_completes(event: RegistryEvent) -> bool:
    """Unlike a tag of a referrer, which may itself wait with the manifest that it is about."""
    return not _waits(event) and reference(event.tag) is None
