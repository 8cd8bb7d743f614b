"""Putting the use cases on top of a store.

Receiving is put together at once; everything else is imported when somebody first asks for it, because the cold start
of a webhook need not wait for it.
"""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from registrail.ingest import Ingest
from registrail.instants import Instant
from registrail.ports import Clock
from registrail.senders import senders
from registrail.settings import Settings
from registrail.storage.catalog import Catalog
from registrail.storage.deliveries import EntityDeliveries, delivery_id
from registrail.storage.journal import EntityJournal
from registrail.storage.marks import EntityMarks
from registrail.storage.store import EntityStore

if TYPE_CHECKING:
    from registrail.derived import Derived
    from registrail.expire import Expire
    from registrail.projections import HistoryLists
    from registrail.query import Query
    from registrail.rebuild import Rebuild
    from registrail.summarize import Summarize


@dataclass(frozen=True, kw_only=True)
class UseCases:
    """Everything that Registrail does.

    Attributes:
        derive: makes what works with what was received.
    """

    ingest: Ingest
    derive: "Callable[[], Derived]"

    @cached_property
    def derived(self) -> "Derived":
        """What works with what was received."""
        return self.derive()

    @property
    def summarize(self) -> "Summarize":
        """Folding what is marked."""
        return self.derived.summarize

    @property
    def expire(self) -> "Expire":
        """Deleting what is too old."""
        return self.derived.expire

    @property
    def rebuild(self) -> "Rebuild":
        """Working everything out anew."""
        return self.derived.rebuild

    @property
    def lists(self) -> "HistoryLists":
        """The history as people read it."""
        return self.derived.lists

    @cached_property
    def query(self) -> "Query":
        """Reading."""
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
    return Instant.from_unix(time.time_ns())


def use_cases(store: EntityStore, settings: Settings, clock: Clock = system_clock) -> UseCases:
    """Build the use cases. No I/O."""
    catalog = Catalog(store)
    ids = random.Random()  # noqa: S311 - no secret; each process has a seed of its own
    ingest = Ingest(
        senders=senders(keep_pulls=settings.keep_pulls, keep_blobs=settings.keep_blobs),
        journal=EntityJournal(store, catalog),
        marks=EntityMarks(store),
        deliveries=EntityDeliveries(store, catalog),
        clock=clock,
        new_id=lambda sender, received_at: delivery_id(sender, received_at, f"{ids.getrandbits(48):012x}"),
        max_body_bytes=settings.max_body_bytes,
    )

    def derive() -> "Derived":
        from registrail.derived import derived  # noqa: PLC0415

        return derived(store, settings, ingest)

    return UseCases(ingest=ingest, derive=derive)
