import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registrail.compose import UseCases, use_cases
from registrail.events import RecordedEvent
from registrail.instants import Instant
from registrail.query import DeliveryFilter, EventFilter
from registrail.senders.sender import Request
from registrail.settings import Settings
from registrail.storage.sqlite import SqliteStore
from registrail.summarize import CLAIM
from tests.conftest import Clock


def push(day: int, registry: str = "r.azurecr.io") -> Request:
    """Push an image on a day of May 2026."""
    event = {
        "action": "push",
        "timestamp": f"2026-05-{day:02}T23:59:59.9999999Z",
        "target": {"repository": f"app{day % 3}", "tag": "v1", "digest": "sha256:1"},
        "request": {"host": registry, "id": f"{day}"},
    }
    return Request(body=json.dumps(event).encode())


async def recorded(store: SqliteStore, clock: Clock, settings: Settings, days: range) -> UseCases:
    """Receive a push on each of some days, on that day, and fold them."""
    app = use_cases(store, settings, clock)
    for day in days:
        clock.now = Instant.parse(f"2026-05-{day:02}T23:59:59.9999999Z")
        await app.ingest.receive("acr", push(day), path="/hooks/acr")
    await app.summarize.fold_all()
    return app


async def kept(app: UseCases) -> tuple[list[str], list[str], list[str]]:
    """The days of deliveries, of events, and of counts."""
    deliveries = (await app.query.delivered(DeliveryFilter(), limit=1000)).items
    events: list[RecordedEvent] = []
    cursor: str | None = ""
    while cursor is not None:
        page = await app.query.events(EventFilter(), limit=1000, cursor=cursor)
        events += page.items
        cursor = page.next
    periods = await app.query.activity_of("day")
    return (
        sorted({delivery.received_at.day[-2:] for delivery in deliveries}),
        sorted({item.event.occurred_at.day[-2:] for item in events if item.event.occurred_at}),
        sorted({period.period[-2:] for period in periods}),
    )


def names(days: range) -> list[str]:
    """Days as `kept` names them."""
    return [f"{day:02}" for day in days]


async def test_deliveries_go_and_events_stay(store: SqliteStore, clock: Clock) -> None:
    """Without a limit for events only the log shrinks, by whole days that lie before the limit."""
    app = await recorded(store, clock, Settings(keep_deliveries_days=10), range(1, 21))
    assert await app.expire.expire() == 9
    assert await kept(app) == (names(range(10, 21)), names(range(1, 21)), names(range(1, 21)))


async def test_events_go_with_their_counts(store: SqliteStore, clock: Clock) -> None:
    """With a limit events go, and slots, hours and days with them, of single repositories too."""
    app = await recorded(store, clock, Settings(keep_events_days=5), range(1, 21))
    await app.expire.expire()
    left = range(15, 21)
    assert (await kept(app))[1:] == (names(left), names(left))
    rows = [entity.row for entity in (await store.scan("activity", "r.azurecr.io")).entities]
    assert sorted({row.rpartition("~")[2][8:10] for row in rows}) == names(left)


@settings(max_examples=25)
@given(st.integers(1, 25), st.integers(0, 86_399), st.integers(1, 20))
async def test_nothing_younger_than_the_limit_goes(day: int, second: int, keep: int) -> None:
    """Whenever it runs, everything within the limit is still there afterwards."""
    store = SqliteStore(":memory:")
    clock = Clock(Instant.parse("2026-05-01T00:00:00Z"))
    app = await recorded(store, clock, Settings(keep_deliveries_days=keep, keep_events_days=keep), range(1, day + 1))
    clock.now = Instant.parse(f"2026-05-{day:02}T00:00:00Z")
    clock.advance(days=1, seconds=second)
    await app.expire.expire()
    youngest_to_go = clock.now.ticks - keep * 86_400 * 10_000_000
    due = [n for n in range(1, day + 1) if Instant.parse(f"2026-05-{n:02}T23:59:59.9999999Z").ticks >= youngest_to_go]
    found = await kept(app)
    assert all(set(names(range(min(due, default=day + 1), day + 1))) <= set(part) for part in found)
    assert len({tuple(part) for part in found}) == 1
    await store.close()


class PulledPlugError(Exception):
    """The process ends here."""


class FragileStore(SqliteStore):
    """A store in memory after some commits of which the process ends."""

    def __init__(self) -> None:
        super().__init__(":memory:")
        self.commits_left = 1_000_000

    async def commit(self, table, partition, operations):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
        self.commits_left -= 1
        if self.commits_left < 0:
            raise PulledPlugError
        return await super().commit(table, partition, operations)


@pytest.mark.parametrize("commits", range(12))
async def test_an_interrupted_run_is_resumed(clock: Clock, commits: int) -> None:
    """Whenever it is interrupted, the next run ends where an uninterrupted one does: when the dead one's claims end."""
    store = FragileStore()
    app = await recorded(store, clock, Settings(keep_deliveries_days=5, keep_events_days=5), range(1, 9))
    clock.advance(hours=1)
    store.commits_left = commits
    with pytest.raises(PulledPlugError):
        await app.expire.expire()
    store.commits_left = 1_000_000
    clock.now = clock.now.plus(CLAIM)
    await app.expire.expire()
    left = names(range(4, 9))
    assert await kept(app) == (left, left, left)
    await store.close()


async def test_events_without_a_time_stay(store: SqliteStore, clock: Clock) -> None:
    """Nobody knows how old they are."""
    app = use_cases(store, Settings(keep_events_days=1), clock)
    body = b'{"action": "push", "target": {"repository": "a"}, "request": {"host": "r"}}'
    await app.ingest.receive("acr", Request(body=body), path="")
    clock.advance(days=400)
    await app.expire.expire()
    assert len((await app.query.events(EventFilter(), limit=10)).items) == 1
