"""`registrail export`: a list as a file, of any length.

It reads page after page of the list and writes the file here, with the same writers as `/api/export/…`: Azure Functions
gives an answer only when it is complete, within 230 seconds, which a long list would not be.
"""

import os
import sys
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import IO, Annotated, Final

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from registrail.export import COLUMNS, Format, Kind, Row, begun, write
from registrail.instants import Instant
from registrail.local import known, show
from registrail.local.client import Client, Parameters
from registrail.local.command import command
from registrail.local.listing import Range, Who, merged
from registrail.local.problems import LocalError
from registrail.local.reference import Reference
from registrail.local.target import Target, asking
from registrail.moments import moment

_TIMES: Final[Mapping[Kind, str]] = {"events": "occurred_at", "pushes": "at", "timeline": "at"}
_WITHOUT: Final[Mapping[Kind, Sequence[str]]] = {
    "events": (),
    "pushes": ("action",),
    "timeline": ("action", "actor", "client", "digest"),
}
"""The filters that a list does not have."""


class What(StrEnum):
    """What there is to export."""

    EVENTS = "events"
    PUSHES = "pushes"
    TIMELINE = "timeline"


class Form(StrEnum):
    """The kind of file."""

    CSV = "csv"
    NDJSON = "ndjson"
    PARQUET = "parquet"


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "export")(export)


async def export(  # noqa: PLR0913, PLR0917 - one for each option
    what: Annotated[What, typer.Argument(help="Which list.")],
    range_: Range,
    who: Who,
    target: Target,
    image: Annotated[str | None, typer.Argument(metavar="IMAGE", help="Only of this: team/app, team/app:v1, …")] = None,
    action: Annotated[str | None, typer.Option(help="Only these events: push, delete, …")] = None,
    form: Annotated[
        Form | None, typer.Option("--format", "-f", help="Else as the output's name ends; csv on standard output.")
    ] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="The file; else standard output.")] = None,
) -> None:
    """Export a list as CSV, NDJSON or Parquet, newest first, with all it has.

    The file appears when it is complete. Its columns are in docs/export.md; spreadsheets take no text in CSV for a
    formula.

    For instance:

        registrail export events --since 30d --format parquet --output events.parquet

        registrail export pushes 'team/*' -o pushes.csv

        registrail export timeline team/app:latest -f ndjson | jq .digest
    """
    kind: Kind = what.value
    given = merged(Reference.parse(image).parameters(), range_.parameters(), who.parameters(), {"action": action})
    useless = [name for name in _WITHOUT[kind] if given.get(name) is not None]
    if useless:
        raise LocalError(f"{what} cannot be filtered by {useless[0]}")
    now = show.now()
    # An age is one age for all pages.
    ends = {name: moment(name, text, now) for name, text in (("since", range_.since), ("until", range_.until))}
    fixed = {name: end.isoformat() for name, end in ends.items() if end}
    parameters = {name: value for name, value in given.items() if name not in _WITHOUT[kind]} | fixed
    chosen = _form(form, output)
    async with asking(target) as client:
        with _progress() as progress:
            task = progress.add_task("0", total=1.0 if ends["since"] else None)
            rows = _rows(client, kind, parameters, (progress, task), (ends["since"], ends["until"] or now))
            batches = await begun(rows)
            with _file(output, chosen) as file:
                async for piece in write(chosen, COLUMNS[kind], batches):
                    file.write(piece)
    if output is not None:
        typer.echo(f"Rows in {output}: {progress.tasks[task].description}", err=True)


async def _rows(
    client: Client,
    kind: Kind,
    parameters: Parameters,
    shown: tuple[Progress, TaskID],
    ends: tuple[Instant | None, Instant],
) -> AsyncIterator[Sequence[Row]]:
    """Page after page; how far it is shows in the times, which go back to the first one that is wanted."""
    progress, task = shown
    since, until = ends
    number = 0
    async for page in client.pages(f"/api/{kind}", parameters):
        items: Sequence[Row] = page["items"]
        if not items and page.get("next") is None and not number:
            await known.check(client, parameters)
        yield items
        number += len(items)
        progress.update(task, description=f"{number:,}")
        at = items[-1].get(_TIMES[kind]) if items else None
        if since and at and until > since:
            progress.update(task, completed=(until.ticks - Instant.parse(at).ticks) / (until.ticks - since.ticks))


def _form(form: Form | None, output: Path | None) -> Format:
    """Which format is meant."""
    ending = output.suffix.removeprefix(".").lower() if output else ""
    endings: Mapping[str, Format] = {
        "": "csv",
        "csv": "csv",
        "ndjson": "ndjson",
        "jsonl": "ndjson",
        "parquet": "parquet",
    }
    if form is None and ending not in endings:
        raise LocalError(f"{output} ends like no format: name it .csv, .ndjson or .parquet, or give --format")
    found: Format = form.value if form else endings[ending]
    if output is None and found == "parquet" and sys.stdout.isatty():
        raise LocalError("Parquet is nothing for a terminal: give a file with --output")
    return found


@contextmanager
def _file(output: Path | None, form: Format) -> Iterator[IO[bytes]]:
    """Where the file is written to; under its own name it is complete, or not there."""
    if output is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    part = output.with_name(f".{output.name}.{os.getpid()}.{form}.part")
    try:
        with part.open("wb") as file:
            yield file
        part.replace(output)
    except OSError as error:
        raise LocalError(f"{output} cannot be written: {error.strerror or error}") from error
    finally:
        part.unlink(missing_ok=True)


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description} rows"),
        BarColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        disable=not sys.stderr.isatty(),
        transient=True,
    )
