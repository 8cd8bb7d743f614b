"""Reading: lists of events and counts of activity, never less than what was acknowledged."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Final

from registrail.activity import Grain
from registrail.errors import InvalidParameterError
from registrail.events import RecordedEvent
from registrail.instants import Instant
from registrail.ports import Activity, Clock, Delivery, DeliveryLog, Journal, Marks, Period
from registrail.summarize import Summarize

MOST_SCANNED: Final = 10_000
"""Events that one page of a filtered list looks at; a page may hold fewer than asked for and still have a next one."""


MOST_AT_ONCE: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFilter:
    """Which events; None is any."""

    registry: str | None = None
    repository: str | None = None
    tag: str | None = None
    digest: str | None = None
    action: str | None = None
    actor: str | None = None
    since: Instant | None = None
    until: Instant | None = None

    def admits(self, recorded: RecordedEvent) -> bool:
        """Whether an event that lies in the right registry and time is wanted."""
        event = recorded.event
        return all(
            wanted is None or wanted == found
            for wanted, found in (
                (self.repository, event.repository),
                (self.tag, event.tag),
                (self.digest, event.digest),
                (self.action, event.action),
                (self.actor, event.actor),
            )
        )

    @property
    def is_selective(self) -> bool:
        """Whether `admits` may refuse something."""
        return any((self.repository, self.tag, self.digest, self.action, self.actor))


@dataclass(frozen=True, slots=True)
class EventList:
    """One page of events; `next` is the cursor of the next page, None at the end."""

    items: Sequence[RecordedEvent]
    next: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryHealth:
    """How one registry does: its newest event, and how many slots await a fold."""

    registry: str
    last_event_at: Instant | None
    last_received_at: Instant | None
    backlog: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """The use case."""

    journal: Journal
    marks: Marks
    activity: Activity
    deliveries: DeliveryLog
    summarize: Summarize
    clock: Clock

    async def events(self, wanted: EventFilter, *, limit: int, cursor: str | None = None) -> EventList:
        """Events of one or all registries, newest first; those without a time come last.

        Raises:
            InvalidParameterError: the cursor is not one that this method gave.
        """
        position = _read_cursor(cursor) if cursor else None
        registries = [wanted.registry] if wanted.registry else await self.journal.registries()
        days_of = await asyncio.gather(
            *(self.journal.days(registry, wanted.since, wanted.until) for registry in registries)
        )
        days = sorted({day for days in days_of for day in days}, key=_newest_first)
        size = MOST_AT_ONCE if wanted.is_selective else limit + 1
        found: list[RecordedEvent] = []
        scanned = 0
        for day in days:
            if position and _newest_first(day) < _newest_first(position.day):
                continue
            after = position.after if position and position.day == day else None
            streams = [
                self._stream(registry, day, wanted, after, size)
                for registry, known in zip(registries, days_of, strict=True)
                if day in known
            ]
            async for recorded in _merged(streams):
                if position and (scanned == MOST_SCANNED or len(found) == limit):
                    return EventList(found, _write_cursor(position))
                scanned += 1
                position = _Position(day, recorded.id)
                if wanted.admits(recorded):
                    found.append(recorded)
        return EventList(found, None)

    async def _stream(
        self, registry: str, day: str, wanted: EventFilter, after: str | None, size: int
    ) -> AsyncIterator[RecordedEvent]:
        while True:
            page = await self.journal.read(
                registry, day, since=wanted.since, until=wanted.until, after=after, limit=size
            )
            for recorded in page.events:
                yield recorded
            after = page.after
            if after is None:
                return

    async def activity_of(
        self,
        grain: Grain,
        *,
        registry: str | None = None,
        repository: str | None = None,
        since: Instant | None = None,
        until: Instant | None = None,
    ) -> Sequence[Period]:
        """Counts per period of one or all registries, oldest first, exact as of the call."""
        registries = [registry] if registry else await self.journal.registries()
        series = await asyncio.gather(*(self._series(name, grain, repository, since, until) for name in registries))
        periods = [period for one in series for period in one]
        return sorted(periods, key=lambda period: (period.period, period.registry))

    async def _series(
        self,
        registry: str,
        grain: Grain,
        repository: str | None,
        since: Instant | None,
        until: Instant | None,
    ) -> Sequence[Period]:
        await self.summarize.bring_up_to_date(registry)
        return await self.activity.periods(registry, grain, repository=repository, since=since, until=until)

    async def latest_deliveries(self, limit: int) -> Sequence[Delivery]:
        """The newest requests of all senders."""
        return await self.deliveries.latest(limit)

    async def health(self) -> Sequence[RegistryHealth]:
        """How every registry does, by name. Raises StorageError if the store does not answer."""
        registries = await self.journal.registries()
        return await asyncio.gather(*(self._health(registry) for registry in registries))

    async def _health(self, registry: str) -> RegistryHealth:
        marks, newest = await asyncio.gather(
            self.marks.pending(registry), self.events(EventFilter(registry=registry), limit=1)
        )
        last = newest.items[0] if newest.items else None
        return RegistryHealth(
            registry=registry,
            last_event_at=last.event.occurred_at if last else None,
            last_received_at=last.received_at if last else None,
            backlog=len(marks),
        )


async def _merged(streams: Sequence[AsyncIterator[RecordedEvent]]) -> AsyncIterator[RecordedEvent]:
    """One stream of several that are each in the order of their ids."""
    heads = {stream: head for stream in streams if (head := await anext(stream, None)) is not None}
    while heads:
        first = min(heads, key=lambda stream: heads[stream].id)
        yield heads[first]
        following = await anext(first, None)
        if following is None:
            del heads[first]
        else:
            heads[first] = following


def _newest_first(day: str) -> tuple[bool, int]:
    """The order in which days are listed: newest first, `undated` last."""
    return (False, -int(day.replace("-", ""))) if day[0].isdigit() else (True, 0)


@dataclass(frozen=True, slots=True)
class _Position:
    """In a list of events: behind the one with the id `after`."""

    day: str
    after: str


def _write_cursor(position: _Position) -> str:
    text = json.dumps([position.day, position.after])
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _read_cursor(cursor: str) -> _Position:
    try:
        day, after = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if day != "undated":
            Instant.parse(f"{day}T00:00:00Z")
        return _Position(day, str(after))
    except (ValueError, TypeError) as error:
        raise InvalidParameterError("cursor", "is not one that a list gave as its next") from error
