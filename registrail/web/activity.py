"""Counts and lags in the query API: `/api/activity`, `/api/replicas/lag`."""

from datetime import timedelta
from typing import Annotated, Final

import fastapi

from registrail.activity import Dimension, Grain
from registrail.errors import InvalidParameterError
from registrail.moments import moment
from registrail.projections import Asked, Period
from registrail.query import ActivityFilter, DayLag, Query
from registrail.web.api import Json, listed
from registrail.web.parameters import Cursor, Pattern, Registry, Since, Until, registry_name

LAG_DAYS: Final = 30
"""Without `since`."""
MOST_LAG_DAYS: Final = 366


def router(query: Query) -> fastapi.APIRouter:
    """The routes, with what they ask."""
    api = fastapi.APIRouter(prefix="/api", tags=["activity"])

    @api.head("/activity", include_in_schema=False)
    @api.get("/activity")
    async def activity(  # noqa: PLR0913, PLR0917 - one for each parameter
        registry: Registry = None,
        repository: Pattern = None,
        actor: Annotated[str | None, fastapi.Query(description="Only of this one.")] = None,
        client: Annotated[str | None, fastapi.Query(description="Only of this one.")] = None,
        by: Annotated[Dimension | None, fastapi.Query(description="An item for each of these in each period.")] = None,
        since: Since = None,
        until: Until = None,
        grain: Annotated[Grain, fastapi.Query(description="How long a period is; a slot is a minute.")] = "hour",
        limit: Annotated[int, fastapi.Query(ge=1, le=1000, description="How many periods.")] = 1000,
        cursor: Cursor = None,
    ) -> Json:
        """Counts per slot, hour, day or week, oldest first, exact as of now; empty periods are left out."""
        now = query.clock()
        given = [
            name
            for name, value in (("repository", repository), ("actor", actor), ("client", client), ("by", by))
            if value
        ]
        if len(given) > 1:
            raise InvalidParameterError(given[1], f"cannot be combined with {given[0]}")
        under = repository[:-1] if repository and repository.endswith("*") else None
        wanted = ActivityFilter(
            grain=grain,
            registry=registry_name(registry),
            asked=Asked(
                repository=repository or None if under is None else None,
                actor=actor or None,
                client=client or None,
                under=under,
            ),
            by=by,
            since=moment("since", since, now),
            until=moment("until", until, now),
        )
        found = await query.series.page(wanted, limit=limit, cursor=cursor or None)
        return listed([period_json(period) for period in found.items], found.next)

    @api.head("/replicas/lag", include_in_schema=False)
    @api.get("/replicas/lag")
    async def lag(registry: Registry = None, since: Since = None, until: Until = None) -> Json:
        """How far each region was behind, for each day of the last 30 or of a range of up to 366, oldest first."""
        now = query.clock()
        end = moment("until", until, now) or now
        begin = moment("since", since, now) or end.plus(-timedelta(days=LAG_DAYS))
        if begin.plus(timedelta(days=MOST_LAG_DAYS)) < end:
            raise InvalidParameterError("since", f"more than {MOST_LAG_DAYS} days; ask for a part of them")
        return listed([lag_json(one) for one in await query.series.lags(registry_name(registry), begin, end)])

    return api


def period_json(period: Period) -> Json:
    """Counts of one period."""
    return {
        "registry": period.registry,
        "grain": period.grain,
        "period": period.period,
        "repository": period.repository,
        "actor": period.actor,
        "client": period.client,
        **period.counts._asdict(),
    }


def lag_json(lag: DayLag) -> Json:
    """How a region did on a day."""
    return {
        "registry": lag.registry,
        "day": lag.day,
        "region": lag.region,
        "pushes": lag.pushes,
        "p50_seconds": lag.p50,
        "p95_seconds": lag.p95,
        "max_seconds": lag.longest,
        "missing": lag.missing,
    }
