"""The pages about deliveries: the request bin, one request in full, replay, and a ping to try the way in."""

import re
from dataclasses import replace
from http import HTTPStatus
from typing import Final, get_args

from fastapi import APIRouter, Request, Response

from registrail.errors import InvalidParameterError
from registrail.ingest import Ingest
from registrail.instants import LAST_TICK, Instant
from registrail.ports import Outcome
from registrail.query import DeliveryFilter, DeliveryList, Query
from registrail.web.delivery_view import OUTCOMES, fate, row, whole
from registrail.web.history_problems import Absent, HistoryRoute, missing
from registrail.web.parameters import moment
from registrail.web.rendering import page

LIST: Final = "/deliveries"
ROWS: Final = 50
REFRESHED: Final = 200
"""The most rows that the top of the list grows to by itself."""
REQUESTS: Final = 8

_KEY: Final = re.compile("[0-9]{19}~[0-9a-f]{1,64}")
_SUBJECT: Final = 120


def router(query: Query, ingest: Ingest) -> APIRouter:
    """The routes, with what they ask."""
    pages = APIRouter(include_in_schema=False, route_class=HistoryRoute)

    @pages.api_route(LIST, methods=["GET", "HEAD"])
    async def deliveries(  # noqa: PLR0913, PLR0917 - one for each parameter
        request: Request,
        sender: str = "",
        outcome: str = "",
        since: str = "",
        until: str = "",
        cursor: str = "",
        part: str = "",
        down_to: str = "",
    ) -> Response:
        now = query.clock()
        wanted = DeliveryFilter(
            sender=sender or None,
            outcome=_outcome(outcome),
            since=moment("since", since, now),
            until=moment("until", until, now),
        )
        if part == "newest":
            found = await _down_to(query, wanted, down_to)
        else:
            found = await query.delivered(wanted, limit=ROWS, cursor=cursor or None, requests=REQUESTS)
        context = {
            "rows": [row(ingest, delivery) for delivery in found.items],
            "next": found.next,
            "part": part,
            "cursor": cursor,
            "down_to": down_to or (found.items[-1].key if found.items else ""),
            "given": {"sender": sender, "outcome": outcome, "since": since, "until": until},
            "senders": list(ingest.senders),
            "outcomes": OUTCOMES,
            "now": now,
        }
        block = part if part in {"list", "newest", "rows"} else None
        return page(request, "deliveries.html", context, HTTPStatus.OK, block)

    @pages.api_route("/delivery", methods=["GET", "HEAD"])
    async def delivery(request: Request, id: str = "") -> Response:  # noqa: A002 - the parameter's name
        found = await query.delivery(id)
        if found is None:
            return _unknown(request, id)
        context = {"whole": whole(ingest, found), "fate": fate(found), "outcomes": OUTCOMES, "now": query.clock()}
        return page(request, "delivery.html", context)

    return pages


async def _down_to(query: Query, wanted: DeliveryFilter, key: str) -> DeliveryList:
    """What is newer than a delivery, and itself: the top of a list that was shown before.

    Raises:
        InvalidParameterError: this is the key of no delivery.
    """
    inverted = key.partition("~")[0]
    if not _KEY.fullmatch(key) or int(inverted) > LAST_TICK:
        raise InvalidParameterError("down_to", "is not the key of a delivery")
    since = Instant.from_inverted(inverted)
    wanted = replace(wanted, since=max(since, wanted.since or since))
    found = await query.delivered(wanted, limit=REFRESHED, requests=REQUESTS)
    return DeliveryList([one for one in found.items if one.key <= key], found.next)


def _outcome(text: str) -> Outcome | None:
    if not text:
        return None
    known: dict[str, Outcome] = {name: name for name in get_args(Outcome)}
    if text not in known:
        raise InvalidParameterError("outcome", f"{text[:64]!r} is none of {', '.join(known)}")
    return known[text]


def _unknown(request: Request, delivery_id: str) -> Response:
    text = "There is no such delivery. It was deleted after the time that deliveries are kept, or the address was cut."
    return missing(request, Absent("Unknown delivery", delivery_id[:_SUBJECT], text, [("All deliveries", LIST)]))
