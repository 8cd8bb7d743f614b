"""What a row of each table says: columns to values and back. The columns are documented in `docs/tables.md`."""

import re
import sys
from collections.abc import Mapping
from dataclasses import fields
from functools import lru_cache
from operator import attrgetter
from typing import Final, cast

from registrail.events import Arrival, RecordedEvent, RegistryEvent
from registrail.instants import Instant
from registrail.storage import keys
from registrail.storage.store import Guid, Properties, Value

_ELSEWHERE: Final = {"registry", "region"}
"""The key of the partition has the registry, and each region has a column of its own."""
_EVENT_COLUMNS: Final = tuple(field.name for field in fields(RegistryEvent) if field.name not in _ELSEWHERE)
_values = attrgetter(*_EVENT_COLUMNS)
_REPEATED: Final = ("action", "repository", "media_type", "client", "actor", "method", "address")
"""What many events have alike: with one text for all of them a fold needs a fifth less memory."""
_GUIDS: Final = ("event_id", "request_id")
_GUID: Final = re.compile("[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")
_SEEN: Final = "seen_"
_REGION: Final = "region_"
_DELIVERY: Final = "delivery_"


def event_properties(event: RegistryEvent, arrival: Arrival) -> dict[str, Value]:
    """The columns that one arrival contributes; what it does not know it does not touch."""
    known = _columns_of(event)
    sender = _column(arrival.sender)
    known[_SEEN + sender] = arrival.received_at
    known[_DELIVERY + sender] = _end_of(arrival.delivery, sender, arrival.received_at)
    if event.region is not None:
        known[_REGION + _column(event.region)] = arrival.received_at
    return known


def recorded_properties(recorded: RecordedEvent) -> dict[str, Value]:
    """All columns of a row of `events`: undoes `recorded_event`."""
    known = _columns_of(recorded.event)
    known |= {_SEEN + sender: seen for sender, seen in recorded.seen.items()}
    known |= {
        _DELIVERY + sender: _end_of(delivery, sender, recorded.seen.get(sender))
        for sender, delivery in recorded.deliveries.items()
    }
    return known | {_REGION + region: seen for region, seen in recorded.regions.items()}


def _columns_of(event: RegistryEvent) -> dict[str, Value]:
    """What the event itself says; its registry only if the key cannot."""
    columns = zip(_EVENT_COLUMNS, _values(event), strict=True)
    known: dict[str, Value] = {name: value for name, value in columns if value is not None}
    for name in _GUIDS:
        if name in known and _GUID.fullmatch(cast("str", known[name])):
            known[name] = Guid(known[name])
    return known | keys.if_cut("registry", event.registry)


def _end_of(delivery: str, sender: str, at: Instant | None) -> str:
    """Of the id of a delivery what `seen_{sender}` does not say: `~` and the end; all of it if it is another's."""
    told = f"{sender}~{at.inverted}" if at else ""
    return delivery[len(told) :] if told and delivery.startswith(f"{told}~") else delivery


def _whole(end: str, sender: str, at: Instant | None) -> str:
    """Undo `_end_of`."""
    return f"{sender}~{at.inverted}{end}" if at and end.startswith("~") else end


def recorded_event(partition: str, row: str, properties: Properties) -> RecordedEvent:
    """Read a row of `events`, merged from all its arrivals."""
    regions = _with_prefix(_REGION, properties)
    first_region = min(regions, key=lambda name: (regions[name], name), default=None)
    columns = {name: properties[name] for name in _EVENT_COLUMNS if name in properties}
    for name in _REPEATED:
        if name in columns:
            columns[name] = sys.intern(cast("str", columns[name]))
    seen = _with_prefix(_SEEN, properties)
    ends = cast("Mapping[str, str]", _columns(_DELIVERY, properties))
    registry = properties.get("registry") or keys.registry_of(partition)
    return RecordedEvent(
        id=row,
        event=RegistryEvent(**columns, registry=registry, region=first_region),  # type: ignore[arg-type]  # as written
        seen=seen,
        regions=regions,
        deliveries={sender: _whole(end, sender, seen.get(sender)) for sender, end in ends.items()},
    )


def _with_prefix(prefix: str, properties: Properties) -> dict[str, Instant]:
    return cast("dict[str, Instant]", _columns(prefix, properties))


def _columns(prefix: str, properties: Properties) -> Mapping[str, Value]:
    return {name.removeprefix(prefix): value for name, value in properties.items() if name.startswith(prefix)}


@lru_cache(maxsize=1000)
def _column(name: str) -> str:
    """A part of a property's name, which must be an identifier."""
    return re.sub("[^a-z0-9]", "_", name.lower())


_CHUNK: Final = 60_000
"""Bytes of one property; Table Storage takes 64 KiB."""
MOST_PARTS: Final = 16
"""Properties of that size in an entity, which holds 1 MiB."""


def split(name: str, data: bytes) -> dict[str, Value]:
    """Spread bytes over the properties `{name}_0`, `{name}_1` and so on."""
    return {
        f"{name}_{number}": data[start : start + _CHUNK] for number, start in enumerate(range(0, len(data), _CHUNK))
    }


def joined(name: str, properties: Properties) -> bytes:
    """Undo `split`."""
    data = b""
    for number in range(len(properties)):
        chunk = properties.get(f"{name}_{number}")
        if not isinstance(chunk, bytes):
            break
        data += chunk
    return data
