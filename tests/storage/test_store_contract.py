"""What both engines promise. Every test runs over SQLite in memory, SQLite in a file, and Table Storage on Azurite."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from registrail.errors import ConflictError
from registrail.instants import Instant
from registrail.storage import keys
from registrail.storage.sqlite import SqliteStore
from registrail.storage.store import Delete, Entity, EntityStore, Guid, Insert, Merge, Operation, Replace, Value
from registrail.storage.tables import TablesStore, with_connection_string

TABLE = "contract"
ENGINES = ["memory", "file", pytest.param("azurite", marks=pytest.mark.azurite)]


@pytest.fixture(params=ENGINES)
async def engine(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[EntityStore]:
    """Open each engine in turn."""
    opened: EntityStore
    if request.param == "azurite":
        opened = TablesStore(with_connection_string(request.getfixturevalue("azurite_connection_string")))
    else:
        opened = SqliteStore(":memory:" if request.param == "memory" else str(tmp_path / "sub" / "test.db"))
    yield opened
    await opened.close()


@pytest.fixture
def partition() -> str:
    """Make up a partition of one's own, because Azurite serves many tests."""
    return uuid.uuid4().hex


async def read(engine: EntityStore, partition: str, row: str) -> Entity:
    """Read a row that is there."""
    entity = await engine.get(TABLE, partition, row)
    assert entity is not None
    return entity


async def rows(engine: EntityStore, partition: str) -> list[str]:
    """Read all row keys."""
    return [entity.row for entity in (await engine.scan(TABLE, partition)).entities]


async def test_every_type_comes_back(engine: EntityStore, partition: str) -> None:
    """Texts, numbers, switches, bytes and times to 100 ns are read as they were written."""
    properties: dict[str, Value] = {
        "text": "naïve \U0001f433 \u202eabc <script> ' \" \\ \x01\n",
        "empty": "",
        "small": 1,
        "large": 2**63 - 1,
        "negative": -(2**63),
        "yes": True,
        "no": False,
        "fraction": 1.5,
        "bytes": b"\x00\xff" * 30_000,
        "nothing": b"",
        "at": Instant.parse("2026-06-15T12:00:00.1234567Z"),
        "early": Instant.parse("1970-01-01T00:00:00Z"),
    }
    await engine.commit(TABLE, partition, [Insert("row", properties)])
    found = (await read(engine, partition, "row")).properties
    scanned = (await engine.scan(TABLE, partition)).entities[0].properties
    assert dict(found) == dict(scanned) == properties
    assert {name: type(value) for name, value in found.items()} == {
        name: type(value) for name, value in properties.items()
    }


async def test_a_guid_comes_back_as_its_text(engine: EntityStore, partition: str) -> None:
    """However the store keeps it."""
    text = "0f5c1b9e-2d3a-4b6c-8d7e-9f0a1b2c3d4e"
    await engine.commit(TABLE, partition, [Insert("row", {"id": Guid(text), "text": text})])
    await engine.commit(TABLE, partition, [Merge("row", {"other": Guid(text)})])
    found = (await read(engine, partition, "row")).properties
    assert dict(found) == {"id": text, "text": text, "other": text}
    assert {type(value) for value in found.values()} == {str}


async def test_what_is_missing_is_none(engine: EntityStore, partition: str) -> None:
    """A row, a partition and a table that nobody wrote are empty, not errors."""
    assert await engine.get(TABLE, partition, "row") is None
    assert await engine.get(f"t{partition}", partition, "row") is None
    page = await engine.scan(f"t{partition}", partition)
    assert (list(page.entities), page.after) == ([], None)


async def test_insert_of_an_existing_row_conflicts(engine: EntityStore, partition: str) -> None:
    """Only the first insert counts."""
    await engine.commit(TABLE, partition, [Insert("row", {"n": 1})])
    with pytest.raises(ConflictError) as conflict:
        await engine.commit(TABLE, partition, [Insert("row", {"n": 2})])
    assert conflict.value.index == 0
    assert (await read(engine, partition, "row")).properties == {"n": 1}


async def test_merge_keeps_what_it_does_not_name(engine: EntityStore, partition: str) -> None:
    """Merging is insert-or-update of single properties."""
    await engine.commit(TABLE, partition, [Merge("row", {"a": 1, "b": "x"})])
    await engine.commit(TABLE, partition, [Merge("row", {"b": Instant(5_000_000_000_000_000_00), "c": b"\x01"})])
    await engine.commit(TABLE, partition, [Merge("row", {})])
    found = (await read(engine, partition, "row")).properties
    assert found == {"a": 1, "b": Instant(5_000_000_000_000_000_00), "c": b"\x01"}


async def test_replace_forgets_the_rest(engine: EntityStore, partition: str) -> None:
    """Replacing is insert-or-update of the whole row."""
    await engine.commit(TABLE, partition, [Replace("row", {"a": 1})])
    await engine.commit(TABLE, partition, [Replace("row", {"b": 2})])
    assert (await read(engine, partition, "row")).properties == {"b": 2}


@pytest.mark.parametrize("kind", [Merge, Replace])
async def test_a_stale_version_conflicts(
    engine: EntityStore, partition: str, kind: type[Merge] | type[Replace]
) -> None:
    """A write that expects a version happens only in that version, and gives a new one."""
    [first] = await engine.commit(TABLE, partition, [Insert("row", {"n": 1})])
    [second] = await engine.commit(TABLE, partition, [kind("row", {"n": 2}, first)])
    with pytest.raises(ConflictError):
        await engine.commit(TABLE, partition, [kind("row", {"n": 3}, first)])
    found = await read(engine, partition, "row")
    assert (found.properties, found.version, first != second) == ({"n": 2}, second, True)


async def test_a_missing_row_has_no_version(engine: EntityStore, partition: str) -> None:
    """Expecting a version of a row that is gone is a conflict, also after it came back."""
    [old] = await engine.commit(TABLE, partition, [Insert("row", {})])
    await engine.commit(TABLE, partition, [Delete("row", old)])
    for operation in (Merge("row", {}, old), Replace("row", {}, old), Delete("row", old), Delete("row")):
        with pytest.raises(ConflictError):
            await engine.commit(TABLE, partition, [operation])
    await engine.commit(TABLE, partition, [Insert("row", {})])
    with pytest.raises(ConflictError):
        await engine.commit(TABLE, partition, [Delete("row", old)])


async def test_versions_do_not_repeat(engine: EntityStore, partition: str) -> None:
    """Every write has a version of its own, even one that changes nothing."""
    versions = [(await engine.commit(TABLE, partition, [Merge("row", {"n": 1})]))[0] for _ in range(50)]
    assert len(set(versions)) == 50


async def test_commit_answers_with_versions_as_read(engine: EntityStore, partition: str) -> None:
    """The versions that a commit returns are those that a reader sees; a deleted row has none."""
    await engine.commit(TABLE, partition, [Insert("gone", {})])
    written = await engine.commit(TABLE, partition, [Insert("a", {}), Merge("b", {}), Replace("c", {}), Delete("gone")])
    scanned = (await engine.scan(TABLE, partition)).entities
    assert [*(entity.version for entity in scanned), None] == list(written)


@pytest.mark.parametrize("index", [0, 1, 3])
async def test_a_commit_is_all_or_nothing(engine: EntityStore, partition: str, index: int) -> None:
    """One conflict undoes the whole commit, and says which operation it was."""
    await engine.commit(TABLE, partition, [Insert("there", {"n": 1})])
    operations: list[Operation] = [Insert("x", {}), Merge("y", {}), Replace("z", {})]
    operations.insert(index, Insert("there", {"n": 2}))
    with pytest.raises(ConflictError) as conflict:
        await engine.commit(TABLE, partition, operations)
    assert (conflict.value.index, await rows(engine, partition)) == (index, ["there"])


async def test_a_stale_version_inside_a_commit(engine: EntityStore, partition: str) -> None:
    """Versions are checked inside larger commits too, for every kind of operation."""
    [old] = await engine.commit(TABLE, partition, [Insert("row", {"n": 1})])
    await engine.commit(TABLE, partition, [Merge("row", {"n": 2})])
    for operation in (Merge("row", {}, old), Replace("row", {}, old), Delete("row", old)):
        with pytest.raises(ConflictError) as conflict:
            await engine.commit(TABLE, partition, [Insert("new", {}), operation])
        assert (conflict.value.index, await rows(engine, partition)) == (1, ["row"])


async def test_a_hundred_operations_at_once(engine: EntityStore, partition: str) -> None:
    """That is the most; more, none, or two on one row are refused before anything happens."""
    await engine.commit(TABLE, partition, [Insert(f"{n:03}", {}) for n in range(100)])
    refused: list[list[Operation]] = [
        [Insert(f"x{n}", {}) for n in range(101)],
        [],
        [Insert("x", {}), Merge("x", {})],
    ]
    for operations in refused:
        with pytest.raises(ValueError, match="a commit has"):
            await engine.commit(TABLE, partition, operations)
    assert await rows(engine, partition) == [f"{n:03}" for n in range(100)]


async def test_rows_are_ordered_and_paged(engine: EntityStore, partition: str) -> None:
    """Pages follow each other in the order of row keys, without gaps, also over rows that vanish between."""
    names = ["-", ".", "0", "01", "1", ":", "=2A", "@", "A", "Z", "_", "a", "ab", "b", "z", "|", "~"]
    await engine.commit(TABLE, partition, [Insert(name, {}) for name in reversed(names)])
    found: list[str] = []
    after = None
    while True:
        page = await engine.scan(TABLE, partition, limit=3, after=after)
        found += [entity.row for entity in page.entities]
        after = page.after
        if after is None:
            break
        await engine.commit(TABLE, partition, [Delete(after)])
    assert found == sorted(names)


async def test_only_what_is_selected_is_read(engine: EntityStore, partition: str) -> None:
    """Of each row what it has of that, with types, keys and the version."""
    at = Instant.parse("2026-06-15T12:00:00Z")
    await engine.commit("things", partition, [Insert("a", {"b": b"x", "t": at, "n": 1, "other": 2})])
    await engine.commit("things", partition, [Insert("b", {"other": "y"})])
    page = await engine.scan("things", partition, select=("b", "t", "n", "missing"))
    assert [(one.row, dict(one.properties)) for one in page.entities] == [
        ("a", {"b": b"x", "t": at, "n": 1}),
        ("b", {}),
    ]
    whole = await engine.scan("things", partition)
    assert [one.version for one in page.entities] == [one.version for one in whole.entities]


@pytest.mark.parametrize("text", ["a", 'it\'s "it" & 50 %', "naïve/\U0001f433", "", "A"])
@pytest.mark.parametrize("limit", [1, 2, 1000])
async def test_only_rows_that_have_a_text(engine: EntityStore, partition: str, text: str, limit: int) -> None:
    """All of them and no others, in order, page after page; also between two keys."""
    other: list[Value] = ["a ", "b", 1, b"a"]
    values = [text, *other, text, text, *other]
    operations = [Insert(f"{number:02}", {"name": value, "n": 1}) for number, value in enumerate(values)]
    await engine.commit(TABLE, partition, [*operations, Insert("99", {"n": 1})])
    for start, stop, expected in (("", None, ["00", "05", "06"]), ("01", "06", ["05"]), ("07", None, [])):
        found: list[Entity] = []
        after = None
        while True:
            page = await engine.scan(
                TABLE, partition, start=start, stop=stop, after=after, limit=limit, having=("name", text)
            )
            assert len(page.entities) <= limit
            found += page.entities
            after = page.after
            if after is None:
                break
        assert [one.row for one in found] == expected
        assert all(one.properties == {"name": text, "n": 1} for one in found)


@pytest.mark.parametrize("limit", [1, 2, 5, 6])
async def test_the_last_page_says_so(engine: EntityStore, partition: str, limit: int) -> None:
    """`after` is given exactly when there are more rows."""
    await engine.commit(TABLE, partition, [Insert(f"{n}", {}) for n in range(5)])
    page = await engine.scan(TABLE, partition, limit=limit)
    expected = None if limit >= 5 else f"{limit - 1}"
    assert (len(page.entities), page.after) == (min(limit, 5), expected)


async def test_a_range_includes_its_start_and_not_its_stop(engine: EntityStore, partition: str) -> None:
    """`start` <= row < `stop`, and beyond `after`."""
    await engine.commit(TABLE, partition, [Insert(name, {}) for name in "abcdef"])
    page = await engine.scan(TABLE, partition, start="b", stop="e")
    assert [entity.row for entity in page.entities] == ["b", "c", "d"]
    page = await engine.scan(TABLE, partition, start="b", stop="e", after="b")
    assert [entity.row for entity in page.entities] == ["c", "d"]


async def test_partitions_and_tables_are_apart(engine: EntityStore, partition: str) -> None:
    """The same row key elsewhere is another row."""
    await engine.commit(TABLE, partition, [Insert("row", {"n": 1})])
    await engine.commit(TABLE, f"{partition}x", [Insert("row", {"n": 2})])
    await engine.commit("other", partition, [Insert("row", {"n": 3})])
    assert (await read(engine, partition, "row")).properties == {"n": 1}
    assert await rows(engine, partition) == ["row"]


async def test_of_racing_inserts_one_wins(engine: EntityStore, partition: str) -> None:
    """The others hear of the conflict."""

    async def insert(number: int) -> int | None:
        try:
            await engine.commit(TABLE, partition, [Insert("row", {"n": number}), Merge(f"mine{number}", {})])
        except ConflictError:
            return None
        return number

    winners = [n for n in await asyncio.gather(*(insert(n) for n in range(8))) if n is not None]
    found = (await read(engine, partition, "row")).properties["n"]
    assert isinstance(found, int)
    assert (winners, await rows(engine, partition)) == ([found], [f"mine{found}", "row"])


@pytest.mark.azurite
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=60))
@example("/\\#?%'\"|~=*+& \x00\x1f\x7f\x9f\u202e\U0001f433é")
@example("x" * 4000)
async def test_any_name_can_be_a_key(azurite_connection_string: str, tmp_path: Path, name: str) -> None:
    """Whatever characters a name has, its row is found again under its key, in both engines."""
    for engine in (
        SqliteStore(str(tmp_path / "names.db")),
        TablesStore(with_connection_string(azurite_connection_string)),
    ):
        key = keys.encode(name)
        await engine.commit(TABLE, key, [Merge(key, {"name": name})])
        assert (await read(engine, key, key)).properties == {"name": name}
        assert (await engine.scan(TABLE, key, start=key)).entities[0].row == key
        await engine.close()
