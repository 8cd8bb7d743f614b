"""What one event says about a push of a manifest, before events are looked at together. Pure."""

import re
from collections.abc import Mapping
from typing import Final, Literal, cast

from registrail.events import RecordedEvent, RegistryEvent
from registrail.instants import TICKS_PER_SECOND, Instant

PUSHES: Final = frozenset({"push", "chart_push"})
MOUNT: Final = "mount"
INDEXES: Final = frozenset(
    {
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
    }
)
"""Media types of manifests that name other manifests."""
GAP: Final = 30 * TICKS_PER_SECOND
"""The longest time between one event of a push and the next, in units of 100 ns."""

Kind = Literal["signature", "attestation", "sbom", "referrer"]
_KINDS: Final[Mapping[str, Kind]] = {".sig": "signature", ".att": "attestation", ".sbom": "sbom", "": "referrer"}
_REFERRER: Final = re.compile(r"(sha256|sha512)-([0-9a-f]{1,128})(\.sig|\.att|\.sbom|)")
_PORT: Final = re.compile(r"([^:]+|\[.*\]):[0-9]+")


def takes_part(recorded: RecordedEvent) -> bool:
    """Whether an event can belong to a push: also that of a layer or a config, which may be mounted instead."""
    action = recorded.event.action
    return (action in PUSHES or action == MOUNT) and recorded.event.occurred_at is not None


def at(recorded: RecordedEvent) -> Instant:
    """When an event was that takes part."""
    return cast("Instant", recorded.event.occurred_at)


def completes(event: RegistryEvent) -> bool:
    """Whether a manifest is more than a part of something that is to follow."""
    return event.tag is not None or event.media_type in INDEXES


def reference(tag: str | None) -> tuple[Kind, str] | None:
    """The kind and the digest that a tag of a referrer is made of; None for other tags.

    Source: https://github.com/sigstore/cosign/blob/main/specs/SIGNATURE_SPEC.md and
    https://github.com/opencontainers/distribution-spec/blob/main/spec.md#referrers-tag-schema
    """
    match = _REFERRER.fullmatch(tag or "")
    return (_KINDS[match[3]], f"{match[1]}:{match[2]}") if match else None


def host(address: str | None) -> str | None:
    """An address without its port, which is another one for each connection."""
    match = _PORT.fullmatch(address or "")
    return match[1] if match else address
