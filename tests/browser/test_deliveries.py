"""Deliveries and the set-up page as somebody uses them: what refreshes, scrolls, and takes a click."""

import json
from typing import Any, Final

import pytest
from playwright.sync_api import Page, expect

from registrail.senders.sender import Request
from tests.browser.conftest import Visit
from tests.browser.serving import Site

pytestmark = pytest.mark.browser

PUSH: Final = {
    "action": "push",
    "target": {"repository": "team/app", "tag": "v1", "digest": "sha256:0123456789abcdef"},
    "request": {"host": "r.azurecr.io", "id": "1"},
}


def receive(site: Site, said: Any = PUSH, sender: str = "acr", times: int = 1) -> None:
    """Receive a request, some times over."""

    async def all_of_them() -> None:
        for _ in range(times):
            request = Request(body=json.dumps(said).encode(), headers={"user-agent": "AzureContainerRegistry/1.0"})
            await site.app.ingest.receive(sender, request, path=f"/hooks/{sender}")

    site.run(all_of_them())


def refresh(page: Page, part: str) -> None:
    """Do now what would be done in a few seconds."""
    page.evaluate("(part) => htmx.trigger(document.querySelector(part), 'registrail:refresh')", part)


def rows(page: Page) -> list[str]:
    """The deliveries that are listed."""
    found: list[str] = page.locator("table.deliveries td a[href^='/delivery?']").evaluate_all(
        "(links) => links.map((link) => link.getAttribute('href'))"
    )
    return found


def test_a_way_turns_green_by_itself(visit: Visit, empty: Site) -> None:
    """Without a reload: its state, its frame and the heading."""
    page = visit(empty).go("/")
    expect(page).to_have_url(f"{empty.url}/set-up")
    expect(page.get_by_role("heading", level=1)).to_have_text("Waiting for the first event")
    state = page.locator("#state-distribution")
    before = state.evaluate("(element) => getComputedStyle(element).backgroundColor")
    receive(empty, {"events": [PUSH]}, "distribution")
    refresh(page, "[hx-get*='part=state']")
    expect(state).to_contain_text("Connected: last event")
    expect(state).to_contain_text("from r.azurecr.io")
    assert state.evaluate("(element) => getComputedStyle(element).backgroundColor") != before
    expect(page.get_by_role("heading", level=1)).to_have_text("Connect a registry")
    expect(page.locator("#state-acr")).to_have_text("Waiting for the first event")


def test_commands_are_copied(visit: Visit, empty: Site) -> None:
    """By a button, exactly as they are shown."""
    page = visit(empty, permissions=["clipboard-read", "clipboard-write"]).go("/set-up?registry=contoso")
    command = page.locator(".command", has_text="az acr webhook create")
    command.get_by_role("button").click()
    expect(command.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == command.locator("code").inner_text()


def test_the_list_begins_and_goes_on_by_itself(visit: Visit, empty: Site) -> None:
    """From empty to the first row; then new rows on top, without taking the focus from who is reading."""
    page = visit(empty).go("/deliveries")
    expect(page.get_by_text("No registry has called yet")).to_be_visible()
    receive(empty)
    refresh(page, "#list")
    expect(page.locator("#newest tr")).to_have_count(1)
    link = page.locator("#newest a[href^='/delivery?']").first
    link.focus()
    [reading] = rows(page)
    receive(empty, "no event")
    refresh(page, "#newest")
    expect(page.locator("#newest tr")).to_have_count(2)
    expect(page.locator("#newest tr").first).to_contain_text("rejected")
    assert page.evaluate("document.activeElement.getAttribute('href')") == reading


def test_scrolling_loads_each_once(visit: Visit, empty: Site) -> None:
    """Down to the first one, also when the top is asked for again meanwhile."""
    receive(empty, times=130)
    page = visit(empty).go("/deliveries")
    for _ in range(40):
        page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")  # a row may be exchanged while one looks
        page.wait_for_timeout(100)
        if page.locator("tr.more").count() == 0:
            break
    assert (len(rows(page)), len(set(rows(page)))) == (130, 130)
    receive(empty)
    refresh(page, "#newest")
    expect(page.locator("table.deliveries td a[href^='/delivery?']")).to_have_count(131)
    assert len(set(rows(page))) == 131
    expect(page.locator("tr.more")).to_have_count(0)


@pytest.mark.parametrize("scripts", [True, False])
def test_replaying(visit: Visit, empty: Site, scripts: bool) -> None:  # noqa: FBT001
    """From the list to the result with the keyboard, with and without scripts; a ping likewise."""
    receive(empty)
    page = visit(empty, java_script_enabled=scripts).go("/deliveries")
    page.locator("#newest a[href^='/delivery?']").press("Enter")
    page.get_by_role("link", name="Replay…").press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Replay this request?")
    page.get_by_role("button", name="Replay").press("Enter")
    expect(page.get_by_role("status").first).to_contain_text("still accepted. 1 event is stored, each once.")
    page.go_back()
    page.go_back()
    page.get_by_role("link", name="Deliveries").first.click()
    page.get_by_role("button", name="Send a ping").press("Enter")
    expect(page.get_by_role("status").first).to_contain_text("This app pinged itself")
