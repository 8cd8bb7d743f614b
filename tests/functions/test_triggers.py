import json
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

import azure.functions as func
import httpx
import pytest
from fastapi import FastAPI

from registrail.compose import use_cases
from registrail.errors import StorageUnavailableError
from registrail.functions import grid, hooks, timers, web
from registrail.local.host import host
from registrail.settings import Settings
from registrail.storage.commit import GroupCommit
from registrail.storage.sqlite import SqliteStore
from registrail.storage.store import Operation, scan_all
from registrail.web.app import web_app
from tests.conftest import Clock

GRID: Final = "/runtime/webhooks/eventgrid?functionName=receive_event"
D: Final = "sha256:80f0d5c8786bb9e621a45ece0db56d11cdc624ad20da9fe62e9d25490f331d7d"
PUSH: Final = {
    "id": "1",
    "timestamp": "2026-06-15T11:58:00.1234567Z",
    "action": "push",
    "target": {"repository": "team/app", "tag": "v1", "digest": D, "size": 7},
    "request": {"id": "r1", "host": "r.azurecr.io", "method": "PUT", "useragent": "docker"},
}
SCHEDULES: Final = {"SUMMARIZE_SCHEDULE": "0 0 0 1 1 *", "EXPIRE_SCHEDULE": "0 0 0 1 1 *"}


class Switch(SqliteStore):
    """A store in memory that can be turned off."""

    def __init__(self) -> None:
        super().__init__(":memory:")
        self.off = False

    async def commit(self, table: str, partition: str, operations: Sequence[Operation]) -> Sequence[str | None]:
        if self.off:
            raise StorageUnavailableError("switched off")
        return await super().commit(table, partition, operations)


@pytest.fixture
def switch() -> Switch:
    """Keep everything in memory."""
    return Switch()


@pytest.fixture
async def http(switch: Switch, clock: Clock) -> AsyncIterator[httpx.AsyncClient]:
    """Put the functions on the store as function_app.py does, and ask them through the local host."""
    settings = Settings(storage="sqlite:///:memory:", max_body_bytes=2_000)
    known = use_cases(switch, settings, clock)

    def pages() -> FastAPI:
        return web_app(known.query, known.ingest, settings)

    app = func.FunctionApp()
    app.register_functions(hooks.blueprint(known.ingest))
    app.register_functions(grid.blueprint(known.ingest))
    app.register_functions(timers.blueprint(lambda: known.summarize, lambda: known.expire))
    app.register_functions(web.blueprint(pages))
    transport = httpx.ASGITransport(host(app, route_prefix="", settings=SCHEDULES))
    async with httpx.AsyncClient(transport=transport, base_url="http://registrail.localhost") as client:
        yield client
    await switch.close()


async def events(http: httpx.AsyncClient) -> list[dict[str, Any]]:
    """What the API lists."""
    items: list[dict[str, Any]] = (await http.get("/api/events")).json()["items"]
    return items


async def deliveries(http: httpx.AsyncClient) -> list[dict[str, Any]]:
    """What the delivery log lists."""
    items: list[dict[str, Any]] = (await http.get("/api/deliveries")).json()["items"]
    return items


def grid_event(data: object = PUSH, kind: str = "Microsoft.ContainerRegistry.ImagePushed") -> dict[str, Any]:
    """Wrap an event in Event Grid's schema."""
    return {
        "id": "outer",
        "topic": "/subscriptions/s/registries/demo",
        "subject": "team/app:v1",
        "eventType": kind,
        "eventTime": "2026-06-15T11:58:01Z",
        "data": data,
        "dataVersion": "2.0",
        "metadataVersion": "1",
    }


def cloud_event(data: object = PUSH, kind: str = "Microsoft.ContainerRegistry.ImagePushed") -> dict[str, Any]:
    """Wrap an event in CloudEvents."""
    return {
        "specversion": "1.0",
        "id": "outer",
        "source": "/subscriptions/s/registries/demo",
        "subject": "team/app:v1",
        "type": kind,
        "time": "2026-06-15T11:58:01Z",
        "data": data,
    }


# Hooks


async def test_a_webhook_is_recorded(http: httpx.AsyncClient) -> None:
    """What a registry posts is answered with counts and an id, and the API has it."""
    answer = await http.post("/hooks/acr?registry=Mine.io&region=West%20Europe&code=hunter2", json=PUSH)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    [event] = await events(http)
    assert answer.json() == {"delivery": event["deliveries"]["acr"], "accepted": 1, "ignored": 0}
    assert (event["registry"], event["repository"], event["tag"], event["digest"], event["client"]) == (
        "mine.io",
        "team/app",
        "v1",
        D,
        "docker",
    )
    assert (event["occurred_at"], event["received_at"], list(event["regions"])) == (
        "2026-06-15T11:58:00.1234567Z",
        "2026-06-15T12:00:00.0000000Z",
        ["westeurope"],
    )
    [delivery] = await deliveries(http)
    assert (delivery["path"], delivery["status"], delivery["outcome"]) == ("/hooks/acr", 200, "accepted")


@pytest.mark.parametrize("sender", ["acr", "eventgrid", "harbor"])
async def test_an_unreadable_webhook_is_a_problem(http: httpx.AsyncClient, sender: str) -> None:
    """It is 400 with a description that names the reason and the delivery."""
    answer = await http.post(f"/hooks/{sender}", content=b"\xff")
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
    [delivery] = await deliveries(http)
    assert answer.json() == {
        "type": "about:blank",
        "title": "The body cannot be read",
        "status": 400,
        "detail": "the body is not UTF-8: byte 0 cannot be read",
        "reason": "not-utf-8",
        "delivery": delivery["id"],
    }


@pytest.mark.parametrize("sender", ["nobody", "ACR", "acr%2Fx", "%3Cscript%3E"])
async def test_an_unknown_sender_is_404(http: httpx.AsyncClient, sender: str) -> None:
    """With a description that names those that there are, and nothing is kept."""
    answer = await http.post(f"/hooks/{sender}", json=PUSH)
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
    assert answer.json()["title"] == "Unknown sender"
    assert "known are acr, distribution, eventgrid" in answer.json()["detail"]
    assert await deliveries(http) == []


async def test_a_webhook_that_is_too_large(http: httpx.AsyncClient) -> None:
    """It is 413, and the log knows of it."""
    answer = await http.post("/hooks/acr", content=b"x" * 2_001)
    assert (answer.status_code, answer.json()["reason"]) == (413, "too-large")
    [delivery] = await deliveries(http)
    assert (delivery["body_bytes"], delivery["outcome"]) == (2_001, "rejected")


async def test_storage_trouble_is_503(http: httpx.AsyncClient, switch: Switch) -> None:
    """With the time after which to come back; and coming back helps."""
    switch.off = True
    answer = await http.post("/hooks/acr", json=PUSH)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")
    assert answer.json()["reason"] == "storage-unavailable"
    switch.off = False
    assert (await http.post("/hooks/acr", json=PUSH)).status_code == 200


async def test_the_handshakes_of_a_webhook(http: httpx.AsyncClient) -> None:
    """Event Grid may post to the hook instead of the trigger; its validation is answered exactly."""
    validation = {"eventType": "Microsoft.EventGrid.SubscriptionValidationEvent", "data": {"validationCode": "c0de"}}
    answer = await http.post(
        "/hooks/eventgrid", json=[validation], headers={"aeg-event-type": "SubscriptionValidation"}
    )
    assert (answer.status_code, answer.json()) == (200, {"validationResponse": "c0de"})
    answer = await http.options("/hooks/eventgrid", headers={"WebHook-Request-Origin": "eventgrid.azure.net"})
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["WebHook-Allowed-Origin"] == "eventgrid.azure.net"
    assert answer.headers["WebHook-Allowed-Rate"] == "*"
    assert "POST" in answer.headers["Allow"]
    assert (await events(http), await deliveries(http)) == ([], [])


async def test_hooks_are_not_shadowed(http: httpx.AsyncClient) -> None:
    """The catch-all of the pages takes what the hook does not: a GET finds nothing there."""
    answer = await http.get("/hooks/acr")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


# Event Grid


@pytest.mark.parametrize("wrap", [grid_event, cloud_event])
async def test_event_grid_is_recorded(http: httpx.AsyncClient, wrap: Any) -> None:
    """In both schemas; the same event by webhook is the same event."""
    answer = await http.post(GRID, json=[wrap()], headers={"aeg-event-type": "Notification"})
    assert answer.status_code == 202
    assert (await http.post("/hooks/acr", json=PUSH)).status_code == 200
    [event] = await events(http)
    assert (event["registry"], event["senders"]) == ("r.azurecr.io", ["acr", "eventgrid"])


@pytest.mark.parametrize("path", [GRID, "/hooks/eventgrid"])
async def test_the_largest_batch(clock: Clock, path: str) -> None:
    """Event Grid sends up to 5,000 events in 1 MB; the queue of the group commit holds them and what they bring."""
    store = SqliteStore(":memory:")
    known = use_cases(GroupCommit(store), Settings(storage="sqlite:///:memory:"), clock)
    app = func.FunctionApp()
    app.register_functions(hooks.blueprint(known.ingest))
    app.register_functions(grid.blueprint(known.ingest))
    targets = ({"repository": "a", "digest": f"sha256:{number}"} for number in range(5000))
    batch = [
        {"eventType": "ImagePushed", "id": "", "data": {"timestamp": PUSH["timestamp"], "target": target}}
        for target in targets
    ]
    body = json.dumps(batch, separators=(",", ":")).encode()
    assert len(body) < 1_048_576
    transport = httpx.ASGITransport(host(app, route_prefix=""))
    async with httpx.AsyncClient(transport=transport, base_url="http://registrail.localhost") as client:
        answer = await client.post(path, content=body, headers={"aeg-event-type": "Notification"})
    assert answer.status_code in {200, 202}
    stored = await scan_all(store, "events", "unknown~2026-06-15")
    assert len({entity.row for entity in stored}) == 5000


@pytest.mark.parametrize("wrap", [grid_event, cloud_event])
async def test_charts_take_their_registry_from_the_topic(http: httpx.AsyncClient, wrap: Any) -> None:
    """Topic and source survive the trigger."""
    data = {name: value for name, value in PUSH.items() if name != "request"}
    await http.post(GRID, json=[wrap(data)], headers={"aeg-event-type": "Notification"})
    assert [event["registry"] for event in await events(http)] == ["demo"]


async def test_the_handshake_of_the_trigger(http: httpx.AsyncClient) -> None:
    """The host answers it, and the function hears nothing."""
    answer = await http.post(
        GRID,
        json=[{"eventType": "Microsoft.EventGrid.SubscriptionValidationEvent", "data": {"validationCode": "c0de"}}],
        headers={"aeg-event-type": "SubscriptionValidation"},
    )
    assert (answer.status_code, answer.json()) == (200, {"validationResponse": "c0de"})
    assert await deliveries(http) == []


async def test_a_foreign_event_is_ignored(http: httpx.AsyncClient) -> None:
    """It is acknowledged, so that it does not come again."""
    events_ = [grid_event({"url": "x"}, "Microsoft.Storage.BlobCreated")]
    answer = await http.post(GRID, json=events_, headers={"aeg-event-type": "Notification"})
    assert answer.status_code == 202
    assert [delivery["outcome"] for delivery in await deliveries(http)] == ["ignored"]


async def test_an_unreadable_event_is_kept_and_acknowledged(http: httpx.AsyncClient) -> None:
    """Sending it again would not help; the log has it as rejected, with the path of the function."""
    answer = await http.post(GRID, json=[grid_event({"action": 7})], headers={"aeg-event-type": "Notification"})
    assert answer.status_code == 202
    [delivery] = await deliveries(http)
    assert (delivery["outcome"], delivery["path"], delivery["reason"]) == ("rejected", "receive_event", "not-an-event")


async def test_event_grid_hears_of_storage_trouble(http: httpx.AsyncClient, switch: Switch) -> None:
    """The function fails, so that Event Grid sends the event again."""
    switch.off = True
    answer = await http.post(GRID, json=[grid_event()], headers={"aeg-event-type": "Notification"})
    assert answer.status_code == 500
    switch.off = False
    answer = await http.post(GRID, json=[grid_event()], headers={"aeg-event-type": "Notification"})
    assert (answer.status_code, len(await events(http))) == (202, 1)


# Timers


async def test_the_timer_folds(http: httpx.AsyncClient, switch: Switch, clock: Clock) -> None:
    """After it ran nothing awaits a fold, and the counts are in the table."""
    await http.post("/hooks/acr", json=PUSH)
    assert (await http.get("/api/health")).json()["registries"][0]["backlog"] == 1
    clock.advance(seconds=10)
    answer = await http.post("/admin/functions/summarize_activity", json={})
    assert answer.status_code == 202
    assert (await http.get("/api/health")).json()["registries"][0]["backlog"] == 0
    row = await switch.get("activity", "r.azurecr.io", "hour~team|app~2026-06-15T11")
    assert row is not None
    assert row.properties["pushes"] == 1


async def test_the_timer_deletes_what_is_too_old(http: httpx.AsyncClient, clock: Clock) -> None:
    """Deliveries go after a month, events stay."""
    await http.post("/hooks/acr", json=PUSH)
    clock.advance(days=32)
    assert (await http.post("/admin/functions/expire_history", json={})).status_code == 202
    assert (len(await events(http)), await deliveries(http)) == (1, [])


# The web


async def test_activity(http: httpx.AsyncClient) -> None:
    """What was acknowledged is counted, though no timer ran."""
    await http.post("/hooks/acr", json=PUSH)
    [period] = (await http.get("/api/activity?grain=day")).json()["items"]
    assert (period["period"], period["events"], period["pushes"]) == ("2026-06-15", 1, 1)


async def test_the_page(http: httpx.AsyncClient) -> None:
    """It is HTML with the event in it, and its style sheet is there."""
    await http.post("/hooks/acr", json=PUSH)
    answer = await http.get("/")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "team/app" in answer.text
    assert (await http.get("/static/registrail.css")).headers["content-type"].startswith("text/css")


@pytest.mark.parametrize("path", ["/", "/api/events", "/api/activity", "/api/deliveries", "/api/health"])
async def test_head(http: httpx.AsyncClient, path: str) -> None:
    """Monitors ask for the head alone, and get that of the answer; an empty store's first page leads to another."""
    head, get = await http.head(path), await http.get(path)
    assert (head.status_code, head.headers["content-type"]) == (get.status_code, get.headers["content-type"])
    assert get.status_code == (303 if path == "/" else 200)


async def test_health(http: httpx.AsyncClient) -> None:
    """An empty store is healthy."""
    assert (await http.get("/api/health")).json() == {"status": "ok", "registries": []}


async def test_what_is_not_there(http: httpx.AsyncClient) -> None:
    """It is a problem description, not the platform's own page."""
    answer = await http.get("/api/nothing")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
    assert json.loads(answer.content)["title"] == "Not Found"
