"""Erasing: rows go only in the versions in which they were read, by somebody who is still alone."""

import pytest

from registrail.errors import BusyError
from registrail.storage.erasing import EntityEraser
from registrail.storage.sqlite import SqliteStore
from registrail.storage.store import Replace, commits, scan_all


async def filled(store: SqliteStore, rows: int) -> EntityEraser:
    """Write so many rows of one registry, and one of another."""
    for operations in commits([Replace(f"{number:05}", {"n": number}) for number in range(rows)]):
        await store.commit("history", "r.io", operations)
    await store.commit("history", "s.io", [Replace("1", {"n": 1})])
    return EntityEraser(store, "history")


async def left(store: SqliteStore, registry: str = "r.io") -> list[str]:
    """The rows that are there."""
    return [entity.row for entity in await scan_all(store, "history", registry)]


async def test_all_rows_of_one_registry_go(store: SqliteStore) -> None:
    """However many; and it tells whether there were any."""
    eraser = await filled(store, 2_345)
    assert (await eraser.erase("r.io"), await left(store), await left(store, "s.io")) == (True, [], ["1"])
    assert not await eraser.erase("r.io")


async def test_who_is_not_alone_any_more_deletes_nothing(store: SqliteStore) -> None:
    """He is asked after reading, before rows go."""
    eraser = await filled(store, 10)

    async def refuse() -> None:
        raise BusyError("r.io", None)

    with pytest.raises(BusyError):
        await eraser.erase("r.io", refuse)
    assert len(await left(store)) == 10


async def test_what_was_written_since_it_was_read_is_read_again(store: SqliteStore) -> None:
    """So it goes only if one is still alone then."""
    eraser = await filled(store, 150)
    asked = 0

    async def write() -> None:
        nonlocal asked
        asked += 1
        if asked == 1:
            await store.commit("history", "r.io", [Replace("00007", {"n": 0})])

    assert await eraser.erase("r.io", write)
    assert (asked, await left(store)) == (2, [])
