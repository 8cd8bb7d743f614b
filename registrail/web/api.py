"""The query API: `/api/…`, but for deliveries (`web/deliveries.py`) and the history of tags and digests."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any

import fastapi

from registrail.events import RecordedEvent
from registrail.instants import TICKS_PER_SECOND
from registrail.moments import moment
from registrail.pushes import Push
from registrail.query import EventFilter, PushFilter, Query, RegistryHealth, Replication

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
        client: str | None = None,
        since: str | None = None,
        until: str | None = None,
        limit: Limit = 100,
        cursor: str | None = None,
    ) -> Json:
        """Events, newest first; those that came without a usable time are last.

        A `repository` that ends in `*` is the beginning of names, such as `team/*`. A page may hold fewer events than
        `limit` and still have a `next`.
        """
        now = query.clock()
        wanted = EventFilter(
            registry=registry.lower() if registry else None,
            repository=repository or None,
            tag=tag or None,
            digest=digest or None,
            action=action or None,
            actor=actor or None,
            client=client or None,
            since=moment("since", since, now),
            until=moment("until", until, now),
        )
        found = await query.events(wanted, limit=limit, cursor=cursor or None)
        return listed([event_json(recorded) for recorded in found.items], found.next)

    @api.head("/pushes", include_in_schema=False)
    @api.get("/pushes")
    async def pushes(  # noqa: PLR0913, PLR0917 - one for each parameter
        registry: str | None = None,
        repository: str | None = None,
        tag: str | None = None,
        digest: str | None = None,
        actor: str | None = None,
        client: str | None = None,
        since: str | None = None,
        until: str | None = None,
        limit: Limit = 100,
        cursor: str | None = None,
    ) -> Json:
        """Logical pushes, newest first: an image with its platforms, echoes, further tags, referrers and layers is one.

        `digest` may also be that of a part or a referrer, and `tag` that of a referrer. `since` and `until` are about
        the time at which a push was completed. A page may hold fewer pushes than `limit` and still have a `next`.
        """
        now = query.clock()
        wanted = PushFilter(
            registry=registry.lower() if registry else None,
            repository=repository or None,
            tag=tag or None,
            digest=digest or None,
            actor=actor or None,
            client=client or None,
            since=moment("since", since, now),
            until=moment("until", until, now),
        )
        found = await query.pushes(wanted, limit=limit, cursor=cursor or None)
        return listed([push_json(push) for push in found.items], found.next)

    @api.head("/replicas", include_in_schema=False)
    @api.get("/replicas")
    async def replicas(
        registry: str | None = None,
        since: str | None = None,
        until: str | None = None,
        limit: Limit = 100,
        cursor: str | None = None,
    ) -> Json:
        """Pushes for which a region is expected, newest first: how late each region knew of them, and which did not.

        A page may hold fewer pushes than `limit` and still have a `next`.
        """
        now = query.clock()
        wanted = PushFilter(
            registry=registry.lower() if registry else None,
            since=moment("since", since, now),
            until=moment("until", until, now),
        )
        found = await query.replicas(wanted, limit=limit, cursor=cursor or None)
        return listed([replication_json(one) for one in found.items], found.next)

    @api.head("/registries", include_in_schema=False)
    @api.get("/registries")
    async def registries() -> Json:
        """Every registry that ever sent an event, by name: its newest event, and how many slots await a fold."""
        return listed([health_json(one) for one in await query.health()])

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
        "seen": {name: seen.isoformat() for name, seen in sorted(recorded.seen.items())},
        "regions": {name: seen.isoformat() for name, seen in sorted(recorded.regions.items())},
        "deliveries": dict(sorted(recorded.deliveries.items())),
    }


def push_json(push: Push) -> Json:
    """A logical push."""
    event = push.event.event
    return {
        "id": push.id,
        "registry": event.registry,
        "repository": event.repository,
        "at": push.at.isoformat(),
        "began_at": push.began_at.isoformat(),
        "ended_at": push.ended_at.isoformat(),
        "digest": push.digest,
        "tags": list(push.tags),
        "media_type": push.media_type,
        "actor": event.actor,
        "client": event.client,
        "events": len(push.members),
        "parts": [{**asdict(part), "at": part.at.isoformat()} for part in push.parts],
        "referrers": [{**asdict(referrer), "at": referrer.at.isoformat()} for referrer in push.referrers],
        "layers": push.layers,
        "regions": {name: seen.isoformat() for name, seen in sorted(push.event.regions.items())},
    }


def replication_json(replication: Replication) -> Json:
    """The event that completed a push, and the regions that know of it or do not."""
    recorded = replication.recorded
    event = recorded.event
    return {
        "event": recorded.id,
        "registry": event.registry,
        "repository": event.repository,
        "tag": event.tag,
        "digest": event.digest,
        "at": event.occurred_at.isoformat() if event.occurred_at else None,
        "regions": {
            name: {"at": recorded.regions[name].isoformat(), "lag_seconds": lag / TICKS_PER_SECOND}
            for name, lag in replication.lags.items()
        },
        "missing": list(replication.missing),
    }


def health_json(health: RegistryHealth) -> Json:
    """The state of one registry."""
    return {
        "registry": health.registry,
        "last_event_at": health.last_event_at.isoformat() if health.last_event_at else None,
        "last_received_at": health.last_received_at.isoformat() if health.last_received_at else None,
        "backlog": health.backlog,
    }
