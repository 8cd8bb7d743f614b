"""Putting the use cases together that work with what was received: counting, the history, retention, rebuilds."""

from dataclasses import dataclass
from datetime import timedelta

from registrail.expire import Expire, UnexpiredTrace
from registrail.ingest import Ingest
from registrail.projections import HistoryLists
from registrail.rebuild import Rebuild
from registrail.settings import Settings
from registrail.storage import activity as activity_table
from registrail.storage import history as history_table
from registrail.storage.activity import EntityActivity
from registrail.storage.erasing import EntityEraser
from registrail.storage.history import EntityHistory
from registrail.storage.history_lists import EntityHistoryLists
from registrail.storage.progress import EntityLimits, EntityProgress
from registrail.storage.store import EntityStore
from registrail.summarize import Summarize


@dataclass(frozen=True, slots=True, kw_only=True)
class Derived:
    """The use cases."""

    summarize: Summarize
    expire: Expire
    rebuild: Rebuild
    lists: HistoryLists


def derived(store: EntityStore, settings: Settings, ingest: Ingest) -> Derived:
    """Build them on what receiving writes to. No I/O."""
    journal, marks, clock = ingest.journal, ingest.marks, ingest.clock
    activity = EntityActivity(store)
    history = EntityHistory(store)
    limits = EntityLimits(store)
    trace = UnexpiredTrace(history=history, marks=marks, limits=limits, clock=clock)
    summarize = Summarize(journal=journal, marks=marks, trace=trace, activity=activity, clock=clock)
    expire = Expire(
        journal=journal,
        activity=activity,
        history=history,
        deliveries=ingest.deliveries,
        limits=limits,
        fold=summarize.bring_up_to_date,
        clock=clock,
        keep_deliveries=timedelta(days=settings.keep_deliveries_days),
        keep_events=timedelta(days=settings.keep_events_days) if settings.keep_events_days else None,
    )
    rebuild = Rebuild(
        journal=journal,
        marks=marks,
        history=EntityEraser(store, history_table.TABLE),
        activity=EntityEraser(store, activity_table.TABLE),
        progress=EntityProgress(store),
        limits=limits,
        summarize=summarize,
        clock=clock,
    )
    return Derived(summarize=summarize, expire=expire, rebuild=rebuild, lists=EntityHistoryLists(store))
