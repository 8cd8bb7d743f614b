"""How benchmarks print what they found."""

from dataclasses import dataclass
from typing import Literal

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Figure:
    """One number and the bar that it has to reach."""

    name: str
    value: float
    bar: float
    sense: Literal["at least", "at most"]

    @property
    def reached(self) -> bool:
        """Whether it reaches the bar."""
        return self.value >= self.bar if self.sense == "at least" else self.value <= self.bar


def table(title: str, columns: list[str], rows: list[list[str]]) -> None:
    """Print a table."""
    printed = Table(title=title, title_justify="left")
    for number, column in enumerate(columns):
        printed.add_column(column, justify="left" if number == 0 else "right")
    for row in rows:
        printed.add_row(*row)
    Console().print(printed)


def verdict(figures: list[Figure]) -> int:
    """Print `name value bar ok|SHORT` for each figure; 1 if a bar was missed, else 0."""
    for figure in figures:
        bar = f"{'>=' if figure.sense == 'at least' else '<='}{figure.bar:g}"
        Console(highlight=False).print(f"{figure.name} {figure.value:.3g} {bar} {'ok' if figure.reached else 'SHORT'}")
    return 0 if all(figure.reached for figure in figures) else 1
