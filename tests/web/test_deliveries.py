import json
from collections.abc import AsyncIterator
from typing import Any, Final

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registrail.compose import UseCases, use_cases
from registrail.instants import Instant
from registrail.senders.sender import Request
from registrail.settings import Settings
from registrail.storage.sqlite import SqliteStore
from registrail.web.app import web_app
from tests.conftest import Clock

PUSH: Final = {
    "action": "push",
    "timestamp": "2026-06-15T11:59:00Z",
    "target": {"repository": "team/app", "tag": "v1", "digest": "sha256:1"},
    "request": {"host": "r.azurecr.io", "id": "1"},
}
BODY: Final = json.dumps(PUSH).encode()


def ask(app: UseCases) -> httpx.AsyncClient:
    """Ask the web app without a socket."""
    transport = httpx.ASGITransport(web_app(app.query, app.ingest, Settings(storage="sqlite:///:memory:")))
    return httpx.AsyncClient(transport=transport, base_url="http://registrail.localhost")


@pytest.fixture
async def http(app: UseCases) -> AsyncIterator[httpx.AsyncClient]:
    """Ask on a desk."""
    async with ask(app) as opened:
        yield opened


async def received(app: UseCases, body: bytes = BODY, sender: str = "acr") -> str:
    """Receive a request; its id in the log."""
    request = Request(body=body, headers={"x-functions-key": "secret", "user-agent": "AzureContainerRegistry"})
    receipt = await app.ingest.receive(sender, request, path=f"/hooks/{sender}")
    assert receipt.answer is not None
    return str(receipt.answer["delivery"])


async def ids(http: httpx.AsyncClient, **parameters: str | int) -> list[str]:
    """The ids of a list, over all its pages."""
    found: list[str] = []
    while True:
        answer = (await http.get("/api/deliveries", params=parameters)).raise_for_status().json()
        found += [item["id"] for item in answer["items"]]
        if answer["next"] is None:
            return found
        parameters["cursor"] = answer["next"]


async def test_filters(app: UseCases, clock: Clock, http: httpx.AsyncClient) -> None:
    """By sender, outcome and time of receipt, `since` inclusive and `until` exclusive; newest first."""
    good = await received(app)
    clock.advance(hours=1)
    bad = await received(app, b"{")
    clock.advance(days=2)
    ping = await received(app, b'{"action": "ping"}')
    grid = await received(app, b"[]", "eventgrid")
    assert set(await ids(http)) == {good, bad, ping, grid}
    assert (await ids(http))[2:] == [bad, good]
    assert await ids(http, outcome="rejected") == [bad]
    assert await ids(http, sender="eventgrid") == [grid]
    assert set(await ids(http, since="24h")) == {ping, grid}
    assert await ids(http, since="2026-06-15T13:00:00Z", until="2026-06-17") == [bad]
    assert await ids(http, until="2026-06-15T13:00:00Z") == [good]
    assert await ids(http, sender="nobody") == []


@settings(max_examples=20)
@given(st.lists(st.tuples(st.sampled_from(["acr", "harbor"]), st.integers(0, 200_000)), max_size=12), st.integers(1, 5))
async def test_pages_have_everything_once(arrivals: list[tuple[str, int]], limit: int) -> None:
    """Pages of any length follow each other without gaps, newest first over senders and days."""
    store, clock = SqliteStore(":memory:"), Clock(Instant.parse("2026-06-15T12:00:00Z"))
    app = use_cases(store, Settings(), clock)
    sent: list[str] = []
    for sender, seconds in arrivals:
        clock.advance(seconds=seconds + 1)
        sent.append(await received(app, sender=sender))
    async with ask(app) as http:
        assert await ids(http, limit=limit) == sent[::-1]
    await store.close()


async def test_one_delivery_is_shown_whole(app: UseCases, http: httpx.AsyncClient) -> None:
    """With its body as it was sent, and headers without credentials."""
    shown = (await http.get(f"/api/deliveries/{await received(app)}")).json()
    assert (shown["body"], shown["body_base64"], shown["body_bytes"]) == (BODY.decode(), None, len(BODY))
    assert shown["headers"] == {"x-functions-key": "(redacted)", "user-agent": "AzureContainerRegistry"}


async def test_a_body_that_is_no_text(app: UseCases, http: httpx.AsyncClient) -> None:
    """In base64, and byte for byte on its own."""
    delivery = await received(app, b"\xff\x00{")
    shown = (await http.get(f"/api/deliveries/{delivery}")).json()
    body = await http.get(f"/api/deliveries/{delivery}/body")
    assert (shown["body"], shown["body_base64"], body.content) == (None, "/wB7", b"\xff\x00{")
    assert body.headers["content-disposition"].startswith("attachment")


async def test_replay(app: UseCases, clock: Clock, http: httpx.AsyncClient) -> None:
    """It answers how it went this time."""
    delivery = await received(app)
    clock.advance(minutes=5)
    answer: dict[str, Any] = (await http.post(f"/api/deliveries/{delivery}/replay")).raise_for_status().json()
    assert (answer["outcome"], answer["accepted"]) == ("accepted", 1)
    assert answer["replayed_at"] == "2026-06-15T12:05:00.0000000Z"


@pytest.mark.parametrize(
    "delivery",
    [
        "acr",
        "acr~",
        "acr~2516068130002212219~16cd26939f51",
        "~~~",
        "acr~9999999999999999999~ab",
        "é~%00~x",
        "x" * 3000,
    ],
)
async def test_an_unknown_id_is_404(http: httpx.AsyncClient, delivery: str) -> None:
    """Whatever it looks like."""
    for path in ("", "/body"):
        answer = await http.get(httpx.URL(f"http://registrail.localhost/api/deliveries/{delivery}{path}"))
        assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
    assert (await http.post(f"/api/deliveries/{delivery}/replay")).status_code == 404


async def test_a_cut_body_cannot_be_replayed(app: UseCases, http: httpx.AsyncClient) -> None:
    """409 says why, and nothing happens."""
    delivery = await received(app, b"[" * 1_100_000)
    answer = await http.post(f"/api/deliveries/{delivery}/replay")
    assert (answer.status_code, "of the body's 1100000 bytes" in answer.json()["detail"]) == (409, True)


@pytest.mark.parametrize(("site", "status"), [("cross-site", 403), ("same-site", 403), ("same-origin", 200)])
async def test_another_sites_page_cannot_replay(app: UseCases, http: httpx.AsyncClient, site: str, status: int) -> None:
    """A browser says where a request comes from."""
    delivery = await received(app)
    answer = await http.post(f"/api/deliveries/{delivery}/replay", headers={"sec-fetch-site": site})
    assert answer.status_code == status
