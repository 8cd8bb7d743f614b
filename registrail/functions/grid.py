"""`receive_event`: the Event Grid trigger, which gets one event at a time from the host."""

import json

import azure.functions as func

from registrail.errors import StorageUnavailableError
from registrail.ingest import Ingest
from registrail.senders.sender import Request


def blueprint(ingest: Ingest) -> func.Blueprint:
    """The function, with its use case."""
    grid = func.Blueprint()

    @grid.function_name("receive_event")
    @grid.event_grid_trigger("event")
    async def receive_event(event: func.EventGridEvent) -> None:
        receipt = await ingest.receive(
            "eventgrid",
            Request(headers={"content-type": "application/json"}, body=_body(event)),
            path="receive_event",
        )
        if receipt.status >= 500:  # noqa: PLR2004 - only then does sending it again help
            raise StorageUnavailableError("the event was not stored; Event Grid will send it again")

    return grid


def _body(event: func.EventGridEvent | func.CloudEvent) -> bytes:
    """The event as JSON again. The host hands out CloudEvents too, whatever the annotation says."""
    if isinstance(event, func.CloudEvent):
        fields = {
            "specversion": "1.0",
            "id": event.id,
            "source": event.source,
            "type": event.type,
            "subject": event.subject,
        }
    else:
        fields = {
            "id": event.id,
            "topic": event.topic,
            "subject": event.subject,
            "eventType": event.event_type,
            "dataVersion": event.data_version,
        }
    return json.dumps({**fields, "data": event.get_json()}).encode()
