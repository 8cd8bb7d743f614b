import csv
import io
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import azure.functions as func
import duckdb
import httpx
import pytest
from fastapi import APIRouter, FastAPI

from registrail.compose import UseCases, use_cases
from registrail.errors import StorageUnavailableError
from registrail.events import Arrival, RegistryEvent
from registrail.export import COLUMNS, Kind
from registrail.instants import Instant
from registrail.settings import Settings
from registrail.storage.sqlite import SqliteStore
from registrail.storage.store import Page
from registrail.web import exports
from registrail.web.app import web_app
from tests.conftest import Clock

EPOCH: Final = Instant.parse("1970-01-01T00:00:00Z").ticks
NAMES: Final = ("team/app", "=cmd|' /C calc'!A0", 'a"b,c\r\nd', "", " é\u2028", "-1", "'@x", "line\nfeed")


def exporting(app: UseCases) -> FastAPI:
    """The web app, with its exports."""
    return web_app(app.query, app.ingest, Settings(storage="sqlite:///:memory:"))


def ask(served: FastAPI) -> httpx.AsyncClient:
    """Ask without a socket."""
    return httpx.AsyncClient(transport=httpx.ASGITransport(served), base_url="http://registrail.localhost")


@pytest.fixture
async def http(app: UseCases) -> AsyncIterator[httpx.AsyncClient]:
    """Ask an app that exports."""
    async with ask(exporting(app)) as opened:
        yield opened


@pytest.fixture
async def filled(app: UseCases, clock: Clock) -> None:
    """Record 2,300 events over days and registries with whatever texts there are; some have no time."""
    await fill(app, clock, 2300)


async def fill(app: UseCases, clock: Clock, count: int) -> None:
    """Record so many events, a minute and 100 ns apart."""
    events = [
        RegistryEvent(
            action="push" if number % 3 else "delete",
            registry=f"{'ab'[number % 2]}.io",
            repository=NAMES[number % len(NAMES)] or "none",
            tag=NAMES[number // 2 % len(NAMES)] or None,
            digest=f"sha256:{number:064x}",
            occurred_at=None if number % 500 == 7 else Instant(clock.now.ticks - number * 600_000_001),
            client=NAMES[number // 3 % len(NAMES)],
            size=number if number % 5 else None,
            request_id=str(number),
        )
        for number in range(count)
    ]
    arrival = Arrival(sender="acr", delivery="acr~1~=1", received_at=clock.now)
    for registry in ("a.io", "b.io"):
        await app.ingest.marks.touch(registry, [event.occurred_at.minute for event in events if event.occurred_at])
    await app.ingest.journal.append(events, arrival)


async def everything(http: httpx.AsyncClient, **parameters: str) -> list[dict[str, Any]]:
    """All pages of the list of events."""
    found: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        page = (await http.get("/api/events", params={**parameters, **cursor, "limit": "1000"})).json()
        found += page["items"]
        if page["next"] is None:
            return found
        cursor = {"cursor": page["next"]}


async def export(http: httpx.AsyncClient, form: str, **parameters: str) -> bytes:
    """The export of the same."""
    return (await http.get(f"/api/export/events.{form}", params=parameters)).raise_for_status().content


@pytest.mark.usefixtures("filled")
async def test_the_columns_are_the_items(http: httpx.AsyncClient) -> None:
    """An export has all that the list has."""
    [item] = (await http.get("/api/events", params={"limit": 1})).json()["items"]
    assert set(COLUMNS["events"]) == set(item)


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"registry": "a.io", "action": "delete"},
        {"since": "20h", "until": "1h"},
        {"tag": NAMES[1]},
        {"repository": "team/app"},
    ],
)
@pytest.mark.usefixtures("filled")
async def test_ndjson_is_the_list(http: httpx.AsyncClient, parameters: dict[str, str]) -> None:
    """Item by item, over all pages, with the same filters."""
    lines = (await export(http, "ndjson", **parameters)).decode().split("\n")
    expected = await everything(http, **parameters)
    assert ([json.loads(line) for line in lines[:-1]], bool(expected)) == (expected, True)


@pytest.mark.usefixtures("filled")
async def test_csv_is_the_list(http: httpx.AsyncClient) -> None:
    """Row by row; texts that would be formulas have an apostrophe."""
    content = (await export(http, "csv")).decode()
    found = list(csv.DictReader(io.StringIO(content, newline=""), strict=True))
    expected = await everything(http)
    assert [row["id"] for row in found] == [item["id"] for item in expected]
    for name in ("registry", "digest", "occurred_at", "received_at"):
        assert [row[name] for row in found] == [item[name] or "" for item in expected]
    for name in ("repository", "tag", "client"):
        defused = ("=", "-", "'@")
        assert [row[name] for row in found] == [
            ("'" if (item[name] or "").startswith(defused) else "") + (item[name] or "") for item in expected
        ]
    assert [row["size"] for row in found] == ["" if item["size"] is None else str(item["size"]) for item in expected]


@pytest.mark.usefixtures("filled")
async def test_parquet_is_the_journal(http: httpx.AsyncClient, tmp_path: Path) -> None:
    """DuckDB finds every row, every text and every 100 ns."""
    file = tmp_path / "events.parquet"
    file.write_bytes(await export(http, "parquet"))
    texts = [name for name, column in COLUMNS["events"].items() if column in {"text", "json"}]
    with duckdb.connect() as database:
        found = database.execute(
            f"SELECT {','.join(texts)}, size, epoch_ns(occurred_at), epoch_ns(received_at), "  # noqa: S608
            "occurred_at_text, received_at_text FROM read_parquet($1)",
            [str(file)],
        ).fetchall()

    def nanoseconds(text: str | None) -> int | None:
        return (Instant.parse(text).ticks - EPOCH) * 100 if text else None

    def value(item: dict[str, Any], name: str) -> str | None:
        if COLUMNS["events"][name] == "json":
            return json.dumps(item[name], ensure_ascii=False, separators=(",", ":"))
        text: str | None = item[name]
        return text

    assert found == [
        (
            *(value(item, name) for name in texts),
            item["size"],
            nanoseconds(item["occurred_at"]),
            nanoseconds(item["received_at"]),
            item["occurred_at"],
            item["received_at"],
        )
        for item in await everything(http)
    ]


@pytest.mark.parametrize(
    ("form", "media_type"),
    [
        ("csv", "text/csv; charset=utf-8; header=present"),
        ("ndjson", "application/x-ndjson"),
        ("parquet", "application/vnd.apache.parquet"),
    ],
)
async def test_a_file_has_a_name(http: httpx.AsyncClient, form: str, media_type: str) -> None:
    """Which says what is in it; ages are worked out."""
    answer = await http.get(f"/api/export/events.{form}", params={"registry": "R.io:443", "since": "24h"})
    name = f"registrail-events-r.io-443-20260614T120000Z-20260615T120000Z.{form}"
    assert answer.headers["content-disposition"] == f'attachment; filename="{name}"'
    assert answer.headers["content-type"] == media_type


@pytest.mark.parametrize(
    ("path", "parameter"),
    [
        ("events.csv?since=never", "since"),
        ("events.parquet?until=x", "until"),
        ("events.xls", "form"),
    ],
)
async def test_what_is_wrong_is_said_before_the_file_begins(http: httpx.AsyncClient, path: str, parameter: str) -> None:
    """As a problem that names the parameter."""
    answer = await http.get(f"/api/export/{path}")
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
    assert answer.json()["parameter"] == parameter


@pytest.mark.parametrize("path", ["events", "nothing.csv", "events.csv/x"])
async def test_what_is_not_exported_is_404(http: httpx.AsyncClient, path: str) -> None:
    """And says so."""
    assert (await http.get(f"/api/export/{path}")).status_code == 404


class _Dead(SqliteStore):
    """A store that has gone away."""

    async def scan(self, *_arguments: Any, **_named: Any) -> Page:
        raise StorageUnavailableError("it has gone")


@pytest.mark.parametrize("form", ["csv", "ndjson", "parquet"])
async def test_trouble_with_the_store_is_no_empty_file(clock: Clock, form: str) -> None:
    """It is a 503."""
    dead = _Dead(":memory:")
    async with ask(exporting(use_cases(dead, Settings(), clock))) as http:
        answer = await http.get(f"/api/export/events.{form}")
    assert (answer.status_code, answer.json()["reason"]) == (503, "storage-unavailable")
    await dead.close()


@pytest.mark.parametrize("kind", ["pushes", "timeline"])
async def test_any_list_can_be_exported(app: UseCases, clock: Clock, kind: Kind) -> None:
    """A list that takes parameters of its own and pages has an export with the same parameters."""
    lists = APIRouter(prefix="/api")
    seen: list[str | None] = []

    @lists.get(f"/{kind}")
    async def listed(since: str | None = None, colour: str = "red", limit: int = 1, cursor: str = "") -> dict[str, Any]:
        seen.append(since)
        clock.advance(minutes=10)  # an age stays what it was, or the last pages would leave something out
        number = int(cursor or 0)
        items = [{"repository": colour, "digest": f"{number}-{limit}", "at": "2026-06-15T12:00:00.0000000Z"}]
        return {"items": items, "next": str(number + 1) if number < 2 else None}

    served = FastAPI()
    served.include_router(exports.router([lists], app.query.clock))
    async with ask(served) as http:
        answer = await http.get(f"/api/export/{kind}.ndjson", params={"colour": "blue", "since": "1h"})
    items = [json.loads(line) for line in answer.text.splitlines()]
    assert [(item["repository"], item["digest"]) for item in items] == [("blue", f"{n}-1000") for n in range(3)]
    assert seen == ["2026-06-15T11:00:00.0000000Z"] * 3
    paths = served.openapi()["paths"]
    assert {one["name"] for one in paths[f"/api/export/{kind}.{{form}}"]["get"]["parameters"]} == {
        "form",
        "since",
        "colour",
    }


async def test_the_platforms_adapter_gathers_it(app: UseCases, clock: Clock) -> None:
    """Azure Functions' AsgiMiddleware gives the whole file, but only when it is complete (docs/export.md)."""
    await fill(app, clock, 1500)
    served = exporting(app)
    request = func.HttpRequest("GET", "http://registrail.localhost/api/export/events.csv", body=b"")
    answer = await func.AsgiMiddleware(served).handle_async(request)
    async with ask(served) as http:
        assert (answer.status_code, answer.get_body()) == (200, await export(http, "csv"))
    assert answer.headers["content-disposition"].startswith("attachment")
