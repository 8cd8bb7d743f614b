"""How fast events become durable: `make bench-ingest`.

Everything is measured over real HTTP against the local host as a process of its own, on Azurite (in memory, because
its disk writes stop everything every 5 s) and on SQLite (in a file, `synchronous=FULL`), beside the plain way: the same
host on an Azurite of its own, one `upsert_entity` for each request. The sender runs on uvloop, as the host does,
so that it takes little of the machine.

What is compared is measured by turns, in rounds, and a ratio is the median of the rounds' ratios: what else the machine
does meets both, and a fold, which runs every minute as it does for users, counts in the rounds that it meets.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Final

import httpx
import psutil
import uvloop
from azure.data.tables.aio import TableServiceClient
from rich.progress import track

from bench.load import Measured, load, request
from bench.report import Figure, table, verdict
from registrail.compose import use_cases
from registrail.local.azurite import azurite
from registrail.settings import Settings
from registrail.storage import open_store
from registrail.storage.store import EntityStore, Merge

BODY_BYTES = 588
ARRAY = 500
REGISTRY = "benchmark.azurecr.io"
ROUNDS = 11
WARM_UP = 200
ROOT = Path(__file__).parents[1]
EVENTS_A_DAY = 10_000
BEGIN = datetime.now(UTC) - timedelta(days=40)


def event(number: int) -> dict[str, object]:
    """Make a distinct push; 100 a second, until its day has as many as a large registry's."""
    day, of_day = divmod(number, EVENTS_A_DAY)
    at = (BEGIN + timedelta(days=day, milliseconds=10 * of_day)).strftime("%Y-%m-%dT%H:%M:%S.%f")
    return {
        "id": f"{number:08x}-0000-4000-8000-000000000000",
        "timestamp": f"{at}{number % 1000:03}Z",
        "action": "push",
        "target": {
            "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
            "size": 1234,
            "digest": f"sha256:{number:064x}",
            "length": 1234,
            "repository": f"team/app-{number % 20:02}",
            "tag": f"v{number:08}",
        },
        "request": {
            "id": f"{number:08x}-1111-4000-8000-000000000000",
            "host": REGISTRY,
            "method": "PUT",
            "useragent": "docker/27.3.1 go/go1.22.7",
        },
    }


def webhook(number: int) -> bytes:
    """One event as a webhook's body of 588 bytes."""
    body = json.dumps(event(number)).encode()
    return body + b" " * (BODY_BYTES - len(body))


def array(first: int) -> bytes:
    """500 events as one Event Grid delivery."""
    return json.dumps(
        [
            {
                "id": f"grid-{number}",
                "topic": "/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerRegistry/registries/benchmark",
                "subject": f"team/app:v{number}",
                "eventType": "Microsoft.ContainerRegistry.ImagePushed",
                "eventTime": "2026-01-01T00:00:00Z",
                "data": event(number),
                "dataVersion": "2.0",
            }
            for number in range(first, first + ARRAY)
        ]
    ).encode()


@dataclass(frozen=True, slots=True)
class Host:
    """A running local host."""

    url: str
    process: psutil.Process

    @property
    def cpu_seconds(self) -> float:
        """CPU that it has used."""
        times = self.process.cpu_times()
        return float(times.user + times.system)

    @property
    def resident_bytes(self) -> int:
        """Memory that it holds."""
        return int(self.process.memory_info().rss)


@contextmanager
def host(storage: str, app: Path = ROOT) -> Iterator[Host]:
    """Run the local host on a free port."""
    environment = {**os.environ, "REGISTRAIL_STORAGE": storage, "REGISTRAIL_DEMO": "0", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "registrail.local", "serve", "--port", "0", "--app-dir", str(app)]
    with (
        tempfile.TemporaryFile() as log,
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=log) as process,  # noqa: S603
    ):
        try:
            assert process.stdout is not None
            url = process.stdout.readline().decode().split()[1].rstrip("/")
            httpx.get(f"{url}/api/health", timeout=60).raise_for_status()
            yield Host(url, psutil.Process(process.pid))
        finally:
            process.terminate()


@dataclass(slots=True)
class Numbers:
    """Hands out event numbers, each once."""

    used: int = 0

    def take(self, count: int) -> range:
        """The next `count` numbers."""
        self.used += count
        return range(self.used - count, self.used)


@dataclass(frozen=True, slots=True)
class Way:
    """A host with what was sent to it."""

    name: str
    storage: str
    host: Host
    numbers: Numbers = field(default_factory=Numbers)


@dataclass(frozen=True, slots=True)
class Rounds:
    """What the rounds of one way met, in their order, and the CPU of the host in each."""

    loads: Sequence[Measured]
    cpus: Sequence[float]

    @property
    def rates(self) -> Sequence[float]:
        """Requests per second of each round."""
        return [load.rate for load in self.loads]

    @property
    def whole(self) -> Measured:
        """All rounds as one, at the rate of the median round."""
        latencies = sorted(latency for load in self.loads for latency in load.latencies)
        refused = sum(load.refused for load in self.loads)
        return Measured(seconds=(len(latencies) - refused) / median(self.rates), latencies=latencies, refused=refused)

    def over(self, other: "Rounds") -> float:
        """The median of the rounds' ratios of rates."""
        return median(ours / theirs for ours, theirs in zip(self.rates, other.rates, strict=True))


async def singles(url: str, numbers: Numbers, count: int, connections: int) -> Measured:
    """Send webhooks."""
    hook = f"{url}/hooks/acr"
    return await load(url, [request(hook, webhook(number)) for number in numbers.take(count)], connections)


async def by_turns(ways: Sequence[Way], count: int, connections: int) -> Mapping[str, Rounds]:
    """Send `count` webhooks to each way in each round; those that went first go last in the next one."""
    for way in ways:
        await singles(way.host.url, way.numbers, WARM_UP, connections)
    loads: dict[str, list[Measured]] = {way.name: [] for way in ways}
    cpus: dict[str, list[float]] = {way.name: [] for way in ways}
    for turn in track(range(ROUNDS), f"{connections} connections"):
        for way in ways if turn % 2 == 0 else reversed(ways):
            before = way.host.cpu_seconds
            loads[way.name].append(await singles(way.host.url, way.numbers, count, connections))
            cpus[way.name].append((way.host.cpu_seconds - before) / count)
    return {name: Rounds(loads[name], cpus[name]) for name in loads}


async def arrays(url: str, numbers: Numbers, count: int, connections: int) -> Measured:
    """Send Event Grid arrays of 500; `count` is of arrays."""
    hook = f"{url}/hooks/eventgrid"
    firsts = [numbers.take(ARRAY)[0] for _ in range(count)]
    return await load(url, [request(hook, array(first)) for first in firsts], connections)


async def fold(registrail: Host) -> None:
    """Count what is marked, so that what is measured next does not wait for what came before."""
    async with httpx.AsyncClient(timeout=900) as client:
        (await client.post(f"{registrail.url}/admin/functions/summarize_activity")).raise_for_status()


async def sdk_transactions(connection_string: str, count: int, in_flight: int = 8) -> float:
    """Entities per second of bare `submit_transaction` with 100 operations each."""
    async with TableServiceClient.from_connection_string(connection_string) as service:
        client = await service.create_table_if_not_exists("sdk")
        entity = {name: str(value) for name, value in {**event(0), **event(0)["target"]}.items()}  # type: ignore[dict-item]
        supply = iter(range(count))
        loop = asyncio.get_running_loop()

        async def worker() -> None:
            for number in supply:
                rows = [{"PartitionKey": "p", "RowKey": f"{number:06}-{n:03}", **entity} for n in range(100)]
                await client.submit_transaction([("upsert", row) for row in rows])

        begin = loop.time()
        await asyncio.gather(*(worker() for _ in range(in_flight)))
        return count * 100 / (loop.time() - begin)


async def missing_and_double(store: EntityStore, expected: int) -> tuple[int, int]:
    """Read the whole journal and compare with what was acknowledged."""
    journal = use_cases(store, Settings()).query.journal
    tags: list[str] = []
    for day in await journal.days(REGISTRY, None, None):
        after: str | None = None
        while True:
            page = await journal.read(REGISTRY, day, after=after)
            tags += [recorded.event.tag or "" for recorded in page.events]
            after = page.after
            if after is None:
                break
    await store.close()
    wanted = {f"v{number:08}" for number in range(expected)}
    return len(wanted - set(tags)), len(tags) - len(set(tags))


def import_ratio(statement: str, other: str) -> float:
    """CPU of a fresh interpreter that imports one thing over that of another: the best of each, by turns."""
    environment = {**os.environ, "REGISTRAIL_STORAGE": "UseDevelopmentStorage=true"}
    found: dict[str, list[float]] = {statement: [], other: []}
    for _ in range(9):
        for imported, seconds in found.items():
            code = f"import time; t = time.process_time(); {imported}; print(time.process_time() - t)"
            told = subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, env=environment)  # noqa: S603
            seconds.append(float(told))
    return min(found[statement]) / min(found[other])


async def alone(stores: Sequence[EntityStore], transactions: int = 100, in_flight: int = 2) -> Sequence[float]:
    """Rows per second that each Azurite itself takes: transactions of ten events, without a host; medians of rounds."""
    columns = {name: str(value) for name, value in {**event(0), **event(0)["target"]}.items()}  # type: ignore[dict-item]
    rates: list[list[float]] = [[] for _ in stores]
    loop = asyncio.get_running_loop()
    for turn in range(ROUNDS):
        for store, found in zip(stores, rates, strict=True):
            left = iter(range(turn * transactions, (turn + 1) * transactions))

            async def worker(store: EntityStore, left: Iterator[int]) -> None:
                for number in left:
                    await store.commit("events", "alone", [Merge(f"{number:06}-{n}", columns) for n in range(10)])

            begin = loop.time()
            await asyncio.gather(*(worker(store, left) for _ in range(in_flight)))
            found.append(10 * transactions / (loop.time() - begin))
    return [median(found) for found in rates]


async def webhooks(figures: list[Figure], rows: list[list[str]]) -> None:
    """One event in each request: the plain way, and Registrail on both stores."""
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        plain_storage, storage = stack.enter_context(azurite(None)), stack.enter_context(azurite(None))
        sqlite = f"sqlite:///{folder}/registrail.db"
        ways = [
            Way("plain, Azurite", plain_storage, stack.enter_context(host(plain_storage, ROOT / "bench" / "plain"))),
            Way("Registrail, Azurite", storage, stack.enter_context(host(storage))),
            Way("Registrail, SQLite", sqlite, stack.enter_context(host(sqlite))),
        ]
        met = {
            connections: await by_turns(ways, count, connections)
            for connections, count in ((1, 200), (32, 1000), (200, 1000))
        }
        for way in ways:
            rows += [_row(way.name, connections, met[connections][way.name]) for connections in met]
        plain, ours, on_sqlite = (met[32][way.name] for way in ways)
        figures.append(Figure("rate_over_plain_32_connections", ours.over(plain), 2.5, "at least"))
        figures.append(Figure("sqlite_rate_over_plain", on_sqlite.over(plain), 2.5, "at least"))
        crowd = met[200][ways[1].name].whole
        refused = sum(rounds.whole.refused for found in met.values() for rounds in found.values())
        figures.append(Figure("p99_ms_200_connections", crowd.quantile(0.99), 500, "at most"))
        figures.append(Figure("refused_200_connections", crowd.refused, 0, "at most"))
        figures.append(Figure("refused_in_all", refused, 0, "at most"))
        for name, way in zip(("azurite", "sqlite"), ways[1:], strict=True):
            figures += await _complete(name, way.storage, way.numbers.used)


async def growth(figures: list[Figure], rows: list[list[str]]) -> None:
    """Arrays, and what 200,000 rows change: the same webhooks to a store with many and to one with few, by turns.

    Azurite itself slows down with what it holds: its own figures are printed beside.
    """
    with azurite(None) as storage, azurite(None) as other, host(storage) as many, host(other) as few:
        large, small = (
            Way("Registrail, Azurite, with 200,000 rows", storage, many),
            Way("Registrail, Azurite, with some 20,000", other, few),
        )
        bare = await sdk_transactions(other, 150)
        await singles(many.url, large.numbers, 2000, 32)
        before = many.resident_bytes
        for connections in (32, 200):
            await singles(many.url, large.numbers, 6000, connections)
        await arrays(many.url, large.numbers, 4, 2)
        cpu = many.cpu_seconds
        measured = await arrays(many.url, large.numbers, 40, 8)
        cpu = (many.cpu_seconds - cpu) / (40 * ARRAY)
        rate = 40 * ARRAY / measured.seconds
        rows.append([f"Registrail, Azurite, arrays of {ARRAY}", "8", f"{rate:,.0f}", "", "", f"{cpu * 1e6:.0f}"])
        rows.append(["SDK, transactions of 100, bare", "8", f"{bare:,.0f}", "", "", ""])
        figures.append(Figure("arrays_over_sdk_transactions", rate / bare, 2, "at least"))
        figures.append(Figure("arrays_cpu_us_per_event", cpu * 1e6, 120, "at most"))
        await arrays(few.url, small.numbers, 40, 8)
        for _ in track(range(10), "up to 200,000 rows"):
            await arrays(many.url, large.numbers, (200_000 - 35_000) // ARRAY // 10, 8)
        for registrail in (few, many):
            await fold(registrail)
        found = await by_turns([small, large], 1500, 32)
        rows += [_row(way.name, 32, found[way.name]) for way in (small, large)]
        ratio = found[large.name].over(found[small.name])
        figures.append(Figure("rate_at_200000_rows_over_few", ratio, 0.8, "at least"))
        stores = [open_store(Settings(storage=way.storage)) for way in (small, large)]
        bare_rates = await alone(stores)
        for way, bare_rate, store in zip((small, large), bare_rates, stores, strict=True):
            name = way.name.replace("Registrail, Azurite,", "Azurite alone, transactions of ten rows,")
            rows.append([name, "2", f"{bare_rate:,.0f}", "", "", ""])
            await store.close()
        rows.append(["the same, with many over with few", "", f"{bare_rates[1] / bare_rates[0]:.2f}", "", "", ""])
        figures.append(Figure("memory_at_200000_events_over_2000", many.resident_bytes / before, 1.2, "at most"))
        figures += await _complete("large", large.storage, large.numbers.used)


async def _complete(name: str, storage: str, expected: int) -> list[Figure]:
    missing, double = await missing_and_double(open_store(Settings(storage=storage)), expected)
    return [Figure(f"{name}_missing", missing, 0, "at most"), Figure(f"{name}_double", double, 0, "at most")]


def _row(what: str, connections: int, rounds: Rounds) -> list[str]:
    whole = rounds.whole
    times = [f"{whole.quantile(0.5):.1f}", f"{whole.quantile(0.99):.1f}"]
    return [what, f"{connections}", f"{whole.rate:,.0f}", *times, f"{median(rounds.cpus) * 1e6:.0f}"]


async def importing(figures: list[Figure], _: list[list[str]]) -> None:
    """What a cold start imports."""
    imports = import_ratio("import function_app", "import azure.functions, azure.data.tables.aio")
    figures.append(Figure("import_cpu_over_sdks", imports, 1.25, "at most"))


PARTS: Final = {part.__name__: part for part in (webhooks, growth, importing)}


async def main(parts: Iterable[str]) -> int:
    """Measure parts, in one run; what each found is shown as soon as it has ended."""
    figures: list[Figure] = []
    for part in parts:
        rows: list[list[str]] = []
        await PARTS[part](figures, rows)
        if rows:
            table("Durable events", ["what", "connections", "events/s", "p50 ms", "p99 ms", "host's CPU µs"], rows)
    return verdict(figures)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", choices=PARTS, help="one part of it")
    given = parser.parse_args()
    sys.exit(uvloop.run(main([given.only] if given.only else PARTS)))
