"""What should be stored: all events of a journal, traced in their order, at once and undisturbed, and counted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from registrail.activity import GRAINS, Breakdown, Counts, Effect, Subject, merge, tally
from registrail.events import RecordedEvent
from registrail.storage import keys
from registrail.storage.activity import EntityActivity
from registrail.storage.history import TABLE, EntityHistory
from registrail.storage.marks import EntityMarks
from registrail.storage.sqlite import SqliteStore
from registrail.storage.store import EntityStore, Properties, scan_all
from registrail.timeline import time_of
from registrail.trace import Trace

HistoryRows = Mapping[str, Properties]
"""All rows of one registry's history by their keys."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Projections:
    """What is worked out from the events of a registry.

    Attributes:
        periods: of each slot, hour and day.
        subjects: of each hour and day and whoever is counted apart in it.
        history: its rows.
    """

    periods: Mapping[str, Breakdown]
    subjects: Mapping[tuple[str, Subject], Counts]
    history: HistoryRows


async def retraced(registry: str, events: Sequence[RecordedEvent]) -> Projections:
    """The projections as they should be."""
    history, effects = await retrace(registry, events)
    slots: dict[str, list[RecordedEvent]] = {}
    for event in events:
        slots.setdefault(time_of(event.id).minute, []).append(event)
    counted = {slot: tally(of_slot, effects) for slot, of_slot in slots.items()}
    longer: dict[str, list[Breakdown]] = {}
    for slot, found in counted.items():
        for length in (len("YYYY-MM-DD"), len("YYYY-MM-DDTHH")):
            longer.setdefault(slot[:length], []).append(found)
    sums = {period: merge(found) for period, found in longer.items()}
    subjects = {(period, subject): counts for period, found in sums.items() for subject, counts in found.counts.items()}
    return Projections(periods={**counted, **sums}, subjects=subjects, history=history)


async def retrace(registry: str, events: Sequence[RecordedEvent]) -> tuple[HistoryRows, Mapping[str, Effect]]:
    """The rows of the history of a registry, and what each event did."""
    store = SqliteStore(":memory:")
    marks = EntityMarks(store)
    effects = await Trace(history=EntityHistory(store), marks=marks).apply(registry, events)
    assert not await marks.pending(registry), "events that come in order correct nothing"
    return await history_rows(store, registry), effects


async def history_rows(store: EntityStore, registry: str) -> HistoryRows:
    """The rows of a registry's history."""
    return {entity.row: entity.properties for entity in await scan_all(store, TABLE, keys.encode(registry))}


async def stored(store: EntityStore, registry: str) -> Projections:
    """The projections as they are."""
    activity = EntityActivity(store)
    periods: dict[str, Breakdown] = {}
    subjects: dict[tuple[str, Subject], Counts] = {}
    for grain in GRAINS:
        found = await activity.periods(registry, grain, breakdown=True)
        periods |= {period.period: period.breakdown for period in found if period.breakdown}
        if grain == "slot":
            continue
        for subject in {subject for period in found if period.breakdown for subject in period.breakdown.counts}:
            dimension, name = subject
            asked = {dimension: name}
            for one in await activity.periods(
                registry,
                grain,
                repository=asked.get("repository"),
                actor=asked.get("actor"),
                client=asked.get("client"),
            ):
                subjects[one.period, subject] = one.counts
    return Projections(periods=periods, subjects=subjects, history=await history_rows(store, registry))
