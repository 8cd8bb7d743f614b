import pytest

from registrail.events import Arrival, RegistryEvent
from registrail.instants import Instant
from registrail.storage.catalog import Catalog
from registrail.storage.journal import EntityJournal
from registrail.storage.sqlite import SqliteStore

ARRIVAL = Arrival(sender="acr", delivery="acr~1", received_at=Instant.parse("2026-06-15T12:00:00Z"))
DAYS = ("2026-06-15", "2026-06-13", "2025-12-31", "1999-01-01", "0001-01-01")


@pytest.fixture
async def journal(store: SqliteStore) -> EntityJournal:
    """Fill a journal with some days, and an event without a time."""
    made = EntityJournal(store, Catalog(store))
    for day in (*sorted(DAYS), None):
        at = Instant.parse(f"{day}T08:00:00Z") if day else None
        event = RegistryEvent(action="push", registry="r.io", repository="app", occurred_at=at, request_id="1")
        await made.append([event], ARRIVAL)
    return made


async def test_days_are_newest_first(journal: EntityJournal) -> None:
    """And `undated` comes last."""
    assert await journal.days("r.io", None, None) == [*DAYS, "undated"]
    assert await journal.days("other.io", None, None) == []


@pytest.mark.parametrize(
    ("since", "until", "expected"),
    [
        ("2026-06-13T23:00:00Z", None, DAYS[:2]),
        ("2026-06-14T00:00:00Z", None, DAYS[:1]),
        ("0001-01-01T00:00:00Z", None, DAYS),
        (None, "2026-06-13T00:00:00.0000001Z", DAYS[1:]),
        (None, "2026-06-12T23:59:59Z", DAYS[2:]),
        ("1999-01-01T23:00:00Z", "2025-12-31T01:00:00Z", DAYS[2:4]),
        ("2026-06-15T00:00:00Z", "2026-06-13T00:00:00Z", ()),
    ],
)
async def test_days_between_two_times(
    journal: EntityJournal, since: str | None, until: str | None, expected: tuple[str, ...]
) -> None:
    """Those around the two and all that lie between them; then `undated` is none of them."""
    ends = [Instant.parse(text) if text else None for text in (since, until)]
    assert tuple(await journal.days("r.io", *ends)) == expected


@pytest.mark.parametrize(
    ("begin", "limit", "expected"),
    [
        (None, 2, DAYS[:2]),
        ("2026-06-13", None, (*DAYS[1:], "undated")),
        ("2026-06-14", 1, DAYS[1:2]),
        ("0001-01-01", 9, ("0001-01-01", "undated")),
        ("undated", 9, ("undated",)),
    ],
)
async def test_some_days(
    journal: EntityJournal, begin: str | None, limit: int | None, expected: tuple[str, ...]
) -> None:
    """From one on, which need not have events, and no more than asked for."""
    assert tuple(await journal.days("r.io", None, None, begin=begin, limit=limit)) == expected


async def test_a_begin_that_is_newer_than_until(journal: EntityJournal) -> None:
    """The older one of the two counts, and `undated` lies in no range."""
    until = Instant.parse("2026-01-01T00:00:00Z")
    assert tuple(await journal.days("r.io", None, until, begin="2026-06-15")) == DAYS[2:]
    assert await journal.days("r.io", None, until, begin="undated") == []


async def test_a_day_that_is_forgotten(journal: EntityJournal) -> None:
    """It is none of the days any more."""
    await journal.forget("r.io", DAYS[1])
    await journal.forget("r.io", "undated")
    assert tuple(await journal.days("r.io", None, None)) == (DAYS[0], *DAYS[2:])


@pytest.mark.parametrize("repository", ["app", "team/app", "é" * 300, "nobody's"])
async def test_a_day_of_one_repository(store: SqliteStore, repository: str) -> None:
    """However long its name is, which somebody may have made up."""
    made = EntityJournal(store, Catalog(store))
    names = ["app", "team/app", "é" * 300, "é" * 299]
    at = Instant.parse("2026-06-15T08:00:00Z")
    events = [
        RegistryEvent(action="push", registry="r.io", repository=name, occurred_at=at, digest=f"sha256:{number}")
        for number, name in enumerate(names * 2)
    ]
    await made.append(events, ARRIVAL)
    page = await made.read("r.io", "2026-06-15", repository=repository)
    assert [one.event.repository for one in page.events] == [repository] * (2 if repository in names else 0)
    assert page.after is None
