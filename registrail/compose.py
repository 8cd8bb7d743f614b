"""Putting the use cases on top of a store."""

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from registrail.expire import Expire
from registrail.ingest import Ingest
from registrail.instants import Instant
from registrail.ports import Clock
from registrail.query import Query
from registrail.senders import senders
from registrail.settings import Settings
from registrail.storage.activity import EntityActivity
from registrail.storage.catalog import Catalog
from registrail.storage.deliveries import EntityDeliveries, delivery_id
from registrail.storage.journal import EntityJournal
from registrail.storage.marks import EntityMarks
from registrail.storage.store import EntityStore
from registrail.summarize import Summarize


@dataclass(frozen=True, slots=True, kw_only=True)
class UseCases:
    """Everything that Registrail does."""

    ingest: Ingest
    summarize: Summarize
    query: Query
    expire: Expire


def system_clock() -> Instant:
    """Now, by this machine."""
    return Instant.from_datetime(datetime.now(UTC))


def use_cases(store: EntityStore, settings: Settings, clock: Clock = system_clock) -> UseCases:
    """Build the use cases. No I/O."""
    catalog = Catalog(store)
    journal = EntityJournal(store, catalog)
    marks = EntityMarks(store)
    activity = EntityActivity(store)
    deliveries = EntityDeliveries(store, catalog)
    summarize = Summarize(journal=journal, marks=marks, activity=activity, clock=clock)
    ingest = Ingest(
        senders=senders(keep_pulls=settings.keep_pulls, keep_blobs=settings.keep_blobs),
        journal=journal,
        marks=marks,
        deliveries=deliveries,
        clock=clock,
        new_id=lambda sender, received_at: delivery_id(sender, received_at, uuid.uuid4().hex[:12]),
        max_body_bytes=settings.max_body_bytes,
    )
    query = Query(
        journal=journal,
        marks=marks,
        activity=activity,
        deliveries=deliveries,
        summarize=summarize,
        clock=clock,
    )
    expire = Expire(
        journal=journal,
        activity=activity,
        deliveries=deliveries,
        clock=clock,
        keep_deliveries=timedelta(days=settings.keep_deliveries_days),
        keep_events=timedelta(days=settings.keep_events_days) if settings.keep_events_days else None,
    )
    return UseCases(ingest=ingest, summarize=summarize, query=query, expire=expire)
