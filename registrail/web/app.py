"""The FastAPI app behind the function `web`."""

from typing import Final

from fastapi import Depends, FastAPI

from registrail.ingest import Ingest
from registrail.query import Query
from registrail.settings import Settings
from registrail.web import (
    access,
    activity,
    api,
    assets,
    deliveries,
    delivery_pages,
    exports,
    history,
    history_pages,
    list_pages,
    pages,
    reference,
    setup_pages,
)
from registrail.web.description import DescribedApp
from registrail.web.etags import ETags
from registrail.web.guard import HEALTH, SECURITY_HEADERS, Guard
from registrail.web.problems import API, declared_parameters_only, handle_problems

__all__ = ["HEALTH", "SECURITY_HEADERS", "web_app"]

SUMMARY: Final = "What container registries told: every push and delete, each once."
DESCRIPTION: Final = """\
Lists answer `{"items": […], "next": …}`, newest first; pass `next` as `cursor` for the page after. What is not known
is `null`. Times are UTC with seven fractional digits.

An unknown or repeated parameter is refused with 400, so that a typo does not list everything. Problems are described
by RFC 9457; `problems` names each parameter with what was given and what would be right.

Answers have an `ETag`: send it as `If-None-Match`, and what has not changed is 304 without a body.

Where access keys are configured, send one as `Authorization: Bearer rgt_…`, never in an address. The role `reader`
reads; `operator` may replay, too."""


def web_app(query: Query, ingest: Ingest, settings: Settings) -> FastAPI:
    """Make the app; `docs/access.md` tells who may see what."""
    app = DescribedApp(
        title="Registrail",
        summary=SUMMARY,
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        openapi_url=f"{API}/openapi.json",
        dependencies=[Depends(declared_parameters_only)],
    )
    lists = [api.router(query), history.router(query)]
    for of_lists in lists:
        app.include_router(of_lists)
    app.include_router(activity.router(query))
    app.include_router(exports.router(lists, query.clock))
    app.include_router(deliveries.router(query, ingest))
    app.include_router(reference.router(app, settings))
    app.include_router(access.router(settings, query.clock))
    app.include_router(pages.router(query))
    app.include_router(list_pages.router(query))
    app.include_router(delivery_pages.router(query, ingest))
    app.include_router(history_pages.router(query))
    app.include_router(setup_pages.router(query, ingest, settings))
    app.mount(assets.PREFIX, assets.serve, name="static")
    handle_problems(app)
    app.add_middleware(ETags, prefix=f"{API}/")
    app.add_middleware(Guard, settings=settings, clock=query.clock)
    return app
