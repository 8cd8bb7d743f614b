"""Azure Container Registry webhooks: one event in each request, tried once, not signed.

Source: https://learn.microsoft.com/azure/container-registry/container-registry-webhook-reference
"""

from registrail.senders import payload
from registrail.senders.sender import Batch, Request, Sender
from registrail.senders.target import read_event


def translate(request: Request) -> Batch:
    """Read a webhook. A ping's body is not documented, so an empty one is a ping too."""
    if not request.body.strip():
        return Batch(ignored=1)
    body = payload.read_object(payload.read_json(request.body), "the body")
    if not body or body.get("action") == "ping":
        return Batch(ignored=1)
    return Batch(events=(read_event(body, place="", query=request.query),))


SENDER = Sender(name="acr", translate=translate)
