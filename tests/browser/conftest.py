"""A browser for all tests of a process, and sites for it to look at."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, Protocol

import pytest
import pytest_socket
from playwright.sync_api import Browser

from registrail.storage.sqlite import SqliteStore
from tests.browser.seed import Seeded, Ticking, seed
from tests.browser.serving import Site, serving
from tests.browser.visiting import Visitor, chromium, visiting


class Visit(Protocol):
    """Opens a window on a site."""

    def __call__(self, site: Site, **options: Any) -> Visitor: ...


def in_memory() -> SqliteStore:
    """A store that goes with its site."""
    return SqliteStore(":memory:")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Start Chromium once."""
    pytest_socket.enable_socket()
    with chromium() as running:
        yield running


@pytest.fixture
def visit(browser: Browser) -> Iterator[Visit]:
    """Open windows, each with a profile of its own; whatever should not happen in one fails the test in the end."""
    with ExitStack() as windows:

        def opened(site: Site, **options: Any) -> Visitor:
            return windows.enter_context(visiting(browser, site.url, **options))

        yield opened


@pytest.fixture(scope="session")
def seeded() -> Iterator[Seeded]:
    """A site that has recorded ten days of a registry and some strange names; tests only read it."""
    pytest_socket.enable_socket()
    clock = Ticking()
    with serving(in_memory, clock=clock) as site:
        yield site.run(seed(site, clock))


@pytest.fixture
def empty() -> Iterator[Site]:
    """A site that has recorded nothing, with the clock on the wall."""
    with serving(in_memory) as site:
        yield site
