import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registrail.compose import UseCases, use_cases
from registrail.errors import InvalidParameterError
from registrail.events import Arrival, RecordedEvent, RegistryEvent
from registrail.instants import TICKS_PER_SECOND, Instant
from registrail.pushes import Push, fold
from registrail.query import EventFilter, PushFilter, Replication
from registrail.query.pages import Position, write_cursor
from registrail.settings import Settings
from registrail.storage.sqlite import SqliteStore
from registrail.storage.store import Page

NOON: Final = Instant.parse("2026-06-15T12:00:00Z")
MIDNIGHT: Final = Instant.parse("2026-06-15T00:00:00Z")
ARRIVAL: Final = Arrival(sender="acr", delivery="acr~1", received_at=NOON)
MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
INDEX: Final = "application/vnd.oci.image.index.v1+json"
LAYER: Final = "application/octet-stream"


class SmallPages(SqliteStore):
    """A store in memory that hands out a few rows at a time."""

    def __init__(self, rows: int) -> None:
        super().__init__(":memory:")
        self._rows = rows

    async def scan(self, table: str, partition: str, **options: Any) -> Page:
        rows = self._rows if table == "events" else 1000
        return await super().scan(table, partition, **{**options, "limit": min(options.get("limit", 1000), rows)})


def push(second: float, number: int, tag: str | None = None, **more: Any) -> RegistryEvent:
    """Make the push of a manifest, so many seconds after midnight."""
    values: dict[str, Any] = {
        "action": "push",
        "registry": "r.io",
        "repository": "app",
        "tag": tag,
        "digest": f"sha256:{number:064x}",
        "media_type": MANIFEST,
        "occurred_at": Instant(MIDNIGHT.ticks + round(second * TICKS_PER_SECOND)),
        "client": "skopeo/1",
    }
    return RegistryEvent(**{**values, **more})


async def store_events(app: UseCases, events: Sequence[RegistryEvent]) -> None:
    """Write and mark, as ingest does."""
    await app.ingest.journal.append(events, ARRIVAL)
    for one in events:
        if one.occurred_at is not None:
            await app.ingest.marks.touch(one.registry, [one.occurred_at.minute])


async def journal(app: UseCases) -> list[RecordedEvent]:
    """Everything that the journal has."""
    found: list[RecordedEvent] = []
    cursor = None
    while True:
        page = await app.query.events(EventFilter(), limit=1000, cursor=cursor)
        found += page.items
        cursor = page.next
        if cursor is None:
            return found


async def pages(app: UseCases, wanted: PushFilter, limit: int) -> list[Sequence[Push]]:
    """All pages of a list."""
    found: list[Sequence[Push]] = []
    cursor = None
    for _ in range(3000):
        page = await app.query.pushes(wanted, limit=limit, cursor=cursor)
        found.append(page.items)
        cursor = page.next
        if cursor is None:
            return found
    raise AssertionError("paging comes to no end")


async def listed(app: UseCases, limit: int = 100, **wanted: Any) -> list[Push]:
    """The items of all pages."""
    return [one for page in await pages(app, PushFilter(**wanted), limit) for one in page]


def images(second: float, number: int, tag: str, **more: Any) -> list[RegistryEvent]:
    """Two platforms and their index."""
    return [
        push(second, number, **more),
        push(second + 1, number + 1, **more),
        push(second + 2, number + 2, tag, media_type=INDEX, **more),
    ]


# One list


async def test_an_empty_store_has_no_pushes(app: UseCases) -> None:
    """And no next page."""
    assert await pages(app, PushFilter(), 10) == [[]]
    assert await pages(app, PushFilter(registry="r.io", repository="app"), 10) == [[]]


async def test_undated_events_are_no_pushes(app: UseCases) -> None:
    """Nobody knows what they belong to."""
    await store_events(app, [push(0, 1, "v1", occurred_at=None)])
    assert await listed(app) == []


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
async def test_pushes_are_newest_first(app: UseCases, limit: int) -> None:
    """Over registries and days, each once; also one that reaches over midnight."""
    events = [
        *images(-1.5, 1, "midnight"),
        *images(3_600, 4, "v1"),
        *images(3_600.5, 7, "other", registry="s.io"),
        push(3_610, 6, "v1.0"),
        *images(-100_000, 10, "old"),
    ]
    await store_events(app, events)
    found = await listed(app, limit)
    assert [one.tags for one in found] == [["other"], ["v1", "v1.0"], ["midnight"], ["old"]]
    assert [len(one.members) for one in found] == [3, 4, 3, 3]
    assert found == fold(await journal(app))


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({"registry": "s.io"}, ["b"]),
        ({"repository": "team/app"}, ["c"]),
        ({"repository": "team/*"}, ["c", "d"]),
        ({"repository": "none"}, []),
        ({"tag": "b"}, ["b"]),
        ({"tag": f"sha256-{3:064x}.sig"}, ["a"]),
        ({"digest": f"sha256:{3:064x}"}, ["a"]),
        ({"digest": f"sha256:{1:064x}"}, ["a"]),
        ({"digest": f"sha256:{99:064x}"}, ["a"]),
        ({"digest": f"sha256:{5:064x}"}, []),
        ({"actor": "alice"}, ["d"]),
        ({"client": "oras/1"}, ["c"]),
        ({"since": NOON}, ["c", "d"]),
        ({"until": NOON}, ["a", "b"]),
        ({"since": Instant(NOON.ticks + 1)}, ["d"]),
        ({"since": NOON, "until": Instant(NOON.ticks + 1)}, ["c"]),
        ({"since": NOON, "until": NOON}, []),
        ({"repository": "team/*", "registry": "r.io", "since": NOON, "tag": "d"}, ["d"]),
    ],
)
@pytest.mark.parametrize("limit", [1, 10])
async def test_filters(app: UseCases, wanted: dict[str, Any], expected: list[str], limit: int) -> None:
    """Each lets through what has the value; a digest may also be that of a part or a referrer."""
    noon = 12 * 3_600
    events = [
        *images(100, 1, "a"),
        push(110, 99, f"sha256-{3:064x}.sig"),
        *images(200, 10, "b", registry="s.io"),
        *images(noon - 2, 20, "c", repository="team/app", client="oras/1"),
        *images(noon + 100, 30, "d", repository="team/other", actor="alice"),
    ]
    await store_events(app, events)
    assert sorted(one.tags[0] for one in await listed(app, limit, **wanted)) == expected


@pytest.mark.parametrize("limit", [1, 10])
async def test_bounds_do_not_cut_pushes(app: UseCases, limit: int) -> None:
    """A push within the bounds is whole, whatever of it was before or after them."""
    await store_events(app, [*images(0, 1, "v1"), push(30, 3, "v2"), push(55, 3, "v3"), push(200, 9, "later")])
    at = [Instant(MIDNIGHT.ticks + round(second * TICKS_PER_SECOND)) for second in (2, 2.1, 199)]
    [one] = await listed(app, limit, since=at[0], until=at[1])
    assert (one.tags, len(one.members)) == (["v1", "v2", "v3"], 5)
    assert await listed(app, limit, since=at[1], until=at[2]) == []
    assert [one.tags for one in await listed(app, limit, until=at[2])] == [["v1", "v2", "v3"]]


@pytest.mark.parametrize(
    "cursor",
    [
        "x",
        write_cursor(Position("2026-06-15")),
        write_cursor(Position("2026-06-15"), "yesterday"),
        write_cursor(Position("2026-06-15"), "", ""),
    ],
)
async def test_a_cursor_must_be_of_this_list(app: UseCases, cursor: str) -> None:
    """One of another list is refused, in both directions."""
    with pytest.raises(InvalidParameterError, match="cursor"):
        await app.query.pushes(PushFilter(), limit=10, cursor=cursor)
    with pytest.raises(InvalidParameterError, match="cursor"):
        await app.query.events(EventFilter(), limit=10, cursor=write_cursor(Position("2026-06-15"), ""))


# Paging

histories = st.lists(
    st.builds(
        lambda gap, *rest: (gap, rest),
        st.sampled_from([0, 1, 5, 29, 30, 31, 65, 50_000]),
        st.integers(1, 4),
        st.sampled_from([None, None, "v1", "v2", f"sha256-{1:064x}.sig", f"sha256-{2:064x}"]),
        st.sampled_from([MANIFEST, MANIFEST, INDEX, LAYER]),
        st.sampled_from(["app", "team/app"]),
        st.sampled_from(["r.io", "r.io", "s.io"]),
        st.sampled_from(["push", "push", "push", "delete", "pull"]),
    ),
    max_size=30,
)


def build(history: Sequence[Any]) -> list[RegistryEvent]:
    """Turn gaps into times; oldest first."""
    events: list[RegistryEvent] = []
    second = 0.0
    for gap, (number, tag, media_type, repository, registry, action) in history:
        second += gap
        more = {"media_type": media_type, "repository": repository, "registry": registry, "action": action}
        events.append(push(second, number, tag, **more))
    return events


@settings(max_examples=60)
@given(
    history=histories,
    limit=st.integers(1, 5),
    rows=st.sampled_from([8, 15, 1000]),
    wanted=st.builds(
        PushFilter,
        registry=st.none() | st.just("r.io"),
        repository=st.none() | st.sampled_from(["app", "team/*"]),
        tag=st.none() | st.none() | st.just("v1"),
    ),
)
async def test_pages_are_the_whole_list(history: Sequence[Any], limit: int, rows: int, wanted: PushFilter) -> None:
    """However small the pages of the list and of the store, together they are the fold of all events."""
    app = use_cases(SmallPages(rows), Settings(), lambda: NOON.plus(timedelta(days=30)))
    await store_events(app, build(history))
    events = [one for one in await journal(app) if wanted.registry in {None, one.event.registry}]
    expected = [one for one in fold(one for one in events if wanted.may_need(one)) if wanted.admits(one)]
    found = await pages(app, wanted, limit)
    assert [one for page in found for one in page] == expected
    assert all(len(page) <= limit for page in found)


@settings(max_examples=40)
@given(history=histories, limit=st.integers(1, 4), rows=st.sampled_from([8, 1000]), number=st.integers(1, 4))
async def test_new_pushes_do_not_disturb_paging(history: Sequence[Any], limit: int, rows: int, number: int) -> None:
    """Whatever arrives between two pages, every push of before is listed once, and nothing else further down."""
    app = use_cases(SmallPages(rows), Settings(), lambda: NOON.plus(timedelta(days=30)))
    old = build(history)
    await store_events(app, old)
    before = fold(await journal(app))
    last = max((one.occurred_at for one in old if one.occurred_at), default=NOON)
    found: list[Push] = []
    cursor = None
    for turn in itertools.count(1):
        page = await app.query.pushes(PushFilter(), limit=limit, cursor=cursor)
        found += page.items
        cursor = page.next
        if cursor is None:
            break
        later = last.plus(timedelta(seconds=40 * turn))
        await store_events(app, [push(0, number, f"new{turn}", occurred_at=later)])
    assert found == before


@settings(max_examples=40)
@given(
    history=histories,
    limit=st.integers(1, 4),
    rows=st.sampled_from([2, 1000]),
    wanted=st.builds(
        EventFilter, repository=st.none() | st.sampled_from(["app", "team/*"]), tag=st.none() | st.just("v1")
    ),
)
async def test_new_events_do_not_disturb_paging(
    history: Sequence[Any], limit: int, rows: int, wanted: EventFilter
) -> None:
    """The same for lists of events."""
    app = use_cases(SmallPages(rows), Settings(), lambda: NOON.plus(timedelta(days=30)))
    old = build(history)
    await store_events(app, old)
    before = [one for one in await journal(app) if wanted.admits(one)]
    last = max((one.occurred_at for one in old if one.occurred_at), default=NOON)
    found: list[RecordedEvent] = []
    cursor = None
    for turn in itertools.count(1):
        page = await app.query.events(wanted, limit=limit, cursor=cursor)
        found += page.items
        cursor = page.next
        if cursor is None:
            break
        await store_events(app, [push(0, 1, "v1", occurred_at=last.plus(timedelta(seconds=turn)))])
    assert found == before


# Long rows of pushes


async def test_thousands_of_pushes_without_a_pause(app: UseCases) -> None:
    """Every one of them is listed whole."""
    events = [one for number in range(1_500) for one in images(number * 10, 3 * number, f"v{number}")]
    await app.ingest.journal.append(events, ARRIVAL)
    found = await pages(app, PushFilter(registry="r.io"), 1000)
    assert [one.tags for page in found for one in page] == [[f"v{number}"] for number in reversed(range(1_500))]
    assert {len(one.members) for page in found for one in page} == {3}
    assert len(found) == 2


async def test_a_push_that_is_longer_than_a_page_can_read(app: UseCases) -> None:
    """Paging comes to an end, and every event is in a push, which is shown in pieces."""
    parts = [push(number, number) for number in range(5_000)]
    await app.ingest.journal.append([*parts, push(5_000, 5_000, "v1", media_type=INDEX)], ARRIVAL)
    found = await listed(app, 1000)
    members = Counter(name for one in found for name in one.members)
    assert (len(members), set(members.values())) == (5_001, {1})


# Replicas


async def replicas(app: UseCases, wanted: PushFilter) -> list[Replication]:
    """The items of all pages."""
    found: list[Replication] = []
    cursor = None
    while True:
        page = await app.query.replicas(wanted, limit=2, cursor=cursor)
        found += page.items
        cursor = page.next
        if cursor is None:
            return found


async def test_replicas(app: UseCases) -> None:
    """The events that completed pushes, with how late each region knew of them, and the regions that did not."""
    events = images(100, 1, "v1")
    for seconds, region in ((0, "westeurope"), (7, "eastus")):
        arrival = replace(ARRIVAL, received_at=Instant(MIDNIGHT.ticks + (102 + seconds) * TICKS_PER_SECOND))
        await app.ingest.journal.append([replace(one, region=region) for one in events], arrival)
    await app.ingest.marks.touch("r.io", ["2026-06-15T00:01"])
    await store_events(app, [*images(200, 10, "v2"), replace(push(300, 20, "v3"), region="westeurope")])
    await store_events(app, [push(-200_000, 30, "long ago")])
    found = await replicas(app, PushFilter(registry="r.io"))
    assert [
        (one.recorded.event.tag, {name: lag // TICKS_PER_SECOND for name, lag in one.lags.items()}, list(one.missing))
        for one in found
    ] == [
        ("v3", {"westeurope": 12 * 3_600 - 300}, ["eastus"]),
        ("v2", {}, ["eastus", "westeurope"]),
        ("v1", {"eastus": 7, "westeurope": 0}, []),
    ]


async def test_regions_of_the_day_before_are_expected(app: UseCases) -> None:
    """But not those of two days before."""
    await store_events(app, [replace(push(0, 1, "v1"), region="eastus")])
    await store_events(app, [push(86_400, 2, "v2"), push(2 * 86_400, 3, "v3")])
    found = await replicas(app, PushFilter())
    assert [(one.recorded.event.tag, list(one.missing)) for one in found] == [("v2", ["eastus"]), ("v1", [])]
