"""Reading a part of the journal oldest first, though it lies newest first, without all of it in memory."""

from collections.abc import AsyncIterator, Sequence
from typing import Final

from registrail.events import RecordedEvent
from registrail.instants import Instant
from registrail.ports import Journal

PAGE: Final = 500
"""Events that are read at once: a page is in memory three times while it is taken apart, and webhooks wait."""

MOST_EVENTS: Final = 2_500
"""That are in memory at once: some four megabytes."""


async def stretches(  # noqa: PLR0913, PLR0917 - a part of the journal has that many ends
    journal: Journal, registry: str, day: str, since: Instant, until: Instant, most: int = MOST_EVENTS
) -> AsyncIterator[Sequence[RecordedEvent]]:
    """The events of one day, `since` <= time < `until`, each stretch later than the one before, in any order in itself.

    Where there are more than `most`, time is cut into pieces that have fewer. What was read of a piece with too many
    tells how long the next one may be. Events of one instant stay together, however many they are. A caller that lets
    go of a stretch when it is done with it has only one in memory: the next one is read after that.
    """
    begin, end = since.ticks, until.ticks
    ticks = end - begin
    while begin < end:
        ticks = min(ticks, end - begin)
        found, oldest = await _read(journal, registry, day, Instant(begin), Instant(begin + ticks), most)
        if oldest is not None:
            found.clear()
            if ticks > 1:
                ticks = max(1, min((begin + ticks - oldest.ticks) * 3 // 4, ticks // 2))
                continue
            found, _ = await _read(journal, registry, day, Instant(begin), Instant(begin + ticks), None)
        begin += ticks
        if len(found) <= most // 2:
            ticks *= 2
        yield found
        del found


async def _read(  # noqa: PLR0913, PLR0917 - likewise
    journal: Journal, registry: str, day: str, since: Instant, until: Instant, most: int | None
) -> tuple[list[RecordedEvent], Instant | None]:
    """Events, newest first; if there are more than `most`, some of them, and the time of the oldest of these."""
    found: list[RecordedEvent] = []
    after: str | None = None
    while True:
        page = await journal.read(registry, day, since=since, until=until, after=after, limit=PAGE)
        found += page.events
        after = page.after
        if most is not None and len(found) + (after is not None) > most:
            return found, found[-1].event.occurred_at
        if after is None:
            return found, None
