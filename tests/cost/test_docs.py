"""What the guide says of costs is what the model says."""

from pathlib import Path

from registrail.local.bill import DAYS, Bill, Usage, bill
from registrail.local.cost import read_measured, read_prices

GUIDE = (Path(__file__).parents[2] / "docs" / "cost.md").read_text()
NAMES = (
    "table transactions",
    "table storage",
    "function time",
    "function executions",
    "Event Grid operations",
    "own telemetry",
)


def row(events: int, name: str, made: Bill) -> str:
    """A line of the guide's table."""
    dollars = {line.what: line.dollars for line in made.lines}
    cells = [f"{dollars[what]:,.2f}" for what in NAMES]
    cells += [f"**{made.dollars:,.2f}**", f"{made.log_analytics_dollars:,.2f}"]
    return f"| {events:,} | {name} | {' | '.join(cells)} |"


def test_the_table_is_the_models() -> None:
    """At 1 thousand, 100 thousand and 10 million events a month."""
    measured, prices = read_measured(), read_prices()
    rows = []
    for events in (1_000, 100_000, 10_000_000):
        both = Usage(events_a_day=events / DAYS)
        lean = Usage(events_a_day=events / DAYS, channel="eventgrid", in_array=10, memory_gigabytes=0.5)
        rows += [
            row(events, "both channels", bill(both, measured, prices)),
            row(events, "lean", bill(lean, measured, prices)),
        ]
    assert [line for line in GUIDE.splitlines() if "| both channels |" in line or "| lean |" in line] == rows
