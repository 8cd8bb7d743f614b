"""Events written by hand, for examples: `told(push("10:00", "a", tag="v1"), delete("11:00", digest="a"))`.

What is not said is the same for all: one registry, one repository, one pusher, on 2026-01-31.
"""

from collections.abc import Iterable
from typing import Any

from bench.year import Told
from registrail.events import Arrival, RegistryEvent
from registrail.instants import TICKS_PER_SECOND, Instant

REGISTRY = "r.example"
REPOSITORY = "team/app"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"


def digest_of(letter: str) -> str:
    """A whole digest, from one hexadecimal digit."""
    return f"sha256:{letter * 64}"


def time_of(text: str) -> Instant:
    """A time of day (`10:00`, `10:00:00.5`) or a whole time."""
    text = f"{text}:00" if len(text) == len("10:00") else text
    return Instant.parse(text if "T" in text else f"2026-01-31T{text}Z")


def event(action: str, moment: str | None, **said: Any) -> RegistryEvent:
    """Any event; a digest is one letter."""
    usual = {"registry": REGISTRY, "repository": REPOSITORY, "actor": "ann", "client": "docker", "address": "192.0.2.1"}
    if said.get("digest"):
        said["digest"] = digest_of(said["digest"])
    return RegistryEvent(action=action, occurred_at=time_of(moment) if moment else None, **{**usual, **said})


def push(moment: str | None, letter: str | None, **said: Any) -> RegistryEvent:
    """A push of a manifest."""
    return event("push", moment, **{"digest": letter, "media_type": MANIFEST, **said})


def delete(moment: str, **said: Any) -> RegistryEvent:
    """A delete by an administrator."""
    return event("delete", moment, **{"actor": "bob", "client": "portal", **said})


def told(*events: RegistryEvent, seconds: float = 1, sender: str = "acr") -> list[Told]:
    """Reports that arrive in this order, each so long after its event."""
    return [Told(one, _arrival(one, seconds, sender, number)) for number, one in enumerate(events)]


def _arrival(one: RegistryEvent, seconds: float, sender: str, number: int) -> Arrival:
    begin = (one.occurred_at or time_of("00:00")).ticks
    received_at = Instant(begin + int(seconds * TICKS_PER_SECOND))
    return Arrival(sender=sender, delivery=f"{sender}~{number}", received_at=received_at)


def picked(items: Iterable[dict[str, Any]], *names: str) -> list[tuple[Any, ...]]:
    """Some fields of each item; times of day without the rest."""
    return [tuple(_short(item[name]) for name in names) for item in items]


def _short(value: Any) -> Any:
    """What is easy to read in an expectation: `10:00:00` for a time of the day, one letter for a digest."""
    if isinstance(value, list):
        return [_short(one) for one in value]
    if isinstance(value, dict):
        return {name: _short(one) for name, one in value.items()}
    if isinstance(value, str) and value.startswith("2026-01-31T") and value.endswith("Z"):
        return value[11:19]
    if isinstance(value, str) and value.startswith("sha256:"):
        return value[-1]
    return value
