"""The delivery log's part of the API: `/api/deliveries/…`."""

import base64

import fastapi

from registrail.errors import MalformedError, UnknownSenderError
from registrail.ingest import Ingest
from registrail.moments import moment
from registrail.ports import Delivery, Outcome
from registrail.query import DeliveryFilter, Query
from registrail.query.pages import REQUESTS
from registrail.web.api import Json, Limit, listed


def router(query: Query, ingest: Ingest) -> fastapi.APIRouter:
    """The routes, with what they ask and do."""
    api = fastapi.APIRouter(prefix="/api/deliveries")

    @api.head("", include_in_schema=False)
    @api.get("")
    async def deliveries(  # noqa: PLR0913, PLR0917 - one for each parameter
        sender: str | None = None,
        outcome: Outcome | None = None,
        since: str | None = None,
        until: str | None = None,
        limit: Limit = 100,
        cursor: str | None = None,
    ) -> Json:
        """Requests of senders and what became of them, newest first.

        A page may hold fewer than `limit` and still have a `next`.
        """
        now = query.clock()
        wanted = DeliveryFilter(
            sender=sender or None,
            outcome=outcome,
            since=moment("since", since, now),
            until=moment("until", until, now),
        )
        found = await query.delivered(wanted, limit=limit, cursor=cursor or None, requests=REQUESTS)
        return listed([delivery_json(delivery) for delivery in found.items], found.next)

    @api.get("/{delivery_id}")
    async def delivery(delivery_id: str) -> Json:
        """One request with its headers and its body as it was sent: `body` as text, or `body_base64` if it is none."""
        logged = await found_delivery(delivery_id)
        return delivery_json(logged) | content_json(logged)

    @api.get("/{delivery_id}/body")
    async def body(delivery_id: str) -> fastapi.Response:
        """The body of a request, byte for byte."""
        logged = await found_delivery(delivery_id)
        return fastapi.Response(
            logged.body,
            media_type="application/octet-stream",
            headers={"Content-Disposition": 'attachment; filename="body"'},
        )

    @api.post("/{delivery_id}/replay")
    async def replay(delivery_id: str) -> Json:
        """Take a request once more, as if it came when it came. What is stored already is not stored twice."""
        try:
            return delivery_json(await ingest.replay(await found_delivery(delivery_id)))
        except (MalformedError, UnknownSenderError) as error:
            raise fastapi.HTTPException(409, str(error)) from error

    async def found_delivery(delivery_id: str) -> Delivery:
        logged = await query.delivery(delivery_id)
        if logged is None:
            raise fastapi.HTTPException(404, f"there is no delivery {delivery_id[:120]!r}")
        return logged

    return api


def delivery_json(delivery: Delivery) -> Json:
    """A delivery without its body."""
    return {
        "id": delivery.id,
        "sender": delivery.sender,
        "received_at": delivery.received_at.isoformat(),
        "method": delivery.method,
        "path": delivery.path,
        "outcome": delivery.outcome,
        "status": delivery.status,
        "reason": delivery.reason,
        "problem": delivery.problem,
        "accepted": delivery.accepted,
        "ignored": delivery.ignored,
        "rejected": delivery.rejected,
        "body_bytes": delivery.body_bytes,
        "duration_ms": delivery.duration_ms,
        "replayed_at": delivery.replayed_at.isoformat() if delivery.replayed_at else None,
    }


def content_json(delivery: Delivery) -> Json:
    """What a delivery carried; `body` is null if it is no text, and then `body_base64` has it."""
    try:
        text = delivery.body.decode()
    except UnicodeDecodeError:
        text = None
    return {
        "headers": dict(delivery.headers),
        "query": dict(delivery.query),
        "body": text,
        "body_base64": base64.b64encode(delivery.body).decode() if text is None else None,
    }
