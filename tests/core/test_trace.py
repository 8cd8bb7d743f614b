"""Tracing: whatever the order in which events come, and however often, the history is what it should be."""

import random
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.counting import CountingStore
from registrail.activity import Effect
from registrail.errors import ConflictError
from registrail.events import RecordedEvent, RegistryEvent, content_hash
from registrail.instants import Instant
from registrail.names import Names
from registrail.storage import keys
from registrail.storage.history import TABLE, EntityHistory
from registrail.storage.history_lists import EntityHistoryLists
from registrail.storage.marks import EntityMarks
from registrail.storage.sqlite import SqliteStore
from registrail.storage.store import Operation, Replace, scan_all
from registrail.strands import Strands
from registrail.timeline import time_of
from registrail.trace import Trace

REGISTRY = "r.example"
BEGIN = Instant.parse("2026-03-01T12:00:00Z")
MINUTE = 600_000_000


def recorded(  # noqa: PLR0913 - an event has that many sides
    minute: float,
    action: str = "push",
    *,
    tag: str | None = None,
    digest: str | None = None,
    repository: str = "app",
    actor: str | None = None,
    media_type: str | None = "m",
) -> RecordedEvent:
    """An event so many minutes after the beginning."""
    at = Instant(BEGIN.ticks + int(minute * MINUTE))
    event = RegistryEvent(
        action=action,
        registry=REGISTRY,
        repository=repository,
        tag=tag,
        digest=digest,
        occurred_at=at,
        actor=actor,
        media_type=media_type,
    )
    row = keys.event_row(at, content_hash(event))
    return RecordedEvent(id=row, event=event, seen={"acr": at}, regions={}, deliveries={"acr": "acr~1~1"})


class Recorder:
    """A journal in a dictionary, with the slots that were traced and what they did."""

    def __init__(self, store: SqliteStore) -> None:
        self.store = store
        self.marks = EntityMarks(store)
        self.trace = Trace(history=EntityHistory(store), marks=self.marks)
        self.slots: dict[str, dict[str, RecordedEvent]] = defaultdict(dict)
        self.effects: dict[str, Effect] = {}
        self.kept: Strands | None = None

    async def take(self, events: Sequence[RecordedEvent], *, together: bool = True) -> None:
        """Store events, then trace their slots, and those that are to be counted anew."""
        touched: set[str] = set()
        for event in events:
            self.slots[time_of(event.id).minute][event.id] = event
            touched.add(time_of(event.id).minute)
        await self._fold(sorted(touched), together=together)
        while marks := await self.marks.pending(REGISTRY):
            await self.marks.clear(REGISTRY, marks)
            await self._fold([mark.slot for mark in marks], together=together)

    async def _fold(self, slots: Sequence[str], *, together: bool) -> None:
        for some in [slots] if together else [[slot] for slot in slots]:
            events = [event for slot in some for event in self.slots[slot].values()]
            self.effects |= await self.trace.apply(REGISTRY, events, self.kept)

    async def rows(self) -> Mapping[str, Mapping[str, Any]]:
        """The whole history."""
        found = await scan_all(self.store, TABLE, keys.encode(REGISTRY))
        return {entity.row: entity.properties for entity in found}


async def history_of(batches: Sequence[Sequence[RecordedEvent]], *, together: bool = True) -> Recorder:
    """The history after batches of events."""
    recorder = Recorder(SqliteStore(":memory:"))
    for batch in batches:
        await recorder.take(batch, together=together)
    return recorder


def timeline(rows: Mapping[str, Mapping[str, Any]], tag: str) -> list[tuple[str, str | None, str | None]]:
    """Changes of a tag, oldest first: what changed, where it points, where it pointed."""
    found = [row for key, row in rows.items() if key.startswith(f"move~app~{tag}~")]
    return [(row["change"], row.get("digest"), row.get("previous_digest")) for row in reversed(found)]


async def test_a_tag_is_created_moved_repeated_and_removed() -> None:
    """The plain course of things."""
    events = [
        recorded(0, tag="v1", digest="sha256:a"),
        recorded(1, tag="v1", digest="sha256:a"),
        recorded(2, tag="v1", digest="sha256:b", actor="ann"),
        recorded(3, "delete", tag="v1"),
        recorded(4, "delete", tag="v1"),
        recorded(5, tag="v1", digest="sha256:b"),
        recorded(6, "delete", digest="sha256:b", actor="bob"),
    ]
    recorder = await history_of([events])
    rows = await recorder.rows()
    assert timeline(rows, "v1") == [
        ("created", "sha256:a", None),
        ("unchanged", "sha256:a", None),
        ("moved", "sha256:b", "sha256:a"),
        ("untagged", None, "sha256:b"),
        ("unchanged", None, None),
        ("created", "sha256:b", None),
        ("deleted", None, "sha256:b"),
    ]
    assert rows["repository~app"]["tags"] == 0
    assert rows["repository~app"]["images"] == 2
    assert rows[f"delete~{events[-1].id}"]["actor"] == "bob"
    assert rows[f"delete~{events[-1].id}"]["removed"] == 1
    assert rows[f"delete~{events[-1].id}"]["first_push"] == keys.pack_event(events[2].id)
    assert rows[f"delete~{events[-1].id}"]["last_push"] == keys.pack_event(events[5].id)


async def test_a_late_push_corrects_what_came_after_it() -> None:
    """What was `created` becomes `unchanged` or `moved`, and its minute is counted anew."""
    first, late, mid = (
        recorded(5, tag="v1", digest="sha256:a"),
        recorded(1, tag="v1", digest="sha256:a"),
        recorded(3, tag="v1", digest="sha256:b"),
    )
    recorder = await history_of([[first], [late], [mid]])
    assert timeline(await recorder.rows(), "v1") == [
        ("created", "sha256:a", None),
        ("moved", "sha256:b", "sha256:a"),
        ("moved", "sha256:a", "sha256:b"),
    ]
    assert recorder.effects[first.id] == Effect(tags_moved=1)
    assert recorder.effects[late.id] == Effect(tags_created=1, images_first_seen=1, repositories_first_seen=1)


async def test_a_delete_that_came_before_its_push() -> None:
    """The push is late, its tag was removed all the same."""
    deleted = recorded(5, "delete", digest="sha256:a")
    recorder = await history_of([[deleted], [recorded(1, tag="v1", digest="sha256:a")]])
    rows = await recorder.rows()
    assert timeline(rows, "v1") == [("created", "sha256:a", None), ("deleted", None, "sha256:a")]
    assert rows[f"delete~{deleted.id}"]["removed"] == 1
    assert recorder.effects[deleted.id] == Effect(tags_removed=1)


async def test_a_whole_repository_is_deleted() -> None:
    """More tags than fit into a commit go, and those of other repositories stay."""
    pushed = [recorded(i / 100, tag=f"v{i}", digest=f"sha256:{i % 7}") for i in range(90)]
    other = recorded(1, tag="v1", digest="sha256:1", repository="app2")
    gone = recorded(10, "delete")
    recorder = await history_of([[*pushed, other], [gone], [recorded(4.5, tag="late", digest="sha256:9")]])
    rows = await recorder.rows()
    assert rows["repository~app"]["tags"] == 0
    assert rows["repository~app2"]["tags"] == 1
    assert recorder.effects[gone.id] == Effect(tags_removed=91)
    assert rows[f"delete~{gone.id}"]["removed"] == 91
    assert timeline(rows, "late") == [("created", "sha256:9", None), ("deleted", None, "sha256:9")]


EVENTS = st.lists(
    st.builds(
        recorded,
        st.integers(0, 12).map(lambda third: third / 3),
        st.sampled_from(["push", "push", "push", "delete", "delete", "chart_push"]),
        tag=st.sampled_from([None, "v1", "v2"]),
        digest=st.sampled_from([None, "sha256:a", "sha256:b"]),
        actor=st.sampled_from([None, "ann"]),
    ),
    max_size=14,
    unique_by=lambda event: event.id,
)


@settings(max_examples=120)
@given(events=EVENTS, seed=st.integers(0, 10_000), together=st.booleans())
async def test_the_history_does_not_depend_on_how_events_came(
    events: list[RecordedEvent], seed: int, *, together: bool
) -> None:
    """Any order, any batches, any repetition: the same rows and the same effects as all at once."""
    expected = await history_of([events])
    chance = random.Random(seed)  # noqa: S311 - a shuffle, no secret
    shuffled = [*events, *chance.choices(events, k=3)] if events else []
    chance.shuffle(shuffled)
    cuts = sorted(chance.choices(range(len(shuffled) + 1), k=3))
    batches = [shuffled[a:b] for a, b in zip([0, *cuts], [*cuts, len(shuffled)], strict=True)]
    actual = await history_of([batch for batch in batches if batch], together=together)
    assert await actual.rows() == await expected.rows()
    assert actual.effects == expected.effects


@settings(max_examples=120)
@given(batches=st.lists(st.tuples(st.booleans(), EVENTS), max_size=6), most_names=st.sampled_from([0, 2, 100]))
async def test_what_is_kept_in_memory_makes_no_difference(
    batches: list[tuple[bool, list[RecordedEvent]]], most_names: int
) -> None:
    """Somebody who keeps repositories in memory, and somebody else who changes them in between."""
    events = {event.id: event for _, batch in batches for event in batch}
    expected = await history_of([list(events.values())])
    actual = Recorder(SqliteStore(":memory:"))
    kept = Strands(most_names)
    for is_keeping, batch in batches:
        actual.kept = kept if is_keeping else None
        await actual.take([events[event.id] for event in batch])
    assert await actual.rows() == await expected.rows()
    assert actual.effects == expected.effects


async def test_who_adds_nothing_to_what_is_in_memory_sees_what_others_added() -> None:
    """Nothing would have to be written, but what the events did is not what it was."""
    recorder = Recorder(SqliteStore(":memory:"))
    recorder.kept = Strands()
    first, late = recorded(5, tag="v1", digest="sha256:a"), recorded(1, tag="v1", digest="sha256:a")
    await recorder.take([first])
    await recorder.trace.apply(REGISTRY, [late])
    assert await recorder.trace.apply(REGISTRY, [first], recorder.kept) == {first.id: Effect()}


async def test_a_repository_in_memory_is_not_read_again() -> None:
    """Only written; the one that was not used for longest makes room."""
    store = CountingStore(SqliteStore(":memory:"))
    trace = Trace(history=EntityHistory(store), marks=EntityMarks(store))
    kept = Strands(most_names=5)
    for name in ("app", "lib", "web"):
        await trace.apply(REGISTRY, [recorded(0, tag="v1", digest="sha256:a", repository=name)], kept)
    requests = {}
    for name in ("lib", "app"):
        store.taken()
        await trace.apply(REGISTRY, [recorded(1, tag="v1", digest="sha256:a", repository=name)], kept)
        requests[name] = store.taken().requests
    assert requests == {"lib": 1, "app": len(["the repository", "v1", "sha256:a", "the commit"])}


@settings(max_examples=60)
@given(events=EVENTS, cut=st.integers(0, 14))
async def test_the_history_is_the_same_where_names_were_not_kept(events: list[RecordedEvent], cut: int) -> None:
    """As in tables of an older app, and in repositories with too many: then each name is looked for."""
    expected = await history_of([events[:cut], events[cut:]])
    forgetful = await history_of([events[:cut]])
    await forget_names(forgetful.store)
    await forgetful.take(events[cut:])
    assert without_names(await forgetful.rows()) == without_names(await expected.rows())
    assert forgetful.effects == expected.effects


async def forget_names(store: SqliteStore) -> None:
    """Take from the rows of repositories which names there are."""
    rows = await scan_all(store, TABLE, keys.encode(REGISTRY), start="repository~", stop="repository~~")
    without = without_names({entity.row: entity.properties for entity in rows})
    for row, properties in without.items():
        await store.commit(TABLE, keys.encode(REGISTRY), [Replace(row, properties)])


def without_names(rows: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Mapping[str, Any]]:
    """Rows but for the columns in question."""
    return {
        row: {name: value for name, value in columns.items() if not name.startswith("names")}
        for row, columns in rows.items()
    }


async def test_lists_of_repositories_leave_names_where_they_are() -> None:
    """They would be most of what is read."""
    recorder = await history_of([[recorded(0, tag="v1", digest="sha256:a"), recorded(1, "delete")]])
    [found] = (await EntityHistoryLists(recorder.store).repositories(REGISTRY)).items
    stored, _ = await EntityHistory(recorder.store).repository(REGISTRY, "app")
    assert stored.names.packed
    assert found == replace(stored, names=Names(None))


async def test_what_is_new_is_not_looked_for() -> None:
    """A minute of new tags and digests reads its repository, and what of them is known."""
    store = CountingStore(SqliteStore(":memory:"))
    trace = Trace(history=EntityHistory(store), marks=EntityMarks(store))
    await trace.apply(REGISTRY, [recorded(i / 100, tag=f"v{i}", digest=f"sha256:{i}") for i in range(50)])
    store.taken()
    new = [recorded(1 + i / 100, tag=f"w{i}", digest=f"sha256:n{i}") for i in range(10)]
    await trace.apply(REGISTRY, [*new, recorded(1.5, tag="v1", digest="sha256:2")])
    assert store.taken().requests == len(["the repository", "v1", "sha256:2", "the commit"])


@settings(max_examples=150)
@given(events=EVENTS)
async def test_the_history_is_what_replaying_all_events_says(events: list[RecordedEvent]) -> None:
    """An independent reading: one dictionary of tags, event after event."""
    pointers: dict[str, str] = {}
    expected: dict[str, list[tuple[str, str | None, str | None]]] = defaultdict(list)
    removed: dict[str, int] = {}
    for one in sorted(events, key=lambda event: event.id, reverse=True):
        event = one.event
        if "push" in event.action:
            if event.tag:
                digest, before = event.digest or "", pointers.get(event.tag)
                change = "created" if before is None else "moved" if before != digest else "unchanged"
                expected[event.tag].append((change, digest, None if change == "unchanged" else before))
                pointers[event.tag] = digest
            continue
        gone = {tag for tag, digest in pointers.items() if digest == event.digest}
        if event.digest is None and event.tag is None:
            gone = set(pointers)
        for tag in gone - {event.tag}:
            expected[tag].append(("deleted", None, pointers.pop(tag)))
        if event.tag:
            before = pointers.pop(event.tag, None)
            expected[event.tag].append(("untagged" if before is not None else "unchanged", None, before))
            gone = gone - {event.tag} | ({event.tag} if before is not None else set())
        removed[one.id] = len(gone)
    recorder = await history_of([events])
    rows = await recorder.rows()
    assert {tag: timeline(rows, tag) for tag in expected} == expected
    assert {event: rows[f"delete~{event}"]["removed"] for event in removed} == removed
    shown = {key.split("~")[2]: row.get("digest") for key, row in rows.items() if key.startswith("tag~")}
    assert {tag: digest for tag, digest in shown.items() if digest is not None} == pointers
    if rows:
        assert rows["repository~app"]["tags"] == len(pointers)
    holds = [key.split("~") for key, row in rows.items() if key.startswith("hold~") and "until" not in row]
    held = {(tag, keys.decode(digest)) for _, digest, _, tag, *_ in holds}
    assert held == set(pointers.items())


@pytest.mark.parametrize("count", [1, 150])
async def test_a_slot_traced_again_changes_nothing(count: int) -> None:
    """Nor does it write: but for the dossiers of its deletes."""
    events = [recorded(i / 200, tag=f"v{i % 3}", digest=f"sha256:{i}") for i in range(count)]
    recorder = await history_of([events])
    before = await recorder.rows()
    effects = dict(recorder.effects)
    await recorder.take(events)
    assert await recorder.rows() == before
    assert recorder.effects == effects


class Contested(SqliteStore):
    """A store in memory where, for some time, somebody else has always just written the repository's row."""

    def __init__(self, until: float) -> None:
        super().__init__(":memory:")
        self.until = until

    async def commit(self, table: str, partition: str, operations: Sequence[Operation]) -> Sequence[str | None]:
        if table == TABLE and time.monotonic() < self.until:
            raise ConflictError(0)
        return await super().commit(table, partition, operations)


async def test_who_always_comes_second_waits_until_the_others_have_done() -> None:
    """A fold of many slots writes a repository again and again; another one gets its turn when that is over."""
    recorder = Recorder(Contested(time.monotonic() + 0.3))
    await recorder.take([recorded(0, tag="v1", digest="sha256:1")])
    assert timeline(await recorder.rows(), "v1") == [("created", "sha256:1", None)]
