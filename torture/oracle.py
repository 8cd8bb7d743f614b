"""The judge: what must be stored and counted, worked out without any code of the app. Pure."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

ALL: Final = "*"
"""In place of a repository: all of them."""

METRICS: Final = {
    "push": "pushes",
    "delete": "deletes",
    "quarantine": "quarantines",
    "chart_push": "chart_pushes",
    "chart_delete": "chart_deletes",
    "pull": "pulls",
}
"""The column in which an action is counted; all others are `others`."""

EFFECTS: Final = ("tags_created", "tags_moved", "tags_removed", "images_first_seen", "repositories_first_seen")
"""What an event may do to the history."""

COLUMNS: Final = ("events", *METRICS.values(), "others", *EFFECTS)
_SHOWN: Final = 5


class Identity(NamedTuple):
    """What makes two reports the same event. `at` is UTC with seven digits; what is missing is empty."""

    registry: str
    action: str
    repository: str
    tag: str
    digest: str
    at: str


class Cell(NamedTuple):
    """One number's address: a metric of a repository (or of all, `*`) in a period."""

    registry: str
    grain: str
    period: str
    repository: str
    metric: str


def identity(told: Mapping[str, Any]) -> Identity:
    """Of anything that has the six fields under their usual names; the time ends in Z."""
    text = str(told["occurred_at"])
    if not text.endswith("Z"):
        message = f"{text} is not in UTC"
        raise ValueError(message)
    whole, _, fraction = text[:-1].partition(".")
    return Identity(
        registry=str(told["registry"]).lower(),
        action=told["action"],
        repository=told["repository"],
        tag=told.get("tag") or "",
        digest=told.get("digest") or "",
        at=f"{whole}.{fraction[:7]:0<7}Z",
    )


def effects(events: Iterable[Identity]) -> Iterator[tuple[Identity, list[str]]]:
    """What each event does to what came before it, in the order of `docs/history.md`; as often as it does it."""
    pointers: dict[tuple[str, str], dict[str, str]] = {}
    seen: set[tuple[str, ...]] = set()
    for event in sorted(sorted(events, key=_content, reverse=True), key=lambda event: event.at):
        place = (event.registry, event.repository)
        tags = pointers.setdefault(place, {})
        done: list[str] = []
        if event.action in {"push", "chart_push"}:
            done += ["repositories_first_seen"] if place not in seen else []
            done += ["images_first_seen"] if event.digest and (*place, event.digest) not in seen else []
            seen |= {place, (*place, event.digest)}
            if event.tag:
                before = tags.get(event.tag)
                done += ["tags_created"] if before is None else ["tags_moved"] if before != event.digest else []
                tags[event.tag] = event.digest
        elif event.action in {"delete", "chart_delete"}:
            gone = {
                tag for tag, digest in tags.items() if tag == event.tag or (event.digest and digest == event.digest)
            }
            if not event.tag and not event.digest:
                gone = set(tags)
            done += ["tags_removed"] * len(gone)
            for tag in gone:
                del tags[tag]
        yield event, done


def _content(event: Identity) -> str:
    """What decides between events of one instant (`docs/tables.md`)."""
    told = [event.registry, event.action, event.repository, event.tag, event.digest]
    return hashlib.sha256(json.dumps(told, separators=(",", ":"), ensure_ascii=False).encode()).hexdigest()[:32]


def recount(events: Iterable[Identity]) -> dict[Cell, int]:
    """Count events anew: slots in total, hours and days also for each repository. No zeros."""
    counts: Counter[Cell] = Counter()
    for event, done in effects(events):
        for metric in ("events", METRICS.get(event.action, "others"), *done):
            for grain, period in (("slot", event.at[:16]), ("hour", event.at[:13]), ("day", event.at[:10])):
                counts[Cell(event.registry, grain, period, ALL, metric)] += 1
                if grain != "slot":
                    counts[Cell(event.registry, grain, period, event.repository, metric)] += 1
    return dict(counts)


def cells(rows: Iterable[Mapping[str, Any]]) -> Iterator[tuple[Cell, int]]:
    """The numbers in rows that have `registry`, `grain`, `period`, `repository` and the metrics; zeros are nothing."""
    for row in rows:
        for metric in COLUMNS:
            if row[metric]:
                repository = ALL if row["repository"] is None else str(row["repository"])
                yield Cell(row["registry"], row["grain"], row["period"], repository, metric), int(row[metric])


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What is known when a run is over.

    Attributes:
        sent: every event that the sender ever tried to deliver.
        acknowledged: every event that was in a request with a 2xx answer.
        stored: the rows of the table `events`.
        listed: what `/api/events` lists.
        counted: the numbers in the table `activity`.
        told: the numbers that `/api/activity` tells.
        marks: what is left in the table `marks`.
        history: the rows of the table `history`, in one text each, by their keys.
        retraced: the same, worked out from the table `events`.
    """

    sent: Iterable[Identity]
    acknowledged: Iterable[Identity]
    stored: Sequence[Identity]
    listed: Sequence[Identity]
    counted: Sequence[tuple[Cell, int]]
    told: Sequence[tuple[Cell, int]]
    marks: Sequence[str] = ()
    history: Mapping[str, str] = field(default_factory=dict)
    retraced: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What is wrong; `problems` says it in words, some of each kind. Of the history all rows are looked at."""

    acknowledged: int = 0
    missing: int = 0
    double: int = 0
    miscounted: int = 0
    history_wrong: int = 0
    history_rows: int = 0
    problems: tuple[str, ...] = field(default=())

    @property
    def innocent(self) -> bool:
        """Whether nothing is wrong."""
        return not (self.missing or self.double or self.miscounted or self.history_wrong or self.problems)


def judge(evidence: Evidence) -> Findings:
    """Compare everything with everything."""
    sent, acknowledged = set(evidence.sent), set(evidence.acknowledged)
    problems: list[str] = []
    missing: set[Identity] = set()
    double: set[Identity] = set()
    for place, found in (("the table events", evidence.stored), ("/api/events", evidence.listed)):
        counts = Counter(found)
        lost = acknowledged - counts.keys()
        twice = {event for event, count in counts.items() if count > 1}
        problems += _some(f"acknowledged but not in {place}", lost)
        problems += _some(f"more than once in {place}", twice)
        problems += _some(f"never sent but in {place}", counts.keys() - sent)
        missing |= lost
        double |= twice
    problems += _some("in the table events but not in /api/events", set(evidence.stored) - set(evidence.listed))
    problems += _some("in /api/events but not in the table events", set(evidence.listed) - set(evidence.stored))
    right = recount(set(evidence.stored))
    miscounted = 0
    for place, numbers in (("the table activity", evidence.counted), ("/api/activity", evidence.told)):
        wrong = list(_differences(right, numbers))
        miscounted = max(miscounted, len(wrong))
        problems += _some(f"miscounted in {place}", wrong)
    problems += _some("a mark is left", evidence.marks)
    wrong_rows = sorted(_different_rows(evidence.retraced, evidence.history))
    problems += _some("in the table history", wrong_rows)
    return Findings(
        acknowledged=len(acknowledged),
        missing=len(missing),
        double=len(double),
        miscounted=miscounted,
        history_wrong=len(wrong_rows),
        history_rows=len(evidence.history.keys() | evidence.retraced.keys()),
        problems=tuple(problems),
    )


def _differences(right: Mapping[Cell, int], numbers: Sequence[tuple[Cell, int]]) -> Iterator[str]:
    told = dict(numbers)
    for cell in sorted(right.keys() | told.keys()):
        if right.get(cell, 0) != told.get(cell, 0):
            yield f"{'~'.join(cell)} is {told.get(cell, 0)} instead of {right.get(cell, 0)}"
    for cell, times in sorted(Counter(cell for cell, _ in numbers).items()):
        if times > 1:
            yield f"{'~'.join(cell)} is there {times} times"


def _different_rows(right: Mapping[str, str], found: Mapping[str, str]) -> Iterator[str]:
    for key in right.keys() | found.keys():
        if right.get(key) != found.get(key):
            yield f"{key} is {found.get(key, 'not there')} instead of {right.get(key, 'not there')}"


def _some(what: str, things: Iterable[object]) -> list[str]:
    """Words about the first few."""
    listed = sorted(map(_words, things))
    more = [f"{what}: … and {len(listed) - _SHOWN} more"] if len(listed) > _SHOWN else []
    return [*(f"{what}: {thing}" for thing in listed[:_SHOWN]), *more]


def _words(thing: object) -> str:
    return "~".join(thing) if isinstance(thing, Identity) else str(thing)
