"""Lists of logical pushes, gathered from the journal when somebody asks: nothing about them is stored.

What a push consists of depends on events around it. So a cursor remembers two places: with which push the next page
begins, and where the journal must be read from to find it whole. A page ends before the first push that is not final.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from registrail.events import RecordedEvent
from registrail.instants import TICKS_PER_DAY, Instant
from registrail.pushes import Found, Push, find
from registrail.query.events import Events
from registrail.query.journal import Pattern
from registrail.query.pages import (
    MOST_AT_ONCE,
    READS,
    REQUESTS,
    UNDATED,
    Plan,
    Position,
    Stretch,
    read_cursor,
    write_cursor,
)

BEFORE: Final = timedelta(days=1)
"""How far before `since` the journal may be read: a push may have begun there."""
BEHIND: Final = timedelta(minutes=5)
"""How far behind `until` it is read: what was completed before may have gone on."""
LIKELY_EVENTS: Final = 10
"""Of a push, with those of others that come between."""
LIKELY_OWN: Final = 5
"""Of a push, where only events of its repository are read."""
MOST_READ_AGAIN: Final = MOST_AT_ONCE * READS // 2
"""Events that a page leaves to be read once more by the next one, so that no push is cut."""

_BEGIN: Final = re.compile("([0-9]{19}(~[0-9a-f]{1,64}~?)?)?")
_BEGINNING: Final = Instant(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class PushFilter:
    """Which pushes; None is any. A `repository` that ends in `*` is the beginning of names: `team/*`.

    Attributes:
        tag: that was set, also that of a referrer.
        digest: that was pushed, also as a part or a referrer.
        since: the push was completed then or later.
        until: the push was completed before.
    """

    registry: str | None = None
    repository: str | None = None
    tag: str | None = None
    digest: str | None = None
    actor: str | None = None
    client: str | None = None
    since: Instant | None = None
    until: Instant | None = None

    def may_need(self, recorded: RecordedEvent) -> bool:
        """Whether an event can belong to a wanted push: its events have one repository, actor and client."""
        event = recorded.event
        return (
            (self.repository is None or Pattern(self.repository).admits(event.repository))
            and self.actor in {None, event.actor}
            and self.client in {None, event.client}
        )

    @property
    def sifts(self) -> bool:
        """Whether there may be pushes among what is read that are not wanted: of one repository only its own are."""
        by_beginning = self.repository is not None and Pattern(self.repository).name is None
        return by_beginning or any((self.tag, self.digest, self.actor, self.client, self.until))

    @property
    def names_few(self) -> bool:
        """Whether every wanted push has an event with one tag or digest."""
        return self.tag is not None or self.digest is not None

    def admits(self, push: Push) -> bool:
        """Whether a push whose events may all be needed is wanted."""
        digests = {push.digest, *(one.digest for one in push.parts), *(one.digest for one in push.referrers)}
        return (
            (self.tag is None or self.tag in {*push.tags, *(one.tag for one in push.referrers)})
            and (self.digest is None or self.digest in digests)
            and (self.until is None or push.at < self.until)
        )


@dataclass(frozen=True, slots=True)
class PushList:
    """One page of pushes; `next` is the cursor of the next page, None at the end."""

    items: Sequence[Push]
    next: str | None


@dataclass(frozen=True, slots=True)
class _Selection:
    """What a page shows of the pushes that were found.

    Attributes:
        following: the push that the next page begins with, as far as one is known.
        is_blocked: whether that one is not final.
        is_over: whether all further pushes are too old.
    """

    items: Sequence[Push]
    following: Found | None = None
    is_blocked: bool = False
    is_over: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Pushes:
    """Where lists of pushes come from."""

    events: Events

    async def page(
        self, wanted: PushFilter, *, limit: int, cursor: str | None = None, requests: int = REQUESTS
    ) -> PushList:
        """One page, newest first.

        Raises:
            InvalidParameterError: the cursor is not one that this method gave.
        """
        start, (begin,) = read_cursor(cursor, _BEGIN) or (None, ("",))
        latest: tuple[Stretch[RecordedEvent], Sequence[Found]] | None = None

        def found_in(stretch: Stretch[RecordedEvent]) -> Sequence[Found]:
            nonlocal latest  # what was enough is looked through once more for the page
            if latest is None or latest[0] != stretch:
                latest = stretch, _found(stretch, wanted)
            return latest[1]

        def is_enough(stretch: Stretch[RecordedEvent]) -> bool:
            if wanted.names_few and _at_most(stretch, wanted) <= limit and not _is_beyond(stretch, wanted):
                return False  # without looking for pushes, which takes longer than reading
            selection = _select(found_in(stretch), wanted, begin, limit)
            return _is_all(selection, wanted, stretch) or (bool(selection.following) and not selection.is_blocked)

        likely = LIKELY_OWN if wanted.repository else LIKELY_EVENTS
        first = MOST_AT_ONCE if wanted.sifts else min(MOST_AT_ONCE, likely * (limit + 1))
        size = first if wanted.repository else MOST_AT_ONCE
        plan: Plan[RecordedEvent] = Plan(is_enough=is_enough, size=size, first=first, requests=requests)
        since = wanted.since.plus(-BEFORE) if wanted.since else _BEGINNING
        until = wanted.until.plus(BEHIND) if wanted.until else None
        stretch = await self.events.read(wanted.registry, wanted.repository, since, until, start, plan)
        found = found_in(stretch)
        selection = _select(found, wanted, begin, limit)
        for is_sure in (_is_settled, _is_there):
            if selection.is_blocked and _is_too_long(selection, found, stretch):
                # It is shown as it most likely is, or else as far as it was read: paging must come to an end.
                selection = _select(found, wanted, begin, limit, is_sure)
        if selection.following:
            begin_at = _before(_first_needed(selection.following, found, stretch), stretch, start)
            following = write_cursor(begin_at, selection.following.push.id)
        elif stretch.edge and not _is_all(selection, wanted, stretch):
            following = write_cursor(stretch.edge, _behind(stretch.edge))
        else:
            following = None
        return PushList(selection.items, following)


def _found(stretch: Stretch[RecordedEvent], wanted: PushFilter) -> Sequence[Found]:
    """What a stretch has of pushes that may be wanted."""
    return find((item.value for item in stretch.items if wanted.may_need(item.value)), time_behind(stretch.edge))


def _is_final(one: Found) -> bool:
    return one.final


def _is_settled(one: Found) -> bool:
    return one.settled


def _is_there(_: Found) -> bool:
    return True


def _select(
    found: Sequence[Found],
    wanted: PushFilter,
    begin: str,
    limit: int,
    is_sure: Callable[[Found], bool] = _is_final,
) -> _Selection:
    """Take pushes from `begin` on until there are enough, or one is not sure."""
    items: list[Push] = []
    for one in found:
        if one.push.id < begin:
            continue
        if not is_sure(one):
            return _Selection(items, one, is_blocked=True)
        if wanted.since and one.push.at < wanted.since:
            return _Selection(items, is_over=True)
        if wanted.admits(one.push):
            if len(items) == limit:
                return _Selection(items, one)
            items.append(one.push)
    return _Selection(items)


def _at_most(stretch: Stretch[RecordedEvent], wanted: PushFilter) -> int:
    """How many wanted pushes there can be: each has an event with the tag, and one with the digest."""
    events = [item.value.event for item in stretch.items]
    return min(
        len(events) if wanted.tag is None else sum(event.tag == wanted.tag for event in events),
        len(events) if wanted.digest is None else sum(event.digest == wanted.digest for event in events),
    )


def _is_beyond(stretch: Stretch[RecordedEvent], wanted: PushFilter) -> bool:
    """Whether everything that is wanted was read."""
    edge = time_behind(stretch.edge)
    return edge is None or (wanted.since is not None and edge < wanted.since)


def _is_all(selection: _Selection, wanted: PushFilter, stretch: Stretch[RecordedEvent]) -> bool:
    """Whether nothing follows."""
    if selection.is_over:
        return True
    return selection.following is None and _is_beyond(stretch, wanted)


def _is_too_long(selection: _Selection, found: Sequence[Found], stretch: Stretch[RecordedEvent]) -> bool:
    """Whether the next page had to read (nearly) all of this again."""
    if selection.following is None:
        return False
    first = _first_needed(selection.following, found, stretch)
    return first == 0 or len(stretch.items) - first > MOST_READ_AGAIN


def _first_needed(following: Found, found: Sequence[Found], stretch: Stretch[RecordedEvent]) -> int:
    """The index of the item from which on the journal must be read to find a push and those behind it once more."""
    newest = min(one.newest for one in found if one.oldest >= following.push.id)
    return next(index for index, item in enumerate(stretch.items) if item.key == newest)


def _before(index: int, stretch: Stretch[RecordedEvent], start: Position | None) -> Position:
    """The position before an item."""
    day = stretch.items[index].day
    if index == 0:
        return start if start and start.day == day else Position(day)
    before = stretch.items[index - 1]
    return before.position if before.day == day else Position(day)


def time_behind(edge: Position | None) -> Instant | None:
    """The latest time that an event behind a position can have; None if there is none."""
    if edge is None or edge.day == UNDATED:
        return None
    if edge.after:
        return Instant.from_inverted(edge.after.partition("~")[0])
    return Instant(Instant.parse(f"{edge.day}T00:00:00Z").ticks + TICKS_PER_DAY - 1)


def _behind(edge: Position) -> str:
    """Comes before the ids of all events behind a position, and after those of all others."""
    time = time_behind(edge)
    return f"{edge.after}~" if edge.after else time.inverted if time else ""
