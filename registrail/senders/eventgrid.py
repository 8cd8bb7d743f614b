"""Azure Event Grid: its own schema and CloudEvents 1.0, one event or an array of them, and both handshakes.

Sources: https://learn.microsoft.com/azure/event-grid/event-schema-container-registry and
https://learn.microsoft.com/azure/event-grid/end-point-validation-cloud-events-schema
"""

from collections.abc import Mapping
from typing import Any, Final

from registrail.errors import MalformedError
from registrail.events import RegistryEvent
from registrail.senders import payload
from registrail.senders.sender import Batch, Handshake, Request, Sender, read_each
from registrail.senders.target import read_event

ACTIONS: Final = {
    "imagepushed": "push",
    "imagedeleted": "delete",
    "chartpushed": "chart_push",
    "chartdeleted": "chart_delete",
}
"""The last part of an event type, in lower case, and the action that it stands for if `data` names none."""

VALIDATION: Final = "Microsoft.EventGrid.SubscriptionValidationEvent"


def translate(request: Request) -> Batch | Handshake:
    """Read a delivery, or answer a handshake; the validation URL in one is never fetched."""
    if request.method == "OPTIONS":
        return _cloud_events_handshake(request)
    body = payload.read_json(request.body)
    reports = body if isinstance(body, list) else [body]
    if not reports:
        return Batch()
    if len(reports) == 1 and isinstance(reports[0], dict) and _type(reports[0]) == VALIDATION:
        return _validation_handshake(reports[0])

    def read(index: int, report: Any) -> RegistryEvent | None:  # noqa: ANN401 - not read yet
        place = f"[{index}]" if isinstance(body, list) else "the body"
        return _read(payload.read_object(report, place), place, request.query)

    return read_each(reports, read)


def _read(report: Mapping[str, Any], place: str, query: Mapping[str, str]) -> RegistryEvent | None:
    """One event, or None if it is none of a registry's."""
    kind = _type(report)
    if kind is None:
        message = f"{place} has neither eventType (Event Grid schema) nor type (CloudEvents)"
        raise MalformedError(message, reason="not-an-event")
    namespace, _, name = kind.rpartition(".")
    if namespace not in {"", "Microsoft.ContainerRegistry"}:
        return None
    data = payload.read_object(report.get("data"), f"{place}.data")
    if data.get("action") in (None, ""):
        data = {**data, "action": ACTIONS.get(name.lower())}
    origin = payload.description(report, "topic") or payload.description(report, "source") or ""
    return read_event(data, place=f"{place}.data", query=query, registry=origin.rstrip("/").rpartition("/")[2] or None)


def _type(report: Mapping[str, Any]) -> str | None:
    return payload.description(report, "eventType") or payload.description(report, "type")


def _validation_handshake(report: Mapping[str, Any]) -> Handshake:
    code = payload.description(payload.part(report, "data"), "validationCode")
    if code is None:
        raise MalformedError("data.validationCode is missing", reason="no-validation-code")
    return Handshake(answer={"validationResponse": code})


def _cloud_events_handshake(request: Request) -> Handshake:
    """Allow the origin that asks, at any rate.

    Source: https://github.com/cloudevents/spec/blob/v1.0/http-webhook.md#4-abuse-protection
    """
    headers = {"Allow": "POST, OPTIONS"}
    origin = request.headers.get("webhook-request-origin")
    if origin:
        headers |= {"WebHook-Allowed-Origin": origin, "WebHook-Allowed-Rate": "*"}
    return Handshake(headers=headers)


SENDER = Sender(name="eventgrid", translate=translate)
