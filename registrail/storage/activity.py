"""Counts: table `activity`.

A registry's counts lie in one partition. The row of *all* in a period (`*`) carries the breakdown by repository, actor
and client, and the lags of regions; from it the longer period is summed up. Hours and days also have a row for each
repository, actor and client, for charts and for people who query the table; nothing is ever worked out from these.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import date, timedelta
from itertools import groupby
from typing import Final, cast

from registrail.activity import EMPTY, Breakdown, Counts, Grain, Subject, add, merge, monday, sunday
from registrail.errors import ConflictError
from registrail.instants import Instant
from registrail.ports import Listed
from registrail.projections import Account, Asked, Period
from registrail.storage import activity_rows as rows
from registrail.storage import keys
from registrail.storage.activity_plan import plan
from registrail.storage.store import (
    MOST_OPERATIONS,
    Delete,
    Entity,
    EntityStore,
    Insert,
    Merge,
    Operation,
    Replace,
    delete_range,
    scan_all,
)

TABLE: Final = "activity"
_DAYS_OF_A_WEEK: Final = 7
_AFTER_ALL: Final = ";"
"""Comes after digits and `:`, so that a prefix and this end the range of periods that begin with the prefix."""


class EntityActivity:
    """Activity in an EntityStore."""

    def __init__(self, store: EntityStore) -> None:
        self._store = store

    async def open_account(self, registry: str, day: str, hours: Collection[str]) -> Account:
        """Read a day, its hours, and the slots from the first to the last of some hours: three requests, or four.

        The day is read first, and every commit to any of its rows replaces its version. So a writer who comes after our
        reading of the day is noticed when we write, and one who came before has written the hours and slots that we are
        yet to read. The same holds for one who comes between two readings.
        """
        partition = keys.encode(registry)
        whole = await self._store.get(TABLE, partition, rows.row("day", None, day))
        of_hours = await self._range(partition, "hour", None, f"{day}T", f"{day}T{_AFTER_ALL}")
        of_slots: list[Entity] = []
        if hours:
            of_slots = await self._range(partition, "slot", None, f"{min(hours)}:", f"{max(hours)}:{_AFTER_ALL}")
        after = str(whole.properties.get("due_after", rows.SETTLED)) if whole else rows.SETTLED
        return Account(
            date=day,
            covers=frozenset(hours),
            slots={
                _period(entity): rows.breakdown(entity.properties)
                for entity in of_slots
                if _period(entity)[: rows.LENGTHS["hour"]] in hours
            },
            hours={_period(entity): rows.breakdown(entity.properties) for entity in of_hours},
            day=rows.breakdown(whole.properties) if whole else EMPTY,
            version=whole.version if whole else None,
            due=frozenset(_due([*of_hours, *([whole] if whole else [])], after)),
        )

    async def write_account(self, registry: str, opened: Account, slots: Mapping[str, Breakdown], now: Instant) -> None:
        """Replace slots, their hours and their day as `activity_plan` says, each commit checked against the one before.

        Of the rows only the day's has its version checked: whoever writes any of the others writes it too.
        """
        day_row = rows.row("day", None, opened.date)
        version = opened.version
        for step in plan(registry, opened, slots, now):
            day: Operation
            if version is None:
                day = Insert(day_row, step.day)
            else:
                day = (Replace if step.is_whole else Merge)(day_row, step.day, version)
            written = await self._store.commit(TABLE, keys.encode(registry), [day, *step.operations])
            version = cast("str", written[0])

    async def periods(  # noqa: PLR0913 - as in the port
        self,
        registry: str,
        grain: Grain,
        *,
        repository: str | None = None,
        actor: str | None = None,
        client: str | None = None,
        under: str | None = None,
        since: Instant | None = None,
        until: Instant | None = None,
        breakdown: bool = False,
    ) -> Sequence[Period]:
        """One series, a page at a time."""
        asked = Asked(repository=repository, actor=actor, client=client, under=under)
        found: list[Period] = []
        after: str | None = ""
        while after is not None:
            page = await self.page(registry, grain, asked, since=since, until=until, after=after, breakdown=breakdown)
            found += page.items
            after = page.after
        return found

    async def days(
        self, registry: str, repository: str, *, since: Instant | None = None, until: Instant | None = None
    ) -> Sequence[str]:
        """One range, of which only the numbers of events are read."""
        start, stop = (rows.row("day", ("repository", repository), end) for end in _ends("day", since, until))
        partition, found = keys.encode(registry), list[str]()
        after: str | None = None
        while True:
            page = await self._store.scan(TABLE, partition, start=start, stop=stop, after=after, select=[rows.EVENTS])
            found += [_period(entity) for entity in page.entities if entity.properties.get(rows.EVENTS)]
            after = page.after
            if after is None:
                return found

    async def page(  # noqa: PLR0913 - as in the port
        self,
        registry: str,
        grain: Grain,
        asked: Asked,
        *,
        since: Instant | None = None,
        until: Instant | None = None,
        after: str = "",
        limit: int = 1000,
        breakdown: bool = False,
    ) -> Listed[Period]:
        """A part of a series: of one subject from its own rows, where it has some, else from the rows of all."""
        stored: Grain = "day" if grain == "week" else grain
        subject = asked.subject
        own = subject if asked.under is None and grain != "slot" else None
        start, stop = _ends(grain, since, until)
        first, last = (rows.row(stored, own, end) for end in (start, stop))
        behind = rows.row(stored, own, after) if after else None
        wanted = limit * _DAYS_OF_A_WEEK if grain == "week" else limit
        found = await self._store.scan(
            TABLE, keys.encode(registry), start=first, stop=last, after=behind, limit=min(wanted, 1000)
        )
        periods: list[Period] = []
        for entity in found.entities:
            counts, whole = rows.counts(entity.properties), None
            if subject and own is None:
                counts = _counts_of(asked, rows.breakdown(entity.properties))
            elif subject is None and breakdown:
                whole = rows.breakdown(entity.properties)
            if counts.events:
                periods.append(Period(registry, stored, _period(entity), subject, counts, whole))
        further = _period(found.entities[-1]) if found.after else None
        if grain != "week":
            return Listed(periods, further)
        if further is None:
            return Listed(_weeks(periods), None)
        # The last week may go on beyond this page: it is left to the next one.
        begun = monday(further)
        whole_weeks = [period for period in periods if period.period < begun]
        return Listed(_weeks(whole_weeks), (date.fromisoformat(begun) - timedelta(days=1)).isoformat())

    async def breakdown_of(
        self, registry: str, *, grain: Grain = "day", since: Instant | None = None, until: Instant | None = None
    ) -> Breakdown:
        """Add up the breakdowns of a series."""
        periods = await self.periods(registry, grain, since=since, until=until, breakdown=True)
        return merge(period.breakdown for period in periods if period.breakdown)

    async def forget(self, registry: str, day: str) -> None:
        """Delete the rows of a day: first of the subjects that its rows of all name, then those, the day's at last.

        Safe to repeat, and to do twice at once.
        """
        partition = keys.encode(registry)
        whole = await self._store.get(TABLE, partition, rows.row("day", None, day))
        of_hours = await self._range(partition, "hour", None, day, f"{day}~")
        singles = sorted(
            rows.row(rows.grain_of(_period(entity)), subject, _period(entity))
            for entity in [*of_hours, *([whole] if whole else [])]
            for subject in rows.breakdown(entity.properties).counts.keys() | rows.flagged(entity.properties)
        )
        for start in range(0, len(singles), MOST_OPERATIONS):
            await self._delete(partition, singles[start : start + MOST_OPERATIONS])
        for grain in rows.LENGTHS:
            start_row = rows.row(grain, None, day)
            await delete_range(self._store, TABLE, partition, start=start_row, stop=f"{start_row}~")

    async def erase(self, registry: str) -> bool:
        """Delete all rows of a registry."""
        return await delete_range(self._store, TABLE, keys.encode(registry))

    async def _delete(self, partition: str, singles: Sequence[str]) -> None:
        """Delete rows, some of which may be gone: an empty row that is written first is certainly there."""
        with suppress(ConflictError):
            await self._store.commit(TABLE, partition, [Delete(row) for row in singles])
            return
        await self._store.commit(TABLE, partition, [Replace(row, {}) for row in singles])
        with suppress(ConflictError):  # somebody else forgets the same day
            await self._store.commit(TABLE, partition, [Delete(row) for row in singles])

    async def _range(
        self, partition: str, grain: Grain, subject: Subject | None, start: str, stop: str
    ) -> list[Entity]:
        first, last = (rows.row(grain, subject, end) for end in (start, stop))
        return await scan_all(self._store, TABLE, partition, start=first, stop=last)


def _counts_of(asked: Asked, whole: Breakdown) -> Counts:
    """The counts of what is asked for, from a row of all."""
    if asked.under is not None:
        return whole.under(asked.under)
    return add(filter(None, [whole.counts.get(cast("Subject", asked.subject))]))


def _due(sums: Sequence[Entity], after: str) -> Iterator[tuple[str, Subject]]:
    """The subjects whose own rows are left to be written: flagged, and beyond the last one that was written."""
    if after == rows.SETTLED:
        return
    for entity in sums:
        period = _period(entity)
        for subject in rows.flagged(entity.properties):
            if rows.row(rows.grain_of(period), subject, period) > after:
                yield period, subject


def _ends(grain: Grain, since: Instant | None, until: Instant | None) -> tuple[str, str]:
    """The names between which periods lie, the second one excluded."""
    last = Instant(max(until.ticks - 1, 0)) if until else None
    if grain == "week":
        return monday(since.day) if since else "", f"{sunday(last.day)}{_AFTER_ALL}" if last else _AFTER_ALL
    return since.isoformat()[: rows.LENGTHS[grain]] if since else "", last.isoformat() if last else _AFTER_ALL


def _weeks(days: Sequence[Period]) -> list[Period]:
    weeks: list[Period] = []
    for name, of_week in groupby(days, key=lambda day: monday(day.period)):
        found = list(of_week)
        breakdowns = [day.breakdown for day in found if day.breakdown]
        counts = add(day.counts for day in found)
        weeks.append(
            Period(found[0].registry, "week", name, found[0].subject, counts, merge(breakdowns) if breakdowns else None)
        )
    return weeks


def _period(entity: Entity) -> str:
    return entity.row.rpartition("~")[2]
