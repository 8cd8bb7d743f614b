"""What answers cost: `make bench-query`.

A made-up busy year of 200,000 events, and 2,000 of the same (the last thousand, six hundred of the busiest
repository before them, and four hundred spread over the rest); `--stocks FOLDER` keeps both for the next run:

- the storage requests of every answer, counted on SQLite and then, of the large one, on Azurite;
- how long lists and `timeline?at=` take on SQLite, by turns in both;
- how long `timeline?at=` takes on Azurite, beside a query of one row by the bare SDK on the same table;
- the memory of exports of everything;
- every answer compared with the oracle.
"""

import argparse
import asyncio
import gc
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Final

import httpx
from azure.data.tables.aio import TableClient
from rich.progress import track

from bench.agreement import Agreement
from bench.counting import CountingStore
from bench.memory import export
from bench.oracle.answers import Oracle
from bench.questions import Question, Things, questions, things
from bench.report import Figure, table, verdict
from bench.stock import FEW, MANY, SETTINGS, copied, stock, told
from bench.year import BEGIN, REGISTRY
from registrail.compose import use_cases
from registrail.instants import TICKS_PER_DAY, Instant
from registrail.local.azurite import azurite
from registrail.storage import keys
from registrail.storage.line import Patience
from registrail.storage.sqlite import SqliteStore
from registrail.storage.store import EntityStore
from registrail.storage.tables import TablesStore, with_connection_string
from registrail.web.app import web_app

MOST_REQUESTS: Final = 6
ROUNDS: Final = 7
EACH: Final = 20
"""Answers to one question in one round."""
PATIENCE: Final = Patience(total=600, read=300)
END: Final = Instant(BEGIN.ticks + 365 * TICKS_PER_DAY)
PARTS: Final = ("requests", "times", "memory", "oracle", "azurite")
LISTS: Final = (
    "/api/events",
    "/api/events?repository",
    "/api/pushes",
    "/api/pushes?repository",
    "/api/deletes",
    "/api/replicas",
    "/api/repositories",
    "/api/tags",
    "/api/tags?repository",
    "/api/tags?at",
    "/api/timeline?limit&repository&tag",
    "/api/timeline?at&repository&tag",
    "/api/digests",
    "/api/activity?grain&limit&since",
    "/api/deliveries",
)
"""What is timed."""


@dataclass(frozen=True, slots=True)
class Asked:
    """An app over a store, with what there is to ask it."""

    http: httpx.AsyncClient
    store: CountingStore
    known: Things
    questions: Mapping[str, Question]

    async def answer(self, name: str) -> float:
        """Seconds until a question is answered."""
        path, parameters = self.questions[name]
        began = time.perf_counter()
        answer = await self.http.get(path, params=parameters)
        seconds = time.perf_counter() - began
        assert answer.status_code == 200, (name, answer.text)
        return seconds

    async def requests(self, name: str) -> Sequence[int]:
        """The storage requests of an answer, and of the page after it if there is one."""
        path, parameters = self.questions[name]
        counted = []
        for _ in range(2):
            self.store.taken()
            answer = await self.http.get(path, params=parameters)
            assert answer.status_code == 200, (name, answer.text)
            counted.append(self.store.taken().requests)
            cursor = answer.json().get("next")
            if cursor is None:
                break
            parameters = {**parameters, "cursor": cursor}
        return counted


@asynccontextmanager
async def asking(store: EntityStore, now: Instant, known: Things | None = None) -> AsyncIterator[Asked]:
    """Open an app over a store, at the end of what it has; asked about what is known, else what it has most of."""
    counting = CountingStore(store)
    app = use_cases(counting, SETTINGS, lambda: now)
    transport = httpx.ASGITransport(web_app(app.query, app.ingest, SETTINGS))
    gc.freeze()  # as the app does
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=600) as http:
        own = await things(http, now)
        # The logs of the two stores hold other deliveries; all else that the small one has, the large one has too.
        chosen = replace(known, delivery=own.delivery) if known else own
        yield Asked(http, counting, chosen, questions(chosen))
    await store.close()


async def requests(few: Asked, many: Asked) -> list[Figure]:
    """Count what every answer asks of the store."""
    rows, most, different = [], 0, 0
    for name in few.questions:
        counted = [await one.requests(name) for one in (few, many)]
        most = max(most, *(max(pages) for pages in counted))
        different += counted[0][0] != counted[1][0]
        rows.append([name, *(", ".join(map(str, pages)) for pages in counted)])
    table("Storage requests of an answer, and of the next page", ["question", f"{FEW:,}", f"{MANY:,}"], rows)
    return [
        Figure("requests-per-page-most", most, MOST_REQUESTS, "at most"),
        Figure("answers-with-other-requests-at-200000", different, 0, "at most"),
    ]


async def elsewhere(many: Asked, on_azurite: Asked) -> list[Figure]:
    """Count them on Azurite too: whether they are as many."""
    different = [name for name in many.questions if await many.requests(name) != await on_azurite.requests(name)]
    return [Figure("answers-with-other-requests-on-azurite", len(different), 0, "at most")]


def p95(seconds: Sequence[float]) -> float:
    """What 95 % do not exceed."""
    return sorted(seconds)[-(-95 * len(seconds) // 100) - 1]


async def by_turns(ways: Sequence[Callable[[], Awaitable[float]]]) -> list[list[list[float]]]:
    """Seconds of each way in each round; within a round they take turns, one answer each."""
    for way in ways:
        await way()
    rounds = []
    for _ in range(ROUNDS):
        seconds: list[list[float]] = [[] for _ in ways]
        for turn in range(EACH):
            for number in range(len(ways)):
                chosen = (number + turn) % len(ways)
                seconds[chosen].append(await ways[chosen]())
        rounds.append(seconds)
    return rounds


async def times(few: Asked, many: Asked) -> list[Figure]:
    """Lists and as-of on SQLite: the p95 with many events over that with few, the median of the rounds."""
    rows, ratios = [], {}
    for name in track(LISTS, "times", transient=True):
        rounds = await by_turns([lambda name=name: few.answer(name), lambda name=name: many.answer(name)])  # type: ignore[misc]  # each name its own
        ratios[name] = median(p95(seconds[1]) / p95(seconds[0]) for seconds in rounds)
        shown = [f"{median(p95(seconds[way]) for seconds in rounds) * 1000:.2f}" for way in (0, 1)]
        rows.append([name, *shown, f"{ratios[name]:.2f}"])
    table("p95 on SQLite, ms", ["question", f"{FEW:,}", f"{MANY:,}", "ratio"], rows)
    return [Figure("p95-ratio-worst", max(ratios.values()), 1.5, "at most")]


async def as_of(many: Asked, connection_string: str) -> list[Figure]:
    """`timeline?at=` on Azurite, over a query of one row of one partition by the SDK."""
    known = many.known
    first = keys.move_row(known.repository, known.tag, "")
    wanted = f"PartitionKey eq '{keys.encode(REGISTRY)}' and RowKey ge '{first}' and RowKey lt '{first}~'"
    async with TableClient.from_connection_string(connection_string, "history") as client:

        async def bare() -> float:
            began = time.perf_counter()
            pages = client.query_entities(wanted, results_per_page=1).by_page()
            found = [entity async for entity in await anext(pages)]
            assert len(found) == 1
            return time.perf_counter() - began

        rounds = await by_turns([bare, lambda: many.answer("/api/timeline?at&repository&tag")])
    ratio = median(p95(seconds[1]) / p95(seconds[0]) for seconds in rounds)
    shown = [f"{median(p95(seconds[way]) for seconds in rounds) * 1000:.1f}" for way in (0, 1)]
    table("On Azurite, p95 in ms", ["one row by the SDK", "timeline?at=", "ratio"], [[*shown, f"{ratio:.2f}"]])
    return [Figure("as-of-over-sdk-on-azurite", ratio, 2.5, "at most")]


async def agreement(many: Asked, every: int) -> list[Figure]:
    """Compare the answers with the oracle's."""
    agreed = Agreement(many.http, Oracle.told(told(MANY)), REGISTRY, every=every)
    await agreed.everything(BEGIN, END)
    rows = [[what, f"{number:,}"] for what, number in agreed.compared.items()]
    table(f"Compared with the oracle; of what has an address one in {every}", ["", "items"], rows)
    for difference in agreed.differences:
        sys.stdout.write(f"{difference}\n")
    return [Figure("answers-unlike-the-oracle", len(agreed.differences), 0, "at most")]


async def measure(folder: Path, every: int, parts: Sequence[str]) -> list[Figure]:
    """Some or all parts, in one run."""
    figures: list[Figure] = []
    small, large = await stock(folder, FEW), await stock(folder, MANY)
    async with AsyncExitStack() as stack:
        few = await stack.enter_async_context(asking(SqliteStore(str(small)), END))
        many = await stack.enter_async_context(asking(SqliteStore(str(large)), END, few.known))
        if "requests" in parts:
            figures += await requests(few, many)
        if "times" in parts:
            figures += await times(few, many)
        if "memory" in parts:
            figures += export(large, folder)
        if "oracle" in parts:
            figures += await agreement(many, every)
        if "azurite" in parts:
            connection_string = stack.enter_context(azurite())
            tables = TablesStore(with_connection_string(connection_string), PATIENCE)
            await copied(large, tables)
            on_azurite = await stack.enter_async_context(asking(tables, END, few.known))
            figures += await as_of(on_azurite, connection_string)
            figures += await elsewhere(many, on_azurite)
    return figures


def main() -> int:
    """Read what is asked for, and measure."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--stocks", type=Path, help="a folder that keeps the two stores for the next run")
    parser.add_argument("--every", type=int, default=1, help="compare one in so many of what has an address")
    parser.add_argument("--only", choices=PARTS, help="measure only this")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.stocks or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        return verdict(asyncio.run(measure(folder, given.every, [given.only] if given.only else PARTS)))


if __name__ == "__main__":
    sys.exit(main())
