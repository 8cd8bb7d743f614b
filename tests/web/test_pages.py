import html
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
from registrail.compose import UseCases
from registrail.instants import Instant
from registrail.senders.sender import Request
from registrail.settings import Settings
from registrail.web import chart, pages
from registrail.web.app import web_app

NOON: Final = Instant.parse("2026-06-15T12:00:00Z")


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

    def names(self, *tags: str) -> list[str]:
        """Which of some elements there are."""
        return [tag for tag, _ in self.elements if tag in tags]


async def page_of(http: httpx.AsyncClient) -> Reader:
    """Read the page."""
    answer = await http.get("/")
    assert answer.status_code == 200
    return Reader(answer.text)


async def test_an_empty_store(http: httpx.AsyncClient) -> None:
    """The page says how to send the first event, with its own address, and shows no empty chart."""
    page = await page_of(http)
    assert "Waiting for the first event" in page.text
    assert "registrail send push --to http://registrail.localhost --registry" in page.text
    assert page.names("svg", "table") == []


async def test_an_event_is_shown(app: UseCases, http: httpx.AsyncClient) -> None:
    """When, what, where and by whom; the exact time is there for machines."""
    await record(app)
    await record(app, "distribution")
    page = await page_of(http)
    for text in ("1 min ago", "push", "team/app", "v1", "sha256:0123456789ab", "docker/29", "acr, distribution"):
        assert text in page.text
    assert ("time", "2026-06-15T11:59:00.0000000Z") in [(tag, found.get("datetime")) for tag, found in page.elements]
    assert "Waiting" not in page.text
    assert "Sample data" not in page.text


async def test_an_event_without_a_time(app: UseCases, http: httpx.AsyncClient) -> None:
    """It is shown, and the page says that its time is unusable."""
    await record(app, timestamp="soon")
    page = await page_of(http)
    assert "no usable time" in page.text
    assert "last event without a time" in " ".join(page.text.split())


async def test_sample_data_says_so(app: UseCases, http: httpx.AsyncClient) -> None:
    """Nobody shall take made-up events for their own; real registries get no banner."""
    await record(app, request={"host": "sample-data.example"})
    assert "Sample data." in (await page_of(http)).text


async def test_a_rejected_delivery_is_shown(app: UseCases, http: httpx.AsyncClient) -> None:
    """Also before the first event, so that a wrongly set up sender is noticed."""
    await app.ingest.receive("acr", Request(body=b"oops"), path="/hooks/acr")
    text = " ".join((await page_of(http)).text.split())
    assert "Waiting for the first event" in text
    assert "rejected the body is not JSON" in text


async def test_more_events_than_a_page(app: UseCases, http: httpx.AsyncClient) -> None:
    """The newest fifty, and where the rest is."""
    for number in range(51):
        await record(app, id=f"{number}", target={"repository": f"app-{number:02}"})
    assert "The newest 50; the API has the rest." in (await page_of(http)).text


async def test_the_legend_agrees_with_the_chart(app: UseCases, http: httpx.AsyncClient) -> None:
    """Both count the last 48 hours, the one that has just begun too; clocks that are ahead count in neither."""
    hours = (-49, -48, -47, -1, 0, 1, 20)
    for number in hours:
        await record(app, timestamp=NOON.plus(timedelta(hours=number)).isoformat(), target={"repository": "a"})
    page = await page_of(http)
    labels = [found["aria-label"] for tag, found in page.elements if tag == "svg"]
    assert labels == ["3 events in the last 48 hours, by hour"]
    assert "3 pushed" in " ".join(page.text.split())


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
    """Names, tags, clients and problems are attackers' to choose; the page has the same elements as always."""
    await record(app, target={"repository": "x", "tag": "x", "digest": "x"}, action="x", actor={"name": "x"})
    usual = [tag for tag, _ in (await page_of(http)).elements]
    attributes = {name for _, found in (await page_of(http)).elements for name in found}
    await record(
        app,
        action=text,
        target={"repository": text, "tag": text, "digest": text},
        actor={"name": text},
        request={"host": text, "useragent": text, "id": text},
    )
    answer = await http.get("/", headers={"host": "registrail.localhost"})
    page = Reader(answer.text)
    assert page.names("script", "img", "iframe", "object", "link") == ["link", "link", "img"]
    assert {tag for tag, _ in page.elements} - {*usual} == set()
    assert {name for _, found in page.elements for name in found} - attributes == set()
    assert [value for _, found in page.elements for name, value in found.items() if name.startswith("on")] == []
    assert page.text.count(text) >= 2
    assert [found["title"] for _, found in page.elements if found.get("title") == text] != []


async def test_templates_do_not_run_what_they_show(app: UseCases, http: httpx.AsyncClient) -> None:
    """What looks like a template in a name is shown as it is."""
    await record(app, target={"repository": "{{ 7 * 7 }}"})
    assert html.escape("{{ 7 * 7 }}") in (await http.get("/")).text


async def test_addresses_on_the_page_are_our_own(app: UseCases, http: httpx.AsyncClient) -> None:
    """Nothing is loaded from elsewhere, and every link leads to something."""
    await record(app)
    page = await page_of(http)
    addresses = [found.get("href") or found.get("src") or "" for _, found in page.elements]
    own = [address for address in addresses if address and not address.startswith("#")]
    assert [address for address in own if not address.startswith("/") or address.startswith("//")] == []
    assert [(address, (await http.get(address)).status_code) for address in own] == [(one, 200) for one in own]


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
    assert pages.ago(NOON.plus(timedelta(seconds=-seconds)), NOON) == expected


def test_short_texts() -> None:
    """Times to the second, digests as far as people compare them."""
    assert pages.clock(NOON) == "2026-06-15 12:00:00"
    assert pages.short_digest("sha256:" + "0123456789abcdef" * 4) == "sha256:0123456789ab"


# The chart

HOURS: Final = 48
COUNTS: Final = st.builds(
    lambda pushes, deletes, pulls: Counts(events=pushes + deletes + pulls, pushes=pushes, deletes=deletes, pulls=pulls),
    st.integers(0, 10**6),
    st.integers(0, 1000),
    st.integers(0, 9),
)
BY_HOUR: Final = st.dictionaries(
    st.integers(-2, HOURS + 2).map(lambda back: NOON.plus(timedelta(hours=-back)).hour), COUNTS, max_size=10
)


@settings(max_examples=150)
@given(BY_HOUR)
def test_the_chart_is_a_picture_of_the_counts(counts: dict[str, Counts]) -> None:
    """Each hour has its bar; bars stand on the ground and stay inside; heights are in proportion to numbers."""
    drawn = chart.hourly(counts, NOON, HOURS)
    names = [NOON.plus(timedelta(hours=back - HOURS + 1)).hour for back in range(HOURS)]
    shown = [counts.get(name, Counts()) for name in names]
    assert (drawn.total, len(drawn.bars)) == (sum(hour.events for hour in shown), HOURS)
    ground = chart.HEIGHT - chart.BOTTOM
    highest = int(drawn.grid[-1].text.replace(",", ""))
    unit = (ground - chart.TOP) / highest
    assert max(hour.events for hour in shown) <= highest
    for bar, hour in zip(drawn.bars, shown, strict=True):
        parts = {part.kind: part.height for part in bar.segments}
        expected = {"push": hour.pushes, "delete": hour.deletes, "other": hour.pulls}
        assert parts.keys() == {kind for kind, number in expected.items() if number}
        assert [abs(height - expected[kind] * unit) <= 0.01 for kind, height in parts.items()] == [True] * len(parts)
        assert abs(sum(parts.values()) - hour.events * unit) <= 0.02
        floor = float(ground)
        for part in bar.segments:
            assert chart.LEFT <= bar.x <= part.x <= part.x + part.width <= bar.x + bar.width <= chart.WIDTH + 0.02
            assert part.y >= chart.TOP - 0.01
            assert abs(part.y + part.height - floor) <= 0.02
            floor = part.y
        assert bar.text.endswith(f"{hour.pushes} pushed, {hour.deletes} deleted, {hour.pulls} other")


@given(st.integers(0, 10**9))
def test_the_grid_is_legible(highest: int) -> None:
    """Two to five lines, from zero to no less than the highest bar, at 1, 2 or 5 times a power of ten."""
    drawn = chart.hourly({NOON.hour: Counts(events=highest, pushes=highest)}, NOON, HOURS)
    values = [int(line.text.replace(",", "")) for line in drawn.grid]
    assert values[0] == 0
    assert values[-1] >= highest
    assert 2 <= len(values) <= 5
    assert {later - earlier for earlier, later in itertools.pairwise(values)} == {values[1]}
    assert str(values[1]).rstrip("0") in {"1", "2", "5"}
    positions = [line.position for line in drawn.grid]
    assert positions == sorted(positions, reverse=True)
    assert (positions[0], positions[-1]) == (chart.HEIGHT - chart.BOTTOM, chart.TOP)


@given(st.integers(0, 200))
def test_the_axis_names_every_sixth_hour(later: int) -> None:
    """Midnight has the date, the others the hour; labels are inside, from left to right."""
    drawn = chart.hourly({}, NOON.plus(timedelta(hours=later)), HOURS)
    assert len(drawn.axis) == HOURS // 6
    assert len([line for line in drawn.axis if "-" in line.text]) == 2
    assert [line.text for line in drawn.axis if "-" not in line.text].count("12:00") == 2
    positions = [line.position for line in drawn.axis]
    assert positions == sorted(positions)
    assert chart.LEFT < positions[0] < positions[-1] < chart.WIDTH


def test_a_chart_of_nothing() -> None:
    """It has a grid and empty bars."""
    drawn = chart.hourly({}, NOON, HOURS)
    assert (drawn.total, [line.text for line in drawn.grid]) == (0, ["0", "1"])
    assert [bar.segments for bar in drawn.bars] == [()] * HOURS
