"""Logical pushes: what they consist of, and how they are shown."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from bench.oracle.journal import Json, at, text
from registrail.events import RecordedEvent

INDEXES: Final = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
_REFERRER: Final = re.compile(r"(sha256|sha512)-([0-9a-f]+)(\.sig|\.att|\.sbom)?")
_KINDS: Final = {".sig": "signature", ".att": "attestation", ".sbom": "sbom", None: "referrer"}


@dataclass(slots=True, eq=False)
class Push:
    """A logical push.

    Attributes:
        completing: the event that completed it first.
        images: the events with its digest, `completing` among them.
    """

    completing: RecordedEvent
    images: list[RecordedEvent] = field(default_factory=list)
    parts: list[RecordedEvent] = field(default_factory=list)
    referrers: list[RecordedEvent] = field(default_factory=list)
    layers: list[RecordedEvent] = field(default_factory=list)

    @property
    def end(self) -> int:
        """Ticks of its last event so far."""
        return max(at(recorded).ticks for recorded in [*self.images, *self.parts, *self.referrers, *self.layers])

    @property
    def digest(self) -> str | None:
        """Of the image or index."""
        return self.completing.event.digest

    @property
    def part_digests(self) -> list[str]:
        """Of the platform manifests, each once."""
        return [part.event.digest for part in self._distinct_parts() if part.event.digest is not None]

    @property
    def media_type(self) -> str | None:
        """As the first of the events with its digest tells it."""
        told = (image.event.media_type for image in oldest(self.images))
        return next((media_type for media_type in told if media_type), None)

    def _distinct_parts(self) -> list[RecordedEvent]:
        first: dict[str | None, RecordedEvent] = {}
        for part in oldest(self.parts):
            first.setdefault(part.event.digest, part)
        return list(first.values())

    def item(self) -> Json:
        """An item of `/api/pushes`."""
        event = self.completing.event
        everything = oldest([*self.images, *self.parts, *self.referrers, *self.layers])
        return {
            "id": self.completing.id,
            "registry": event.registry,
            "repository": event.repository,
            "at": text(self.completing),
            "began_at": text(everything[0]),
            "ended_at": text(everything[-1]),
            "digest": self.digest,
            "tags": sorted({image.event.tag for image in self.images if image.event.tag is not None}),
            "media_type": self.media_type,
            "actor": event.actor,
            "client": event.client,
            "events": len(everything),
            "parts": [
                {
                    "digest": part.event.digest,
                    "media_type": part.event.media_type,
                    "size": part.event.size,
                    "at": text(part),
                }
                for part in self._distinct_parts()
            ],
            "referrers": self._referrer_items(),
            "layers": len(self.layers),
            "regions": {name: when.isoformat() for name, when in self.completing.regions.items()},
        }

    def _referrer_items(self) -> list[Json]:
        first: dict[tuple[str, str | None], Json] = {}
        for referrer in oldest(self.referrers):
            tag = referrer.event.tag or ""
            match = _REFERRER.fullmatch(tag)
            assert match is not None
            entry = {"kind": _KINDS[match[3]], "tag": tag, "digest": referrer.event.digest, "at": text(referrer)}
            first.setdefault((tag, referrer.event.digest), entry)
        return list(first.values())


def oldest(events: Iterable[RecordedEvent]) -> list[RecordedEvent]:
    """In the order of the history."""
    return sorted(events, key=lambda recorded: recorded.id, reverse=True)


def subject(tag: str | None) -> str | None:
    """The digest that a referrer's tag names."""
    match = _REFERRER.fullmatch(tag or "")
    return f"{match[1]}:{match[2]}" if match else None
