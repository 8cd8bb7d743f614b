from collections.abc import Sequence

from registrail.storage.catalog import Catalog
from registrail.storage.sqlite import SqliteStore
from registrail.storage.store import Operation


class CountingStore(SqliteStore):
    """A store in memory that counts its commits."""

    def __init__(self) -> None:
        super().__init__(":memory:")
        self.commits = 0

    async def commit(self, table: str, partition: str, operations: Sequence[Operation]) -> Sequence[str | None]:
        self.commits += 1
        return await super().commit(table, partition, operations)


async def test_names_are_in_order(store: SqliteStore) -> None:
    """A group has each of its names once, whoever added it, and none of another group's."""
    one, other = Catalog(store), Catalog(store)
    for name in ("b", "a", "c", "a"):
        await one.add("letters", name)
        await other.add("letters", name)
    await one.add("digits", "1")
    assert (await one.names("letters"), await one.names("digits"), await one.names("none")) == (
        ["a", "b", "c"],
        ["1"],
        [],
    )


async def test_ranges(store: SqliteStore) -> None:
    """From `start`, which is in it, to `stop`, which is not."""
    catalog = Catalog(store)
    for name in "abcd":
        await catalog.add("g", name)
    assert await catalog.names("g", "b", "d") == ["b", "c"]
    assert await catalog.names("g", "b") == ["b", "c", "d"]


async def test_more_names_than_a_page(store: SqliteStore) -> None:
    """All of them."""
    names = [f"{number:04}" for number in range(1_500)]
    catalog = Catalog(store)
    for name in names:
        await catalog.add("g", name)
    assert await catalog.names("g") == names


async def test_a_name_is_written_once() -> None:
    """Adding it again costs nothing, but in another group it is another name."""
    store = CountingStore()
    catalog = Catalog(store)
    for _ in range(5):
        await catalog.add("g", "a")
    await catalog.add("h", "a")
    assert store.commits == 2


async def test_columns_say_what_a_name_stands_for(store: SqliteStore) -> None:
    """A key may be cut, so the full name is in a column, which stays when the name is added again without it."""
    catalog = Catalog(store)
    await catalog.add("g", "a", full="long")
    await Catalog(store).add("g", "a")
    assert [(entry.row, entry.properties) for entry in await catalog.entries("g")] == [("a", {"full": "long"})]


async def test_a_name_that_was_removed_can_come_back(store: SqliteStore) -> None:
    """Removing twice does no harm."""
    catalog = Catalog(store)
    await catalog.add("g", "a")
    for _ in range(2):
        await catalog.remove("g", "a")
    assert await catalog.names("g") == []
    await catalog.add("g", "a")
    assert await catalog.names("g") == ["a"]


async def test_what_is_noted_later(store: SqliteStore) -> None:
    """A column may be added to a name that is known, and stays when the name is added without it."""
    catalog = Catalog(store)
    await catalog.add("g", "a")
    await catalog.add("g", "a", troubled=True)
    await Catalog(store).add("g", "a")
    assert [(entry.row, dict(entry.properties)) for entry in await catalog.entries("g")] == [("a", {"troubled": True})]
    await catalog.remove("g", "a")
    await catalog.add("g", "a")
    assert [(entry.row, dict(entry.properties)) for entry in await catalog.entries("g")] == [("a", {})]
