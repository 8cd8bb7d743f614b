"""A made-up year in a SQLite file, received and worked out: what benchmarks of answers read."""

import asyncio
import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from bench.fill import Gathering, fill
from bench.year import REGISTRY, Told, year
from registrail.compose import UseCases, use_cases
from registrail.ports import Delivery
from registrail.settings import Settings
from registrail.storage.sqlite import SqliteStore
from registrail.storage.store import Delete, EntityStore, Operation, Replace, commits, scan_all

FEW: Final = 2_000
MANY: Final = 200_000
BUSIEST: Final = "team/app-00"
"""Of the year's repositories."""
SETTINGS: Final = Settings(storage="sqlite:///:memory:")
_IN_FLIGHT: Final = 4
_EACH: Final = 10
"""Of so many reports one has its delivery in the log: requests do not depend on which."""


def told(events: int) -> list[Told]:
    """A year of 200,000 events, or about so many of its reports: the last ones, and some that are spread over the rest.

    So the newest rows are the same, and most days have something: what a page shows is alike, and the history behind it
    differs. Half are the last reports of all, three of ten are those of the busiest repository before them, so that its
    pages are full, and two of ten are spread.
    """
    every = year(events=MANY)
    if events >= MANY:
        return every
    last, before = every[-events // 2 :], every[: -events // 2]
    busiest = [one for one in before if one.event.repository == BUSIEST][-events * 3 // 10 :]
    spread = before[:: 5 * len(before) // events]
    chosen = {one.arrival.delivery for one in (*spread, *busiest)}
    return [*(one for one in before if one.arrival.delivery in chosen), *last]


def delivered(events: int, reports: Sequence[Told]) -> list[Told]:
    """The reports whose deliveries are in the log; of a thin year all, so that it has as many days."""
    return list(reports[::_EACH] if events >= MANY else reports)


async def stock(folder: Path, events: int) -> Path:
    """A file with so many events; it is made if the folder has none."""
    path = folder / (f"year-{events}.db" if events >= MANY else f"thin-year-{events}.db")
    if not path.exists():
        making = path.with_suffix(".part")
        making.unlink(missing_ok=True)
        store = SqliteStore(str(making))
        reports = told(events)
        await fill(store, reports)
        await deliver(store, delivered(events, reports))
        await work_out(use_cases(store, SETTINGS))
        await store.close()
        making.rename(path)
    return path


async def deliver(store: EntityStore, reports: Iterable[Told]) -> None:
    """Write the deliveries that brought some reports."""
    gathering = Gathering(store)
    log = use_cases(gathering, SETTINGS).ingest.deliveries
    for event, arrival in reports:
        body = json.dumps({"action": event.action, "target": {"repository": event.repository}}).encode()
        await log.record(
            Delivery(
                id=arrival.delivery,
                sender=arrival.sender,
                received_at=arrival.received_at,
                method="POST",
                path=f"/hooks/{arrival.sender}",
                headers={"content-type": "application/json"},
                query={},
                body=body,
                body_bytes=len(body),
                outcome="accepted",
                status=200,
                accepted=1,
            )
        )
    await gathering.flush()


async def work_out(app: UseCases) -> None:
    """Count and trace everything, without waiting for readers, of which there are none."""
    await replace(app.rebuild, grace_seconds=0).rebuild(REGISTRY)
    marks = app.summarize.marks
    await marks.clear(REGISTRY, await marks.pending(REGISTRY))


async def copied(path: Path, target: EntityStore) -> None:
    """Copy every table of a file."""
    with sqlite3.connect(path) as connection:
        places = connection.execute('SELECT DISTINCT "table", partition FROM entities').fetchall()
    source = SqliteStore(str(path))
    for name in {name for name, _ in places}:  # makes the table, before many ask for it at once
        await target.commit(name, "none", [Replace("none", {})])
        await target.commit(name, "none", [Delete("none")])
    for name, partition in places:
        rows: list[Operation] = [
            Replace(entity.row, entity.properties) for entity in await scan_all(source, name, partition)
        ]
        pieces = iter(commits(rows))
        await asyncio.gather(*(_all(target, name, partition, pieces) for _ in range(_IN_FLIGHT)))
    await source.close()


async def _all(target: EntityStore, name: str, partition: str, pieces: Iterator[Sequence[Operation]]) -> None:
    for piece in pieces:
        await target.commit(name, partition, piece)
