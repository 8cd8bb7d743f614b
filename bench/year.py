"""A made-up year of a busy registry, as it arrives: `told = year(seed=7)`.

The same arguments give the same year. Work is done by day from Monday to Friday, and most of it in a few repositories.
What happens is in `bench.scenes` and `bench.removals`; this module tells it, most of it at once, some late or twice.
"""

import math
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import accumulate
from typing import Final, NamedTuple

from bench import removals, scenes
from bench.stage import Happening, Stage
from registrail.events import Arrival, RegistryEvent
from registrail.instants import TICKS_PER_SECOND, Instant

BEGIN: Final = Instant.parse("2025-01-01T00:00:00Z")
REGISTRY: Final = "busy.example"
REGIONS: Final = ("westeurope", "eastus", "southeastasia")

_LATE: Final = 0.03
"""How many reports come a minute to three weeks late."""
_TWICE: Final = 0.02
"""How many events are reported once more."""
_RETIMED: Final = 0.005
"""How many events a second channel reports with a slightly different time."""
_LOST: Final = 0.02
"""How many events a region does not report."""
_THREE_WEEKS: Final = 21 * 86_400
_HOUR: Final = 3600 * TICKS_PER_SECOND


SCENES: Final[dict[Callable[[Stage], None], float]] = {
    scenes.commit: 40,
    scenes.several_platforms: 14,
    scenes.with_layers: 1.5,
    scenes.pushed_again: 3,
    scenes.retag: 6,
    scenes.release: 4,
    scenes.promotion: 5,
    scenes.rollback: 2,
    scenes.photo_finish: 0.3,
    scenes.signature: 6,
    removals.untag: 3,
    removals.delete_image: 3,
    removals.delete_image_and_tags: 2,
    removals.delete_repository: 0.03,
    removals.purge: 0.4,
    scenes.quarantine: 2,
    scenes.undated: 0.1,
    scenes.without_digest: 0.2,
    scenes.pull: 1.5,
    scenes.chart: 2,
}
"""Each with how often it happens, relative to the others."""


class Told(NamedTuple):
    """One report of one event, and how it arrived."""

    event: RegistryEvent
    arrival: Arrival


def year(  # noqa: PLR0913 - what a year may differ in
    *,
    events: int = 200_000,
    repositories: int = 50,
    seed: int = 1,
    begin: Instant = BEGIN,
    days: int = 365,
    registry: str = REGISTRY,
    regions: Sequence[str] = (),
) -> list[Told]:
    """Every report, in the order in which they arrive.

    Args:
        events: how many different events (ids) there are; the reports are more.
        repositories: how many there may be; the first are the busiest.
        seed: of everything.
        begin: when it begins, best at midnight.
        days: how long it lasts.
        registry: its name.
        regions: if there are any, each reports every push and delete, the first at once.
    """
    rng = random.Random(seed)  # noqa: S311 - a simulation, which should repeat
    stage = Stage(rng, registry, repositories)
    telling = _Telling(rng, regions)
    calendar = _Calendar(begin, days)
    plays, weights = list(SCENES), list(accumulate(SCENES.values()))
    told: list[Told] = []
    happened = 0
    while happened < events:
        stage.ticks = calendar.moment(happened / events) + rng.randrange(_HOUR // 6)
        rng.choices(plays, cum_weights=weights)[0](stage)
        for happening in stage.noted[: events - happened]:
            told += telling.reports(happening)
            happened += 1
            if happened < events and rng.random() < _RETIMED:
                told += telling.retimed(happening)
                happened += happening.event.occurred_at is not None
            if happened == events:
                break
        stage.noted.clear()
    return sorted(told, key=lambda report: report.arrival.received_at.ticks)


class _Calendar:
    """Spreads work over hours."""

    def __init__(self, begin: Instant, days: int) -> None:
        self._begin = begin.ticks
        hours = (begin.plus(timedelta(hours=hour)).to_datetime() for hour in range(24 * days))
        self._done = list(accumulate(_busy(when.weekday(), when.hour) for when in hours))
        self._hour = 0

    def moment(self, share: float) -> int:
        """When a share of all work is done; shares never go back."""
        wanted = share * self._done[-1]
        while self._done[self._hour] < wanted:
            self._hour += 1
        before = self._done[self._hour - 1] if self._hour else 0.0
        part = (wanted - before) / (self._done[self._hour] - before)
        return self._begin + int((self._hour + part) * _HOUR)


def _busy(weekday: int, hour: int) -> float:
    if weekday >= 5:
        return 1.0
    return 12.0 if 7 <= hour < 18 else 2.0


class _Telling:
    """Makes reports of what happened."""

    def __init__(self, rng: random.Random, regions: Sequence[str]) -> None:
        self._rng = rng
        self._regions = regions

    def reports(self, happening: Happening) -> Iterator[Told]:
        """All reports of one event, first the one that nothing prevents."""
        event, ticks, sender = happening
        regional = bool(self._regions) and event.action in {"push", "delete"}
        if regional:
            event = replace(event, region=self._regions[0])
        yield self._report(event, ticks, sender)
        if self._rng.random() < _TWICE:
            again = replace(event, event_id=f"again-{event.event_id}")
            yield self._report(again, ticks + 5 * TICKS_PER_SECOND, self._rng.choice((sender, "eventgrid")))
        for region in self._regions[1:] if regional else ():
            if self._rng.random() >= _LOST:
                replica = replace(event, event_id=f"{region}-{event.event_id}", region=region)
                yield self._report(replica, ticks + int(self._rng.expovariate(0.2) * TICKS_PER_SECOND), sender)

    def retimed(self, happening: Happening) -> Iterator[Told]:
        """The same request, told by another channel that took another time for it."""
        event, ticks, _ = happening
        if event.occurred_at is not None:
            later = Instant(event.occurred_at.ticks + self._rng.randrange(1, 3 * TICKS_PER_SECOND))
            yield self._report(replace(event, occurred_at=later, event_id=f"grid-{event.event_id}"), ticks, "eventgrid")

    def _report(self, event: RegistryEvent, ticks: int, sender: str) -> Told:
        seconds = self._rng.uniform(0.05, 2.5)
        if self._rng.random() < _LATE:
            seconds = math.exp(self._rng.uniform(math.log(60), math.log(_THREE_WEEKS)))
        received_at = Instant(ticks + int(seconds * TICKS_PER_SECOND))
        delivery = f"{sender}~{received_at.inverted}~{self._rng.getrandbits(48):012x}"
        return Told(event, Arrival(sender=sender, delivery=delivery, received_at=received_at))
