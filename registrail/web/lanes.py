"""The timeline of a repository as a picture: a lane for each tag, coloured by digest. Pure: stays to shapes of an SVG.

Across, everything is in per cent of the width, so that the picture fits any screen without its text being scaled.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Literal

from registrail.instants import TICKS_PER_SECOND, Instant
from registrail.web.axis import Tick, ticks
from registrail.web.stays import Stay, Track

LANE: Final = 30
"""How high a lane is, in pixels, with the room around it."""
BAR: Final = 16
AXIS: Final = 26
NARROWEST: Final = 0.5
"""Per cent of the width: shorter stays that follow each other are drawn as one."""

Kind = Literal["nothing", "unknown", "held", "gone", "many"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A stretch of a lane.

    Attributes:
        kind: `nothing` before the tag was created, `unknown` where this picture does not reach back, `held` while it
            pointed to a digest, `gone` while it was absent after that, `many` for changes that are too near each other.
        x: per cent.
        width: per cent.
        stay: that it draws; the last one of `many`.
        begin: of the stay itself, also where it is cut off by the left edge; None if that is not known.
        end: None if it lasts.
        changes: how many stays begin in it.
    """

    kind: Kind
    x: float
    width: float
    stay: Stay | None
    begin: Instant | None
    end: Instant | None
    changes: int = 1

    @property
    def digest(self) -> str | None:
        """What the tag pointed to; None if to nothing, or to this and that."""
        return self.stay.digest if self.stay and self.kind == "held" else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A change: `untagged` and `deleted` are crosses, the others dots; what was before `since` is not known here."""

    change: Literal["created", "moved", "since", "untagged", "deleted"]
    x: float
    stay: Stay


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """A tag. `y` is the top of its bar, in pixels; segments tile the time of the picture from left to right."""

    tag: str
    y: int
    segments: Sequence[Segment]
    marks: Sequence[Mark]


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """Everything that the template draws."""

    lanes: Sequence[Lane]
    ticks: Sequence[Tick]
    begin: Instant
    end: Instant
    height: int

    def position(self, at: Instant) -> float:
        """Where an instant is, per cent, no further than the edges."""
        return _share(at, self.begin, self.end)

    @property
    def changes(self) -> int:
        """How many changes it shows."""
        return sum(segment.changes for lane in self.lanes for segment in lane.segments if segment.stay)


def draw(tracks: Iterable[Track], begin: Instant, end: Instant) -> Picture:
    """Draw tags in their order, between two times of which the second is later."""
    lanes = [
        Lane(
            tag=track.tag,
            y=number * LANE + (LANE - BAR) // 2,
            segments=_segments(track, begin, end),
            marks=_marks(track, begin, end),
        )
        for number, track in enumerate(tracks)
    ]
    return Picture(lanes=lanes, ticks=ticks(begin, end), begin=begin, end=end, height=max(len(lanes), 1) * LANE + AXIS)


def beginning(tracks: Sequence[Track], end: Instant) -> Instant:
    """Since when a picture best shows what happened: with the first change, if there are few changes.

    Else with the shortest usual stretch of time that has enough of them.
    """
    changes = sorted((stay.begin for track in tracks for stay in track.stays), reverse=True)
    if not changes:
        return Instant(max(end.ticks - 7 * _DAY, 0))
    for days in (1, 7, 30, 90, 365):
        begin = Instant(max(end.ticks - days * _DAY, 0))
        if len(changes) > _ENOUGH and changes[_ENOUGH] >= begin:
            return begin
    first = min(changes[-1].ticks, end.ticks - TICKS_PER_SECOND)
    return Instant(max(first - max((end.ticks - first) // 40, 0), 0))


_DAY: Final = 86_400 * TICKS_PER_SECOND
_ENOUGH: Final = 60


def _share(at: Instant, begin: Instant, end: Instant) -> float:
    """Per cent of the way from `begin` to `end`."""
    inside = min(max(at.ticks, begin.ticks), end.ticks)
    return round(100 * (inside - begin.ticks) / (end.ticks - begin.ticks), 3)


def _segments(track: Track, begin: Instant, end: Instant) -> list[Segment]:
    """What lies between two times, too narrow ones joined."""
    stays = [stay for stay in track.stays if stay.begin < end]
    if not stays:
        kind: Kind = "nothing" if track.is_whole else "unknown"
        return [Segment(kind=kind, x=0, width=100, stay=None, begin=None, end=None)]
    found: list[Segment] = []
    first = _share(stays[0].begin, begin, end)
    if first > 0:
        kind = "nothing" if track.is_whole else "unknown"
        found.append(Segment(kind=kind, x=0, width=first, stay=None, begin=None, end=stays[0].begin))
    followers: list[Stay | None] = [*stays[1:], None]
    for stay, after in zip(stays, followers, strict=True):
        if after is not None and after.begin <= begin:
            continue
        x, right = _share(stay.begin, begin, end), _share(after.begin, begin, end) if after else 100.0
        one = Segment(
            kind="gone" if stay.digest is None else "held",
            x=x,
            width=round(right - x, 3),
            stay=stay,
            begin=stay.begin,
            end=after.begin if after else None,
        )
        found.append(one)
    return _joined(found)


def _joined(segments: Sequence[Segment]) -> list[Segment]:
    """Join narrow segments with the narrow ones that follow them; one that stands alone stays as it is."""
    joined: list[Segment] = []
    for segment in segments:
        before = joined[-1] if joined else None
        if before and before.stay and _is_narrow(segment) and (before.kind == "many" or _is_narrow(before)):
            joined[-1] = Segment(
                kind="many",
                x=before.x,
                width=round(segment.x + segment.width - before.x, 3),
                stay=segment.stay,
                begin=before.begin,
                end=segment.end,
                changes=before.changes + segment.changes,
            )
        else:
            joined.append(segment)
    return joined


def _is_narrow(segment: Segment) -> bool:
    return segment.stay is not None and segment.width < NARROWEST


def _marks(track: Track, begin: Instant, end: Instant) -> list[Mark]:
    """Changes between two times; of dots that would cover each other the last, but every cross that has room."""
    marks: list[Mark] = []
    before: list[Stay | None] = [None, *track.stays]
    for earlier, stay in zip(before, track.stays, strict=False):
        if not begin <= stay.begin < end:
            continue
        x = _share(stay.begin, begin, end)
        if stay.digest is None:
            mark = Mark(change="deleted" if stay.removed else "untagged", x=x, stay=stay)
        elif earlier is None:
            mark = Mark(change="created" if track.is_whole else "since", x=x, stay=stay)
        elif earlier.digest is None:
            mark = Mark(change="created", x=x, stay=stay)
        else:
            mark = Mark(change="moved", x=x, stay=stay)
        if marks and x - marks[-1].x < NARROWEST and (_is_cross(mark) or not _is_cross(marks[-1])):
            marks.pop()
        elif marks and x - marks[-1].x < NARROWEST:
            continue
        marks.append(mark)
    return marks


def _is_cross(mark: Mark) -> bool:
    return mark.stay.digest is None


def tiles(segments: Sequence[Segment]) -> bool:
    """Whether segments cover everything from 0 to 100 per cent without gap or overlap."""
    edges = [(one.x, round(one.x + one.width, 3)) for one in segments]
    return edges[0][0] == 0 and edges[-1][1] == 100 and all(a[1] == b[0] for a, b in pairwise(edges))  # noqa: PLR2004
