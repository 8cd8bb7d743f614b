"""The pages about repositories, tags, digests and deletes."""

import difflib
import re
from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from registrail.dossier import Deletion
from registrail.errors import InvalidParameterError
from registrail.instants import Instant
from registrail.moments import moment
from registrail.query import DeleteFilter, PushFilter, Query, Rows
from registrail.query.meant import MOST, Knows, having_delete, having_digest, having_repository, those_that
from registrail.timeline import time_of
from registrail.web.image_view import digest_view, tag_view
from registrail.web.image_words import pull_commands
from registrail.web.lanes import LANE
from registrail.web.parameters import registry_name
from registrail.web.rendering import link, page
from registrail.web.repository_view import AT_ONCE, Wanted, newest_pushes, table, view
from registrail.web.trouble import Absent, PageRoute, missing

ROWS: Final = 100
DELETES: Final = 50
MOST_EMPTY: Final = 2
"""Pages without a delete that is wanted, of two requests each, that are gone past while somebody waits."""
PUSHES: Final = 10
HOLDS: Final = 200
"""Tags in the list of those that pointed to a digest, or that a delete removed."""
RANGES: Final = (("24h", "24 h"), ("7d", "7 d"), ("30d", "30 d"), ("90d", "90 d"), ("365d", "1 y"))
_SUGGESTED: Final = 5
_SHORT_TIME: Final = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})[T ]([0-9]{2}:[0-9]{2})(:[0-9]{2})?")
"""What browsers send for `datetime-local`: without a zone, and at a full minute without seconds."""


def router(query: Query) -> APIRouter:
    """The routes, with what they ask."""
    pages = APIRouter(include_in_schema=False, route_class=PageRoute)
    _add_lists(pages, query)
    _add_repository(pages, query)
    _add_images(pages, query)
    return pages


def _add_lists(pages: APIRouter, query: Query) -> None:
    @pages.api_route("/repositories", methods=["GET", "HEAD"])
    async def repositories(
        request: Request, registry: str | None = None, prefix: str = "", cursor: str | None = None
    ) -> Response:
        names = await query.journal.registries()
        name = chosen(names, registry)
        found = (
            await query.history.repositories(name, prefix=prefix, limit=ROWS, cursor=cursor or None) if name else None
        )
        context = {"registries": names, "registry": name, "prefix": prefix, "found": found, "cursor": cursor}
        return page(request, "repositories.html", {**context, "now": query.clock()}, HTTPStatus.OK, _block(request))

    @pages.api_route("/deletes", methods=["GET", "HEAD"])
    async def deletes(  # noqa: PLR0913, PLR0917 - one for each parameter
        request: Request,
        registry: str | None = None,
        repository: str | None = None,
        tag: str | None = None,
        digest: str | None = None,
        actor: str | None = None,
        client: str | None = None,
        since: str | None = None,
        until: str | None = None,
        cursor: str | None = None,
    ) -> Response:
        now = query.clock()
        texts = {"repository": repository, "tag": tag, "digest": digest, "actor": actor, "client": client}
        wanted = DeleteFilter(
            **{name: text or None for name, text in texts.items()},
            since=_instant("since", since, now),
            until=_instant("until", until, now),
        )
        names = await query.journal.registries()
        name = chosen(names, registry)
        found = await _deletes(query, name, wanted, cursor or None) if name else None
        given = {**texts, "since": since, "until": until}
        context = {
            "registries": names,
            "registry": name,
            "given": given,
            "is_filtered": any(given.values()),
            "found": found,
            "cursor": cursor,
            "now": now,
        }
        return page(request, "deletes.html", context, HTTPStatus.OK, _block(request))

    @pages.api_route("/delete", methods=["GET", "HEAD"])
    async def delete(request: Request, registry: str | None = None, event: str = "") -> Response:
        if not (registry and event):
            return await _canonical(request, query, "event")
        name = registry.lower()
        found = await query.dossier(name, event)
        if found is None:
            text = "There is no delete with this id; perhaps the address was cut, or the event is a push."
            return missing(
                request, Absent("Unknown delete", event, text, [("All deletes", link("/deletes", registry=name))])
            )
        removed = [(one, time_of(one.begin)) for one in found.deletion.tags]
        before = Instant(max(found.deletion.at.ticks - 1, 0)).isoformat()
        context = {"found": found, "removed": removed, "just_before": before, "most": HOLDS, "now": query.clock()}
        return page(request, "delete.html", context)


async def _deletes(query: Query, registry: str, wanted: DeleteFilter, cursor: str | None) -> Rows[Deletion]:
    """A page that has something, if it is not too far: what a filter refuses is gone past."""
    found = await query.history.deletions(registry, wanted, limit=DELETES, cursor=cursor)
    for _ in range(MOST_EMPTY):
        if found.items or found.next is None:
            break
        found = await query.history.deletions(registry, wanted, limit=DELETES, cursor=found.next)
    return found


def _add_repository(pages: APIRouter, query: Query) -> None:
    @pages.api_route("/repository", methods=["GET", "HEAD"])
    async def repository(  # noqa: PLR0913, PLR0917 - one for each parameter
        request: Request,
        registry: str | None = None,
        repository: str = "",
        prefix: str = "",
        at: str | None = None,
        order: str | None = None,
        since: str | None = None,
        cursor: str | None = None,
    ) -> Response:
        if not (registry and repository):
            return await _canonical(request, query, "repository")
        name, now = registry.lower(), query.clock()
        wanted = Wanted(
            prefix=prefix,
            at=_instant("at", at, now),
            by_name=order == "name",
            cursor=cursor or None,
            since=_instant("since", since, now),
        )
        context = {
            "registry": name,
            "repository": repository,
            "wanted": wanted,
            "since": since or "",
            "ranges": RANGES,
            "lane": LANE,
            "now": now,
        }
        block = _block(request)
        if block == "pushes":
            pushes = await newest_pushes(query, PushFilter(registry=name, repository=repository), PUSHES)
            return page(request, "repository.html", {**context, "pushes": pushes.items}, HTTPStatus.OK, block)
        if block in {"tags", "rows"} and wanted.is_list:
            only = await table(query, name, repository, wanted)
            return page(request, "repository.html", {**context, "table": only}, HTTPStatus.OK, block)
        found = await view(query, name, repository, wanted, now)
        if found is None:
            near = await query.lists.repositories(name, limit=AT_ONCE)
            close = _like(repository, (one.repository for one in near.items))
            links = [(one, link("/repository", registry=name, repository=one)) for one in close]
            text = "No push and no delete of a repository with this name was recorded in this registry."
            return missing(request, Absent("Unknown repository", f"{name}/{repository}", text, links))
        status = HTTPStatus.OK
        return page(request, "repository.html", {**context, "view": found, "table": found.table}, status, block)


def _add_images(pages: APIRouter, query: Query) -> None:
    @pages.api_route("/tag", methods=["GET", "HEAD"])
    async def tag(  # noqa: PLR0913, PLR0917 - one for each parameter
        request: Request,
        registry: str | None = None,
        repository: str = "",
        tag: str = "",
        at: str | None = None,
        cursor: str | None = None,
    ) -> Response:
        if not (registry and repository and tag):
            return await _canonical(request, query, "repository", "tag")
        name, now = registry.lower(), query.clock()
        instant = _instant("at", at, now)
        found = await tag_view(query, name, repository, tag, at=instant, cursor=cursor or None, now=now)
        if found is None:
            near = await query.lists.tags(name, repository=repository, limit=AT_ONCE)
            close = _like(tag, (known.tag for _, _, known in near.items))
            links = [(one, link("/tag", registry=name, repository=repository, tag=one)) for one in close]
            links.append((f"All tags of {repository}", link("/repository", registry=name, repository=repository)))
            text = "No push or delete of this tag was recorded" + (" by then." if instant else ".")
            return missing(request, Absent("Unknown tag", f"{name}/{repository}:{tag}", text, links))
        pull = pull_commands(found.registry, repository, found.digest)
        context = {"view": found, "instant": instant, "cursor": cursor, "lane": LANE, "now": now, "pull": pull}
        return page(request, "tag.html", context, HTTPStatus.OK, _block(request))

    @pages.api_route("/digest", methods=["GET", "HEAD"])
    async def digest(request: Request, registry: str | None = None, digest: str = "") -> Response:
        if not (registry and digest):
            return await _canonical(request, query, "digest")
        name = registry.lower()
        found = await digest_view(query, name, digest)
        if found is None:
            text = "No push and no delete of this digest was recorded in this registry. It may be that of a layer."
            events = link("/events", registry=name, digest=digest)
            return missing(request, Absent("Unknown digest", digest, text, [("Events that name it", events)]))
        pulls = {one.repository: pull_commands(found.registry, one.repository, digest) for one in found.records}
        return page(request, "digest.html", {"view": found, "pulls": pulls, "most": HOLDS, "now": query.clock()})


def _like(name: str, names: Iterable[str]) -> list[str]:
    return difflib.get_close_matches(name, list(names), _SUGGESTED, 0.5)


def chosen(names: Sequence[str], registry: str | None) -> str | None:
    """The registry that is meant, or the first one; None if there is none at all."""
    return registry_name(registry) or (names[0] if names else None)


async def _canonical(request: Request, query: Query, *needed: str) -> Response:
    """Where something is missing in an address: with the only registry there is or that knows it, or what to say."""
    given = dict(request.query_params)
    lacking = [name for name in needed if not given.get(name)]
    if lacking:
        raise InvalidParameterError(lacking[0], "is missing in this address")
    names = await query.journal.registries()
    if 1 < len(names) <= MOST:
        names = await those_that(_knows(query, needed[0], given[needed[0]]), names, query.summarize) or names
    if len(names) == 1:
        return RedirectResponse(link(request.url.path, **{**given, "registry": names[0]}), HTTPStatus.SEE_OTHER)
    links = [(name, link(request.url.path, **{**given, "registry": name})) for name in names]
    text = "Several registries may have it." if names else "Nothing has been recorded yet."
    return missing(request, Absent("Which registry?", " ".join(given[name] for name in needed), text, links))


def _knows(query: Query, what: str, name: str) -> Knows:
    """Whether a registry knows what a page is about."""
    if what == "event":
        return having_delete(query.lists, name)
    return having_digest(query.lists, name) if what == "digest" else having_repository(query.lists, name)


def _block(request: Request) -> str | None:
    """The part of a page that is asked for; None is all of it."""
    part = request.query_params.get("part")
    return part if part in {"tags", "rows", "pushes"} else None


def _instant(parameter: str, text: str | None, now: Instant) -> Instant | None:
    """A time or an age, also as browsers send it, which is meant as UTC here."""
    short = _SHORT_TIME.fullmatch(text or "")
    return moment(parameter, f"{short[1]}T{short[2]}{short[3] or ':00'}Z" if short else text, now)
