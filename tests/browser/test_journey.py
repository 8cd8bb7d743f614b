"""The way that people go: from an event that just came to what was deleted."""

from collections.abc import Iterator

import pytest
import pytest_socket
from playwright.sync_api import Page, expect

from registrail.settings import Settings
from registrail.storage.tables import TablesStore, with_connection_string
from tests.browser.conftest import Visit, in_memory
from tests.browser.seed import digest_of
from tests.browser.sending import send
from tests.browser.serving import Site, serving

pytestmark = pytest.mark.browser
REFRESHED = 25_000
"""Milliseconds within which a page that updates every ten seconds has done so, on a busy machine."""


@pytest.fixture(
    params=["sqlite", pytest.param("azurite", marks=[pytest.mark.azurite, pytest.mark.xdist_group("azurite")])]
)
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    """A site on each of the stores, empty."""
    if request.param == "sqlite":
        with serving(in_memory) as running:
            yield running
        return
    connection_string = request.getfixturevalue("azurite_connection_string")
    pytest_socket.enable_socket()
    settings = Settings(storage=connection_string)
    with serving(lambda: TablesStore(with_connection_string(connection_string)), settings) as running:
        yield running


def test_from_a_push_to_the_dossier_of_its_delete(visit: Visit, site: Site) -> None:
    """Overview, repository, tag, delete and dossier show what was sent, and the overview does so by itself."""
    page = visit(site).go("/")
    expect(page.locator("h1")).to_be_visible()

    send(site, 1, repository="team/shop", tag="v1", digest=digest_of("one"))
    page = visit(site).go("/")
    page.evaluate("window.isSamePage = true")
    expect(page.get_by_role("link", name="v1", exact=True).first).to_be_visible()
    send(site, 2, repository="team/shop", tag="latest", digest=digest_of("two"))
    expect(page.get_by_role("link", name="latest", exact=True).first).to_be_visible(timeout=REFRESHED)
    assert page.evaluate("window.isSamePage")

    page.get_by_role("link", name="team/shop").first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("team/shop")
    tags = page.get_by_role("region", name="Tags")
    expect(tags.get_by_role("row")).to_have_count(3)
    assert page.locator(".swatch").count() >= 2

    tags.get_by_role("link", name="latest", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("latest")
    expect(page.locator(f"main code[title='{digest_of('two')}']").first).to_be_visible()
    _has_pull_command(page)

    send(site, 3, action="delete", repository="team/shop", tag=None, digest=digest_of("two"))
    page.goto(f"{site.url}/")
    page.locator("a[href^='/delete?']").first.click()
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    main = page.locator("main")
    for text in ("team/shop", "latest", digest_of("two")[:19]):
        expect(main).to_contain_text(text)
    main.get_by_role("link", name="team/shop").first.click()
    expect(page.get_by_role("region", name="Tags").get_by_role("row")).to_have_count(2)


def _has_pull_command(page: Page) -> None:
    command = f"contoso.azurecr.io/team/shop@{digest_of('two')}"
    expect(page.locator("main")).to_contain_text(command)
