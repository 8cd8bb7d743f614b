"""`receive_hook`: where registries and Event Grid post what happened."""

from urllib.parse import urlsplit

import azure.functions as func

from registrail.errors import UnknownSenderError
from registrail.ingest import Ingest, Receipt
from registrail.senders.sender import Request
from registrail.storage.rowjson import ascii_json


def blueprint(ingest: Ingest) -> func.Blueprint:
    """The function, with its use case."""
    hooks = func.Blueprint()

    @hooks.function_name("receive_hook")
    @hooks.route("hooks/{sender}", methods=["POST", "OPTIONS"], auth_level=func.AuthLevel.FUNCTION)
    async def receive_hook(req: func.HttpRequest) -> func.HttpResponse:
        request = Request(
            method=req.method.upper(),
            headers={name.lower(): value for name, value in req.headers.items()},
            query=dict(req.params),
            body=req.get_body(),
        )
        try:
            receipt = await ingest.receive(req.route_params["sender"], request, path=urlsplit(req.url).path)
        except UnknownSenderError as error:
            receipt = Receipt(
                status=404,
                answer={
                    "type": "about:blank",
                    "title": "Unknown sender",
                    "status": 404,
                    "detail": str(error),
                },
                headers={},
                problem=True,
            )
        return _response(receipt)

    return hooks


def _response(receipt: Receipt) -> func.HttpResponse:
    return func.HttpResponse(
        ascii_json(receipt.answer) if receipt.answer is not None else b"",
        status_code=receipt.status,
        headers=dict(receipt.headers),
        mimetype="application/problem+json" if receipt.problem else "application/json",
    )
