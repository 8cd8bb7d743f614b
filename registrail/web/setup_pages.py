"""The page that tells how to connect a registry, and shows when it is connected."""

from typing import Final

from fastapi import APIRouter, Request, Response

from registrail.ingest import Ingest
from registrail.query import Query
from registrail.settings import Settings
from registrail.web.rendering import page
from registrail.web.setup_view import place, ways
from registrail.web.trouble import PageRoute

SET_UP: Final = "/set-up"
REQUESTS: Final = 8
LOOKED_AT: Final = 30
"""Of each sender's deliveries, to find the last event behind pings and what could not be read."""


def router(query: Query, ingest: Ingest, settings: Settings) -> APIRouter:
    """The route."""
    pages = APIRouter(include_in_schema=False, route_class=PageRoute)

    @pages.api_route(SET_UP, methods=["GET", "HEAD"])
    async def set_up(request: Request, registry: str = "", regions: str = "", part: str = "") -> Response:
        here = place(request, settings, registry, regions)
        found = ways(ingest, await query.recent_deliveries(limit=LOOKED_AT, requests=REQUESTS))
        context = {
            "place": here,
            "ways": found,
            "connected": [way for way in found.values() if way.state == "arrived"],
            "given": {"registry": registry, "regions": regions},
            "now": query.clock(),
        }
        return page(request, "set-up-state.html" if part == "state" else "set-up.html", context)

    return pages
