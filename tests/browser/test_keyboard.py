"""A journey without a mouse: from the overview to a digest and back into the text by Tab and Enter alone."""

from typing import Any, Final

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Visit
from tests.browser.seed import APP, Seeded

pytestmark = pytest.mark.browser

MOST: Final = 250
"""Stops on a page; more than a page of the seeded site has."""
FOCUSED: Final = """
(() => {
  const element = document.activeElement;
  const style = getComputedStyle(element);
  const box = element.getBoundingClientRect();
  return {
    isMarked: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0,
    isSeen: box.bottom > 0 && box.top < innerHeight && box.width > 0,
    href: element.getAttribute("href") ?? "",
    html: element.outerHTML.slice(0, 200),
  };
})()
"""


def skip(page: Page) -> None:
    """Past what is on every page."""
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    expect(page.get_by_role("link", name="Skip to content")).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page.locator("#content")).to_be_focused()


def walk_to(page: Page, address: str, *needed: str) -> None:
    """Press Tab until a link to such an address has the focus; every stop on the way is in sight and marked."""
    for _ in range(MOST):
        page.keyboard.press("Tab")
        stop: dict[str, Any] = page.evaluate(FOCUSED)
        assert (stop["isMarked"], stop["isSeen"]) == (True, True), stop
        if stop["href"].startswith(address) and all(text in stop["href"] for text in needed):
            return
    raise AssertionError(address)


def test_from_the_overview_to_a_digest(visit: Visit, seeded: Seeded) -> None:
    """Each page begins with a way past its head, and each link on the way opens by Enter."""
    page = visit(seeded.site).go(seeded.paths["overview"])
    title = page.get_by_role("heading", level=1)
    skip(page)
    walk_to(page, "/repository?", f"repository={APP}")
    page.keyboard.press("Enter")
    expect(title).to_have_text(APP)

    skip(page)
    walk_to(page, "/tag?", "tag=stable")
    page.keyboard.press("Enter")
    expect(title).to_have_text("stable")

    skip(page)
    walk_to(page, "/digest?")
    page.keyboard.press("Enter")
    expect(title).to_contain_text("sha256:")

    skip(page)
    walk_to(page, "/tag?")
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{seeded.site.url}{seeded.paths['tag']}".replace("tag=latest", "tag=stable"))
