"""Retention: what is older than the limit is deleted, a day at a time, and never anything younger.

Days are deleted whole, so a day goes when its last moment is older than the limit. Each step is safe to repeat: whoever
is interrupted, or meets another one doing the same, goes on where things are.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from registrail.instants import Instant
from registrail.ports import Activity, Clock, DeliveryLog, Journal

_log = logging.getLogger("registrail.expire")


@dataclass(frozen=True, slots=True, kw_only=True)
class Expire:
    """The use case.

    Attributes:
        keep_deliveries: how long deliveries are kept.
        keep_events: how long events and their counts are kept; None is for ever. Events without a time stay.
    """

    journal: Journal
    activity: Activity
    deliveries: DeliveryLog
    clock: Clock
    keep_deliveries: timedelta
    keep_events: timedelta | None = None

    async def expire(self) -> int:
        """Delete what is too old; how many days of senders and registries that was."""
        now = self.clock()
        days = 0
        for sender, of_sender in (await self.deliveries.days()).items():
            for day in _over(of_sender, now, self.keep_deliveries):
                await self.deliveries.forget(sender, day)
                days += 1
        if self.keep_events is not None:
            for registry in await self.journal.registries():
                for day in _over(await self.journal.days(registry, None, None), now, self.keep_events):
                    await self.activity.forget(registry, day)
                    await self.journal.forget(registry, day)
                    days += 1
        _log.info("history expired", extra={"days": days})
        return days


def _over(days: Sequence[str], now: Instant, keep: timedelta) -> list[str]:
    """The days that lie wholly before the limit, oldest first."""
    limit = now.plus(-keep).day
    return sorted(day for day in days if day != "undated" and day < limit)
