"""Logical pushes: how events are put together, one after the other, for each hand that pushes to a repository."""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from bench.oracle.journal import PUSHES, at, is_push
from bench.oracle.pushes import INDEXES, Push, subject
from registrail.events import RecordedEvent

PAUSE: Final = 30 * 10_000_000
"""The longest between one event of a push and the next, in ticks."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """The push of a manifest, and the layers before it."""

    recorded: RecordedEvent
    layers: list[RecordedEvent]

    @property
    def begin(self) -> int:
        """Ticks of the first of its events."""
        return at(self.layers[0] if self.layers else self.recorded).ticks

    @property
    def end(self) -> int:
        """Ticks of the last of its events."""
        return at(self.recorded).ticks

    @property
    def digest(self) -> str | None:
        """Of the manifest."""
        return self.recorded.event.digest

    @property
    def completes(self) -> bool:
        """Whether it may be what others are parts of."""
        return self.recorded.event.tag is not None or self.recorded.event.media_type in INDEXES


@dataclass(slots=True)
class Hand:
    """One actor, client and host that pushes to one repository.

    Attributes:
        waiting: manifests without a tag, since nothing completed them yet.
        about: referrers of those that wait.
        layers: since the last manifest.
        latest: the latest push of each digest.
        latest_with_part: the latest push that each digest is a part of.
    """

    pushes: list[Push] = field(default_factory=list)
    waiting: list[Manifest] = field(default_factory=list)
    about: list[Manifest] = field(default_factory=list)
    layers: list[RecordedEvent] = field(default_factory=list)
    latest: dict[str, Push] = field(default_factory=dict)
    latest_with_part: dict[str, Push] = field(default_factory=dict)

    def take(self, recorded: RecordedEvent) -> None:
        """Go on with the next event."""
        if self.layers and at(recorded).ticks - at(self.layers[-1]).ticks > PAUSE:
            self.layers = []
        if _is_layer(recorded):
            self.layers.append(recorded)
            return
        manifest = Manifest(recorded, self.layers)
        self.layers = []
        if self.waiting and manifest.begin - max(one.end for one in (*self.waiting, *self.about)) > PAUSE:
            self.give_up()
        if not self._took_as_referrer(manifest):
            self._take_as_image(manifest)

    def _took_as_referrer(self, manifest: Manifest) -> bool:
        digest = subject(manifest.recorded.event.tag)
        if digest is None:
            return False
        push = self._within_reach(digest, manifest)
        if push is not None:
            _add(push, push.referrers, manifest)
        elif any(one.digest == digest for one in self.waiting):
            self.about.append(manifest)
        else:
            return False
        return True

    def _take_as_image(self, manifest: Manifest) -> None:
        push = self._within_reach(manifest.digest, manifest)
        if push is None and not manifest.completes:
            push = self._within_reach(manifest.digest, manifest, self.latest_with_part)
            if push is not None:
                _add(push, push.parts, manifest)
            else:
                self.waiting.append(manifest)
            return
        push = push or self._begin(manifest)
        _add(push, push.images, manifest)
        if manifest.completes:
            for earlier in self.waiting:
                is_echo = earlier.digest is not None and earlier.digest == push.digest
                _add(push, push.images if is_echo else push.parts, earlier)
                if earlier.digest is not None and not is_echo:
                    self.latest_with_part[earlier.digest] = push
            for referrer in self.about:
                _add(push, push.referrers, referrer)
            self.waiting, self.about = [], []

    def give_up(self) -> None:
        """Nothing follows what waits: each digest is a push."""
        for manifest in self.waiting:
            push = self._within_reach(manifest.digest, manifest) or self._begin(manifest)
            _add(push, push.images, manifest)
        for referrer in self.about:
            host = self._within_reach(subject(referrer.recorded.event.tag), referrer)
            if host is not None:
                _add(host, host.referrers, referrer)
            else:
                push = self._begin(referrer)
                _add(push, push.images, referrer)
        self.waiting, self.about = [], []

    def _begin(self, manifest: Manifest) -> Push:
        push = Push(manifest.recorded)
        self.pushes.append(push)
        if manifest.digest is not None:
            self.latest[manifest.digest] = push
        return push

    def _within_reach(
        self, digest: str | None, manifest: Manifest, known: dict[str, Push] | None = None
    ) -> Push | None:
        push = (self.latest if known is None else known).get(digest) if digest is not None else None
        return push if push is not None and manifest.begin - push.end <= PAUSE else None


def _add(push: Push, place: list[RecordedEvent], manifest: Manifest) -> None:
    place.append(manifest.recorded)
    push.layers += manifest.layers


def logical_pushes(events: Sequence[RecordedEvent]) -> list[Push]:
    """All of them, by the completing event, oldest first; `events` are oldest first too."""
    hands: dict[tuple[str | None, ...], Hand] = defaultdict(Hand)
    for recorded in events:
        event = recorded.event
        if is_push(event) or _is_layer(recorded):
            host = re.sub(r"^([^:]+|\[.*\]):[0-9]+$", r"\1", event.address) if event.address else None
            hands[event.registry, event.repository, event.actor, event.client, host].take(recorded)
    for hand in hands.values():
        hand.give_up()
    found = [push for hand in hands.values() for push in hand.pushes]
    return sorted(found, key=lambda push: push.completing.id, reverse=True)


def _is_layer(recorded: RecordedEvent) -> bool:
    return recorded.event.concerns_blob and recorded.event.action in {*PUSHES, "mount"}
