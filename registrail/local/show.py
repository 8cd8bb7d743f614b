"""What answers look like to people: tables, short digests, times relative to now. Nothing in them is trusted."""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from registrail.instants import TICKS_PER_SECOND, Instant

Item = Mapping[str, Any]

NOTHING: Final = "-"
_DIGEST_SHOWN: Final = len("sha256:") + 12
_UNBOUNDED: Final = 10_000
_UNITS: Final = (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1))
_STYLES: Final[Mapping[str, str]] = {
    "push": "green",
    "chart_push": "green",
    "created": "green",
    "moved": "yellow",
    "delete": "red",
    "chart_delete": "red",
    "deleted": "red",
    "untagged": "red",
    "rejected": "yellow",
    "failed": "red",
    "ok": "green",
    "warning": "yellow",
    "problem": "bold red",
}


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: its title, and what it shows of an item."""

    title: str
    show: Callable[[Item], str | Text]
    right: bool = False


def console() -> Console:
    """Standard output: colours only on a terminal, and elsewhere lines of any length, for grep."""
    found = Console(highlight=False, markup=False, emoji=False)
    return found if found.is_terminal else Console(highlight=False, markup=False, emoji=False, width=_UNBOUNDED)


def progress() -> Progress:
    """How far it is, on standard error, if somebody looks."""
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        disable=not sys.stderr.isatty(),
        transient=True,
    )


def table(columns: Sequence[Column], items: Sequence[Item]) -> Table:
    """A line for each item; columns that have nothing are left out, and the registry if there is only one."""
    cells = [[column.show(item) for item in items] for column in columns]
    shown = [(column, of_it) for column, of_it in zip(columns, cells, strict=True) if _tells(column, of_it)]
    made = Table(box=None, pad_edge=False, header_style="bold")
    for column, _ in shown:
        justify: Literal["left", "right"] = "right" if column.right else "left"
        made.add_column(Text(column.title), overflow="fold", justify=justify, min_width=len(column.title))
    for line in zip(*(of_it for _, of_it in shown), strict=True):
        made.add_row(*(one if isinstance(one, Text) else Text(one) for one in line))
    return made


def _tells(column: Column, cells: Sequence[str | Text]) -> bool:
    """Whether a column tells anything."""
    different = {str(cell) for cell in cells}
    return different != {NOTHING} and (column.title != "registry" or len(different) > 1)


def now() -> Instant:
    """By this machine."""
    return Instant.from_datetime(datetime.now(UTC))


def plain(value: Any) -> str:  # noqa: ANN401 - whatever an item holds
    """A text that cannot talk to the terminal or turn a line around; what does not print is escaped."""
    if value is None:
        return NOTHING
    text = str(value)
    return text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def word(name: str) -> Callable[[Item], Text]:
    """A column's value as it is, in the colour of what it means."""
    return lambda item: Text(plain(item.get(name)), style=_STYLES.get(str(item.get(name)), ""))


def text(name: str) -> Callable[[Item], str]:
    """A column's value as it is."""
    return lambda item: plain(item.get(name))


def digest(name: str) -> Callable[[Item], str]:
    """A digest, as much of it as people compare by eye."""
    return lambda item: short(item.get(name))


def short(value: Any) -> str:  # noqa: ANN401 - whatever an item holds
    """As much of a digest as people compare by eye; `?` is one that nobody told."""
    if value == "":
        return "?"
    return plain(value)[:_DIGEST_SHOWN]


def when(name: str) -> Callable[[Item], Text]:
    """How long ago."""
    return lambda item: Text(ago(item.get(name)), style="dim")


def ago(value: Any) -> str:  # noqa: ANN401 - whatever an item holds
    """How long before now a time was, or how long until then, in the largest unit that is not a fraction."""
    if value is None:
        return NOTHING
    try:
        seconds = (now().ticks - Instant.parse(str(value)).ticks) / TICKS_PER_SECOND
    except ValueError:
        return plain(value)
    return f"{lasting(seconds)} ago" if seconds >= 0 else f"in {lasting(-seconds)}"


def lasting(seconds: float) -> str:
    """A span of time, in the largest unit that is not a fraction."""
    for unit, length in _UNITS:
        if seconds >= length:
            return f"{int(seconds // length)} {unit}"
    return "0 s"


def second(value: Any) -> str:  # noqa: ANN401 - whatever an item holds
    """A time to the second, in UTC."""
    return plain(value)[:19].replace("T", " ") + " UTC" if value else NOTHING
