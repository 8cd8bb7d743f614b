"""`registrail doctor`: is everything as it should be, and if not, what to do."""

import json
import os
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from dataclasses import asdict
from typing import Final
from urllib.parse import urlsplit

import typer
from rich.text import Text

from registrail.errors import RegistrailError, SettingsError
from registrail.local import show
from registrail.local.checks import Finding, State, of_app, of_store, of_version
from registrail.local.client import Client
from registrail.local.command import command
from registrail.local.listing import Output
from registrail.local.target import Target, asking, in_process, is_loopback, read_key, storage_settings
from registrail.settings import Settings

_SIGNS: Final[Mapping[State, str]] = {"ok": "ok", "warning": "warning", "problem": "PROBLEM"}
_STYLES: Final[Mapping[State, str]] = {"ok": "green", "warning": "yellow", "problem": "bold red"}


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "doctor")(doctor)


async def doctor(output: Output, target: Target) -> None:
    """Look whether everything is as it should be; a line for each check, with what to do about it.

    Of an app: does it answer, what may you do, do the clocks agree, when did each registry last say something, do folds
    keep up, did deliveries fail of late. With --storage also: are the settings right, may rows be written.

    Exits with 1 if there is a problem; a warning is none.

    For instance:

        registrail doctor --url https://my-app.azurewebsites.net --key-file key.txt

        registrail doctor --storage https://myaccount.table.core.windows.net

        registrail doctor --json
    """
    findings: list[Finding] = []
    async for finding in examine(target, os.environ):
        findings.append(finding)
        if not output.json:
            _print(finding)
    if output.json:
        typer.echo(json.dumps({"ok": not _has_problem(findings), "checks": [asdict(one) for one in findings]}))
    if _has_problem(findings):
        raise typer.Exit(1)


async def examine(target: Target, environment: Mapping[str, str]) -> AsyncGenerator[Finding, None]:
    """All findings about whom the command line names, one by one."""
    if target.storage is not None:
        async for finding in _of_storage(target.storage, environment):
            yield finding
        return
    try:
        yield _of_transport(target, environment)
        async with asking(target, environment) as client:
            async for finding in of_app(client, None):
                yield finding
    except RegistrailError as error:
        yield Finding("command line", "problem", str(error), "see registrail doctor --help")


async def _of_storage(storage: str, environment: Mapping[str, str]) -> AsyncIterator[Finding]:
    """The settings, the tables, and then what the app says of them."""
    settings: Settings | None = None
    try:
        settings = storage_settings(storage, environment)
    except SettingsError as error:
        for problem in error.problems:
            yield Finding("settings", "problem", problem, "correct the environment; settings are in docs")
    except RegistrailError as error:
        yield Finding("settings", "problem", str(error), "correct --storage")
    if settings is None:
        return
    yield Finding("settings", "ok", "they can be read")
    try:
        async with in_process(settings) as (http, cases, store):
            version = await of_version(store)
            yield version
            if version.state == "problem":
                return
            tables = await of_store(store)
            yield tables
            if tables.state != "ok":
                return
            async for finding in of_app(Client(http, "the app in this process"), cases.ingest.marks):
                yield finding
    except SettingsError as error:
        yield Finding("settings", "problem", str(error), "correct --storage")


def _of_transport(target: Target, environment: Mapping[str, str]) -> Finding:
    """Whether the key travels where nobody can read it."""
    url = urlsplit(target.url)
    if url.scheme == "http" and not is_loopback(url.hostname or "") and read_key(target, environment):
        return Finding("transport", "warning", "your key travels in clear", "use https, or the key is everybody's")
    return Finding("transport", "ok", "nobody on the way reads your key" if url.scheme == "https" else "it is local")


def _print(finding: Finding) -> None:
    """A line on standard output; what to do comes with it."""
    line = Text.assemble((f"{_SIGNS[finding.state]:8}", _STYLES[finding.state]), f"{finding.check}: {finding.detail}")
    if finding.advice:
        line.append(f" → {finding.advice}")
    show.console().print(line, soft_wrap=True)


def _has_problem(findings: list[Finding]) -> bool:
    return any(finding.state == "problem" for finding in findings)
