"""The options of `registrail send`, which its commands get as two values instead of twenty arguments."""

import inspect
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, fields
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer

from registrail.instants import Instant
from registrail.local.dialects import Dialect


def read_rate(text: str) -> float:
    """Read `50`, `50/s` or `600/m` as deliveries per second."""
    number, _, unit = text.partition("/")
    seconds = {"": 1, "s": 1, "m": 60}.get(unit.strip())
    try:
        rate = float(number) / (seconds or 0)
    except (ValueError, ZeroDivisionError):
        rate = 0.0
    if not 0 < rate < float("inf"):
        message = f"{text!r} is not a rate such as 50/s or 600/m"
        raise typer.BadParameter(message)
    return rate


def _address(text: str | None) -> str | None:
    """Accept only an address that HTTP can reach."""
    if text is not None:
        try:
            good = httpx.URL(text).scheme in {"http", "https"} and httpx.URL(text).host != ""
        except httpx.InvalidURL:
            good = False
        if not good:
            message = f"{text!r} is not an address such as http://localhost:7071"
            raise typer.BadParameter(message)
    return text


def _time(text: str | None) -> str | None:
    """Accept only a time that is one."""
    if text is not None:
        try:
            Instant.parse(text)
        except ValueError as error:
            raise typer.BadParameter(str(error)) from error
    return text


_about = partial(typer.Option, rich_help_panel="What happened")


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What happened."""

    registry: Annotated[str, _about(help="The registry that speaks.")] = "myregistry.azurecr.io"
    repository: Annotated[
        str | None,
        _about(help="Such as team/app; else a new choice for each event."),
    ] = None
    tag: Annotated[
        str | None,
        _about(help='Such as v1; "" for none; else made up.'),
    ] = None
    digest: Annotated[str | None, _about(help="Such as sha256:…; else made up.")] = None
    media_type: Annotated[
        str | None,
        _about(help="Of the manifest; else an OCI image's."),
    ] = None
    size: Annotated[int | None, _about(min=0, help="Of the manifest, in bytes.")] = None
    client: Annotated[str, _about(help="The client's user agent.")] = "docker/27.3.1"
    actor: Annotated[
        str | None,
        _about(help="Who did it; real Azure registries do not say."),
    ] = None
    region: Annotated[
        str | None,
        _about(help="Of the replica that reports it."),
    ] = None
    at: Annotated[
        str | None,
        _about(
            callback=_time,
            metavar="RFC3339",
            help="When the first happened; each next is 1 µs later. Else now.",
        ),
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """To whom it is told, how, and how often."""

    to: Annotated[str, typer.Option(callback=_address, help="The app's base address.")] = "http://localhost:7071"
    key: Annotated[str | None, typer.Option(envvar="REGISTRAIL_KEY", help="The host key, sent as x-functions-key.")] = (
        field(default=None, repr=False)
    )
    dialect: Annotated[
        Dialect | None,
        typer.Option("--as", help="Who tells it. Default: acr, or eventgrid with --topic."),
    ] = None
    count: Annotated[int, typer.Option(min=1, help="How many events.")] = 1
    rate: Annotated[
        float | None,
        typer.Option(parser=read_rate, metavar="N/s", help="Begin so many deliveries per second, or N/m."),
    ] = None
    concurrency: Annotated[int, typer.Option(min=1, help="Deliveries under way at once; 1 keeps them in order.")] = 1
    retry: Annotated[
        bool,
        typer.Option(
            "--retry",
            help="Retry as Event Grid does, from 0.2 s to 10 s apart, for 5 minutes. Webhooks never do.",
        ),
    ] = False
    seed: Annotated[int | None, typer.Option(help="The same seed gives the same ids, digests and names.")] = None
    log: Annotated[
        Path | None,
        typer.Option(dir_okay=False, help="Append a JSON line for each delivery that was answered with 200."),
    ] = None
    json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False
    topic: Annotated[
        str | None,
        typer.Option(callback=_address, help="Publish to this Event Grid topic instead (its endpoint)."),
    ] = None
    topic_key: Annotated[
        str | None,
        typer.Option(envvar="REGISTRAIL_TOPIC_KEY", help="The topic's key; else you are signed in with Entra."),
    ] = field(default=None, repr=False)


def command(
    app: typer.Typer, name: str, *, without: Collection[str] = ()
) -> Callable[[Callable[[Content, Delivery], None]], Callable[[Content, Delivery], None]]:
    """Make a command of a function of `Content` and `Delivery`: each of their fields becomes an option.

    Args:
        app: gets the command.
        name: of the command.
        without: fields that mean nothing to this command; they are no options and keep their defaults.
    """

    def register(run: Callable[[Content, Delivery], None]) -> Callable[[Content, Delivery], None]:
        parameters = [
            inspect.Parameter(f.name, inspect.Parameter.KEYWORD_ONLY, annotation=f.type, default=f.default)
            for f in (*fields(Content), *fields(Delivery))
            if f.name not in without
        ]
        about = {f.name for f in fields(Content)}

        def called(**given: Any) -> None:  # noqa: ANN401 - whatever the options hold
            content = Content(**{name: value for name, value in given.items() if name in about})
            run(content, Delivery(**{name: value for name, value in given.items() if name not in about}))

        signature = inspect.Signature(parameters)
        called.__signature__ = signature  # type: ignore[attr-defined]  # typer reads it
        called.__doc__ = run.__doc__
        app.command(name)(called)
        return run

    return register
