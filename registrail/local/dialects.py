"""How each sender tells what happened: headers and body, as the vendors document them or as captured.

- Azure Container Registry: https://learn.microsoft.com/azure/container-registry/container-registry-webhook-reference
- Event Grid: https://learn.microsoft.com/azure/event-grid/event-schema-container-registry
- Event Grid's headers: https://learn.microsoft.com/azure/event-grid/receive-events#message-headers
- CNCF Distribution: https://distribution.github.io/distribution/about/notifications/
"""

import hashlib
import json
import uuid
from datetime import timedelta
from enum import StrEnum

from registrail.errors import RegistrailError
from registrail.instants import Instant
from registrail.local.simulate import OCI_INDEX, OCI_MANIFEST, Happening

DISTRIBUTION_ENVELOPE = "application/vnd.docker.distribution.events.v1+json"

Fields = dict[str, object]


class Dialect(StrEnum):
    """Who tells, and in which schema."""

    ACR = "acr"
    EVENTGRID = "eventgrid"
    CLOUDEVENTS = "cloudevents"
    DISTRIBUTION = "distribution"

    @property
    def sender(self) -> str:
        """The last part of the hook's address: both schemas of Event Grid go to one hook."""
        return "eventgrid" if self is Dialect.CLOUDEVENTS else self.value


class UntellableError(RegistrailError):
    """The sender never reports such a happening, so there is nothing that it could send."""

    reason = "untellable"


def render(happening: Happening, dialect: Dialect) -> tuple[dict[str, str], bytes]:
    """The headers and the body with which `dialect` reports the happening.

    Told as `acr`, `eventgrid` and `cloudevents`, one happening has the same timestamp, target and request, so
    that the reports can be merged. The envelope's time and id differ from those inside, as they may.

    Raises:
        UntellableError: that sender has no such event.
    """
    if dialect is Dialect.ACR:
        return {"content-type": "application/json"}, _compact(acr_event(happening))
    if dialect is Dialect.EVENTGRID:
        return _grid_headers("application/json; charset=utf-8", schema="2.0"), _compact([grid_event(happening)])
    if dialect is Dialect.CLOUDEVENTS:
        return _grid_headers("application/cloudevents+json"), _compact(cloud_event(happening))
    body = json.dumps({"events": [distribution_event(happening)]}, indent=3).encode()
    return {"content-type": DISTRIBUTION_ENVELOPE}, body


def acr_event(happening: Happening) -> Fields:
    """A webhook's body: each action omits what its documented example omits."""
    if happening.action == "ping":
        return {"action": "ping"}
    if happening.digest is None:
        message = "Azure Container Registry sends nothing when only a tag is deleted"
        raise UntellableError(message)
    target: Fields = {"digest": happening.digest, "repository": happening.repository}
    if happening.action != "quarantine":
        target["mediaType"] = happening.media_type
    if happening.action != "delete":
        target["size"] = happening.size
    if happening.action in {"push", "quarantine"}:
        target["length"] = happening.size
    if happening.action != "delete" and happening.tag is not None:
        target["tag"] = happening.tag
    if happening.chart is not None:
        target["name"], target["version"] = happening.chart
    event: Fields = {
        "id": happening.event_id,
        "timestamp": happening.occurred_at,
        "action": happening.action,
        "target": target,
    }
    if happening.chart is None:
        event["request"] = {
            "id": happening.request_id,
            "host": happening.registry,
            "method": "DELETE" if happening.action == "delete" else "PUT",
        } | ({} if happening.action == "quarantine" else {"useragent": happening.client})
    if happening.actor is not None:
        event["actor"] = {"name": happening.actor}
    return event


def grid_event(happening: Happening) -> Fields:
    """One element of an array in the Event Grid schema."""
    return {
        "id": _outer_id(happening),
        "topic": _resource_id(happening),
        "subject": _subject(happening),
        "eventType": _grid_type(happening),
        "eventTime": _told_at(happening),
        "data": _grid_data(happening),
        "dataVersion": "2.0",
        "metadataVersion": "1",
    }


def cloud_event(happening: Happening) -> Fields:
    """A CloudEvent 1.0 in structured mode, https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md."""
    return {
        "specversion": "1.0",
        "id": _outer_id(happening),
        "source": _resource_id(happening),
        "subject": _subject(happening),
        "type": _grid_type(happening),
        "time": _told_at(happening),
        "data": _grid_data(happening),
    }


def distribution_event(happening: Happening) -> Fields:
    """One element of an envelope's `events`, with the fields that a docker-registry 2.8 sends.

    A deletion has either a digest or a tag, and says nothing else of its target.
    """
    if happening.action not in {"push", "delete"}:
        message = f"distribution has no {happening.action} event; it reports push and delete"
        raise UntellableError(message)
    return {
        "id": happening.event_id,
        "timestamp": happening.occurred_at,
        "action": happening.action,
        "target": _distribution_target(happening),
        "request": {
            "id": happening.request_id,
            "addr": "192.0.2.10:47362",
            "host": happening.registry,
            "method": "DELETE" if happening.action == "delete" else "PUT",
            "useragent": happening.client,
        },
        "actor": {} if happening.actor is None else {"name": happening.actor},
        "source": {
            "addr": f"{happening.registry.partition(':')[0]}:5000",
            "instanceID": str(uuid.uuid5(uuid.NAMESPACE_DNS, happening.registry)),
        },
    }


def _distribution_target(happening: Happening) -> Fields:
    if happening.action == "delete":
        concerned: Fields = {"tag": happening.tag} if happening.digest is None else {"digest": happening.digest}
        return {**concerned, "repository": happening.repository}
    target: Fields = {
        "mediaType": happening.media_type,
        "size": happening.size,
        "digest": happening.digest,
        "length": happening.size,
        "repository": happening.repository,
        "url": f"http://{happening.registry}/v2/{happening.repository}/manifests/{happening.digest}",
    }
    if happening.tag is not None:
        target["tag"] = happening.tag
    target["references"] = _references(happening)
    return target


def _references(happening: Happening) -> list[Fields]:
    """What the manifest refers to; its digests follow from the manifest's own."""
    kinds = (
        (OCI_MANIFEST, OCI_MANIFEST)
        if happening.media_type == OCI_INDEX
        else ("application/vnd.oci.image.config.v1+json", "application/vnd.oci.image.layer.v1.tar+gzip")
    )
    return [
        {
            "mediaType": kind,
            "size": happening.size + number,
            "digest": f"sha256:{hashlib.sha256(f'{happening.digest}/{number}'.encode()).hexdigest()}",
        }
        for number, kind in enumerate(kinds)
    ]


def _grid_data(happening: Happening) -> Fields:
    data = acr_event(happening)
    return data if happening.region is None else {**data, "location": happening.region}


def _grid_type(happening: Happening) -> str:
    kinds = {
        "push": "ImagePushed",
        "delete": "ImageDeleted",
        "chart_push": "ChartPushed",
        "chart_delete": "ChartDeleted",
    }
    kind = kinds.get(happening.action)
    if kind is None:
        message = f"Event Grid has no {happening.action} event of a registry; only ACR's webhooks do"
        raise UntellableError(message)
    return f"Microsoft.ContainerRegistry.{kind}"


def _subject(happening: Happening) -> str:
    """`repository:tag`, or the repository alone when there is no tag; charts go by name and version."""
    if happening.chart is not None:
        return ":".join(happening.chart)
    if happening.action == "delete" or happening.tag is None:
        return happening.repository
    return f"{happening.repository}:{happening.tag}"


def _outer_id(happening: Happening) -> str:
    return str(uuid.uuid5(uuid.UUID(happening.event_id), "envelope"))


def _told_at(happening: Happening) -> str:
    """A little after it occurred, with the 7 digits of Event Grid's own clock."""
    return Instant.parse(happening.occurred_at).plus(timedelta(milliseconds=378)).isoformat()


def _resource_id(happening: Happening) -> str:
    name = happening.registry.partition(".")[0].partition(":")[0]
    return (
        "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/registries"
        f"/providers/Microsoft.ContainerRegistry/registries/{name}"
    )


def _grid_headers(content_type: str, *, schema: str | None = None) -> dict[str, str]:
    headers = {
        "content-type": content_type,
        "aeg-subscription-name": "REGISTRAIL",
        "aeg-delivery-count": "0",
        "aeg-event-type": "Notification",
    }
    return headers if schema is None else {**headers, "aeg-data-version": schema, "aeg-metadata-version": "1"}


def _compact(body: object) -> bytes:
    return json.dumps(body, separators=(",", ":")).encode()
