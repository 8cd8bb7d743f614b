"""`python -m torture`: many runs, one line of verdict."""

import logging
import signal
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from torture.plan import Engine, plan
from torture.report import Outcome, details, verdict
from torture.run import run


def main(  # noqa: PLR0913 - one for each option
    *,
    seed: Annotated[int, typer.Option(help="Of the first run; the following ones take the following numbers.")] = 1,
    runs: Annotated[int, typer.Option(min=1)] = 50,
    events: Annotated[int, typer.Option(help="Different events in each run.", min=1)] = 420,
    engine: Annotated[
        Engine | None, typer.Option(help="Where data is kept.", show_default="by seed, one or the other")
    ] = None,
    hosts: Annotated[
        int | None, typer.Option(help="On one store.", min=1, max=8, show_default="3 for every third seed, else 1")
    ] = None,
    verbose: Annotated[bool, typer.Option("--verbose", help="A line about each run.")] = False,
) -> None:
    """Break everything, count afterwards, and say in one line how it went; exit with 1 if anything was wrong.

    A failed run can be made again: --seed THAT --runs 1 with the same --events.
    """
    # As Ctrl-C: asyncio then cancels what runs where it waits, not in the middle of starting a host.
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    logging.getLogger("httpx").setLevel(logging.WARNING)
    outcomes: list[Outcome] = []
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        all_runs = progress.add_task("runs", total=runs)
        for number in range(seed, seed + runs):
            planned = plan(number, events, engine, hosts)
            deliveries = progress.add_task(
                f"seed {number}: {planned.engine}, {planned.hosts} hosts", total=len(planned.sequence)
            )
            outcome = run(planned, lambda task=deliveries: progress.advance(task))  # type: ignore[misc]  # its default
            progress.remove_task(deliveries)
            progress.advance(all_runs)
            outcomes.append(outcome)
            if verbose or not outcome.findings.innocent:
                for line in details(outcome):
                    typer.echo(line)
    typer.echo(verdict(outcomes, seed))
    if not all(outcome.findings.innocent for outcome in outcomes):
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
