"""Activity as a picture: stacked bars, one for each hour. Pure: counts to shapes of an SVG."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from registrail.activity import NOTHING, Counts
from registrail.instants import Instant

WIDTH: Final = 960
HEIGHT: Final = 170
LEFT: Final = 36
BOTTOM: Final = 24
TOP: Final = 8
_STEPS: Final = (1, 2, 5)
_LABEL_EVERY: Final = 6


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of a bar."""

    kind: str
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Bar:
    """One hour: its pieces, and what it says to those who point at it or cannot see it."""

    segments: tuple[Segment, ...]
    text: str
    x: float
    width: float


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the grid with its number, or a label of the time axis."""

    position: float
    text: str


@dataclass(frozen=True, slots=True)
class Chart:
    """Everything that the template draws; lengths are in the units of a `viewBox` of WIDTH by HEIGHT."""

    bars: tuple[Bar, ...]
    grid: tuple[Line, ...]
    axis: tuple[Line, ...]
    total: int


def hourly(counts: Mapping[str, Counts], now: Instant, hours: int) -> Chart:
    """Draw the last `hours` hours; `counts` are by hour, `YYYY-MM-DDTHH`, and hours without events may be missing."""
    names = [now.plus(timedelta(hours=-back)).hour for back in reversed(range(hours))]
    highest = max((counts.get(name, NOTHING).events for name in names), default=0)
    step = _step(highest)
    top = max(step * -(-highest // step), step)
    room = HEIGHT - TOP - BOTTOM
    pitch = (WIDTH - LEFT) / hours
    bars: list[Bar] = []
    for index, name in enumerate(names):
        hour = counts.get(name, NOTHING)
        others = hour.events - hour.pushes - hour.deletes
        x = LEFT + index * pitch
        y = float(HEIGHT - BOTTOM)
        segments: list[Segment] = []
        for kind, number in (("push", hour.pushes), ("delete", hour.deletes), ("other", others)):
            if number:
                height = room * number / top
                y -= height
                segments.append(Segment(kind, round(x + 1, 2), round(y, 2), round(pitch - 2, 2), round(height, 2)))
        text = f"{name[:10]} {name[11:]}:00 UTC: {hour.pushes} pushed, {hour.deletes} deleted, {others} other"
        bars.append(Bar(tuple(segments), text, round(x, 2), round(pitch, 2)))
    grid = tuple(
        Line(round(HEIGHT - BOTTOM - room * value / top, 2), f"{value:,}") for value in range(0, top + 1, step)
    )
    axis = tuple(
        Line(round(LEFT + (index + 0.5) * pitch, 2), f"{name[11:]}:00" if name[11:] != "00" else name[5:10])
        for index, name in enumerate(names)
        if int(name[11:]) % _LABEL_EVERY == 0
    )
    return Chart(tuple(bars), grid, axis, sum(counts.get(name, NOTHING).events for name in names))


def _step(highest: int) -> int:
    """The distance of grid lines: 1, 2 or 5 times a power of ten, so that there are at most four."""
    power = 1
    while True:
        for factor in _STEPS:
            if highest <= 4 * factor * power:
                return factor * power
        power *= 10
