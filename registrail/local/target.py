"""Whom to ask: an app at an address, or the same app in this process over somebody's tables."""

import logging
import os
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import httpx
import typer

from registrail.errors import SettingsError
from registrail.local.client import Client
from registrail.local.problems import LocalError
from registrail.settings import Settings

if TYPE_CHECKING:
    from registrail.compose import UseCases
    from registrail.storage.store import EntityStore

KEY: Final = "REGISTRAIL_KEY"
_STORAGE: Final = "REGISTRAIL_STORAGE"
_TABLES: Final = "REGISTRAIL_STORAGE__tableServiceUri"
_TIMEOUT: Final = 60.0
_PANEL: Final = "Whom to ask"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Whom to ask, as the command line says."""

    url: Annotated[
        str,
        typer.Option("--url", "--to", envvar="REGISTRAIL_URL", help="The app's address.", rich_help_panel=_PANEL),
    ] = "http://localhost:7071"
    key_file: Annotated[
        Path | None,
        typer.Option(help=f"A file with the key; else it is {KEY} in the environment.", rich_help_panel=_PANEL),
    ] = None
    storage: Annotated[
        str | None,
        typer.Option(
            help="Read the tables without an app: sqlite:///FILE, https://ACCOUNT.table.core.windows.net (with az "
            f"login or a managed identity), a connection string, or env for what {_STORAGE} says.",
            rich_help_panel=_PANEL,
        ),
    ] = None


@asynccontextmanager
async def asking(target: Target, environment: Mapping[str, str] = os.environ) -> AsyncIterator[Client]:
    """Open a client.

    Raises:
        LocalError: there is no such file, or the key cannot be sent.
        SettingsError: what is given as storage is none.
    """
    if target.storage is None:
        headers = {"Authorization": f"Bearer {key}"} if (key := read_key(target, environment)) else {}
        async with _remote(target.url, headers) as http:
            yield Client(http, target.url)
        return
    settings = storage_settings(target.storage, environment)
    async with in_process(settings) as (http, _, _):
        yield Client(http, "the app in this process")


def read_key(target: Target, environment: Mapping[str, str]) -> str | None:
    """The key, of the file or the environment; None if there is none."""
    key = environment.get(KEY, "").strip()
    if target.key_file is not None:
        try:
            key = target.key_file.read_text("utf-8").strip()
        except (OSError, ValueError) as error:
            raise LocalError(f"--key-file {target.key_file} cannot be read: {error}") from error
    if key and not (key.isascii() and key.isprintable()):
        raise LocalError("the key has characters that no key has: is it the right file?")
    return key or None


def storage_settings(storage: str, environment: Mapping[str, str], *, may_make: bool = False) -> Settings:
    """The app's settings with this storage instead of what they say; `env` leaves them as they are.

    Args:
        storage: as the command line says it.
        environment: what else is set.
        may_make: whether a file that is not there is made.

    Raises:
        LocalError: there is no such file; a reader makes none.
        SettingsError: with every problem there is.
    """
    if storage == "env":
        given = dict(environment)
    else:
        given = {name: value for name, value in environment.items() if name not in {_STORAGE, _TABLES}}
        given[_TABLES if storage.startswith("https://") else _STORAGE] = storage
    try:
        settings = Settings.from_env(given)
    except SettingsError as error:
        raise _of_option(error) if storage != "env" else error from None
    path = settings.sqlite_path
    if path is not None and not may_make and not Path(path).is_file():
        raise LocalError(f"there is no file {path}")
    return settings


def _of_option(error: SettingsError) -> SettingsError:
    """The same problems, of which those of the storage are the option's."""
    return SettingsError([re.sub(rf"^({_TABLES}|{_STORAGE})\b", "--storage", problem) for problem in error.problems])


@asynccontextmanager
async def in_process(settings: Settings) -> AsyncIterator[tuple[httpx.AsyncClient, "UseCases", "EntityStore"]]:
    """The app over the tables themselves, without a socket in between; who has the tables needs no key."""
    # FastAPI and an engine are slow to import, and most commands ask over HTTP.
    from registrail.compose import use_cases  # noqa: PLC0415
    from registrail.storage import open_store  # noqa: PLC0415
    from registrail.web.app import web_app  # noqa: PLC0415

    for name in ("registrail", "azure", "asyncio"):  # what goes wrong is said in one line, by whoever asked
        logging.getLogger(name).addHandler(logging.NullHandler())
    store = open_store(settings)
    try:
        cases = use_cases(store, settings)
        app = web_app(cases.query, cases.ingest, replace(settings, access_keys=(), on_azure=False))
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
            yield http, cases, store
    finally:
        await store.close()


def _remote(url: str, headers: Mapping[str, str]) -> httpx.AsyncClient:
    """A client of an address; proxies are for addresses that are not of this machine."""
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise LocalError(f"--url {url!r} is no address such as http://localhost:7071") from error
    if parsed.scheme not in {"http", "https"} or not parsed.host:
        raise LocalError(f"--url {url!r} is no address such as http://localhost:7071")
    here = is_loopback(parsed.host)
    return httpx.AsyncClient(base_url=url, headers=headers, timeout=_TIMEOUT, trust_env=not here)


def is_loopback(host: str) -> bool:
    """Whether a host is this machine by name."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
