"""The history's part of the query API: repositories, tags, timelines, digests and deletes."""

from typing import Annotated, Any

import fastapi

from registrail.dossier import Deletion, DigestHistory, RepositoryHistory, Sighting
from registrail.instants import Instant
from registrail.moments import moment
from registrail.query import DeleteFilter, DigestRecord, Query, Rows, TagState
from registrail.timeline import Movement, time_of
from registrail.web.api import Json, Limit, listed
from registrail.web.parameters import At, Cursor, Pattern, Registry, Since, Until, registry_name

Repository = Annotated[str, fastapi.Query(description="Such as `team/app`.", min_length=1)]


def router(query: Query) -> fastapi.APIRouter:
    """The routes, with what they ask."""
    api = fastapi.APIRouter(prefix="/api", tags=["history"])
    history = query.history

    @api.head("/repositories", include_in_schema=False)
    @api.get("/repositories")
    async def repositories(
        registry: Registry = None, prefix: str = "", limit: Limit = 100, cursor: Cursor = None
    ) -> Json:
        """Repositories by name, with how many tags point to something and how many images were ever pushed."""
        found = await history.repositories(registry_name(registry), prefix=prefix, limit=limit, cursor=cursor or None)
        return _rows(found, [repository_json(found.registry, one) for one in found.items])

    @api.head("/tags", include_in_schema=False)
    @api.get("/tags")
    async def tags(  # noqa: PLR0913, PLR0917 - one for each parameter
        registry: Registry = None,
        repository: Annotated[str | None, fastapi.Query(description="Only of this one; else of all.")] = None,
        prefix: Annotated[str, fastapi.Query(description="Of tags, in one repository.")] = "",
        present: Annotated[bool, fastapi.Query(description="Leave out tags that point to nothing.")] = True,  # noqa: FBT002
        at: At = None,
        limit: Limit = 100,
        cursor: Cursor = None,
    ) -> Json:
        """Tags by repository and name: what they point to, or pointed to at an instant."""
        found = await history.tags(
            registry_name(registry),
            repository=repository or None,
            prefix=prefix if repository else "",
            present=present,
            at=moment("at", at, query.clock()),
            limit=limit,
            cursor=cursor or None,
        )
        return _rows(found, [tag_json(found.registry, one) for one in found.items])

    @api.head("/timeline", include_in_schema=False)
    @api.get("/timeline")
    async def timeline(  # noqa: PLR0913, PLR0917 - one for each parameter
        repository: Repository,
        tag: Annotated[str, fastapi.Query(min_length=1)],
        registry: Registry = None,
        at: At = None,
        since: Since = None,
        until: Until = None,
        limit: Limit = 100,
        cursor: Cursor = None,
    ) -> Json:
        """Every movement of a tag, newest first; with `at` the one in force at that instant, and its `digest`."""
        now = query.clock()
        instant = moment("at", at, now)
        if instant is not None:
            found = await history.movement_at(registry_name(registry), repository, tag, instant)
            moved = [movement_json(found.registry, repository, tag, one) for one in found.items]
            return _rows(found, moved) | {"digest": moved[0]["digest"] if moved else None}
        found = await history.timeline(
            registry_name(registry),
            repository,
            tag,
            since=moment("since", since, now),
            until=moment("until", until, now),
            limit=limit,
            cursor=cursor or None,
        )
        return _rows(found, [movement_json(found.registry, repository, tag, one) for one in found.items])

    @api.head("/digests", include_in_schema=False)
    @api.get("/digests")
    async def digests(registry: Registry = None, limit: Limit = 100, cursor: Cursor = None) -> Json:
        """All digests in all repositories, by digest."""
        found = await history.digests(registry_name(registry), limit=limit, cursor=cursor or None)
        return _rows(found, [digest_json(found.registry, *one) for one in found.items])

    @api.head("/digests/{digest}", include_in_schema=False)
    @api.get("/digests/{digest}")
    async def digest(digest: str, registry: Registry = None, repository: str | None = None) -> Json:
        """A digest in each repository that saw it, with the tags that pointed to it and from when to when."""
        found = await history.digest(registry_name(registry), digest, repository or None)
        return {"digest": digest, **_rows(found, [record_json(found.registry, one) for one in found.items])}

    @api.head("/deletes", include_in_schema=False)
    @api.get("/deletes")
    async def deletes(  # noqa: PLR0913, PLR0917 - one for each parameter
        registry: Registry = None,
        repository: Pattern = None,
        tag: Annotated[str | None, fastapi.Query(description="That the delete names or removed.")] = None,
        digest: str | None = None,
        actor: str | None = None,
        client: str | None = None,
        since: Since = None,
        until: Until = None,
        limit: Limit = 100,
        cursor: Cursor = None,
    ) -> Json:
        """Deletes, newest first, each with what it removed and what was known of it."""
        now = query.clock()
        wanted = DeleteFilter(
            repository=repository or None,
            tag=tag or None,
            digest=digest or None,
            actor=actor or None,
            client=client or None,
            since=moment("since", since, now),
            until=moment("until", until, now),
        )
        found = await history.deletions(registry_name(registry), wanted, limit=limit, cursor=cursor or None)
        return _rows(found, [deletion_json(found.registry, one) for one in found.items])

    @api.head("/deletes/{event}", include_in_schema=False)
    @api.get("/deletes/{event}")
    async def delete(event: str, registry: Registry = None) -> Json:
        """One delete, and what still held its digest right after it: other tags, and the index it was pushed with."""
        found = await query.dossier(registry_name(registry), event)
        if found is None:
            raise fastapi.HTTPException(404, f"there is no delete {event[:120]!r}")
        return deletion_json(found.registry, found.deletion) | {
            "still_held": {
                "tags": [{"repository": repository, "tag": tag} for repository, tag in found.tags],
                "indexes": [{"digest": held.digest, "tags": list(held.tags)} for held in found.indexes],
            }
        }

    return api


def _rows(found: Rows[Any], items: list[Json]) -> Json:
    return listed(items, found.next)


def repository_json(registry: str, known: RepositoryHistory) -> Json:
    """A repository."""
    return {
        "registry": registry,
        "repository": known.repository,
        "first_pushed_at": _at(known.first_push),
        "last_pushed_at": _at(known.last_push),
        "last_deleted_at": _at(known.last_delete),
        "tags": known.tags,
        "images": known.images,
    }


def tag_json(registry: str, state: TagState) -> Json:
    """What a tag pointed to, with the movement that made it so if it is at hand."""
    movement, history = state.movement, state.history
    return {
        "registry": registry,
        "repository": state.repository,
        "tag": state.tag,
        "digest": state.digest,
        "since": _at(state.since),
        "change": movement.change if movement else None,
        "previous_digest": movement.previous_digest if movement else None,
        "event": movement.event if movement else state.since,
        "actor": movement.fact.actor if movement else None,
        "client": movement.fact.client if movement else None,
        "last_event_at": history.last.at.isoformat(),
        "changes": history.changes,
    }


def movement_json(registry: str, repository: str, tag: str, movement: Movement) -> Json:
    """A row of a timeline."""
    return {
        "registry": registry,
        "repository": repository,
        "tag": tag,
        "at": movement.at.isoformat(),
        "change": movement.change,
        "digest": movement.digest,
        "previous_digest": movement.previous_digest,
        "event": movement.event,
        "action": movement.fact.action,
        "actor": movement.fact.actor,
        "client": movement.fact.client,
    }


def digest_json(registry: str, repository: str, known: DigestHistory) -> Json:
    """A digest in a repository."""
    return {
        "registry": registry,
        "repository": repository,
        "digest": known.digest,
        "media_type": known.media_type.value if known.media_type else None,
        "size": known.size.value if known.size else None,
        **_sighting("first", known.first),
        **_sighting("last", known.last),
        "deleted_at": [time_of(event).isoformat() for event in sorted(known.removals)],
    }


def record_json(registry: str, record: DigestRecord) -> Json:
    """The same with its tags."""
    held = [{"tag": tag, "since": _at(hold.begin), "until": _at(hold.end)} for tag, hold in record.tags]
    return digest_json(registry, record.repository, record.history) | {"tags": held}


def deletion_json(registry: str, found: Deletion) -> Json:
    """A delete."""
    return {
        "event": found.event,
        "registry": registry,
        "repository": found.repository,
        "at": found.at.isoformat(),
        "action": found.action,
        "digest": found.digest,
        "tag": found.tag,
        "tags": [{"tag": removed.tag, "since": _at(removed.begin), "digest": removed.digest} for removed in found.tags],
        **_sighting("first", found.first),
        **_sighting("last", found.last),
        "age_seconds": found.age_seconds,
        "media_type": found.media_type,
        "size": found.size,
        "actor": found.actor,
        "client": found.client,
    }


def _sighting(name: str, sighting: Sighting | None) -> Json:
    return {
        f"{name}_pushed_at": sighting.at.isoformat() if sighting else None,
        f"{name}_event": sighting.event if sighting else None,
        f"{name}_actor": sighting.actor if sighting else None,
        f"{name}_client": sighting.client if sighting else None,
    }


def _at(event: str | None) -> str | None:
    """When an event was."""
    return _moment(time_of(event)) if event else None


def _moment(moment: Instant) -> str:
    return moment.isoformat()
