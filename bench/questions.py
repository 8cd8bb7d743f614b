"""Everything that one can ask the API, about things that a store has."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import httpx

from bench.year import REGISTRY
from registrail.instants import Instant

Question = tuple[str, dict[str, str]]
"""A path and its parameters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Things:
    """What a store has of everything: the busiest repository, a tag that moved."""

    repository: str
    tag: str
    digest: str
    delete: str
    delivery: str
    actor: str
    client: str
    now: Instant


async def things(http: httpx.AsyncClient, now: Instant) -> Things:
    """Find them by asking."""

    async def items(path: str, **parameters: str) -> list[dict[str, Any]]:
        answer = await http.get(path, params=parameters)
        answer.raise_for_status()
        found: list[dict[str, Any]] = answer.json()["items"]
        return found

    repositories = await items("/api/repositories", limit="1000")
    repository = max(repositories, key=lambda one: one["images"])["repository"]
    tags = await items("/api/tags", repository=repository, limit="1000")
    tag = max(tags, key=lambda one: one["changes"])
    # Of an image whose push the small store has too: what else is known of a delete, is looked for around its push.
    recent = now.plus(-timedelta(days=1)).isoformat()
    deletes = await items("/api/deletes", limit="1000")
    delete = next(one for one in deletes if (one["first_pushed_at"] or "") > recent)
    [delivery, *_] = await items("/api/deliveries", limit="1")
    events = await items("/api/events", limit="100", repository=repository)
    told = next(one for one in events if one["actor"] and one["client"])
    return Things(
        repository=repository,
        tag=tag["tag"],
        digest=tag["digest"],
        delete=delete["event"],
        delivery=delivery["id"],
        actor=told["actor"],
        client=told["client"],
        now=now,
    )


def questions(known: Things) -> dict[str, Question]:
    """By name; those whose names begin with a `/` and a path alone are the plain lists."""
    week = {"since": known.now.plus(-timedelta(days=3)).isoformat()}
    before = {"until": known.now.plus(-timedelta(hours=6)).isoformat()}
    at = {"at": known.now.plus(-timedelta(hours=2)).isoformat()}
    repository, prefix = {"repository": known.repository}, {"repository": f"{known.repository.partition('/')[0]}/*"}
    tag, digest = {"tag": known.tag}, {"digest": known.digest}
    registry = {"registry": REGISTRY}
    one = repository | tag
    found: dict[str, Question] = {}

    def ask(path: str, *filters: dict[str, str], **more: str) -> None:
        for given in filters or ({},):
            shown = "&".join(sorted(f"{name}=*" if value.endswith("*") else name for name, value in given.items()))
            found[f"{path}?{shown}" if shown else path] = (path, given | more)

    def told(path: str, *names: dict[str, str]) -> None:
        ask(path, {}, registry, week, before, repository)
        ask(path, week | before, *names, limit="20")  # as many as the small store has of these, too

    who = ({"actor": known.actor}, {"client": known.client})
    told("/api/events", prefix, one, repository | digest, {"action": "delete"}, *who)
    told("/api/pushes", prefix, one, repository | digest, *who)
    told("/api/deletes", prefix, one, repository | digest, *who)
    ask("/api/replicas", {}, registry, week, before, week | before)
    ask("/api/replicas/lag", {}, week)
    ask("/api/registries")
    ask("/api/health")
    ask("/api/repositories", {}, registry, {"prefix": "p"})
    ask("/api/tags", {}, repository, repository | {"prefix": "s"}, {"present": "false"}, at, repository | at)
    ask("/api/timeline", one, one | {"limit": "3"}, one | week, one | before, one | at)
    ask("/api/digests", {}, registry)
    ask("/api/activity", *_activity(known, week))
    ask("/api/deliveries", {}, {"sender": "acr"}, {"outcome": "accepted"}, week, before)
    found["/api/digests/{digest}"] = (f"/api/digests/{quote(known.digest)}", {})
    found["/api/deletes/{event}"] = (f"/api/deletes/{quote(known.delete)}", {})
    found["/api/deliveries/{id}"] = (f"/api/deliveries/{quote(known.delivery, safe='~')}", {})
    return found


def _activity(known: Things, week: dict[str, str]) -> Iterable[dict[str, str]]:
    for grain in ("slot", "hour", "day", "week"):
        yield {"grain": grain, "limit": "100"}
    repository = {"repository": known.repository}
    for given in (repository, {"actor": known.actor}, {"client": known.client}, {"by": "repository"}):
        yield {"grain": "day", "limit": "100", **given}
    yield {"grain": "hour", "limit": "100", **week}
