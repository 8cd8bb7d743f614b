"""Reading: lists of events and counts of activity, never less than what was acknowledged."""

import asyncio
import base64
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from registrail.activity import Grain
from registrail.errors import InvalidParameterError
from registrail.events import RecordedEvent
from registrail.instants import Instant
from registrail.ports import Activity, Clock, Delivery, DeliveryLog, Journal, Marks, Outcome, Period
from registrail.summarize import Summarize

T = TypeVar("T")

MOST_SCANNED: Final = 10_000
"""Events that one page of a filtered list looks at; a page may hold fewer than asked for and still have a next one."""


MOST_AT_ONCE: Final = 1000

_KEY: Final = re.compile("[0-9a-f]{1,64}~[0-9a-f]{1,64}")


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
class DeliveryFilter:
    """Which requests of senders; None is any."""

    sender: str | None = None
    outcome: Outcome | None = None
    since: Instant | None = None
    until: Instant | None = None

    def may_have(self, day: str) -> bool:
        """Whether a day lies in the range of times."""
        return (self.since is None or day >= self.since.day) and (self.until is None or day <= self.until.day)

    def admits(self, delivery: Delivery) -> bool:
        """Whether a request of the right sender is wanted."""
        return (
            self.outcome in {None, delivery.outcome}
            and (self.since is None or delivery.received_at >= self.since)
            and (self.until is None or delivery.received_at < self.until)
        )


@dataclass(frozen=True, slots=True)
class DeliveryList:
    """One page of requests; `next` is the cursor of the next page, None at the end."""

    items: Sequence[Delivery]
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
        registries = [wanted.registry] if wanted.registry else await self.journal.registries()
        days_of = await asyncio.gather(
            *(self.journal.days(registry, wanted.since, wanted.until) for registry in registries)
        )
        size = MOST_AT_ONCE if wanted.is_selective else limit + 1

        async def read(registry: str, day: str, after: str | None) -> _Chunk[RecordedEvent]:
            page = await self.journal.read(
                registry, day, since=wanted.since, until=wanted.until, after=after, limit=size
            )
            return [(recorded.id, recorded) for recorded in page.events], page.after

        days = dict(zip(registries, days_of, strict=True))
        items, following = await _newest(days, read, wanted.admits, limit, cursor)
        return EventList(items, following)

    async def delivered(self, wanted: DeliveryFilter, *, limit: int, cursor: str | None = None) -> DeliveryList:
        """Requests of senders, newest first.

        Raises:
            InvalidParameterError: the cursor is not one that this method gave.
        """
        days = {
            sender: [day for day in of_sender if wanted.may_have(day)]
            for sender, of_sender in (await self.deliveries.days()).items()
            if wanted.sender in {None, sender}
        }

        async def read(sender: str, day: str, after: str | None) -> _Chunk[Delivery]:
            page = await self.deliveries.read(sender, day, after=after, limit=limit + 1)
            return [(delivery.key, delivery) for delivery in page.deliveries], page.after

        items, following = await _newest(days, read, wanted.admits, limit, cursor)
        return DeliveryList(items, following)

    async def delivery(self, delivery_id: str) -> Delivery | None:
        """One request of a sender, with its body."""
        return await self.deliveries.get(delivery_id)

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


_Chunk = tuple[list[tuple[str, T]], str | None]
"""Some items with the keys that order them, and where to go on."""


async def _newest(
    days_of: Mapping[str, Sequence[str]],
    read: Callable[[str, str, str | None], Awaitable[_Chunk[T]]],
    admits: Callable[[T], bool],
    limit: int,
    cursor: str | None,
) -> tuple[list[T], str | None]:
    """One page of what lies in partitions of a group and a day, newest first over all groups.

    Args:
        days_of: the days that each group has.
        read: gives items of a group and a day beyond a key.
        admits: whether an item is wanted.
        limit: the most items.
        cursor: of the page before.

    Returns:
        The items, and the cursor of the next page.
    """
    position = _read_cursor(cursor) if cursor else None
    found: list[T] = []
    scanned = 0
    for day in sorted({day for days in days_of.values() for day in days}, key=_newest_first):
        if position and _newest_first(day) < _newest_first(position.day):
            continue
        after = position.after if position and position.day == day else None
        streams = [_stream(read, group, day, after) for group, days in days_of.items() if day in days]
        async for key, item in _merged(streams):
            if position and (scanned == MOST_SCANNED or len(found) == limit):
                return found, _write_cursor(position)
            scanned += 1
            position = _Position(day, key)
            if admits(item):
                found.append(item)
    return found, None


async def _stream(
    read: Callable[[str, str, str | None], Awaitable[_Chunk[T]]], group: str, day: str, after: str | None
) -> AsyncIterator[tuple[str, T]]:
    """All items of a group and a day beyond a key."""
    while True:
        items, after = await read(group, day, after)
        for item in items:
            yield item
        if after is None:
            return


async def _merged(streams: Sequence[AsyncIterator[tuple[str, T]]]) -> AsyncIterator[tuple[str, T]]:
    """One stream of several that are each in the order of their keys."""
    heads = {stream: head for stream in streams if (head := await anext(stream, None)) is not None}
    while heads:
        first = min(heads, key=lambda stream: heads[stream][0])
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
        if not _KEY.fullmatch(after):
            raise ValueError("that is no key")
        return _Position(day, after)
    except (ValueError, TypeError, RecursionError) as error:
        raise InvalidParameterError("cursor", "is not one that a list gave as its next") from error
