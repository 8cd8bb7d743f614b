"""Reading back what `registrail export events --format ndjson` wrote: an event on each line."""

import json
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Final

from registrail.errors import MalformedError
from registrail.events import RecordedEvent, RegistryEvent
from registrail.instants import Instant

_TEXTS: Final = frozenset(field.name for field in fields(RegistryEvent)) - {"occurred_at", "size"}


def read_line(line: str, number: int) -> RecordedEvent:
    """The event on one line.

    Raises:
        MalformedError: the line has none; the message says which line it is.
    """
    try:
        found = json.loads(line)
        if not isinstance(found, dict):
            raise TypeError("it is no JSON object")
        return _recorded(found)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        said = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        message = f"line {number} is no exported event: {said}"
        raise MalformedError(message, reason="not-an-event") from error


def _recorded(found: Mapping[str, Any]) -> RecordedEvent:
    at = found["occurred_at"]
    columns = {name: found[name] for name in _TEXTS if found.get(name) is not None}
    for name, value in columns.items():
        if not isinstance(value, str):
            message = f"{name!r} is no text"
            raise TypeError(message)
    size = found["size"]
    if size is not None and (not isinstance(size, int) or isinstance(size, bool)):
        raise TypeError("'size' is no whole number")
    for name in ("seen", "regions", "deliveries"):
        if not isinstance(found[name], dict):
            message = f"{name!r} is no object"
            raise TypeError(message)
    if found["seen"].keys() != found["deliveries"].keys():
        raise ValueError("'seen' and 'deliveries' name different senders")
    event = RegistryEvent(**columns, occurred_at=None if at is None else Instant.parse(at), size=size)
    return RecordedEvent(
        id=_text(found["id"]),
        event=event,
        seen={_text(sender): Instant.parse(seen) for sender, seen in found["seen"].items()},
        regions={_text(region): Instant.parse(seen) for region, seen in found["regions"].items()},
        deliveries={_text(sender): _text(delivery) for sender, delivery in found["deliveries"].items()},
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        message = f"{value!r} is no text"
        raise TypeError(message)
    return value
