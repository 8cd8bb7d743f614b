"""How fast events become durable: `make bench-ingest`.

Everything is measured over real HTTP against the local host as a process of its own, on Azurite (in memory, because
its disk writes stop everything every 5 s) and on SQLite (in a file, `synchronous=FULL`), beside the plain way: the same
host, the same Azurite, one `upsert_entity` for each request.
"""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import psutil
from azure.data.tables.aio import TableServiceClient
from rich.progress import track

from bench.load import Measured, load, request
from bench.report import Figure, table, verdict
from registrail.compose import use_cases
from registrail.local.azurite import azurite
from registrail.settings import Settings
from registrail.storage import open_store
from registrail.storage.store import EntityStore

BODY_BYTES = 588
ARRAY = 500
REGISTRY = "benchmark.azurecr.io"
ROOT = Path(__file__).parents[1]
BEGIN = datetime.now(UTC) - timedelta(hours=2)


def event(number: int) -> dict[str, object]:
    """Make a distinct push; 100 a second."""
    at = (BEGIN + timedelta(milliseconds=10 * number)).strftime("%Y-%m-%dT%H:%M:%S.%f")
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


async def singles(url: str, numbers: Numbers, count: int, connections: int) -> Measured:
    """Send webhooks."""
    hook = f"{url}/hooks/acr"
    return await load(url, [request(hook, webhook(number)) for number in numbers.take(count)], connections)


async def arrays(url: str, numbers: Numbers, count: int, connections: int) -> Measured:
    """Send Event Grid arrays of 500; `count` is of arrays."""
    hook = f"{url}/hooks/eventgrid"
    firsts = [numbers.take(ARRAY)[0] for _ in range(count)]
    return await load(url, [request(hook, array(first)) for first in firsts], connections)


async def fold(registrail: Host) -> None:
    """Count what is marked, so that what is measured next does not wait for what came before."""
    async with httpx.AsyncClient(timeout=300) as client:
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


def import_seconds(statement: str) -> float:
    """CPU of a fresh interpreter that imports something, the best of five."""
    code = f"import time; t = time.process_time(); {statement}; print(time.process_time() - t)"
    environment = {**os.environ, "REGISTRAIL_STORAGE": "UseDevelopmentStorage=true"}
    return min(
        float(subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, env=environment))  # noqa: S603
        for _ in range(5)
    )


async def on_azurite(figures: list[Figure], rows: list[list[str]]) -> float:
    """Measure on Azurite; gives the plain way's events per second at 32 connections."""
    plain_rate = 0.0
    with azurite(None) as storage:
        with host(storage, ROOT / "bench" / "plain") as plain:
            for connections in track((1, 32, 200), "the plain way"):
                await singles(plain.url, Numbers(900_000), 200, connections)
                measured = await singles(plain.url, Numbers(910_000), 600 if connections == 1 else 3000, connections)
                rows.append(_row("plain, Azurite", connections, measured, len(measured.latencies)))
                plain_rate = measured.rate if connections == 32 else plain_rate
        bare = await sdk_transactions(storage, 150)
        numbers = Numbers()
        with host(storage) as registrail:
            rate = 0.0
            for connections in track((1, 32, 200), "Registrail"):
                await singles(registrail.url, numbers, 200, connections)
                measured = await singles(registrail.url, numbers, 800 if connections == 1 else 6000, connections)
                rows.append(_row("Registrail, Azurite", connections, measured, len(measured.latencies)))
                rate = measured.rate if connections == 32 else rate
                if connections == 200:
                    figures.append(Figure("p99_ms_200_connections", measured.quantile(0.99), 500, "at most"))
                    figures.append(Figure("refused_200_connections", measured.refused, 0, "at most"))
            figures.append(Figure("rate_over_plain_32_connections", rate / plain_rate, 2.5, "at least"))
            await _arrays_and_growth(registrail, numbers, figures, rows, bare)
        figures += await _complete("azurite", storage, numbers.used)
    return plain_rate


async def _arrays_and_growth(
    registrail: Host, numbers: Numbers, figures: list[Figure], rows: list[list[str]], bare: float
) -> None:
    before = registrail.resident_bytes
    await arrays(registrail.url, numbers, 4, 2)
    cpu = registrail.cpu_seconds
    measured = await arrays(registrail.url, numbers, 40, 8)
    cpu = (registrail.cpu_seconds - cpu) / (40 * ARRAY)
    rows.append(_row(f"Registrail, Azurite, arrays of {ARRAY}", 8, measured, 40 * ARRAY))
    rows.append(["SDK, transactions of 100, bare", "8", f"{bare:,.0f}", "", ""])
    figures.append(Figure("arrays_over_sdk_transactions", measured.rate * ARRAY / bare, 2, "at least"))
    figures.append(Figure("arrays_cpu_us_per_event", cpu * 1e6, 120, "at most"))
    await fold(registrail)
    empty = await singles(registrail.url, numbers, 4000, 32)
    for _ in track(range(10), "up to 200,000 rows"):
        await arrays(registrail.url, numbers, (200_000 - 23_000) // ARRAY // 10, 8)
    await fold(registrail)
    full = await singles(registrail.url, numbers, 4000, 32)
    rows.append(_row("Registrail, Azurite, with ~20,000 rows", 32, empty, 4000))
    rows.append(_row("Registrail, Azurite, with 200,000 rows", 32, full, 4000))
    figures.append(Figure("rate_at_200000_rows_over_few", full.rate / empty.rate, 0.8, "at least"))
    figures.append(Figure("memory_at_200000_events_over_few", registrail.resident_bytes / before, 1.2, "at most"))


async def on_sqlite(figures: list[Figure], rows: list[list[str]], plain_rate: float) -> None:
    """Measure on a SQLite file."""
    with tempfile.TemporaryDirectory() as folder:
        storage = f"sqlite:///{folder}/registrail.db"
        numbers = Numbers()
        with host(storage) as registrail:
            for connections in track((1, 32, 200), "Registrail, SQLite"):
                await singles(registrail.url, numbers, 200, connections)
                measured = await singles(registrail.url, numbers, 800 if connections == 1 else 6000, connections)
                rows.append(_row("Registrail, SQLite", connections, measured, len(measured.latencies)))
                if connections == 32:
                    figures.append(Figure("sqlite_rate_over_plain", measured.rate / plain_rate, 2.5, "at least"))
        figures += await _complete("sqlite", storage, numbers.used)


async def _complete(name: str, storage: str, expected: int) -> list[Figure]:
    missing, double = await missing_and_double(open_store(Settings(storage=storage)), expected)
    return [Figure(f"{name}_missing", missing, 0, "at most"), Figure(f"{name}_double", double, 0, "at most")]


def _row(what: str, connections: int, measured: Measured, events: int) -> list[str]:
    rate = f"{events / measured.seconds:,.0f}"
    return [what, f"{connections}", rate, f"{measured.quantile(0.5):.1f}", f"{measured.quantile(0.99):.1f}"]


async def main() -> int:
    """Measure everything in one run."""
    figures: list[Figure] = []
    rows: list[list[str]] = []
    plain_rate = await on_azurite(figures, rows)
    await on_sqlite(figures, rows, plain_rate)
    ours = import_seconds("import function_app")
    theirs = import_seconds("import azure.functions, azure.data.tables.aio")
    figures.append(Figure("import_cpu_over_sdks", ours / theirs, 1.25, "at most"))
    table("Durable events", ["what", "connections", "events/s", "p50 ms", "p99 ms"], rows)
    return verdict(figures)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
