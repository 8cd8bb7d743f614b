"""Commands that answer questions about the past: timeline, as-of, who-deleted."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated, Any

import typer
from rich.text import Text

from registrail.local import known, show
from registrail.local.client import Client, Json, RefusedError
from registrail.local.command import command
from registrail.local.listing import Output, Paging, Range, Who, echo, gathered, list_out, merged, nothing
from registrail.local.problems import LocalError
from registrail.local.reference import Reference
from registrail.local.show import Column, ago, plain, second, short
from registrail.local.target import Target, asking

MOVEMENT = (
    Column("at", lambda item: second(item.get("at"))),
    Column("change", show.word("change")),
    show.digest_column("digest", "digest"),
    show.digest_column("before", "previous_digest"),
    Column("actor", show.text("actor")),
    show.client_column(),
    Column("when", show.when("at"), is_spare=True),
)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    command(app, "timeline")(timeline)
    command(app, "as-of")(as_of)
    command(app, "who-deleted")(who_deleted)


async def timeline(
    range_: Range,
    paging: Paging,
    target: Target,
    image: Annotated[str, typer.Argument(metavar="REPOSITORY[:TAG]", help="Such as team/app:latest.")],
    tag: Annotated[str | None, typer.Argument(help="The tag, if it does not stand there already.")] = None,
) -> None:
    """Show how a tag moved, newest first.

    For instance:

        registrail timeline team/app latest

        registrail timeline team/app:latest --since 30d --json
    """
    named = Reference.parse(image)
    wanted = tag or named.tag
    if named.repository is None or wanted is None:
        raise LocalError(f"whose timeline? Name a repository and a tag: registrail timeline {named} latest")
    parameters = merged(named.parameters(), {"tag": wanted, "digest": None}, range_.parameters())
    del parameters["digest"]
    async with asking(target) as client:
        await list_out(client, "/api/timeline", parameters, paging, MOVEMENT)


async def as_of(
    at: Annotated[str, typer.Option("--at", help="The instant: RFC 3339, a date, or an age such as 24h.")],
    paging: Paging,
    target: Target,
    image: Annotated[
        str | None, typer.Argument(metavar="IMAGE", help="team/app:latest, or team/app; else the whole registry.")
    ] = None,
    registry: Annotated[str | None, typer.Option(help="The registry's host; needed if there are several.")] = None,
) -> None:
    """Tell what a tag pointed to at an instant, or every tag of a repository or of a registry.

    For instance:

        registrail as-of team/app:latest --at 2026-11-17T12:00:00Z

        registrail as-of team/app --at 7d

        registrail as-of --at 2026-11-17 --all --json
    """
    named = Reference.parse(image)
    where = {"registry": registry or named.registry, "repository": named.repository, "at": at}
    if named.digest is not None:
        raise LocalError(f"{named} is a digest, and those never change: name a tag, or a repository")
    async with asking(target) as client:
        if named.tag is None:
            columns = [
                Column("repository", show.text("repository")),
                Column("tag", show.text("tag")),
                Column("digest", show.text("digest"), brief=show.brief_digest),
                Column("since", lambda item: second(item.get("since"))),
                Column("actor", show.text("actor")),
                show.client_column(),
            ]
            await list_out(client, "/api/tags", where, paging, columns)
            return
        parameters = {**where, "tag": named.tag}
        found = await client.document("/api/timeline", parameters)
        if not found["items"]:
            await known.check(client, parameters)
    if paging.json:
        echo(found)
        return
    show.console().print(Text(_pointed(named, at, found)), soft_wrap=True)


def _pointed(named: Reference, at: str, found: Json) -> str:
    """In a sentence, what a tag pointed to."""
    movements = found.get("items") or []
    if not movements:
        return f"{plain(named)} did not exist yet {_at(at)}."
    last = movements[0]
    by = _by(last)
    if found.get("digest") is None:
        return f"{plain(named)} was absent: {plain(last.get('change'))} {second(last.get('at'))}{by}."
    target = plain(found["digest"]) if found["digest"] else "an unknown digest"
    return f"{target}\n{plain(named)} pointed there since {second(last.get('at'))}{by}."


async def who_deleted(  # noqa: PLR0913, PLR0917 - one for each group of options
    range_: Range,
    who: Who,
    output: Output,
    target: Target,
    image: Annotated[
        str, typer.Argument(metavar="IMAGE", help="team/app:v1, team/app@sha256:…, team/app or sha256:….")
    ],
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=1000, help="So many deletes at most.")] = 5,
) -> None:
    """Tell who deleted something, when, with what, what it was, and where it is still held.

    For instance:

        registrail who-deleted team/app:v1

        registrail who-deleted sha256:80f0d5c8786bb9e621a45ece0db56d11cdc624ad20da9fe62e9d25490f331d7d

        registrail who-deleted 'team/*' --since 7d --json
    """
    named = Reference.parse(image)
    parameters = merged(named.parameters(), range_.parameters(), who.parameters())
    async with asking(target) as client:
        found = await gathered(client, "/api/deletes", parameters, limit)
        if not found["items"]:
            await known.check(client, parameters)
        if output.json:
            echo(found)
            return
        if not found["items"]:
            nothing()
            return
        for item in found["items"]:
            show.console().print(_dossier(await _whole(client, item)), soft_wrap=True)
    if found.get("next") is not None:
        typer.echo("There are more: --limit.", err=True)


async def _whole(client: Client, item: Json) -> Json:
    """A delete with what only its own page tells; without that if it has expired meanwhile."""
    try:
        return await client.document(f"/api/deletes/{item['event']}", {"registry": item.get("registry")})
    except RefusedError as error:
        if error.status != HTTPStatus.NOT_FOUND:
            raise
        return item


def _dossier(item: Mapping[str, Any]) -> Text:
    """A paragraph for a delete."""
    named = plain(item.get("repository"))
    if item.get("tag"):
        named += f":{plain(item['tag'])}"
    if item.get("digest"):
        named += f"@{plain(item['digest'])}"
    lines = Text.assemble((named, "bold"), "\n  ", ("deleted", "red"))
    lines.append(f" {second(item.get('at'))} ({ago(item.get('at'))}){_by(item)}")
    tags = [f"{plain(one.get('tag'))} (since {second(one.get('since'))})" for one in item.get("tags") or ()]
    if tags:
        lines.append(f"\n  with the tags {', '.join(tags)}" if len(tags) > 1 else f"\n  with the tag {tags[0]}")
    if item.get("first_pushed_at"):
        by = _by({"actor": item.get("first_actor"), "client": item.get("first_client")})
        lines.append(f"\n  first pushed {second(item['first_pushed_at'])}{by}")
    if item.get("last_pushed_at") and item["last_pushed_at"] != item.get("first_pushed_at"):
        by = _by({"actor": item.get("last_actor"), "client": item.get("last_client")})
        lines.append(f"\n  last pushed {second(item['last_pushed_at'])}{by}")
    if item.get("age_seconds") is not None:
        lines.append(f"\n  {show.lasting(float(item['age_seconds']))} old")
    if "still_held" in item:
        lines.append(f"\n  {_held(item['still_held'])}")
    return lines


def _held(held: Mapping[str, Any]) -> str:
    """Where it can still be had."""
    tags = [f"{plain(one.get('repository'))}:{plain(one.get('tag'))}" for one in held.get("tags") or ()]
    indexes = [f"the index {short(one.get('digest'))}" for one in held.get("indexes") or ()]
    return f"still held by {', '.join([*tags, *indexes])}" if tags or indexes else "held by no other tag"


def _at(at: str) -> str:
    """An instant as it was given, in a sentence."""
    return f"{plain(at)} ago" if at[-1:].isalpha() and at[-1:] != "Z" else f"at {plain(at)}"


def _by(item: Mapping[str, Any]) -> str:
    actor, client = item.get("actor"), item.get("client")
    return (f" by {plain(actor)}" if actor else "") + (f" with {plain(client)}" if client else "")
