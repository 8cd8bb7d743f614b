"""The version of the tables."""

from pathlib import Path

import pytest

from registrail.errors import NewerTablesError
from registrail.settings import Settings
from registrail.storage import open_store
from registrail.storage.commit import GroupCommit
from registrail.storage.schema import VERSION, VersionedStore, raise_version, stored_version
from registrail.storage.sqlite import SqliteStore
from registrail.storage.store import Merge
from tests.counting import Counting


@pytest.fixture
def store() -> SqliteStore:
    """Make an empty store."""
    return SqliteStore(":memory:")


async def test_the_first_write_gives_a_store_its_version(store: SqliteStore) -> None:
    """Reading does not: a reader may not be allowed to write."""
    versioned = VersionedStore(store)
    assert await versioned.get("events", "p", "r") is None
    assert await stored_version(store) is None
    await versioned.commit("events", "p", [Merge("r", {})])
    assert await stored_version(store) == VERSION


async def test_a_process_asks_once(store: SqliteStore) -> None:
    """So that a webhook costs no request more."""
    await raise_version(store)
    counting = Counting(store)
    versioned = VersionedStore(counting)
    for number in range(5):
        await versioned.commit("events", "p", [Merge(f"r{number}", {})])
    assert counting.requests == {"get": 1, "commit": 5}


@pytest.mark.parametrize("grouped", [False, True])
async def test_tables_of_a_newer_app_are_left_alone(store: SqliteStore, *, grouped: bool) -> None:
    """Each request says so, and nothing is written."""
    await raise_version(store, VERSION + 1)
    versioned = GroupCommit(VersionedStore(store)) if grouped else VersionedStore(store)
    with pytest.raises(NewerTablesError, match=f"of version {VERSION + 1}, and this Registrail knows versions up to"):
        await versioned.commit("events", "p", [Merge("r", {})])
    with pytest.raises(NewerTablesError):
        await versioned.scan("events", "p")
    assert await store.get("events", "p", "r") is None


async def test_older_tables_are_used_and_stay_what_they_are(
    store: SqliteStore, caplog: pytest.LogCaptureFixture
) -> None:
    """Events must be received; the log says that a rebuild is due."""
    await raise_version(store, 1)
    await VersionedStore(store, version=2).commit("events", "p", [Merge("r", {})])
    assert await store.get("events", "p", "r") is not None
    assert await stored_version(store) == 1
    assert [record.message for record in caplog.records] == ["tables are older"]


async def test_the_app_looks_at_the_version(tmp_path: Path) -> None:
    """Whatever opens the store does."""
    settings = Settings(storage=f"sqlite:///{tmp_path}/registrail.db")
    store = open_store(settings)
    await raise_version(store, VERSION + 1)
    await store.close()
    newer = open_store(settings)
    with pytest.raises(NewerTablesError):
        await newer.head("marks", 1)
    await newer.close()
