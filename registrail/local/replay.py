"""`registrail replay`: take logged requests once more."""

from collections import Counter
from typing import Annotated
from urllib.parse import quote

import typer
from rich.console import Console
from rich.progress import track

from registrail.local.command import command
from registrail.local.listing import echo
from registrail.local.problems import LocalError
from registrail.local.target import Target, asking


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "replay")(replay)


async def replay(  # noqa: PLR0913 - one for each option
    *,
    target: Target,
    deliveries: Annotated[
        list[str] | None, typer.Argument(help="Ids of deliveries; else those that the options name.")
    ] = None,
    sender: Annotated[str | None, typer.Option(help="Only of this sender.")] = None,
    outcome: Annotated[str | None, typer.Option(help="Only these: accepted, ignored, rejected or failed.")] = None,
    since: Annotated[str | None, typer.Option(help="Received since then: RFC 3339, or an age such as 24h.")] = None,
    until: Annotated[str | None, typer.Option(help="Received before then.")] = None,
    all_: Annotated[bool, typer.Option("--all", help="All that the log has.")] = False,
    json: Annotated[bool, typer.Option("--json", help="The API's JSON, a line for each.")] = False,
) -> None:
    """Take logged requests once more, as if they came when they came.

    Nothing is stored twice, so this is always safe: after an upgrade that understands what was rejected before, or
    after the store was out of order.

    For instance:

        registrail replay --outcome rejected --since 7d

        registrail replay acr~2516068130002212219~16cd26939f51
    """
    wanted = {"sender": sender, "outcome": outcome, "since": since, "until": until}
    if not deliveries and not any(wanted.values()) and not all_:
        raise LocalError("which ones? Give ids, or such as --outcome rejected --since 7d, or --all for all there are")
    console = Console(stderr=True)
    outcomes: Counter[str] = Counter()
    async with asking(target) as client:
        found = list(deliveries or ())
        if not found:
            found = [item["id"] async for page in client.pages("/api/deliveries", wanted) for item in page["items"]]
        for delivery in track(found, "replaying", console=console, disable=not console.is_terminal):
            answer = await client.post(f"/api/deliveries/{quote(delivery, safe='~')}/replay")
            outcomes[answer["outcome"]] += 1
            if json:
                echo(answer)
    if not json:
        counted = ", ".join(f"{number} {name}" for name, number in sorted(outcomes.items())) or "nothing to replay"
        typer.echo(f"replayed {len(found)}: {counted}" if outcomes else counted)
    if outcomes.keys() & {"rejected", "failed"}:
        raise typer.Exit(1)
