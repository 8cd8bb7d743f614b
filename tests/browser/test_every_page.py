"""What holds for every page, whatever it shows."""

import re
from typing import Final

import pytest
from playwright.sync_api import ViewportSize, expect

from tests.browser.axe import violations
from tests.browser.conftest import Visit
from tests.browser.seed import NOON, Seeded
from tests.browser.visiting import until

pytestmark = pytest.mark.browser

PAGES: Final = (
    "overview",
    "repositories",
    "repository",
    "repository-as-of",
    "strange-repository",
    "tag",
    "digest",
    "deleted-digest",
    "deletes",
    "delete",
    "pushes",
    "push",
    "events",
    "deliveries",
    "delivery",
    "replay",
    "set-up",
    "reference",
)
PHONE: Final[ViewportSize] = {"width": 375, "height": 740}
DESK: Final[ViewportSize] = {"width": 1280, "height": 900}


@pytest.mark.parametrize("name", PAGES)
def test_everybody_can_use_it(visit: Visit, seeded: Seeded, name: str) -> None:
    """Axe finds nothing on a phone and a desk, by day and by night; only what scrolls is wider than a window."""
    window = visit(seeded.site, color_scheme="light", reduced_motion="reduce")
    window.page.clock.set_fixed_time(NOON.to_datetime())
    page = window.go(seeded.paths[name])
    for viewport in (PHONE, DESK):
        page.set_viewport_size(viewport)
        assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
        assert violations(page) == []
    page.emulate_media(color_scheme="dark")
    assert violations(page, "color-contrast") == []


@pytest.mark.parametrize("name", PAGES)
def test_it_is_painted_before_any_script(visit: Visit, seeded: Seeded, name: str) -> None:
    """Scripts that never come delay nothing that is to be seen."""
    window = visit(seeded.site)
    window.page.route("**/*.js", lambda _: None)
    window.page.goto(f"{window.url}{seeded.paths[name]}", wait_until="commit")
    until(window.page, "performance.getEntriesByName('first-contentful-paint').length > 0")
    expect(window.page.locator("h1").first).to_be_visible()
    window.page.unroute_all(behavior="ignoreErrors")


@pytest.mark.parametrize("name", PAGES)
def test_it_can_be_read_without_scripts(visit: Visit, seeded: Seeded, name: str) -> None:
    """Everything that is text is there, and nothing that needs a script."""
    with_script = visit(seeded.site).go(seeded.paths[name])
    without = visit(seeded.site, java_script_enabled=False).go(seeded.paths[name])
    assert without.locator("main").inner_text().split() != []
    titles = [[_but_time(one) for one in page.locator("main h2").all_inner_texts()] for page in (without, with_script)]
    assert titles[0] == titles[1]
    assert [button for button in without.locator(".needs-script").all() if button.is_visible()] == []


def _but_time(text: str) -> str:
    """A title without the time in it, which a script writes as the viewer does."""
    return re.sub(r"\d.*", "", text)
