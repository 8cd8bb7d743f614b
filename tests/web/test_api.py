import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

import httpx
import pytest

from registrail.compose import UseCases, use_cases
from registrail.errors import StorageUnavailableError
from registrail.senders.sender import Request
from registrail.settings import Settings
from registrail.storage.sqlite import SqliteStore
from registrail.storage.store import Page
from registrail.web.app import SECURITY_HEADERS, web_app
from tests.conftest import Clock

DESK: Final = Settings(storage="sqlite:///:memory:")
AZURE: Final = Settings(table_service_uri="https://a.table.core.windows.net", on_azure=True)
SIGN_IN: Final = Settings(table_service_uri="https://a.table.core.windows.net", on_azure=True, behind_sign_in=True)
SIGNED_IN: Final = {"x-ms-client-principal-id": "6f9a"}
READ: Final = ["/deliveries", "/set-up", "/api/events", "/api/activity", "/api/deliveries", "/api/openapi.json"]


@asynccontextmanager
async def client(app: UseCases, settings: Settings = DESK) -> AsyncIterator[httpx.AsyncClient]:
    """Ask the web app without a socket."""
    transport = httpx.ASGITransport(web_app(app.query, app.ingest, settings))
    async with httpx.AsyncClient(transport=transport, base_url="http://registrail.localhost") as http:
        yield http


@pytest.fixture
async def http(app: UseCases) -> AsyncIterator[httpx.AsyncClient]:
    """Ask on a desk."""
    async with client(app) as opened:
        yield opened


async def record(app: UseCases, number: int = 0, **changed: Any) -> None:
    """Receive a webhook."""
    event = {
        "id": f"{number}",
        "timestamp": f"2026-06-15T11:{number:02}:00Z",
        "action": "push",
        "target": {"repository": "team/app", "tag": f"v{number}", "digest": f"sha256:{number}"},
        "request": {"id": f"r{number}", "host": "r.azurecr.io"},
        "actor": {"name": "ci"},
    } | changed
    await app.ingest.receive("acr", Request(body=json.dumps(event).encode()), path="/hooks/acr")


async def items(http: httpx.AsyncClient, path: str, **parameters: str | int) -> list[dict[str, Any]]:
    """The items of a list."""
    answer = await http.get(path, params=parameters)
    assert answer.status_code == 200
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


# Lists


async def test_an_event_has_every_field(app: UseCases, http: httpx.AsyncClient) -> None:
    """What is not known is null, so that readers need not guess names."""
    await record(app)
    [event] = await items(http, "/api/events")
    known = {name: value for name, value in event.items() if value is not None}
    assert {name for name in event if name not in known} == {
        *("method", "address", "client", "media_type", "size", "url", "source"),
        *("chart_name", "chart_version", "connected_registry", "region"),
    }
    assert known == {
        "id": event["id"],
        "action": "push",
        "registry": "r.azurecr.io",
        "repository": "team/app",
        "tag": "v0",
        "digest": "sha256:0",
        "occurred_at": "2026-06-15T11:00:00.0000000Z",
        "received_at": "2026-06-15T12:00:00.0000000Z",
        "event_id": "0",
        "request_id": "r0",
        "actor": "ci",
        "senders": ["acr"],
        "seen": {"acr": "2026-06-15T12:00:00.0000000Z"},
        "regions": {},
        "deliveries": event["deliveries"],
    }


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({}, ["v2", "v1", "v0"]),
        ({"tag": "v1"}, ["v1"]),
        ({"registry": "R.AzureCR.io"}, ["v2", "v1", "v0"]),
        ({"registry": "other.io"}, []),
        ({"repository": "team/app", "action": "push", "actor": "ci", "digest": "sha256:2"}, ["v2"]),
        ({"action": "delete"}, []),
        ({"client": "docker"}, []),
        ({"repository": "team/*"}, ["v2", "v1", "v0"]),
        ({"repository": "teams/*"}, []),
        ({"since": "2026-06-15T11:01:00Z"}, ["v2", "v1"]),
        ({"until": "2026-06-15T11:01:00Z"}, ["v0"]),
        ({"since": "2026-06-15T13:01:00+02:00"}, ["v2", "v1"]),
        ({"since": "2026-06-15"}, ["v2", "v1", "v0"]),
        ({"until": "2026-06-15"}, []),
        ({"since": "59m"}, ["v2", "v1"]),
        ({"since": "1d", "until": "59m"}, ["v0"]),
        ({"since": "999999w"}, ["v2", "v1", "v0"]),
        ({"limit": "1"}, ["v2"]),
        (dict.fromkeys(("registry", "repository", "tag", "since", "until", "cursor"), ""), ["v2", "v1", "v0"]),
    ],
)
async def test_parameters_of_events(
    app: UseCases, http: httpx.AsyncClient, parameters: dict[str, str], expected: list[str]
) -> None:
    """Filters, times and ages; an empty parameter is one that is not given."""
    for number in range(3):
        await record(app, number)
    assert [event["tag"] for event in await items(http, "/api/events", **parameters)] == expected


async def test_a_push_has_every_field(app: UseCases, http: httpx.AsyncClient) -> None:
    """A platform, its index with two tags, and a signature are one push, which names all of them."""
    at = [f"2026-06-15T11:00:0{second}.0000000Z" for second in range(4)]
    digests = [f"sha256:{number:064x}" for number in range(3)]
    index = "application/vnd.oci.image.index.v1+json"
    signature = f"sha256-{1:064x}.sig"
    targets: list[dict[str, Any]] = [
        {"digest": digests[0], "size": 7, "mediaType": "application/vnd.oci.image.manifest.v1+json"},
        {"digest": digests[1], "tag": "v1", "mediaType": index},
        {"digest": digests[1], "tag": "latest", "mediaType": index},
        {"digest": digests[2], "tag": signature},
    ]
    for number, target in enumerate(targets):
        await record(app, number, timestamp=at[number], target={"repository": "team/app", **target})
    [push] = await items(http, "/api/pushes")
    assert push == {
        "id": push["id"],
        "registry": "r.azurecr.io",
        "repository": "team/app",
        "at": at[1],
        "began_at": at[0],
        "ended_at": at[3],
        "digest": digests[1],
        "tags": ["latest", "v1"],
        "media_type": index,
        "actor": "ci",
        "client": None,
        "events": 4,
        "parts": [
            {
                "digest": digests[0],
                "media_type": "application/vnd.oci.image.manifest.v1+json",
                "size": 7,
                "at": at[0],
            }
        ],
        "referrers": [{"kind": "signature", "tag": signature, "digest": digests[2], "at": at[3]}],
        "layers": 0,
        "regions": {},
    }
    assert push["id"] in [event["id"] for event in await items(http, "/api/events", tag="v1")]


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({}, ["v2", "v1", "v0"]),
        ({"registry": "R.AzureCR.io", "repository": "team/*", "actor": "ci", "tag": "v1"}, ["v1"]),
        ({"digest": "sha256:2"}, ["v2"]),
        ({"client": "docker"}, []),
        ({"since": "59m"}, ["v2", "v1"]),
        ({"since": "1d", "until": "59m"}, ["v0"]),
        ({"limit": "1"}, ["v2"]),
    ],
)
async def test_parameters_of_pushes(
    app: UseCases, http: httpx.AsyncClient, parameters: dict[str, str], expected: list[str]
) -> None:
    """Filters, times and ages; each of these was pushed a minute after the other."""
    for number in range(3):
        await record(app, number)
    assert [push["tags"] for push in await items(http, "/api/pushes", **parameters)] == [[tag] for tag in expected]


async def test_replicas(app: UseCases, http: httpx.AsyncClient) -> None:
    """What was pushed, when each region knew of it, and which regions never said so."""
    body = {"id": "1", "timestamp": "2026-06-15T11:59:00Z", "action": "push"}
    for number, region in enumerate(["westeurope", "eastus", "westeurope"]):
        target = {"repository": "app", "tag": f"v{number // 2}", "digest": f"sha256:{number // 2}"}
        event = body | {"target": target, "request": {"host": "r.azurecr.io"}}
        request = Request(body=json.dumps(event).encode(), query={"region": region})
        await app.ingest.receive("acr", request, path="/hooks/acr")
    found = {one["tag"]: one for one in await items(http, "/api/replicas")}
    known = {"at": "2026-06-15T12:00:00.0000000Z", "lag_seconds": 60.0}
    assert found["v0"] == {
        "event": found["v0"]["event"],
        "registry": "r.azurecr.io",
        "repository": "app",
        "tag": "v0",
        "digest": "sha256:0",
        "at": "2026-06-15T11:59:00.0000000Z",
        "regions": {"eastus": known, "westeurope": known},
        "missing": [],
    }
    assert (found["v1"]["regions"], found["v1"]["missing"]) == ({"westeurope": known}, ["eastus"])


async def test_registries(app: UseCases, http: httpx.AsyncClient) -> None:
    """By name, with what was last heard of each and what awaits a fold."""
    await record(app, 1)
    await record(app, 0, request={"id": "r", "host": "a.azurecr.io"})
    assert await items(http, "/api/registries") == [
        {
            "registry": name,
            "last_event_at": f"2026-06-15T11:0{minute}:00.0000000Z",
            "last_received_at": "2026-06-15T12:00:00.0000000Z",
            "backlog": 1,
        }
        for name, minute in (("a.azurecr.io", 0), ("r.azurecr.io", 1))
    ]


async def test_a_plus_that_was_not_encoded(app: UseCases, http: httpx.AsyncClient) -> None:
    """In an address it means a space, and people forget."""
    await record(app, 0)
    await record(app, 1)
    answer = await http.get("/api/events?since=2026-06-15T13:01:00+02:00")
    assert [event["tag"] for event in answer.json()["items"]] == ["v1"]


async def test_paging(app: UseCases, http: httpx.AsyncClient) -> None:
    """`next` of one page is `cursor` of the following one, and null at the end."""
    for number in range(5):
        await record(app, number)
    found: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = (await http.get("/api/events", params={"limit": 2, "cursor": cursor})).json()
        found += [event["tag"] for event in page["items"]]
        cursor = page["next"]
    assert found == ["v4", "v3", "v2", "v1", "v0"]


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({}, [("2026-06-15T11", None, 3)]),
        ({"grain": "day"}, [("2026-06-15", None, 3)]),
        ({"grain": "slot", "since": "59m"}, [("2026-06-15T11:01", None, 1), ("2026-06-15T11:02", None, 1)]),
        ({"repository": "team/app"}, [("2026-06-15T11", "team/app", 3)]),
        ({"repository": "team/*"}, [("2026-06-15T11", "team/*", 3)]),
        ({"repository": "other/*"}, []),
        ({"grain": "week"}, [("2026-06-15", None, 3)]),
        ({"by": "repository"}, [("2026-06-15T11", "team/app", 3)]),
        ({"registry": "R.azurecr.io", "until": "1h"}, []),
    ],
)
async def test_parameters_of_activity(
    app: UseCases, http: httpx.AsyncClient, parameters: dict[str, str], expected: list[Any]
) -> None:
    """Grain, registry, repository and times."""
    for number in range(3):
        await record(app, number)
    found = await items(http, "/api/activity", **parameters)
    assert [(one["period"], one["repository"], one["events"]) for one in found] == expected


async def test_counts_have_every_metric(app: UseCases, http: httpx.AsyncClient) -> None:
    """Also those that are zero."""
    await record(app)
    assert await items(http, "/api/activity") == [
        {
            "registry": "r.azurecr.io",
            "repository": None,
            "actor": None,
            "client": None,
            "grain": "hour",
            "period": "2026-06-15T11",
            "events": 1,
            "pushes": 1,
            "deletes": 0,
            "quarantines": 0,
            "chart_pushes": 0,
            "chart_deletes": 0,
            "pulls": 0,
            "others": 0,
            "tags_created": 1,
            "tags_moved": 0,
            "tags_removed": 0,
            "images_first_seen": 1,
            "repositories_first_seen": 1,
        }
    ]


async def test_deliveries(app: UseCases, http: httpx.AsyncClient, clock: Clock) -> None:
    """What came, newest first, with what became of it and how large it was."""
    await record(app)
    clock.advance(seconds=1)
    await app.ingest.receive("acr", Request(body=b"oops"), path="/hooks/acr")
    found = [(one["outcome"], one["status"], one["reason"]) for one in await items(http, "/api/deliveries")]
    assert found == [("rejected", 400, "not-json"), ("accepted", 200, None)]
    assert [one["body_bytes"] for one in await items(http, "/api/deliveries", limit=1)] == [4]


async def test_health(app: UseCases, http: httpx.AsyncClient) -> None:
    """Each registry's newest event, and what awaits a fold."""
    await record(app)
    assert (await http.get("/api/health")).json() == {
        "status": "ok",
        "registries": [
            {
                "registry": "r.azurecr.io",
                "last_event_at": "2026-06-15T11:00:00.0000000Z",
                "last_received_at": "2026-06-15T12:00:00.0000000Z",
                "backlog": 1,
            }
        ],
    }


# Mistakes


@pytest.mark.parametrize(
    ("path", "parameter", "value"),
    [
        ("/api/events", "limit", "0"),
        ("/api/events", "limit", "1001"),
        ("/api/events", "limit", "-1"),
        ("/api/events", "limit", "many"),
        ("/api/events", "limit", "9" * 5000),
        ("/api/events", "since", "nonsense"),
        ("/api/events", "since", "2026-02-30"),
        ("/api/events", "since", "yesterday!"),
        ("/api/events", "until", "24 h"),
        ("/api/events", "until", "0000-01-01"),
        ("/api/events", "cursor", "x"),
        ("/api/events", "cursor", "W1tbW1tbW1tbW1tb" * 1000),
        ("/api/activity", "grain", "year"),
        ("/api/activity", "since", "\x00"),
        ("/api/activity", "until", "1y"),
        ("/api/pushes", "limit", "0"),
        ("/api/pushes", "cursor", "x"),
        ("/api/pushes", "since", "nonsense"),
        ("/api/replicas", "until", "nonsense"),
        ("/api/replicas", "cursor", "x"),
        ("/api/deliveries", "limit", "0"),
        ("/api/deliveries", "cursor", "x"),
        ("/api/deliveries", "outcome", "lost"),
    ],
)
async def test_a_mistake_is_named(http: httpx.AsyncClient, path: str, parameter: str, value: str) -> None:
    """It is a problem description that names the parameter."""
    answer = await http.get(path, params={parameter: value})
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
    problem = answer.json()
    assert (problem["status"], problem["title"], problem["parameter"]) == (400, "Bad Request", parameter)
    assert problem["detail"].startswith(f"{parameter}: ")


@pytest.mark.parametrize("name", ["registry", "repository", "tag", "digest", "action", "actor"])
@pytest.mark.parametrize("value", ["\x00", "%", "'; drop", "../..", "é\U0001f433", "x" * 3000, "%ED%A0%80"])
async def test_any_text_can_be_asked_for(http: httpx.AsyncClient, name: str, value: str) -> None:
    """What is not there is an empty list."""
    assert await items(http, "/api/events", **{name: value}) == []
    if name in {"registry", "repository"}:
        assert await items(http, "/api/activity", **{name: value}) == []


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/nothing", 404), ("GET", "/api", 404), ("POST", "/api/events", 405), ("GET", "/static/../app.py", 404)],
)
async def test_what_is_not_there(http: httpx.AsyncClient, method: str, path: str, status: int) -> None:
    """It is a problem description too."""
    answer = await http.request(method, path)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert answer.json()["status"] == status


async def test_a_method_that_is_not_allowed(http: httpx.AsyncClient) -> None:
    """The answer says which ones are."""
    assert (await http.post("/api/health")).headers["allow"] in {"GET", "HEAD", "GET, HEAD"}


class Unreadable(SqliteStore):
    """A store that cannot be read."""

    async def scan(self, table: str, partition: str, **options: Any) -> Page:
        raise StorageUnavailableError(f"{table}/{partition} with {len(options)} options is not to be read")


@pytest.mark.parametrize("path", ["/api/events", "/api/activity", "/api/deliveries", "/api/health"])
async def test_storage_trouble_is_503(path: str, clock: Clock) -> None:
    """With the reason, and the time after which to try again."""
    async with client(use_cases(Unreadable(":memory:"), DESK, clock)) as http:
        answer = await http.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")
    assert (answer.json()["reason"], answer.headers["retry-after"]) == ("storage-unavailable", "10")


# Who may read


@pytest.mark.parametrize("path", [*READ, "/nothing", "/api/health/"])
@pytest.mark.parametrize(
    ("settings", "headers"), [(AZURE, {}), (AZURE, SIGNED_IN), (SIGN_IN, {})], ids=["open", "forged", "anonymous"]
)
async def test_on_azure_strangers_see_nothing(
    app: UseCases, path: str, settings: Settings, headers: dict[str, str]
) -> None:
    """Without sign-in everything is 403 with what to set, also if somebody forges the platform's header."""
    await record(app)
    async with client(app, settings) as http:
        answer = await http.get(path, headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (403, "application/problem+json")
    assert "Turn on App Service authentication" in answer.json()["detail"]
    assert "azurecr" not in answer.text


@pytest.mark.parametrize("settings", [AZURE, SIGN_IN])
async def test_health_names_no_registry_to_strangers(app: UseCases, settings: Settings) -> None:
    """A monitor may ask whether the app is well, and learns nothing else."""
    await record(app)
    async with client(app, settings) as http:
        answer = await http.get("/api/health")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok", "registries": []})


@pytest.mark.parametrize("path", READ)
async def test_who_is_signed_in_sees_everything(app: UseCases, path: str) -> None:
    """The platform's header counts where the platform signs people in."""
    async with client(app, SIGN_IN) as http:
        assert (await http.get(path, headers=SIGNED_IN)).status_code == 200
        assert (await http.get("/api/health", headers=SIGNED_IN)).status_code == 200


@pytest.mark.parametrize("path", [*READ, "/api/health", "/nothing", "/api/events?limit=0"])
@pytest.mark.parametrize("settings", [DESK, AZURE])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
async def test_every_answer_has_the_security_headers(app: UseCases, path: str, settings: Settings, method: str) -> None:
    """Whatever is answered: no inline script, no framing, no guessing of types."""
    async with client(app, settings) as http:
        answer = await http.request(method, path)
    assert {name: answer.headers.get(name) for name in SECURITY_HEADERS} == SECURITY_HEADERS
    assert "unsafe" not in answer.headers["content-security-policy"]


@pytest.mark.parametrize("path", ["/set-up", "/api/events", "/api/activity", "/api/deliveries", "/api/health"])
async def test_head_is_get_without_a_body(http: httpx.AsyncClient, path: str) -> None:
    """Same status and same kind of content."""
    head, get = await http.head(path), await http.get(path)
    assert (head.status_code, head.headers["content-type"]) == (get.status_code, get.headers["content-type"])


async def test_the_description_has_every_route(http: httpx.AsyncClient) -> None:
    """OpenAPI lists what there is, each operation once, and no page."""
    paths = (await http.get("/api/openapi.json")).json()["paths"]
    assert {"/api/events", "/api/activity", "/api/deliveries", "/api/health"} <= paths.keys()
    operations: list[Callable[..., Any] | str] = [
        one["operationId"] for path in paths.values() for one in path.values()
    ]
    assert len(operations) == len(set(operations))
    assert "/" not in paths
