"""`registrail import`: events from a backup."""

import gzip
import itertools
import os
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Final, Protocol

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from registrail.backup import read_line
from registrail.errors import MalformedError
from registrail.local.command import command
from registrail.local.listing import Output, echo
from registrail.local.problems import LocalError
from registrail.local.target import storage_settings

if TYPE_CHECKING:
    from registrail.events import RecordedEvent
    from registrail.ports import Marks

AT_ONCE: Final = 1_000
"""Lines that are read, then written."""

_STORAGE_HELP: Final = (
    "The tables: sqlite:///FILE, https://ACCOUNT.table.core.windows.net (with az login or a managed identity), a "
    "connection string, or env for what REGISTRAIL_STORAGE says."
)


class Restorable(Protocol):
    """A journal that takes events as they were recorded."""

    async def restore(self, events: Sequence["RecordedEvent"]) -> None:
        """Write them; safe to repeat."""
        ...


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "import")(import_)


async def import_(
    *,
    output: Output,
    file: Annotated[Path, typer.Argument(help="What registrail export events -f ndjson wrote; may end in .gz.")],
    storage: Annotated[str | None, typer.Option(help=_STORAGE_HELP)] = None,
) -> None:
    """Write exported events into an empty or an existing store; what is there already stays, and nothing is doubled.

    History and counts follow by themselves; after many events registrail rebuild is faster. If it is interrupted, run
    it again. It works on the tables themselves, so it needs --storage; a SQLite file is made if there is none.

    For instance:

        registrail export events --format ndjson --output events.ndjson

        registrail import events.ndjson --storage sqlite:///restored.db

        registrail rebuild --storage sqlite:///restored.db
    """
    if storage is None:
        raise LocalError("an import writes to the tables themselves: name them with --storage, or say --storage env")
    from registrail.storage import open_store  # noqa: PLC0415 - most commands ask over HTTP
    from registrail.storage.catalog import Catalog  # noqa: PLC0415
    from registrail.storage.journal import EntityJournal  # noqa: PLC0415
    from registrail.storage.marks import EntityMarks  # noqa: PLC0415

    store = open_store(storage_settings(storage, os.environ, may_make=True))
    try:
        with _opened(file) as (lines, progress):
            number = await restore(EntityJournal(store, Catalog(store)), EntityMarks(store), lines)
            progress.stop()
    finally:
        await store.close()
    if output.json:
        echo({"events": number})
    else:
        typer.echo(f"imported {number:,} events; registrail rebuild works out history and counts at once")


async def restore(journal: Restorable, marks: "Marks", lines: Iterator[str]) -> int:
    """Write the events of a file, in its order, and mark their slots; how many lines had one.

    Raises:
        MalformedError: a line has none. What comes before it is written, which does no harm.
    """
    count = 0
    numbered = ((number, line) for number, line in enumerate(lines, 1) if line.strip())
    while some := list(itertools.islice(numbered, AT_ONCE)):
        events = [read_line(line, number) for number, line in some]
        try:
            await journal.restore(events)
        except ValueError as error:
            message = f"lines {some[0][0]} to {some[-1][0]} have an event that is not as it was exported: {error}"
            raise MalformedError(message, reason="not-an-event") from error
        slots: dict[str, set[str]] = defaultdict(set)
        for event in (recorded.event for recorded in events):
            if event.occurred_at is not None:
                slots[event.registry].add(event.occurred_at.minute)
        for registry, of_registry in slots.items():
            await marks.touch(registry, sorted(of_registry))
        count += len(events)
    return count


@contextmanager
def _opened(file: Path) -> Iterator[tuple[Iterator[str], Progress]]:
    """The lines of a file, and a bar that shows how much of it was read."""
    try:
        size = file.stat().st_size
        raw: IO[bytes] = file.open("rb")
    except OSError as error:
        raise LocalError(f"{file} cannot be read: {error.strerror or error}") from error
    progress = Progress(
        TextColumn("reading"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        disable=not sys.stderr.isatty(),
        transient=True,
    )
    task = progress.add_task("", total=size)

    def lines() -> Iterator[str]:
        try:
            for line in gzip.GzipFile(fileobj=raw) if file.suffix == ".gz" else raw:
                progress.update(task, completed=raw.tell())
                yield line.decode()
        except (OSError, EOFError, UnicodeDecodeError) as error:
            raise LocalError(f"{file} cannot be read: {error}") from error

    with raw, progress:
        yield lines(), progress
