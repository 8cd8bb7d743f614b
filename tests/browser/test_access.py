"""Coming in with an access key, what a role may do, and what a page says when there is nothing to show it from."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import pytest
import pytest_socket
from playwright.sync_api import Page, expect
from typer.testing import CliRunner

from registrail.local.cli import app
from registrail.settings import Settings
from registrail.storage.sqlite import SqliteStore
from tests.browser.axe import violations
from tests.browser.conftest import Visit, in_memory
from tests.browser.sending import send
from tests.browser.serving import Site, serving
from tests.browser.visiting import Visitor

pytestmark = pytest.mark.browser

STORAGE: Final = "sqlite:///:memory:"
WANTED: Final = "/deliveries?outcome=accepted"
POSTED: Final = """
async (id) => (await fetch("/delivery/replay", { method: "POST", body: new URLSearchParams({ id }) })).status
"""


def made(*arguments: str) -> tuple[str, str]:
    """Make a key with `registrail key`; it and the line for the setting."""
    result = CliRunner().invoke(app, ["key", *arguments])
    assert (result.exit_code, result.stderr) == (0, "")
    [key, setting] = [line.strip() for line in result.stdout.splitlines() if line.startswith("  ")]
    return key, setting


@pytest.fixture(scope="module")
def keys() -> dict[str, tuple[str, str]]:
    """A key for each role, and one that nobody knows."""
    return {
        "reader": made("grafana"),
        "operator": made("alice", "--role", "operator"),
        "unknown": made("mallory", "--role", "operator"),
    }


@pytest.fixture(scope="module")
def closed(keys: dict[str, tuple[str, str]]) -> Iterator[Site]:
    """A site with two keys, which has received something."""
    pytest_socket.enable_socket()
    known = ",".join(keys[role][1] for role in ("reader", "operator"))
    settings = Settings.from_env({"REGISTRAIL_STORAGE": STORAGE, "REGISTRAIL_ACCESS_KEYS": known})
    with serving(in_memory, settings) as site:
        send(site)
        yield site


def sign_in(page: Page, key: str) -> None:
    """As somebody does who has the key in a password manager."""
    page.get_by_label("Access key").fill(key)
    page.get_by_label("Access key").press("Enter")


def opened(window: Visitor, key: str) -> Page:
    """A page that wanted a key, and got it."""
    page = window.go(WANTED)
    sign_in(page, key)
    expect(page.get_by_role("heading", level=1)).to_have_text("Deliveries")
    return page


def test_the_key_opens_what_was_wanted(visit: Visit, closed: Site, keys: dict[str, tuple[str, str]]) -> None:
    """From a page to the question, past a wrong key, back to the page; the key is in no address and no cookie."""
    window = visit(closed)
    window.forgiven.append("401")
    addresses: list[str] = []
    window.page.on("request", lambda request: addresses.append(request.url))
    page = window.go(WANTED)
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
    expect(page.get_by_label("Access key")).to_be_focused()
    assert urlsplit(page.url).path == "/login"

    sign_in(page, keys["unknown"][0])
    expect(page.get_by_role("alert")).to_contain_text("not known here")
    assert window.context.cookies() == []
    sign_in(page, keys["operator"][0])
    expect(page).to_have_url(f"{closed.url}{WANTED}")
    expect(page.get_by_text("Signed in as alice, operator")).to_be_visible()

    [cookie] = window.context.cookies()
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
    assert page.evaluate("document.cookie") == ""
    told = [*addresses, cookie["value"], page.content()]
    assert [one for one in told if keys["operator"][0] in one or keys["unknown"][0] in one] == []

    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
    assert window.context.cookies() == []
    window.go("/events")
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")


def test_a_reader_does_not_replay(visit: Visit, closed: Site, keys: dict[str, tuple[str, str]]) -> None:
    """It is not offered to them, neither in the delivery nor where one is asked; and a form of their own is refused."""
    window = visit(closed)
    window.forgiven.append("403")
    page = opened(window, keys["reader"][0])
    page.locator("#newest a[href^='/delivery?']").click()
    expect(page.get_by_text("Operators can replay it.")).to_be_visible()
    expect(page.get_by_role("link", name="Replay…")).to_have_count(0)
    page.goto(page.url.replace("/delivery?", "/delivery/replay?"))
    expect(page.get_by_role("heading", level=1)).to_have_text("Replay this request?")
    expect(page.get_by_role("button", name="Replay")).to_have_count(0)
    assert page.evaluate(POSTED, page.url.partition("id=")[2]) == 403


def test_an_operator_replays(visit: Visit, closed: Site, keys: dict[str, tuple[str, str]]) -> None:
    """From the list to what became of it."""
    page = opened(visit(closed), keys["operator"][0])
    page.locator("#newest a[href^='/delivery?']").click()
    page.get_by_role("link", name="Replay…").click()
    page.get_by_role("button", name="Replay").click()
    expect(page.get_by_role("status").first).to_contain_text("still accepted. 1 event is stored, each once.")


class Disk:
    """An SQLite file that somebody can make useless, and whole again."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def rename(self, before: str, after: str) -> None:
        """Have another process rename the table."""
        with closing(sqlite3.connect(self.path)) as other:
            other.execute(f"ALTER TABLE {before} RENAME TO {after}")

    def break_it(self) -> None:
        """From now on nothing can be read."""
        self.rename("entities", "taken_away")

    def mend(self) -> None:
        """From now on everything can be read."""
        self.rename("taken_away", "entities")


@pytest.fixture
def on_disk(tmp_path: Path) -> Iterator[tuple[Site, Disk]]:
    """A site that has received something, and its file."""
    disk = Disk(tmp_path / "registrail.db")
    with serving(lambda: SqliteStore(str(disk.path))) as site:
        send(site)
        yield site, disk


def refresh(page: Page) -> None:
    """Do now what the overview would do within ten seconds."""
    page.evaluate("htmx.trigger(document.querySelector('#live'), 'registrail:refresh')")


def test_a_store_that_does_not_answer(visit: Visit, on_disk: tuple[Site, Disk]) -> None:
    """What is shown says how old it is; a page is an error for people, with 503; both recover."""
    site, disk = on_disk
    window = visit(site)
    window.forgiven.append("503")
    page = window.go("/")
    expect(page.get_by_role("link", name="v0", exact=True).first).to_be_visible()
    stale = page.locator("#stale")
    expect(stale).to_be_hidden()

    disk.break_it()
    refresh(page)
    expect(stale).to_contain_text("The app does not answer; this is from")
    expect(page.get_by_role("link", name="v0", exact=True).first).to_be_visible()
    broken = visit(site)
    broken.forgiven.append("503")
    statuses = {path: status(broken, path) for path in ("/", "/events", "/pushes", "/deliveries", "/repositories")}
    assert statuses == dict.fromkeys(statuses, 503)
    expect(broken.page.get_by_role("heading", level=1)).to_have_text("The store does not answer")
    assert "Traceback" not in broken.page.content()
    assert violations(broken.page) == []

    disk.mend()
    refresh(page)
    expect(stale).to_be_hidden()
    broken.page.get_by_role("link", name="Try again").click()
    expect(broken.page.get_by_role("heading", level=1)).to_have_text("Repositories")


def status(window: Visitor, path: str) -> int:
    """How a page answers."""
    answer = window.page.goto(f"{window.url}{path}")
    assert answer is not None
    return answer.status


def test_a_network_that_is_gone(visit: Visit, empty: Site) -> None:
    """Requests that get nowhere are told, too, until one gets through."""
    send(empty)
    window = visit(empty)
    window.forgiven += ["ERR_FAILED", "Failed to fetch"]
    page = window.go("/")
    page.route("**/*part=live*", lambda route: route.abort())
    refresh(page)
    expect(page.locator("#stale")).to_contain_text("The app does not answer")
    page.unroute_all()
    refresh(page)
    expect(page.locator("#stale")).to_be_hidden()
