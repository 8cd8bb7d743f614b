"""What answers look like to people: tables, short digests, times relative to now. Nothing in them is trusted."""

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal

from rich.cells import cell_len
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from registrail.instants import TICKS_PER_SECOND, Instant

Item = Mapping[str, Any]

NOTHING: Final = "-"
_DIGEST_SHOWN: Final = len("sha256:") + 12
_UNBOUNDED: Final = 10_000
_GAP: Final = 2
_NAME: Final = 16
"""Characters in a line that a name has at least, before something else is left out."""
_FOLDED: Final = frozenset({"repository", "tag", "tags", "registry", "actor", "client", "with", "problem"})
"""Columns of names and texts, which may go on in the next line; all others are read at a glance, or not at all."""
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
    """A column of a table.

    Attributes:
        title: what stands above it.
        show: what it shows of an item.
        right: whether that stands at the right.
        brief: what it shows where there is no room for all.
        is_spare: whether it is left out where there is no room even then.
    """

    title: str
    show: Callable[[Item], str | Text]
    right: bool = False
    brief: Callable[[str], str] | None = None
    is_spare: bool = False


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


def print_table(columns: Sequence[Column], items: Sequence[Item]) -> None:
    """Print a line for each item; what there was no room for is said on standard error."""
    output = console()
    made, left_out = table(columns, items, output.width)
    output.print(made)
    if left_out:
        Console(stderr=True, highlight=False).print(
            f"Too narrow for {', '.join(left_out)}; --json has all.", soft_wrap=True
        )


def table(columns: Sequence[Column], items: Sequence[Item], width: int = _UNBOUNDED) -> tuple[Table, list[str]]:
    """A line for each item, and the titles of what was left out to make it fit.

    Columns that tell nothing are left out, and the registry if there is only one. Where the others are too wide, they
    become brief and names are folded; where even then there is no room, spare ones are left out, the last first.
    """
    shown = [(column, cells) for column in columns if _tells(column, cells := [_cell(column, one) for one in items])]
    is_narrow = sum(_wide(column, cells) for column, cells in shown) - _GAP > width
    left_out: list[str] = []
    if is_narrow:
        shown = [(column, [_brief(column, cell) for cell in cells]) for column, cells in shown]
        left_out = _leave_out(shown, width)
    made = Table(box=None, pad_edge=False, header_style="bold")
    for column, cells in shown:
        justify: Literal["left", "right"] = "right" if column.right else "left"
        title = column.title.replace(" ", "\n") if is_narrow else column.title
        made.add_column(Text(title), overflow="fold", justify=justify, min_width=_narrow(column, cells) - _GAP)
    for line in zip(*(cells for _, cells in shown), strict=True):
        made.add_row(*line)
    return made, left_out


def _leave_out(shown: list[tuple[Column, list[Text]]], width: int) -> list[str]:
    """Take spare columns out of those that are too wide together; gives their titles."""
    titles: list[str] = []
    while sum(_narrow(column, cells) for column, cells in shown) - _GAP > width:
        spare = next((one for one in reversed(shown) if one[0].is_spare), None)
        if spare is None:
            break
        shown.remove(spare)
        titles.append(spare[0].title)
    return titles


def _wide(column: Column, cells: Iterable[Text]) -> int:
    """How wide a column is."""
    return _widest([column.title, *map(str, cells)]) + _GAP


def _narrow(column: Column, cells: Iterable[Text]) -> int:
    """How wide it must be, with its title in several lines and names folded."""
    widest = _widest(map(str, cells))
    return max(_widest(column.title.split()), min(widest, _NAME) if column.title in _FOLDED else widest) + _GAP


def _widest(texts: Iterable[str]) -> int:
    return max(map(cell_len, texts), default=0)


def _cell(column: Column, item: Item) -> Text:
    shown = column.show(item)
    return shown if isinstance(shown, Text) else Text(shown)


def _brief(column: Column, cell: Text) -> Text:
    return Text(column.brief(cell.plain), cell.style) if column.brief else cell


def _tells(column: Column, cells: Sequence[Text]) -> bool:
    """Whether a column tells anything."""
    different = {cell.plain for cell in cells}
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


def digest_column(title: str, name: str) -> Column:
    """A digest; where there is no room, without its algorithm."""
    return Column(title, digest(name), brief=brief_digest)


def brief_digest(shown: str) -> str:
    """The first characters of a digest, without its algorithm."""
    return short(shown).removeprefix("sha256:")


def client_column() -> Column:
    """A user agent; where there is no room, what it calls itself first."""
    return Column("client", text("client"), brief=_first_product, is_spare=True)


def _first_product(client: str) -> str:
    first, blank, _ = client.partition(" ")
    return f"{first} …" if blank else first


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
