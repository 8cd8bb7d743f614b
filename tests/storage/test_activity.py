from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import Final

import pytest

from registrail.activity import NOTHING, Breakdown, Counts, merge, tally, total
from registrail.compose import UseCases, use_cases
from registrail.errors import ConflictError, StorageUnavailableError
from registrail.events import Arrival, RegistryEvent
from registrail.instants import Instant
from registrail.settings import Settings
from registrail.storage.activity import EntityActivity
from registrail.storage.sqlite import SqliteStore
from registrail.storage.store import Operation
from registrail.summarize import CLAIM

NOON: Final = Instant.parse("2026-06-15T12:00:00Z")
HOUR: Final = "2026-06-15T11"
DAY: Final = "2026-06-15"
REGISTRY: Final = "r.azurecr.io"


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
    return Counts(events=events, pushes=events)


def breakdown(*repositories: int, events: int = 1) -> Breakdown:
    """Count the same for some repositories."""
    return {f"team/app{number:04}": counts(events) for number in repositories}


async def write(store: SqliteStore, slots: Mapping[str, Breakdown], hour: str = HOUR) -> None:
    """Open an account and write it back."""
    activity = EntityActivity(store)
    opened = await activity.open_account(REGISTRY, hour)
    await activity.write_account(REGISTRY, opened, slots, NOON)


async def read(store: SqliteStore) -> dict[str, tuple[int, int | None]]:
    """Every row that counts something: how many events, and in how many repositories."""
    page = await store.scan("activity", REGISTRY, limit=100_000)
    found = {}
    for entity in page.entities:
        events, repositories = entity.properties["events"], entity.properties.get("repositories")
        assert isinstance(events, int)
        assert repositories is None or isinstance(repositories, int)
        if events:
            found[entity.row] = (events, repositories)
    return found


def expected(slots: Mapping[str, Breakdown]) -> dict[str, tuple[int, int | None]]:
    """The rows that there must be for slots of one day, in the plainest way."""
    rows: dict[str, tuple[int, int | None]] = {}
    for length, grain in ((16, "slot"), (13, "hour"), (10, "day")):
        for period in {slot[:length] for slot in slots}:
            merged = merge(counted for slot, counted in slots.items() if slot.startswith(period))
            rows[f"{grain}~*~{period}"] = (total(merged).events, len(merged))
            if grain != "slot":
                rows |= {
                    f"{grain}~{name.replace('/', '|')}~{period}": (counted.events, None)
                    for name, counted in merged.items()
                }
    return {row: found for row, found in rows.items() if found[0]}


async def test_an_empty_account(store: SqliteStore) -> None:
    """Nothing was counted yet."""
    opened = await EntityActivity(store).open_account(REGISTRY, HOUR)
    assert (opened.slots, opened.hours, opened.day, opened.versions) == ({}, {}, {}, {})


async def test_slots_hours_and_days(store: SqliteStore) -> None:
    """Hours and days are the sums of their slots, in total and for each repository."""
    first = {f"{HOUR}:05": breakdown(1, 2), f"{HOUR}:06": breakdown(2)}
    second = {f"{DAY}T12:00": breakdown(2, 3, events=5)}
    await write(store, first)
    await write(store, second, f"{DAY}T12")
    assert await read(store) == expected(first | second)


async def test_a_slot_is_replaced(store: SqliteStore) -> None:
    """Counting anew forgets the old count, also of repositories that have nothing any more."""
    await write(store, {f"{HOUR}:05": breakdown(1, 2, events=3), f"{HOUR}:06": breakdown(2)})
    await write(store, {f"{HOUR}:05": breakdown(3)})
    assert await read(store) == expected({f"{HOUR}:05": breakdown(3), f"{HOUR}:06": breakdown(2)})
    await write(store, {f"{HOUR}:05": {}, f"{HOUR}:06": {}})
    assert await read(store) == {}
    assert await EntityActivity(store).periods(REGISTRY, "hour") == []


async def test_an_account_that_somebody_else_changed(store: SqliteStore) -> None:
    """Of two that were opened at the same time only the first is written."""
    activity = EntityActivity(store)
    first, second = [await activity.open_account(REGISTRY, HOUR) for _ in range(2)]
    await activity.write_account(REGISTRY, first, {f"{HOUR}:05": breakdown(1)}, NOON)
    for slot in ("05", "06"):
        with pytest.raises(ConflictError):
            await activity.write_account(REGISTRY, second, {f"{HOUR}:{slot}": breakdown(2)}, NOON)
    assert await read(store) == expected({f"{HOUR}:05": breakdown(1)})


async def test_neighbouring_hours_of_a_day_conflict(store: SqliteStore) -> None:
    """Both change the day."""
    activity = EntityActivity(store)
    first = await activity.open_account(REGISTRY, HOUR)
    second = await activity.open_account(REGISTRY, f"{DAY}T12")
    await activity.write_account(REGISTRY, first, {f"{HOUR}:05": breakdown(1)}, NOON)
    with pytest.raises(ConflictError):
        await activity.write_account(REGISTRY, second, {f"{DAY}T12:05": breakdown(2)}, NOON)


@pytest.mark.parametrize("repositories", [47, 48, 49, 50, 97, 98, 99, 100, 250])
async def test_many_repositories(repositories: int) -> None:
    """What no single commit can hold goes into several, none larger than the store takes."""
    store = CrashingStore()
    slots = {f"{HOUR}:{minute:02}": breakdown(*range(repositories)) for minute in (0, 1)}
    await write(store, slots)
    await write(store, {f"{HOUR}:01": breakdown(*range(repositories), events=2)})
    assert await read(store) == expected({**slots, f"{HOUR}:01": breakdown(*range(repositories), events=2)})
    assert (max(store.commits) <= 100, len(store.commits) > 2) == (True, repositories > 48)


async def test_a_full_hour_of_many_repositories(store: SqliteStore) -> None:
    """All sixty slots at once leave the least room for the rest."""
    slots = {f"{HOUR}:{minute:02}": breakdown(*range(minute, minute + 100)) for minute in range(60)}
    await write(store, slots)
    assert await read(store) == expected(slots)


async def test_a_large_breakdown_comes_back(store: SqliteStore) -> None:
    """Thousands of repositories with long names fit into a row and are read as they were written."""
    names = {f"team-{number * 7919 % 99991:05}/{'x' * 40}/{number:06}é": counts(number + 1) for number in range(8_000)}
    await write(store, {f"{HOUR}:05": names})
    opened = await EntityActivity(store).open_account(REGISTRY, HOUR)
    assert (opened.slots, opened.hours, opened.day) == ({f"{HOUR}:05": names}, {HOUR: names}, names)


def event(number: int, minute: int) -> RegistryEvent:
    """Push to one of many repositories."""
    return RegistryEvent(
        action="push" if number % 3 else "delete",
        registry=REGISTRY,
        repository=f"team/app{number:04}",
        occurred_at=Instant.parse(f"{HOUR}:{minute:02}:30Z"),
    )


async def record(app: UseCases, events: Sequence[RegistryEvent]) -> None:
    """Write and mark, as ingest does."""
    await app.ingest.journal.append(events, Arrival(sender="acr", delivery="d", received_at=NOON))
    minutes = sorted({one.occurred_at.minute for one in events if one.occurred_at})
    await app.ingest.marks.touch(REGISTRY, minutes)


BEFORE: Final = [event(number, number % 3) for number in range(120)]
AFTER: Final = [event(number, 1 + number % 4) for number in range(40, 200)]


async def crash(at: int | None, *, after: bool, more: Sequence[RegistryEvent] = ()) -> tuple[CrashingStore, bool]:
    """Fold, add events, crash in the middle of the next fold, perhaps add more, and fold again; whether it crashed."""
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
    store.crash_at = None
    now[0] = NOON.plus(CLAIM)
    await record(app, more)
    await app.summarize.fold_all()
    assert await app.query.marks.pending(REGISTRY) == []
    return store, crashed


def recount(events: Collection[RegistryEvent]) -> dict[str, tuple[int, int | None]]:
    """The rows that there must be for some events of one hour."""
    minutes = {one.occurred_at.minute for one in events if one.occurred_at}
    return expected(
        {
            minute: tally(one for one in events if one.occurred_at and one.occurred_at.minute == minute)
            for minute in minutes
        }
    )


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("more", [[], [event(number, 50) for number in range(150, 300)]], ids=["same", "more"])
async def test_a_crash_at_any_commit(more: Sequence[RegistryEvent], *, after: bool) -> None:
    """Whichever commit of a fold is the last one, the next fold leaves every row exact, those of repositories too."""
    store, crashed = await crash(None, after=after)
    commits = len(store.commits)
    assert (crashed, commits > 3) == (False, True)
    for at in range(1, commits + 1):
        store, crashed = await crash(at, after=after, more=more)
        assert (at, crashed, await read(store)) == (at, True, recount({*BEFORE, *AFTER, *more}))


@pytest.mark.parametrize("grain", ["slot", "hour", "day"])
async def test_a_breakdown_if_asked_for(store: SqliteStore, grain: str) -> None:
    """A period has its repositories when they are asked for, and they add up to its counts."""
    await write(store, {f"{HOUR}:05": breakdown(1, 2), f"{HOUR}:06": {}})
    activity = EntityActivity(store)
    for wanted in (True, False):
        [period] = await activity.periods(REGISTRY, grain, breakdown=wanted)  # type: ignore[arg-type]  # a Grain
        assert (period.counts, period.repository) == (counts(2), None)
        assert period.breakdown == (breakdown(1, 2) if wanted else None)


async def test_rows_say_what_they_are(store: SqliteStore) -> None:
    """Whoever queries the table sees names, times and numbers."""
    await write(store, {f"{HOUR}:05": breakdown(1)})
    row = await store.get("activity", REGISTRY, f"hour~team|app0001~{HOUR}")
    assert row is not None
    numbers = {name: getattr(NOTHING, name) for name in NOTHING.__slots__}
    assert row.properties == {
        **numbers,
        "events": 1,
        "pushes": 1,
        "registry": REGISTRY,
        "grain": "hour",
        "repository": "team/app0001",
        "begins_at": NOON.plus(timedelta(hours=-1)),
    }
