"""Everything that can be asked."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from registrail.activity import Grain
from registrail.instants import Instant
from registrail.ports import Clock, Delivery, DeliveryLog, Journal, Marks
from registrail.projections import Activity, Asked, HistoryLists, Period
from registrail.query.activity import ActivityFilter, Series
from registrail.query.deliveries import DeliveryFilter, DeliveryList, page_of_deliveries, recent_deliveries
from registrail.query.dossiers import Dossier, dossier
from registrail.query.events import EventFilter, EventList, Events
from registrail.query.history import History
from registrail.query.overview import Overviews
from registrail.query.pages import MOST_AT_ONCE, REQUESTS
from registrail.query.pushes import Pushes, PushFilter, PushList
from registrail.query.replicas import Replicas, ReplicationList
from registrail.summarize import Summarize


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryHealth:
    """How one registry does: its newest event, and how many slots await a fold."""

    registry: str
    last_event_at: Instant | None
    last_received_at: Instant | None
    backlog: int


@dataclass(frozen=True, kw_only=True)
class Query:
    """The use case."""

    journal: Journal
    marks: Marks
    activity: Activity
    deliveries: DeliveryLog
    lists: HistoryLists
    summarize: Summarize
    clock: Clock

    @cached_property
    def history(self) -> History:
        """Tags, timelines, digests and deletes."""
        return History(journal=self.journal, lists=self.lists, summarize=self.summarize)

    async def events(self, wanted: EventFilter, *, limit: int, cursor: str | None = None) -> EventList:
        """A page of events of one or all registries, newest first; those without a time come last.

        Raises:
            InvalidParameterError: the cursor is not one that this method gave.
        """
        return await self._events.page(wanted, limit=limit, cursor=cursor)

    async def pushes(
        self, wanted: PushFilter, *, limit: int, cursor: str | None = None, requests: int = REQUESTS
    ) -> PushList:
        """A page of logical pushes of one or all registries, newest first.

        Args:
            wanted: which ones.
            limit: the most pushes.
            cursor: of the page before.
            requests: the most that are made to the store for each registry.

        Raises:
            InvalidParameterError: the cursor is not one that this method gave.
        """
        return await self._pushes.page(wanted, limit=limit, cursor=cursor, requests=requests)

    async def replicas(self, wanted: PushFilter, *, limit: int, cursor: str | None = None) -> ReplicationList:
        """A page of the events that completed pushes, with the regions that reported them, newest first.

        Raises:
            InvalidParameterError: the cursor is not one that this method gave.
        """
        replicas = Replicas(pushes=self._pushes, activity=self.activity, summarize=self.summarize)
        return await replicas.page(wanted, limit=limit, cursor=cursor)

    async def dossier(self, registry: str | None, event: str) -> Dossier | None:
        """A delete, and what still held its digest right after it.

        Raises:
            InvalidParameterError: it is not clear which registry is meant.
        """
        found = await self.history.deletion(registry, event)
        if not found.items:
            return None
        [deletion] = found.items
        return await dossier(self.journal, self.history, found.registry, deletion)

    async def delivered(
        self, wanted: DeliveryFilter, *, limit: int, cursor: str | None = None, requests: int | None = None
    ) -> DeliveryList:
        """A page of requests of senders, newest first; with at most so many `requests` to the store, if that is given.

        Raises:
            InvalidParameterError: the cursor is not one that this method gave.
        """
        return await page_of_deliveries(self.deliveries, wanted, limit=limit, cursor=cursor, requests=requests)

    async def recent_deliveries(self, *, limit: int, requests: int) -> Mapping[str, Sequence[Delivery]]:
        """For each sender the last deliveries, with at most so many requests to the store."""
        return await recent_deliveries(self.deliveries, limit=limit, requests=requests)

    async def delivery(self, delivery_id: str) -> Delivery | None:
        """One request of a sender, with its body."""
        return await self.deliveries.get(delivery_id)

    @cached_property
    def series(self) -> Series:
        """Counts of activity and lags of replicas."""
        return Series(journal=self.journal, activity=self.activity, summarize=self.summarize)

    @cached_property
    def overviews(self) -> Overviews:
        """How everything does, on one page."""
        return Overviews(
            journal=self.journal,
            marks=self.marks,
            activity=self.activity,
            deliveries=self.deliveries,
            lists=self.lists,
            summarize=self.summarize,
            clock=self.clock,
        )

    async def activity_of(
        self,
        grain: Grain,
        *,
        registry: str | None = None,
        repository: str | None = None,
        since: Instant | None = None,
        until: Instant | None = None,
    ) -> Sequence[Period]:
        """All counts of a range, of one or all registries, oldest first."""
        asked = Asked(repository=repository)
        wanted = ActivityFilter(grain=grain, registry=registry, asked=asked, since=since, until=until)
        found: list[Period] = []
        cursor: str | None = None
        while True:
            page = await self.series.page(wanted, limit=MOST_AT_ONCE, cursor=cursor)
            found += page.items
            cursor = page.next
            if cursor is None:
                return found

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

    @cached_property
    def _events(self) -> Events:
        return Events(journal=self.journal, marks=self.marks, activity=self.activity, clock=self.clock)

    @cached_property
    def _pushes(self) -> Pushes:
        return Pushes(events=self._events)
