"""Registries, as the app hears them: requests to its hooks."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import httpx

from registrail.instants import Instant
from tests.browser.seed import webhook
from tests.browser.serving import Site


def now() -> Instant:
    """By the clock on the wall."""
    return Instant.from_datetime(datetime.now(UTC))


def send(site: Site, number: int = 0, *, action: str = "push", **target: Any) -> None:
    """Have a registry tell about something that happens now."""
    post(site, webhook(number, at=now(), action=action, **target))


def post(site: Site, body: Mapping[str, Any] | bytes, sender: str = "acr") -> httpx.Response:
    """Send a request to a hook."""
    given = {"content": body} if isinstance(body, bytes) else {"json": body}
    return httpx.post(f"{site.url}/hooks/{sender}", trust_env=False, timeout=30, **given)
