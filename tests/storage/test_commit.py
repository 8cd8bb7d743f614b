import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registrail.errors import ConflictError, StorageError, StorageRefusedError, StorageUnavailableError
from registrail.storage.commit import GroupCommit
from registrail.storage.sqlite import SqliteStore
from registrail.storage.store import Insert, Merge, Operation, Replace, Value


@dataclass
class SlowStore(SqliteStore):
    """A store in memory whose commits take a turn of the event loop, that notes them, and refuses poison."""

    commits: list[int] = field(default_factory=list)
    under_way: int = 0
    most_under_way: int = 0
    down: bool = False

    def __post_init__(self) -> None:
        super().__init__(":memory:")

    async def commit(self, table: str, partition: str, operations: Sequence[Operation]) -> Sequence[str | None]:
        self.commits.append(len(operations))
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            await asyncio.sleep(0.001)
            if self.down:
                raise StorageUnavailableError("down")
            if any(operation.row == "poison" for operation in operations):
                raise StorageRefusedError("poison")
            return await super().commit(table, partition, operations)
        finally:
            self.under_way -= 1


async def stored(store: SqliteStore) -> dict[str, dict[str, Value]]:
    """Read everything in the partition that tests write to."""
    return {entity.row: dict(entity.properties) for entity in (await store.scan("t", "p")).entities}


async def test_a_lone_write_goes_out_at_once() -> None:
    """Without company a write is a commit of its own."""
    store = SlowStore()
    group = GroupCommit(store)
    for number in range(3):
        await group.commit("t", "p", [Merge(f"{number}", {})])
    assert store.commits == [1, 1, 1]


async def test_company_shares_transactions() -> None:
    """What arrives while a write is under way goes out together, up to 100 rows at a time; full ones do not wait."""
    store = SlowStore()
    group = GroupCommit(store)
    await asyncio.gather(*(group.commit("t", "p", [Merge(f"{number:03}", {})]) for number in range(250)))
    assert (store.commits, store.most_under_way, len(await stored(store))) == ([100, 100, 50], 2, 250)


@pytest.mark.parametrize(
    ("enough", "late", "commits", "most_under_way"),
    [
        (12, 11, [1, 11], 1),  # too few: they wait for the first to be back
        (12, 12, [1, 12], 2),
        (12, 30, [1, 15, 12, 3], 3),  # half of what waits, twice; what is left is not enough
        (12, 60, [1, 60], 2),  # so many need not be spread
        (12, 1000, [1] + 10 * [100], 4),
        (100, 60, [1, 60], 1),  # for an engine that does one at a time
        (100, 250, [1, 100, 100, 50], 3),  # full ones do not wait
    ],
)
async def test_what_is_enough_does_not_wait(enough: int, late: int, commits: list[int], most_under_way: int) -> None:
    """Few writes are not spread over several transactions, and there is a limit to those under way."""
    store = SlowStore()
    group = GroupCommit(store, enough=enough)
    first = asyncio.create_task(group.commit("t", "p", [Merge("first", {})]))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    await asyncio.gather(first, *(group.commit("t", "p", [Merge(f"{number:04}", {})]) for number in range(late)))
    assert (store.commits, store.most_under_way) == (commits, most_under_way)


async def test_a_crowd_shares_few_transactions() -> None:
    """Those who come again as soon as they are answered do not all wait for one transaction, nor have one each."""
    store = SlowStore()
    group = GroupCommit(store)

    async def come_again(name: int) -> None:
        for number in range(40):
            await group.commit("t", "p", [Merge(f"{name}-{number}", {})])
            await asyncio.sleep(0.0001 * (name % 4))  # their own work

    await asyncio.gather(*(come_again(name) for name in range(32)))
    assert sum(store.commits) == 32 * 40
    assert len(store.commits) < 4 * 40
    assert 2 <= store.most_under_way <= 4


async def test_partitions_do_not_wait_for_each_other() -> None:
    """Transactions to different partitions are under way at the same time."""
    store = SlowStore()
    group = GroupCommit(store)
    await asyncio.gather(*(group.commit("t", f"p{number}", [Merge("r", {})]) for number in range(5)))
    assert store.most_under_way == 5


async def test_large_writes_are_not_put_together() -> None:
    """A transaction stays below the bytes that Table Storage takes."""
    store = SlowStore()
    group = GroupCommit(store)
    await asyncio.gather(*(group.commit("t", "p", [Merge(f"{n}", {"body": b"x" * 900_000})]) for n in range(5)))
    assert store.commits == [2, 2, 1]


async def test_only_the_bad_row_fails() -> None:
    """A row that the store refuses takes nobody with it but its own commit."""
    store = SlowStore()
    group = GroupCommit(store)
    commits: list[list[Operation]] = [[Merge("a", {})], [Merge("b", {}), Merge("poison", {})], [Merge("c", {})]]
    results = await asyncio.gather(*(group.commit("t", "p", one) for one in commits), return_exceptions=True)
    assert [type(result) for result in results] == [list, StorageRefusedError, list]
    assert list(await stored(store)) == ["a", "c"]


async def test_everyone_hears_of_an_outage() -> None:
    """If the store is down, every caller of the transaction hears it; afterwards writes go on."""
    store = SlowStore(down=True)
    group = GroupCommit(store)
    results = await asyncio.gather(
        *(group.commit("t", "p", [Merge(f"{n}", {})]) for n in range(3)), return_exceptions=True
    )
    assert [type(result) for result in results] == [StorageUnavailableError] * 3
    store.down = False
    await group.commit("t", "p", [Merge("again", {})])
    assert list(await stored(store)) == ["again"]


async def test_the_queue_is_bounded() -> None:
    """Beyond the bound callers are told to come back, and nothing of theirs is written."""
    store = SlowStore()
    group = GroupCommit(store, most_waiting=10)
    results = await asyncio.gather(
        *(group.commit("t", "p", [Merge(f"{n:02}", {})]) for n in range(15)), return_exceptions=True
    )
    accepted = [index for index, result in enumerate(results) if not isinstance(result, StorageError)]
    assert sorted(await stored(store)) == [f"{n:02}" for n in accepted]
    assert len(accepted) == 10
    await group.commit("t", "p", [Merge("later", {})])


async def test_conditions_go_straight_through() -> None:
    """Inserts and versions are checked for each caller alone."""
    store = SlowStore()
    group = GroupCommit(store)
    results = await asyncio.gather(
        *(group.commit("t", "p", [Insert("row", {"n": n})]) for n in range(3)), return_exceptions=True
    )
    assert sorted(type(result).__name__ for result in results) == ["ConflictError", "ConflictError", "list"]
    entity = await group.get("t", "p", "row")
    assert entity is not None
    await group.commit("t", "p", [Replace("row", {}, entity.version)])
    with pytest.raises(ConflictError):
        await group.commit("t", "p", [Replace("row", {}, entity.version)])


async def test_closing_writes_what_waits(tmp_path: object) -> None:
    """Nothing that was taken is left behind, and nobody is left without an answer."""
    store = SqliteStore(f"{tmp_path}/test.db")
    group = GroupCommit(store)
    waiting = [asyncio.create_task(group.commit("t", "p", [Merge(f"{n:03}", {})])) for n in range(150)]
    await asyncio.sleep(0)
    await group.close()
    assert all(task.done() and task.exception() is None for task in waiting)
    reopened = SqliteStore(f"{tmp_path}/test.db")
    assert len(await stored(reopened)) == 150
    await reopened.close()


class BrokenStore(SqliteStore):
    """A store with a bug."""

    def __init__(self) -> None:
        super().__init__(":memory:")

    async def commit(self, table: str, partition: str, operations: Sequence[Operation]) -> Sequence[str | None]:
        await asyncio.sleep(0.001)
        message = f"cannot write {len(operations)} rows of {table}, {partition}"
        raise LookupError(message)


async def test_nobody_waits_for_ever() -> None:
    """Whatever goes wrong in the store, every caller hears it, and so do those who come later."""
    group = GroupCommit(BrokenStore())
    for _ in range(2):
        results = await asyncio.gather(
            *(group.commit("t", "p", [Merge(f"{n}", {})]) for n in range(150)), return_exceptions=True
        )
        assert {type(result) for result in results} == {LookupError}


async def test_an_end_in_the_middle_is_told() -> None:
    """If the worker is cancelled because the loop ends, callers hear that nothing is certain."""
    group = GroupCommit(SlowStore())
    waiting = [asyncio.create_task(group.commit("t", "p", [Merge(f"{n:03}", {})])) for n in range(150)]
    await asyncio.sleep(0)
    for worker in [task for task in asyncio.all_tasks() if "_work" in repr(task.get_coro())]:
        worker.cancel()
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert {type(result) for result in results} == {StorageUnavailableError}


async def test_a_caller_who_left_disturbs_nobody() -> None:
    """A cancelled request's rows are written or not; the others get their answers."""
    store = SlowStore()
    group = GroupCommit(store)
    tasks = [asyncio.create_task(group.commit("t", "p", [Merge(f"{n}", {})])) for n in range(3)]
    await asyncio.sleep(0)
    tasks[1].cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(result) for result in results] == [list, asyncio.CancelledError, list]


WRITES = st.lists(
    st.builds(
        lambda kind, row, name, value: kind(row, {name: value}),
        st.sampled_from([Merge, Replace]),
        st.sampled_from("abc"),
        st.sampled_from("xyz"),
        st.integers(0, 9),
    ),
    min_size=1,
    max_size=12,
)


@settings(max_examples=60)
@given(WRITES)
async def test_together_or_one_after_the_other(writes: list[Merge | Replace]) -> None:
    """Sharing a transaction gives the rows that the same writes give one after the other, and versions as read."""
    one_by_one, grouped = SqliteStore(":memory:"), SlowStore()
    for write in writes:
        await one_by_one.commit("t", "p", [write])
    group = GroupCommit(grouped)
    versions = await asyncio.gather(*(group.commit("t", "p", [write]) for write in writes))
    assert await stored(grouped) == await stored(one_by_one)
    read = {entity.row: entity.version for entity in (await grouped.scan("t", "p")).entities}
    assert [version for [version] in versions] == [read[write.row] for write in writes]
