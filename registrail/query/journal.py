"""The journal as a source of pages: which days to look at, and what they hold."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from registrail.events import RecordedEvent
from registrail.ingest import AHEAD, EARLIEST
from registrail.instants import Instant
from registrail.ports import REBUILD, Clock, Journal, Marks
from registrail.projections import Activity
from registrail.query.pages import MOST_AT_ONCE, UNDATED, Budget, Days

LATELY: Final = timedelta(days=60)
"""Where days of a repository are looked for first: all earlier ones are read where these are too few."""
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Pattern:
    """A name, or the beginning of names: `team/*`."""

    text: str

    @property
    def name(self) -> str | None:
        """The one name that it admits, or None if there may be several."""
        return None if self.text.endswith("*") else self.text

    def admits(self, name: str) -> bool:
        """Whether a name is one of these."""
        return name.startswith(self.text[:-1]) if self.text.endswith("*") else name == self.text


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalSource:
    """The events of one registry between two times; with `repository` only its own."""

    journal: Journal
    registry: str
    since: Instant | None
    until: Instant | None
    repository: str | None = None

    async def days(self, begin: str | None, budget: Budget) -> Days:
        """As the catalog has them: one request."""
        budget.spend()
        names = await self.journal.days(self.registry, self.since, self.until, begin=begin, limit=budget.reads + 1)
        return Days(names[: budget.reads], names[budget.reads] if len(names) > budget.reads else None)

    async def read(
        self, day: str, after: str | None, limit: int
    ) -> tuple[Sequence[tuple[str, RecordedEvent]], str | None]:
        """One request."""
        page = await self.journal.read(
            self.registry,
            day,
            since=self.since,
            until=self.until,
            after=after,
            limit=limit,
            repository=self.repository,
        )
        return [(recorded.id, recorded) for recorded in page.events], page.after


@dataclass(frozen=True, slots=True, kw_only=True)
class RepositorySource(JournalSource):
    """The same of one repository, without the days on which nothing happened in it.

    A day counts if the repository has counts on it, or if it has slots that await a fold. The marks are read first:
    what is folded meanwhile has counts by then.
    """

    repository: str
    marks: Marks
    activity: Activity
    clock: Clock

    async def days(self, begin: str | None, budget: Budget) -> Days:
        """As marks and counts have them: two requests, and another one where the repository rested for weeks."""
        undated = [UNDATED] if self.since is None and self.until is None else []
        if begin == UNDATED:
            return Days(undated)
        budget.spend()
        marks = await self.marks.pending(self.registry, limit=MOST_AT_ONCE)
        if len(marks) == MOST_AT_ONCE or any(mark.slot == REBUILD for mark in marks):
            return await JournalSource.days(self, begin, budget)
        await_fold = {mark.slot[: len("YYYY-MM-DD")] for mark in marks}
        newest = self.until or self.clock().plus(AHEAD + timedelta(days=1))
        last = date.fromisoformat(min(begin or newest.day, newest.day))
        oldest = date.fromisoformat(max(self.since or EARLIEST, EARLIEST).day)
        first = max(last - LATELY, oldest)
        names = await self._active(first, last, await_fold, budget)
        if first > oldest and len(names) >= budget.reads:
            return Days(names, (first - _DAY).isoformat())
        if first > oldest:
            names += await self._active(oldest, first - _DAY, await_fold, budget)
        return Days([*names, *undated])

    async def _active(self, first: date, last: date, await_fold: Collection[str], budget: Budget) -> list[str]:
        """The days of a range that count, newest first."""
        days = await self.activity.days(
            self.registry, self.repository, since=_midnight(first), until=_midnight(last, days=1)
        )
        budget.spend(len(days) // MOST_AT_ONCE + 1)
        awaiting = {day for day in await_fold if first.isoformat() <= day <= last.isoformat()}
        return sorted({*days} | awaiting, reverse=True)


def _midnight(day: date, days: int = 0) -> Instant:
    return Instant.parse(f"{day}T00:00:00Z").plus(timedelta(days=days))
