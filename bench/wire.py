"""What the wire codec is worth: `make bench-wire`.

The same entities through our engine and through the SDK's `submit_transaction` and `query_entities`, on Azurite in
memory. CPU is this process's own, so Azurite's speed does not count; every figure is a ratio within one run.
"""

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from azure.data.tables import EdmType, EntityProperty, UpdateMode
from azure.data.tables.aio import TableServiceClient

from bench.report import Figure, table, verdict
from registrail.instants import Instant
from registrail.local.azurite import azurite
from registrail.storage import edm, wire
from registrail.storage.line import Line, Patience
from registrail.storage.store import Merge, Operation, Value
from registrail.storage.tables import TablesStore, with_connection_string

ROUNDS: Final = 3
TRANSACTIONS: Final = 20
SINGLES: Final = 300
ROWS: Final = 20_000
PARTITION: Final = "benchmark.azurecr.io~2026-06-15"
NOON: Final = Instant.parse("2026-06-15T12:00:00.1234567Z")


@dataclass(frozen=True, slots=True)
class Measured:
    """What something cost for each entity."""

    cpu: float
    per_second: float


def properties(number: int) -> dict[str, Value]:
    """Make 20 columns, about 1 KB, as an event has them."""
    at = Instant(NOON.ticks + number)
    return {
        "registry": "benchmark.azurecr.io",
        "action": "push",
        "repository": f"team/app-{number % 20:02}",
        "tag": f"v{number:08}",
        "digest": f"sha256:{number:064x}",
        "media_type": "application/vnd.docker.distribution.manifest.v2+json",
        "size": 1234 + number,
        "length": 1234,
        "occurred_at": at,
        "seen_acr": at,
        "seen_eventgrid": at,
        "delivery_acr": f"acr~2026-06-15~{at.inverted}~0123456789ab",
        "delivery_eventgrid": f"eventgrid~2026-06-15~{at.inverted}~0123456789ab",
        "event_id": f"{number:08x}-0000-4000-8000-000000000000",
        "request_id": f"{number:08x}-1111-4000-8000-000000000000",
        "host": "benchmark.azurecr.io",
        "method": "PUT",
        "user_agent": "docker/27.3.1 go/go1.22.7 kernel/6.8 os/linux arch/amd64 UpstreamClient(Docker-Client/27.3.1)",
        "actor": "ci@benchmark.example",
        "source": f"{number % 8:08x}.westeurope.cloudapp.example:443" + 120 * "x",
    }


def row(number: int) -> str:
    """Make a key as an event has it."""
    return f"{Instant(NOON.ticks + number).inverted}~{number:032x}"


def for_the_sdk(number: int) -> dict[str, Any]:
    """Make the same entity in the SDK's words."""

    def column(value: Value) -> object:
        if isinstance(value, Instant):
            return EntityProperty(value.isoformat(), EdmType.DATETIME)
        return EntityProperty(value, EdmType.INT64) if isinstance(value, int) else value

    keys = {"PartitionKey": PARTITION, "RowKey": row(number)}
    return keys | {name: column(value) for name, value in properties(number).items()}


async def measured(jobs: Iterable[Callable[[], Awaitable[object]]], in_flight: int, entities: int) -> Measured:
    """Run jobs, some at a time; what they cost for each entity."""
    queue = list(jobs)

    async def work() -> None:
        while queue:
            await queue.pop()()

    began, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(work() for _ in range(in_flight)))
    return Measured((time.process_time() - cpu) / entities * 1e6, entities / (time.perf_counter() - began))


def best(found: Sequence[Measured]) -> Measured:
    """The least that it cost."""
    return min(found, key=lambda one: one.cpu)


async def commits(store: TablesStore, client: TableServiceClient, in_flight: int) -> tuple[Measured, Measured]:
    """Transactions of 100: ours and the SDK's, by turns."""
    chunks = [range(100 * chunk, 100 * chunk + 100) for chunk in range(TRANSACTIONS)]
    merges: list[list[Operation]] = [[Merge(row(number), properties(number)) for number in chunk] for chunk in chunks]
    upserts = [[("upsert", for_the_sdk(number), {"mode": UpdateMode.MERGE}) for number in chunk] for chunk in chunks]
    ours, theirs = [], []
    for turn in range(ROUNDS):
        name, other = f"ours{in_flight}x{turn}", f"theirs{in_flight}x{turn}"
        await store.commit(name, "warm", [Merge("up", {})])
        ours_now = [partial(store.commit, name, PARTITION, chunk) for chunk in merges]
        ours.append(await measured(ours_now, in_flight, 100 * TRANSACTIONS))
        tables = await client.create_table_if_not_exists(other)
        theirs_now = [partial(tables.submit_transaction, chunk) for chunk in upserts]
        theirs.append(await measured(theirs_now, in_flight, 100 * TRANSACTIONS))
    return best(ours), best(theirs)


async def singles(store: TablesStore, line: Line, client: TableServiceClient) -> dict[str, Measured]:
    """One operation a request: as a transaction, plain, and the SDK's."""
    tables = await client.create_table_if_not_exists("singles")
    merges = [Merge(row(number), properties(number)) for number in range(SINGLES)]

    def plain(merge: Merge) -> Awaitable[object]:
        keys = wire.point("singles", PARTITION, merge.row)
        headers = {**keys.headers, "Content-Type": "application/json"}
        body = edm.to_json(PARTITION, merge.row, merge.properties).encode()
        return line.ask(wire.Request("PATCH", keys.target, headers, body), written, repeatable=True)

    def written(answer: wire.Answer) -> str:
        assert answer.status == 204
        return answer.headers["ETag"]

    ways: dict[str, list[Callable[[], Awaitable[object]]]] = {
        "ours": [partial(store.commit, "singles", PARTITION, [merge]) for merge in merges],
        "ours, without a transaction": [partial(plain, merge) for merge in merges],
        "the SDK's upsert_entity": [partial(tables.upsert_entity, for_the_sdk(number)) for number in range(SINGLES)],
    }
    rounds = [{name: await measured(jobs, 32, SINGLES) for name, jobs in ways.items()} for _ in range(ROUNDS)]
    return {name: best([one[name] for one in rounds]) for name in ways}


async def reads(store: TablesStore, line: Line, client: TableServiceClient) -> dict[str, Measured]:
    """All rows of a partition: ours, the SDK's, and the mere JSON without metadata."""
    for begin in range(0, ROWS, 100):
        numbers = range(begin, begin + 100)
        await store.commit("reads", PARTITION, [Merge(row(number), properties(number)) for number in numbers])

    async def ours() -> None:
        found, after = 0, None
        while True:
            page = await store.scan("reads", PARTITION, after=after)
            found, after = found + len(page.entities), page.after
            if after is None:
                assert found == ROWS
                return

    async def theirs() -> None:
        condition = f"PartitionKey eq '{PARTITION}'"
        found = [entity async for entity in client.get_table_client("reads").query_entities(condition)]
        assert len(found) == ROWS

    async def without_metadata() -> None:
        found, following = 0, None
        while True:
            asked = wire.query("reads", PARTITION, following=following)
            accept = {"Accept": "application/json;odata=nometadata"}
            request = wire.Request(asked.method, asked.target, {**asked.headers, **accept})
            answer = await line.ask(request, lambda answer: answer, repeatable=True)
            assert isinstance(answer, wire.Answer)
            found += len(json.loads(answer.body)["value"])
            following = wire.continuation(answer)
            if following is None:
                assert found == ROWS
                return

    ways = {"ours": ours, "the SDK's query_entities": theirs, "JSON only, without metadata": without_metadata}
    rounds = [{name: await measured([way], 1, ROWS) for name, way in ways.items()} for _ in range(ROUNDS)]
    return {name: best([one[name] for one in rounds]) for name in ways}


async def main() -> int:
    """Measure everything in one run."""
    with azurite() as connection_string:
        client = TableServiceClient.from_connection_string(connection_string)
        store = TablesStore(with_connection_string(connection_string))
        assert client.credential is not None
        line = Line(client.url, client.credential, Patience())
        one, eight = await commits(store, client, 1), await commits(store, client, 8)
        single = await singles(store, line, client)
        read = await reads(store, line, client)
        for closing in (store, line, client):
            await closing.close()
    shown = {
        "100 at a time, 1 in flight: ours": one[0],
        "100 at a time, 1 in flight: the SDK's": one[1],
        "100 at a time, 8 in flight: ours": eight[0],
        "100 at a time, 8 in flight: the SDK's": eight[1],
        **{f"1 at a time, 32 in flight: {name}": found for name, found in single.items()},
        **{f"read {ROWS:,} rows: {name}": found for name, found in read.items()},
    }
    table(
        "Table Storage on Azurite, in memory",
        ["what", "CPU µs per entity", "entities/s"],
        [[name, f"{found.cpu:.1f}", f"{found.per_second:,.0f}"] for name, found in shown.items()],
    )
    return verdict(
        [
            Figure("commit_cpu_ratio_1_in_flight", one[0].cpu / one[1].cpu, 1 / 5, "at most"),
            Figure("commit_cpu_ratio_8_in_flight", eight[0].cpu / eight[1].cpu, 1 / 5, "at most"),
            Figure("read_cpu_ratio", read["ours"].cpu / read["the SDK's query_entities"].cpu, 1 / 4, "at most"),
        ]
    )


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
