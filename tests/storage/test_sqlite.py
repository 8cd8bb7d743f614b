import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from registrail.errors import ConflictError, StorageRefusedError, StorageUnavailableError
from registrail.settings import Settings
from registrail.storage import open_store, sqlite
from registrail.storage.sqlite import SqliteStore
from registrail.storage.store import Insert, Merge


@pytest.fixture
def path(tmp_path: Path) -> str:
    """Name a file in a folder that does not exist yet."""
    return str(tmp_path / "new" / "folder" / "registrail.db")


@pytest.fixture
async def file(path: str) -> AsyncIterator[SqliteStore]:
    """Open the file."""
    opened = SqliteStore(path, busy_seconds=0.05)
    yield opened
    await opened.close()


@pytest.fixture
def other(path: str, file: SqliteStore) -> Iterator[sqlite3.Connection]:
    """Open the file as another program does."""
    assert file is not None
    Path(path).parent.mkdir(parents=True)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        yield connection


async def test_a_file_survives(path: str) -> None:
    """What was committed is there when the file is opened again, with the same version."""
    first = SqliteStore(path)
    [version] = await first.commit("t", "p", [Insert("row", {"n": 1})])
    await first.close()
    second = SqliteStore(path)
    found = await second.get("t", "p", "row")
    await second.close()
    assert found is not None
    assert (found.properties, found.version) == ({"n": 1}, version)


async def test_two_programs_see_each_other(path: str) -> None:
    """Two stores on one file read what the other one wrote, at once."""
    stores = [SqliteStore(path), SqliteStore(path)]
    for number in range(6):
        await stores[number % 2].commit("t", "p", [Merge("row", {f"n{number}": number})])
        found = await stores[1 - number % 2].get("t", "p", "row")
        assert found is not None
        assert found.properties == {f"n{one}": one for one in range(number + 1)}
    for store in stores:
        await store.close()


def test_what_was_never_used_can_be_closed(path: str, tmp_path: Path) -> None:
    """Nothing is made before the first use."""
    asyncio.run(SqliteStore(path).close())
    assert list(tmp_path.iterdir()) == []


async def test_a_commit_is_on_the_disk(file: SqliteStore, path: str) -> None:
    """The journal is synchronous, and another program reads what is committed as JSON."""
    await file.commit("t", "p", [Insert("row", {"name": "é", "n": 1})])
    with closing(sqlite3.connect(path)) as connection:
        [(mode,)] = connection.execute("PRAGMA journal_mode").fetchall()
        rows = connection.execute("SELECT row, json_extract(properties, '$.name') FROM entities").fetchall()
    assert (mode, rows) == ("wal", [("row", "é")])
    assert file._connection is not None  # noqa: SLF001 - the setting belongs to the connection
    in_thread = await file._call(lambda connection: connection.execute("PRAGMA synchronous").fetchone())  # noqa: SLF001
    assert in_thread == (2,)


@pytest.mark.parametrize("below", ["a-file/registrail.db", "a-file/deeper/registrail.db", "a-folder"])
async def test_a_path_that_cannot_be(tmp_path: Path, below: str) -> None:
    """It is refused, and the message names the path."""
    (tmp_path / "a-file").write_text("in the way")
    (tmp_path / "a-folder").mkdir()
    store = SqliteStore(str(tmp_path / below))
    for _ in range(2):
        with pytest.raises(StorageRefusedError, match=f"SQLite, .*{below}: "):
            await store.get("t", "p", "row")
    await store.close()


async def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    """It is refused, and left as it is."""
    path = tmp_path / "letter.txt"
    path.write_text("Dear reader, " * 100)
    store = SqliteStore(str(path))
    with pytest.raises(StorageRefusedError, match="file is not a database"):
        await store.commit("t", "p", [Insert("row", {})])
    await store.close()
    assert path.read_text() == "Dear reader, " * 100


async def test_a_file_that_somebody_else_writes(file: SqliteStore, other: sqlite3.Connection) -> None:
    """A writer is told to come back later; a reader is not disturbed; afterwards all is well."""
    await file.commit("t", "p", [Insert("row", {"n": 1})])
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StorageUnavailableError, match="database is locked"):
        await file.commit("t", "p", [Merge("row", {"n": 2})])
    found = await file.get("t", "p", "row")
    assert found is not None
    assert found.properties == {"n": 1}
    other.execute("ROLLBACK")
    await file.commit("t", "p", [Merge("row", {"n": 3})])


async def test_a_new_file_that_somebody_else_holds(file: SqliteStore, other: sqlite3.Connection) -> None:
    """The same before the store has opened it."""
    other.execute("CREATE TABLE other (x)")
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StorageUnavailableError, match="database is locked"):
        await file.get("t", "p", "row")
    other.execute("ROLLBACK")
    assert await file.get("t", "p", "row") is None


async def test_a_full_disk(file: SqliteStore) -> None:
    """Nothing of the commit is there, trying again later may help, and small writes go on."""
    await file.commit("t", "p", [Insert("small", {})])

    def shrink(connection: sqlite3.Connection) -> None:
        [pages] = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages + 2}")

    await file._call(shrink)  # noqa: SLF001 - the only way to fill the disk of one connection
    for _ in range(2):
        with pytest.raises(StorageUnavailableError, match="database or disk is full"):
            await file.commit("t", "p", [Merge("first", {}), Merge("large", {"body": bytes(1_000_000)})])
    await file.commit("t", "p", [Merge("small", {"n": 1})])
    assert [entity.row for entity in (await file.scan("t", "p")).entities] == ["small"]


async def test_what_is_no_value_is_an_error(file: SqliteStore) -> None:
    """A caller that writes what no row can hold hears it at once, and the next one is not disturbed."""
    nothing: Any = object()
    with pytest.raises(TypeError):
        await asyncio.wait_for(file.commit("t", "p", [Merge("row", {"n": nothing})]), 5)
    with pytest.raises(ValueError, match="nan is no JSON value"):
        await asyncio.wait_for(file.commit("t", "p", [Merge("row", {"n": float("nan")})]), 5)
    await file.commit("t", "p", [Merge("row", {"n": 1})])
    assert [entity.properties for entity in (await file.scan("t", "p")).entities] == [{"n": 1}]


async def test_the_settings_choose_the_engine(path: str) -> None:
    """`sqlite:///` and a path is this store."""
    store = open_store(Settings(storage=f"sqlite:///{path}"))
    await store.commit("t", "p", [Insert("row", {})])
    await store.close()
    reopened = SqliteStore(path)
    assert await reopened.get("t", "p", "row") is not None
    await reopened.close()


async def test_commits_share_a_transaction_and_fail_alone(file: SqliteStore) -> None:
    """Of many commits at once those that conflict leave no trace, and each caller hears how theirs went."""
    await file.commit("t", "p", [Insert("there", {})])
    results = await asyncio.gather(
        *(
            file.commit("t", f"p{number}", [Merge("mine", {}), Insert("once", {})])
            if number % 3
            else file.commit("t", "p", [Merge(f"trace{number}", {}), Insert("there", {})])
            for number in range(90)
        ),
        return_exceptions=True,
    )
    conflicts = [number for number, result in enumerate(results) if isinstance(result, ConflictError)]
    assert conflicts == list(range(0, 90, 3))
    assert [entity.row for entity in (await file.scan("t", "p")).entities] == ["there"]
    stored = [len((await file.scan("t", f"p{number}")).entities) for number in range(90)]
    assert stored == [2 if number % 3 else 0 for number in range(90)]


async def test_a_cancelled_commit_disturbs_nobody(file: SqliteStore) -> None:
    """Whoever stops waiting takes no other commit along."""
    tasks = [asyncio.create_task(file.commit("t", "p", [Merge(f"{number:02}", {})])) for number in range(30)]
    await asyncio.sleep(0)
    for task in tasks[::3]:
        task.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    finished = {number for number, result in enumerate(results) if isinstance(result, list)}
    assert finished >= set(range(30)) - set(range(0, 30, 3))
    found = {int(entity.row) for entity in (await file.scan("t", "p")).entities}
    assert finished <= found


async def test_looking_for_a_text_has_an_end(file: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page looks at so many rows and says where to go on, also if it found none."""
    monkeypatch.setattr(sqlite, "MOST_SIFTED", 10)
    operations = [Insert(f"{number:02}", {"name": "rare" if number in {3, 25} else "usual"}) for number in range(30)]
    await file.commit("things", "p", operations)
    pages = []
    after: str | None = ""
    while after is not None:
        page = await file.scan("things", "p", after=after, having=("name", "rare"))
        pages.append(([one.row for one in page.entities], page.after))
        after = page.after
    assert pages == [(["03"], "09"), ([], "19"), (["25"], "29"), ([], None)]
