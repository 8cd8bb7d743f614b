"""What folding costs: `make bench-fold`.

Requests and entities are counted on Azurite in memory, or with `--store sqlite` on SQLite, where they are as many and
come faster: Azurite looks at every row of a table for each range. Three things:

- an hour of 1,000 events a minute of a busy registry, received in batches and folded each minute; with `--late` also
  one in which three of a hundred events are late, by a minute to three weeks (which has no bar);
- one tick of the timer with nothing new, with 200,000 events stored;
- a rebuild, beside the SDK writing the same rows in full transactions, 8 in flight, into tables of their own.
"""

import argparse
import asyncio
import itertools
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from azure.data.tables import EdmType, EntityProperty, UpdateMode
from azure.data.tables.aio import TableClient, TableServiceClient
from rich.progress import Progress

from bench.counting import CountingStore
from bench.fill import fill
from bench.report import Figure, table, verdict
from bench.year import Told, year
from registrail.compose import UseCases, use_cases
from registrail.instants import TICKS_PER_SECOND, Instant
from registrail.local.azurite import azurite
from registrail.settings import Settings
from registrail.storage import keys
from registrail.storage.line import Patience
from registrail.storage.sqlite import SqliteStore
from registrail.storage.store import Entity, EntityStore, Value, scan_all
from registrail.storage.tables import TablesStore, with_connection_string

EVENTS_A_MINUTE: Final = 1_000
MINUTES: Final = 60
MANY: Final = 200_000
REBUILT: Final = 20_000
"""Events of the registry that is rebuilt; what it costs for each does not depend on how many there are."""
IN_FLIGHT: Final = 8
PATIENCE: Final = Patience(total=600, read=300)
BEGIN: Final = Instant.parse("2026-03-02T10:00:00Z")
_MINUTE: Final = 60 * TICKS_PER_SECOND
ON_TIME: Final = 60
"""Seconds within which an event arrives that is not late."""


@dataclass
class Clock:
    """A clock that is set by hand."""

    now: Instant = BEGIN

    def __call__(self) -> Instant:
        """Tell the time."""
        return self.now


def hour(*, late: bool) -> list[Told]:
    """A year's events, pressed into an hour, each of which arrives within seconds; some late ones only if wanted."""
    told = [one for one in year(events=EVENTS_A_MINUTE * MINUTES, begin=BEGIN) if one.event.occurred_at]
    times = [one.event.occurred_at.ticks for one in told if one.event.occurred_at]
    first, length = min(times), max(times) - min(times) + 1
    pressed: list[Told] = []
    for event, arrival in told:
        assert event.occurred_at is not None
        waited = arrival.received_at.ticks - event.occurred_at.ticks
        at = BEGIN.ticks + (event.occurred_at.ticks - first) * MINUTES * _MINUTE // length
        if late or waited < ON_TIME * TICKS_PER_SECOND:
            received_at = Instant(at + waited)
            pressed.append(Told(replace(event, occurred_at=Instant(at)), replace(arrival, received_at=received_at)))
    pressed.sort(key=lambda one: one.arrival.received_at.ticks)
    return [one for one in pressed if one.arrival.received_at.ticks < BEGIN.ticks + MINUTES * _MINUTE]


def _opened(connection_string: str | None) -> EntityStore:
    """Azurite, with more patience than the app has; or SQLite in memory."""
    if connection_string is None:
        return SqliteStore(":memory:")
    return TablesStore(with_connection_string(connection_string), patience=PATIENCE)


async def busy_hour(connection_string: str | None, *, late: bool = False) -> Figure:
    """Fold each minute, as the timer does; the entities that it reads for each event."""
    store = CountingStore(_opened(connection_string))
    clock = Clock()
    app = use_cases(store, Settings(), clock)
    rows, read, requests = [], 0, 0
    minutes = itertools.groupby(
        hour(late=late), key=lambda told: (told.arrival.received_at.ticks - BEGIN.ticks) // _MINUTE
    )
    with Progress(transient=True) as progress:
        task = progress.add_task("an hour", total=MINUTES)
        for minute, told in minutes:
            batch = list(told)
            await fill(store, batch)
            store.taken()
            clock.now = Instant(BEGIN.ticks + (minute + 1) * _MINUTE)
            await app.summarize.fold_all()
            taken = store.taken()
            read += taken.read
            requests += taken.requests
            rows.append((len(batch), taken))
            progress.advance(task)
    events = sum(number for number, _ in rows)
    table(
        f"An hour of {EVENTS_A_MINUTE:,} events a minute, {'some late, ' if late else ''}folded each minute",
        ["minutes", "reports", "entities read per report", "requests per report", "rows written per report"],
        [
            [
                f"{first + 1}-{first + 15}",
                f"{sum(number for number, _ in some):,}",
                *(
                    f"{sum(getattr(taken, what) for _, taken in some) / sum(number for number, _ in some):.2f}"
                    for what in ("read", "requests", "written")
                ),
            ]
            for first in range(0, len(rows), 15)
            if (some := rows[first : first + 15])
        ],
    )
    await store.close()
    return Figure("entities-read-per-event", read / events, 3, "at most")


async def nothing_new(connection_string: str | None) -> Figure:
    """One tick with nothing marked; the requests that it makes for each registry."""
    store = CountingStore(_opened(connection_string))
    app = use_cases(store, Settings())
    await fill(store, year(events=MANY))
    [registry] = await app.summarize.journal.registries()
    await app.summarize.marks.clear(registry, await app.summarize.marks.pending(registry))
    store.taken()
    await app.summarize.fold_all()
    requests = store.taken().requests
    await store.close()
    return Figure("requests-per-idle-tick", requests, 1, "at most")


async def rebuild(connection_string: str | None) -> Figure:
    """Rebuild a registry; then let the SDK write the rows that came out."""
    assert connection_string, "there is no SDK for SQLite"
    store = _opened(connection_string)
    app = use_cases(store, Settings())
    days = timedelta(days=max(REBUILT * 365 // MANY, 1)).days
    await fill(store, year(events=REBUILT, days=days, registry="rebuilt.example"))
    [registry] = [name for name in await app.summarize.journal.registries() if name == "rebuilt.example"]
    await _rebuild_without_clearing(app, registry)
    ours = [await _rebuild_without_clearing(app, registry) for _ in range(2)]
    rows = [
        (name, entity)
        for name in ("history", "activity")
        for entity in await scan_all(store, name, keys.encode(registry))
    ]
    await store.close()
    theirs = await _by_the_sdk(connection_string, rows)
    table(
        f"A rebuild of {REBUILT:,} events: {len(rows):,} rows",
        ["", "rows/s"],
        [["rebuild", f"{len(rows) / min(ours):,.0f}"], ["SDK, the same rows", f"{len(rows) / theirs:,.0f}"]],
    )
    return Figure("rebuild-over-sdk", theirs / min(ours), 1.5, "at least")


async def _rebuild_without_clearing(app: UseCases, registry: str) -> float:
    """A rebuild from empty tables, without readers: neither throwing rows away nor waiting is what is compared."""
    await app.rebuild.history.erase(registry)
    await app.rebuild.activity.erase(registry)
    began = time.perf_counter()
    await replace(app.rebuild, grace_seconds=0).rebuild(registry)
    return time.perf_counter() - began


async def _by_the_sdk(connection_string: str, rows: Sequence[tuple[str, Entity]]) -> float:
    """Seconds that the SDK takes for rows in full transactions."""
    async with TableServiceClient.from_connection_string(connection_string) as service:
        chunks: list[tuple[TableClient, list[Upsert]]] = []
        for name, of_table in itertools.groupby(rows, key=lambda row: row[0]):
            client = await service.create_table_if_not_exists(f"sdk{name}")
            upserts = [_upsert(entity) for _, entity in of_table]
            chunks += [(client, upserts[begin : begin + 100]) for begin in range(0, len(upserts), 100)]
        began = time.perf_counter()
        await asyncio.gather(*(_write(chunks) for _ in range(IN_FLIGHT)))
        return time.perf_counter() - began


PARTS: Final[Mapping[str, Callable[[str | None], Awaitable[Figure]]]] = {
    "hour": busy_hour,
    "idle": nothing_new,
    "rebuild": rebuild,
}

Upsert = tuple[str, Mapping[str, object], Mapping[str, UpdateMode]]


def _upsert(entity: Entity) -> Upsert:
    columns = {name: _column(value) for name, value in entity.properties.items()}
    keys_of = {"PartitionKey": entity.partition, "RowKey": entity.row}
    return "upsert", keys_of | columns, {"mode": UpdateMode.REPLACE}


def _column(value: Value) -> object:
    if isinstance(value, Instant):
        return EntityProperty(value.isoformat(), EdmType.DATETIME)
    return EntityProperty(value, EdmType.INT64) if isinstance(value, int) and not isinstance(value, bool) else value


async def _write(chunks: list[tuple[TableClient, list[Upsert]]]) -> None:
    while chunks:
        client, upserts = chunks.pop()
        await client.submit_transaction(upserts)


async def main(store: str, parts: Sequence[str], *, late: bool) -> int:
    """Run the parts; the rebuild always on Azurite, for it is compared with the SDK."""
    figures = []
    for part in parts:
        if store == "sqlite" and part != "rebuild":
            figures.append(await PARTS[part](None))
        else:
            with azurite() as connection_string:
                figures.append(await PARTS[part](connection_string))
    if late:
        await busy_hour(None, late=True)
    return verdict(figures)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--store", choices=["azurite", "sqlite"], default="azurite", help="where requests are counted")
    parser.add_argument("--late", action="store_true", help="also an hour with late events, on SQLite")
    parser.add_argument("--only", choices=PARTS, help="run only this")
    given = parser.parse_args()
    sys.exit(asyncio.run(main(given.store, [given.only] if given.only else list(PARTS), late=given.late)))
