"""Lists of pushes with the regions of a geo-replicated registry in which they are known."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from registrail.events import RecordedEvent
from registrail.instants import Instant
from registrail.projections import Activity
from registrail.query.pages import REQUESTS
from registrail.query.pushes import Pushes, PushFilter
from registrail.replicas import Lags, expected_regions, lags_of, missing_regions
from registrail.summarize import Summarize

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Replication:
    """The event that completed a push, the lag of each region that reported it, and the regions that did not.

    Attributes:
        lags: in units of 100 ns.
    """

    recorded: RecordedEvent
    lags: Mapping[str, int]
    missing: Sequence[str]


@dataclass(frozen=True, slots=True)
class ReplicationList:
    """One page; `next` is the cursor of the next page, None at the end."""

    items: Sequence[Replication]
    next: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Replicas:
    """Where they come from."""

    pushes: Pushes
    activity: Activity
    summarize: Summarize

    async def page(self, wanted: PushFilter, *, limit: int, cursor: str | None = None) -> ReplicationList:
        """One page, newest first, of the pushes for which a region is expected.

        Raises:
            InvalidParameterError: the cursor is not one that this method gave.
        """
        # Half of the requests are left for the counts: of marks, and of as many stretches of days as can be read.
        page = await self.pushes.page(wanted, limit=limit, cursor=cursor, requests=REQUESTS // 2)
        days: dict[str, set[date]] = {}
        for push in page.items:
            days.setdefault(push.event.event.registry, set()).add(date.fromisoformat(push.at.day))
        expected = await asyncio.gather(*(self._expected(registry, found) for registry, found in days.items()))
        of_registry = dict(zip(days, expected, strict=True))
        items: list[Replication] = []
        for push in page.items:
            regions = of_registry[push.event.event.registry][date.fromisoformat(push.at.day)]
            if regions:
                missing = sorted(missing_regions(push.event, regions))
                items.append(Replication(push.event, dict(sorted(lags_of(push.event).items())), missing))
        return ReplicationList(items, page.next)

    async def _expected(self, registry: str, days: set[date]) -> Mapping[date, frozenset[str]]:
        """The regions that are expected on each of some days."""
        await self.summarize.bring_up_to_date(registry)
        lags: dict[str, Lags] = {}
        for first, last in _runs(sorted({day - _DAY for day in days} | days)):
            periods = await self.activity.periods(
                registry, "day", since=_midnight(first), until=_midnight(last + _DAY), breakdown=True
            )
            lags.update({period.period: period.lags for period in periods})
        return {
            day: expected_regions(lags.get(day.isoformat(), {}), lags.get((day - _DAY).isoformat(), {})) for day in days
        }


def _runs(days: Sequence[date]) -> list[tuple[date, date]]:
    """Join days that follow each other."""
    runs: list[tuple[date, date]] = []
    for day in days:
        if runs and day - runs[-1][1] == _DAY:
            runs[-1] = (runs[-1][0], day)
        else:
            runs.append((day, day))
    return runs


def _midnight(day: date) -> Instant:
    return Instant.parse(f"{day}T00:00:00Z")
