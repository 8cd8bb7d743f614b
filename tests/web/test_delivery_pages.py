import json
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from html import unescape
from typing import Any, Final

import httpx
import pytest

from registrail.compose import UseCases, use_cases
from registrail.query import DeliveryFilter
from registrail.senders.sender import Request
from registrail.settings import Settings
from registrail.storage.sqlite import SqliteStore
from registrail.web.app import web_app
from registrail.web.delivery_pages import REQUESTS, ROWS
from tests.broken import Broken
from tests.conftest import Clock
from tests.counting import Counting

PUSH: Final = {
    "action": "push",
    "timestamp": "2026-06-15T11:59:00Z",
    "target": {"repository": "team/app", "tag": "v1", "digest": "sha256:0123456789abcdef"},
    "request": {"host": "r.azurecr.io", "id": "1"},
}


@pytest.fixture
async def http(app: UseCases) -> AsyncIterator[httpx.AsyncClient]:
    """Ask on a desk."""
    transport = httpx.ASGITransport(web_app(app.query, app.ingest, Settings(storage="sqlite:///:memory:")))
    async with httpx.AsyncClient(transport=transport, base_url="http://registrail.localhost") as opened:
        yield opened


async def received(app: UseCases, said: Any = PUSH, sender: str = "acr", **query: str) -> str:
    """Receive a request; its id in the log."""
    body = said if isinstance(said, bytes) else json.dumps(said).encode()
    headers = {"x-functions-key": "secret", "user-agent": "AzureContainerRegistry"}
    receipt = await app.ingest.receive(
        sender, Request(body=body, headers=headers, query=query), path=f"/hooks/{sender}"
    )
    assert receipt.answer is not None
    return str(receipt.answer["delivery"])


async def page(
    http: httpx.AsyncClient, path: str, status: int = 200, given: dict[str, str] | None = None, **parameters: str
) -> str:
    """The HTML of a page."""
    answer = await http.get(path, params=given or parameters or None, headers={"accept": "text/html"})
    assert (answer.status_code, answer.headers["content-type"]) == (status, "text/html; charset=utf-8")
    return answer.text


def text_of(html: str) -> str:
    """What people read, with single spaces."""
    return " ".join(unescape(re.sub("<[^>]*>", " ", html)).split())


def ids(html: str) -> list[str]:
    """The deliveries that a list leads to."""
    return [unescape(found) for found in re.findall(r'href="/delivery\?id=([^"]+)"', html)]


# The list


async def test_the_list_tells_what_came(app: UseCases, http: httpx.AsyncClient) -> None:
    """Newest first: when, from whom, what became of it, and what it said or what was wrong."""
    good = await received(app)
    bad = await received(app, b"{")
    ping = await received(app, {"action": "ping"})
    html = await page(http, "/deliveries")
    assert set(ids(html)) == {good, bad, ping}
    for told in ("accepted push team/app : v1", "rejected the body is not JSON", "ignored ping"):
        assert told in text_of(html)


async def test_more_events_than_one(app: UseCases, http: httpx.AsyncClient) -> None:
    """The first one, and how many more."""
    await received(app, {"events": [PUSH, PUSH | {"action": "delete"}]}, "distribution")
    assert "push team/app : v1 and 1 more" in text_of(await page(http, "/deliveries"))


async def test_filters_are_the_address(app: UseCases, clock: Clock, http: httpx.AsyncClient) -> None:
    """By sender, outcome and time, all of which the page shows as they were given."""
    good = await received(app)
    bad = await received(app, b"{")
    clock.advance(days=2)
    grid = await received(app, b"[]", "eventgrid")
    for parameters, expected in (
        ({}, {good, bad, grid}),
        ({"outcome": "rejected"}, {bad}),
        ({"sender": "eventgrid"}, {grid}),
        ({"since": "24h"}, {grid}),
        ({"until": "2026-06-16"}, {good, bad}),
        ({"sender": "acr", "outcome": "", "since": "", "until": ""}, {good, bad}),
    ):
        assert set(ids(await page(http, "/deliveries", given=parameters))) == expected
    html = await page(http, "/deliveries", sender="acr", outcome="rejected", since="30d")
    assert '<input type="hidden" name="outcome" value="rejected">' in html
    assert '<option value="acr" selected>ACR webhook</option>' in html
    assert 'name="since" value="30d"' in html
    assert (
        '<a href="/deliveries?sender=acr&amp;outcome=rejected&amp;since=30d" aria-current="true">Rejected</a>' in html
    )


@pytest.mark.parametrize(
    ("parameters", "told"),
    [
        ({"outcome": "lost"}, "outcome: 'lost' is none of accepted, ignored, rejected, failed"),
        ({"since": "soon"}, "since: 'soon' is neither a time"),
        ({"cursor": "x"}, "cursor: is not one that a list gave"),
        ({"part": "newest", "down_to": "9" * 19 + "~ab"}, "down_to: is not the key of a delivery"),
        ({"part": "newest"}, "down_to: is not the key of a delivery"),
    ],
)
async def test_an_address_that_does_not_work(http: httpx.AsyncClient, parameters: dict[str, str], told: str) -> None:
    """The page says which part of it."""
    assert told in text_of(await page(http, "/deliveries", 400, parameters))


async def test_pages_follow_each_other(app: UseCases, clock: Clock, http: httpx.AsyncClient) -> None:
    """By links that work without a script, and by the rows that a script fetches: each delivery once."""
    sent = []
    for _ in range(2 * ROWS + 10):
        clock.advance(minutes=31)
        sent.append(await received(app))
    for part in ("", "rows"):
        found, address = [], f"/deliveries?part={part}&sender=acr"
        while address:
            html = await page(http, address)
            found += ids(html)
            more = re.search(
                'hx-get="([^"]*part=rows[^"]*)"' if part else '<a class="button quiet" href="([^"]*cursor[^"]*)"', html
            )
            address = unescape(more[1]) if more else ""
            assert ("<html" in html) == (part == "")
        assert found == sent[::-1]


async def test_the_top_refreshes(app: UseCases, clock: Clock, http: httpx.AsyncClient) -> None:
    """The part that is asked for again has what came since, down to where it ended, and not beyond."""
    sent = []
    for _ in range(ROWS + 5):
        clock.advance(seconds=1)
        sent.append(await received(app))
    html = await page(http, "/deliveries")
    [address] = re.findall('id="newest" hx-get="([^"]*)" hx-trigger="every 10s, registrail:refresh"', html)
    clock.advance(seconds=1)
    sent.append(await received(app, b"{"))
    part = await page(http, unescape(address))
    assert ids(part) == sent[5:][::-1]
    assert (part.strip().startswith("<tbody"), "begin anew" in part, "Older" in part) == (True, False, False)
    assert f'hx-get="{address}"' in part


async def test_more_came_than_the_top_holds(
    app: UseCases, clock: Clock, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then it does not pretend to be all."""
    monkeypatch.setattr("registrail.web.delivery_pages.REFRESHED", 3)
    oldest = await received(app)
    for _ in range(4):
        clock.advance(seconds=1)
        await received(app)
    part = await page(http, "/deliveries", part="newest", down_to=oldest.partition("~")[2])
    assert (len(ids(part)), "begin anew" in part) == (3, True)


async def test_nothing_yet(http: httpx.AsyncClient) -> None:
    """The page says how to begin, and looks again by itself; with a filter it says that the filter fits nothing."""
    html = await page(http, "/deliveries")
    assert "No registry has called yet" in html
    assert re.search(r'id="list"[^>]* hx-get="/deliveries\?part=list" hx-trigger="every 10s', html)
    assert (await page(http, "/deliveries", part="list")).strip().startswith("<section")
    assert "No request like this" in await page(http, "/deliveries", outcome="failed")


@pytest.mark.parametrize("parameters", [{}, {"outcome": "failed"}, {"since": "7d", "outcome": "rejected"}])
async def test_requests_to_the_store(store: SqliteStore, clock: Clock, parameters: dict[str, str]) -> None:
    """However many days and senders there are, and however little fits the filter."""
    counting = Counting(store)
    app = use_cases(counting, Settings(storage="sqlite:///:memory:"), clock)
    for _ in range(20):
        clock.advance(days=1)
        for sender in app.ingest.senders:
            await received(app, b"[]" if sender == "eventgrid" else b"{}", sender)
    transport = httpx.ASGITransport(web_app(app.query, app.ingest, Settings(storage="sqlite:///:memory:")))
    async with httpx.AsyncClient(transport=transport, base_url="http://registrail.localhost") as http:
        counting.reset()
        html = await page(http, "/deliveries", given=parameters)
        assert 1 <= counting.total <= REQUESTS
        assert "Older" in html or "since" in parameters
        counting.reset()
        await page(http, "/delivery", id=await received(app))
        assert counting.total - 3 <= REQUESTS


# One delivery


async def test_a_delivery_in_full(app: UseCases, http: httpx.AsyncClient) -> None:
    """Its fate in words, what it said with links, its body, headers without credentials, and its address."""
    html = await page(http, "/delivery", id=await received(app, region="westeurope", code="secret2"))
    text = text_of(html)
    for told in ("1 event stored.", "push team/app : v1", "r.azurecr.io", "200 OK", "POST /hooks/acr", "westeurope"):
        assert told in text
    assert '<span class="key">&#34;action&#34;</span>: <span class="string">&#34;push&#34;</span>' in html
    assert "secret" not in html
    assert "x-functions-key (redacted)" in text
    assert 'href="/tag?registry=r.azurecr.io&amp;repository=team/app&amp;tag=v1"' in html
    assert 'href="/digest?registry=r.azurecr.io&amp;digest=sha256:0123456789abcdef"' in html


async def test_a_delete_leads_to_its_dossier(app: UseCases, http: httpx.AsyncClient) -> None:
    """By the event's id, which is the one that the journal gave it."""
    html = await page(http, "/delivery", id=await received(app, PUSH | {"action": "delete"}))
    events = (await http.get("/api/events")).json()["items"]
    assert f'href="/delete?registry=r.azurecr.io&amp;event={events[0]["id"]}"' in html


@pytest.mark.parametrize(
    ("said", "sender", "told"),
    [
        (b"{", "acr", "It could not be read, and the sender was told so. the body is not JSON"),
        (b"{", "distribution", "heard 200, so that its queue goes on"),
        (b"{}", "harbor", "but not what this sender's events look like"),
        (b"", "acr", "there is nothing in it to record"),
        (b"", "acr", "The request had no body."),
        (b"\xff\x00", "acr", "00000000 ff 00"),
        (b"[" * 1_100_000, "acr", "The log has the first 1.0 MB of 1.1 MB."),
        (b"[" * 1_100_000, "acr", "Raise REGISTRAIL_MAX_BODY_BYTES"),
        ({"events": [PUSH, {"action": 5}]}, "distribution", "1 event stored, 1 that could not be read."),
        ({"events": [PUSH] * 60}, "distribution", "The first 50 of 60 events"),
        (PUSH | {"timestamp": "soon"}, "acr", "no usable time"),
    ],
)
async def test_what_a_delivery_says_of_itself(
    app: UseCases, http: httpx.AsyncClient, said: Any, sender: str, told: str
) -> None:
    """In words, whatever came."""
    assert told in text_of(await page(http, "/delivery", id=await received(app, said, sender)))


async def test_a_long_body_is_cut_and_can_be_saved(app: UseCases, http: httpx.AsyncClient) -> None:
    """The page stays small."""
    delivery = await received(app, PUSH | {"pad": "x" * 900_000})
    html = await page(http, "/delivery", id=delivery)
    assert len(html) < 80_000
    assert "This is its beginning" in html
    [address] = re.findall('href="(/api/deliveries/[^"]*/body)" download', html)
    assert len((await http.get(address)).content) > 900_000


@pytest.mark.parametrize(
    "name", ["<script>alert(1)</script>", "\"'><img src=x onerror=alert(1)>", "\u202egnp.exe", "a" * 255]
)
async def test_what_strangers_write_stays_text(app: UseCases, http: httpx.AsyncClient, name: str) -> None:
    """In names, headers, parameters and the body, on both pages."""
    said = PUSH | {"action": name, "target": {"repository": name, "tag": name, "digest": name}}
    body = json.dumps(said).encode()
    await app.ingest.receive("acr", Request(body=body, headers={"a": name}, query={name: name}), path="/hooks/acr")
    for path in ("/deliveries", f"/delivery?id={ids(await page(http, '/deliveries'))[0]}"):
        html = await page(http, path)
        assert re.findall("<(?:script(?! src)|img(?! src=./static))", html) == []
        assert name in text_of(html)


# Replay

BROWSER: Final = {"sec-fetch-site": "same-origin", "accept": "text/html"}


async def test_replaying(app: UseCases, clock: Clock, http: httpx.AsyncClient) -> None:
    """The page asks first, does it when told so, and says what came of it and what it was before."""
    delivery = await received(app, b"{}", "harbor")
    logged = await app.query.delivery(delivery)
    assert logged is not None
    whole = json.dumps({"events": [PUSH]}).encode()
    await app.ingest.deliveries.record(replace(logged, sender="distribution", body=whole, body_bytes=len(whole)))
    delivery = delivery.replace("harbor", "distribution")
    clock.advance(minutes=5)
    assert 'href="/delivery/replay?id=' in await page(http, "/delivery", id=delivery)
    asked = await page(http, "/delivery/replay", id=delivery)
    assert '<form class="actions" method="post" action="/delivery/replay">' in asked
    assert "Outcome so far rejected As it is read today 1 event" in text_of(asked)
    assert (await app.query.delivery(delivery)).replayed_at is None  # type: ignore[union-attr]
    answer = await http.post("/delivery/replay", data={"id": delivery}, headers=BROWSER)
    assert (answer.status_code, answer.headers["cache-control"]) == (303, "no-store")
    html = text_of(await page(http, answer.headers["location"]))
    assert "Replayed 0 s ago : it was rejected, and now it is accepted . 1 event is stored, each once." in html
    assert len((await http.get("/api/events")).json()["items"]) == 1


@pytest.mark.parametrize(
    ("said", "sender", "told"),
    [
        (b"[" * 1_100_000, "acr", "of the body's 1100000 bytes"),
        (PUSH, "quay", "there is no sender 'quay'"),
    ],
)
async def test_what_cannot_be_replayed(
    app: UseCases, http: httpx.AsyncClient, said: Any, sender: str, told: str
) -> None:
    """The page says why, and nothing happens."""
    delivery = await received(app, said)
    logged = await app.query.delivery(delivery)
    assert logged is not None
    await app.ingest.deliveries.record(replace(logged, sender=sender))
    delivery = delivery.replace("acr", sender)
    answer = await http.post("/delivery/replay", data={"id": delivery}, headers=BROWSER)
    assert (answer.status_code, told in unescape(answer.text)) == (409, True)
    assert (await app.query.delivery(delivery)).replayed_at is None  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("body", "status"), [(b"", 404), (b"id=acr~1", 404), (b"\xff", 404), (b"id=" + b"x" * 20_000, 413)]
)
async def test_forms_that_no_page_sends(http: httpx.AsyncClient, body: bytes, status: int) -> None:
    """They are answered with a page, too."""
    headers = BROWSER | {"content-type": "application/x-www-form-urlencoded"}
    answer = await http.post("/delivery/replay", content=body, headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "text/html; charset=utf-8")


@pytest.mark.parametrize(
    "address", ["/delivery?id=acr~1&was=<script>", "/delivery?id=acr~1&was=rejected", "/delivery/replay?id=acr~1"]
)
async def test_an_address_claims_no_result(app: UseCases, http: httpx.AsyncClient, address: str) -> None:
    """A link cannot make the page say that something was replayed, and looking at a page changes nothing."""
    delivery = await received(app, b"{")
    html = await page(http, address.replace("acr~1", delivery))
    assert ("Replayed" in html, "<script>" in html) == (False, False)
    assert (await app.query.delivery(delivery)).replayed_at is None  # type: ignore[union-attr]


async def test_a_ping(app: UseCases, http: httpx.AsyncClient) -> None:
    """It goes the way of a sender's, and its page says what it shows and what it does not."""
    assert 'action="/deliveries/ping"' in await page(http, "/deliveries")
    answer = await http.post("/deliveries/ping", headers=BROWSER)
    assert answer.status_code == 303
    text = text_of(await page(http, answer.headers["location"]))
    assert "This app pinged itself" in text
    assert "az acr webhook ping" in text
    [logged] = (await app.query.delivered(DeliveryFilter(), limit=10)).items
    assert (logged.sender, logged.outcome, logged.path) == ("acr", "ignored", "/hooks/acr")


# Trouble


async def test_the_store_does_not_answer(clock: Clock) -> None:
    """503 with a page that offers to try again, and no stack trace; also where something was to be changed."""
    app = use_cases(Broken(), Settings(storage="sqlite:///:memory:"), clock)
    transport = httpx.ASGITransport(web_app(app.query, app.ingest, Settings(storage="sqlite:///:memory:")))
    delivery = "acr~2516068130002212219~16cd26939f51"
    async with httpx.AsyncClient(transport=transport, base_url="http://registrail.localhost") as http:
        for path in ("/deliveries", f"/delivery?id={delivery}", f"/delivery/replay?id={delivery}"):
            html = await page(http, path, 503)
            assert "The store does not answer" in html
            assert f'href="{path}">Try again' in html
        for path in ("/deliveries/ping", "/delivery/replay"):
            answer = await http.post(path, data={"id": delivery}, headers=BROWSER)
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")
            assert "Traceback" not in answer.text


@pytest.mark.parametrize("delivery", ["", "acr", "acr~2516068130002212219~16cd26939f51", "é~%00~x", "x" * 3000])
async def test_an_unknown_delivery(http: httpx.AsyncClient, delivery: str) -> None:
    """404, and where to go on."""
    html = await page(http, "/delivery", 404, id=delivery)
    assert ("There is no such delivery" in html, 'href="/deliveries"' in html) == (True, True)
    assert len(html) < 8_000
