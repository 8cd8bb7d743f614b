"""How much happened: counts of events for each period, repository, actor and client. Pure folds over events.

Periods are named as the beginning of an RFC 3339 time in UTC, so that a period's name begins with the name of the
longer period that it lies in: the slot `2026-01-31T12:05`, the hour `2026-01-31T12`, the day `2026-01-31`. A week has
the name of its Monday.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import date, timedelta
from hashlib import blake2b
from operator import attrgetter
from typing import Any, Final, Literal, NamedTuple

from registrail.events import RecordedEvent, content_hash, oldest_first
from registrail.instants import TICKS_PER_MINUTE
from registrail.replicas import Lags, is_replicated, measure, merge_lags

Grain = Literal["slot", "hour", "day", "week"]
GRAINS: Final[tuple[Grain, ...]] = ("slot", "hour", "day")
"""Those that are stored; weeks are added up when somebody asks for them."""

_METRICS: Final = {
    "push": "pushes",
    "delete": "deletes",
    "quarantine": "quarantines",
    "chart_push": "chart_pushes",
    "chart_delete": "chart_deletes",
    "pull": "pulls",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What one event did to the history (`docs/history.md`)."""

    tags_created: int = 0
    tags_moved: int = 0
    tags_removed: int = 0
    images_first_seen: int = 0
    repositories_first_seen: int = 0


NO_EFFECT: Final = Effect()
EFFECTS: Final = tuple(field.name for field in fields(Effect))


class Counts(NamedTuple):
    """Events of one repository, actor or client in one period, and what they did to the history.

    `pushes` to `others` are parts of `events`. `others` are blobs (which only the open-source registry reports, and
    only if they are kept) and actions that have no column of their own.
    """

    events: int = 0
    pushes: int = 0
    deletes: int = 0
    quarantines: int = 0
    chart_pushes: int = 0
    chart_deletes: int = 0
    pulls: int = 0
    others: int = 0
    tags_created: int = 0
    tags_moved: int = 0
    tags_removed: int = 0
    images_first_seen: int = 0
    repositories_first_seen: int = 0


METRICS: Final = Counts._fields
"""Breakdowns are stored as lists in this order: new ones come last."""
NOTHING: Final = Counts()
_effects = attrgetter(*EFFECTS)


def add(counts: Iterable[Counts]) -> Counts:
    """The sum."""
    return Counts(*map(sum, zip(*counts, strict=True)))


def total(counts: Mapping[Any, Counts]) -> Counts:
    """The sum of counts that belong to something."""
    return add(counts.values())


Dimension = Literal["repository", "actor", "client"]
DIMENSIONS: Final[tuple[Dimension, ...]] = ("repository", "actor", "client")
Subject = tuple[Dimension, str]
"""What is counted apart: `("repository", "team/app")`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Breakdown:
    """What happened in a period.

    Attributes:
        counts: of each repository, actor and client; an event without an actor or client is in none of these.
        lags: of each region.
    """

    counts: Mapping[Subject, Counts] = field(default_factory=dict)
    lags: Lags = field(default_factory=dict)

    def of(self, dimension: Dimension) -> Mapping[str, Counts]:
        """By one dimension."""
        return {name: counts for (found, name), counts in self.counts.items() if found == dimension}

    def under(self, prefix: str) -> Counts:
        """The sum over the repositories whose names begin with `prefix`, such as `team/`."""
        return add(counts for name, counts in self.of("repository").items() if name.startswith(prefix))

    @property
    def total(self) -> Counts:
        """The sum over all repositories, so over all events."""
        return total(self.of("repository"))


EMPTY: Final = Breakdown()


@dataclass(slots=True)
class Tally:
    """Counts while events come in, oldest first, so that not all of them have to be in memory.

    What two channels timed differently counts once: of one content and request in one minute the earliest, which is in
    every region in which any of them was reported, since the first report.

    Attributes:
        counts: so far.
        seen: what was counted, by what is the same in both channels: its time, if it is told apart by regions.
        lags: of those, by region.
    """

    counts: dict[Subject, Counter[str]] = field(default_factory=dict)
    seen: dict[bytes, int | None] = field(default_factory=dict)
    lags: dict[bytes, dict[str, int]] = field(default_factory=dict)

    def add(self, events: Iterable[RecordedEvent], effects: Mapping[str, Effect]) -> None:
        """Count more events.

        Args:
            events: in any order, none earlier than those before.
            effects: what each event did, by its id; events without an entry did nothing.
        """
        for recorded in oldest_first(events):
            same = _same(recorded)
            if same not in self.seen:
                at = recorded.event.occurred_at
                self.seen[same] = at.ticks if at and is_replicated(recorded) else None
                self._count(recorded, effects.get(recorded.id, NO_EFFECT))
            if recorded.regions and (since := self.seen[same]) is not None:
                known = self.lags.setdefault(same, {})
                for region, told in recorded.regions.items():
                    lag = max(0, told.ticks - since)
                    known[region] = min(lag, known.get(region, lag))

    def _count(self, recorded: RecordedEvent, effect: Effect) -> None:
        event = recorded.event
        metric = "others" if event.concerns_blob else _METRICS.get(event.action, "others")
        columns = {"events": 1, metric: 1}
        if effect != NO_EFFECT:
            columns.update(zip(EFFECTS, _effects(effect), strict=True))
        for subject in _subjects(recorded):
            self.counts.setdefault(subject, Counter()).update(columns)

    @property
    def breakdown(self) -> Breakdown:
        """What was counted."""
        return Breakdown(
            counts={subject: Counts(**numbers) for subject, numbers in self.counts.items()},
            lags=measure(self.lags.values()),
        )


def tally(events: Iterable[RecordedEvent], effects: Mapping[str, Effect]) -> Breakdown:
    """Count events that are all there, in any order."""
    counted = Tally()
    counted.add(events, effects)
    return counted.breakdown


def _subjects(recorded: RecordedEvent) -> list[Subject]:
    event = recorded.event
    subjects: list[Subject] = [("repository", event.repository)]
    if event.actor:
        subjects.append(("actor", event.actor))
    if event.client:
        subjects.append(("client", event.client))
    return subjects


def _same(recorded: RecordedEvent) -> bytes:
    """16 bytes that only what two channels say of the same thing has in common."""
    event = recorded.event
    told: Sequence[object] = (recorded.id,)
    if event.request_id is not None:
        minute = event.occurred_at.ticks // TICKS_PER_MINUTE if event.occurred_at else None
        told = (content_hash(event), minute, event.request_id)
    return blake2b(repr(told).encode(), digest_size=16).digest()


def merge(breakdowns: Iterable[Breakdown]) -> Breakdown:
    """Add up the breakdowns of shorter periods."""
    parts = list(breakdowns)
    found: dict[Subject, list[Counts]] = {}
    for part in parts:
        for subject, counts in part.counts.items():
            found.setdefault(subject, []).append(counts)
    return Breakdown(
        counts={subject: counts[0] if len(counts) == 1 else add(counts) for subject, counts in found.items()},
        lags=merge_lags(part.lags for part in parts),
    )


def monday(day: str) -> str:
    """The name of the week that a day lies in."""
    found = date.fromisoformat(day)
    return (found - timedelta(days=found.weekday())).isoformat()


def sunday(day: str) -> str:
    """The last day of the week that a day lies in, as far as there are dates."""
    found = date.fromisoformat(day)
    return (found + min(timedelta(days=6 - found.weekday()), date.max - found)).isoformat()
