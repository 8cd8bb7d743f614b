"""The pages that people look at."""

import hashlib
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Final

import jinja2
from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles

from registrail import activity
from registrail.activity import Counts
from registrail.instants import TICKS_PER_SECOND, Instant
from registrail.projections import Period
from registrail.query import DeliveryFilter, EventFilter, Query
from registrail.web import chart

HOURS: Final = 48
EVENTS: Final = 50
DELIVERIES: Final = 20
SAMPLE_ENDING: Final = ".example"
"""Registries that cannot exist (RFC 2606): what the local host fills an empty store with."""

_HERE: Final = Path(__file__).parent
_DIGEST_SHOWN: Final = len("sha256:") + 12


def static_files() -> StaticFiles:
    """Style sheets."""
    return StaticFiles(directory=_HERE / "static")


def router(query: Query) -> APIRouter:
    """The routes, with what they ask."""
    pages = APIRouter(include_in_schema=False)
    templates = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style = (_HERE / "static" / "registrail.css").read_bytes()
    templates.globals["style_version"] = hashlib.sha256(style).hexdigest()[:12]
    templates.filters.update(ago=ago, clock=clock, short_digest=short_digest)

    @pages.api_route("/", methods=["GET", "HEAD"])
    async def overview(request: Request) -> Response:
        now = query.clock()
        since = now.plus(-timedelta(hours=HOURS - 1))
        until = now.plus(timedelta(microseconds=1))  # with the hour that begins just now, without those ahead of it
        periods = await query.activity_of("hour", since=since, until=until)
        listed = await query.events(EventFilter(), limit=EVENTS)
        registries = await query.health()
        page = templates.get_template("overview.html").render(
            now=now,
            base_url=str(request.base_url).rstrip("/"),
            chart=chart.hourly(_by_hour(periods), now, HOURS),
            totals=activity.total({f"{p.registry} {p.period}": p.counts for p in periods}),
            hours=HOURS,
            size=chart,
            events=listed.items,
            more=listed.next is not None,
            registries=registries,
            samples=[one.registry for one in registries if one.registry.endswith(SAMPLE_ENDING)],
            deliveries=(await query.delivered(DeliveryFilter(), limit=DELIVERIES)).items,
        )
        return HTMLResponse(page)

    return pages


def _by_hour(periods: Sequence[Period]) -> dict[str, Counts]:
    """Counts of all registries together."""
    summed: dict[str, Counts] = {}
    for period in periods:
        summed[period.period] = summed.get(period.period, activity.NOTHING) + period.counts
    return summed


def ago(moment: Instant, now: Instant) -> str:
    """How long before `now`, in the largest unit that is not a fraction."""
    seconds = (now.ticks - moment.ticks) // TICKS_PER_SECOND
    if seconds < 0:
        return "ahead of our clock"
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= length:
            return f"{seconds // length} {unit} ago"
    return f"{seconds} s ago"


def clock(moment: Instant) -> str:
    """Date and time to the second, in UTC."""
    return moment.isoformat()[:19].replace("T", " ")


def short_digest(digest: str) -> str:
    """As much of a digest as people compare by eye."""
    return digest[:_DIGEST_SHOWN]
