import asyncio
import itertools
import json
import logging
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registrail.activity import EFFECTS, GRAINS, METRICS, Grain
from registrail.compose import UseCases, use_cases
from registrail.errors import StorageRefusedError, StorageUnavailableError, UnknownSenderError
from registrail.events import RecordedEvent
from registrail.ingest import Receipt, redacted
from registrail.instants import Instant
from registrail.ports import Delivery
from registrail.query import DeliveryFilter, EventFilter
from registrail.senders.sender import Request
from registrail.settings import Settings
from registrail.storage.commit import GroupCommit
from registrail.storage.sqlite import SqliteStore
from registrail.storage.store import EntityStore, Operation
from tests.conftest import Clock

NOON: Final = Instant.parse("2026-06-15T12:00:00Z")
D: Final = "sha256:80f0d5c8786bb9e621a45ece0db56d11cdc624ad20da9fe62e9d25490f331d7d"
TOPIC: Final = "/subscriptions/s/registries/r"
SECRET: Final = "hunter2-Geheimnis"  # noqa: S105 - made up
LIMIT: Final = 1_048_576


class BrokenStore(SqliteStore):
    """A store in memory that cannot write to some tables."""

    def __init__(self, *broken: str, refuses: bool = False) -> None:
        super().__init__(":memory:")
        self.broken = set(broken)
        self.error = StorageRefusedError if refuses else StorageUnavailableError

    async def commit(self, table: str, partition: str, operations: Sequence[Operation]) -> Sequence[str | None]:
        if table in self.broken:
            raise self.error(f"{table} is broken")
        return await super().commit(table, partition, operations)


def on(store: EntityStore, **changed: Any) -> UseCases:
    """The use cases at noon."""
    return use_cases(store, Settings(storage="sqlite:///:memory:", **changed), lambda: NOON)


def event(number: int = 1, **changed: Any) -> dict[str, Any]:
    """One event as Azure Container Registry sends it."""
    return {
        "id": f"acr-{number}",
        "timestamp": "2026-06-15T11:59:00.1234567Z",
        "action": "push",
        "target": {"repository": "team/app", "tag": f"v{number}", "digest": D, "size": 7},
        "request": {"id": f"request-{number}", "host": "r.azurecr.io", "method": "PUT"},
    } | changed


def acr(number: int = 1, query: Mapping[str, str] | None = None, **changed: Any) -> Request:
    """A webhook."""
    return Request(body=json.dumps(event(number, **changed)).encode(), query=query or {})


def grid(*events: object) -> Request:
    """A delivery of Event Grid."""
    kind = "Microsoft.ContainerRegistry.ImagePushed"
    return Request(
        body=json.dumps(
            [{"id": f"grid-{n}", "topic": TOPIC, "eventType": kind, "data": data} for n, data in enumerate(events)]
        ).encode()
    )


def notification(*events: object) -> Request:
    """What the open-source registry sends."""
    return Request(body=json.dumps({"events": events}).encode())


async def receive(app: UseCases, sender: str, request: Request) -> Receipt:
    """Receive one request."""
    return await app.ingest.receive(sender, request, path=f"/hooks/{sender}")


async def delivered(app: UseCases) -> list[Delivery]:
    """The delivery log, newest first."""
    listed = (await app.query.delivered(DeliveryFilter(), limit=1000)).items
    return [whole for one in listed if (whole := await app.query.delivery(one.id))]


async def recorded(app: UseCases) -> list[RecordedEvent]:
    """Every event there is."""
    return list((await app.query.events(EventFilter(), limit=1000)).items)


def rows(store: SqliteStore) -> str:
    """All that is stored, as one text."""
    connection = store._connection  # noqa: SLF001 - the port cannot read every table
    assert connection is not None
    return repr(connection.execute("SELECT * FROM entities").fetchall())


# Answers

ONE_OF_EACH: Final = {"acr": acr(), "eventgrid": grid(event()), "distribution": notification(event())}
UNREADABLE: Final = Request(body=b'{"action": NaN}')


@pytest.mark.parametrize("sender", ONE_OF_EACH)
async def test_a_stored_event_is_200(app: UseCases, sender: str) -> None:
    """The answer says how much was stored and where the delivery is; so does the delivery log."""
    receipt = await receive(app, sender, ONE_OF_EACH[sender])
    [delivery] = await delivered(app)
    assert receipt == Receipt(
        status=200, answer={"delivery": delivery.id, "accepted": 1, "ignored": 0}, headers={}, problem=False
    )
    assert (delivery.outcome, delivery.status, delivery.accepted, delivery.path) == (
        "accepted",
        200,
        1,
        f"/hooks/{sender}",
    )
    assert delivery.received_at == NOON
    assert [one.deliveries for one in await recorded(app)] == [{sender: delivery.id}]


@pytest.mark.parametrize("sender", ONE_OF_EACH)
async def test_a_repeated_event_is_200(app: UseCases, sender: str) -> None:
    """Stored before is as good as stored; the log has both deliveries."""
    first, second = [await receive(app, sender, ONE_OF_EACH[sender]) for _ in range(2)]
    assert (first.status, second.status) == (200, 200)
    assert (len(await recorded(app)), len(await delivered(app))) == (1, 2)


@pytest.mark.parametrize("sender", ["acr", "eventgrid"])
async def test_an_unreadable_body_is_400(app: UseCases, sender: str) -> None:
    """The sender's log shows what is wrong, and ours keeps the body as rejected."""
    receipt = await receive(app, sender, UNREADABLE)
    [delivery] = await delivered(app)
    assert receipt == Receipt(
        status=400,
        answer={
            "type": "about:blank",
            "title": "The body cannot be read",
            "status": 400,
            "detail": "the body is not JSON: NaN is no JSON value",
            "reason": "not-json",
            "delivery": delivery.id,
        },
        headers={},
        problem=True,
    )
    assert (delivery.outcome, delivery.reason, delivery.body) == ("rejected", "not-json", UNREADABLE.body)
    assert await recorded(app) == []


async def test_distribution_hears_200_for_what_cannot_be_read(app: UseCases) -> None:
    """A refused event would block that registry's queue for ever."""
    receipt = await receive(app, "distribution", UNREADABLE)
    [delivery] = await delivered(app)
    assert (receipt.status, receipt.answer) == (
        200,
        {"delivery": delivery.id, "accepted": 0, "ignored": 0, "rejected": 1},
    )
    assert (delivery.outcome, delivery.status, delivery.reason) == ("rejected", 200, "not-json")


@pytest.mark.parametrize(("sender", "status"), [("acr", 413), ("eventgrid", 413), ("distribution", 200)])
async def test_a_body_beyond_the_limit(store: SqliteStore, sender: str, status: int) -> None:
    """It is 413, but not for distribution; the log keeps its beginning and how long it was."""
    app = on(store, max_body_bytes=100)
    receipt = await receive(app, sender, Request(body=b"x" * 101))
    [delivery] = await delivered(app)
    assert (receipt.status, receipt.problem) == (status, status != 200)
    assert (delivery.outcome, delivery.reason, delivery.status) == ("rejected", "too-large", status)
    assert (delivery.body, delivery.body_bytes) == (b"x" * 100, 101)


async def test_a_body_of_exactly_the_limit_is_read(store: SqliteStore) -> None:
    """The limit is the largest body, not the smallest refused one."""
    request = acr()
    assert (await receive(on(store, max_body_bytes=len(request.body)), "acr", request)).status == 200


async def test_nobody_by_that_name(app: UseCases) -> None:
    """An unknown sender is an error that names the known ones, and nothing is kept."""
    with pytest.raises(UnknownSenderError, match="no sender 'quay'; known are acr, distribution, eventgrid"):
        await receive(app, "quay", acr())
    assert await delivered(app) == []


@pytest.mark.parametrize("sender", ONE_OF_EACH)
@pytest.mark.parametrize("table", ["events", "marks", "catalog"])
@pytest.mark.parametrize("refuses", [True, False])
async def test_storage_trouble_is_503(
    sender: str, table: str, caplog: pytest.LogCaptureFixture, *, refuses: bool
) -> None:
    """Whoever asks again later will be heard, also distribution; nothing is said to be stored."""
    caplog.set_level(logging.INFO)
    store = BrokenStore(table, refuses=refuses)
    app = on(store)
    receipt = await receive(app, sender, ONE_OF_EACH[sender])
    reason = "storage-refused" if refuses else "storage-unavailable"
    assert receipt.answer is not None
    assert (receipt.status, dict(receipt.headers), receipt.problem) == (503, {"Retry-After": "10"}, True)
    assert (receipt.answer["reason"], receipt.answer["detail"]) == (reason, f"{table} is broken")
    assert [record.message for record in caplog.records if record.levelno == logging.ERROR] == ["delivery failed"]
    store.broken.clear()
    assert (await receive(app, sender, ONE_OF_EACH[sender])).status == 200
    assert [period.counts.events for period in await app.query.activity_of("day")] == [1]


async def test_what_was_not_stored_is_in_the_log() -> None:
    """A failed delivery is kept whole, so that it can be replayed if its sender never comes back."""
    app = on(BrokenStore("events"))
    await receive(app, "acr", acr())
    [delivery] = await delivered(app)
    assert (delivery.outcome, delivery.status, delivery.accepted, delivery.body) == ("failed", 503, 0, acr().body)


async def test_a_broken_log_does_not_fail_stored_events(caplog: pytest.LogCaptureFixture) -> None:
    """The events are safe, so the answer is 200; the app's own log tells of the trouble."""
    app = on(BrokenStore("deliveries"))
    receipt = await receive(app, "acr", acr())
    assert (receipt.status, len(await recorded(app))) == (200, 1)
    assert [record.message for record in caplog.records if record.levelno == logging.WARNING] == ["delivery log failed"]


@pytest.mark.parametrize("sender", ONE_OF_EACH)
async def test_a_broken_log_fails_what_is_kept_nowhere_else(sender: str) -> None:
    """A rejected body that could not be kept is 503, so that its sender keeps it."""
    store = BrokenStore("deliveries")
    receipt = await receive(on(store), sender, UNREADABLE)
    assert (receipt.status, dict(receipt.headers)) == (503, {"Retry-After": "10"})
    assert receipt.answer is not None
    assert receipt.answer["reason"] == "storage-unavailable"


async def test_a_broken_log_fails_a_batch_that_is_rejected_in_part() -> None:
    """The unreadable one of a batch is kept nowhere else either."""
    receipt = await receive(on(BrokenStore("deliveries")), "eventgrid", grid(event(), {}))
    assert receipt.status == 503


@pytest.mark.parametrize(("sender", "batch"), [("eventgrid", grid), ("distribution", notification)])
async def test_a_batch_that_is_unreadable_in_part(app: UseCases, sender: str, batch: Any) -> None:
    """The rest is stored, and both answer and log say how many were rejected."""
    receipt = await receive(app, sender, batch(event(1), {"action": "push"}, event(2), None))
    [delivery] = await delivered(app)
    assert (receipt.status, receipt.answer) == (
        200,
        {"delivery": delivery.id, "accepted": 2, "ignored": 0, "rejected": 2},
    )
    assert (delivery.outcome, delivery.rejected, len(await recorded(app))) == ("accepted", 2, 2)
    assert delivery.problem is not None
    assert delivery.problem.count(" must be an object, not null") == 2


@pytest.mark.parametrize(
    ("sender", "request_", "ignored"),
    [
        ("acr", Request(body=b'{"action":"ping"}'), 1),
        ("acr", Request(), 1),
        ("eventgrid", Request(body=b"[]"), 0),
        ("eventgrid", Request(body=b'[{"eventType":"Microsoft.Storage.BlobCreated"}]'), 1),
        ("distribution", Request(body=b'{"events":[]}'), 0),
        ("distribution", notification(event(action="pull")), 1),
    ],
)
async def test_what_is_none_of_our_business_is_200(app: UseCases, sender: str, request_: Request, ignored: int) -> None:
    """It is counted as ignored, the log has it, and no event comes of it."""
    receipt = await receive(app, sender, request_)
    [delivery] = await delivered(app)
    assert (receipt.status, receipt.answer) == (200, {"delivery": delivery.id, "accepted": 0, "ignored": ignored})
    assert (delivery.outcome, await recorded(app)) == ("ignored", [])


async def test_a_handshake_leaves_nothing(app: UseCases) -> None:
    """It is answered exactly, and neither an event nor a delivery comes of it: its code is a secret."""
    body = b'[{"eventType":"Microsoft.EventGrid.SubscriptionValidationEvent","data":{"validationCode":"c"}}]'
    receipt = await receive(app, "eventgrid", Request(body=body))
    assert receipt == Receipt(status=200, answer={"validationResponse": "c"}, headers={}, problem=False)
    options = Request(method="OPTIONS", headers={"webhook-request-origin": "grid"})
    receipt = await receive(app, "eventgrid", options)
    assert (receipt.status, receipt.answer, receipt.headers["WebHook-Allowed-Origin"]) == (200, None, "grid")
    assert (await recorded(app), await delivered(app)) == ([], [])


async def test_deliveries_have_different_ids(app: UseCases) -> None:
    """Also those of one instant."""
    receipts = await asyncio.gather(*(receive(app, "acr", acr(n)) for n in range(20)))
    ids = {receipt.answer["delivery"] for receipt in receipts if receipt.answer}
    assert (len(ids), {delivery.id for delivery in await delivered(app)}) == (20, ids)


# Secrets

CREDENTIALS: Final = [
    "authorization",
    "cookie",
    "x-functions-key",
    "X-Functions-Key",
    "proxy-authorization",
    "x-ms-client-principal",
    "x-ms-token-aad-access-token",
    "aeg-sas-key",
    "aeg-sas-token",
    "x-hub-signature-256",
    "x-api-key",
    "x-webhook-secret",
]


async def test_credentials_are_stored_nowhere(store: SqliteStore, app: UseCases) -> None:
    """Whatever carries a credential in a header or in the address is hidden in every row there is."""
    address = f"/hooks/acr?code={SECRET}&registry=r&x-api-key={SECRET}"
    headers = {
        **{name.lower(): f"Basic {SECRET}" for name in CREDENTIALS},
        "x-original-url": address,
        "x-waws-unencoded-url": address,
        "referer": f"https://portal.example{address}#x",
        "user-agent": "AzureContainerRegistry/1.0",
    }
    query = {"code": SECRET, "Code": SECRET, "sig": SECRET, "access_token": SECRET, "registry": "r", "page": "7"}
    for body in (acr().body, b"unreadable"):
        await receive(app, "acr", Request(headers=headers, query=query, body=body))
    assert SECRET not in rows(store)
    assert "AzureContainerRegistry/1.0" in rows(store)
    delivery = (await delivered(app))[0]
    assert (delivery.query["registry"], delivery.query["page"], delivery.query["code"]) == ("r", "7", "(redacted)")
    assert delivery.headers["x-original-url"] == ("/hooks/acr?code=(redacted)&registry=r&x-api-key=(redacted)")


async def test_credentials_are_not_logged(app: UseCases, caplog: pytest.LogCaptureFixture) -> None:
    """The app's own log has fields about deliveries, and neither their headers nor their bodies."""
    caplog.set_level(logging.DEBUG)
    await receive(app, "acr", Request(headers={"authorization": SECRET}, query={"code": SECRET}, body=acr().body))
    assert [record for record in caplog.records if SECRET in repr(record.__dict__)] == []
    assert [record.message for record in caplog.records if record.name == "registrail.ingest"] == ["delivery accepted"]


def test_what_is_no_credential_is_legible() -> None:
    """A log in which everything is hidden would help nobody."""
    pairs = {
        "content-type": "application/json",
        "user-agent": "curl/8 (a=b&c=d)",
        "aeg-delivery-count": "3",
        "registry": "keyboards.io",
        "x-original-url": "/hooks/acr?registry=code.io&encode=1",
    }
    assert redacted(pairs) == pairs


# Bodies

GARBAGE: Final = random.Random(1).randbytes(LIMIT)  # noqa: S311 - no secret


@pytest.mark.parametrize(
    "body",
    [b"", b"\x00\xff\r\n", b"{}" * 500_000, GARBAGE[:800_000], "\U0001f433".encode() * 1000],
    ids=["empty", "binary", "compressible", "incompressible", "unicode"],
)
async def test_bodies_are_kept_byte_for_byte(app: UseCases, body: bytes) -> None:
    """The delivery log has what came, and not something like it."""
    await receive(app, "distribution", Request(body=body))
    [delivery] = await delivered(app)
    assert (delivery.body == body, delivery.body_bytes) == (True, len(body))


async def test_a_body_that_does_not_compress_is_cut(app: UseCases) -> None:
    """A row holds 1 MiB: of garbage just below the limit the beginning is kept, and the length tells that it is cut."""
    receipt = await receive(app, "acr", Request(body=GARBAGE))
    [delivery] = await delivered(app)
    assert (receipt.status, delivery.reason, delivery.body_bytes) == (400, "not-utf-8", LIMIT)
    assert GARBAGE.startswith(delivery.body)
    assert 850_000 < len(delivery.body) < LIMIT


# Times


@pytest.mark.parametrize(
    "timestamp",
    [
        None,
        "",
        "soon",
        7,
        "0001-01-01T00:00:00Z",
        "2012-12-31T23:59:59.9999999Z",
        "2026-06-16T12:00:00.0000001Z",
        "2026-06-17T12:00:00Z",
        "9999-12-31T23:59:59.9999999Z",
    ],
)
async def test_events_without_a_usable_time(app: UseCases, timestamp: object) -> None:
    """They are kept once however often they come, without a time, and count in no period."""
    for _ in range(2):
        assert (await receive(app, "acr", acr(timestamp=timestamp))).status == 200
    await receive(app, "acr", acr(timestamp=timestamp, request={"id": "another", "host": "r.azurecr.io"}))
    found = await recorded(app)
    assert [one.event.occurred_at for one in found] == [None, None]
    assert await app.query.activity_of("day") == []


@pytest.mark.parametrize("timestamp", ["2013-01-01T00:00:00Z", "2026-06-16T12:00:00Z"])
async def test_times_at_the_edge_of_reason(app: UseCases, timestamp: str) -> None:
    """The first and the last believable instant are believed."""
    await receive(app, "acr", acr(timestamp=timestamp))
    [one] = await recorded(app)
    assert one.event.occurred_at == Instant.parse(timestamp)


async def test_100_ns_tell_events_apart(app: UseCases) -> None:
    """Seven digits count, further ones do not."""
    for digits in ("1234567", "1234568", "12345681"):
        await receive(app, "acr", acr(timestamp=f"2026-06-15T11:59:00.{digits}Z"))
    assert len(await recorded(app)) == 2


# Identity

ARRIVALS: Final = [
    ("acr", acr(query={"region": "westeurope"})),
    ("acr", acr(query={"region": "East US"}, id="replica")),
    ("eventgrid", grid(event(id="grid", location="westeurope"))),
    ("eventgrid", grid(event(id="grid2", location="japaneast"), event(id="grid2", location="japaneast"))),
    ("distribution", notification(event(id="cnd"))),
]


@pytest.mark.parametrize("order", list(itertools.permutations(range(len(ARRIVALS)), 3)))
async def test_one_event_by_many_channels_is_one_row(order: Sequence[int]) -> None:
    """Whichever channels and regions tell of it, in whichever order: one event, with all who told."""
    app = on(SqliteStore(":memory:"))
    for index in order:
        await receive(app, *ARRIVALS[index])
    [one] = await recorded(app)
    regions = ["westeurope", "eastus", "westeurope", "japaneast", None]
    assert set(one.seen) == {ARRIVALS[index][0] for index in order}
    assert set(one.regions) == {regions[index] for index in order} - {None}
    assert (one.event.action, one.event.repository, one.event.tag, one.event.digest) == ("push", "team/app", "v1", D)
    assert [period.counts.events for period in await app.query.activity_of("hour")] == [1]


@pytest.mark.parametrize("seed", range(5))
async def test_all_channels_at_once(seed: int) -> None:
    """Arrivals that race share transactions, on one instance and on two: still one row, with all who told."""
    store = SqliteStore(":memory:")
    instances = [on(GroupCommit(store)), on(GroupCommit(store))]
    arrivals = ARRIVALS * 4
    random.Random(seed).shuffle(arrivals)  # noqa: S311 - a simulation, which should repeat
    await asyncio.gather(*(receive(instances[n % 2], *arrival) for n, arrival in enumerate(arrivals)))
    [one] = await recorded(instances[0])
    assert (set(one.seen), set(one.regions)) == (
        {"acr", "eventgrid", "distribution"},
        {"westeurope", "eastus", "japaneast"},
    )
    assert [period.counts.events for period in await instances[0].query.activity_of("hour")] == [1]


async def test_a_later_arrival_does_not_erase(app: UseCases) -> None:
    """What only the first channel knew is still there after another one told less."""
    await receive(app, "acr", acr(actor={"name": "ci"}))
    await receive(app, "eventgrid", grid(event(request={"host": "r.azurecr.io"})))
    [one] = await recorded(app)
    assert (one.event.actor, one.event.request_id, one.event.method) == ("ci", "request-1", "PUT")


@pytest.mark.parametrize("name", ["ä" * 200, "x y" * 80, "日本" * 20, "=" * 255, "*", "~", "a/b?c#d\\e", "\ud800"])
async def test_a_registry_of_any_name(app: UseCases, clock: Clock, name: str) -> None:
    """It is listed by its whole name, its events are found by it and counted, and it spoils nothing for others."""
    await receive(app, "acr", acr(1, query={"registry": name}))
    await receive(app, "acr", acr(2))
    [other] = [one for one in await app.query.journal.registries() if one != "r.azurecr.io"]
    assert other == name.replace("\ud800", "\ufffd")
    found = await app.query.events(EventFilter(registry=other), limit=10)
    assert [one.event.tag for one in found.items] == ["v1"]
    clock.advance(minutes=1)
    assert await app.summarize.fold_all() == 2
    assert len(await recorded(app)) == 2


# Everything at once

GENERATED: Final = st.lists(
    st.fixed_dictionaries(
        {
            "action": st.sampled_from(
                ["push", "push", "delete", "quarantine", "chart_push", "chart_delete", "pull", "mount", "new"]
            ),
            "registry": st.sampled_from(["a.io", "b.io"]),
            "repository": st.sampled_from(["app", "team/app", "*"]),
            "tag": st.sampled_from([None, "v1", "v2"]),
            "minute": st.sampled_from([0, 1, 59, 60, 12 * 60, 24 * 60, 24 * 60 + 1]),
        }
    ),
    max_size=12,
    unique_by=lambda one: repr(sorted(one.items())),
)
_METRIC: Final = {
    "push": "pushes",
    "delete": "deletes",
    "quarantine": "quarantines",
    "chart_push": "chart_pushes",
    "chart_delete": "chart_deletes",
    "pull": "pulls",
}
_BEGINNING: Final = Instant.parse("2026-06-13T23:00:30Z")
OF_EVENTS: Final = [metric for metric in METRICS if metric not in EFFECTS]
"""What can be counted without knowing the history; the rest is for `test_trace.py`."""

_LENGTH: Final[Mapping[Grain, int]] = {"slot": 16, "hour": 13, "day": 10}
Sent = Mapping[str, Any]


def moment(sent: Sent) -> str:
    """When a generated event happened."""
    return _BEGINNING.plus(timedelta(minutes=sent["minute"])).isoformat()


def as_sent(sent: Sent) -> dict[str, Any]:
    """A generated event in the form that all senders share."""
    return {
        "action": sent["action"],
        "timestamp": moment(sent),
        "target": {"repository": sent["repository"], "tag": sent["tag"]},
        "request": {"host": sent["registry"], "id": repr(sorted(sent.items(), key=repr))},
    }


def recount(events: Sequence[Sent], grain: Grain, registry: str, repository: str | None) -> dict[str, Counter[str]]:
    """Count again what was sent, in the plainest way."""
    found: dict[str, Counter[str]] = {}
    for sent in events:
        if sent["registry"] == registry and repository in {None, sent["repository"]}:
            metric = _METRIC.get(sent["action"], "others")
            found.setdefault(moment(sent)[: _LENGTH[grain]], Counter()).update(["events", metric])
    return found


@settings(max_examples=60)
@given(events=GENERATED, data=st.data())
async def test_journal_and_activity_equal_a_recount(events: list[Sent], data: st.DataObject) -> None:
    """In any order, with any repetitions, in any batches, with folds in between: each once, and counts are exact."""
    app = on(SqliteStore(":memory:"), keep_pulls=True, keep_blobs=True)
    order = data.draw(st.permutations(events + data.draw(st.lists(st.sampled_from(events)) if events else st.just([]))))
    while order:
        batch = order[: data.draw(st.integers(1, 4))]
        order = order[len(batch) :]
        if data.draw(st.booleans()):
            await receive(app, "distribution", notification(*map(as_sent, batch)))
        else:
            for sent in batch:
                await receive(app, "acr", Request(body=json.dumps(as_sent(sent)).encode()))
        if data.draw(st.booleans()):
            await app.summarize.fold_all()
    expected = sorted(
        (moment(one), one["registry"], one["repository"], one["action"], one["tag"] or "") for one in events
    )
    found = [one.event for one in await recorded(app)]
    assert expected == sorted(
        (
            one.occurred_at.isoformat() if one.occurred_at else "",
            one.registry,
            one.repository,
            one.action,
            one.tag or "",
        )
        for one in found
    )
    for grain, registry in itertools.product(GRAINS, ("a.io", "b.io")):
        for repository in (None, "app", "team/app", "*") if grain != "slot" else (None,):
            periods = await app.query.activity_of(grain, registry=registry, repository=repository)
            counted = {
                period.period: {metric: getattr(period.counts, metric) for metric in OF_EVENTS} for period in periods
            }
            again = recount(events, grain, registry, repository)
            assert counted == {name: {metric: counts[metric] for metric in OF_EVENTS} for name, counts in again.items()}
