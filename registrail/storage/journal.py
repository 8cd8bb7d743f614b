"""The journal: table `events`."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final, cast

from registrail.events import Arrival, RecordedEvent, RegistryEvent, arrival_hash, content_hash
from registrail.instants import Instant
from registrail.ports import EventPage
from registrail.storage import keys
from registrail.storage.catalog import Catalog
from registrail.storage.entities import event_properties, recorded_event, recorded_properties
from registrail.storage.store import EntityStore, Merge, Operation, Value, commits, delete_range

TABLE: Final = "events"
REGISTRIES: Final = "registries"
_BEHIND: Final = "~"
"""Put behind a name, it makes the end of a range that the name lies in."""


_LONGEST_ASKED: Final = 255
"""A longer name, which no registry allows, would make a request's address too long."""


class EntityJournal:
    """A Journal in an EntityStore."""

    def __init__(self, store: EntityStore, catalog: Catalog) -> None:
        self._store = store
        self._catalog = catalog

    async def append(self, events: Sequence[RegistryEvent], arrival: Arrival) -> None:
        """Merge events into their rows, whole partitions at a time."""
        partitions: dict[tuple[str, str], dict[str, list[RegistryEvent]]] = defaultdict(dict)
        for event in events:
            day, row = _place(event)
            partitions[event.registry, day].setdefault(row, []).append(event)
        for (registry, day), rows in partitions.items():
            await self._write(registry, day, (Merge(row, _merged(alike, arrival)) for row, alike in rows.items()))

    async def restore(self, events: Sequence[RecordedEvent]) -> None:
        """Write events as they were recorded; safe to repeat. What is stored already is merged with them.

        Raises:
            ValueError: the id of one is not the one that its content and time give.
        """
        partitions: dict[tuple[str, str], dict[str, RecordedEvent]] = defaultdict(dict)
        for recorded in events:
            day, row = _place(recorded.event)
            if row != recorded.id:
                message = f"the id is {recorded.id!r}, but content and time give {row!r}"
                raise ValueError(message)
            partitions[recorded.event.registry, day][row] = recorded
        for (registry, day), rows in partitions.items():
            await self._write(registry, day, (Merge(row, recorded_properties(one)) for row, one in rows.items()))

    async def _write(self, registry: str, day: str, operations: Iterable[Operation]) -> None:
        """Write rows, which are made when their turn has come: all rows of a large request would be megabytes."""
        await self._catalog.add(REGISTRIES, keys.encode(registry), registry=registry)
        await self._catalog.add(_days(registry), _name(day))
        partition = keys.event_partition(registry, day)
        for operations_at_once in commits(operations):
            await self._store.commit(TABLE, partition, operations_at_once)

    async def registries(self) -> Sequence[str]:
        """Every registry, by name."""
        return [cast("str", entry.properties["registry"]) for entry in await self._catalog.entries(REGISTRIES)]

    async def days(
        self,
        registry: str,
        since: Instant | None,
        until: Instant | None,
        *,
        begin: str | None = None,
        limit: int | None = None,
    ) -> Sequence[str]:
        """Days with events, as the catalog has them: newest first, `undated` behind all others."""
        start = max(_name(until.day) if until else "", _name(begin) if begin else "")
        stop = f"{_name(since.day)}{_BEHIND}" if since else keys.UNDATED if until else None
        names = await self._catalog.names(_days(registry), start, stop, limit=limit)
        return [name.rpartition("~")[2] for name in names]

    async def read(  # noqa: PLR0913 - as in the port
        self,
        registry: str,
        day: str,
        *,
        since: Instant | None = None,
        until: Instant | None = None,
        after: str | None = None,
        limit: int = 1000,
        repository: str | None = None,
    ) -> EventPage:
        """Events of one day."""
        start, stop = keys.time_range(since, until) if day != keys.UNDATED else ("", None)
        page = await self._store.scan(
            TABLE,
            keys.event_partition(registry, day),
            start=start,
            stop=stop,
            after=after,
            limit=limit,
            having=("repository", repository) if repository and len(repository) <= _LONGEST_ASKED else None,
        )
        events = [recorded_event(entity.partition, entity.row, entity.properties) for entity in page.entities]
        wanted = [one for one in events if repository in {None, one.event.repository}]
        return EventPage(wanted, page.after)

    async def forget(self, registry: str, day: str) -> None:
        """Empty a partition, then take its name from the catalog."""
        await delete_range(self._store, TABLE, keys.event_partition(registry, day))
        await self._catalog.remove(_days(registry), _name(day))


@lru_cache(maxsize=1000)
def _days(registry: str) -> str:
    return keys.join(TABLE, keys.encode(registry))


@lru_cache(maxsize=1000)
def _name(day: str) -> str:
    """A day in the catalog: `{99999999 - YYYYMMDD}~{YYYY-MM-DD}`, so that the newest comes first; `undated` is last."""
    return day if day == keys.UNDATED else keys.join(f"{99_999_999 - int(day.replace('-', '')):08d}", day)


def _merged(alike: Sequence[RegistryEvent], arrival: Arrival) -> dict[str, Value]:
    """The columns of what arrived at once, of the same event."""
    first, *others = (event_properties(event, arrival) for event in alike)
    for other in others:
        first |= other
    return first


def _place(event: RegistryEvent) -> tuple[str, str]:
    """The day and the row of an event."""
    content = content_hash(event)
    if event.occurred_at is None:
        return keys.UNDATED, keys.undated_row(content, arrival_hash(event))
    return event.occurred_at.day, keys.event_row(event.occurred_at, content)
