"""What a registry did, and when two reports of it are the same event."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from registrail.instants import Instant

BLOB_MEDIA_TYPE = "application/octet-stream"
"""What distribution calls a layer or a config; manifests always have a type of their own."""

_as_json: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False).encode


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryEvent:
    """One thing that a registry reported, whoever delivered the report.

    Attributes:
        action: the registry's own word: push, delete, quarantine, chart_push, pull, … or one we have never seen.
        registry: its host in lower case, with the port if it was sent.
        repository: such as `team/app`.
        tag: None when the event concerns no tag.
        digest: None when only a tag was concerned.
        occurred_at: when, by the registry's clock; None if it did not say, or said nonsense.
        event_id: the sender's id of the event.
        request_id: the registry's id of the request that caused the event, or of several events.
        region: where it happened, in a geo-replicated registry.
    """

    action: str
    registry: str
    repository: str
    tag: str | None = None
    digest: str | None = None
    occurred_at: Instant | None = None
    event_id: str | None = None
    request_id: str | None = None
    method: str | None = None
    address: str | None = None
    client: str | None = None
    actor: str | None = None
    media_type: str | None = None
    size: int | None = None
    url: str | None = None
    source: str | None = None
    chart_name: str | None = None
    chart_version: str | None = None
    connected_registry: str | None = None
    region: str | None = None

    @property
    def concerns_blob(self) -> bool:
        """Whether it is about a layer or a config instead of a manifest."""
        return self.action == "mount" or self.media_type == BLOB_MEDIA_TYPE


def content_hash(event: RegistryEvent) -> str:
    """32 hexadecimal digits that say what happened to what, whenever it was and whoever told.

    The first 16 bytes of SHA-256 over the JSON array `[registry, action, repository, tag, digest]`, without spaces,
    in UTF-8, a missing value as `""`. With the time of the event it is the event's identity.
    """
    content = [event.registry, event.action, event.repository, event.tag or "", event.digest or ""]
    return hashlib.sha256(_as_json(content).encode()).hexdigest()[:32]


def arrival_hash(event: RegistryEvent) -> str:
    """32 hexadecimal digits that tell events without a time apart: by request id, else by the sender's event id."""
    return hashlib.sha256((event.request_id or event.event_id or "").encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """How events reached us: one request of one sender.

    Attributes:
        sender: its name in `/hooks/{sender}`.
        delivery: the id of the request in the delivery log.
        received_at: by our clock.
    """

    sender: str
    delivery: str
    received_at: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedEvent:
    """An event as the journal holds it: merged from all its arrivals.

    Attributes:
        id: the row key in the table `events`; unique over all registries.
        seen: for each sender, when its latest report arrived.
        regions: for each region, when its latest report arrived.
        deliveries: for each sender, the delivery of its latest report.
    """

    id: str
    event: RegistryEvent
    seen: dict[str, Instant]
    regions: dict[str, Instant]
    deliveries: dict[str, str]

    @property
    def received_at(self) -> Instant:
        """When the first of the reports in `seen` arrived."""
        return min(self.seen.values())


def oldest_first(events: Iterable[RecordedEvent]) -> list[RecordedEvent]:
    """In the order of the history: by time, and at the same time the greater id first."""
    return sorted(events, key=_id, reverse=True)


def _id(recorded: RecordedEvent) -> str:
    return recorded.id
