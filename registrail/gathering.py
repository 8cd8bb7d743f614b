"""How events become logical pushes, one after the other. Pure; `docs/history.md` says the same in other words."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from registrail.events import RecordedEvent, oldest_first
from registrail.instants import Instant
from registrail.manifests import GAP, Kind, at, completes, reference


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A manifest that was pushed without a tag, before what it is a part of."""

    digest: str | None
    media_type: str | None
    size: int | None
    at: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Referrer:
    """Something about the pushed image, under a tag that is made of the image's digest."""

    kind: Kind
    tag: str
    digest: str | None
    at: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Push:
    """One push of an image with all that came with it.

    Attributes:
        event: that completed it first, with its digest, its time, and the regions that reported it.
        began_at: the time of its first event.
        ended_at: the time of its last event.
        tags: by name.
        media_type: as the first event with its digest told that knew it.
        parts: each manifest once, in the order of their times.
        referrers: in the order of their times.
        layers: how many layers and configs.
        members: the ids of all its events, newest first.
    """

    event: RecordedEvent
    began_at: Instant
    ended_at: Instant
    tags: Sequence[str]
    media_type: str | None
    parts: Sequence[Part]
    referrers: Sequence[Referrer]
    layers: int
    members: Sequence[str]

    @property
    def id(self) -> str:
        """The id of the event that completed it first."""
        return self.event.id

    @property
    def at(self) -> Instant:
        """When it was completed first."""
        return at(self.event)

    @property
    def digest(self) -> str | None:
        """What was pushed."""
        return self.event.event.digest


@dataclass(frozen=True, slots=True)
class _Manifest:
    """The push of one manifest, and the layers before it."""

    recorded: RecordedEvent
    layers: Sequence[RecordedEvent]

    @property
    def begin(self) -> int:
        """The time of the first of these events."""
        return at(self.layers[0] if self.layers else self.recorded).ticks

    @property
    def end(self) -> int:
        """The time of the last one."""
        return at(self.recorded).ticks

    @property
    def digest(self) -> str | None:
        """Of the manifest."""
        return self.recorded.event.digest

    @property
    def about(self) -> str | None:
        """The digest of the manifest that this one refers to, if it has such a tag."""
        referred = reference(self.recorded.event.tag)
        return referred[1] if referred else None


@dataclass(slots=True, eq=False)
class _Gathering:
    """A push while events come in."""

    first: RecordedEvent
    end: int = 0
    own: list[RecordedEvent] = field(default_factory=list)
    parts: list[RecordedEvent] = field(default_factory=list)
    referrers: list[RecordedEvent] = field(default_factory=list)
    layers: list[RecordedEvent] = field(default_factory=list)

    def add(self, place: list[RecordedEvent], manifest: _Manifest) -> None:
        """Take a manifest with its layers to one of the lists above."""
        place.append(manifest.recorded)
        self.layers += manifest.layers
        self.end = max(self.end, manifest.end)

    def push(self) -> Push:
        """What came of it."""
        members = oldest_first((*self.own, *self.parts, *self.referrers, *self.layers))[::-1]
        own = oldest_first(self.own)
        return Push(
            event=self.first,
            began_at=at(members[-1]),
            ended_at=at(members[0]),
            tags=sorted({one.event.tag for one in own if one.event.tag is not None}),
            media_type=next((one.event.media_type for one in own if one.event.media_type), None),
            parts=_parts(self.parts),
            referrers=_referrers(self.referrers),
            layers=len(self.layers),
            members=[one.id for one in members],
        )


class Gatherer:
    """Gathers the events of one group, as the page says.

    Attributes:
        pushes: all of them.
        latest: the latest push of each digest.
        latest_with_part: the latest push that each digest is a part of.
        waiting: manifests without a tag that nothing followed so far.
        awaited: their digests.
        about: referrers of manifests that wait.
        layers: layers and configs that no manifest followed so far.
        end: the time of the last manifest or referrer that waits.
    """

    def __init__(self) -> None:
        self.pushes: list[_Gathering] = []
        self.latest: dict[str, _Gathering] = {}
        self.latest_with_part: dict[str, _Gathering] = {}
        self.waiting: list[_Manifest] = []
        self.awaited: set[str] = set()
        self.about: list[_Manifest] = []
        self.layers: list[RecordedEvent] = []
        self.end = 0

    def gather(self, events: Iterable[RecordedEvent]) -> list[Push]:
        """All pushes of the events of one group, which come oldest first."""
        for recorded in events:
            if self.layers and at(recorded).ticks - at(self.layers[-1]).ticks > GAP:
                self.layers = []
            if recorded.event.concerns_blob:
                self.layers.append(recorded)
            else:
                manifest = _Manifest(recorded, self.layers)
                self.layers = []
                if manifest.begin - self.end > GAP:
                    self._give_up_waiting()
                self._add(manifest)
        self._give_up_waiting()
        return [one.push() for one in self.pushes]

    def _add(self, manifest: _Manifest) -> None:
        if push := self._near(manifest.about, manifest):
            push.add(push.referrers, manifest)
        elif manifest.about in self.awaited:
            self.about.append(manifest)
            self.end = manifest.end
        elif completes(manifest.recorded.event):
            push = self._near(manifest.digest, manifest) or self._new(manifest)
            push.add(push.own, manifest)
            self._complete(push)
        elif push := self._near(manifest.digest, manifest):
            push.add(push.own, manifest)
        elif push := self._near(manifest.digest, manifest, self.latest_with_part):
            push.add(push.parts, manifest)
        else:
            self.waiting.append(manifest)
            self.awaited |= {manifest.digest} if manifest.digest else set()
            self.end = manifest.end

    def _near(
        self, digest: str | None, manifest: _Manifest, known: Mapping[str, _Gathering] | None = None
    ) -> _Gathering | None:
        """The push of a digest, if its last event is near enough."""
        push = (self.latest if known is None else known).get(digest) if digest else None
        return push if push and manifest.begin - push.end <= GAP else None

    def _new(self, manifest: _Manifest) -> _Gathering:
        push = _Gathering(manifest.recorded)
        self.pushes.append(push)
        if manifest.digest:
            self.latest[manifest.digest] = push
        return push

    def _complete(self, push: _Gathering) -> None:
        """Give a push everything that waits: parts, or echoes if it is the same manifest."""
        digest = push.first.event.digest
        for manifest in self.waiting:
            is_echo = digest is not None and manifest.digest == digest
            push.add(push.own if is_echo else push.parts, manifest)
            if manifest.digest and not is_echo:
                self.latest_with_part[manifest.digest] = push
        for referrer in self.about:
            push.add(push.referrers, referrer)
        self.waiting, self.awaited, self.about = [], set(), []

    def _give_up_waiting(self) -> None:
        """What nothing followed is a push for each digest; referrers join if they are near enough."""
        for manifest in self.waiting:
            push = self._near(manifest.digest, manifest) or self._new(manifest)
            push.add(push.own, manifest)
        for referrer in self.about:
            if host := self._near(referrer.about, referrer):
                host.add(host.referrers, referrer)
            else:
                push = self._new(referrer)
                push.add(push.own, referrer)
        self.waiting, self.awaited, self.about = [], set(), []


def _parts(events: Iterable[RecordedEvent]) -> list[Part]:
    """Each manifest once, as of its first event."""
    first: dict[str | None, RecordedEvent] = {}
    for recorded in oldest_first(events):
        first.setdefault(recorded.event.digest, recorded)
    return [
        Part(digest=digest, media_type=one.event.media_type, size=one.event.size, at=at(one))
        for digest, one in first.items()
    ]


def _referrers(events: Iterable[RecordedEvent]) -> list[Referrer]:
    """Each of them once, as of its first event."""
    first: dict[tuple[str, str | None], Referrer] = {}
    for recorded in oldest_first(events):
        tag, digest = recorded.event.tag, recorded.event.digest
        if tag and (about := reference(tag)):
            first.setdefault((tag, digest), Referrer(kind=about[0], tag=tag, digest=digest, at=at(recorded)))
    return list(first.values())
