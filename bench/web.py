"""What pages cost with many events: `make bench-web`.

A made-up busy year of 200,000 events, and 2,000 of the same: the last thousand, six hundred of the busiest repository
before them, and four hundred spread over the rest. So both show the same newest rows, as many days and as full pages,
and the history behind them differs. `--stocks FOLDER` keeps both for the next run, of `bench.query` too. Each page is
asked for by turns, warm, through the app without a socket. Requests to the store are counted; they are what Table
Storage takes time and money for.
"""

import argparse
import asyncio
import gc
import re
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

import httpx

from bench.counting import CountingStore
from bench.report import Figure, table, verdict
from bench.stock import BUSIEST, FEW, MANY, stock
from bench.year import BEGIN, REGISTRY
from registrail.compose import UseCases, use_cases
from registrail.query import DeleteFilter, DeliveryFilter, EventFilter, PushFilter
from registrail.settings import Settings
from registrail.storage.sqlite import SqliteStore
from registrail.web.app import web_app
from registrail.web.rendering import link

END: Final = BEGIN.plus(timedelta(days=365))
ROUNDS: Final = 40
WARM: Final = 3

MOST_REQUESTS: Final = 8
MOST_MS: Final = 150
MOST_TIMES: Final = 1.5
MOST_BYTES: Final = 120_000


@dataclass(frozen=True, slots=True)
class Filled:
    """A store, and the app on it."""

    store: CountingStore
    app: UseCases
    http: httpx.AsyncClient


@asynccontextmanager
async def opened(path: Path) -> AsyncIterator[Filled]:
    """The app on a file, without a socket, at the end of what it has."""
    store = CountingStore(SqliteStore(str(path)))
    settings = Settings(storage=f"sqlite:///{path}")
    app = use_cases(store, settings, lambda: END)
    transport = httpx.ASGITransport(web_app(app.query, app.ingest, settings))
    gc.freeze()  # as the app does
    headers = {"accept": "text/html", "accept-encoding": "gzip"}
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", headers=headers) as http:
        yield Filled(store, app, http)
    await store.close()


async def pages(app: UseCases) -> Mapping[str, str]:
    """Every page by its name; what only one store has is taken from it, the newest there is."""
    query = app.query
    deletions = (await query.history.deletions(REGISTRY, DeleteFilter(), limit=1000)).items
    yesterday = END.plus(-timedelta(days=1))  # both stores have all that happened since
    deletion = next(one for one in deletions if one.first and one.first.at > yesterday)
    [push, *_] = (await query.pushes(PushFilter(registry=REGISTRY, repository=BUSIEST), limit=1)).items
    [delivery, *_] = (await query.delivered(DeliveryFilter(), limit=1)).items
    [event, *_] = (await query.events(EventFilter(repository=BUSIEST, action="push"), limit=1)).items
    of_one = {"registry": REGISTRY, "repository": BUSIEST}
    return {
        "overview": "/",
        "overview, 90 days": link("/", range="90d"),
        "overview, refreshed": link("/", range="7d", part="live"),
        "repositories": "/repositories",
        "repository": link("/repository", **of_one),
        "repository as of two hours ago": link("/repository", **of_one, at="2h"),
        "repository, by name": link("/repository", **of_one, order="name"),
        "tag": link("/tag", **of_one, tag="latest"),
        "digest": link("/digest", registry=REGISTRY, digest=event.event.digest),
        "deletes": "/deletes",
        "delete": link("/delete", registry=REGISTRY, event=deletion.event),
        "events": "/events",
        "events of a repository": link("/events", **of_one),
        "pushes": "/pushes",
        "pushes of a repository": link("/pushes", **of_one),
        "push": link("/push", registry=REGISTRY, event=push.id),
        "deliveries": "/deliveries",
        "deliveries refused": link("/deliveries", outcome="rejected"),
        "delivery": link("/delivery", id=delivery.id),
        "set-up": "/set-up",
    }


@dataclass(frozen=True, slots=True)
class Cost:
    """Of a page on one store, in milliseconds: times by the clock on the wall, and what the process used of its CPUs.

    Nothing else that the machine does adds to the latter.
    """

    requests: int
    times: Sequence[float]
    used: float

    @property
    def p95(self) -> float:
        """Of the warm times."""
        return statistics.quantiles(self.times, n=20)[-1]

    @property
    def median(self) -> float:
        """Likewise."""
        return statistics.median(self.times)


async def compared(few: Filled, many: Filled) -> Mapping[str, tuple[Cost, Cost]]:
    """Every page on both stores."""
    of_few, of_many = await pages(few.app), await pages(many.app)
    return {name: await by_turns((few, of_few[name]), (many, of_many[name])) for name in of_few}


async def by_turns(*asked: tuple[Filled, str]) -> tuple[Cost, Cost]:
    """One page on each store, one after the other, so that what else the machine does disturbs both."""
    turns: list[list[tuple[int, float, float]]] = [[] for _ in asked]
    for _ in range(WARM + ROUNDS):
        for (site, path), of_site in zip(asked, turns, strict=True):
            of_site.append(await one_turn(site, path))
    few, many = (
        Cost(
            requests=max(requests for requests, _, _ in of_site),
            times=[elapsed for _, elapsed, _ in of_site[WARM:]],
            used=statistics.median(used for _, _, used in of_site[WARM:]),
        )
        for of_site in turns
    )
    return few, many


async def one_turn(site: Filled, path: str) -> tuple[int, float, float]:
    """Requests to the store, milliseconds on the wall and of CPU for one page."""
    site.store.taken()
    began, used = time.perf_counter(), time.process_time()
    response = await site.http.get(path)
    taken = 1000 * (time.perf_counter() - began), 1000 * (time.process_time() - used)
    assert response.status_code == 200, f"{path} answers {response.status_code}"
    return site.store.taken().requests, *taken


async def overview_bytes(site: Filled) -> int:
    """What a browser that has nothing yet receives for the overview: the page, its styles, scripts and pictures."""
    page = await site.http.get("/")
    loaded = set(re.findall(r'(?:src|href)="(/static/[^"]+)"', page.text))
    received, waiting = _received(page), sorted(loaded)
    while waiting:
        address = waiting.pop()
        found = await site.http.get(address)
        received += _received(found)
        if address.endswith(".js"):
            folder = address.rpartition("/")[0]
            imported = {f"{folder}/{name}" for name in re.findall(r'from\s*"\./([^"]+)"', found.text)}
            waiting += sorted(imported - loaded)
            loaded |= imported
    return received


def _received(response: httpx.Response) -> int:
    """Bytes of a body as they travel."""
    assert response.status_code == 200
    return response.num_bytes_downloaded


def report(costs: Mapping[str, tuple[Cost, Cost]]) -> list[Figure]:
    """Print a line a page; the worst of each is what counts."""
    rows = [
        [
            name,
            f"{few.requests}",
            f"{many.requests}",
            f"{few.median:.0f}",
            f"{many.median:.0f}",
            f"{many.p95:.0f}",
            f"{many.median / few.median:.2f}",
            f"{few.used:.0f}",
            f"{many.used:.0f}",
        ]
        for name, (few, many) in costs.items()
    ]
    columns = ["page", "requests", "many", "median ms", "many", "many p95", "ratio", "CPU ms", "many"]
    table(f"Pages with {FEW:,} and with many, {MANY:,}, events, on SQLite", columns, rows)
    both = list(costs.values())
    return [
        Figure(
            "most-requests-a-page",
            max(max(few.requests, many.requests) for few, many in both),
            MOST_REQUESTS,
            "at most",
        ),
        Figure("slowest-page-p95-ms", max(many.p95 for _, many in both), MOST_MS, "at most"),
        Figure("most-times-as-long", max(many.median / few.median for few, many in both), MOST_TIMES, "at most"),
    ]


async def measure(folder: Path) -> list[Figure]:
    """Fill what is not there yet, ask, count."""
    few_at, many_at = await stock(folder, FEW), await stock(folder, MANY)
    async with opened(few_at) as few, opened(many_at) as many:
        figures = report(await compared(few, many))
        figures.append(Figure("overview-bytes", await overview_bytes(many), MOST_BYTES, "at most"))
    return figures


def main() -> int:
    """Read what is asked for, and measure."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--stocks", type=Path, help="a folder that keeps the two stores for the next run")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.stocks or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        return verdict(asyncio.run(measure(folder)))


if __name__ == "__main__":
    sys.exit(main())
