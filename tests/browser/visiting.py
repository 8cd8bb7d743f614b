"""Debian's Chromium, and a window in it that notes whatever should not happen on a page."""

import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Dialog, Page, Request, sync_playwright

FLAGS: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
TIMEOUT: Final = 15_000
"""Milliseconds that anything may take on a busy machine."""

_REPORT_VIOLATIONS: Final = """
addEventListener("securitypolicyviolation", (event) =>
  console.error(`CSP ${event.violatedDirective}: ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`));
"""
_INLINE: Final = ("data", "blob", "about")


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start a browser with a new empty profile."""
    executable = shutil.which("chromium")
    assert executable, "chromium is missing (Debian: apt-get install chromium)"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=[*FLAGS])
        yield browser
        browser.close()


def until(page: Page, expression: str, seconds: float = TIMEOUT / 1000) -> Any:
    """Evaluate until the value is true, and return it; Playwright's own way would need `unsafe-eval`."""
    deadline = time.monotonic() + seconds
    while not (value := page.evaluate(expression)):
        assert time.monotonic() < deadline, expression
        page.wait_for_timeout(50)
    return value


@dataclass
class Visitor:
    """Somebody with a browser of their own.

    Attributes:
        page: their window.
        problems: errors in the console, exceptions, violations of the policy, requests to other origins.
        forgiven: patterns of problems that a test brings about itself.
    """

    context: BrowserContext
    page: Page
    url: str
    problems: list[str] = field(default_factory=list)
    forgiven: list[str] = field(default_factory=list)

    def go(self, path: str) -> Page:
        """Open a page and wait until its scripts have run."""
        self.page.goto(f"{self.url}{path}", wait_until="load")
        return self.page

    def unforgiven(self) -> list[str]:
        """What went wrong and was not meant to."""
        return [one for one in self.problems if not any(re.search(pattern, one) for pattern in self.forgiven)]

    def watch(self, page: Page) -> None:
        """Note what happens in a window."""
        page.set_default_timeout(TIMEOUT)
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.problems.append(f"exception: {error}"))
        page.on("request", self._request)
        page.on("dialog", self._dialog)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.problems.append(f"console {message.type}: {message.text} ({message.location.get('url', '')})")

    def _dialog(self, dialog: Dialog) -> None:
        self.problems.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _request(self, request: Request) -> None:
        if not request.url.startswith(f"{self.url}/") and urlsplit(request.url).scheme not in _INLINE:
            self.problems.append(f"request to another origin: {request.url}")


@contextmanager
def visiting(browser: Browser, url: str, **options: Any) -> Iterator[Visitor]:
    """Open a window in a fresh context; fail if anything went wrong in it.

    Args:
        browser: the running one.
        url: of the app; no other origin may be asked.
        options: of `Browser.new_context`, such as `color_scheme="dark"`.
    """
    settled = {"viewport": {"width": 1280, "height": 900}, "locale": "en-GB", "timezone_id": "UTC"}
    context = browser.new_context(**(settled | options))
    context.add_init_script(_REPORT_VIOLATIONS)
    visitor = Visitor(context, context.new_page(), url)
    visitor.watch(visitor.page)
    try:
        yield visitor
    finally:
        context.close()
    problems = visitor.unforgiven()
    assert problems == [], problems
