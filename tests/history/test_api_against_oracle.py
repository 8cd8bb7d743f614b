"""What the API says of a made-up month is what the independent reading of docs/history.md says."""

import random
from collections.abc import AsyncIterator, Sequence
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from bench.fill import fill
from bench.oracle.answers import Oracle
from bench.year import BEGIN, REGIONS, REGISTRY, Told, year
from registrail.compose import UseCases
from registrail.instants import TICKS_PER_SECOND, Instant
from registrail.settings import Settings
from registrail.storage.sqlite import SqliteStore
from registrail.web.app import web_app

DAYS = 12
SETTINGS = Settings(storage="sqlite:///:memory:")
Json = dict[str, Any]


@pytest.fixture(scope="module")
def told() -> list[Told]:
    """A busy fortnight."""
    return year(events=1500, repositories=6, days=DAYS, seed=1, regions=REGIONS)


@pytest.fixture(scope="module")
def oracle(told: list[Told]) -> Oracle:
    """Knows it all."""
    return Oracle.told(told)


@pytest.fixture
async def http(store: SqliteStore, app: UseCases, told: list[Told]) -> AsyncIterator[httpx.AsyncClient]:
    """Ask an app to which everything was told, some of it after a fold."""
    for start in range(0, len(told), 900):
        await fill(store, told[start : start + 900])
        await app.summarize.bring_up_to_date(REGISTRY)
    transport = httpx.ASGITransport(web_app(app.query, app.ingest, SETTINGS))
    async with httpx.AsyncClient(transport=transport, base_url="http://registrail.localhost") as client:
        yield client


async def every(http: httpx.AsyncClient, path: str, **parameters: str | int) -> list[Json]:
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


def same(found: Sequence[Json], expected: Sequence[Json]) -> None:
    """Both lists are alike."""
    for one, other in zip(found, expected, strict=False):
        assert as_expected(one, other) == other
    assert len(found) == len(expected)


def moments(number: int) -> list[Instant]:
    """Some times of the month."""
    rng = random.Random(number)  # noqa: S311 - a test, which should repeat
    return [Instant(BEGIN.ticks + rng.randrange(DAYS * 86_400 * TICKS_PER_SECOND)) for _ in range(number)]


async def test_repositories(http: httpx.AsyncClient, oracle: Oracle) -> None:
    """By name."""
    same(await every(http, "/api/repositories"), oracle.repositories(REGISTRY))
    same(await every(http, "/api/repositories", prefix="p", limit=1), oracle.repositories(REGISTRY, "p"))


async def test_tags(http: httpx.AsyncClient, oracle: Oracle) -> None:
    """What they point to."""
    same(await every(http, "/api/tags", limit=50), oracle.tags(REGISTRY))
    same(await every(http, "/api/tags", present="false"), oracle.tags(REGISTRY, present=None))
    for item in oracle.repositories(REGISTRY):
        found = await every(http, "/api/tags", repository=item["repository"], prefix="s")
        same(found, oracle.tags(REGISTRY, item["repository"], prefix="s"))


async def test_tags_as_of(http: httpx.AsyncClient, oracle: Oracle) -> None:
    """What they pointed to, at any time."""
    for moment in moments(8):
        found = await every(http, "/api/tags", at=moment.isoformat(), limit=1000)
        pointed = {(item["repository"], item["tag"]): (item["digest"], item["since"]) for item in found}
        expected = oracle.tags(REGISTRY, moment=moment)
        assert pointed == {(one["repository"], one["tag"]): (one["digest"], one["since"]) for one in expected}


async def test_timelines(http: httpx.AsyncClient, oracle: Oracle) -> None:
    """Of every tag that moved, and of some others; also as of the time of a movement."""
    tags = oracle.tags(REGISTRY, present=None)
    for tag in [tag for number, tag in enumerate(tags) if tag["changes"] != 1 or number % 10 == 0]:
        name = {"repository": tag["repository"], "tag": tag["tag"]}
        expected = oracle.timeline(REGISTRY, **name)
        same(await every(http, "/api/timeline", **name, limit=7), expected)
        moment = Instant.parse(expected[len(expected) // 2]["at"])
        for when in (moment, Instant(moment.ticks - 1)):
            answer = (await http.get("/api/timeline", params={**name, "at": when.isoformat()})).json()
            pointed = oracle.pointed_to(REGISTRY, **name, moment=when)
            assert as_expected(answer, pointed) == pointed


async def test_digests(http: httpx.AsyncClient, oracle: Oracle) -> None:
    """Every one, with its pushes, deletes and tags."""
    digests = oracle.digests()
    assert {item["digest"] for item in await every(http, "/api/digests")} == {item["digest"] for item in digests}
    for digest in sorted({item["digest"] for item in digests})[::5]:
        found = (await http.get(f"/api/digests/{quote(digest)}")).json()["items"]
        for item in found:
            item["deleted_at"].sort()
            item["tags"].sort(key=lambda tag: (tag["since"], tag["tag"]))
        same(sorted(found, key=lambda item: str(item["repository"])), oracle.digest(digest))


async def test_deletes(http: httpx.AsyncClient, oracle: Oracle) -> None:
    """Every dossier, and what still held its digest."""
    expected = oracle.deletes()
    same(await every(http, "/api/deletes", limit=30), expected)
    same(await every(http, "/api/deletes", repository="team/*"), oracle.deletes(repository="team/*"))
    for item in expected:
        answer = (await http.get(f"/api/deletes/{quote(item['event'])}")).json()
        one = oracle.delete(item["event"])
        assert as_expected(answer, one) == one


async def test_events(http: httpx.AsyncClient, oracle: Oracle) -> None:
    """All of them, and by client and the beginning of a repository."""
    same(await every(http, "/api/events", limit=500), oracle.events())
    found = await every(http, "/api/events", repository="team/*", client="acr-cli/0.14")
    same(found, oracle.events(repository="team/*", client="acr-cli/0.14"))
