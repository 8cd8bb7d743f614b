import json
from collections.abc import AsyncIterator
from datetime import timedelta
from html.parser import HTMLParser
from typing import Any, Final

import httpx
import pytest

from registrail.compose import UseCases, use_cases
from registrail.events import Arrival, RegistryEvent
from registrail.instants import TICKS_PER_DAY, Instant
from registrail.query import DeliveryFilter
from registrail.senders.sender import Request
from registrail.settings import Settings
from registrail.storage.sqlite import SqliteStore
from registrail.web.app import web_app
from tests.counting import Counting

NOON: Final = Instant.parse("2026-06-15T12:00:00Z")
REGISTRY: Final = "r.azurecr.io"
INDEX: Final = "application/vnd.oci.image.index.v1+json"
MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"


def opened(app: UseCases) -> httpx.AsyncClient:
    """Ask the web app without a socket."""
    transport = httpx.ASGITransport(web_app(app.query, app.ingest, Settings(storage="sqlite:///:memory:")))
    return httpx.AsyncClient(transport=transport, base_url="http://registrail.localhost")


@pytest.fixture
async def http(app: UseCases) -> AsyncIterator[httpx.AsyncClient]:
    """Ask the app of the test."""
    async with opened(app) as client:
        yield client


class Reader(HTMLParser):
    """What a browser makes of a page: elements with their attributes, and the text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.feed(page)
        self.close()
        self.words = " ".join(self.words.split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words += data

    @property
    def links(self) -> list[str]:
        """Where one can go."""
        return [found.get("href") or "" for tag, found in self.elements if tag == "a"]

    @property
    def tags(self) -> list[str]:
        """The tags of images that rows tell."""
        return [found["title"] or "" for tag, found in self.elements if tag == "a" and found.get("class") == "chip"]


async def record(app: UseCases, sender: str = "acr", **changed: Any) -> None:
    """Receive a webhook."""
    event = {
        "id": "1",
        "timestamp": "2026-06-15T11:59:00Z",
        "action": "push",
        "target": {"repository": "team/app", "tag": "v1", "digest": f"sha256:{1:064x}"},
        "request": {"id": "r1", "host": REGISTRY, "useragent": "docker/29"},
    } | changed
    body = json.dumps(event if sender == "acr" else {"events": [event]})
    await app.ingest.receive(sender, Request(body=body.encode()), path=f"/hooks/{sender}")


def event_of(number: int, **changed: Any) -> RegistryEvent:
    """One of many pushes, each of its own."""
    event: dict[str, Any] = {
        "action": "push",
        "registry": REGISTRY,
        "repository": f"team/app-{number % 5}",
        "tag": f"v{number}",
        "digest": f"sha256:{number:064x}",
        "occurred_at": NOON.plus(timedelta(minutes=-number)),
        "actor": f"actor-{number % 3}",
    } | changed
    return RegistryEvent(**event)


async def keep(app: UseCases, *events: RegistryEvent) -> None:
    """Put events into the journal, and mark them to be counted."""
    await app.ingest.journal.append(events, Arrival(sender="acr", delivery="acr~1~a", received_at=NOON))
    for registry in {event.registry for event in events}:
        slots = {event.occurred_at.minute for event in events if event.occurred_at and event.registry == registry}
        await app.ingest.marks.touch(registry, sorted(slots))


async def page_of(http: httpx.AsyncClient, address: str, status: int = 200) -> Reader:
    """Read a page."""
    answer = await http.get(address)
    assert answer.status_code == status
    return Reader(answer.text)


@pytest.mark.parametrize("path", ["/events", "/pushes"])
async def test_nothing_yet(http: httpx.AsyncClient, path: str) -> None:
    """The empty list leads to how to connect a registry, and there is nothing to go on to."""
    page = await page_of(http, path)
    assert "Nothing has been recorded yet" in page.words
    assert "/set-up" in page.links
    assert "table" not in [tag for tag, _ in page.elements]


async def test_an_event(app: UseCases, http: httpx.AsyncClient) -> None:
    """When, what, where, by whom and told by whom, with links to all of these."""
    await record(app)
    page = await page_of(http, "/events")
    for text in (
        "2026-06-15 11:59:00 UTC",
        "push",
        "team/app",
        "v1",
        "sha256:000000000000",
        "docker/29",
        "ACR webhook",
    ):
        assert text in page.words
    [delivery] = (await app.query.delivered(DeliveryFilter(), limit=1)).items
    assert f"/delivery?id={delivery.id}" in page.links
    assert f"/tag?registry={REGISTRY}&repository=team/app&tag=v1" in page.links


@pytest.mark.parametrize("path", ["/events", "/pushes"])
@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"repository": "team/app-1"}, ["v1", "v6"]),
        ({"repository": "team/app-1*"}, ["v1", "v6"]),
        ({"repository": "team/*", "tag": "v3"}, ["v3"]),
        ({"digest": f"sha256:{4:064x}"}, ["v4"]),
        ({"actor": "actor-2"}, ["v2", "v5", "v8"]),
        ({"since": "4m"}, ["v0", "v1", "v2", "v3", "v4"]),
        ({"since": "2026-06-15T11:52:00Z", "until": "6m"}, ["v7", "v8"]),
        ({"registry": "R.azurecr.io", "tag": "v9"}, ["v9"]),
        ({"client": "nobody"}, []),
    ],
)
async def test_filters(
    app: UseCases, http: httpx.AsyncClient, path: str, given: dict[str, str], expected: list[str]
) -> None:
    """Each narrows the list, and stands in the form and in the exports as it was given."""
    await keep(app, *(event_of(number) for number in range(10)))
    page = await page_of(http, str(httpx.URL(path, params=given)))
    assert page.tags == expected
    fields = {found["name"]: found.get("value") for tag, found in page.elements if tag == "input" and "name" in found}
    assert {name: fields[name] for name in given if name != "registry"} == {
        name: value for name, value in given.items() if name != "registry"
    }
    exports = [address for address in page.links if address.startswith("/api/export")]
    paths = [f"/api/export{path}.{form}" for form in ("csv", "ndjson", "parquet")]
    assert [httpx.URL(address).path for address in exports] == paths
    assert [dict(httpx.URL(address).params) for address in exports] == [given] * 3
    answer = await http.get(exports[1])
    assert [json.loads(line).get("tag") or json.loads(line)["tags"][0] for line in answer.text.splitlines()] == expected
    assert ("No events like these" in page.words or "No pushes like these" in page.words) == (expected == [])


@pytest.mark.parametrize("path", ["/events", "/pushes"])
async def test_paging(app: UseCases, http: httpx.AsyncClient, path: str) -> None:
    """Every item once, by the links without a script as by the rows that a script asks for."""
    await keep(app, *(event_of(number) for number in range(250)))
    first = await page_of(http, f"{path}?repository=team/*")
    seen = list(first.tags)
    [older] = [found["href"] or "" for tag, found in first.elements if tag == "a" and found.get("rel") == "next"]
    second = await page_of(http, older)
    assert any(address == f"{path}?repository=team/*".replace("*", "%2A") for address in second.links)
    rows = next(found["hx-get"] or "" for _, found in first.elements if "hx-get" in found)
    part = await page_of(http, rows)
    assert part.tags == second.tags
    assert "html" not in [tag for tag, _ in part.elements]
    seen += second.tags
    [older] = [found["href"] or "" for tag, found in second.elements if tag == "a" and found.get("rel") == "next"]
    third = await page_of(http, older)
    assert seen + third.tags == [f"v{number}" for number in range(250)]
    assert [found for tag, found in third.elements if found.get("rel") == "next"] == []


@pytest.mark.parametrize("path", ["/events", "/pushes"])
@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("since=yesterday", "since: 'yesterday' is neither a time"),
        ("until=2026-13-01", "until: '2026-13-01' is neither a time"),
        ("since=1h&until=2h", "until: is not after the beginning of the range"),
        ("cursor=nonsense", "cursor: is not one that a list gave as its next"),
    ],
)
async def test_bad_filters(app: UseCases, http: httpx.AsyncClient, path: str, given: str, told: str) -> None:
    """They are told on the page, at the field that is wrong, with everything else as it was given."""
    await record(app)
    page = await page_of(http, f"{path}?{given}&tag=v1", 400)
    assert "This filter does not work" in page.words
    assert told in page.words
    marked = [found["name"] for _, found in page.elements if found.get("aria-invalid") == "true"]
    assert marked == [name for name in ("since", "until") if told.startswith(f"{name}:")]
    assert ("tag", "v1") in [(found.get("name"), found.get("value")) for _, found in page.elements]
    assert [address for address in page.links if address.startswith("/api/export")] == []


async def test_actions(app: UseCases, http: httpx.AsyncClient) -> None:
    """Also those that nobody has heard of can be asked for."""
    await keep(app, event_of(1), event_of(2, action="delete"), event_of(3, action="sparkle"))
    assert (await page_of(http, "/events?action=delete")).tags == ["v2"]
    page = await page_of(http, "/events?action=sparkle")
    assert page.tags == ["v3"]
    assert "sparkle" in [found.get("title") for _, found in page.elements]


async def test_many_registries(app: UseCases, http: httpx.AsyncClient) -> None:
    """A few are listed together; of many one at a time, and the form says which."""
    await keep(app, *(event_of(number, registry=f"r{number}.io") for number in range(3)))
    assert (await page_of(http, "/events")).tags == ["v0", "v1", "v2"]
    await keep(app, *(event_of(number, registry=f"r{number}.io") for number in range(3, 9)))
    page = await page_of(http, "/events")
    assert page.tags == ["v0"]
    assert (await page_of(http, "/events?registry=r5.io")).tags == ["v5"]
    assert (await page_of(http, "/pushes?registry=unknown.io")).tags == []


def multi_platform() -> list[RegistryEvent]:
    """Make an image for two platforms, with a signature."""
    signed = f"sha256-{9:064x}.sig"
    of: dict[str, Any] = {"repository": "team/app", "actor": "ci"}
    regions = [{"region": "westeurope"}, {"region": "eastus"}]
    return [
        event_of(30, **of, tag=None, digest=f"sha256:{7:064x}", media_type=MANIFEST, occurred_at=at(0), size=700),
        event_of(30, **of, tag=None, digest=f"sha256:{8:064x}", media_type=MANIFEST, occurred_at=at(1)),
        *(
            event_of(30, **of, **where, tag="v1", digest=f"sha256:{9:064x}", media_type=INDEX, occurred_at=at(2))
            for where in regions
        ),
        event_of(30, **of, tag="latest", digest=f"sha256:{9:064x}", media_type=INDEX, occurred_at=at(3)),
        event_of(30, **of, tag=signed, digest=f"sha256:{10:064x}", media_type=MANIFEST, occurred_at=at(4)),
    ]


def at(second: int) -> Instant:
    """A time within one push."""
    return NOON.plus(timedelta(minutes=-30, seconds=second))


async def test_a_push(app: UseCases, http: httpx.AsyncClient) -> None:
    """Its parts, tags, signature and regions, by the link that the list has and by every event of it."""
    await keep(app, *multi_platform())
    listed = await page_of(http, "/pushes")
    assert "2 parts" in listed.words
    assert "signed" in listed.words
    [address] = {link for link in listed.links if link.startswith("/push?")}
    page = await page_of(http, address)
    for text in (
        f"sha256:{9:064x}",
        "v1",
        "latest",
        "sha256:000000000000",
        "signature",
        "westeurope",
        "eastus",
        "5 events",
        "700 B",
    ):
        assert text in page.words
    assert f"docker pull {REGISTRY}/team/app@sha256:{9:064x}" in page.words
    for link in (await page_of(http, "/events")).links:
        if link.startswith("/push?"):
            answer = await http.get(link)
            assert link == address or (answer.status_code, answer.headers["location"]) == (303, address)


async def test_a_region_that_reported_nothing(app: UseCases, http: httpx.AsyncClient) -> None:
    """It is named, if it reported other pushes of the day."""
    await keep(app, event_of(90, region="westeurope"))
    await keep(app, event_of(90, region="eastus"), event_of(50, region="eastus"))
    await app.summarize.bring_up_to_date(REGISTRY)
    listed = await page_of(http, "/pushes?tag=v50")
    [address] = {link for link in listed.links if link.startswith("/push?")}
    page = await page_of(http, address)
    assert "westeuropenot reported" in page.words  # two cells of a row


@pytest.mark.parametrize(
    ("address", "status", "told"),
    [
        ("/push", 400, "registry: is missing in this address"),
        (f"/push?registry={REGISTRY}", 400, "event: is missing in this address"),
        (f"/push?registry={REGISTRY}&event=nonsense", 400, "event: is not the id of an event"),
        (f"/push?registry={REGISTRY}&event={'9' * 19}~00", 400, "event: is not the id of an event"),
        (f"/push?registry={REGISTRY}&event={NOON.inverted}~00", 404, "Unknown push"),
    ],
)
async def test_no_such_push(app: UseCases, http: httpx.AsyncClient, address: str, status: int, told: str) -> None:
    """The page says what is wrong with the address."""
    await record(app)
    assert told in (await page_of(http, address, status)).words


@pytest.mark.parametrize("path", ["/events", "/pushes", "/push"])
@pytest.mark.parametrize(
    "text", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{{7*7}}", "\u202egnp.exe"]
)
async def test_what_strangers_write_stays_text(app: UseCases, http: httpx.AsyncClient, path: str, text: str) -> None:
    """Names are attackers' to choose: pages have the same elements and attributes as with tame ones."""
    pages: list[Reader] = []
    for name in ("x", text):
        changed = {"repository": name, "tag": name, "digest": name, "actor": name, "client": name, "media_type": name}
        await keep(app, event_of(1, registry=f"{len(pages)}.io", address=name, **changed))
        address = path
        if path == "/push":
            listed = await page_of(http, f"/pushes?registry={len(pages)}.io")
            address = next(link for link in listed.links if link.startswith("/push?"))
        else:
            address = str(httpx.URL(path, params={"registry": f"{len(pages)}.io", "tag": name}))
        pages.append(await page_of(http, address))
    tame, wild = pages
    count = 2 if path == "/push" else 1
    assert wild.words.count(" ".join(text.split())) >= count
    usual = {(tag, *sorted(found)) for tag, found in tame.elements}
    assert {(tag, *sorted(found)) for tag, found in wild.elements} - usual - FORM == set()


FORM: Final = {("option",), ("option", "selected"), ("select", "name")}
"""To choose a registry, once there are two."""
SHAPES: Final = {"tiny": (1, 3), "ten-years": (3_650, 1), "dense": (2, 3_000)}
ADDRESSES: Final = (
    "/events",
    "/events?repository=team/app-1",
    "/events?tag=nothing",
    "/events?since=3d",
    "/pushes",
    "/pushes?repository=team/app-1&until=1d",
    "/pushes?tag=nothing",
)


@pytest.mark.parametrize("shape", SHAPES)
async def test_what_pages_cost(shape: str) -> None:
    """At most eight requests, whatever is asked of whatever history, also on later pages and for one push."""
    days, each_day = SHAPES[shape]
    store = Counting(SqliteStore(":memory:"))
    app = use_cases(store, Settings(), lambda: NOON)
    step = TICKS_PER_DAY // each_day
    await keep(app, *(event_of(n, occurred_at=Instant(NOON.ticks - n * step)) for n in range(days * each_day)))
    costs: dict[str, int] = {}
    async with opened(app) as http:
        for address in ADDRESSES:
            store.reset()
            page = await page_of(http, address)
            costs[address] = store.total
            for further in [found["href"] or "" for tag, found in page.elements if found.get("rel") == "next"]:
                store.reset()
                await page_of(http, further)
                costs[f"{address} older"] = store.total
        pushes = [link for link in (await page_of(http, "/pushes")).links if link.startswith("/push?")]
        unknown = f"/push?registry={REGISTRY}&event={NOON.inverted}~00"
        for name, address in (("push", pushes[0]), ("last push", pushes[-1]), ("unknown push", unknown)):
            store.reset()
            await http.get(address)
            costs[name] = store.total
    assert {name: cost for name, cost in costs.items() if cost > 8} == {}
    await store.close()
