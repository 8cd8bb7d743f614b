"""How everything does: what the first page shows, at a cost that is the same with few and with many events.

Three requests, one for each channel that had trouble, and for each registry three or four: with one registry at most
eight in all, once what was marked is counted.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cached_property
from itertools import takewhile
from typing import Final

from registrail.activity import Grain
from registrail.dossier import Deletion
from registrail.errors import StorageUnavailableError
from registrail.events import RecordedEvent
from registrail.instants import Instant
from registrail.ports import REBUILD, Clock, DeliveryLog, Journal, Mark, Marks
from registrail.projections import Activity, Asked, HistoryLists, Period
from registrail.pushes import Push, find
from registrail.query import alerts
from registrail.query.alerts import Alert
from registrail.query.journal import JournalSource
from registrail.query.pages import READS, Budget, Days, Plan, Stretch, newest
from registrail.query.pushes import time_behind
from registrail.replicas import expected_regions, merge_lags
from registrail.summarize import Summarize

MOST_REGISTRIES: Final = 8
"""That are looked at together."""
MOST_REQUESTS: Final = 8
"""With one registry."""
FOLDED_AT_ONCE: Final = 72
"""Hours that are counted while a reader waits, if something in them is marked; with more of them numbers are behind."""
SENDERS: Final = 2
"""Channels in trouble that are looked at, for each registry: as many as a registry usually has."""
DELIVERIES: Final = 200
ROWS: Final = 8
"""Pushes and deletes."""
FIRST_EVENTS: Final = 200
EVENTS: Final = 500
DELETIONS: Final = 50
_ALL: Final = Asked()
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A stretch of time in periods.

    Attributes:
        is_live: whether it reaches up to now, and goes on.
    """

    grain: Grain
    since: Instant
    until: Instant
    is_live: bool


@dataclass(frozen=True, kw_only=True)
class RegistryOverview:
    """One registry.

    Attributes:
        periods: with their breakdowns, oldest first.
        events: the newest.
        pushes: the newest; a last one that may be cut is left out.
        backlog: slots that await a fold, if they are too many.
        rebuilding: whether its history is being worked out anew.
        usual_pause: the longest one between events, if that is known.
        alerts: of this registry alone; none if the span is in the past.
    """

    registry: str
    periods: Sequence[Period]
    events: Sequence[RecordedEvent]
    pushes: Sequence[Push]
    deletions: Sequence[Deletion]
    backlog: int = 0
    rebuilding: bool = False
    usual_pause: timedelta | None = None
    alerts: Sequence[Alert] = ()

    @property
    def last_event_at(self) -> Instant | None:
        """The time of the newest event that has one."""
        return next((one.event.occurred_at for one in self.events if one.event.occurred_at), None)

    @cached_property
    def channels(self) -> Mapping[str, Instant]:
        """For each sender when its latest report came, as far as the events tell."""
        found: dict[str, Instant] = {}
        for recorded in self.events:
            for sender, seen in recorded.seen.items():
                found[sender] = max(seen, found.get(sender, seen))
        return dict(sorted(found.items()))


@dataclass(frozen=True, slots=True, kw_only=True)
class OverviewOf:
    """Some registries together.

    Attributes:
        names: of all registries, also of those that were not looked at.
        alerts: what to look at, the worst first; none if the span is in the past.
    """

    names: Sequence[str]
    registries: Sequence[RegistryOverview]
    alerts: Sequence[Alert]


@dataclass(frozen=True, slots=True, kw_only=True)
class _KnownDays(JournalSource):
    """Some days, without asking for them; `then` is where others may follow."""

    names: Sequence[str]
    then: str | None

    async def days(self, begin: str | None, budget: Budget) -> Days:
        """No request."""
        del begin, budget
        return Days(self.names, self.then)


@dataclass(frozen=True, slots=True, kw_only=True)
class Overviews:
    """The use case."""

    journal: Journal
    marks: Marks
    activity: Activity
    deliveries: DeliveryLog
    lists: HistoryLists
    summarize: Summarize
    clock: Clock

    async def read(self, span: Span, *, registry: str | None = None) -> OverviewOf:
        """Look at one registry, or at the first ones by name.

        Raises:
            StorageUnavailableError: the store does not answer, or counts keep changing.
        """
        now = self.clock()
        names, everywhere, days = await asyncio.gather(
            self.journal.registries(), self.marks.everywhere(), self._troubled(span, now)
        )
        chosen = [registry] if registry else list(names[:MOST_REGISTRIES])
        marks = await self._marks(chosen, everywhere)
        senders = dict(sorted(days.items(), key=lambda one: one[1], reverse=True)[: SENDERS * max(len(chosen), 1)])
        reads = max(1, min(READS, MOST_REQUESTS - 5 - len(senders)))
        found, logged = await asyncio.gather(
            asyncio.gather(*(self._registry(name, span, marks[name], reads) for name in chosen)),
            asyncio.gather(*(self.deliveries.read(sender, day, limit=DELIVERIES) for sender, day in senders.items())),
        )
        if not span.is_live:
            return OverviewOf(names=names, registries=found, alerts=())
        with_alerts = [replace(one, alerts=_alerts(one, now)) for one in found]
        delivered = [delivery for page in logged for delivery in page.deliveries]
        opened = [*alerts.refused_deliveries(delivered, now), *(alert for one in with_alerts for alert in one.alerts)]
        return OverviewOf(names=names, registries=with_alerts, alerts=alerts.in_order(opened))

    async def _troubled(self, span: Span, now: Instant) -> dict[str, str]:
        """For each sender the newest day on which a delivery failed or was rejected, if that is today or yesterday."""
        if not span.is_live:
            return {}
        logged = await self.deliveries.days(since=now.plus(-_DAY).day)
        return {one.sender: one.day for one in reversed(logged.days) if one.troubled}

    async def _marks(
        self, names: Sequence[str], everywhere: Mapping[str, Sequence[Mark]] | None
    ) -> Mapping[str, Sequence[Mark]]:
        if everywhere is not None:
            return {name: everywhere.get(name, ()) for name in names}
        found = await asyncio.gather(*(self.marks.pending(name, limit=1000) for name in names))
        return dict(zip(names, found, strict=True))

    async def _registry(self, registry: str, span: Span, marks: Sequence[Mark], reads: int) -> RegistryOverview:
        rebuilding = any(mark.slot == REBUILD for mark in marks)
        hours = {mark.slot[: len("YYYY-MM-DDTHH")] for mark in marks}
        if marks and not rebuilding and len(hours) <= FOLDED_AT_ONCE:
            with suppress(StorageUnavailableError):  # it took too long; a store that does not answer is noticed below
                await self.summarize.bring_up_to_date(registry)
                marks = ()
        until = None if span.is_live else span.until
        counted, deletions = await asyncio.gather(
            self.activity.page(registry, span.grain, _ALL, since=span.since, until=span.until, breakdown=True),
            self.lists.deletions(registry, since=None if span.is_live else span.since, until=until, limit=DELETIONS),
        )
        stretch = await self._newest(registry, span, counted.items, marks, reads)
        events = [item.value for item in stretch.items]
        found = find(events, time_behind(stretch.edge))
        final = list(takewhile(lambda one: one.final, found))
        return RegistryOverview(
            registry=registry,
            periods=counted.items,
            events=events,
            pushes=[one.push for one in (final or found)],
            deletions=deletions.items,
            backlog=len(marks) - rebuilding,
            rebuilding=rebuilding,
            usual_pause=alerts.usual_pause([period.period for period in counted.items], span.grain),
        )

    async def _newest(
        self, registry: str, span: Span, periods: Sequence[Period], marks: Sequence[Mark], reads: int
    ) -> Stretch[RecordedEvent]:
        """The newest events of a span; of a live one those before it, if there are none in it."""
        since, until = (None, None) if span.is_live else (span.since, span.until)
        slots = {mark.slot[: len("YYYY-MM-DD")] for mark in marks if mark.slot != REBUILD}
        days = sorted({period.period[: len("YYYY-MM-DD")] for period in periods} | slots, reverse=True)
        source: JournalSource
        if days or not span.is_live:
            then = (date.fromisoformat(days[-1]) - _DAY).isoformat() if days and span.is_live else None
            source = _KnownDays(
                journal=self.journal, registry=registry, since=since, until=until, names=days, then=then
            )
        else:
            source = JournalSource(journal=self.journal, registry=registry, since=None, until=None)
            reads = max(reads - 1, 1)
        plan: Plan[RecordedEvent] = Plan(is_enough=_is_enough, size=EVENTS, first=FIRST_EVENTS, reads=reads)
        return await newest([source], None, plan)


def _is_enough(stretch: Stretch[RecordedEvent]) -> bool:
    found = find((item.value for item in stretch.items), time_behind(stretch.edge))
    return len(list(takewhile(lambda one: one.final, found))) >= ROWS


def _alerts(one: RegistryOverview, now: Instant) -> list[Alert]:
    lags = merge_lags(period.lags for period in one.periods if period.period >= now.plus(-_DAY).day)
    return [
        *alerts.silence(one.registry, one.last_event_at, one.usual_pause, now),
        *alerts.quiet_channels(one.registry, one.events),
        *alerts.backlog(one.registry, one.backlog, rebuilding=one.rebuilding),
        *alerts.guarded_deletes(one.registry, one.deletions, now),
        *alerts.missing_replicas(one.registry, one.pushes, expected_regions(lags, {}), now),
    ]
