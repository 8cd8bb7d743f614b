"""Putting the use cases on top of a store."""

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from registrail.expire import Expire, UnexpiredTrace
from registrail.ingest import Ingest
from registrail.instants import Instant
from registrail.ports import Clock, HistoryLists
from registrail.rebuild import Rebuild
from registrail.senders import senders
from registrail.settings import Settings
from registrail.storage import activity as activity_table
from registrail.storage import history as history_table
from registrail.storage.activity import EntityActivity
from registrail.storage.catalog import Catalog
from registrail.storage.deliveries import EntityDeliveries, delivery_id
from registrail.storage.erasing import EntityEraser
from registrail.storage.history import EntityHistory
from registrail.storage.history_lists import EntityHistoryLists
from registrail.storage.journal import EntityJournal
from registrail.storage.marks import EntityMarks
from registrail.storage.progress import EntityLimits, EntityProgress
from registrail.storage.store import EntityStore
from registrail.summarize import Summarize

if TYPE_CHECKING:
    from registrail.query import Query


@dataclass(frozen=True, kw_only=True)
class UseCases:
    """Everything that Registrail does."""

    ingest: Ingest
    summarize: Summarize
    expire: Expire
    rebuild: Rebuild
    lists: HistoryLists

    @cached_property
    def query(self) -> "Query":
        """Reading; imported when somebody first reads, because a webhook need not wait for it."""
        from registrail.query import Query  # noqa: PLC0415

        return Query(
            journal=self.ingest.journal,
            marks=self.ingest.marks,
            activity=self.summarize.activity,
            deliveries=self.ingest.deliveries,
            lists=self.lists,
            summarize=self.summarize,
            clock=self.ingest.clock,
        )


def system_clock() -> Instant:
    """Now, by this machine."""
    return Instant.from_datetime(datetime.now(UTC))


def use_cases(store: EntityStore, settings: Settings, clock: Clock = system_clock) -> UseCases:
    """Build the use cases. No I/O."""
    catalog = Catalog(store)
    journal = EntityJournal(store, catalog)
    marks = EntityMarks(store)
    activity = EntityActivity(store)
    history = EntityHistory(store)
    deliveries = EntityDeliveries(store, catalog)
    limits = EntityLimits(store)
    trace = UnexpiredTrace(history=history, marks=marks, limits=limits, clock=clock)
    summarize = Summarize(journal=journal, marks=marks, trace=trace, activity=activity, clock=clock)
    ingest = Ingest(
        senders=senders(keep_pulls=settings.keep_pulls, keep_blobs=settings.keep_blobs),
        journal=journal,
        marks=marks,
        deliveries=deliveries,
        clock=clock,
        new_id=lambda sender, received_at: delivery_id(sender, received_at, secrets.token_hex(6)),
        max_body_bytes=settings.max_body_bytes,
    )
    expire = Expire(
        journal=journal,
        activity=activity,
        history=history,
        deliveries=deliveries,
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
    return UseCases(ingest=ingest, summarize=summarize, expire=expire, rebuild=rebuild, lists=EntityHistoryLists(store))
