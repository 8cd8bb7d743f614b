"""Counts of activity and lags of replicas, exact as of the call."""

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from registrail.activity import Counts, Dimension, Grain
from registrail.errors import InvalidParameterError
from registrail.instants import TICKS_PER_SECOND, Instant
from registrail.ports import Journal, Listed
from registrail.projections import Activity, Asked, Period
from registrail.replicas import LagHistogram, expected_regions
from registrail.summarize import Summarize

ALL: Final = Asked()

_PERIOD: Final = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}(:[0-9]{2})?)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivityFilter:
    """Which counts.

    Attributes:
        registry: None is all, each for itself.
        asked: whose.
        by: one item for each of these in each period, in place of one for all.
    """

    grain: Grain = "hour"
    registry: str | None = None
    asked: Asked = ALL
    by: Dimension | None = None
    since: Instant | None = None
    until: Instant | None = None


@dataclass(frozen=True, slots=True)
class ActivityList:
    """One page, oldest first; `next` is the cursor of the next page, None at the end."""

    items: Sequence[Period]
    next: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DayLag:
    """How a region did on a day. Lags are in seconds, None if it reported nothing."""

    registry: str
    day: str
    region: str
    pushes: int
    p50: float | None
    p95: float | None
    longest: float | None
    missing: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Where counts come from."""

    journal: Journal
    activity: Activity
    summarize: Summarize

    async def page(self, wanted: ActivityFilter, *, limit: int, cursor: str | None = None) -> ActivityList:
        """Counts of at least `limit` periods, if there are as many; those of one period are never torn apart.

        Raises:
            InvalidParameterError: the cursor is not one that this method gave.
        """
        if cursor is not None and not _PERIOD.fullmatch(cursor):
            raise InvalidParameterError("cursor", "is not one that this list gave as its next")
        registries = [wanted.registry] if wanted.registry else await self.journal.registries()
        pages = await asyncio.gather(*(self._page(name, wanted, limit, cursor or "") for name in registries))
        edge = min((page.after for page in pages if page.after is not None), default=None)
        periods = [period for page in pages for period in page.items if edge is None or period.period <= edge]
        found = sorted(periods, key=lambda period: (period.period, period.registry))
        if wanted.by:
            found = [one for period in found for one in _divided(period, wanted.by)]
        return ActivityList(found, edge)

    async def _page(self, registry: str, wanted: ActivityFilter, limit: int, after: str) -> Listed[Period]:
        await self.summarize.bring_up_to_date(registry)
        return await self.activity.page(
            registry,
            wanted.grain,
            wanted.asked,
            since=wanted.since,
            until=wanted.until,
            after=after,
            limit=limit,
            breakdown=wanted.by is not None,
        )

    async def lags(self, registry: str | None, since: Instant, until: Instant) -> Sequence[DayLag]:
        """How each region did on each day, oldest first."""
        registries = [registry] if registry else await self.journal.registries()
        found = await asyncio.gather(*(self._lags(name, since, until) for name in registries))
        return sorted(
            (one for of_registry in found for one in of_registry), key=lambda one: (one.day, one.region, one.registry)
        )

    async def _lags(self, registry: str, since: Instant, until: Instant) -> list[DayLag]:
        await self.summarize.bring_up_to_date(registry)
        day_before = since.plus(-timedelta(days=1))
        periods = await self.activity.periods(registry, "day", since=day_before, until=until, breakdown=True)
        by_day = {period.period: period for period in periods}
        return [
            one
            for period in periods
            if period.period >= since.day
            for one in _of_day(period, by_day.get(_day_before(period.period)))
        ]


def _divided(period: Period, by: Dimension) -> list[Period]:
    """A period for each repository, actor or client, the one with the most events first."""
    counts: Mapping[str, Counts] = period.breakdown.of(by) if period.breakdown else {}
    return [
        Period(period.registry, period.grain, period.period, (by, name), counts[name])
        for name in sorted(counts, key=lambda name: (-counts[name].events, name))
    ]


def _of_day(period: Period, before: Period | None) -> list[DayLag]:
    pushes = period.counts.pushes + period.counts.chart_pushes
    expected = expected_regions(period.lags, before.lags if before else {})
    return [
        DayLag(
            registry=period.registry,
            day=period.period,
            region=region,
            pushes=lags.count if lags else 0,
            p50=_seconds(lags, 0.5),
            p95=_seconds(lags, 0.95),
            longest=_seconds(lags, 1),
            missing=pushes - lags.count if lags else pushes,
        )
        for region in sorted(expected)
        for lags in (period.lags.get(region),)
    ]


def _seconds(lags: LagHistogram | None, p: float) -> float | None:
    return lags.quantile(p) / TICKS_PER_SECOND if lags else None


def _day_before(day: str) -> str:
    return (date.fromisoformat(day) - timedelta(days=1)).isoformat()
