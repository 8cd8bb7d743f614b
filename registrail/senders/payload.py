"""Reading JSON that strangers wrote.

What says *what happened to what* (action, repository, tag, digest) must be right, or the event is refused with a
message that names the place. What only describes (client, size, addresses, time) is taken if it makes sense and left
out if not: a strange user agent must not hide a push.
"""

import json
import re
import sys
from collections.abc import Mapping
from typing import Any, Final

from registrail.errors import MalformedError
from registrail.instants import Instant

LONGEST_IDENTITY: Final = 1024
"""Characters of a name that identifies something; registries allow 256 at most."""

LONGEST_DESCRIPTION: Final = 1024
"""Characters kept of a text that only describes, such as a user agent."""

LARGEST_SIZE: Final = 2**63 - 1

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def read_json(body: bytes) -> Any:  # noqa: ANN401 - the caller finds out what it is
    """Parse a body.

    Raises:
        MalformedError: not UTF-8, not JSON, nested too deep, NaN or Infinity, or numbers of thousands of digits.
    """
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        message = f"the body is not UTF-8: byte {error.start} cannot be read"
        raise MalformedError(message, reason="not-utf-8") from error
    try:
        return _read(text)
    except RecursionError as error:
        raise MalformedError("the body is nested too deep", reason="not-json") from error
    except ValueError as error:
        message = f"the body is not JSON: {error}"
        raise MalformedError(message[:300], reason="not-json") from error


def read_object(value: Any, place: str) -> Mapping[str, Any]:  # noqa: ANN401 - this is where Any ends
    """Take a value that must be a JSON object; `place` is its name in messages."""
    if not isinstance(value, dict):
        message = f"{place} must be an object, not {_kind(value)}"
        raise MalformedError(message, reason="not-an-event")
    return value


def part(parent: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A nested object that only describes: an empty one if it is missing or something else."""
    value = parent.get(name)
    return value if isinstance(value, dict) else {}


def required(parent: Mapping[str, Any], place: str, name: str) -> str:
    """A text that identifies and must be there; it is in memory once, because many events have the same."""
    text = identity(parent, place, name)
    if text is None:
        message = f"{_path(place, name)} is missing"
        raise MalformedError(message, reason="not-an-event")
    return sys.intern(text)


def identity(parent: Mapping[str, Any], place: str, name: str) -> str | None:
    """A text that identifies; None if missing, null or empty."""
    value = parent.get(name)
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        message = f"{_path(place, name)} must be a string, not {_kind(value)}"
        raise MalformedError(message, reason="not-an-event")
    if len(value) > LONGEST_IDENTITY:
        message = f"{_path(place, name)} is longer than {LONGEST_IDENTITY} characters"
        raise MalformedError(message, reason="not-an-event")
    return storable(value)


def description(parent: Mapping[str, Any], name: str) -> str | None:
    """A text that only describes: None if missing, empty or no text; cut if very long."""
    value = parent.get(name)
    if not isinstance(value, str) or not value:
        return None
    return storable(value[:LONGEST_DESCRIPTION])


def common(parent: Mapping[str, Any], name: str) -> str | None:
    """A text that only describes, and is in memory once, because many events have the same."""
    text = description(parent, name)
    return None if text is None else sys.intern(text)


def size(parent: Mapping[str, Any], name: str) -> int | None:
    """A number of bytes; None unless it is a whole number that 63 bits can hold."""
    value = parent.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= LARGEST_SIZE:
        return None
    return value


def instant(parent: Mapping[str, Any], name: str) -> Instant | None:
    """A time; None if missing or unreadable, so that the event is kept without one."""
    value = parent.get(name)
    if not isinstance(value, str):
        return None
    try:
        return Instant.parse(value)
    except ValueError:
        return None


def storable(text: str) -> str:
    """Replace what no store and no UTF-8 text can hold: NUL and halves of surrogate pairs."""
    return text if text.isprintable() else _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", text)


def _path(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name


def _refuse_constant(name: str) -> None:
    message = f"{name} is no JSON value"
    raise ValueError(message)


_read: Final = json.JSONDecoder(parse_constant=_refuse_constant).decode  # json.loads would make one for each body


def _kind(value: object) -> str:
    names = {dict: "an object", list: "a list", str: "a string", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")
