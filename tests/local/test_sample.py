import json
import logging
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from registrail.instants import Instant
from registrail.local.sample import fill

NOW = datetime(2026, 3, 4, 15, 30, tzinfo=UTC)


@dataclass(slots=True, kw_only=True)
class Recorder(httpx.AsyncBaseTransport):
    """As much of an app as filling needs: it says whether it is empty, and keeps what is posted."""

    items: list[dict[str, str]] = field(default_factory=list)
    health: int = 200
    posted: list[tuple[str, Any]] = field(default_factory=list)
    answer: int = 200

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer one request."""
        if request.method == "GET":
            assert request.url.raw_path == b"/api/events?limit=1"
            return httpx.Response(self.health, json={"items": self.items, "next": None}, request=request)
        body = json.loads(await request.aread())
        self.posted.append((f"{request.url.path}?{request.url.query.decode()}", body))
        return httpx.Response(self.answer, json={"delivery": "d", "accepted": 1, "ignored": 0}, request=request)


async def test_an_empty_app_is_filled_through_both_hooks() -> None:
    """All of the history comes by webhook and some of it again by Event Grid, under the sample's name."""
    recorder = Recorder()
    count = await fill("http://app", transport=recorder, now=NOW)
    hooks = Counter(path for path, _ in recorder.posted)
    assert hooks["/hooks/acr?registry=sample-data.example&region=westeurope"] == count > 150
    assert 10 < hooks["/hooks/eventgrid?registry=sample-data.example&region=westeurope"] < count / 5
    assert len(hooks) == 2


async def test_what_comes_twice_is_the_same_event() -> None:
    """Each event of Event Grid was also told by the webhook, with the same time and target."""
    recorder = Recorder()
    await fill("http://app", transport=recorder, now=NOW)
    told = [body for path, body in recorder.posted if path.startswith("/hooks/acr")]
    again = [body[0]["data"] for path, body in recorder.posted if path.startswith("/hooks/eventgrid")]
    by_webhook = {(body["timestamp"], json.dumps(body["target"], sort_keys=True)) for body in told}
    assert {(body["timestamp"], json.dumps(body["target"], sort_keys=True)) for body in again} <= by_webhook


async def test_nothing_is_from_the_future() -> None:
    """The history ends at `now`."""
    recorder = Recorder()
    await fill("http://app", transport=recorder, now=NOW)
    told = [body for path, body in recorder.posted if path.startswith("/hooks/acr")]
    assert max(Instant.parse(body["timestamp"]) for body in told) <= Instant.from_datetime(NOW)


async def test_an_app_with_events_is_left_alone() -> None:
    """One event of anybody's is enough to send nothing."""
    recorder = Recorder(items=[{"id": "1"}])
    assert await fill("http://app", transport=recorder, now=NOW) == 0
    assert recorder.posted == []


async def test_it_tells_how_to_start_empty(caplog: pytest.LogCaptureFixture) -> None:
    """One line says what was filled in and how to be rid of it."""
    with caplog.at_level(logging.INFO, logger="registrail"):
        await fill("http://app", transport=Recorder(), now=NOW)
    [record] = [record for record in caplog.records if record.name == "registrail.local.sample"]
    assert "REGISTRAIL_DEMO=0" in record.getMessage()
    assert record.levelno == logging.INFO


async def test_an_app_that_refuses_events_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    """What was not accepted is not counted, and a warning says so."""
    with caplog.at_level(logging.INFO, logger="registrail"):
        assert await fill("http://app", transport=Recorder(answer=503), now=NOW) == 0
    assert "incomplete" in caplog.text


async def test_an_app_that_cannot_be_asked_is_an_error() -> None:
    """Without an answer about what is there, nothing is sent."""
    recorder = Recorder(health=403)
    with pytest.raises(httpx.HTTPStatusError):
        await fill("http://app", transport=recorder, now=NOW)
    assert recorder.posted == []
