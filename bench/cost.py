"""What events cost in Table Storage: `make bench-cost`.

Real request bodies go through the app's own receiver, its timer runs each minute, and everything between it and Azurite
is counted at the HTTP layer (`bench.metering`). The clock is set by hand, so that an hour takes less. Three paces:

- one event a minute, each in a webhook of its own;
- 1,000 a minute, likewise, one after the other: they come 60 ms apart, so hardly any share a transaction;
- Event Grid's arrays of 500, four each minute.

Before anything is counted the store has a past of the same kind, so that repositories and tags are known.
`registrail cost` works with these figures: `make bench-cost WRITE=1` writes them where it finds them, and a test
measures them again.
"""

import asyncio
import itertools
import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from bench.fill import fill
from bench.metering import Meter, metered, stored
from bench.report import Figure, table, verdict
from bench.year import Told, year
from registrail.compose import UseCases, use_cases
from registrail.events import BLOB_MEDIA_TYPE, RegistryEvent
from registrail.instants import TICKS_PER_SECOND, Instant
from registrail.local.azurite import azurite
from registrail.senders.sender import Request
from registrail.settings import Settings
from registrail.storage.commit import GroupCommit
from registrail.storage.tables import TablesStore, with_connection_string

REGISTRY: Final = "contoso.azurecr.io"
BEGIN: Final = Instant.parse("2026-03-02T10:00:00Z")
ARRAY: Final = 500
PAST: Final = 1_000
"""Events that happened before."""
TICK: Final = 15 * TICKS_PER_SECOND
"""When in each minute the timer runs."""
FILE: Final = Path(__file__).parents[1] / "registrail" / "local" / "measured.json"
_MINUTE: Final = 60 * TICKS_PER_SECOND


@dataclass(frozen=True, slots=True)
class Pace:
    """How events come, and how many are measured.

    Attributes:
        a_minute: events.
        in_array: in each request.
        late: whether some reports (3 %) come a minute to three weeks late.
    """

    name: str
    a_minute: int
    in_array: int
    events: int
    late: bool = False


PACES: Final = (
    Pace("one_a_minute", 1, 1, 180),
    Pace("thousand_a_minute", 1_000, 1, 1_000),
    Pace("arrays_of_500", 2_000, ARRAY, 2_000),
)


@dataclass
class Clock:
    """A clock that is set by hand."""

    now: Instant = BEGIN

    def __call__(self) -> Instant:
        """Tell the time."""
        return self.now


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What one pace took.

    Attributes:
        reports: how many were received; some events are reported twice.
        events: how many different ones these were.
        receiving: requests until a report was answered, for each.
        folding: requests of the timer, for each.
        stored: bytes in all tables but `deliveries`, for each event.
        logged: bytes in `deliveries`, for each report.
        body: bytes of a report as its sender writes it.
        kinds: requests of each kind for each report.
        tables: bytes in each table for each event.
    """

    reports: int
    events: int
    receiving: float
    folding: float
    stored: float
    logged: float
    body: float
    kinds: Mapping[str, float]
    tables: Mapping[str, float]

    @property
    def transactions(self) -> float:
        """Requests for each report, until it is counted and traced."""
        return self.receiving + self.folding

    @property
    def figures(self) -> dict[str, float]:
        """What the cost model needs."""
        names = ("receiving", "folding", "stored", "logged", "body")
        return {name: round(getattr(self, name), 3) for name in names}


def reports(pace: Pace) -> list[Told]:
    """A past and what is measured, as a registry reports it: events at an even pace, their reports a little later."""
    seconds = 60 / pace.a_minute
    told = [
        one
        for one in year(events=4 * (PAST + pace.events), registry=REGISTRY)
        if one.event.occurred_at and one.event.action != "pull" and one.event.media_type != BLOB_MEDIA_TYPE
    ]
    times = sorted({one.event.occurred_at.ticks for one in told if one.event.occurred_at})
    begin = BEGIN.ticks - int(PAST * seconds * TICKS_PER_SECOND)
    new = {ticks: begin + int(rank * seconds * TICKS_PER_SECOND) for rank, ticks in enumerate(times)}
    paced = []
    for event, arrival in told:
        assert event.occurred_at is not None
        ticks = new[event.occurred_at.ticks]
        lag = max(arrival.received_at.ticks - event.occurred_at.ticks, 0)
        if lag >= _MINUTE and not pace.late:
            lag = TICKS_PER_SECOND
        paced.append(
            Told(
                replace(event, occurred_at=Instant(ticks)),
                replace(arrival, received_at=Instant(ticks + lag)),
            )
        )
    paced.sort(key=lambda one: one.arrival.received_at.ticks)
    end = BEGIN.ticks + TICK + int(pace.events * seconds * TICKS_PER_SECOND)
    return [one for one in paced if one.arrival.received_at.ticks < end]


def body(event: RegistryEvent) -> dict[str, object]:
    """An event as Azure Container Registry writes it."""
    assert event.occurred_at is not None
    target = {
        "mediaType": event.media_type,
        "size": event.size,
        "digest": event.digest,
        "length": event.size,
        "repository": event.repository,
        "tag": event.tag,
        "name": event.chart_name,
        "version": event.chart_version,
    }
    request = {
        "id": event.request_id,
        "host": event.registry,
        "addr": event.address,
        "method": event.method,
        "useragent": event.client,
    }
    return {
        "id": event.event_id,
        "timestamp": event.occurred_at.isoformat(),
        "action": event.action,
        "target": {name: value for name, value in target.items() if value is not None},
        "request": {name: value for name, value in request.items() if value is not None},
        **({"actor": {"name": event.actor}} if event.actor else {}),
    }


def grid(event: RegistryEvent) -> dict[str, object]:
    """The same as Event Grid wraps it."""
    resources = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/images"
    return {
        "id": event.event_id,
        "topic": f"{resources}/providers/Microsoft.ContainerRegistry/registries/contoso",
        "subject": f"{event.repository}:{event.tag}",
        "eventType": f"Microsoft.ContainerRegistry.{'ImageDeleted' if 'delete' in event.action else 'ImagePushed'}",
        "eventTime": event.occurred_at.isoformat() if event.occurred_at else "",
        "data": body(event),
        "dataVersion": "2.0",
        "metadataVersion": "1",
    }


async def measure(pace: Pace, connection_string: str) -> Measured:
    """Receive and fold at one pace: from one tick of the timer to another, so that what is counted is what came."""
    told = reports(pace)
    past = [one for one in told if one.arrival.received_at < BEGIN]
    begin = BEGIN.ticks + TICK
    settling = [one for one in told[len(past) :] if one.arrival.received_at.ticks < begin]
    present = told[len(past) + len(settling) :]
    minutes = itertools.groupby(present, key=lambda one: (one.arrival.received_at.ticks - begin) // _MINUTE)
    clock = Clock()
    async with metered(connection_string) as meter:
        store = GroupCommit(TablesStore(with_connection_string(meter.connection_string)))
        app = use_cases(store, Settings(), clock)
        await fill(store, past)
        await app.summarize.fold_all()
        await _minute(app, clock, meter, pace, settling, BEGIN.ticks + TICK)
        before = await stored(connection_string)
        receiving, folding = Counter[str](), Counter[str]()
        for number, of_minute in minutes:
            spent = await _minute(app, clock, meter, pace, of_minute, BEGIN.ticks + TICK + (number + 1) * _MINUTE)
            receiving += spent[0]
            folding += spent[1]
        after = await stored(connection_string)
        await store.close()
    events = after["events"][0] - before["events"][0]
    grown = {name: (after[name][1] - before.get(name, (0, 0))[1]) / events for name in after}
    return Measured(
        reports=len(present),
        events=events,
        receiving=receiving.total() / len(present),
        folding=folding.total() / len(present),
        stored=sum(size for name, size in grown.items() if name != "deliveries"),
        logged=grown["deliveries"] * events / len(present),
        body=sum(len(_json(body(one.event))) for one in present) / len(present),
        kinds={kind: number / len(present) for kind, number in (receiving + folding).most_common()},
        tables=grown,
    )


async def _minute(  # noqa: PLR0913, PLR0917 - as much as a minute has
    app: UseCases, clock: Clock, meter: Meter, pace: Pace, received: Iterable[Told], tick: int
) -> tuple[Counter[str], Counter[str]]:
    """Receive what comes until a tick of the timer, then let it run; the requests of both."""
    meter.taken()
    for some in _arrays(received, pace.in_array):
        clock.now = some[-1].arrival.received_at
        await _receive(app, pace, some)
    receiving = meter.taken()
    clock.now = Instant(tick)
    await app.summarize.fold_all()
    return receiving, meter.taken()


def _arrays(received: Iterable[Told], length: int) -> Iterator[list[Told]]:
    """What is sent together."""
    left = iter(received)
    while some := list(itertools.islice(left, length)):
        yield some


async def _receive(app: UseCases, pace: Pace, some: Sequence[Told]) -> None:
    """Send one request, as its sender would."""
    sender = "acr" if pace.in_array == 1 else "eventgrid"
    sent: object = body(some[0].event) if sender == "acr" else [grid(one.event) for one in some]
    headers = {
        "content-type": "application/json; charset=utf-8",
        "user-agent": "AzureContainerRegistry/1.0",
        "host": "registrail-contoso.azurewebsites.net",
        "x-functions-key": "k" * 56,
        "x-forwarded-for": "203.0.113.17:51234",
    }
    request = Request(headers=headers, body=_json(sent))
    receipt = await app.ingest.receive(sender, request, path=f"/hooks/{sender}")
    assert receipt.status == 200, receipt


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


async def idle(connection_string: str) -> float:
    """Requests of a tick of the timer that finds nothing new."""
    clock = Clock()
    async with metered(connection_string) as meter:
        store = TablesStore(with_connection_string(meter.connection_string))
        app = use_cases(store, Settings(), clock)
        await fill(store, year(events=100, registry=REGISTRY))
        await app.summarize.fold_all()
        meter.taken()
        for _ in range(10):
            await app.summarize.fold_all()
        ticks = meter.taken().total()
        await store.close()
    return ticks / 10


def bars(measured: Mapping[str, Measured]) -> list[Figure]:
    """What was promised."""
    single, busy, arrays = (measured[pace.name] for pace in PACES)
    return [
        Figure("transactions_one_a_minute", single.transactions, 16, "at most"),
        Figure("transactions_thousand_a_minute", busy.transactions, 4, "at most"),
        Figure("transactions_arrays_of_500", arrays.transactions, 0.3, "at most"),
        Figure("bytes_one_a_minute", single.stored, 3072, "at most"),
        Figure("bytes_thousand_a_minute", busy.stored, 3072, "at most"),
        Figure("bytes_arrays_of_500", arrays.stored, 3072, "at most"),
    ]


async def main(*, write: bool) -> int:
    """Measure all paces; perhaps keep what came out."""
    measured: dict[str, Measured] = {}
    with azurite() as connection_string:
        ticks = await idle(connection_string)
    for pace in PACES:
        with azurite() as connection_string:
            one = measured[pace.name] = await measure(pace, connection_string)
        rows = [[name, f"{value:,.3f}"] for name, value in one.figures.items()]
        rows += [[f"requests: {kind}", f"{number:.3f}"] for kind, number in one.kinds.items()]
        rows += [[f"bytes: {name}", f"{size:,.0f}"] for name, size in one.tables.items()]
        table(f"{pace.name}: {one.reports:,} reports of {one.events:,} events", ["for each", ""], rows)
    if write:
        kept = {"idle_tick": ticks, **{name: one.figures for name, one in measured.items()}}
        FILE.write_text(json.dumps(kept, indent=2) + "\n")
    return verdict(bars(measured))


if __name__ == "__main__":
    sys.exit(asyncio.run(main(write="--write" in sys.argv)))
