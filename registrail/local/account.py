"""Commands that keep account: activity, deliveries."""

from enum import StrEnum
from typing import Annotated, Final
from urllib.parse import quote

import typer
from rich.text import Text

from registrail.local import known, show
from registrail.local.command import command
from registrail.local.listing import Output, Paging, Range, Who, echo, list_out, merged, nothing
from registrail.local.reference import Reference
from registrail.local.show import Column
from registrail.local.target import Target, asking

_COUNTS: Final = (
    "events",
    "pushes",
    "deletes",
    "tags_created",
    "tags_moved",
    "tags_removed",
    "images_first_seen",
    "repositories_first_seen",
)
_SPARE: Final = frozenset(_COUNTS[3:])


class Grain(StrEnum):
    """How long a period is; a slot is a minute."""

    SLOT = "slot"
    HOUR = "hour"
    DAY = "day"
    WEEK = "week"


class By(StrEnum):
    """What counts are divided by."""

    REPOSITORY = "repository"
    ACTOR = "actor"
    CLIENT = "client"


class Outcome(StrEnum):
    """How a delivery ended."""

    ACCEPTED = "accepted"
    IGNORED = "ignored"
    REJECTED = "rejected"
    FAILED = "failed"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    command(app, "activity")(activity)
    command(app, "deliveries")(deliveries)


async def activity(  # noqa: PLR0913 - one for each group of options
    range_: Range,
    who: Who,
    output: Output,
    target: Target,
    repository: Annotated[str | None, typer.Argument(help="Such as team/app, or team/*; else all.")] = None,
    *,
    by: Annotated[By | None, typer.Option(help="A line for each of these.")] = None,
    grain: Annotated[Grain, typer.Option(help="The length of a period; a slot is a minute.")] = Grain.DAY,
) -> None:
    """Count what happened, a line for each period, oldest first.

    For instance:

        registrail activity --since 7d

        registrail activity --by actor --since 7d

        registrail activity team/app --grain hour --since 24h --json
    """
    named = Reference.parse(repository).parameters()
    parameters = merged(
        {name: named[name] for name in ("registry", "repository")},
        {"since": None if range_.since or range_.until else "7d"},
        range_.parameters(),
        who.parameters(),
        {"by": by, "grain": grain},
    )
    async with asking(target) as client:
        pages = [page async for page in client.pages("/api/activity", parameters)]
        found = {**pages[-1], "items": [item for page in pages for item in page["items"]]}
        if not found["items"]:
            await known.check(client, parameters)
    if output.json:
        echo(found)
        return
    if not found["items"]:
        nothing()
        return

    def count(name: str) -> Column:
        title = name.replace("repositories", "repos").replace("_", " ")
        return Column(title, lambda item: str(item.get(name) or show.NOTHING), right=True, is_spare=name in _SPARE)

    names = [Column(name, show.text(name)) for name in ("period", "repository", "actor", "client")]
    columns = [*names, *map(count, _COUNTS), Column("registry", show.text("registry"))]
    show.print_table(columns, found["items"])


async def deliveries(  # noqa: PLR0913, PLR0917 - one for each option
    paging: Paging,
    target: Target,
    delivery: Annotated[str | None, typer.Argument(help="The id of one, to see it whole.")] = None,
    sender: Annotated[
        str | None, typer.Option(help="Only of this sender: acr, eventgrid, distribution, harbor.")
    ] = None,
    outcome: Annotated[Outcome | None, typer.Option(help="Only those that ended so.")] = None,
    since: Annotated[str | None, typer.Option(help="Received since then: RFC 3339, or an age such as 24h.")] = None,
    until: Annotated[str | None, typer.Option(help="Received before then.")] = None,
) -> None:
    """List the requests of senders, and what became of them, newest first.

    For instance:

        registrail deliveries --outcome rejected --since 7d

        registrail deliveries acr~2516068130002212219~16cd26939f51
    """
    columns = [
        Column("when", show.when("received_at")),
        Column("outcome", show.word("outcome"), is_spare=True),
        Column("status", show.text("status"), right=True, is_spare=True),
        Column("accepted", lambda item: str(item.get("accepted") or show.NOTHING), right=True, is_spare=True),
        Column("id", show.text("id")),
        Column("problem", show.text("problem")),
    ]
    async with asking(target) as client:
        if delivery is None:
            wanted = {"sender": sender, "outcome": outcome, "since": since, "until": until}
            await list_out(client, "/api/deliveries", wanted, paging, columns)
            return
        found = await client.document(f"/api/deliveries/{quote(delivery, safe='~')}")
    if paging.json:
        echo(found)
        return
    for name, value in found.items():
        lines = str(value).replace("\r\n", "\n").rstrip("\n").split("\n") if name == "body" else [value]
        show.console().print(Text.assemble((f"{name:13}", "bold"), show.plain(lines[0])))
        for line in lines[1:]:
            show.console().print(Text(" " * 13 + show.plain(line)))
