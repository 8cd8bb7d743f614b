import itertools
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from html.parser import HTMLParser
from typing import Any, Final

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registrail.activity import Counts
from registrail.compose import UseCases, use_cases
from registrail.events import Arrival, RegistryEvent
from registrail.instants import Instant
from registrail.senders.sender import Request
from registrail.settings import Settings
from registrail.storage.sqlite import SqliteStore
from registrail.web import chart, rendering
from registrail.web.app import web_app
from registrail.web.overview_view import RANGES, shown
from tests.conftest import Clock
from tests.counting import Counting

NOON: Final = Instant.parse("2026-06-15T12:00:00Z")
MOST_REQUESTS: Final = 8


@pytest.fixture
async def http(app: UseCases) -> AsyncIterator[httpx.AsyncClient]:
    """Ask the web app without a socket."""
    transport = httpx.ASGITransport(web_app(app.query, app.ingest, Settings(storage="sqlite:///:memory:")))
    async with httpx.AsyncClient(transport=transport, base_url="http://registrail.localhost") as opened:
        yield opened


async def record(app: UseCases, sender: str = "acr", **changed: Any) -> None:
    """Receive a webhook."""
    event = {
        "id": "1",
        "timestamp": "2026-06-15T11:59:00Z",
        "action": "push",
        "target": {"repository": "team/app", "tag": "v1", "digest": "sha256:0123456789abcdef"},
        "request": {"id": "r1", "host": "r.azurecr.io", "useragent": "docker/29"},
    } | changed
    body = json.dumps(event if sender == "acr" else {"events": [event]})
    await app.ingest.receive(sender, Request(body=body.encode()), path=f"/hooks/{sender}")


class Reader(HTMLParser):
    """What a browser makes of a page: elements with their attributes, and the text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    @property
    def words(self) -> str:
        """The text with single spaces, without the marks around names."""
        return " ".join(self.text.split()).replace("\u2068", "").replace("\u2069", "")

    def names(self, *tags: str) -> list[str]:
        """Which of some elements there are."""
        return [tag for tag, _ in self.elements if tag in tags]


async def page_of(http: httpx.AsyncClient, address: str = "/") -> Reader:
    """Read the page."""
    answer = await http.get(address)
    assert answer.status_code == 200
    return Reader(answer.text)


async def test_an_empty_store(http: httpx.AsyncClient) -> None:
    """The first look is at how to connect a registry."""
    answer = await http.get("/")
    assert (answer.status_code, answer.headers["location"]) == (303, "/set-up")


async def test_an_event_is_shown(app: UseCases, http: httpx.AsyncClient) -> None:
    """When, what, where, by whom, and how it was told; the exact time is there for machines."""
    await record(app)
    await record(app, "distribution")
    page = await page_of(http)
    for text in ("1 min ago", "1 pushed", "team/app", "v1", "sha256:0123456789ab", "docker/29", "ACR webhook"):
        assert text in page.words
    assert ("time", "2026-06-15T11:59:00.0000000Z") in [(tag, found.get("datetime")) for tag, found in page.elements]
    assert "No open alerts" in page.words
    assert "Sample data" not in page.text


async def test_an_event_without_a_time(app: UseCases, http: httpx.AsyncClient) -> None:
    """The page says that its time is unusable."""
    await record(app, timestamp="soon")
    assert "Last event without a time" in (await page_of(http)).words


async def test_an_event_from_before_the_range(app: UseCases, http: httpx.AsyncClient) -> None:
    """The newest push and the last event are shown however old they are."""
    await record(app, timestamp="2024-06-15T11:59:00Z")
    page = await page_of(http)
    assert "Last event 730 d ago" in page.words
    assert "Nothing happened in this time." in page.words
    assert "docker/29 730 d ago" in page.words


async def test_sample_data_says_so(app: UseCases, http: httpx.AsyncClient) -> None:
    """Nobody shall take made-up events for their own; real registries get no banner."""
    await record(app, request={"host": "sample-data.example"})
    assert "Sample data." in (await page_of(http)).text


async def test_a_delete_is_shown(app: UseCases, http: httpx.AsyncClient) -> None:
    """With the tags that it removed, and a link to its dossier; that of `latest` is an alert."""
    digest = "sha256:0123456789abcdef"
    await record(app, target={"repository": "team/app", "tag": "latest", "digest": digest})
    deleted = {"repository": "team/app", "digest": digest}
    await record(
        app, id="2", action="delete", timestamp="2026-06-15T11:59:30Z", target=deleted, actor={"name": "mallory"}
    )
    page = await page_of(http)
    assert "1 open alert" in page.words
    assert "team/app:latest was removed from r.azurecr.io by mallory." in page.words
    [event] = [one.event for one in (await app.query.overviews.lists.deletions("r.azurecr.io")).items]
    links = [found.get("href") for tag, found in page.elements if tag == "a"]
    assert links.count(f"/delete?registry=r.azurecr.io&event={event}") == 2


async def test_a_refused_delivery_is_an_alert(app: UseCases, http: httpx.AsyncClient) -> None:
    """With why, and where to look."""
    await record(app)
    await app.ingest.receive("acr", Request(body=b"oops"), path="/hooks/acr")
    page = await page_of(http)
    assert "One delivery of acr was refused within a day: the body is not JSON" in page.words
    assert "/deliveries?sender=acr&outcome=rejected" in [found.get("href") for _, found in page.elements]


async def test_a_range_that_somebody_chose(app: UseCases, http: httpx.AsyncClient) -> None:
    """Counts and lists are of that time, and nothing about now is told with it."""
    for hour in (8, 9, 10):
        target = {"repository": f"app-{hour}", "tag": "v1", "digest": f"sha256:{hour:064x}"}
        await record(app, id=f"{hour}", timestamp=f"2026-06-15T{hour:02}:30:00Z", target=target)
    page = await page_of(http, "/?since=2026-06-15T09:00:00Z&until=2026-06-15T10:00:00Z")
    assert "1 pushed" in page.words
    assert "app-9" in page.text
    assert "app-8" not in page.text
    assert "app-10" not in page.text
    assert "Last event" not in page.text
    assert [found for _, found in page.elements if "hx-get" in found] == []


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("/?range=1y", "range: '1y' is none of 24h, 7d, 30d, 90d"),
        ("/?since=yesterday", "since: 'yesterday' is neither a time"),
        ("/?since=1d&until=2d", "since: is not before the end of the range"),
        ("/?since=2001-01-01", "since: is more than 1000 days before the end of the range"),
    ],
)
async def test_ranges_that_make_no_sense(app: UseCases, http: httpx.AsyncClient, address: str, told: str) -> None:
    """The page says which parameter is wrong and why."""
    await record(app)
    answer = await http.get(address)
    assert answer.status_code == 400
    assert told in Reader(answer.text).words


async def test_an_unknown_registry(app: UseCases, http: httpx.AsyncClient) -> None:
    """It is not shown as one that is healthy."""
    await record(app)
    answer = await http.get("/?registry=other.azurecr.io")
    assert answer.status_code == 404
    assert "r.azurecr.io" in answer.text


async def test_several_registries(app: UseCases, http: httpx.AsyncClient) -> None:
    """All together, or one of them; a name is found whatever its case."""
    for number in range(3):
        target = {"repository": f"app-{number}", "tag": "v1", "digest": f"sha256:{number:064x}"}
        await record(app, id=f"{number}", request={"host": f"r{number}.azurecr.io"}, target=target)
    every = await page_of(http)
    one = await page_of(http, "/?registry=R1.azurecr.io")
    assert "3 pushed" in every.words
    assert "1 pushed" in one.words
    assert "app-1" in one.text
    assert "app-2" not in one.text


async def test_the_part_that_refreshes(app: UseCases, http: httpx.AsyncClient, clock: Clock) -> None:
    """It is sent again only when something happened: ages are the browser's business."""
    await record(app)
    whole = await page_of(http)
    [address] = [found["hx-get"] for _, found in whole.elements if "hx-get" in found and found.get("id") == "live"]
    first = await http.get(address or "")
    clock.advance(minutes=5)
    again = await http.get(address or "", headers={"if-none-match": first.headers["etag"]})
    assert (first.status_code, again.status_code, again.content) == (200, 304, b"")
    assert first.text.lstrip().startswith('<div id="live"')
    await record(app, timestamp="2026-06-15T12:04:00Z")
    third = await http.get(address or "", headers={"if-none-match": first.headers["etag"]})
    assert third.status_code == 200


async def test_the_picture_and_the_numbers_agree(app: UseCases, http: httpx.AsyncClient) -> None:
    """The legend, the picture, the table and what the script gets: events within the range, also of this hour."""
    for hours in (-169, -168, -167, -1, 0, 20):
        target = {"repository": "a", "tag": "v1", "digest": f"sha256:{hours + 200:064x}"}
        await record(app, id=f"{hours}", timestamp=NOON.plus(timedelta(hours=hours)).isoformat(), target=target)
    page = await page_of(http)
    text = (await http.get("/")).text
    data = json.loads(text.partition('id="chart-data">')[2].partition("</script>")[0])
    assert (sum(data["pushes"]), sum(data["moves"]), len(data["x"])) == (3, 3, 168)
    assert data["x"][-1] - data["x"][0] == 167 * 3600
    labels = [found["aria-label"] or "" for tag, found in page.elements if tag == "svg" and "aria-label" in found]
    assert [label.partition(" from")[0] for label in labels] == ["3 pushes and 0 deletes"]
    assert len([found for tag, found in page.elements if tag == "rect" and found.get("class") == "push"]) == 3
    assert "3 pushed" in page.words


XSS: Final = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "</title><script>alert(1)</script>",
    "</code></td><svg/onload=alert(1)>",
    "<!--",
    "{{7*7}}",
    "{% raw %}",
    "&lt;script&gt;",
    "javascript:alert(1)",
    "\u202egnp.exe",
    "<script>",
    "\ufeff<\u017fcript>",
    "]]>",
    "`-alert(1)-`",
]


@pytest.mark.parametrize("text", XSS)
async def test_what_strangers_write_stays_text(app: UseCases, http: httpx.AsyncClient, text: str) -> None:
    """Names, tags and clients are attackers' to choose; the page has the same elements as always."""
    await record(app, target={"repository": "x", "tag": "x", "digest": "x"}, actor={"name": "x"})
    usual = await page_of(http)
    attributes = {name for _, found in usual.elements for name in found}
    await record(
        app,
        target={"repository": text, "tag": text, "digest": text},
        actor={"name": text},
        request={"host": text, "useragent": text, "id": text},
    )
    page = await page_of(http)
    assert page.names("script", "img", "iframe", "object") == usual.names("script", "img", "iframe", "object")
    assert {tag for tag, _ in page.elements} - {tag for tag, _ in usual.elements} == {"nav"} - {"nav"}
    assert {name for _, found in page.elements for name in found} - attributes == set()
    assert [value for _, found in page.elements for name, value in found.items() if name.startswith("on")] == []
    assert page.text.count(text) >= 4
    assert [found["title"] for _, found in page.elements if found.get("title") == text] != []


async def test_nothing_is_loaded_from_elsewhere(app: UseCases, http: httpx.AsyncClient) -> None:
    """Every address on the page is our own; those of assets lead to something."""
    await record(app)
    page = await page_of(http)
    addresses = {found.get("href") or found.get("src") or "" for _, found in page.elements} - {""}
    own = [address for address in addresses if not address.startswith("#")]
    assert [address for address in own if not address.startswith("/") or address.startswith("//")] == []
    assets = [address for address in own if address.startswith("/static/")]
    assert len(assets) >= 5
    assert {(await http.get(address)).status_code for address in assets} == {200}


async def test_how_large_the_page_is(app: UseCases, http: httpx.AsyncClient) -> None:
    """With styles, scripts and the picture of a full week at most 120 KB go over the wire."""
    for hour in range(168):
        target = {"repository": f"team/app-{hour % 20}", "tag": f"v{hour}", "digest": f"sha256:{hour * 77:064x}"}
        await record(app, id=f"{hour}", timestamp=NOON.plus(timedelta(hours=-hour)).isoformat(), target=target)
    packed = {"accept-encoding": "gzip"}
    page = await page_of(http)
    parts = {
        found.get("href") or found.get("src") or "" for tag, found in page.elements if tag in {"link", "script", "img"}
    }
    sizes = {}
    for address in ["/", *sorted(parts - {""})]:
        async with http.stream("GET", address, headers=packed) as answer:
            sizes[address] = sum([len(chunk) async for chunk in answer.aiter_raw()])
    assert sum(sizes.values()) <= 120_000


@pytest.mark.parametrize("address", ["/", "/?range=24h", "/?range=90d", "/?since=2d&until=1d", "/?part=live"])
@pytest.mark.parametrize(
    ("registries", "troubled", "age_days"), [(1, (), 0), (1, ("acr", "harbor"), 0), (1, (), 100), (3, ("acr",), 0)]
)
async def test_what_the_page_costs(
    clock: Clock, address: str, registries: int, troubled: tuple[str, ...], age_days: int
) -> None:
    """Eight requests to the store with one registry, and at most five more for each further one."""
    store = Counting(SqliteStore(":memory:"))
    app = use_cases(store, Settings(), clock)
    for number in range(40):
        for registry in range(registries):
            target = {"repository": f"app-{number % 7}", "tag": "v1", "digest": f"sha256:{number:064x}"}
            request = {"host": f"r{registry}.azurecr.io", "id": f"{number}"}
            timestamp = NOON.plus(timedelta(days=-age_days, hours=-6 * number)).isoformat()
            await record(app, id=f"{number}", timestamp=timestamp, target=target, request=request)
    timestamp = NOON.plus(timedelta(days=-age_days, minutes=-1)).isoformat()
    await record(app, "distribution", timestamp=timestamp, request={"host": "r0.azurecr.io"})
    for sender in troubled:
        await app.ingest.receive(sender, Request(body=b"oops"), path=f"/hooks/{sender}")
    names = await app.query.journal.registries()
    for name in names:
        await app.summarize.bring_up_to_date(name)
    transport = httpx.ASGITransport(web_app(app.query, app.ingest, Settings(storage="sqlite:///:memory:")))
    async with httpx.AsyncClient(transport=transport, base_url="http://registrail.localhost") as http:
        store.reset()
        only = {"registry": "r0.azurecr.io"} if registries == 1 else {}
        answer = await http.get(httpx.URL(address).copy_merge_params(only))
    assert answer.status_code == 200
    assert store.total <= MOST_REQUESTS + 5 * (registries - 1)
    assert not store.requests["commit"]
    await store.close()


async def test_a_page_does_not_count_a_mountain_of_events(clock: Clock) -> None:
    """With many slots to be counted the page says so at once in place of counting them."""
    store = Counting(SqliteStore(":memory:"))
    app = use_cases(store, Settings(), clock)
    events = [
        RegistryEvent(
            action="push",
            registry="r.azurecr.io",
            repository="team/app",
            tag=f"v{minute}",
            digest=f"sha256:{minute:064x}",
            occurred_at=NOON.plus(timedelta(minutes=-27 * minute)),
        )
        for minute in range(1, 200)
    ]
    await app.ingest.journal.append(events, Arrival(sender="acr", delivery="acr~1", received_at=NOON))
    await app.ingest.marks.touch("r.azurecr.io", sorted({one.occurred_at.minute for one in events if one.occurred_at}))
    transport = httpx.ASGITransport(web_app(app.query, app.ingest, Settings(storage="sqlite:///:memory:")))
    async with httpx.AsyncClient(transport=transport, base_url="http://registrail.localhost") as http:
        store.reset()
        page = await page_of(http)
    assert store.total <= MOST_REQUESTS
    assert not store.requests["commit"]
    assert "Events in 199 minutes of r.azurecr.io wait to be counted, so its numbers are behind." in page.words
    assert "199 minutes to be counted" in page.words
    assert "v1" in page.text
    await store.close()


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (-1, "ahead of our clock"),
        (0, "0 s ago"),
        (59, "59 s ago"),
        (60, "1 min ago"),
        (3_599, "59 min ago"),
        (3_600, "1 h ago"),
        (86_399, "23 h ago"),
        (86_400, "1 d ago"),
        (86_400 * 400, "400 d ago"),
    ],
)
def test_ago(seconds: int, expected: str) -> None:
    """The largest unit that is not a fraction."""
    assert rendering.ago(NOON.plus(timedelta(seconds=-seconds)), NOON) == expected


def test_short_texts() -> None:
    """Times to the second, digests as far as people compare them."""
    assert rendering.clock(NOON) == "2026-06-15 12:00:00"
    assert rendering.short_digest("sha256:" + "0123456789abcdef" * 4) == "sha256:0123456789ab"


# The chart

COUNTS: Final = st.builds(
    lambda pushes, moves, deletes, pulls: Counts(
        events=pushes + deletes + pulls, pushes=pushes, deletes=deletes, pulls=pulls, tags_moved=min(moves, pushes)
    ),
    st.integers(0, 10**6),
    st.integers(0, 10**6),
    st.integers(0, 1000),
    st.integers(0, 9),
)
HOUR: Final = timedelta(hours=1)


@settings(max_examples=150)
@given(st.lists(COUNTS, min_size=1, max_size=40))
def test_the_chart_is_a_picture_of_the_counts(counts: list[Counts]) -> None:
    """Pushes stand on the zero line, moves are a part of them, deletes hang from it; heights are in proportion."""
    columns = [chart.column(NOON.plus(HOUR * index), HOUR, one) for index, one in enumerate(counts)]
    drawn = chart.draw(columns)
    [zero] = [line.y for line in drawn.lines if line.value == 0]
    unit = (drawn.lines[0].y - drawn.lines[-1].y) / sum(
        abs(after.value - before.value) if (before.y > zero) == (after.y >= zero) else after.value + before.value
        for before, after in itertools.pairwise(drawn.lines)
    )
    assert [bar.column for bar in drawn.bars] == [one for one in columns if one.pushes or one.deletes]
    for bar in drawn.bars:
        assert 0 <= bar.x < bar.x + bar.width <= 100.01
        expected = {"push": bar.column.pushes, "move": bar.column.moves, "delete": bar.column.deletes}
        assert {piece.kind for piece in bar.pieces} == {kind for kind, number in expected.items() if number}
        for piece in bar.pieces:
            assert abs(piece.height - expected[piece.kind] * unit) <= 0.02
            edge = piece.y if piece.kind == "delete" else piece.y + piece.height
            assert abs(edge - zero) <= 0.02
            assert chart.TOP - 0.02 <= piece.y
            assert piece.y + piece.height <= chart.HEIGHT - chart.BOTTOM + 0.02


@given(st.integers(0, 10**9), st.integers(0, 10**9))
def test_the_grid_is_legible(pushes: int, deletes: int) -> None:
    """A few lines around zero, at 1, 2 or 5 times a power of ten, that reach beyond the highest bars."""
    counts = Counts(events=pushes + deletes, pushes=pushes, deletes=deletes)
    lines = chart.draw([chart.column(NOON, HOUR, counts)]).lines
    zero = next(index for index, line in enumerate(lines) if line.value == 0)
    step = lines[zero + 1].value
    assert [line.value for line in lines] == [abs(index - zero) * step for index in range(len(lines))]
    assert 2 <= len(lines) <= 7
    assert str(step).rstrip("0") in {"1", "2", "5"}
    assert lines[-1].value >= pushes
    assert (lines[0].value if zero else 0) >= deletes
    assert [line.y for line in lines] == sorted((line.y for line in lines), reverse=True)


@pytest.mark.parametrize("name", RANGES)
def test_ranges_end_with_the_period_that_has_begun(name: str) -> None:
    """They cover what their names say, to the period."""
    wanted = shown(name, None, None, NOON)
    assert wanted.begin.plus(timedelta(days={"24h": 1, "7d": 7, "30d": 30, "90d": 90}[name])) > NOON
    assert wanted.span.since <= wanted.begin
    assert wanted.span.is_live


@pytest.mark.parametrize(
    ("hours", "grain"), [(1, "slot"), (4, "slot"), (5, "hour"), (192, "hour"), (193, "day"), (24_000, "week")]
)
def test_a_closer_look_has_finer_periods(hours: int, grain: str) -> None:
    """There are never more than a few hundred bars."""
    wanted = shown(None, NOON.plus(-HOUR * hours), NOON, NOON)
    assert wanted.span.grain == grain
    assert (NOON.ticks - wanted.begin.ticks) / 10_000_000 / wanted.length.total_seconds() <= 250
