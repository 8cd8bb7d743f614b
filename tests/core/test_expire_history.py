"""Retention and the history: what is younger than the limit is answered as before, whatever happens meanwhile."""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

import pytest

from bench.fill import fill
from bench.oracle.answers import Oracle
from bench.year import BEGIN, REGISTRY, year
from registrail.compose import UseCases, use_cases
from registrail.instants import TICKS_PER_DAY, Instant
from registrail.settings import Settings
from registrail.storage.progress import EntityLimits
from registrail.storage.sqlite import SqliteStore
from registrail.storage.store import scan_all
from registrail.summarize import CLAIM
from registrail.timeline import time_of
from tests.conftest import Clock
from tests.mortal import Mortal, PulledPlugError
from torture.copies import content_of, store_with

DAYS: Final = 12
END: Final = Instant(BEGIN.ticks + (DAYS + 25) * TICKS_PER_DAY)
"""When all reports have arrived, the late ones too."""
KEEP: Final = 30
LIMIT: Final = Instant(BEGIN.ticks + (DAYS + 25 - KEEP) * TICKS_PER_DAY)
KEEPING: Final = Settings(keep_events_days=KEEP, keep_deliveries_days=KEEP)
TOLD: Final = year(events=500, repositories=4, days=DAYS, seed=5)
Rows = Mapping[str, Mapping[str, Any]]


@pytest.fixture(scope="module")
def fortnight() -> bytes:
    """A store with a busy fortnight, folded."""

    async def made() -> bytes:
        store = SqliteStore(":memory:")
        await fill(store, TOLD)
        app = use_cases(store, Settings(), lambda: END)
        await app.summarize.bring_up_to_date(REGISTRY)
        content = content_of(store)
        await store.close()
        return content

    return asyncio.run(made())


async def rows(store: SqliteStore, table: str) -> Rows:
    """The rows of a table."""
    return {entity.row: entity.properties for entity in await scan_all(store, table, REGISTRY)}


def of_kind(found: Rows, *kinds: str) -> Rows:
    """The rows whose keys begin so."""
    return {row: columns for row, columns in found.items() if row.startswith(tuple(f"{kind}~" for kind in kinds))}


def event_of(row: str) -> str:
    """The id of the event at the end of a key."""
    return "~".join(row.split("~")[-2:])


def is_young(row: str) -> bool:
    """Whether the event in a key is within the limit."""
    return time_of(event_of(row)) >= LIMIT


async def test_what_is_younger_stays_as_it_was(fortnight: bytes) -> None:
    """All younger rows, and what is true now; of what is older only what younger events build on."""
    store = store_with(fortnight)
    before, counted = await rows(store, "history"), await rows(store, "activity")
    await use_cases(store, KEEPING, lambda: END).expire.expire()
    after = await rows(store, "history")
    now = ("repository", "tag", "digest")
    assert of_kind(after, *now) == of_kind(before, *now)
    for kind in ("move", "delete"):
        young = {row: columns for row, columns in of_kind(before, kind).items() if is_young(row)}
        assert {row: columns for row, columns in of_kind(after, kind).items() if is_young(row)} == young != {}
    gone = before.keys() - after.keys()
    assert gone
    assert not any(is_young(row) for row in gone if not row.startswith("hold~"))
    old = {row for row in of_kind(after, "move") if not is_young(row)}
    tags = [tuple(row.split("~")[1:3]) for row in old]
    assert len(tags) == len(set(tags)), "of each tag one movement that is older, at most"
    assert of_kind(after, "delete").keys() == {row for row in of_kind(before, "delete") if is_young(row)}
    left = {row: columns for row, columns in counted.items() if row.rpartition("~")[2][:10] >= LIMIT.day}
    assert await rows(store, "activity") == left
    await store.close()


async def test_tags_point_where_they_pointed(fortnight: bytes) -> None:
    """As of any time within the limit, by the independent reading of all events."""
    store = store_with(fortnight)
    app = use_cases(store, KEEPING, lambda: END)
    await app.expire.expire()
    oracle = Oracle.told(TOLD)
    for moment in (LIMIT, Instant(LIMIT.ticks + TICKS_PER_DAY), Instant(BEGIN.ticks + DAYS * TICKS_PER_DAY)):
        expected = {(one["repository"], one["tag"]): one["digest"] for one in oracle.tags(REGISTRY, moment=moment)}
        found: dict[tuple[str, str], str | None] = {}
        cursor: str | None = None
        while True:
            page = await app.query.history.tags(REGISTRY, at=moment, limit=1000, cursor=cursor)
            found |= {(one.repository, one.tag): one.digest for one in page.items}
            cursor = page.next
            if cursor is None:
                break
        assert found == expected
    await store.close()


@pytest.mark.parametrize("left", [0, 1, 2, 5, 11, 23, 35, 47])
async def test_a_run_that_dies_is_followed_by_another(fortnight: bytes, left: int) -> None:
    """Which ends where an undisturbed one does."""
    undisturbed, store = store_with(fortnight), store_with(fortnight)
    await use_cases(undisturbed, KEEPING, lambda: END).expire.expire()
    clock = Clock(END)
    with pytest.raises(PulledPlugError):
        await use_cases(Mortal(store, left), KEEPING, clock).expire.expire()
    clock.now = clock.now.plus(CLAIM)
    await use_cases(store, KEEPING, clock).expire.expire()
    for table in ("history", "activity"):
        assert await rows(store, table) == await rows(undisturbed, table)
    await store.close()
    await undisturbed.close()


async def test_what_comes_too_late_takes_no_part(fortnight: bytes) -> None:
    """An event from before the limit is stored and counted, and changes nothing that is younger."""
    store = store_with(fortnight)
    app: UseCases = use_cases(store, KEEPING, lambda: END)
    await app.expire.expire()
    before = await rows(store, "history")
    late = [one for one in TOLD if one.event.occurred_at and one.event.occurred_at < LIMIT][:20]
    await fill(store, late)
    await app.summarize.bring_up_to_date(REGISTRY)
    assert await rows(store, "history") == before
    assert any(row.rpartition("~")[2][:10] < LIMIT.day for row in await rows(store, "activity"))


async def test_a_limit_only_rises(store: SqliteStore) -> None:
    """Whoever comes with an earlier day changes nothing."""
    limits = EntityLimits(store)
    assert await limits.read(REGISTRY) is None
    for day, expected in (("2026-01-05", "2026-01-05"), ("2026-01-03", "2026-01-05"), ("2026-02-01", "2026-02-01")):
        await limits.raise_to(REGISTRY, day)
        assert await limits.read(REGISTRY) == expected
    assert await limits.read("another.example") is None
