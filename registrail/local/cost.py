"""`registrail cost`: what a month on Azure costs, before it does."""

import json
import tomllib
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from registrail.local.bill import DAYS, Bill, Channel, Line, Measured, Pace, Usage, bill

_FOLDER = Path(__file__).parent
_MEGABYTES = 1024


def cost(  # noqa: PLR0913 - one for each option
    *,
    events_per_day: Annotated[float, typer.Option(min=1, help="Pushes and deletes, of all registries together.")],
    retention: Annotated[float, typer.Option(min=1, metavar="DAYS", help="How long events are kept.")] = 365,
    deliveries: Annotated[float, typer.Option(min=1, metavar="DAYS", help="How long requests are logged.")] = 30,
    channel: Annotated[Channel, typer.Option(help="How events come; both is what infra/ sets up.")] = "both",
    regions: Annotated[int, typer.Option(min=1, help="Replicas, each with a webhook.")] = 1,
    registries: Annotated[int, typer.Option(min=1, help="Among which events are spread.")] = 1,
    batch: Annotated[int, typer.Option(min=1, max=5000, help="Events in a delivery of Event Grid.")] = 1,
    memory: Annotated[int, typer.Option(min=512, max=4096, metavar="MB", help="Of an instance.")] = 2048,
    as_json: Annotated[bool, typer.Option("--json", help="JSON, for programs.")] = False,
) -> None:
    """Say what a month costs: table storage, function time, Event Grid, and the same events in Log Analytics.

    Requests and bytes of each event were measured (make bench-cost); prices are dated, and differ by region.

    For instance:

        registrail cost --events-per-day 3300 --retention 365

        registrail cost --events-per-day 330000 --channel eventgrid --batch 10 --json
    """
    usage = Usage(
        events_a_day=events_per_day,
        retention_days=retention,
        deliveries_days=deliveries,
        channel=channel,
        regions=regions,
        registries=registries,
        in_array=batch,
        memory_gigabytes=memory / _MEGABYTES,
    )
    prices = read_prices()
    made = bill(usage, read_measured(), prices)
    if as_json:
        typer.echo(json.dumps(_fields(usage, made, prices["date"]), indent=2))
        return
    console = Console()
    title = f"A month of {events_per_day * DAYS:,.0f} events, kept for {retention:g} days"
    console.print(_table(title, made.lines, made.dollars))
    console.print(_table("The same events in Log Analytics", made.log_analytics, made.log_analytics_dollars))
    console.print(
        f"{made.transactions_an_event:,.1f} transactions and {made.bytes_an_event:,.0f} stored bytes for each event. "
        f"US dollars, prices read {prices['date']}. Not in it: the network, a registry's own price, "
        "the storage of the Functions host, people who read.",
        highlight=False,
    )


def read_prices() -> dict[str, Any]:
    """The dated table of prices."""
    return tomllib.loads((_FOLDER / "prices.toml").read_text())


def read_measured() -> Measured:
    """What `make bench-cost WRITE=1` wrote."""
    found = json.loads((_FOLDER / "measured.json").read_text())
    return Measured(idle_tick=found.pop("idle_tick"), **{name: Pace(**figures) for name, figures in found.items()})


def _fields(usage: Usage, made: Bill, date: str) -> dict[str, Any]:
    return {
        "usage": asdict(usage),
        "prices": {"date": date, "currency": "USD"},
        "month": {"lines": [asdict(line) for line in made.lines], "dollars": made.dollars},
        "log_analytics": {
            "lines": [asdict(line) for line in made.log_analytics],
            "dollars": made.log_analytics_dollars,
        },
        "transactions_an_event": made.transactions_an_event,
        "bytes_an_event": made.bytes_an_event,
    }


def _table(title: str, lines: tuple[Line, ...], dollars: float) -> Table:
    table = Table(title=title, title_justify="left", show_footer=True)
    table.add_column("", footer="together")
    table.add_column("quantity", justify="right")
    table.add_column("$ a month", justify="right", footer=f"{dollars:,.2f}")
    for line in lines:
        amount = f"{line.quantity:,.2f}" if line.unit == "GB" else f"{line.quantity:,.0f}"
        table.add_row(line.what, f"{amount} {line.unit}".strip(), f"{line.dollars:,.2f}")
    return table
