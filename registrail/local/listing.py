"""What every command that lists has in common: which part of the list, and in which form."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Final

import typer

from registrail.local import known, show
from registrail.local.client import MOST, Client, Json, Parameters
from registrail.local.problems import LocalError
from registrail.local.show import Column
from registrail.moments import moment

_WHICH: Final = "Which"
_HOW: Final = "How much, and how it is shown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """Between which times, in which registry."""

    registry: Annotated[
        str | None, typer.Option(help="The registry's host, such as myregistry.azurecr.io.", rich_help_panel=_WHICH)
    ] = None
    since: Annotated[
        str | None,
        typer.Option(help="Nothing before: RFC 3339, a date, or an age: 90m, 24h, 7d, 2w.", rich_help_panel=_WHICH),
    ] = None
    until: Annotated[str | None, typer.Option(help="Only what is before, likewise.", rich_help_panel=_WHICH)] = None

    def parameters(self) -> dict[str, str | None]:
        """As the API wants it.

        Raises:
            LocalError: it ends before it begins.
        """
        now = show.now()
        since, until = moment("since", self.since, now), moment("until", self.until, now)
        if since and until and until <= since:
            raise LocalError(f"--until {self.until} is not after --since {self.since}: nothing lies between")
        return {"registry": self.registry, "since": self.since, "until": self.until}


@dataclass(frozen=True, slots=True, kw_only=True)
class Who:
    """Who did it, and with what."""

    actor: Annotated[str | None, typer.Option(help="Only by this user.", rich_help_panel=_WHICH)] = None
    client: Annotated[str | None, typer.Option(help="Only with this client, a user agent.", rich_help_panel=_WHICH)] = (
        None
    )

    def parameters(self) -> dict[str, str | None]:
        """As the API wants it."""
        return {"actor": self.actor, "client": self.client}


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """In which form."""

    json: Annotated[bool, typer.Option("--json", help="The API's JSON, unchanged.", rich_help_panel=_HOW)] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Paging:
    """How much of a list, and in which form."""

    limit: Annotated[
        int, typer.Option("--limit", "-n", min=1, max=MOST, help="So many at most.", rich_help_panel=_HOW)
    ] = 50
    cursor: Annotated[
        str | None, typer.Option(help="Go on where a page ended, at its `next`.", rich_help_panel=_HOW)
    ] = None
    all: Annotated[bool, typer.Option("--all", help="All there are, page after page.", rich_help_panel=_HOW)] = False
    json: Annotated[
        bool,
        typer.Option(
            "--json", help="The API's JSON, unchanged; with --all one line for each item.", rich_help_panel=_HOW
        ),
    ] = False


def merged(*groups: Parameters) -> dict[str, str | int | None]:
    """Parameters of several groups; a value is better than none, and a later one than an earlier one."""
    found: dict[str, str | int | None] = {}
    for group in groups:
        found |= {name: value for name, value in group.items() if value is not None or name not in found}
    return found


async def list_out(
    client: Client, path: str, parameters: Parameters, paging: Paging, columns: Sequence[Column]
) -> None:
    """Show a list as the options say."""
    wanted = {**parameters, "cursor": paging.cursor}
    if paging.all:
        await _everything(client, path, wanted, columns, as_json=paging.json)
        return
    found = await gathered(client, path, wanted, paging.limit)
    if not found["items"] and paging.cursor is None:
        await known.check(client, parameters)
    if paging.json:
        echo(found)
    elif found["items"]:
        show.print_table(columns, found["items"])
        if found["next"] is not None:
            typer.echo("There are more: --limit, --all.", err=True)
    else:
        nothing()


async def gathered(client: Client, path: str, parameters: Parameters, limit: int) -> Json:
    """So many items of a list, as one page: a page may have fewer than it could, even none, and not be the last."""
    found = await client.document(path, {**parameters, "limit": limit})
    while len(found["items"]) < limit and found.get("next") is not None:
        left = limit - len(found["items"])
        page = await client.document(path, {**parameters, "limit": left, "cursor": found["next"]})
        found = {**page, "items": [*found["items"], *page["items"]]}
    return found


async def _everything(
    client: Client, path: str, parameters: Parameters, columns: Sequence[Column], *, as_json: bool
) -> None:
    number = 0
    with show.progress() as progress:
        task = progress.add_task("asking …")
        async for page in client.pages(path, parameters):
            items = page["items"]
            if as_json:
                typer.echo("".join(f"{json.dumps(item, ensure_ascii=False)}\n" for item in items), nl=False)
            elif items:
                show.print_table(columns, items)
            number += len(items)
            progress.update(task, description=f"{number:,}")
    if not number:
        await known.check(client, parameters)
        if not as_json:
            nothing()


def nothing() -> None:
    """Say that a list is empty, where it disturbs no program."""
    typer.echo("There is nothing.", err=True)


def echo(document: object) -> None:
    """Print a document of the API."""
    typer.echo(json.dumps(document, ensure_ascii=False))
