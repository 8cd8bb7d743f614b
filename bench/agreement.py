"""Whether the API says what the oracle says: each list whole, and each thing that has an address of its own.

Answers are compared field by field with the independent reading of `docs/history.md` (`bench/oracle`). Of things with
an address there may be many; `every` says that one in so many is asked for.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import httpx

from bench.oracle.activity import COUNTS, By, Grain
from bench.oracle.answers import Oracle
from bench.oracle.journal import Json
from registrail.instants import Instant

GRAINS: tuple[Grain, ...] = ("slot", "hour", "day", "week")
DIMENSIONS: tuple[By, ...] = ("repository", "actor", "client")
WITHIN = 0.02
"""Of quantiles, as `docs/history.md` says."""


async def items_of(http: httpx.AsyncClient, path: str, **parameters: str | int) -> list[Json]:
    """All pages of a list."""
    found: list[Json] = []
    cursor: str | None = None
    while True:
        asked = {**parameters, **({"cursor": cursor} if cursor else {})}
        answer = await http.get(path, params=asked)
        assert answer.status_code == 200, answer.text
        body = answer.json()
        found += body["items"]
        cursor = body.get("next")
        if cursor is None:
            return found


def as_expected(found: Any, expected: Any) -> Any:
    """What was found, without fields that the oracle does not know of."""
    if isinstance(found, dict) and isinstance(expected, dict):
        return {name: as_expected(found.get(name), value) for name, value in expected.items()}
    if isinstance(found, list) and isinstance(expected, list) and len(found) == len(expected):
        return [as_expected(one, other) for one, other in zip(found, expected, strict=True)]
    return found


@dataclass
class Agreement:
    """Asks the API and the oracle, and remembers where they differ.

    Attributes:
        every: of things with an address, one in so many is asked for.
        compared: how many answers or items of lists were.
        differences: the first of each kind, in words.
    """

    http: httpx.AsyncClient
    oracle: Oracle
    registry: str
    every: int = 1
    compared: dict[str, int] = field(default_factory=dict)
    differences: list[str] = field(default_factory=list)

    def same(self, what: str, found: Sequence[Json], expected: Sequence[Json]) -> None:
        """Compare two lists."""
        self.compared[what] = self.compared.get(what, 0) + len(expected)
        if len(found) != len(expected):
            self.differences.append(f"{what}: {len(found)} items, not {len(expected)}")
        for one, other in zip(found, expected, strict=False):
            if as_expected(one, other) != other:
                self.differences.append(f"{what}: {as_expected(one, other)} is not {other}")
                return

    async def repositories(self) -> None:
        """By name."""
        expected = self.oracle.repositories(self.registry)
        self.same("repositories", await items_of(self.http, "/api/repositories", limit=1000), expected)
        self.same(
            "repositories by prefix",
            await items_of(self.http, "/api/repositories", prefix="p", limit=7),
            self.oracle.repositories(self.registry, "p"),
        )

    async def tags(self, moments: Sequence[Instant] = ()) -> None:
        """What they point to, and what they pointed to at some times."""
        found = await items_of(self.http, "/api/tags", limit=1000)
        self.same("tags", found, self.oracle.tags(self.registry))
        found = await items_of(self.http, "/api/tags", present="false", limit=1000)
        self.same("tags, absent ones too", found, self.oracle.tags(self.registry, present=None))
        for item in self.oracle.repositories(self.registry):
            found = await items_of(self.http, "/api/tags", repository=item["repository"], prefix="s")
            self.same("tags by prefix", found, self.oracle.tags(self.registry, item["repository"], prefix="s"))
        fields = ("repository", "tag", "digest", "since")
        for moment in moments:
            found = await items_of(self.http, "/api/tags", at=moment.isoformat(), limit=1000)
            expected = self.oracle.tags(self.registry, moment=moment)
            self.same("tags as of", found, [{name: one[name] for name in fields} for one in expected])

    async def timelines(self) -> None:
        """Whole, and as of the time of a movement and just before it."""
        for tag in self.oracle.tags(self.registry, present=None)[:: self.every]:
            name = {"repository": tag["repository"], "tag": tag["tag"]}
            expected = self.oracle.timeline(self.registry, **name)
            self.same("timeline", await items_of(self.http, "/api/timeline", **name, limit=1000), expected)
            moment = Instant.parse(expected[len(expected) // 2]["at"])
            for when in (moment, Instant(moment.ticks - 1)):
                answer = (await self.http.get("/api/timeline", params={**name, "at": when.isoformat()})).json()
                self.same("timeline as of", [answer], [self.oracle.pointed_to(self.registry, **name, moment=when)])

    async def digests(self) -> None:
        """The list, and each with its pushes, deletes and tags."""
        by_digest: dict[str, list[Json]] = {}
        for item in self.oracle.digests():
            by_digest.setdefault(item["digest"], []).append(item)
        expected = [{"digest": name, "repository": one["repository"]} for name in by_digest for one in by_digest[name]]
        found = await items_of(self.http, "/api/digests", limit=1000)
        self.same("digests", sorted(found, key=_by_digest), sorted(expected, key=_by_digest))
        for name in sorted(by_digest)[:: self.every]:
            found = (await self.http.get(f"/api/digests/{quote(name)}")).json()["items"]
            for item in found:
                item["deleted_at"].sort()
                item["tags"].sort(key=lambda tag: (tag["since"], tag["tag"]))
            self.same("digest", sorted(found, key=_by_digest), by_digest[name])

    async def deletes(self) -> None:
        """Every dossier, and of each what still held its digest."""
        expected = self.oracle.deletes()
        self.same("deletes", await items_of(self.http, "/api/deletes", limit=1000), expected)
        found = await items_of(self.http, "/api/deletes", repository="team/*", limit=1000)
        self.same("deletes by prefix", found, self.oracle.deletes(repository="team/*"))
        for item in expected[:: self.every]:
            answer = (await self.http.get(f"/api/deletes/{quote(item['event'])}")).json()
            one = self.oracle.delete(item["event"])
            assert one is not None
            self.same("delete", [answer], [one])

    async def events(self) -> None:
        """All of them, and by client and the beginning of a repository."""
        self.same("events", await items_of(self.http, "/api/events", limit=1000), self.oracle.events())
        repository, client = "team/*", "acr-cli/0.14"
        found = await items_of(self.http, "/api/events", repository=repository, client=client, limit=1000)
        self.same("events of a client", found, self.oracle.events(repository=repository, client=client))

    async def pushes(self) -> None:
        """All of them, and those of some repositories."""
        self.same("pushes", await items_of(self.http, "/api/pushes", limit=1000), self.oracle.pushes())
        found = await items_of(self.http, "/api/pushes", repository="team/*", limit=1000)
        self.same("pushes by prefix", found, self.oracle.pushes(repository="team/*"))

    async def replicas(self, since: Instant, until: Instant) -> None:
        """Where each push is known, and the lags of each day."""
        found = await items_of(self.http, "/api/replicas", limit=1000)
        self.same("replicas", found, self.oracle.replicas())
        ends = {"since": since.isoformat(), "until": until.isoformat()}
        lags = (await self.http.get("/api/replicas/lag", params=ends)).json()["items"]
        expected = self.oracle.replica_lag(self.registry, since=since, until=until)
        for one, other in zip(lags, expected, strict=False):
            for name in ("p50_seconds", "p95_seconds"):
                if _is_near(one[name], other[name]):
                    one[name] = other[name]
        self.same("lags", lags, expected)

    async def activity(self) -> None:
        """Counts of each grain, in all, and by repository, actor and client."""
        for grain in GRAINS:
            for by in (None, *DIMENSIONS):
                if by and grain == "slot":
                    continue
                asked = {"grain": grain, **({"by": by} if by else {})}
                found = await items_of(self.http, "/api/activity", **asked)
                expected = [one for one in self.oracle.activity(grain, by) if any(one[count] for count in COUNTS)]
                self.same(f"activity per {grain}", sorted(found, key=_by_period), sorted(expected, key=_by_period))

    async def everything(self, begin: Instant, end: Instant, *, moments: int = 8) -> None:
        """All of the above; as-of at so many times between two."""
        rng = random.Random(1)  # noqa: S311 - a comparison, which should repeat
        await self.repositories()
        await self.tags([Instant(rng.randrange(begin.ticks, end.ticks)) for _ in range(moments)])
        await self.timelines()
        await self.digests()
        await self.deletes()
        await self.events()
        await self.pushes()
        await self.replicas(begin, end)
        await self.activity()


def _is_near(found: float | None, exact: float | None) -> bool:
    if found is None or exact is None:
        return found is exact
    return abs(found - exact) <= WITHIN * exact


def _by_digest(item: Json) -> tuple[str, str]:
    return item["digest"], item["repository"]


def _by_period(item: Json) -> tuple[str, str, str, str]:
    return item["period"], item["repository"] or "", item["actor"] or "", item["client"] or ""
