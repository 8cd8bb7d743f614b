"""Pages of lists: newest first, over many days and several groups, at a cost that does not grow with the history.

A page reads a *stretch*: from a position down to an edge, which is as far as a few requests reach. So a page may hold
fewer items than were asked for, even none, and still have a next one. A position is a day and a key in it, and new
items come before it, so nothing that arrives between two pages shifts what the later one shows.
"""

import asyncio
import base64
import json
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from heapq import merge
from typing import Any, Final, Generic, NamedTuple, Protocol, TypeVar

from registrail.errors import InvalidParameterError
from registrail.instants import Instant

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

REQUESTS: Final = 6
"""Requests to the store that one page of one group makes at most."""
READS: Final = 4
"""Of these, the most that read items."""
MOST_AT_ONCE: Final = 1000
"""Items that one request gives at most."""
UNDATED: Final = "undated"
"""In place of a day, behind all of them."""

_KEY: Final = re.compile("[0-9a-f]{1,64}~[0-9a-f]{1,64}")


@dataclass(frozen=True, slots=True)
class Position:
    """Where to go on: in a day, behind the item with the key `after`, or at its beginning."""

    day: str
    after: str | None = None

    @property
    def rank(self) -> tuple[bool, int, str]:
        """Where it is among other positions and items: the newest day first, `undated` last."""
        return _rank(self.day, self.after or "")


class Item(NamedTuple, Generic[T]):
    """What a list consists of, with the day and the key that it is ordered by."""

    day: str
    key: str
    value: T

    @property
    def rank(self) -> tuple[bool, int, str]:
        """As that of a position behind it."""
        return _rank(self.day, self.key)

    @property
    def position(self) -> Position:
        """The one behind it."""
        return Position(self.day, self.key)


@dataclass(frozen=True, slots=True)
class Stretch(Generic[T]):
    """All items from a position to the edge, which is None at the end of the list."""

    items: Sequence[Item[T]]
    edge: Position | None


@dataclass(frozen=True, slots=True)
class Days:
    """Days that may have items, newest first; `then` is where the days go on, or None."""

    names: Sequence[str]
    then: str | None = None


@dataclass(slots=True)
class Budget:
    """How many more requests a page may make."""

    left: int = REQUESTS
    most_reads: int = READS

    def spend(self, requests: int = 1) -> None:
        """Make some."""
        self.left -= requests

    @property
    def reads(self) -> int:
        """How many of them may read items: at least one, so that paging comes to an end."""
        return max(1, min(self.left, self.most_reads))


class Source(Protocol[T_co]):
    """One group of items."""

    async def days(self, begin: str | None, budget: Budget) -> Days:
        """The days from `begin` on, at least as many as the budget can then read, or all."""
        ...

    async def read(self, day: str, after: str | None, limit: int) -> tuple[Sequence[tuple[str, T_co]], str | None]:
        """Items of a day with their keys, beyond a key, and the last key if there are more."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan(Generic[T]):
    """How to read each source.

    Attributes:
        is_enough: whether a page can be made of this much of one source.
        size: how many items a read asks for.
        first: likewise the first read, if fewer are likely to do.
        requests: the most that are made.
        reads: the most of them that read items.
    """

    is_enough: Callable[[Stretch[T]], bool]
    size: int
    first: int | None = None
    requests: int = REQUESTS
    reads: int = READS


async def newest(sources: Sequence[Source[T]], start: Position | None, plan: Plan[T]) -> Stretch[T]:
    """Read all sources together, each within its own budget; `start` is None at the beginning."""
    stretches = await asyncio.gather(*(_stretch(source, start, plan) for source in sources))
    edge = min((one.edge for one in stretches if one.edge), key=lambda position: position.rank, default=None)
    items = list(merge(*(one.items for one in stretches), key=lambda item: item.rank))
    if edge:
        items = [item for item in items if item.rank <= edge.rank]
    return Stretch(items, edge)


async def _stretch(source: Source[T], start: Position | None, plan: Plan[T]) -> Stretch[T]:
    """Read one source: the first day alone, then as many days at once as seem to be needed."""
    budget = Budget(plan.requests, plan.reads)
    listed = await source.days(start.day if start else None, budget)
    days = list(listed.names)
    after = start.after if start and days[:1] == [start.day] else None
    reads = budget.reads
    size, at_once = plan.first or plan.size, 1
    items: list[Item[T]] = []
    whole_days = 0
    while days and reads:
        batch = days[: min(at_once, reads)]
        reads -= len(batch)
        chunks = await asyncio.gather(*(source.read(day, after if day == days[0] else None, size) for day in batch))
        for day, (found, more) in zip(batch, chunks, strict=True):
            items += [Item(day, key, value) for key, value in found]
            after = more
            if more is not None:
                break
            days.remove(day)
            whole_days += 1
        size = plan.size
        at_once = 1 if after else _days_at_once(size - len(items), len(items), whole_days)
        if plan.is_enough(Stretch(items, _edge(days, after, listed))):
            break
    return Stretch(items, _edge(days, after, listed))


def _edge(days: Sequence[str], after: str | None, listed: Days) -> Position | None:
    if days:
        return Position(days[0], after)
    return Position(listed.then) if listed.then else None


def _days_at_once(missing: int, found: int, days: int) -> int:
    """How many days it takes to find what is missing, if they are like those before."""
    return max(1, math.ceil(missing * days / found)) if found else READS


def cut(stretch: Stretch[T], admits: Callable[[T], bool], limit: int) -> tuple[Sequence[T], str | None]:
    """The wanted items of a stretch, at most `limit`, and the cursor of what follows them."""
    found: list[T] = []
    last: Item[T] | None = None
    for item in stretch.items:
        if admits(item.value):
            if last and len(found) == limit:
                return found, write_cursor(last.position)
            found.append(item.value)
        last = item
    return found, write_cursor(stretch.edge) if stretch.edge else None


def write_cursor(position: Position, *more: str) -> str:
    """Make a position, and what else is to be remembered, a text that is handed to readers."""
    text = json.dumps([position.day, position.after, *more], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read_cursor(cursor: str | None, *more: re.Pattern[str]) -> tuple[Position, Sequence[str]] | None:
    """Undo `write_cursor`; `more` says what each further text looks like.

    Raises:
        InvalidParameterError: it is none of ours, or another list's.
    """
    if not cursor:
        return None
    try:
        day, after, *texts = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        _check(day, after)
        if not all(pattern.fullmatch(text) for pattern, text in zip(more, texts, strict=True)):
            raise ValueError("that is not what it should remember")
        return Position(day, after), texts
    except (ValueError, TypeError, RecursionError) as error:
        raise InvalidParameterError("cursor", "is not one that a list gave as its next") from error


def _check(day: Any, after: Any) -> None:  # noqa: ANN401 - not read yet
    if day != UNDATED and Instant.parse(f"{day}T00:00:00Z").day != day:
        raise ValueError("that is no day")
    if after is not None and not _KEY.fullmatch(after):
        raise ValueError("that is no key")


def _rank(day: str, key: str) -> tuple[bool, int, str]:
    return (True, 0, key) if day == UNDATED else (False, -int(day.replace("-", "")), key)
