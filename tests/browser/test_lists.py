"""The lists of events and pushes as somebody uses them, beside ten thousand rows of one repository."""

import json
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import pytest
import pytest_socket
from playwright.sync_api import Page, expect

from registrail.web.rendering import link
from tests.browser.conftest import Visit, in_memory
from tests.browser.seed import NOON, REGISTRY, digest_of, webhook
from tests.browser.sending import post
from tests.browser.serving import Site, serving

pytestmark = pytest.mark.browser

MANY: Final = 10_000
CROWD: Final = "crowd/many"
SHOP: Final = "team/shop"
SALES: Final = 230
"""Events in the smaller repository: two pages and a bit of a list."""
DANA: Final = "dana"
AT_ONCE: Final = 1_000
LISTED: Final = ":is(.listing, #tags) tbody a.chip[href^='/tag?']"
PATIENCE: Final = 3.0
"""Seconds; a page with ten thousand rows behind it needs a tenth of that on a quiet machine."""


@pytest.fixture(scope="module")
def crowded() -> Iterator[Site]:
    """A site that was told of ten thousand tags in one repository, and of a few in another, a second apart."""
    pytest_socket.enable_socket()
    with serving(in_memory, clock=lambda: NOON) as site:
        told = [event(number, CROWD, f"t-{number:05}", "ci") for number in range(MANY)]
        # Every third one is dana's, so that no page of a filtered list is one page of the journal.
        told += [event(MANY + number, SHOP, f"s-{number:03}", DANA if number % 3 else "sam") for number in range(SALES)]
        for begin in range(0, len(told), AT_ONCE):
            assert post(site, {"events": told[begin : begin + AT_ONCE]}, "distribution").status_code == 200
        site.run(site.app.summarize.fold_all())
        yield site


def event(number: int, repository: str, tag: str, actor: str) -> dict[str, Any]:
    """A push as `distribution` tells it; a greater number is longer ago."""
    at = NOON.plus(timedelta(seconds=-1 - number))
    told = webhook(number, at=at, repository=repository, tag=tag, digest=digest_of(f"{repository}:{tag}"))
    return {**told, "actor": {"name": actor}}


def danas() -> list[str]:
    """The tags that dana pushed, the newest first."""
    return [f"s-{number:03}" for number in range(SALES) if number % 3]


def tags(page: Page) -> list[str]:
    """What is listed, from the top."""
    found: list[str] = page.locator(LISTED).evaluate_all("(links) => links.map((link) => link.title)")
    return found


def scroll(page: Page, rows: int) -> None:
    """Go down to the last row until there are so many, or it is the end."""
    more = page.locator("tr.more")
    for _ in range(100):
        if len(tags(page)) >= rows or more.count() == 0:
            return
        more.evaluate_all("(elements) => elements.at(-1)?.scrollIntoView()")
        page.wait_for_timeout(50)


@pytest.mark.parametrize("name", ["events", "pushes"])
def test_a_filter_is_an_address(visit: Visit, crowded: Site, tmp_path: Path, name: str) -> None:
    """The form changes address and rows; whoever gets the address sees the same; scrolling and the export end alike."""
    page = visit(crowded).go(f"/{name}")
    assert tags(page)[:3] == ["t-00000", "t-00001", "t-00002"]
    page.get_by_label("Repository", exact=True).fill("team/*")
    page.get_by_label("Actor").fill(DANA)
    page.get_by_role("button", name="Filter").click()
    expect(page.get_by_label("Actor")).to_have_value(DANA)
    address = urlsplit(page.url)
    assert (address.path, parse_qs(address.query)) == (f"/{name}", {"repository": ["team/*"], "actor": [DANA]})
    scroll(page, SALES)
    expect(page.locator("tr.more")).to_have_count(0)
    assert tags(page) == danas()

    again = visit(crowded).go(page.url.removeprefix(crowded.url))
    expect(again.get_by_label("Repository", exact=True)).to_have_value("team/*")
    scroll(again, SALES)
    assert tags(again) == danas()

    with page.expect_download() as download:
        page.get_by_role("link", name="NDJSON").click()
    download.value.save_as(file := tmp_path / "export.ndjson")
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    assert sorted(exported(row) for row in rows) == sorted(danas())
    assert {row["actor"] for row in rows} == {DANA}


def exported(row: dict[str, Any]) -> str:
    """The tag in a line of an export: an event has one, a push all that it gave."""
    tag: str = row["tags"][0] if "tags" in row else row["tag"]
    return tag


def test_a_filter_that_does_not_work(visit: Visit, crowded: Site) -> None:
    """Is told beside its field, which keeps what was written, and `Show all` leads out of it."""
    window = visit(crowded)
    window.forgiven.append("400")
    page = window.go("/events")
    page.get_by_label("Since").fill("yesterday")
    page.get_by_role("button", name="Filter").click()
    expect(page.get_by_role("alert")).to_contain_text("'yesterday' is neither a time")
    wrong = page.get_by_label("Since")
    expect(wrong).to_have_value("yesterday")
    expect(wrong).to_have_attribute("aria-invalid", "true")
    page.get_by_role("link", name="Show all").click()
    assert tags(page)[0] == "t-00000"


def test_nothing_is_like_these(visit: Visit, crowded: Site) -> None:
    """Said at once where it is known, and at the end where ten thousand rows had to be looked through."""
    page = visit(crowded).go(link("/events", repository=SHOP, since="1m"))
    expect(page.get_by_text("No events like these")).to_be_visible()
    page.goto(f"{crowded.url}{link('/events', actor='nobody')}")
    expect(page.locator("main tbody")).to_have_text("No more events like these.")
    page.get_by_role("link", name="Show all").click()
    assert tags(page)[0] == "t-00000"


def test_pages_without_scripts(visit: Visit, crowded: Site) -> None:
    """A link leads to the next page and keeps the filter; the pages together have each row once."""
    page = visit(crowded, java_script_enabled=False).go(link("/events", actor=DANA))
    seen = titles(page)
    while page.get_by_role("link", name="Older").count():
        page.get_by_role("link", name="Older").click()
        assert parse_qs(urlsplit(page.url).query)["actor"] == [DANA]
        seen += titles(page)
    assert seen == danas()


def titles(page: Page) -> list[str]:
    """What is listed, where no script may look."""
    return [one.get_attribute("title") or "" for one in page.locator(LISTED).all()]


@pytest.mark.parametrize(
    ("path", "first", "rows"),
    [
        ("/events", [f"t-{number:05}" for number in range(400)], 100),
        ("/pushes", [f"t-{number:05}" for number in range(400)], 100),
        (
            link("/repository", registry=REGISTRY, repository=CROWD, order="name"),
            [f"t-{number:05}" for number in range(200)],
            50,
        ),
    ],
    ids=["events", "pushes", "repository"],
)
def test_ten_thousand_rows(visit: Visit, crowded: Site, path: str, first: list[str], rows: int) -> None:
    """A page of them is there soon, and goes on by a page whenever its end is seen, each row once and in order."""
    window = visit(crowded)
    begin = time.perf_counter()
    window.page.goto(f"{window.url}{path}", wait_until="domcontentloaded")
    expect(window.page.get_by_role("heading", level=1)).to_be_visible()
    assert time.perf_counter() - begin < PATIENCE
    page = window.page
    assert rows <= len(tags(page)) < len(first)
    scroll(page, len(first))
    listed = tags(page)
    assert listed[: len(first)] == first
    assert len(set(listed)) == len(listed) < MANY


def test_ten_thousand_tags(visit: Visit, crowded: Site) -> None:
    """The page of the repository counts them all, draws the last that changed, and says where the others are."""
    window = visit(crowded)
    begin = time.perf_counter()
    page = window.go(link("/repository", registry=REGISTRY, repository=CROWD))
    assert time.perf_counter() - begin < PATIENCE
    expect(page.locator(".facts")).to_contain_text("10,000")
    lanes = page.locator(".lane-picture a.stretch")
    assert 10 <= lanes.count() <= 200
    expect(page.get_by_text("There are more than a thousand tags")).to_be_visible()
    page.get_by_label("Tag begins with").fill("t-0999")
    expect(page.locator("#tags tbody tr")).to_have_count(10)
    assert sorted(tags(page)) == [f"t-{number:05}" for number in range(9_990, 10_000)]
