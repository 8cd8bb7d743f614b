"""`registrail demo`: a real registry, and what Registrail recorded of it, side by side."""

import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated

import httpx
import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from registrail.local.journey import Effect, Step, find_programs, journey, running_registry
from registrail.local.processes import JourneyError, running_app
from registrail.local.recorded import Activity, Recorded, Recording, is_exact


def demo(
    *,
    to: Annotated[
        str | None,
        typer.Option(help="An app that runs already; else one is started, with its data in a temporary folder."),
    ] = None,
    key: Annotated[
        str | None,
        typer.Option(envvar="REGISTRAIL_KEY", help="The host key of that app, sent as x-functions-key."),
    ] = None,
    stay: Annotated[bool, typer.Option("--stay", help="Leave everything running for a look, until Ctrl-C.")] = False,
) -> None:
    """Start a real registry, push, retag and delete with skopeo, and compare with what was recorded.

    Needs docker-registry and skopeo, and no network: everything happens on loopback, in a temporary folder,
    and is ended when done. Exits with 1 if anything that was done is not recorded exactly once.

    For instance:

        registrail demo

        registrail demo --stay

        registrail demo --to http://localhost:7071     (keeps the events in your own app)
    """
    console = Console()
    try:
        with _signals_as_exceptions():
            complete = _show(console, to, key, stay=stay)
    except JourneyError as error:
        typer.echo(f"The demo could not go on: {error}.", err=True)
        raise typer.Exit(1) from error
    if not complete:
        typer.echo("Not everything was recorded exactly once; see the rows marked above.", err=True)
        raise typer.Exit(1)


def _show(console: Console, to: str | None, key: str | None, *, stay: bool) -> bool:
    """Make the journey and print it; whether everything was recorded exactly once, and nothing else."""
    find_programs()
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="registrail-demo-")))
        headers = {} if key is None else {"x-functions-key": key}
        url = stack.enter_context(running_app(directory)) if to is None else to.rstrip("/")
        client = httpx.Client(base_url=url, headers=headers, timeout=30, trust_env=to is not None)
        recording = Recording(stack.enter_context(client))
        recording.check_health()
        registry = stack.enter_context(running_registry(directory, f"{url}/hooks/distribution", headers))
        console.print(f"Registrail at {url}, docker-registry at {registry.host}", highlight=False)
        steps = []
        for step in journey(registry):
            console.print(Text(f"  {_shortened(step.did)}", style="dim"))
            steps.append(step)
        effects = [effect for step in steps for effect in step.effects]
        recorded = recording.arrived(registry.host, len(effects))
        recording.fold()
        totals = recording.totals(registry.host, len(recorded))
        repositories = sorted({effect.repository for effect in effects})
        activity = [row for name in repositories for row in recording.activity(registry.host, repository=name)]
        surplus = [entry for entry in recorded if entry.effect not in effects]
        console.print(_comparison(steps, recorded, surplus), _activity([*activity, *totals]))
        _say_where_to_look(console, url, registry.host, kept=to is not None, stay=stay)
    return is_exact(effects, recorded, totals)


def _comparison(steps: Sequence[Step], recorded: Sequence[Recorded], surplus: Sequence[Recorded]) -> Table:
    table = Table("What the registry did", "What Registrail recorded", box=box.SIMPLE_HEAD)
    for step in steps:
        lines = Text("\n").join(_line(effect, recorded) for effect in step.effects)
        table.add_row(Text(_shortened(step.did)), lines)
    for entry in surplus:
        table.add_row(Text("(nothing)"), Text(f"✗ {_words(entry.effect)}", style="red"))
    return table


def _line(effect: Effect, recorded: Sequence[Recorded]) -> Text:
    times = _times(effect, recorded)
    if times == 1:
        at = next(entry.occurred_at for entry in recorded if entry.effect == effect)
        return Text(f"✓ {at[11:23]} {_words(effect)}", style="green")
    return Text(f"✗ {_words(effect)} {f'{times} times' if times else 'is missing'}", style="red")


def _times(effect: Effect, recorded: Sequence[Recorded]) -> int:
    return sum(entry.effect == effect for entry in recorded)


def _words(effect: Effect) -> str:
    tag = f":{effect.tag}" if effect.tag else ""
    digest = f"@{effect.digest}" if effect.digest else ""
    return _shortened(f"{effect.action} {effect.repository}{tag}{digest}")


def _shortened(text: str) -> str:
    """Cut digests down to what a person compares."""
    before, algorithm, digest = text.partition("sha256:")
    return f"{before}{algorithm}{digest[:8]}…" if digest else text


def _activity(activity: Sequence[Activity]) -> Table:
    table = Table("Hour", "Repository", "Events", "Pushes", "Deletes", box=box.SIMPLE_HEAD)
    for row in activity:
        figures = (str(row.events), str(row.pushes), str(row.deletes))
        table.add_row(Text(row.period), Text(row.repository or "all"), *figures)
    return table


def _say_where_to_look(console: Console, url: str, host: str, *, kept: bool, stay: bool) -> None:
    if kept or stay:
        console.print(f"Look at {url}/ and at {url}/api/events?registry={host}", highlight=False, soft_wrap=True)
    else:
        console.print(
            "All this is gone now. To look around in it: registrail demo --stay, or start the app with "
            "`make run` and give it: registrail demo --to http://localhost:7071",
            highlight=False,
        )
    if stay:
        console.print("Ctrl-C ends it all.")
        try:
            while True:
                time.sleep(3600)
        except KeyboardInterrupt:
            console.print("Ended.")


@contextmanager
def _signals_as_exceptions() -> Iterator[None]:
    """Let a request to end, or the terminal's going away, end what was started first, as Ctrl-C does."""

    def leave(number: int, _frame: FrameType | None) -> None:
        sys.exit(128 + number)

    before = {number: signal.signal(number, leave) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
