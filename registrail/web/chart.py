"""Activity as a picture: for each period a bar of pushes upwards and one of deletes downwards. Pure.

Places across are per cent of the width, so that the picture fits everywhere; heights are in pixels.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from registrail.activity import NOTHING, Counts
from registrail.instants import Instant
from registrail.web.axis import Tick, ticks

HEIGHT: Final = 220
TOP: Final = 10
BOTTOM: Final = 26
"""Room for the labels of the time axis."""
_ROOM: Final = HEIGHT - TOP - BOTTOM
_STEPS: Final = (1, 2, 5)
_MOST_LINES: Final = 4
_GAP: Final = 0.18
"""Of a period's width, between bars."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One period, in numbers: charts count as images, `moves` are among the pushes."""

    begin: Instant
    end: Instant
    pushes: int
    moves: int
    deletes: int
    others: int

    @property
    def is_empty(self) -> bool:
        """Whether nothing happened."""
        return not (self.pushes or self.deletes or self.others)


def column(begin: Instant, length: timedelta, counts: Counts = NOTHING) -> Column:
    """Sum up the counts of a period."""
    pushes = counts.pushes + counts.chart_pushes
    deletes = counts.deletes + counts.chart_deletes
    return Column(
        begin=begin,
        end=begin.plus(length),
        pushes=pushes,
        moves=min(counts.tags_moved, pushes),
        deletes=deletes,
        others=counts.events - pushes - deletes,
    )


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of a bar."""

    kind: str
    y: float
    height: float


@dataclass(frozen=True, slots=True)
class Bar:
    """One period: where it is, and its pieces."""

    column: Column
    x: float
    width: float
    pieces: Sequence[Piece]


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the grid and its number."""

    y: float
    value: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """Everything that is drawn.

    Attributes:
        lines: from the lowest to the highest.
    """

    begin: Instant
    end: Instant
    bars: Sequence[Bar]
    lines: Sequence[Line]
    ticks: Sequence[Tick]


def draw(columns: Sequence[Column]) -> Chart:
    """Draw periods that follow each other; there must be one."""
    up = max((one.pushes for one in columns), default=0)
    down = max((one.deletes for one in columns), default=0)
    step = _step(max(up + down, 1))
    above, below = max(-(-up // step), 1), -(-down // step)
    unit = _ROOM / (step * (above + below))
    zero = TOP + above * step * unit
    begin, end = columns[0].begin, columns[-1].end
    pitch = 100 / len(columns)
    bars = [
        Bar(one, round(index * pitch + pitch * _GAP / 2, 3), round(pitch * (1 - _GAP), 3), _pieces(one, zero, unit))
        for index, one in enumerate(columns)
        if one.pushes or one.deletes
    ]
    lines = [Line(round(zero - number * step * unit, 2), abs(number) * step) for number in range(-below, above + 1)]
    return Chart(begin=begin, end=end, bars=bars, lines=lines, ticks=ticks(begin, end))


def _pieces(one: Column, zero: float, unit: float) -> list[Piece]:
    pieces: list[Piece] = []
    for kind, number in (("push", one.pushes), ("move", one.moves)):
        if number:
            pieces.append(Piece(kind, round(zero - number * unit, 2), round(number * unit, 2)))
    if one.deletes:
        pieces.append(Piece("delete", round(zero, 2), round(one.deletes * unit, 2)))
    return pieces


def _step(highest: int) -> int:
    """The distance of lines: 1, 2 or 5 times a power of ten, so that there are few of them."""
    power = 1
    while True:
        for factor in _STEPS:
            if highest <= _MOST_LINES * factor * power:
                return factor * power
        power *= 10
