"""How much happened: counts of events for each repository and period. Pure folds over events.

Periods are named as the beginning of an RFC 3339 time in UTC, so that a period's name begins with the name of the
longer period that it lies in: the slot `2026-01-31T12:05`, the hour `2026-01-31T12`, the day `2026-01-31`.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Final, Literal

from registrail.events import RegistryEvent

Grain = Literal["slot", "hour", "day"]
GRAINS: Final[tuple[Grain, ...]] = ("slot", "hour", "day")

_METRICS: Final = {
    "push": "pushes",
    "delete": "deletes",
    "quarantine": "quarantines",
    "chart_push": "chart_pushes",
    "chart_delete": "chart_deletes",
    "pull": "pulls",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Events of one repository in one period; all others are parts of `events`.

    `others` are blobs (which only the open-source registry reports, and only if they are kept) and actions that have
    no column of their own.
    """

    events: int = 0
    pushes: int = 0
    deletes: int = 0
    quarantines: int = 0
    chart_pushes: int = 0
    chart_deletes: int = 0
    pulls: int = 0
    others: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(**{name: getattr(self, name) + getattr(other, name) for name in METRICS})


METRICS: Final = tuple(field.name for field in fields(Counts))
NOTHING: Final = Counts()

Breakdown = Mapping[str, Counts]
"""Counts for each repository."""


def tally(events: Iterable[RegistryEvent]) -> Breakdown:
    """Count events."""
    found: dict[str, Counter[str]] = {}
    for event in events:
        metric = "others" if event.concerns_blob else _METRICS.get(event.action, "others")
        found.setdefault(event.repository, Counter()).update(("events", metric))
    return {repository: Counts(**counts) for repository, counts in found.items()}


def merge(breakdowns: Iterable[Breakdown]) -> Breakdown:
    """Add up the breakdowns of shorter periods."""
    merged: dict[str, Counts] = {}
    for breakdown in breakdowns:
        for repository, counts in breakdown.items():
            merged[repository] = merged.get(repository, NOTHING) + counts
    return merged


def total(breakdown: Breakdown) -> Counts:
    """The sum over all repositories."""
    return sum(breakdown.values(), NOTHING)
