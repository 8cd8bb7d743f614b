"""Pages in the viewer's words and ways: zone, locale, theme, keyboard, paper."""

import re
from datetime import timedelta
from typing import Any, Final

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Visit
from tests.browser.seed import DELIVERIES, NOON, Seeded
from tests.browser.sending import send
from tests.browser.serving import Site
from tests.browser.visiting import until

pytestmark = pytest.mark.browser

SHIFTS: Final = """
window.shifts = [];
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) {
    if (entry.hadRecentInput) continue;
    const down = entry.sources.filter((source) => source.previousRect.y !== source.currentRect.y);
    window.shifts.push({ value: entry.value, down: down.map((source) => source.node?.textContent?.trim()) });
  }
}).observe({ type: "layout-shift", buffered: true });
"""
SHIFT: Final = 0.001
"""A hundredth of what counts as good: an age that gets a digit moves the words after it by a few pixels."""


@pytest.mark.parametrize(
    ("zone", "locale", "local", "in_utc"),
    [
        ("Asia/Tokyo", "ja-JP", "2026/06/15 21:00:00", "2026/06/15 12:00:00 UTC"),
        ("America/New_York", "en-US", "Jun 15, 2026, 8:00:00 AM", "Jun 15, 2026, 12:00:00 PM UTC"),
        ("Europe/Berlin", "de-DE", "15.06.2026, 14:00:00", "15.06.2026, 12:00:00 UTC"),
    ],
)
def test_times_are_the_viewers(  # noqa: PLR0913, PLR0917 - what is expected where
    visit: Visit, seeded: Seeded, zone: str, locale: str, local: str, in_utc: str
) -> None:
    """Written in their zone as their locale writes it; UTC is told on hover."""
    window = visit(seeded.site, timezone_id=zone, locale=locale)
    page = window.go(seeded.paths["delivery"])
    moment = page.locator("main time[data-local]").first
    exact = page.locator("main time[data-local]").first.get_attribute("datetime")
    assert exact is not None
    expected = NOON.plus(timedelta(minutes=-3)).isoformat()[:16]
    assert exact[:16] == expected
    shown = local.replace("00:00", "57:00").replace("21:", "20:").replace("8:5", "7:5").replace("14:", "13:")
    expect(moment).to_have_text(shown)
    expect(moment).to_have_attribute(
        "title", in_utc.replace("00:00", "57:00").replace("12:", "11:").replace("PM", "AM")
    )


def test_numbers_are_the_viewers(visit: Visit, seeded: Seeded) -> None:
    """A thousand has the locale's separator."""
    german = visit(seeded.site, locale="de-DE").go("/")
    english = visit(seeded.site, locale="en-GB").go("/")
    numbers = [one.get_attribute("data-number") for one in english.locator("[data-number]").all()]
    large = [number for number in numbers if number and int(number) >= 1000]
    assert large != []
    for number in large:
        expect(english.locator(f"[data-number='{number}']").first).to_have_text(f"{int(number):,}")
        expect(german.locator(f"[data-number='{number}']").first).to_have_text(f"{int(number):,}".replace(",", "."))


def test_ages_go_on(visit: Visit, seeded: Seeded) -> None:
    """An age that was right when the page came is right a minute later, too."""
    window = visit(seeded.site, locale="en-US")
    window.page.clock.install(time=NOON.to_datetime())
    page = window.go("/deliveries")
    first = page.locator("main time[data-ago]").first
    expect(first).to_have_text("3 min. ago")
    page.clock.fast_forward(61_000)
    expect(first).to_have_text("4 min. ago")


def test_the_theme_is_the_viewers(visit: Visit, seeded: Seeded) -> None:
    """As their system has it, until they choose; then on every page, also before a script runs."""
    window = visit(seeded.site, color_scheme="dark")
    page = window.go("/")

    def ground(of: Page) -> Any:
        return of.evaluate("getComputedStyle(document.body).backgroundColor")

    dark = ground(page)
    page.get_by_role("button", name="Switch between light and dark").click()
    light = ground(page)
    assert dark != light
    window.page.route("**/*.js", lambda route: route.abort())
    window.forgiven.append("ERR_FAILED")
    assert ground(window.go("/deliveries")) == light


def test_a_keyboard_is_enough(visit: Visit, seeded: Seeded) -> None:
    """The first stop skips to the content; what has the focus shows it; a link opens by Enter."""
    page = visit(seeded.site).go("/")
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to content")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page.locator("#content")).to_be_focused()
    seen: list[str] = []
    for _ in range(60):
        page.keyboard.press("Tab")
        focused = page.evaluate(FOCUSED)
        assert focused["isMarked"], focused
        seen.append(focused["href"])
        if focused["href"] and focused["href"].startswith("/repository?"):
            break
    assert seen[-1].startswith("/repository?")
    assert len(set(seen)) > 5


FOCUSED: Final = """
(() => {
  const element = document.activeElement;
  const style = getComputedStyle(element);
  const isMarked = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0;
  return { isMarked, href: element.getAttribute("href") ?? "", html: element.outerHTML.slice(0, 200) };
})()
"""


def test_paper_has_whole_names_and_no_controls(visit: Visit, seeded: Seeded) -> None:
    """An audit needs what happened, not buttons; long names are not cut."""
    window = visit(seeded.site, color_scheme="dark")
    window.context.add_cookies([{"name": "registrail-theme", "value": "dark", "url": seeded.site.url}])
    page = window.go("/deliveries")
    expect(page.get_by_role("navigation", name="Main")).to_be_visible()
    page.emulate_media(media="print")
    expect(page.get_by_role("navigation", name="Main")).to_be_hidden()
    expect(page.locator("form:visible, button:visible, .segments:visible")).to_have_count(0)
    ink, paper = page.evaluate(
        "(({ color, backgroundColor }) => [color, backgroundColor])(getComputedStyle(document.body))"
    )
    assert sum(int(part) for part in re.findall(r"\d+", ink)) < 120
    assert paper == "rgb(255, 255, 255)"
    cut = "elements => elements.filter((one) => one.scrollWidth > one.clientWidth + 1).map((one) => one.outerHTML)"
    assert page.locator(".chip, .badge, .clip").evaluate_all(cut) == []
    assert page.pdf(format="A4").startswith(b"%PDF-")


def test_a_refresh_moves_nothing(visit: Visit, empty: Site) -> None:
    """A page that updates itself moves nothing up or down, and hardly anything to the side."""
    for number in range(DELIVERIES):
        send(empty, number)
    window = visit(empty)
    window.context.add_init_script(SHIFTS)
    for path in ("/", "/deliveries"):
        page = window.go(path)
        page.evaluate("shifts.length = 0")  # a page that comes in pieces may be shown before it is whole
        with page.expect_response(lambda response: "part=" in response.url, timeout=25_000):
            pass
        page.wait_for_timeout(500)
        shifts = page.evaluate("shifts")
        assert (path, [one["down"] for one in shifts if one["down"]]) == (path, [])
        assert sum(one["value"] for one in shifts) < SHIFT, path
        assert until(page, "document.querySelectorAll('main time').length") > 0
