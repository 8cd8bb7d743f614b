"""What the page of a repository shows: at most eight requests to the store, most of them at once."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from registrail.dossier import Deletion, RepositoryHistory
from registrail.instants import TICKS_PER_DAY, Instant
from registrail.manifests import reference
from registrail.query import PushFilter, Query, TagState
from registrail.query.events import Events
from registrail.query.pushes import Pushes, PushList
from registrail.timeline import TagHistory, time_of
from registrail.web.lanes import Picture, beginning, draw
from registrail.web.signs import Signs, read_signs, signs_in
from registrail.web.stays import (
    Track,
    newest_first,
    replaced,
    track_of,
    track_of_timeline,
    tracks_of_pushes,
)

LANES: Final = 24
"""Tags in the picture: the most recently changed ones."""
ROWS: Final = 50
"""Tags in one page of the table."""
AT_ONCE: Final = 1000
"""Tags that are looked at for a picture."""
LOOKED_AT: Final = 200
"""Tags that are looked at for a page of the table, where they are too many for a picture."""
TIMELINES: Final = 4
"""Of tags with so many changes that their own rows do not tell them all."""
MOVEMENTS: Final = 500
PUSHES: Final = 100
PUSH_REQUESTS: Final = 3
DELETES: Final = 10
REFERRERS: Final = "sha256-"
"""What tags of signatures and the like begin with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is asked for.

    Attributes:
        prefix: of tags.
        at: an instant; None is now.
        by_name: all tags by name, a page after the other, in place of the most recently changed ones.
        cursor: of the page before, by name.
        since: where the picture begins.
    """

    prefix: str = ""
    at: Instant | None = None
    by_name: bool = False
    cursor: str | None = None
    since: Instant | None = None

    @property
    def at_text(self) -> str | None:
        """The instant as it is written into addresses."""
        return self.at.isoformat() if self.at else None

    @property
    def is_list(self) -> bool:
        """Whether the table goes by name."""
        return self.by_name or self.at is not None or self.cursor is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Some tags.

    Attributes:
        all_signs: whether `signs` has everything; else there are too many for one request.
        more: whether there are tags besides, if it does not go by name.
        next: the cursor of the next page, if it does.
        referrers: how many tags of signatures and the like were left out.
    """

    rows: Sequence[TagState]
    signs: Signs
    all_signs: bool
    by_name: bool
    more: bool = False
    next: str | None = None
    referrers: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RepositoryView:
    """The page.

    Attributes:
        hidden: how many tags have no lane; None if that is not known.
        by_pushes: whether the picture is made of the newest pushes, because there are very many tags.
    """

    registry: str
    known: RepositoryHistory
    table: Table
    picture: Picture
    deletions: Sequence[Deletion]
    hidden: int | None
    by_pushes: bool = False


async def view(query: Query, registry: str, repository: str, wanted: Wanted, now: Instant) -> RepositoryView | None:
    """Read it; None if there is no such repository."""
    if wanted.is_list:
        return await _by_name(query, registry, repository, wanted, now)
    name = await query.history.open(registry)
    found, deletions = await asyncio.gather(
        query.lists.repositories(name, prefix=repository, limit=1),
        query.lists.deletions(name, repository=repository, limit=DELETES),
    )
    known = _exactly(found.items, repository)
    if known is None:
        return None
    # Of very many tags all cannot be looked at: the newest pushes tell which changed, and the table goes by name.
    many = known.tags > AT_ONCE and not wanted.prefix
    tags = await query.lists.tags(
        name, repository=repository, prefix=wanted.prefix, limit=LOOKED_AT if many else AT_ONCE
    )
    histories = [history for _, _, history in tags.items]
    signs, all_signs = signs_in(history.tag for history in histories if history.pointer), True
    shown = [history for history in histories if reference(history.tag) is None]
    tracks = newest_first(track for track in map(track_of, shown) if track)
    by_pushes = tags.after is not None
    if by_pushes:
        pushes, (signs, all_signs) = await asyncio.gather(
            _last_pushes(query, name, known),
            read_signs(query, name, repository, REFERRERS),
        )
        pushed = [one for one in tracks_of_pushes(pushes.items, deletions.items) if one.tag.startswith(wanted.prefix)]
        drawn = newest_first(one for one in pushed if reference(one.tag) is None)[:LANES]
    elif wanted.prefix:
        drawn, (signs, all_signs) = await asyncio.gather(
            _told_whole(query, name, repository, tracks[:LANES], TIMELINES - 1),
            read_signs(query, name, repository, REFERRERS),
        )
    else:
        drawn = await _told_whole(query, name, repository, tracks[:LANES], TIMELINES)
    present = [_state(repository, history) for history in shown if history.pointer]
    rows = sorted(present, key=lambda state: state.since or "") if not by_pushes else present
    return RepositoryView(
        registry=name,
        known=known,
        table=Table(
            rows=rows[:ROWS],
            signs=signs,
            all_signs=all_signs,
            by_name=by_pushes,
            more=by_pushes or len(rows) > ROWS,
            referrers=len(histories) - len(shown),
        ),
        picture=_picture(drawn, wanted.since, now),
        deletions=deletions.items,
        hidden=None if by_pushes else len(tracks) - len(drawn),
        by_pushes=by_pushes,
    )


async def table(query: Query, registry: str, repository: str, wanted: Wanted) -> Table:
    """Only a page of tags by name; at most six requests."""
    found, (signs, all_signs) = await asyncio.gather(
        query.history.tags(
            registry,
            repository=repository,
            prefix=wanted.prefix,
            at=wanted.at,
            limit=ROWS,
            cursor=wanted.cursor,
        ),
        read_signs(query, registry, repository, REFERRERS),
    )
    rows = [state for state in found.items if reference(state.tag) is None]
    return Table(
        rows=rows,
        signs=signs,
        all_signs=all_signs,
        by_name=True,
        next=found.next,
        referrers=len(found.items) - len(rows),
    )


async def _by_name(query: Query, registry: str, repository: str, wanted: Wanted, now: Instant) -> RepositoryView | None:
    """With tags by name; the picture has those of the page, as far as their rows tell."""
    of_page = await table(query, registry, repository, wanted)
    found, deletions = await asyncio.gather(
        query.lists.repositories(registry, prefix=repository, limit=1),
        query.lists.deletions(registry, repository=repository, limit=DELETES),
    )
    known = _exactly(found.items, repository)
    if known is None:
        return None
    tracks = newest_first(track for track in (track_of(state.history) for state in of_page.rows) if track)
    return RepositoryView(
        registry=registry,
        known=known,
        table=of_page,
        picture=_picture(tracks[:LANES], wanted.since, now, wanted.at),
        deletions=deletions.items,
        hidden=None if of_page.next else max(len(tracks) - LANES, 0),
    )


async def _told_whole(query: Query, registry: str, repository: str, tracks: Sequence[Track], most: int) -> list[Track]:
    """With the timelines of those few that need them most."""
    busy = sorted((track for track in tracks if track.needs_timeline), key=lambda track: -track.changes)
    chosen = [track.tag for track in busy[:most]]
    found = await asyncio.gather(*(query.lists.movements(registry, repository, tag, limit=MOVEMENTS) for tag in chosen))
    better = {
        tag: whole
        for tag, page in zip(chosen, found, strict=True)
        if (whole := track_of_timeline(tag, page.items, is_all=page.after is None))
    }
    return replaced(tracks, better)


async def newest_pushes(query: Query, wanted: PushFilter, limit: int) -> PushList:
    """At the cost of three requests."""
    events = Events(journal=query.journal, marks=query.marks, activity=query.activity, clock=query.clock)
    return await Pushes(events=events).page(wanted, limit=limit, requests=PUSH_REQUESTS)


async def _last_pushes(query: Query, registry: str, known: RepositoryHistory) -> PushList:
    """Those of the last year in which there were any: where that is, need not be looked for."""
    if known.last_push is None:
        return PushList([], None)
    last = time_of(known.last_push)
    wanted = PushFilter(
        registry=registry,
        repository=known.repository,
        since=Instant(max(last.ticks - 365 * TICKS_PER_DAY, 0)),
        until=Instant(last.ticks + 1),
    )
    return await newest_pushes(query, wanted, PUSHES)


def _picture(tracks: Sequence[Track], since: Instant | None, now: Instant, at: Instant | None = None) -> Picture:
    latest = max((track.changed_at for track in tracks), default=now)
    end = Instant(max(now.ticks, latest.ticks + 1))
    begin = since if since and since < end else beginning(tracks, end)
    return draw(tracks, min(begin, at) if at else begin, end)


def _state(repository: str, history: TagHistory) -> TagState:
    pointer = history.pointer
    return TagState(
        repository=repository,
        tag=history.tag,
        digest=pointer.digest if pointer else None,
        since=pointer.event if pointer else None,
        movement=history.change or history.last,
        history=history,
    )


def _exactly(found: Sequence[RepositoryHistory], repository: str) -> RepositoryHistory | None:
    return found[0] if found and found[0].repository == repository else None
