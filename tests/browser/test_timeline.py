"""The picture of a repository as somebody uses it: pointing at it, walking through it, and sliding through time."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Visit
from tests.browser.seed import APP, NOON, Seeded, digest_of

pytestmark = pytest.mark.browser


def line_at(page: Page) -> float:
    """Where the line is, per cent."""
    return float((page.locator("#at-line").get_attribute("x1") or "").removesuffix("%"))


def test_sliding_through_time(visit: Visit, seeded: Seeded) -> None:
    """The line follows, the table is that of then, the address can be shared; at the end it is now again."""
    page = visit(seeded.site).go(seeded.paths["repository"])
    expect(page.locator("#tags-title")).to_have_text("Tags now")
    slider = page.get_by_role("slider", name="As of")
    expect(slider).to_have_attribute("aria-valuetext", "now")
    slider.focus()
    for _ in range(5):
        page.keyboard.press("PageDown")
    assert 20 < line_at(page) < 80
    expect(page.locator("#tags-title")).to_contain_text("Tags as of")
    expect(page.locator("#told")).to_contain_text("Tags as of")
    expect(page).to_have_url(re.compile("at=2026-06-1"))
    shown = page.locator("#tags tbody tr").all_inner_texts()
    again = visit(seeded.site).go(page.url.removeprefix(seeded.site.url))
    expect(again.locator("#tags-title")).to_contain_text("Tags as of")
    assert [row.split()[0] for row in again.locator("#tags tbody tr").all_inner_texts()] == [
        row.split()[0] for row in shown
    ]
    page.keyboard.press("End")
    expect(page.locator("#tags-title")).to_have_text("Tags now")
    expect(page).not_to_have_url(re.compile("at="))


def test_from_change_to_change(visit: Visit, seeded: Seeded) -> None:
    """The buttons beside the slider stop at every change, the newest first."""
    page = visit(seeded.site).go(seeded.paths["repository"])
    back, forth = (
        page.get_by_role("button", name="To the change before"),
        page.get_by_role("button", name="change after"),
    )
    expect(forth).to_be_disabled()
    back.click()
    expect(page.get_by_label("As of (UTC)")).to_have_value(re.compile(f"{NOON.isoformat()[:10]}T10:00"))
    expect(page.locator("#tags-title")).to_contain_text("Tags as of")
    back.click()
    expect(page.get_by_label("As of (UTC)")).to_have_value(re.compile("2026-06-14T16:00"))
    forth.click()
    expect(page.get_by_label("As of (UTC)")).to_have_value(re.compile(f"{NOON.isoformat()[:10]}T10:00"))


def test_an_app_that_does_not_answer(visit: Visit, seeded: Seeded) -> None:
    """The page says that its table is from before, until it is not any more."""
    window = visit(seeded.site)
    window.forgiven.append("503")
    page = window.go(seeded.paths["repository"])
    page.route("**/repository?*part=tags*", lambda route: route.fulfill(status=503, body=""))
    slider = page.get_by_role("slider", name="As of")
    slider.focus()
    page.keyboard.press("PageDown")
    expect(page.get_by_role("alert")).to_contain_text("the table is from before")
    page.unroute_all()
    page.keyboard.press("PageDown")
    expect(page.get_by_role("alert")).to_have_count(0)
    expect(page.locator("#tags-title")).to_contain_text("Tags as of")


def test_what_the_picture_says(visit: Visit, seeded: Seeded) -> None:
    """To who points at it and to who walks through it by keys; what is the same digest stands out; Escape hides it."""
    page = visit(seeded.site).go(seeded.paths["repository"])
    three = page.locator(f".stretch[data-digest='{digest_of('three')}']")
    three.first.hover()
    hint = page.get_by_role("tooltip")
    expect(hint).to_contain_text(digest_of("three")[:26])
    assert page.locator(".stretch.same").count() == three.count() > 1
    page.keyboard.press("Escape")
    expect(hint).to_be_hidden()
    stops = page.locator(".stretch[tabindex='0']")
    expect(stops).to_have_count(1)
    stops.focus()
    expect(hint).to_be_visible()
    before = page.evaluate("document.activeElement.getAttribute('aria-label')")
    page.keyboard.press("ArrowDown")
    after = page.evaluate("document.activeElement.getAttribute('aria-label')")
    assert before != after
    expect(hint).to_contain_text(after.split(" → ")[0].split(":")[0])
    expect(page.locator("svg title")).to_have_count(0)


def test_a_click_opens(visit: Visit, seeded: Seeded) -> None:
    """From a stretch to its digest, and from there to the tag; from what is gone to the dossier of its delete."""
    page = visit(seeded.site).go(seeded.paths["repository"])
    page.locator(f".stretch[data-digest='{digest_of('six')}']").first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(digest_of("six"))
    page.get_by_role("link", name="stable", exact=True).first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("stable")
    expect(page.locator(".pull")).to_contain_text(f"{APP}@{digest_of('six')}")
    page.go_back()
    page.go_back()
    page.locator(".stretch.gone").first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("was deleted")


def test_the_picture_without_scripts(visit: Visit, seeded: Seeded) -> None:
    """Lanes, links, what each stretch says, and the line where it was asked for."""
    page = visit(seeded.site, java_script_enabled=False).go(seeded.paths["repository-as-of"])
    expect(page.locator("#at-line")).to_be_attached()
    assert page.locator("#at-line").get_attribute("visibility") is None
    assert page.locator("svg a.stretch[href] title").count() == page.locator("svg a.stretch").count() > 0
    expect(page.get_by_role("slider", name="As of")).to_be_hidden()
    page.get_by_label("As of (UTC)").fill("2026-06-10T12:00:30")
    page.get_by_role("button", name="Show").click()
    expect(page.locator("#tags-title")).to_contain_text("2026-06-10 12:00:30 UTC")
