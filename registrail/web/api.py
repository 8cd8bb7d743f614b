"""The query API: `/api/…`; what concerns deliveries is in `web/deliveries.py`."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any

import fastapi

from registrail.activity import Grain
from registrail.events import RecordedEvent
from registrail.ports import Period
from registrail.query import EventFilter, Query, RegistryHealth
from registrail.web.parameters import moment

Limit = Annotated[int, fastapi.Query(ge=1, le=1000)]
Json = dict[str, Any]


def router(query: Query) -> fastapi.APIRouter:
    """The routes, with what they ask."""
    api = fastapi.APIRouter(prefix="/api")

    @api.head("/events", include_in_schema=False)
    @api.get("/events")
    async def events(  # noqa: PLR0913, PLR0917 - one for each parameter
        registry: str | None = None,
        repository: str | None = None,
        tag: str | None = None,
        digest: str | None = None,
        action: str | None = None,
        actor: str | None = None,
        since: str | None = None,
        until: str | None = None,
        limit: Limit = 100,
        cursor: str | None = None,
    ) -> Json:
        """Events, newest first; those that came without a usable time are last."""
        now = query.clock()
        wanted = EventFilter(
            registry=registry.lower() if registry else None,
            repository=repository or None,
            tag=tag or None,
            digest=digest or None,
            action=action or None,
            actor=actor or None,
            since=moment("since", since, now),
            until=moment("until", until, now),
        )
        found = await query.events(wanted, limit=limit, cursor=cursor or None)
        return listed([event_json(recorded) for recorded in found.items], found.next)

    @api.head("/activity", include_in_schema=False)
    @api.get("/activity")
    async def activity(
        registry: str | None = None,
        repository: str | None = None,
        since: str | None = None,
        until: str | None = None,
        grain: Grain = "hour",
    ) -> Json:
        """Counts per slot (a minute), hour or day, oldest first, exact as of now; empty periods are left out."""
        now = query.clock()
        periods = await query.activity_of(
            grain,
            registry=registry.lower() if registry else None,
            repository=repository or None,
            since=moment("since", since, now),
            until=moment("until", until, now),
        )
        return listed([period_json(period) for period in periods])

    @api.head("/health", include_in_schema=False)
    @api.get("/health")
    async def health(request: fastapi.Request) -> Json:
        """Whether the store answers; for readers also each registry's last event and slots that await a fold."""
        found = await query.health()
        known = [health_json(one) for one in found] if request.state.may_read else []
        return {"status": "ok", "registries": known}

    return api


def listed(items: Sequence[Json], cursor: str | None = None) -> Json:
    """A list as every endpoint answers it."""
    return {"items": items, "next": cursor}


def event_json(recorded: RecordedEvent) -> Json:
    """An event as the API shows it; what is not known is null."""
    event = recorded.event
    occurred_at = event.occurred_at.isoformat() if event.occurred_at else None
    return {
        "id": recorded.id,
        **asdict(event),
        "occurred_at": occurred_at,
        "received_at": recorded.received_at.isoformat(),
        "senders": sorted(recorded.seen),
        "regions": {name: seen.isoformat() for name, seen in sorted(recorded.regions.items())},
        "deliveries": dict(sorted(recorded.deliveries.items())),
    }


def period_json(period: Period) -> Json:
    """Counts of one period."""
    return {
        "registry": period.registry,
        "repository": period.repository,
        "grain": period.grain,
        "period": period.period,
        **asdict(period.counts),
    }


def health_json(health: RegistryHealth) -> Json:
    """The state of one registry."""
    return {
        "registry": health.registry,
        "last_event_at": health.last_event_at.isoformat() if health.last_event_at else None,
        "last_received_at": health.last_received_at.isoformat() if health.last_received_at else None,
        "backlog": health.backlog,
    }
