import json
import random
import uuid
import zlib
from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registrail.activity import EMPTY, METRICS, NOTHING, Breakdown, Counts, Dimension, Grain, Subject, merge, tally
from registrail.compose import UseCases, use_cases
from registrail.errors import ConflictError, StorageUnavailableError
from registrail.events import Arrival, RecordedEvent, RegistryEvent
from registrail.instants import Instant
from registrail.replicas import REMAINDER, LagHistogram, merge_lags
from registrail.settings import Settings
from registrail.storage import activity_plan, activity_rows, edm, keys
from registrail.storage.activity import EntityActivity
from registrail.storage.entities import split
from registrail.storage.sqlite import SqliteStore
from registrail.storage.store import Insert, Operation, Properties, Replace
from registrail.storage.tables import TablesStore, with_connection_string
from registrail.summarize import CLAIM

NOON: Final = Instant.parse("2026-06-15T12:00:00Z")
HOUR: Final = "2026-06-15T11"
DAY: Final = "2026-06-15"
REGISTRY: Final = "r.azurecr.io"
LIMIT: Final = 1024 * 1024
"""Of an entity."""


class CrashingStore(SqliteStore):
    """A store in memory that counts commits to `activity` and fails at one of them, before or after it was done."""

    def __init__(self) -> None:
        super().__init__(":memory:")
        self.commits: list[int] = []
        self.crash_at: int | None = None
        self.crash_after = False

    async def commit(self, table: str, partition: str, operations: Sequence[Operation]) -> Sequence[str | None]:
        if table != "activity":
            return await super().commit(table, partition, operations)
        self.commits.append(len(operations))
        crash = len(self.commits) == self.crash_at
        if crash and not self.crash_after:
            raise StorageUnavailableError("crash before")
        versions = await super().commit(table, partition, operations)
        if crash:
            raise StorageUnavailableError("crash after")
        return versions


def counts(events: int) -> Counts:
    """So many pushes."""
    return Counts(events=events, pushes=events, tags_created=events)


def breakdown(*repositories: int, events: int = 1) -> Breakdown:
    """Count the same for some repositories; every tenth has an actor of its own, and all have one client."""
    found: dict[Subject, Counts] = {("repository", f"team/app{number:04}"): counts(events) for number in repositories}
    found |= {("actor", f"ann/{number}"): counts(events) for number in repositories if number % 10 == 0}
    return Breakdown(counts=found | ({("client", "docker/25"): counts(events * len(repositories))} if found else {}))


async def write(store: SqliteStore, slots: Mapping[str, Breakdown]) -> None:
    """Open an account of some slots' hours and write it back."""
    activity = EntityActivity(store)
    opened = await activity.open_account(REGISTRY, DAY, {slot[:13] for slot in slots})
    await activity.write_account(REGISTRY, opened, slots, NOON)


async def read(store: SqliteStore) -> dict[str, tuple[int, int | None]]:
    """Every row that counts something: how many events, and in how many repositories."""
    page = await store.scan("activity", REGISTRY, limit=1_000_000)
    found = {}
    for entity in page.entities:
        events, repositories = entity.properties.get("events", 0), entity.properties.get("repositories")
        assert isinstance(events, int)
        assert repositories is None or isinstance(repositories, int)
        if events:
            found[entity.row] = (events, repositories)
    return found


def key(subject: Subject) -> str:
    """The middle of a row's key, for names without anything special."""
    dimension, name = subject
    return name.replace("/", "|") if dimension == "repository" else f"*{dimension}:{name.replace('/', '|')}"


def expected(slots: Mapping[str, Breakdown]) -> dict[str, tuple[int, int | None]]:
    """The rows that there must be for slots of one day, in the plainest way."""
    rows: dict[str, tuple[int, int | None]] = {}
    for length, grain in ((16, "slot"), (13, "hour"), (10, "day")):
        for period in {slot[:length] for slot in slots}:
            merged = merge(counted for slot, counted in slots.items() if slot.startswith(period))
            repositories = None if grain == "slot" else len(merged.of("repository"))
            rows[f"{grain}~*~{period}"] = (merged.total.events, repositories)
            if grain != "slot":
                rows |= {
                    f"{grain}~{key(subject)}~{period}": (counted.events, None)
                    for subject, counted in merged.counts.items()
                }
    return {row: found for row, found in rows.items() if found[0]}


# Accounts


async def test_an_empty_account(store: SqliteStore) -> None:
    """Nothing was counted yet."""
    opened = await EntityActivity(store).open_account(REGISTRY, DAY, [HOUR])
    assert (opened.slots, opened.hours, opened.day, opened.version, opened.due) == ({}, {}, EMPTY, None, frozenset())


async def test_slots_hours_and_days(store: SqliteStore) -> None:
    """Hours and days are the sums of their slots, in total and for each repository, actor and client."""
    first = {f"{HOUR}:05": breakdown(1, 2, 10), f"{HOUR}:06": breakdown(2)}
    second = {f"{DAY}T12:00": breakdown(2, 3, events=5), f"{DAY}T23:59": breakdown(2, 30)}
    await write(store, first)
    await write(store, second)
    assert await read(store) == expected(first | second)
    opened = await EntityActivity(store).open_account(REGISTRY, DAY, [HOUR, f"{DAY}T23"])
    assert opened.slots == first | {f"{DAY}T23:59": second[f"{DAY}T23:59"]}
    assert opened.hours == {
        HOUR: merge(first.values()),
        f"{DAY}T12": second[f"{DAY}T12:00"],
        f"{DAY}T23": second[f"{DAY}T23:59"],
    }
    assert opened.day == merge([*first.values(), *second.values()])


async def test_a_slot_is_replaced(store: SqliteStore) -> None:
    """Counting anew forgets the old count, also of repositories that have nothing any more."""
    await write(store, {f"{HOUR}:05": breakdown(1, 2, events=3), f"{HOUR}:06": breakdown(2)})
    await write(store, {f"{HOUR}:05": breakdown(3)})
    assert await read(store) == expected({f"{HOUR}:05": breakdown(3), f"{HOUR}:06": breakdown(2)})
    await write(store, {f"{HOUR}:05": EMPTY, f"{HOUR}:06": EMPTY})
    assert await read(store) == {}
    assert await EntityActivity(store).periods(REGISTRY, "hour") == []


async def test_a_slot_of_another_hour(store: SqliteStore) -> None:
    """An account is of the hours that it was opened for: of others it has not read the slots."""
    activity = EntityActivity(store)
    opened = await activity.open_account(REGISTRY, DAY, [HOUR])
    with pytest.raises(ValueError, match="covered"):
        await activity.write_account(REGISTRY, opened, {f"{DAY}T12:00": breakdown(1)}, NOON)


async def test_an_account_that_somebody_else_changed(store: SqliteStore) -> None:
    """Of two that were opened at the same time only the first is written."""
    activity = EntityActivity(store)
    first, second = [await activity.open_account(REGISTRY, DAY, [HOUR]) for _ in range(2)]
    await activity.write_account(REGISTRY, first, {f"{HOUR}:05": breakdown(1)}, NOON)
    for slot in ("05", "06"):
        with pytest.raises(ConflictError):
            await activity.write_account(REGISTRY, second, {f"{HOUR}:{slot}": breakdown(2)}, NOON)
    assert await read(store) == expected({f"{HOUR}:05": breakdown(1)})


async def test_neighbouring_hours_of_a_day_conflict(store: SqliteStore) -> None:
    """Both change the day."""
    activity = EntityActivity(store)
    first = await activity.open_account(REGISTRY, DAY, [HOUR])
    second = await activity.open_account(REGISTRY, DAY, [f"{DAY}T12"])
    await activity.write_account(REGISTRY, first, {f"{HOUR}:05": breakdown(1)}, NOON)
    with pytest.raises(ConflictError):
        await activity.write_account(REGISTRY, second, {f"{DAY}T12:05": breakdown(2)}, NOON)


async def test_counting_the_same_again_writes_next_to_nothing() -> None:
    """A new version of the day's row, and nothing else; nothing at all where there are no rows."""
    store = CrashingStore()
    await write(store, {f"{HOUR}:05": EMPTY})
    assert store.commits == []
    slots = {f"{HOUR}:05": breakdown(*range(300)), f"{HOUR}:06": breakdown(2)}
    await write(store, slots)
    before = {entity.row: entity for entity in (await store.scan("activity", REGISTRY)).entities}
    store.commits.clear()
    await write(store, slots)
    after = {entity.row: entity for entity in (await store.scan("activity", REGISTRY)).entities}
    assert store.commits == [1]
    assert [row for row, entity in after.items() if entity != before[row]] == [f"day~*~{DAY}"]
    assert after[f"day~*~{DAY}"].properties == before[f"day~*~{DAY}"].properties


async def test_counting_the_same_again_stops_those_who_read_less(store: SqliteStore) -> None:
    """Who counted before the last change cannot write after somebody found that all is well and removed the mark."""
    activity = EntityActivity(store)
    await write(store, {f"{HOUR}:05": breakdown(1)})
    stale = await activity.open_account(REGISTRY, DAY, [HOUR])
    await write(store, {f"{HOUR}:05": breakdown(1)})
    with pytest.raises(ConflictError):
        await activity.write_account(REGISTRY, stale, {f"{HOUR}:05": breakdown(2)}, NOON)


async def test_only_what_changed_is_written() -> None:
    """One slot with one new repository: the rows of that, in one commit."""
    store = CrashingStore()
    await write(store, {f"{HOUR}:{minute:02}": breakdown(*range(1, 9)) for minute in range(60)})
    await write(store, {f"{DAY}T12:00": breakdown(*range(1, 9))})
    store.commits.clear()
    await write(store, {f"{HOUR}:05": breakdown(*range(1, 10)), f"{DAY}T12:00": breakdown(*range(1, 9))})
    assert store.commits == [3 + 2 * 2]  # slot, hour and day; in hour and day the repository and the client


# More than a commit holds


@pytest.mark.parametrize("repositories", [40, 44, 45, 46, 50, 97, 98, 99, 100, 250])
async def test_many_repositories(repositories: int) -> None:
    """What no single commit can hold goes into several, none larger than the store takes."""
    store = CrashingStore()
    slots = {f"{HOUR}:{minute:02}": breakdown(*range(repositories)) for minute in (0, 1)}
    await write(store, slots)
    await write(store, {f"{HOUR}:01": breakdown(*range(repositories), events=2)})
    assert await read(store) == expected({**slots, f"{HOUR}:01": breakdown(*range(repositories), events=2)})
    assert (max(store.commits) <= 100, len(store.commits) > 2) == (True, repositories > 42)


async def test_a_full_day(store: SqliteStore) -> None:
    """All 1,440 slots of a day at once, with different repositories in each hour."""
    slots = {
        f"{DAY}T{hour:02}:{minute:02}": breakdown(*range(hour, hour + 5 + minute % 3))
        for hour in range(24)
        for minute in range(60)
    }
    await write(store, slots)
    assert await read(store) == expected(slots)


def names(number: int) -> Breakdown:
    """Distinct names that compress badly, with as many events each."""
    found: dict[Subject, Counts] = {
        ("repository", f"{uuid.UUID(int=(index * 0x9E3779B97F4A7C15F39CC0605CEDC835) % 2**128)}"): counts(index % 7 + 1)
        for index in range(number)
    }
    return Breakdown(counts=found)


def breakdown_row(found: Breakdown, period: str) -> Properties:
    """A row of all; nothing is due."""
    return activity_rows.sums(REGISTRY, period, found, (), NOON)


@pytest.fixture(scope="module")
def hundred_thousand() -> Breakdown:
    """As many repositories as nobody has, in teams."""
    return Breakdown(
        counts={
            ("repository", f"team-{number * 7919 % 997:03}/service-{number:06}é"): counts(number % 5 + 1)
            for number in range(100_000)
        }
    )


def test_a_hundred_thousand_repositories_have_room(hundred_thousand: Breakdown) -> None:
    """All of them are in the breakdown, also when the row of each is due, and the entity is small enough."""
    assert activity_rows.fitted(hundred_thousand) == hundred_thousand
    properties = activity_rows.sums(REGISTRY, DAY, hundred_thousand, hundred_thousand.counts.keys(), NOON)
    assert len(edm.to_json(REGISTRY, f"day~*~{DAY}", properties)) < LIMIT
    assert activity_rows.breakdown(properties) == hundred_thousand
    assert activity_rows.flagged(properties) == hundred_thousand.counts.keys()


async def test_a_day_of_a_hundred_thousand_repositories(hundred_thousand: Breakdown) -> None:
    """A fold of another slot adds to it, and writes only what changed."""
    store = CrashingStore()
    for name in (f"{HOUR}:05", HOUR, DAY):
        row = activity_rows.row(activity_rows.grain_of(name), None, name)
        await store.commit("activity", REGISTRY, [Insert(row, breakdown_row(hundred_thousand, name))])
    store.commits.clear()
    await write(store, {f"{HOUR}:06": breakdown(1)})
    assert store.commits == [3 + 4]
    opened = await EntityActivity(store).open_account(REGISTRY, DAY, [HOUR])
    assert opened.slots[f"{HOUR}:05"] == hundred_thousand
    assert opened.day == opened.hours[HOUR] == merge([hundred_thousand, breakdown(1)])
    [period] = await EntityActivity(store).periods(REGISTRY, "day")
    assert period.counts.events == 300_001


async def test_a_fold_of_thousands_of_repositories(store: SqliteStore) -> None:
    """Each gets its rows, in however many commits."""
    found = names(2_000)
    await write(store, {f"{HOUR}:05": found})
    assert await read(store) == expected({f"{HOUR}:05": found})


@pytest.mark.parametrize("dimension", ["repository", "actor", "client"])
def test_what_has_no_room_is_summed_up(dimension: Dimension) -> None:
    """Totals stay exact, the busiest keep their names, and other dimensions keep all of theirs."""
    flood: dict[Subject, Counts] = {(dimension, name): of for name, of in names(60_000).of("repository").items()}
    found = Breakdown(
        counts=flood | {("repository", "a"): counts(1), ("actor", "a"): counts(1), ("client", "a"): NOTHING}
    )
    fitted = activity_rows.fitted(found)
    named, before = fitted.of(dimension), found.of(dimension)
    assert sum(of.events for of in named.values()) == sum(of.events for of in before.values())
    kept = named.keys() - {REMAINDER}
    left = [of.events for name, of in before.items() if name not in kept]
    assert (len(kept) > 20_000, named[REMAINDER].events) == (True, sum(left))
    assert min(before[name].events for name in kept) >= max(left)
    properties = activity_rows.sums(REGISTRY, DAY, fitted, [*flood], NOON)
    assert len(edm.to_json(REGISTRY, f"day~*~{DAY}", properties)) < LIMIT
    others = {subject: of for subject, of in found.counts.items() if subject[0] != dimension and of != NOTHING}
    assert {
        subject: of for subject, of in activity_rows.breakdown(properties).counts.items() if subject in others
    } == others


def test_one_name_that_has_no_room() -> None:
    """Whatever a sender calls a repository."""
    huge = Breakdown(counts={("repository", random.Random(1).randbytes(800_000).hex()): counts(2)})  # noqa: S311
    assert activity_rows.fitted(huge) == Breakdown(counts={("repository", REMAINDER): counts(2)})


def test_regions_that_have_no_room() -> None:
    """However many regions somebody makes up, the row holds them, and all lags are somewhere."""
    rng = random.Random(1)  # noqa: S311 - nothing secret
    lags = {
        f"region-{number}": LagHistogram(buckets=dict.fromkeys(rng.sample(range(1000), 100), 1), longest=number)
        for number in range(2_000)
    }
    fitted = activity_rows.fitted(Breakdown(lags=lags))
    properties = activity_rows.sums(REGISTRY, DAY, fitted, (), NOON)
    assert len(edm.to_json(REGISTRY, "", properties)) < 50_000
    assert (sum(of.count for of in fitted.lags.values()), fitted.lags[REMAINDER].longest) == (200_000, 1999)


@pytest.mark.azurite
@pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")  # aiohttp, above 1 MiB
async def test_azurite_takes_the_largest_rows(azurite_connection_string: str) -> None:
    """Rows at their limit, several of them in one fold, and a remainder."""
    store = TablesStore(with_connection_string(azurite_connection_string))
    registry = uuid.uuid4().hex
    found = activity_rows.fitted(names(60_000))
    activity = EntityActivity(store)
    for period in (*(f"{HOUR}:{minute:02}" for minute in range(3)), HOUR, DAY):
        row = activity_rows.row(activity_rows.grain_of(period), None, period)
        properties = activity_rows.sums(registry, period, found, [*found.counts], NOON)
        await store.commit("activity", registry, [Insert(row, {**properties, "due_after": "~"})])
    opened = await activity.open_account(registry, DAY, [HOUR])
    assert list(opened.slots.values()) == [found] * 3
    gone = dict.fromkeys(list(opened.slots)[1:], EMPTY)
    for step in activity_plan.plan(registry, opened, {**gone, f"{HOUR}:09": found, f"{HOUR}:10": found}, NOON):
        if step.is_whole or step.day.get("due_after") == "":  # those with rows of all
            await store.commit("activity", registry, [Replace("day", step.day), *step.operations])
    await store.close()


# Interruptions


async def sound(store: SqliteStore, before: Mapping[str, object]) -> None:
    """Assert that hours and the day say what they said before, or all that is below them."""
    page = await store.scan("activity", REGISTRY, limit=100_000)
    found = {entity.row: activity_rows.breakdown(entity.properties) for entity in page.entities if "~*~" in entity.row}
    for row, said in found.items():
        grain, _, period = row.split("~")
        below = {"hour": "slot", "day": "hour"}.get(grain)
        if below:
            parts = merge(of for name, of in found.items() if name.startswith(f"{below}~*~{period}"))
            assert said == parts or said == before.get(row, EMPTY)


async def sums(store: SqliteStore) -> dict[str, Breakdown]:
    """Every row of all."""
    page = await store.scan("activity", REGISTRY, limit=100_000)
    return {entity.row: activity_rows.breakdown(entity.properties) for entity in page.entities if "~*~" in entity.row}


SMALL: Final = {f"{HOUR}:05": breakdown(*range(60)), f"{DAY}T13:00": breakdown(*range(20, 80))}
LARGE: Final = {f"{HOUR}:05": breakdown(*range(40, 120)), f"{DAY}T13:00": breakdown(*range(10, 60), events=3)}


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("start", [{}, SMALL], ids=["nothing", "something"])
async def test_an_interrupted_write_that_is_taken_back(start: Mapping[str, Breakdown], *, after: bool) -> None:
    """Counts may be the same as before again when the next one writes: rows that the first one wrote are corrected."""
    commits = 99
    at = 0
    while at < commits:
        at += 1
        store = CrashingStore()
        if start:
            await write(store, start)
        before = await sums(store)
        store.commits.clear()
        store.crash_at, store.crash_after = at, after
        with pytest.raises(StorageUnavailableError):
            await write(store, LARGE)
        await sound(store, before)
        store.crash_at = None
        back = start or dict.fromkeys(LARGE, EMPTY)
        await write(store, back)
        assert (at, await read(store)) == (at, expected(back))
        if commits == 99:
            full = CrashingStore()
            if start:
                await write(full, start)
            full.commits.clear()
            await write(full, LARGE)
            commits = len(full.commits)
    assert commits > 3


async def test_slots_go_first() -> None:
    """Of more slots than a commit holds all are there before any hour, and all hours before the day."""
    slots = {f"{DAY}T{hour}:{minute}": breakdown(minute) for hour in (10, 11, 12) for minute in range(10, 60)}
    store = CrashingStore()
    await write(store, slots)
    commits = len(store.commits)
    assert commits > 3
    for at in range(1, commits + 1):
        store = CrashingStore()
        await write(store, {f"{HOUR}:10": breakdown(7)})
        before = await sums(store)
        store.commits.clear()
        store.crash_at, store.crash_after = at, True
        with pytest.raises(StorageUnavailableError):
            await write(store, slots)
        await sound(store, before)
        store.crash_at = None
        await write(store, slots)
        assert (at, await read(store)) == (at, expected(slots))


SLOTS: Final = [f"{DAY}T{hour}:{minute}" for hour in ("10", "11", "12") for minute in ("00", "01")]
BREAKDOWNS: Final = st.builds(
    lambda begin, end, events: breakdown(*range(begin, end), events=events),
    st.integers(0, 50),
    st.sampled_from([0, 20, 55, 150]),
    st.integers(1, 2),
)


@settings(max_examples=40)
@given(
    st.lists(
        st.tuples(st.dictionaries(st.sampled_from(SLOTS), BREAKDOWNS, min_size=1), st.integers(1, 12), st.booleans()),
        max_size=5,
    ),
    st.integers(1, 4),
)
async def test_any_interruptions(writes: list[tuple[dict[str, Breakdown], int, bool]], at_once: int) -> None:
    """However many writes are interrupted, and however they are repeated: in the end every row is exact."""
    store = CrashingStore()
    truth: dict[str, Breakdown] = {}
    marked: set[str] = set()
    for slots, crash_at, crash_after in writes:
        truth |= slots
        marked |= set(slots)
        before = await sums(store)
        store.commits.clear()
        store.crash_at, store.crash_after = crash_at, crash_after
        try:
            await write(store, slots)
            marked -= set(slots)
        except StorageUnavailableError:
            await sound(store, before)
    store.crash_at = None
    left = sorted(marked)
    for start in range(0, len(left), at_once):
        await write(store, {slot: truth[slot] for slot in left[start : start + at_once]})
    assert await read(store) == expected(truth)
    await EntityActivity(store).forget(REGISTRY, DAY)
    assert [row for row, found in (await read(store)).items() if found[0]] == []


async def test_what_is_left_is_not_begun_again() -> None:
    """Who goes on after an interruption writes the rows that are missing, not those that were written."""
    store = CrashingStore()
    slots = {f"{HOUR}:05": breakdown(*range(1000))}
    await write(store, slots)
    all_commits = len(store.commits)
    store = CrashingStore()
    store.crash_at = all_commits - 3
    with pytest.raises(StorageUnavailableError):
        await write(store, slots)
    store.crash_at = None
    store.commits.clear()
    await write(store, slots)
    assert len(store.commits) == 4  # the one that failed, and those after it
    assert await read(store) == expected(slots)


# Through the use case


def event(number: int, minute: int) -> RegistryEvent:
    """Push to one of many repositories."""
    return RegistryEvent(
        action="push" if number % 3 else "delete",
        registry=REGISTRY,
        repository=f"team/app{number:04}",
        actor=f"ann/{number}" if number % 10 == 0 else None,
        client="docker/25",
        occurred_at=Instant.parse(f"{HOUR}:{minute:02}:30Z"),
    )


async def record(app: UseCases, events: Sequence[RegistryEvent]) -> None:
    """Write and mark, as ingest does."""
    await app.ingest.journal.append(events, Arrival(sender="acr", delivery="d", received_at=NOON))
    minutes = sorted({one.occurred_at.minute for one in events if one.occurred_at})
    await app.ingest.marks.touch(REGISTRY, minutes)


BEFORE: Final = [event(number, number % 3) for number in range(120)]
AFTER: Final = [event(number, 1 + number % 4) for number in range(40, 200)]


async def crash(at: int | None, *, after: bool, more: Sequence[RegistryEvent] = ()) -> tuple[CrashingStore, int, bool]:
    """Fold, add events, crash in the midst of the next fold, perhaps add more, fold again until nothing is marked.

    Returns:
        The store, how many commits the fold made, and whether it crashed.
    """
    now = [NOON]
    store = CrashingStore()
    app = use_cases(store, Settings(), lambda: now[0])
    await record(app, BEFORE)
    await app.summarize.fold_all()
    await record(app, AFTER)
    store.commits.clear()
    store.crash_at, store.crash_after = at, after
    crashed = False
    try:
        await app.summarize.fold_all()
    except StorageUnavailableError:
        crashed = True
    commits = len(store.commits)
    store.crash_at = None
    now[0] = NOON.plus(CLAIM)
    await record(app, more)
    while await app.query.marks.pending(REGISTRY):
        await app.summarize.fold_all()
    return store, commits, crashed


def recount(events: Collection[RegistryEvent]) -> dict[str, tuple[int, int | None]]:
    """The rows that there must be for some events of one hour."""
    minutes = {one.occurred_at.minute for one in events if one.occurred_at}
    found = [RecordedEvent(id=f"{at}", event=one, seen={}, regions={}, deliveries={}) for at, one in enumerate(events)]
    return expected(
        {
            minute: tally(
                (one for one in found if one.event.occurred_at and one.event.occurred_at.minute == minute), {}
            )
            for minute in minutes
        }
    )


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("more", [[], [event(number, 50) for number in range(150, 300)]], ids=["same", "more"])
async def test_a_crash_at_any_commit(more: Sequence[RegistryEvent], *, after: bool) -> None:
    """Whichever commit of a fold is the last one, the next fold leaves every row exact, those of repositories too."""
    store, commits, crashed = await crash(None, after=after)
    assert (crashed, commits > 3) == (False, True)
    for at in range(1, commits + 1):
        store, _, crashed = await crash(at, after=after, more=more)
        assert (at, crashed, await read(store)) == (at, True, recount({*BEFORE, *AFTER, *more}))


# Reading


WEEKS: Final = {
    "2026-06-07": "2026-06-01",
    "2026-06-08": "2026-06-08",
    "2026-06-14": "2026-06-08",
    "2026-06-15": "2026-06-15",
    "2026-06-20": "2026-06-15",
}


@pytest.fixture
async def weeks(store: SqliteStore) -> EntityActivity:
    """Count something on some days of three weeks: the same on each, and a repository of each day's own."""
    activity = EntityActivity(store)
    for number, day in enumerate(WEEKS):
        opened = await activity.open_account(REGISTRY, day, [f"{day}T11"])
        of_day = Breakdown(
            counts=breakdown(1, 10, 100 + number).counts, lags={"eu": LagHistogram(buckets={number: 1}, longest=number)}
        )
        await activity.write_account(REGISTRY, opened, {f"{day}T11:05": of_day}, NOON)
    return activity


@pytest.mark.parametrize(
    ("since", "until", "found"),
    [
        (None, None, [("2026-06-01", 3), ("2026-06-08", 6), ("2026-06-15", 6)]),
        ("2026-06-14T23:00:00Z", None, [("2026-06-08", 6), ("2026-06-15", 6)]),
        (None, "2026-06-08T00:00:00Z", [("2026-06-01", 3)]),
        (None, "2026-06-08T00:00:00.0000001Z", [("2026-06-01", 3), ("2026-06-08", 6)]),
        ("2026-06-19T00:00:00Z", "2026-06-19T12:00:00Z", [("2026-06-15", 6)]),
    ],
)
async def test_weeks(weeks: EntityActivity, since: str | None, until: str | None, found: list[tuple[str, int]]) -> None:
    """A week is the sum of its days, named by its Monday; a week that the range touches is whole."""
    begin, end = (Instant.parse(text) if text else None for text in (since, until))
    periods = await weeks.periods(REGISTRY, "week", since=begin, until=end, breakdown=True)
    assert [(period.period, period.counts.events) for period in periods] == found
    assert all(period.breakdown and period.breakdown.total == period.counts for period in periods)
    assert all(period.grain == "week" and period.lags["eu"].count * 3 == period.counts.events for period in periods)
    whole = await weeks.breakdown_of(REGISTRY, grain="week", since=begin, until=end)
    assert whole == merge(period.breakdown for period in periods if period.breakdown)


SERIES: Final[list[tuple[dict[str, str], list[int]]]] = [
    ({}, [3, 3, 3, 3, 3]),
    ({"repository": "team/app0001"}, [1, 1, 1, 1, 1]),
    ({"repository": "team/app0102"}, [0, 0, 1, 0, 0]),
    ({"repository": "ann/10"}, []),
    ({"actor": "ann/10"}, [1, 1, 1, 1, 1]),
    ({"actor": "ann/100"}, [1, 0, 0, 0, 0]),
    ({"actor": "team/app0001"}, []),
    ({"client": "docker/25"}, [3, 3, 3, 3, 3]),
    ({"client": "*"}, []),
    ({"under": "team/"}, [3, 3, 3, 3, 3]),
    ({"under": "team/app01"}, [1, 1, 1, 1, 1]),
    ({"under": "ann/"}, []),
]


@pytest.mark.parametrize(("asked", "found"), SERIES)
@pytest.mark.parametrize("grain", ["slot", "hour", "day", "week"])
async def test_series_of_a_subject(
    weeks: EntityActivity, grain: Grain, asked: dict[str, str], found: list[int]
) -> None:
    """One repository, actor or client, or all repositories under a prefix, in every grain."""
    periods = await weeks.periods(REGISTRY, grain, breakdown=True, **asked)  # type: ignore[arg-type]  # only names
    wanted: dict[str, int] = {}
    ending = {"slot": "T11:05", "hour": "T11", "day": "", "week": ""}[grain]
    for day, events in zip(WEEKS, found, strict=False):
        name = WEEKS[day] if grain == "week" else f"{day}{ending}"
        wanted[name] = wanted.get(name, 0) + events
    assert {period.period: period.counts.events for period in periods} == {
        name: events for name, events in wanted.items() if events
    }
    for period in periods:
        names_of = {"repository": period.repository, "actor": period.actor, "client": period.client}
        named = {"repository": asked["under"] + "*"} if "under" in asked else asked
        assert {dimension: name for dimension, name in names_of.items() if name} == named
        assert (period.breakdown is None) == bool(asked)


async def test_a_series_is_of_one_subject(weeks: EntityActivity) -> None:
    """Counts are not kept for combinations."""
    with pytest.raises(ValueError, match="one subject"):
        await weeks.periods(REGISTRY, "day", actor="a", client="b")


async def test_what_a_range_was_made_of(weeks: EntityActivity) -> None:
    """By repository, actor, client and region, over several days."""
    found = await weeks.breakdown_of(REGISTRY, since=Instant.parse("2026-06-08T12:00:00Z"), until=NOON)
    assert {name: of.events for name, of in found.of("actor").items()} == {"ann/10": 3}
    assert {name: of.events for name, of in found.of("client").items()} == {"docker/25": 9}
    assert (found.total.events, found.under("team/app01").events, found.lags["eu"].count) == (9, 3, 3)


@pytest.mark.parametrize("grain", ["slot", "hour", "day"])
async def test_a_breakdown_if_asked_for(store: SqliteStore, grain: Grain) -> None:
    """A period has its repositories when they are asked for, and they add up to its counts."""
    await write(store, {f"{HOUR}:05": breakdown(1, 2), f"{HOUR}:06": EMPTY})
    activity = EntityActivity(store)
    for wanted in (True, False):
        [period] = await activity.periods(REGISTRY, grain, breakdown=wanted)
        assert (period.counts, period.repository) == (counts(2), None)
        assert period.breakdown == (breakdown(1, 2) if wanted else None)


async def test_lags_are_added_up(store: SqliteStore) -> None:
    """From slots to hours and days, like counts."""
    lags = [{"eu": LagHistogram(buckets={3: 1}, longest=3), "us": LagHistogram(buckets={900: 2}, longest=10**11)}, {}]
    lags.append({"us": LagHistogram(buckets={900: 1, 5: 1}, longest=10**12)})
    slots = {
        f"{DAY}T{11 + number}:05": Breakdown(counts=breakdown(number).counts, lags=of) for number, of in enumerate(lags)
    }
    await write(store, slots)
    [day] = await EntityActivity(store).periods(REGISTRY, "day", breakdown=True)
    hours = await EntityActivity(store).periods(REGISTRY, "hour", breakdown=True)
    assert (day.lags, [hour.lags for hour in hours]) == (merge_lags(lags), lags)
    await write(store, {f"{HOUR}:05": breakdown(0)})
    [day] = await EntityActivity(store).periods(REGISTRY, "day", breakdown=True)
    assert day.lags == merge_lags(lags[1:])


async def test_rows_say_what_they_are(store: SqliteStore) -> None:
    """Whoever queries the table sees names, times and numbers."""
    name = "häns " * 60
    of: dict[Subject, Counts] = {
        ("repository", "team/app"): counts(1),
        ("actor", "ann"): counts(1),
        ("client", name): counts(1),
    }
    await write(store, {f"{HOUR}:05": Breakdown(counts=of)})
    page = await store.scan("activity", REGISTRY, start="hour~", stop="hour~~")
    *identities, _, repository = page.entities
    told = {"events": 1, "pushes": 1, "tags_created": 1, "begins_at": NOON.plus(timedelta(hours=-1))}
    assert [identities[0].row, repository.row] == [f"hour~*actor:ann~{HOUR}", f"hour~team|app~{HOUR}"]
    assert identities[1].row.startswith("hour~*client:h=C3=A4ns=20h")
    assert max(len(entity.row) for entity in page.entities) <= 512
    assert [entity.properties for entity in (*identities, repository)] == [told, {**told, "client": name}, told]
    whole = await store.get("activity", REGISTRY, f"hour~*~{HOUR}")
    assert whole is not None
    assert whole.properties.items() >= {**told, "repositories": 1}.items()
    assert not {"pulls", "repository", "registry"} & whole.properties.keys()


async def test_a_slot_has_numbers_and_its_breakdown(store: SqliteStore) -> None:
    """And nothing else: there is a row for each minute with events."""
    await write(store, {f"{HOUR}:05": Breakdown(counts={("repository", "a"): counts(1)})})
    slot = await store.get("activity", REGISTRY, f"slot~*~{HOUR}:05")
    assert slot is not None
    assert slot.properties.keys() == {"events", "pushes", "tags_created", "breakdown_0"}


async def test_a_number_that_becomes_zero_loses_its_column(store: SqliteStore) -> None:
    """Also in the rows that are written again and again, the day's."""
    for pushes in (2, 0):
        of = {("repository", "a"): Counts(events=2, pushes=pushes, deletes=2 - pushes)}
        await write(store, {f"{HOUR}:05": Breakdown(counts=of)})  # type: ignore[arg-type]  # a repository
    for grain, names in {"slot": ["*"], "hour": ["*", "a"], "day": ["*", "a"]}.items():
        for name in names:
            page = await store.scan("activity", REGISTRY, start=f"{grain}~{name}~", stop=f"{grain}~{name}~~")
            [entity] = page.entities
            assert (entity.properties["deletes"], "pushes" in entity.properties) == (2, False)


@pytest.mark.parametrize("name", ["r" * 300, "häns:5000/x"])
async def test_a_registry_that_a_key_had_to_cut_has_a_column(store: SqliteStore, name: str) -> None:
    """Any other is only in the key."""
    activity = EntityActivity(store)
    opened = await activity.open_account(name, DAY, [HOUR])
    await activity.write_account(name, opened, {f"{HOUR}:05": breakdown(1)}, NOON)
    page = await store.scan("activity", keys.encode(name))
    found = {entity.properties.get("registry") for entity in page.entities}
    assert (len(page.entities), found) == (7, {name if len(name) == 300 else None})


async def test_rows_of_an_older_release(store: SqliteStore) -> None:
    """They have fewer numbers, and repositories only; the next fold adds to them."""
    numbers = {metric: getattr(counts(2), metric) for metric in METRICS[:8]}
    old = {"team/app0001": list(numbers.values())}
    row = {
        **numbers,
        **split("breakdown", zlib.compress(json.dumps(old).encode())),
        "repositories": 1,
        "folded_at": NOON,
    }
    for name in (f"slot~*~{HOUR}:05", f"hour~*~{HOUR}", f"day~*~{DAY}"):
        await store.commit("activity", REGISTRY, [Insert(name, row)])
    for name in (f"hour~team|app0001~{HOUR}", f"day~team|app0001~{DAY}"):
        await store.commit("activity", REGISTRY, [Insert(name, numbers)])
    [period] = await EntityActivity(store).periods(REGISTRY, "hour", repository="team/app0001")
    assert period.counts == Counts(events=2, pushes=2)
    await write(store, {f"{HOUR}:06": breakdown(1)})
    [period] = await EntityActivity(store).periods(REGISTRY, "day", repository="team/app0001")
    assert period.counts == Counts(events=3, pushes=3, tags_created=1)


# Forgetting


async def test_forgetting_a_day() -> None:
    """All its rows go, those of single subjects too, and none of the neighbouring days'."""
    store = CrashingStore()
    activity = EntityActivity(store)
    for day in ("2026-06-14", DAY, "2026-06-16"):
        opened = await activity.open_account(REGISTRY, day, [f"{day}T11"])
        await activity.write_account(REGISTRY, opened, {f"{day}T11:05": breakdown(*range(120))}, NOON)
    page = await store.scan("activity", REGISTRY, limit=10_000)
    kept = [entity.row for entity in page.entities if f"~{DAY}" not in entity.row]
    commits = 0
    for at in (1, 2, 3, None):
        store.commits.clear()
        store.crash_at, store.crash_after = at, True
        if at:
            with pytest.raises(StorageUnavailableError):
                await activity.forget(REGISTRY, DAY)
        else:
            await activity.forget(REGISTRY, DAY)
            commits = len(store.commits)
    await activity.forget(REGISTRY, DAY)
    assert [entity.row for entity in (await store.scan("activity", REGISTRY, limit=10_000)).entities] == kept
    assert commits < 20
