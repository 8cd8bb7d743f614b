import asyncio
import base64
import itertools
import json
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from fnmatch import fnmatchcase
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registrail import ports
from registrail import query as query_module
from registrail.activity import GRAINS, Grain
from registrail.compose import UseCases, use_cases
from registrail.errors import ConflictError, InvalidParameterError, StorageUnavailableError
from registrail.events import Arrival, RecordedEvent, RegistryEvent
from registrail.instants import Instant
from registrail.projections import Account
from registrail.query import EventFilter
from registrail.settings import Settings
from registrail.storage.sqlite import SqliteStore
from registrail.storage.store import Operation, Page
from registrail.summarize import CLAIM, READER_SECONDS
from tests.conftest import Clock

NOON: Final = Instant.parse("2026-06-15T12:00:00Z")
ARRIVAL: Final = Arrival(sender="acr", delivery="acr~1", received_at=NOON)
REGISTRIES: Final = ("a.io", "b.io", "c.io")


def event(number: int, registry: str = "a.io", **changed: Any) -> RegistryEvent:
    """Make an event that happened `number` times seven hours before noon; a negative number has no time."""
    values: dict[str, Any] = {
        "action": "push",
        "repository": "app",
        "tag": f"v{number}",
        "occurred_at": NOON.plus(timedelta(hours=-7 * number)) if number >= 0 else None,
        "request_id": f"{number}",
    }
    return RegistryEvent(registry=registry, **{**values, **changed})


async def store_events(app: UseCases, events: Sequence[RegistryEvent]) -> None:
    """Write and mark, as ingest does."""
    await app.ingest.journal.append(events, ARRIVAL)
    for one in events:
        if one.occurred_at is not None:
            await app.ingest.marks.touch(one.registry, [one.occurred_at.minute])


async def pages(app: UseCases, wanted: EventFilter, limit: int) -> list[Sequence[RecordedEvent]]:
    """All pages of a list."""
    found = []
    cursor = None
    while True:
        page = await app.query.events(wanted, limit=limit, cursor=cursor)
        found.append(page.items)
        cursor = page.next
        if cursor is None:
            return found


def tags(items: Sequence[RecordedEvent]) -> list[str | None]:
    """What tells the events of these tests apart."""
    return [one.event.tag for one in items]


@pytest.fixture
async def filled(app: UseCases) -> list[RegistryEvent]:
    """Record nine events a registry over some days, two of them without a time."""
    events = [event(number, registry) for registry in REGISTRIES for number in range(-2, 7)]
    await store_events(app, events)
    return events


# Lists


async def test_an_empty_store_has_an_empty_list(app: UseCases) -> None:
    """And no next page."""
    assert await app.query.events(EventFilter(), limit=10) == query_module.EventList([], None)


async def test_lists_are_newest_first(app: UseCases, filled: list[RegistryEvent]) -> None:
    """Over all registries and days; those without a time are last."""
    found = (await app.query.events(EventFilter(), limit=1000)).items
    times = [one.event.occurred_at for one in found]
    dated = [time for time in times if time is not None]
    assert (dated, len(times)) == (sorted(dated, reverse=True), len(filled))
    assert times[-6:] == [None] * 6
    assert {one.event.registry for one in found} == set(REGISTRIES)


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 26, 27, 28, 1000])
async def test_pages_have_everything_once(app: UseCases, filled: list[RegistryEvent], limit: int) -> None:
    """Whatever the size of a page, the pages together are the whole list, and none but the last is short."""
    whole = (await app.query.events(EventFilter(), limit=1000)).items
    found = await pages(app, EventFilter(), limit)
    assert [one for page in found for one in page] == list(whole)
    assert [len(page) for page in found[:-1]] == [limit] * (len(found) - 1)
    assert 0 < len(found[-1]) <= limit
    assert len(whole) == len(filled)


@pytest.mark.parametrize("limit", [1, 4])
async def test_newer_events_do_not_disturb_paging(app: UseCases, filled: list[RegistryEvent], limit: int) -> None:
    """What arrives between two pages at the top of the list shifts nothing further down."""
    before = (await app.query.events(EventFilter(), limit=1000)).items
    found: list[RecordedEvent] = []
    cursor = None
    for number in itertools.count(1):
        page = await app.query.events(EventFilter(), limit=limit, cursor=cursor)
        found += page.items
        cursor = page.next
        if cursor is None:
            break
        await store_events(app, [event(0, "new.io", tag=f"n{number}", occurred_at=NOON.plus(timedelta(hours=number)))])
    assert (found, len(found)) == (list(before), len(filled))


@settings(max_examples=40)
@given(
    events=st.lists(
        st.builds(
            event,
            st.integers(-3, 20),
            st.sampled_from(REGISTRIES),
            action=st.sampled_from(["push", "delete"]),
            repository=st.sampled_from(["app", "team/app"]),
        ),
        max_size=25,
    ),
    wanted=st.builds(
        EventFilter,
        registry=st.none() | st.sampled_from(REGISTRIES),
        repository=st.none() | st.sampled_from(["app", "other", "team/*", "*", "a*"]),
        action=st.none() | st.sampled_from(["push", "delete"]),
        since=st.none() | st.integers(0, 20).map(lambda n: NOON.plus(timedelta(hours=-7 * n))),
        until=st.none() | st.integers(0, 20).map(lambda n: NOON.plus(timedelta(hours=-7 * n))),
    ),
    limit=st.integers(1, 7),
)
async def test_a_list_is_what_a_loop_would_find(events: list[RegistryEvent], wanted: EventFilter, limit: int) -> None:
    """Filters, bounds and pages give exactly what going through all events would give."""
    app = use_cases(SqliteStore(":memory:"), Settings(), lambda: NOON)
    await store_events(app, events)

    def admitted(one: RegistryEvent) -> bool:
        at = one.occurred_at
        if at is None and (wanted.since or wanted.until):
            return False
        return (
            wanted.registry in {None, one.registry}
            and (wanted.repository is None or fnmatchcase(one.repository, wanted.repository))
            and wanted.action in {None, one.action}
            and (at is None or wanted.since is None or at >= wanted.since)
            and (at is None or wanted.until is None or at < wanted.until)
        )

    found = [one.event for page in await pages(app, wanted, limit) for one in page]
    assert Counter(found) == Counter({one: 1 for one in events if admitted(one)})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("registry", "b.io"),
        ("repository", "team/app"),
        ("tag", "latest"),
        ("digest", "sha256:1"),
        ("action", "delete"),
        ("actor", "alice"),
        ("client", "skopeo/1"),
    ],
)
async def test_filters(app: UseCases, filled: list[RegistryEvent], name: str, value: str) -> None:
    """Each filter lets through what has the value, and nothing else."""
    named: dict[str, Any] = {name: value}
    one = replace(event(1, repository="x"), **named)
    await store_events(app, [one])
    expected = [other for other in [*filled, one] if getattr(other, name) == value]
    found = (await app.query.events(EventFilter(**named), limit=1000)).items
    assert Counter(found.event for found in found) == Counter(expected)


@pytest.mark.parametrize("limit", [1, 10])
async def test_bounds_include_since_and_not_until(app: UseCases, limit: int) -> None:
    """`since` <= time < `until`, to 100 ns, also at midnight."""
    midnight = Instant.parse("2026-06-15T00:00:00Z")
    at = [Instant(midnight.ticks + ticks) for ticks in (-2, -1, 0, 1)]
    await store_events(app, [event(0, tag=f"{n}", occurred_at=moment) for n, moment in enumerate(at)])

    async def found(**bounds: Any) -> list[str | None]:
        return [tag for page in await pages(app, EventFilter(**bounds), limit) for tag in tags(page)]

    assert await found(since=midnight) == ["3", "2"]
    assert await found(until=midnight) == ["1", "0"]
    assert await found(since=at[1], until=at[3]) == ["2", "1"]
    assert await found(since=midnight, until=midnight) == []
    assert await found(until=Instant(0)) == []


async def test_undated_events_need_an_unbounded_list(app: UseCases, filled: list[RegistryEvent]) -> None:
    """What has no time is in no range of times."""
    year = timedelta(days=365)
    assert len(filled) == 27
    for wanted in (EventFilter(since=NOON.plus(-year)), EventFilter(until=NOON.plus(year))):
        found = (await app.query.events(wanted, limit=1000)).items
        assert (len(found), [one for one in found if one.event.occurred_at is None]) == (21, [])


def cursor_of(value: object) -> str:
    """Write a cursor as the query does."""
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


ID: Final = f"{0:019d}~{'0' * 32}"


@pytest.mark.parametrize(
    "cursor",
    [
        "x",
        "é",
        "!!!!",
        "AAAA",
        cursor_of(None),
        cursor_of(7),
        cursor_of([]),
        cursor_of(["2026-06-15"]),
        cursor_of(["2026-06-15", ""]),
        cursor_of(["2026-06-15", None, ""]),
        cursor_of(["2026-W25-1", None]),
        cursor_of(["2026-06-15", 7]),
        cursor_of(["2026-06-15", "\ud800"]),
        cursor_of(["2026-06-15", "' or 1 eq 1"]),
        cursor_of(["2026-06-31", ID]),
        cursor_of(["yesterday", ID]),
        cursor_of([7, ID]),
        cursor_of([["undated"], ID]),
        cursor_of({"day": "2026-06-15", "after": ID}),
        base64.urlsafe_b64encode(b"[" * 100_000).decode(),
        base64.urlsafe_b64encode(b"9" * 6_000).decode(),
    ],
    ids=range(21),
)
async def test_a_cursor_must_be_ours(app: UseCases, cursor: str) -> None:
    """Anything else is the reader's mistake, and says so."""
    with pytest.raises(InvalidParameterError, match="cursor: is not one that a list gave") as refused:
        await app.query.events(EventFilter(), limit=10, cursor=cursor)
    assert refused.value.parameter == "cursor"


async def test_a_cursor_may_point_at_nothing(app: UseCases, filled: list[RegistryEvent]) -> None:
    """The event that it names may be gone, and so may its day."""
    found = await app.query.events(EventFilter(), limit=100, cursor=cursor_of(["2030-01-01", ID]))
    assert len(found.items) == len(filled)
    assert (await app.query.events(EventFilter(), limit=100, cursor=cursor_of(["undated", "f~f"]))).items == []


async def test_a_rare_event_is_found_page_by_page(app: UseCases) -> None:
    """One page reads 4,000 events at most; it may be empty and still have a next one, which goes on from there."""
    begin = Instant.parse("2026-06-15T00:00:00Z")
    many = [event(0, tag=None, occurred_at=Instant(begin.ticks + n)) for n in range(10_500)]
    await app.ingest.journal.append([*many, event(9, tag="rare")], ARRIVAL)
    found = await pages(app, EventFilter(tag="rare"), 5)
    assert [tags(page) for page in found] == [[], [], ["rare"]]


# Counts


@pytest.mark.parametrize("grain", GRAINS)
@pytest.mark.parametrize("registry", [None, "b.io", "nobody.io"])
@pytest.mark.parametrize(
    ("since", "until"),
    [
        (None, None),
        ("2026-06-14T15:00:00Z", None),
        ("2026-06-14T15:00:00.0000001Z", None),
        ("2026-06-15T00:00:00Z", None),
        (None, "2026-06-15T00:00:00Z"),
        (None, "2026-06-15T00:00:00.0000001Z"),
        (None, "2026-06-15T12:00:00Z"),
        ("2026-06-14T22:00:00Z", "2026-06-15T05:00:00Z"),
        ("2026-06-15T05:00:00Z", "2026-06-14T22:00:00Z"),
    ],
)
async def test_activity_equals_a_recount(  # noqa: PLR0913, PLR0917 - the cases, and two fixtures
    app: UseCases,
    filled: list[RegistryEvent],
    grain: Grain,
    registry: str | None,
    since: str | None,
    until: str | None,
) -> None:
    """Periods from the one that `since` lies in to the last that begins before `until`, of each registry."""
    length = {"slot": 16, "hour": 13, "day": 10}[grain]
    names = [(one.registry, one.occurred_at.isoformat()[:length]) for one in filled if one.occurred_at]
    low = Instant.parse(since).isoformat()[:length] if since else ""
    beginning = "0000-01-01T00:00:00.0000000Z"
    expected = Counter(
        (period, name)
        for name, period in names
        if registry in {None, name}
        and period >= low
        and (until is None or period + beginning[length:] < Instant.parse(until).isoformat())
    )
    found = await app.query.activity_of(
        grain,
        registry=registry,
        since=Instant.parse(since) if since else None,
        until=Instant.parse(until) if until else None,
    )
    assert [((one.period, one.registry), one.counts.events) for one in found] == sorted(expected.items())


async def test_health_of_each_registry(app: UseCases, filled: list[RegistryEvent]) -> None:
    """By name: the newest event, when it arrived, and how much awaits a fold."""
    await store_events(app, [event(-1, "undated.io")])
    await app.query.activity_of("day", registry="b.io")
    found = [(one.registry, one.last_event_at, one.last_received_at, one.backlog) for one in await app.query.health()]
    assert found == [
        ("a.io", NOON, NOON, 7),
        ("b.io", NOON, NOON, 0),
        ("c.io", NOON, NOON, 7),
        ("undated.io", None, NOON, 0),
    ]
    assert len(filled) == 27


# Reading while others fold


@dataclass
class TickingClock:
    """A clock that goes on by a little whenever it is asked."""

    now: Instant = NOON
    step: timedelta = timedelta(milliseconds=100)

    def __call__(self) -> Instant:
        self.now = self.now.plus(self.step)
        return self.now


async def claim_everything(app: UseCases, clock: ports.Clock) -> None:
    """Claim all marks, as a fold does that then dies."""
    marks = await app.query.marks.pending("a.io")
    await app.query.marks.claim("a.io", marks, clock().plus(CLAIM))


async def test_a_claim_whose_time_is_over_holds_nobody_up(app: UseCases, clock: Clock) -> None:
    """A reader counts at once what a fold left behind that died half a minute ago, and so does the timer."""
    await store_events(app, [event(1), event(2)])
    await claim_everything(app, clock)
    assert await app.summarize.fold_all() == 0
    clock.advance(seconds=CLAIM.total_seconds())
    assert await app.summarize.fold_all() == 2
    assert await app.query.marks.pending("a.io") == []


async def test_a_reader_waits_a_second_for_another_fold() -> None:
    """Then it does the work itself, because the other one may be dead."""
    clock = TickingClock()
    app = use_cases(SqliteStore(":memory:"), Settings(), clock)
    await store_events(app, [event(0)])
    await claim_everything(app, clock)
    begin = clock.now
    [period] = await app.query.activity_of("day")
    waited = (clock.now.ticks - begin.ticks) / 10_000_000
    assert (period.counts.events, 1.0 < waited < CLAIM.total_seconds()) == (1, True)


async def test_a_reader_takes_over_what_another_fold_finished() -> None:
    """It returns as soon as the other one is done, and does nothing itself."""
    clock = TickingClock(step=timedelta(milliseconds=1))
    app = use_cases(SqliteStore(":memory:"), Settings(), clock)
    await store_events(app, [event(0)])
    marks = await app.query.marks.claim("a.io", await app.query.marks.pending("a.io"), NOON.plus(CLAIM))
    reader = asyncio.create_task(app.summarize.bring_up_to_date("a.io"))
    await asyncio.sleep(0.03)
    assert not reader.done()
    await app.query.marks.clear("a.io", marks)
    await asyncio.wait_for(reader, 5)
    assert clock.now < NOON.plus(timedelta(seconds=1))


class AlwaysConflicting(SqliteStore):
    """A store in memory whose counts somebody else always changes first."""

    async def commit(self, table: str, partition: str, operations: Sequence[Operation]) -> Sequence[str | None]:
        if table == "activity":
            raise ConflictError(0)
        return await super().commit(table, partition, operations)


async def test_a_reader_does_not_wait_for_ever() -> None:
    """When others keep writing the same counts it says so, and the marks are free for the next one."""
    clock = TickingClock(step=timedelta(seconds=1))
    app = use_cases(AlwaysConflicting(":memory:"), Settings(), clock)
    await store_events(app, [event(0)])
    with pytest.raises(StorageUnavailableError, match="keeps changing"):
        await app.query.activity_of("day")
    assert clock.now < NOON.plus(timedelta(seconds=2 * READER_SECONDS))
    assert [mark.claimed_until for mark in await app.query.marks.pending("a.io")] == [None]


async def test_a_timer_leaves_minutes_that_are_not_settled(store: SqliteStore, clock: Clock) -> None:
    """Their last events may be on their way, and the whole minute would be read again; readers do not wait for it."""
    app = use_cases(store, Settings(), clock)
    await store_events(app, [event(0, occurred_at=NOON.plus(timedelta(seconds=-1)))])
    for seconds, folded in ((0.0, 0), (4.9, 0), (5.0, 1)):
        clock.now = NOON.plus(timedelta(seconds=seconds))
        assert await app.summarize.fold_all() == folded
    await store_events(app, [event(1, occurred_at=clock.now)])
    assert await app.summarize.fold_all() == 0
    [period] = await app.query.activity_of("day")
    assert period.counts.events == 2


async def test_a_fold_counts_what_came_while_it_read(app: UseCases) -> None:
    """An event that arrives during a fold keeps its mark, so that the next fold counts it."""
    await store_events(app, [event(1)])
    open_account = app.summarize.activity.open_account

    class Interrupted:
        """Activity, whose reader is interrupted by another event."""

        async def open_account(self, registry: str, day: str, hours: Collection[str]) -> Account:
            opened = await open_account(registry, day, hours)
            await store_events(app, [event(1, tag="late")])
            return opened

        def __getattr__(self, name: str) -> Any:
            return getattr(app.summarize.activity, name)

    activity: Any = Interrupted()
    await replace(app.summarize, activity=activity).fold_all()
    assert len(await app.query.marks.pending("a.io")) == 1
    assert [period.counts.events for period in await app.query.activity_of("day")] == [2]


class SmallPages(SqliteStore):
    """A store in memory that hands out two rows at a time."""

    async def scan(self, table: str, partition: str, **options: Any) -> Page:
        return await super().scan(table, partition, **{**options, "limit": min(options.get("limit", 2), 2)})


async def test_nothing_is_lost_between_the_pages_of_a_store() -> None:
    """However few rows a store hands out at a time, lists and counts have all of them."""
    app = use_cases(SmallPages(":memory:"), Settings(), lambda: NOON)
    begin = Instant.parse("2026-06-15T11:00:00Z")
    events = [
        event(0, registry, tag=f"{n}", occurred_at=begin.plus(timedelta(minutes=n // 2)))
        for registry in REGISTRIES
        for n in range(20)
    ]
    await store_events(app, events)
    assert [one.counts.events for one in await app.query.activity_of("day")] == [20] * 3
    assert [one.counts.events for one in await app.query.activity_of("slot")] == [2] * 30
    assert Counter(one.event for page in await pages(app, EventFilter(), 1000) for one in page) == Counter(events)
