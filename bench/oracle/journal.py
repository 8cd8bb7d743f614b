"""The events themselves: which reports are one event, their order, and the list of events."""

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, fields, replace
from typing import Any, Final

from registrail.events import Arrival, RecordedEvent, RegistryEvent
from registrail.instants import Instant

Json = dict[str, Any]

PUSHES: Final = ("push", "chart_push")
DELETES: Final = ("delete", "chart_delete")
_END_OF_TIME: Final = 3_155_378_975_999_999_999
_NAMES: Final = [field.name for field in fields(RegistryEvent) if field.name != "region"]


def row_id(event: RegistryEvent) -> str:
    """The id of an event: events with one id are one event."""
    told = [event.registry, event.action, event.repository, event.tag or "", event.digest or ""]
    content = _short_hash(json.dumps(told, ensure_ascii=False, separators=(",", ":")))
    if event.occurred_at is None:
        return f"{content}~{_short_hash(event.request_id or event.event_id or '')}"
    return f"{_END_OF_TIME - event.occurred_at.ticks:019d}~{content}"


def _short_hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def merged(told: Iterable[tuple[RegistryEvent, Arrival]]) -> list[RecordedEvent]:
    """Put all reports of an event together, in the order in which they arrived: what is told later wins."""
    found: dict[str, RecordedEvent] = {}
    for event, arrival in told:
        row = row_id(event)
        before = found.get(row)
        if before is None:
            before = found[row] = RecordedEvent(id=row, event=event, seen={}, regions={}, deliveries={})
        elif event != before.event:
            news = {name: getattr(event, name) for name in _NAMES if getattr(event, name) is not None}
            before = found[row] = replace(before, event=replace(before.event, **news))
        before.seen[_column(arrival.sender)] = arrival.received_at
        before.deliveries[_column(arrival.sender)] = arrival.delivery
        if event.region is not None:
            before.regions[_column(event.region)] = arrival.received_at
    return [_with_first_region(recorded) for recorded in found.values()]


def _column(name: str) -> str:
    return re.sub("[^a-z0-9]", "_", name.lower())


def _with_first_region(recorded: RecordedEvent) -> RecordedEvent:
    first = min(((at, name) for name, at in recorded.regions.items()), default=(None, None))[1]
    if first == recorded.event.region:
        return recorded
    return replace(recorded, event=replace(recorded.event, region=first))


def is_push(event: RegistryEvent) -> bool:
    """Whether it is a push that takes part in the history."""
    return event.action in PUSHES and event.occurred_at is not None and not event.concerns_blob


def is_delete(event: RegistryEvent) -> bool:
    """Whether it is a delete that takes part in the history."""
    return event.action in DELETES and event.occurred_at is not None and not event.concerns_blob


def oldest_first(recorded: Iterable[RecordedEvent]) -> list[RecordedEvent]:
    """Events with a time in the order of the history."""
    dated = [one for one in recorded if one.event.occurred_at is not None]
    return sorted(dated, key=lambda one: one.id, reverse=True)


def at(recorded: RecordedEvent) -> Instant:
    """When an event with a time was."""
    assert recorded.event.occurred_at is not None
    return recorded.event.occurred_at


def text(recorded: RecordedEvent | None) -> str | None:
    """When it was, as the API writes it."""
    return at(recorded).isoformat() if recorded else None


def within(moment: Instant, since: Instant | None, until: Instant | None) -> bool:
    """Whether a time lies in a range, whose end is not part of it."""
    return (since is None or moment >= since) and (until is None or moment < until)


def named(wanted: str | None, found: str | None) -> bool:
    """Whether a name is the one that is asked for, or begins with `prefix` where `prefix*` is; None asks for any."""
    if wanted is None:
        return True
    if wanted.endswith("*"):
        return found is not None and found.startswith(wanted[:-1])
    return wanted == found


def listed_events(
    recorded: Iterable[RecordedEvent],
    *,
    since: Instant | None = None,
    until: Instant | None = None,
    repository: str | None = None,
    **exactly: str | None,
) -> list[Json]:
    """Items of `/api/events`, newest first, those without a time last; `exactly` is any other column."""
    found = [
        one
        for one in recorded
        if named(repository, one.event.repository)
        and all(wanted is None or getattr(one.event, name) == wanted for name, wanted in exactly.items())
        and ((since is None and until is None) or one.event.occurred_at is not None)
        and (one.event.occurred_at is None or within(one.event.occurred_at, since, until))
    ]
    return [event_item(one) for one in sorted(found, key=lambda one: (one.event.occurred_at is None, one.id))]


def event_item(recorded: RecordedEvent) -> Json:
    """An item of `/api/events`."""
    return {
        "id": recorded.id,
        **asdict(recorded.event),
        "occurred_at": text(recorded) if recorded.event.occurred_at else None,
        "received_at": min(recorded.seen.values()).isoformat(),
        "senders": sorted(recorded.seen),
        "regions": {name: when.isoformat() for name, when in recorded.regions.items()},
        "deliveries": dict(recorded.deliveries),
    }


def registry_items(recorded: Sequence[RecordedEvent]) -> list[Json]:
    """Items of `/api/registries`, without `backlog`."""
    items = []
    for registry in sorted({one.event.registry for one in recorded}):
        newest = listed_events(recorded, registry=registry)[0]
        times = {"last_event_at": newest["occurred_at"], "last_received_at": newest["received_at"]}
        items.append({"registry": registry, **times})
    return items
