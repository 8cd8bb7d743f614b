"""The plain way to keep webhooks, to compare with: one `upsert_entity` for each request, no log, no counts."""

import json
import os

import azure.functions as func
from azure.data.tables.aio import TableServiceClient

_service = TableServiceClient.from_connection_string(os.environ["REGISTRAIL_STORAGE"])
_table = _service.get_table_client("plain")

app = func.FunctionApp()


@app.function_name("receive_hook")
@app.route("hooks/acr", methods=["POST"], auth_level=func.AuthLevel.FUNCTION)
async def receive_hook(req: func.HttpRequest) -> func.HttpResponse:
    """Store the event under its id."""
    event = json.loads(req.get_body())
    target, request = event["target"], event["request"]
    await _table.upsert_entity(
        {
            "PartitionKey": request["host"],
            "RowKey": event["id"],
            "action": event["action"],
            "occurred_at": event["timestamp"],
            "repository": target["repository"],
            "tag": target.get("tag"),
            "digest": target["digest"],
            "media_type": target["mediaType"],
            "size": target.get("size"),
            "request_id": request["id"],
            "method": request["method"],
            "client": request["useragent"],
        }
    )
    return func.HttpResponse("{}", mimetype="application/json")


@app.function_name("ready")
@app.route("api/health", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
async def ready(req: func.HttpRequest) -> func.HttpResponse:  # noqa: ARG001 - passed by name
    """Make the table."""
    await _service.create_table_if_not_exists("plain")
    return func.HttpResponse("{}")


async def close() -> None:
    """Close the connections."""
    await _service.close()
