"""The pages about deliveries: the request bin, one request in full, replay, and a ping to try the way in."""

import re
from dataclasses import replace
from http import HTTPStatus
from typing import Final, get_args

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from registrail.errors import InvalidParameterError, MalformedError, UnknownSenderError
from registrail.ingest import Ingest
from registrail.instants import LAST_TICK, Instant
from registrail.moments import moment
from registrail.ports import Outcome
from registrail.query import DeliveryFilter, DeliveryList, Query
from registrail.senders import sender
from registrail.web.access import LONGEST_FORM, form_of
from registrail.web.delivery_view import OUTCOMES, fate, row, whole
from registrail.web.pages import SENDERS
from registrail.web.rendering import link, page
from registrail.web.setup_view import PING_AGENT
from registrail.web.trouble import Absent, PageRoute, missing, told

LIST: Final = "/deliveries"
PING: Final = "/deliveries/ping"
REPLAY: Final = "/delivery/replay"
ROWS: Final = 50
REFRESHED: Final = 200
"""The most rows that the top of the list grows to by itself."""
REQUESTS: Final = 8

_KEY: Final = re.compile("[0-9]{19}~[0-9a-f]{1,64}")
_SUBJECT: Final = 120


def router(query: Query, ingest: Ingest) -> APIRouter:
    """The routes, with what they ask."""
    pages = APIRouter(include_in_schema=False, route_class=PageRoute)
    _add_reading(pages, query, ingest)
    _add_replay(pages, query, ingest)
    _add_ping(pages, query, ingest)
    return pages


def _add_reading(pages: APIRouter, query: Query, ingest: Ingest) -> None:
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
            "senders": SENDERS,
            "outcomes": OUTCOMES,
            "now": now,
        }
        block = part if part in {"list", "newest", "rows"} else None
        return page(request, "deliveries.html", context, HTTPStatus.OK, block)

    @pages.api_route("/delivery", methods=["GET", "HEAD"])
    async def delivery(request: Request, id: str = "", was: str = "") -> Response:  # noqa: A002 - the parameter's name
        found = await query.delivery(id)
        if found is None:
            return _unknown(request, id)
        context = {
            "whole": whole(ingest, found),
            "fate": fate(found),
            "outcomes": OUTCOMES,
            "senders": SENDERS,
            "was": was if was in OUTCOMES else "",
            "is_own_ping": found.headers.get("user-agent") == PING_AGENT,
            "now": query.clock(),
        }
        return page(request, "delivery.html", context)


def _add_replay(pages: APIRouter, query: Query, ingest: Ingest) -> None:
    @pages.api_route(REPLAY, methods=["GET", "HEAD"])
    async def ask(request: Request, id: str = "") -> Response:  # noqa: A002 - the parameter's name
        found = await query.delivery(id)
        if found is None:
            return _unknown(request, id)
        return page(request, "replay.html", {"whole": whole(ingest, found), "senders": SENDERS})

    @pages.post(REPLAY)
    async def replay(request: Request) -> Response:
        body = await request.body()
        if len(body) > LONGEST_FORM:
            text = "This is longer than a form of these pages can be."
            return told(request, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, Absent("Too long", "", text))
        delivery_id = form_of(body).get("id", "")
        found = await query.delivery(delivery_id)
        if found is None:
            return _unknown(request, delivery_id)
        address = link("/delivery", id=found.id)
        try:
            await ingest.replay(found)
        except (MalformedError, UnknownSenderError) as error:
            absent = Absent("It cannot be replayed", found.id, f"{error}.", [("Back to the delivery", address)])
            return told(request, HTTPStatus.CONFLICT, absent)
        return _see(link("/delivery", id=found.id, was=found.outcome))


def _add_ping(pages: APIRouter, query: Query, ingest: Ingest) -> None:
    @pages.post(PING)
    async def ping(request: Request) -> Response:
        said = sender.Request(
            headers={"content-type": "application/json", "user-agent": PING_AGENT}, body=b'{"action":"ping"}'
        )
        receipt = await ingest.receive("acr", said, path="/hooks/acr")
        delivery_id = str((receipt.answer or {}).get("delivery", ""))
        if await query.delivery(delivery_id) is None:
            text = (
                "The ping was read, but it did not get into the log. The store did not take it; the app's log says why."
            )
            return told(request, HTTPStatus.SERVICE_UNAVAILABLE, Absent("The ping was not logged", "", text))
        return _see(link("/delivery", id=delivery_id))


def _see(address: str) -> Response:
    return RedirectResponse(address, HTTPStatus.SEE_OTHER, {"Cache-Control": "no-store"})


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
