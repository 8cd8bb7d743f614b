"""The event body that Azure Container Registry, Event Grid (in `data`) and the open-source registry share.

Source: https://learn.microsoft.com/azure/container-registry/container-registry-webhook-reference and
https://distribution.github.io/distribution/about/notifications/
"""

import re
import sys
from collections.abc import Mapping
from typing import Any, Final

from registrail.events import RegistryEvent
from registrail.senders import payload

UNKNOWN_REGISTRY: Final = "unknown"
"""For events that name no registry (legacy charts) and hooks without `?registry=`."""

_NOT_OF_A_REGION: Final = re.compile("[^a-z0-9]")


def read_event(
    body: Mapping[str, Any], *, place: str, query: Mapping[str, str], registry: str | None = None
) -> RegistryEvent:
    """Read one event.

    Args:
        body: the JSON object.
        place: its name in messages, such as `events[3]`; empty for the whole body.
        query: the hook's parameters; `registry` and `region` there win over what the body says.
        registry: what to call the registry if neither the hook nor the body tells.

    Raises:
        MalformedError: action or repository is missing, or a name is no text.
    """
    target_place = f"{place}.target" if place else "target"
    action = payload.required(body, place, "action")
    target = payload.read_object(body.get("target"), target_place)
    request = payload.part(body, "request")
    source = payload.part(body, "source")
    return RegistryEvent(
        action=action,
        registry=registry_name(query, payload.description(request, "host"), registry),
        repository=payload.required(target, target_place, "repository"),
        tag=payload.identity(target, target_place, "tag"),
        digest=payload.identity(target, target_place, "digest"),
        occurred_at=payload.instant(body, "timestamp"),
        event_id=payload.description(body, "id"),
        request_id=payload.description(request, "id"),
        method=payload.common(request, "method"),
        address=payload.common(request, "addr"),
        client=payload.common(request, "useragent"),
        actor=payload.common(payload.part(body, "actor"), "name"),
        media_type=payload.common(target, "mediaType"),
        size=payload.size(target, "size"),
        url=payload.description(target, "url"),
        source=payload.description(source, "addr"),
        chart_name=payload.description(target, "name"),
        chart_version=payload.description(target, "version"),
        region=region_name(query.get("region")) or region_name(payload.description(body, "location")),
        connected_registry=payload.description(
            payload.part(body, "connectedRegistry") or payload.part(body, "connectedregistry"), "name"
        ),
    )


def registry_name(query: Mapping[str, str], *candidates: str | None) -> str:
    """The hook's `?registry=`, else the first candidate that says something; host names know no case."""
    for candidate in (query.get("registry"), *candidates):
        if candidate and candidate.strip():
            return sys.intern(payload.storable(candidate.strip()[:255]).lower())
    return UNKNOWN_REGISTRY


def region_name(text: str | None) -> str | None:
    """A region as Azure writes it in resources: `West Europe` and `westeurope` are the same."""
    return _NOT_OF_A_REGION.sub("", text[:64].lower()) or None if text else None
