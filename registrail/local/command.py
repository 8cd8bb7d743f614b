"""Commands as coroutines, whose options may come in groups, and whose problems end in one line."""

import asyncio
import inspect
from collections.abc import Callable, Coroutine
from dataclasses import fields, is_dataclass
from typing import Any, Final

import typer

from registrail.errors import InvalidParameterError, RegistrailError, SettingsError
from registrail.local.client import named

PANEL: Final = "Ask what happened"

Run = Callable[..., Coroutine[Any, Any, None]]


def command(app: typer.Typer, name: str) -> Callable[[Run], Run]:
    """Make a command of a coroutine function; each field of a parameter that is a dataclass becomes an option."""

    def register(run: Run) -> Run:
        groups: Final[dict[str, Any]] = {
            parameter.name: parameter.annotation
            for parameter in inspect.signature(run).parameters.values()
            if is_dataclass(parameter.annotation)
        }

        def called(**given: Any) -> None:  # noqa: ANN401 - whatever the options hold
            for group, kind in groups.items():
                given[group] = kind(**{one.name: given.pop(one.name) for one in fields(kind)})
            finish(run(**given))

        parameters = [
            flat
            for parameter in inspect.signature(run).parameters.values()
            for flat in (
                [
                    inspect.Parameter(
                        one.name, inspect.Parameter.KEYWORD_ONLY, annotation=one.type, default=one.default
                    )
                    for one in fields(groups[parameter.name])
                ]
                if parameter.name in groups
                else [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)]
            )
        ]
        called.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # typer reads it
        called.__doc__ = run.__doc__
        app.command(name, rich_help_panel=PANEL)(called)
        return run

    return register


def finish(work: Coroutine[Any, Any, None]) -> None:
    """Do the work; what goes wrong is said on standard error, and the exit code is 1."""
    try:
        asyncio.run(work)
    except SettingsError as error:
        for problem in error.problems:
            typer.echo(problem, err=True)
        raise typer.Exit(1) from error
    except RegistrailError as error:
        line = named(error.parameter, str(error)) if isinstance(error, InvalidParameterError) else str(error)
        typer.echo(line if line.endswith((".", "?", "!")) else f"{line}.", err=True)
        raise typer.Exit(1) from error
