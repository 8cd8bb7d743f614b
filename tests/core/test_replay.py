import json
from dataclasses import replace

import pytest

from registrail.compose import UseCases, use_cases
from registrail.errors import MalformedError, UnknownSenderError
from registrail.ports import Delivery
from registrail.query import DeliveryFilter, EventFilter
from registrail.senders import senders
from registrail.senders.sender import Request
from registrail.settings import Settings
from registrail.storage.sqlite import SqliteStore
from tests.conftest import Clock

PUSH = {
    "action": "push",
    "timestamp": "2026-06-15T11:59:00Z",
    "target": {"repository": "team/app", "tag": "v1", "digest": "sha256:1"},
    "request": {"host": "r.azurecr.io", "id": "1"},
}


async def received(app: UseCases, body: bytes, sender: str = "acr", **query: str) -> Delivery:
    """Receive a request; its entry in the log."""
    receipt = await app.ingest.receive(sender, Request(body=body, query=query), path=f"/hooks/{sender}")
    assert receipt.answer is not None
    logged = await app.query.delivery(str(receipt.answer["delivery"]))
    assert logged is not None
    return logged


async def test_replaying_changes_nothing_that_was_stored(app: UseCases, clock: Clock) -> None:
    """The event stays single, with the time at which it first came; the log says when it was replayed."""
    logged = await received(app, json.dumps(PUSH).encode(), registry="other.azurecr.io", region="westeurope")
    before = (await app.query.events(EventFilter(), limit=10)).items
    clock.advance(hours=1)
    replayed = await app.ingest.replay(logged)
    assert replayed == replace(logged, replayed_at=clock.now)
    assert await app.query.delivery(logged.id) == replayed
    assert (await app.query.events(EventFilter(), limit=10)).items == before
    assert len((await app.query.delivered(DeliveryFilter(), limit=10)).items) == 1


async def test_replaying_brings_back_what_was_lost(app: UseCases, store: SqliteStore, clock: Clock) -> None:
    """Whatever became of the events, those of a logged request can be had again, and are counted."""
    logged = await received(app, json.dumps(PUSH).encode())
    await app.query.journal.forget("r.azurecr.io", "2026-06-15")
    again = use_cases(store, Settings(), clock)
    await again.ingest.replay(logged)
    [found] = (await again.query.events(EventFilter(), limit=10)).items
    [period] = await again.query.activity_of("day")
    assert (found.event.repository, found.received_at, period.counts.events) == ("team/app", logged.received_at, 1)


async def test_what_was_rejected_is_accepted_once_it_is_understood(app: UseCases) -> None:
    """After an upgrade the log's rejected requests become events."""
    logged = await received(app, json.dumps(PUSH).encode(), sender="harbor")
    assert (logged.outcome, logged.status) == ("rejected", 400)
    upgraded = replace(app.ingest, senders={"harbor": senders()["acr"]})
    replayed = await upgraded.replay(logged)
    assert (replayed.outcome, replayed.status, replayed.accepted, replayed.problem) == ("accepted", 200, 1, None)


async def test_a_cut_body_is_not_replayed(app: UseCases) -> None:
    """Half a body is no request; the message says how much there is."""
    ingest = replace(app.ingest, max_body_bytes=100)
    logged = await received(replace(app, ingest=ingest), b"x" * 200)
    with pytest.raises(MalformedError, match="the log has 100 of the body's 200 bytes"):
        await app.ingest.replay(logged)


async def test_a_sender_that_is_gone(app: UseCases) -> None:
    """A log may be older than the app."""
    logged = replace(await received(app, b"{}"), sender="quay")
    with pytest.raises(UnknownSenderError, match="'quay'"):
        await app.ingest.replay(logged)
