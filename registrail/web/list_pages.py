"""The lists of events and pushes, and the page of one push."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from registrail.errors import InvalidParameterError
from registrail.instants import Instant
from registrail.moments import moment
from registrail.query import EventFilter, PushFilter, Query
from registrail.web.pages import SENDERS
from registrail.web.parameters import registry_name
from registrail.web.push_view import push_view
from registrail.web.rendering import link, page
from registrail.web.trouble import Absent, PageRoute, missing

ROWS: Final = 100
TOGETHER: Final = 3
"""With more registries than that a list is of one of them."""
ACTIONS: Final = ("push", "delete", "quarantine", "chart_push", "chart_delete", "pull")
FORMATS: Final[Mapping[str, str]] = {"csv": "CSV", "ndjson": "NDJSON", "parquet": "Parquet"}
TICK: Final = timedelta(microseconds=1)
PUSHES: Final = ("registry", "repository", "tag", "digest", "actor", "client", "since", "until")
EVENTS: Final = (*PUSHES[:4], "action", *PUSHES[4:])
"""What the lists are filtered by."""


@dataclass(frozen=True, slots=True)
class Listing:
    """A list.

    Attributes:
        name: in addresses, of the page as of the export.
        read: a page, by what is wanted, the limit and a cursor.
    """

    name: str
    filters: Sequence[str]
    make: Callable[..., Any]
    read: Callable[..., Awaitable[Any]]


def router(query: Query) -> APIRouter:
    """The routes, with what they ask."""
    pages = APIRouter(include_in_schema=False, route_class=PageRoute)
    events = Listing("events", EVENTS, EventFilter, query.events)
    pushes = Listing("pushes", PUSHES, PushFilter, query.pushes)

    @pages.api_route("/events", methods=["GET", "HEAD"])
    async def list_events(request: Request) -> Response:
        return await _list(request, query, events)

    @pages.api_route("/pushes", methods=["GET", "HEAD"])
    async def list_pushes(request: Request) -> Response:
        return await _list(request, query, pushes)

    @pages.api_route("/push", methods=["GET", "HEAD"])
    async def push(request: Request, registry: str = "", event: str = "") -> Response:
        name = registry_name(registry)
        if not (name and event):
            raise InvalidParameterError("event" if name else "registry", "is missing in this address")
        found = await push_view(query, name, event)
        if found is None:
            text = "No push was completed by an event with this id. Perhaps the address was cut, or it was not a push."
            others = [("All pushes", link("/pushes", registry=name))]
            return missing(request, Absent("Unknown push", event, text, others))
        if found.push.id != event:
            return RedirectResponse(link("/push", registry=name, event=found.push.id), HTTPStatus.SEE_OTHER)
        context = {"view": found, "push": found.push, "senders": SENDERS, "moment_later": TICK, "now": query.clock()}
        return page(request, "push.html", context)

    return pages


async def _list(request: Request, query: Query, listing: Listing) -> Response:
    given = {name: request.query_params.get(name, "").strip() for name in listing.filters}
    cursor = request.query_params.get("cursor") or None
    is_part = request.query_params.get("part") == "rows"
    now = query.clock()
    context: dict[str, Any] = {
        "given": given,
        "cursor": cursor,
        "now": now,
        "is_part": is_part,
        "problem": None,
        "found": None,
        "names": [],
        "actions": ACTIONS,
        "formats": FORMATS,
        "senders": SENDERS,
        "list": listing.name,
    }
    known = [given["registry"].lower()] if is_part and given["registry"] else await query.journal.registries()
    context["names"] = known
    # One registry is asked for by its name, so that nobody has to look for it; a few are asked together.
    if not given["registry"] and len(known) > TOGETHER:
        given["registry"] = known[0]
    only = given["registry"] or (known[0] if len(known) == 1 else "")
    status = HTTPStatus.OK
    try:
        wanted = _wanted(listing, given, only, now)
        context["found"] = await listing.read(wanted, limit=ROWS, cursor=cursor)
    except InvalidParameterError as error:
        context["problem"] = error
        status = HTTPStatus.BAD_REQUEST
    return page(
        request, f"{listing.name}.html", context, status, "rows" if is_part and not context["problem"] else None
    )


def _wanted(listing: Listing, given: Mapping[str, str], only: str, now: Instant) -> Any:  # noqa: ANN401 - its filter
    texts = {name: text or None for name, text in given.items() if name not in {"registry", "since", "until"}}
    since, until = (moment(name, given[name], now) for name in ("since", "until"))
    if since and until and since >= until:
        raise InvalidParameterError("until", "is not after the beginning of the range")
    return listing.make(registry=registry_name(only), since=since, until=until, **texts)
