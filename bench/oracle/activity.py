"""Activity: counts per period and account."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import Final, Literal

from bench.oracle.digests import Life, Name
from bench.oracle.journal import Json, at, is_push
from bench.oracle.tags import Movement, Tag
from registrail.events import RecordedEvent

Grain = Literal["slot", "hour", "day", "week"]
By = Literal["repository", "actor", "client"]

_OF_ACTION: Final = {
    "push": "pushes",
    "delete": "deletes",
    "quarantine": "quarantines",
    "chart_push": "chart_pushes",
    "chart_delete": "chart_deletes",
    "pull": "pulls",
}
_OF_CHANGE: Final = {
    "created": "tags_created",
    "moved": "tags_moved",
    "untagged": "tags_removed",
    "deleted": "tags_removed",
}
COUNTS: Final = (
    "events",
    *_OF_ACTION.values(),
    "others",
    "tags_created",
    "tags_moved",
    "tags_removed",
    "images_first_seen",
    "repositories_first_seen",
)


def period(recorded: RecordedEvent, grain: Grain) -> str:
    """The name of the period that an event lies in."""
    moment = at(recorded).isoformat()
    if grain == "week":
        day = date.fromisoformat(moment[:10])
        return (day - timedelta(days=day.weekday())).isoformat()
    return moment[: {"slot": 16, "hour": 13, "day": 10}[grain]]


class Ledger:
    """What is to be counted: pairs of a count's name and the event to whose account it goes."""

    def __init__(
        self, events: Sequence[RecordedEvent], timelines: dict[Tag, list[Movement]], lived: dict[Name, Life]
    ) -> None:
        self._entries = [
            *_events(events),
            *_tags(timelines),
            *(("images_first_seen", life.first) for life in lived.values() if life.first),
            *_repositories(events),
        ]

    def items(self, grain: Grain, by: By | None = None, registry: str | None = None) -> list[Json]:
        """Items of `/api/activity`, oldest first: sums over everything, or for each repository, actor or client."""
        accounts: dict[tuple[str, str, str], Counter[str]] = defaultdict(Counter)
        for count, recorded in self._entries:
            name = "" if by is None else getattr(recorded.event, by)
            if name is not None and registry in {None, recorded.event.registry}:
                accounts[period(recorded, grain), recorded.event.registry, name][count] += 1
        return [
            {
                "registry": of_registry,
                "grain": grain,
                "period": when,
                **{dimension: name if dimension == by else None for dimension in ("repository", "actor", "client")},
                **{count: counts[count] for count in COUNTS},
            }
            for (when, of_registry, name), counts in sorted(accounts.items())
        ]


Entry = tuple[str, RecordedEvent]


def _events(events: Sequence[RecordedEvent]) -> Iterator[Entry]:
    counted: set[tuple[str, ...]] = set()
    for recorded in events:
        event = recorded.event
        if event.request_id is not None:
            _, content = recorded.id.split("~")
            double = period(recorded, "slot"), content, event.request_id
            if double in counted:
                continue
            counted.add(double)
        yield "events", recorded
        yield "others" if event.concerns_blob else _OF_ACTION.get(event.action, "others"), recorded


def _tags(timelines: dict[Tag, list[Movement]]) -> Iterator[Entry]:
    for timeline in timelines.values():
        for movement in timeline:
            if movement.change != "unchanged":
                yield _OF_CHANGE[movement.change], movement.event


def _repositories(events: Sequence[RecordedEvent]) -> Iterator[Entry]:
    known: set[tuple[str, str]] = set()
    for recorded in events:
        place = recorded.event.registry, recorded.event.repository
        if is_push(recorded.event) and place not in known:
            known.add(place)
            yield "repositories_first_seen", recorded
