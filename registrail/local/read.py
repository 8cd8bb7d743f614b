"""Commands that list what happened: events, tags, pushes."""

from collections import Counter
from typing import Annotated

import typer

from registrail.local import show
from registrail.local.command import command
from registrail.local.listing import Paging, Range, Who, list_out, merged
from registrail.local.problems import LocalError
from registrail.local.reference import Reference
from registrail.local.show import Column, Item
from registrail.local.target import Target, asking

Image = Annotated[
    str | None,
    typer.Argument(
        metavar="IMAGE", help="team/app, team/app:v1, team/app@sha256:…, sha256:…, or team/* for all that begin so."
    ),
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    command(app, "events")(events)
    command(app, "tags")(tags)
    command(app, "pushes")(pushes)


async def events(  # noqa: PLR0913, PLR0917 - one for each group of options
    range_: Range,
    who: Who,
    paging: Paging,
    target: Target,
    image: Image = None,
    action: Annotated[str | None, typer.Option(help="Only these: push, delete, quarantine, …")] = None,
) -> None:
    """List what registries reported, newest first.

    For instance:

        registrail events --since 24h

        registrail events team/app:latest --action push

        registrail events 'team/*' --actor ci --all --json > events.ndjson
    """
    columns = [
        Column("when", show.when("occurred_at")),
        Column("action", show.word("action")),
        Column("repository", show.text("repository")),
        Column("tag", show.text("tag")),
        show.digest_column("digest", "digest"),
        Column("actor", show.text("actor")),
        show.client_column(),
        Column("registry", show.text("registry")),
    ]
    named = Reference.parse(image).parameters()
    async with asking(target) as client:
        parameters = merged(named, range_.parameters(), who.parameters(), {"action": action})
        await list_out(client, "/api/events", parameters, paging, columns)


async def tags(  # noqa: PLR0913 - one for each option
    paging: Paging,
    target: Target,
    repository: Annotated[str | None, typer.Argument(help="Such as team/app; else of all.")] = None,
    *,
    registry: Annotated[str | None, typer.Option(help="The registry's host.")] = None,
    prefix: Annotated[str | None, typer.Option(help="Only those that begin so, in one repository.")] = None,
    absent: Annotated[bool, typer.Option("--absent", help="Also those that point to nothing any more.")] = False,
) -> None:
    """List tags, and what they point to.

    For instance:

        registrail tags team/app

        registrail tags team/app --prefix v2. --all

        registrail tags --absent --json
    """
    columns = [
        Column("repository", show.text("repository")),
        Column("tag", show.text("tag")),
        show.digest_column("digest", "digest"),
        *([show.digest_column("before", "previous_digest")] if absent else []),
        Column("since", show.when("since")),
        Column("actor", show.text("actor")),
        show.client_column(),
        Column("changes", show.text("changes"), right=True, is_spare=True),
    ]
    named = Reference.parse(repository).parameters(registry=registry)
    if prefix is not None and named["repository"] is None:
        raise LocalError("--prefix is of tags in one repository: name it")
    more = {"prefix": prefix, "present": "false" if absent else None}
    async with asking(target) as client:
        parameters = merged({name: named[name] for name in ("registry", "repository")}, more)
        await list_out(client, "/api/tags", parameters, paging, columns)


async def pushes(range_: Range, who: Who, paging: Paging, target: Target, image: Image = None) -> None:
    """List pushes, newest first: each with its tags, platforms and signatures, however many events it was.

    For instance:

        registrail pushes team/app --since 7d

        registrail pushes --actor ci --json
    """

    def number(name: str) -> Column:
        return Column(name, lambda item: str(len(item.get(name) or ()) or show.NOTHING), right=True)

    def kinds(item: Item) -> str:
        found = Counter(show.plain(one.get("kind")) for one in item.get("referrers") or ())
        return ", ".join(f"{kind} x{times}" if times > 1 else kind for kind, times in found.items()) or show.NOTHING

    columns = [
        Column("when", show.when("at")),
        Column("repository", show.text("repository")),
        Column("tags", lambda item: ", ".join(map(show.plain, item.get("tags") or ())) or show.NOTHING),
        show.digest_column("digest", "digest"),
        number("parts"),
        Column("with", kinds),
        Column("actor", show.text("actor")),
        show.client_column(),
        Column("events", show.text("events"), right=True, is_spare=True),
        Column("registry", show.text("registry")),
    ]
    named = Reference.parse(image).parameters()
    async with asking(target) as client:
        await list_out(client, "/api/pushes", merged(named, range_.parameters(), who.parameters()), paging, columns)
