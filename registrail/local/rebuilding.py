"""`registrail rebuild`: what was worked out from the journal is thrown away and worked out again."""

import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from registrail.local.command import command
from registrail.local.listing import Output, echo
from registrail.local.problems import LocalError
from registrail.local.show import plain
from registrail.local.target import in_process, storage_settings

if TYPE_CHECKING:
    from registrail.rebuild import Step

_STORAGE_HELP: Final = (
    "The tables: sqlite:///FILE, https://ACCOUNT.table.core.windows.net (with az login or a managed identity), a "
    "connection string, or env for what REGISTRAIL_STORAGE says."
)


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "rebuild")(rebuild)


async def rebuild(
    *,
    output: Output,
    registries: Annotated[
        list[str] | None, typer.Argument(metavar="[REGISTRY]...", help="Only of these; else of all.")
    ] = None,
    storage: Annotated[str | None, typer.Option(help=_STORAGE_HELP)] = None,
    forget: Annotated[
        bool,
        typer.Option(
            "--forget",
            help="Also if retention has deleted events: what followed from them is lost, such as what a tag has "
            "pointed to since then.",
        ),
    ] = False,
    grace: Annotated[
        float, typer.Option(min=0, metavar="SECONDS", help="How long readers who came before may finish.")
    ] = 10.0,
) -> None:
    """Work out history and counts anew, from the events.

    Nobody needs this from day to day: what is worked out follows the events by itself. It is for after an upgrade that
    says so, and if tables other than events were damaged.

    Events are received meanwhile. Readers of this registry are told to come again later. If it is interrupted, run it
    again: it goes on where it was. It works on the tables themselves, so it needs --storage.

    For instance:

        registrail rebuild --storage https://myaccount.table.core.windows.net

        registrail rebuild myregistry.azurecr.io --storage sqlite:///.registrail/7071/registrail.db --json
    """
    if storage is None:
        raise LocalError("a rebuild works on the tables themselves: name them with --storage, or say --storage env")
    from registrail.storage.schema import raise_version  # noqa: PLC0415 - most commands ask over HTTP

    async with in_process(storage_settings(storage, os.environ)) as (_, cases, store):
        wanted = _known(registries, await cases.ingest.journal.registries())
        use_case = replace(cases.rebuild, grace_seconds=grace)
        for registry in wanted:
            began = time.monotonic()
            with _progress() as progress:
                events = await use_case.rebuild(registry, _teller(progress, registry), forget=forget)
            seconds = time.monotonic() - began
            if output.json:
                echo({"registry": registry, "events": events, "seconds": round(seconds, 3)})
            else:
                typer.echo(f"rebuilt {plain(registry)}: {events:,} events in {seconds:,.1f} s")
        if not registries:
            await raise_version(store)


def _known(wanted: Sequence[str] | None, known: Sequence[str]) -> Sequence[str]:
    """The registries that are wanted, in lower case as they are stored."""
    names = [name.lower() for name in wanted] if wanted else known
    unknown = [name for name in names if name not in known]
    if unknown:
        there = f"there are {', '.join(map(plain, known))}" if known else "there is none yet"
        raise LocalError(f"no registry {plain(unknown[0])} ever sent an event; {there}")
    return names


def _teller(progress: Progress, registry: str) -> "Callable[[Step], None]":
    """Shows how many days are done."""
    task = progress.add_task(plain(registry), total=None)
    events = 0
    total: int | None = None

    def tell(step: "Step") -> None:
        nonlocal events, total
        total = step.left if total is None else total
        events += step.events
        progress.update(
            task,
            total=total,
            completed=total - step.left,
            description=f"{plain(registry)} {step.day if events else ''} {events:,} events",
        )

    return tell


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("days"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        disable=not sys.stderr.isatty(),
        transient=True,
    )
