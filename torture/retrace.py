"""The history as it should be: all events of a journal, traced in their order, at once and undisturbed."""

from collections.abc import Mapping, Sequence

from registrail.activity import Effect
from registrail.events import RecordedEvent
from registrail.storage import keys
from registrail.storage.history import TABLE, EntityHistory
from registrail.storage.marks import EntityMarks
from registrail.storage.sqlite import SqliteStore
from registrail.storage.store import EntityStore, Properties, scan_all
from registrail.trace import Trace

HistoryRows = Mapping[str, Properties]
"""All rows of one registry's history by their keys."""


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
