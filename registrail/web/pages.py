"""The first page: how everything does."""

from http import HTTPStatus
from typing import Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from registrail.moments import moment
from registrail.pushes import Push
from registrail.query import Query
from registrail.query.overview import MOST_REGISTRIES, ROWS
from registrail.web import chart
from registrail.web.overview_view import RANGES, series, shown, summary
from registrail.web.parameters import registry_name
from registrail.web.rendering import page
from registrail.web.trouble import Absent, PageRoute, missing

SAMPLE_ENDING: Final = ".example"
"""Registries that cannot exist (RFC 2606): what the local host fills an empty store with."""
SET_UP: Final = "/set-up"
SENDERS: Final = {
    "acr": "ACR webhook",
    "distribution": "Distribution",
    "eventgrid": "Event Grid",
    "harbor": "Harbor",
}
"""What channels are called."""


def router(query: Query) -> APIRouter:
    """The route, with what it asks."""
    pages = APIRouter(include_in_schema=False, route_class=PageRoute)

    @pages.api_route("/", methods=["GET", "HEAD"])
    async def overview(  # noqa: PLR0913, PLR0917 - one for each parameter
        request: Request,
        registry: str | None = None,
        range: str | None = None,  # noqa: A002 - as it stands in the address
        since: str | None = None,
        until: str | None = None,
        part: str | None = None,
    ) -> Response:
        now = query.clock()
        wanted = shown(range or None, moment("since", since, now), moment("until", until, now), now)
        name = registry_name(registry)
        found = await query.overviews.read(wanted.span, registry=name)
        if not found.names:
            return RedirectResponse(SET_UP, HTTPStatus.SEE_OTHER, {"Cache-Control": "no-store"})
        if name and name not in found.names:
            text = "It never sent an event. Perhaps it goes by another name here:"
            return missing(request, Absent("Unknown registry", name, text, [(one, "/") for one in found.names[:5]]))
        counted = summary(found, wanted)
        context = {
            "now": now,
            "found": found,
            "wanted": wanted,
            "registry": name,
            "given": {"since": since, "until": until},
            "ranges": RANGES,
            "counted": counted,
            "chart": chart.draw(counted.columns),
            "size": chart,
            "series": series(counted.columns, wanted),
            "pushes": _newest([one for of in found.registries for one in of.pushes]),
            "deletions": sorted(
                ((of.registry, one) for of in found.registries for one in of.deletions), key=lambda one: one[1].event
            )[:ROWS],
            "waiting": any(of.backlog or of.rebuilding for of in found.registries),
            "left_out": 0 if name else max(len(found.names) - MOST_REGISTRIES, 0),
            "samples": [one for one in found.names if one.endswith(SAMPLE_ENDING)],
            "polled": part == "live",
            "senders": SENDERS,
        }
        return page(request, "overview.html", context, HTTPStatus.OK, "live" if part == "live" else None)

    return pages


def _newest(pushes: list[Push]) -> list[Push]:
    return sorted(pushes, key=lambda push: push.id)[:ROWS]
