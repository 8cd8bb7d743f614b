"""`registrail serve`: run the app on this machine."""

import asyncio
import importlib
import json
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from enum import StrEnum
from ipaddress import ip_address
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any

import azure.functions as func
import httpx
import typer
import uvicorn

from registrail.errors import RegistrailError
from registrail.local import sample
from registrail.local.answers import AnswersProtocol
from registrail.local.azurite import azurite
from registrail.local.folder import lock
from registrail.local.host import EVENT_GRID_PATH, host
from registrail.local.logs import log_to_stderr
from registrail.local.problems import LocalError

PORT = 7071
"""Where Core Tools serve too."""

_GRACE = 5
"""Seconds that requests under way get when the host ends."""

_ACCEPTED_AT_ONCE = 16
"""Connections that are accepted in one turn of the loop. libuv accepts one for each listening socket: of 200 that come
at once to a busy host the last would wait for 200 turns, some half a second."""

_logger = logging.getLogger(__name__)


class Store(StrEnum):
    """Where recorded data is kept."""

    SQLITE = "sqlite"
    AZURITE = "azurite"


def serve(  # noqa: PLR0913 - one for each option
    *,
    port: Annotated[int, typer.Option(help="0 takes a free one.", min=0, max=65535)] = PORT,
    address: Annotated[str, typer.Option("--host", help="The address to listen on.")] = "127.0.0.1",
    store: Annotated[
        Store, typer.Option(help="One SQLite file, or the emulator of Azure Table Storage.")
    ] = Store.SQLITE,
    data: Annotated[
        Path | None,
        typer.Option(help="The folder for the data.", envvar="REGISTRAIL_DATA", show_default=".registrail/PORT"),
    ] = None,
    app_dir: Annotated[
        Path | None,
        typer.Option(help="Where function_app.py is.", show_default="here, else the repository"),
    ] = None,
    allow_remote: Annotated[
        bool, typer.Option("--allow-remote", help="Let other machines in; keys are not enforced!")
    ] = False,
) -> None:
    """Serve the app here as Azure Functions would: routes, timers, Event Grid.

    Settings come from the environment, then from Values in local.settings.json.

    REGISTRAIL_STORAGE in the environment replaces --store and --data.

    An empty store is filled with sample data, unless REGISTRAIL_DEMO=0.

    Ctrl-C ends it. Two of them on different ports do not disturb each other.

    For instance:

        registrail serve

        registrail serve --port 7072 --store azurite

        REGISTRAIL_DEMO=0 registrail serve --data /var/lib/registrail

        curl -X POST localhost:7071/admin/functions/summarize_activity
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends in order, as Ctrl-C does
    log_to_stderr()
    try:
        _check_loopback(address, allow_remote=allow_remote)
        directory = _find_app(app_dir)
        with _listening(address, port) as listener:
            bound = listener.getsockname()[1]
            folder = (data or Path(".registrail") / str(bound)).absolute()
            with _store(store, folder) as where:
                _serve(directory, listener, f"http://{_quoted(address)}:{bound}", where)
    except RegistrailError as error:
        typer.echo(f"registrail: {error}", err=True)
        raise typer.Exit(1) from error
    except KeyboardInterrupt as error:  # before it was ready, or once more while it ended
        raise typer.Exit(130) from error


def _serve(directory: Path, listener: socket.socket, url: str, where: str) -> None:
    """Import the app, now that its environment is complete, and serve it until told to end."""
    for name, value in _local_values(directory).items():
        os.environ.setdefault(name, value)
    os.environ.setdefault("SUMMARIZE_SCHEDULE", "15 * * * * *")
    os.environ.setdefault("EXPIRE_SCHEDULE", "0 30 2 * * *")
    module = _import_app(directory)
    application = host(module.app, route_prefix=_route_prefix(directory), settings=os.environ, directory=directory)
    config = uvicorn.Config(
        application,
        http=AnswersProtocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        timeout_graceful_shutdown=_GRACE,
    )
    typer.echo(
        f"Registrail: {url}/   (Ctrl-C ends it)\n"
        f"  data        {where}\n"
        f"  ACR webhook {url}/hooks/acr\n"
        f"  registry    {url}/hooks/distribution\n"
        f"  Event Grid  {url}{EVENT_GRID_PATH}?functionName=receive_event\n"
        f"  functions   {url}/admin/functions\n"
        "Keys are not enforced here: whoever reaches this address can read and write."
    )
    sys.stdout.flush()
    with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        runner.run(_until_told(_Server(config), listener, url, getattr(module, "close", None)))


async def _until_told(
    server: uvicorn.Server, listener: socket.socket, url: str, close: Callable[[], Any] | None
) -> None:
    """Serve until SIGINT or SIGTERM; end requests, timers and the app, in this order."""

    def end() -> None:
        server.should_exit = True

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, end)
    filling = asyncio.create_task(_fill(url))
    await server.serve(sockets=[listener, *(listener.dup() for _ in range(_ACCEPTED_AT_ONCE - 1))])
    filling.cancel()
    try:
        with suppress(asyncio.CancelledError):
            await filling
    finally:
        if close is not None:
            await close()


async def _fill(url: str) -> None:
    """Give a first look something to look at. The listener is open, so requests wait for the server."""
    if os.environ.get("REGISTRAIL_DEMO") == "0":
        return
    ingest = logging.getLogger("registrail.ingest")
    ingest.setLevel(logging.WARNING)  # hundreds of lines about data that nobody sent
    try:
        await sample.fill(url)
    except (httpx.HTTPError, ValueError) as error:  # it does not answer, or not in JSON: some other app
        _logger.warning("there is no sample data: %s", error)
    finally:
        ingest.setLevel(logging.NOTSET)


class _Server(uvicorn.Server):
    """One that leaves signals to us: uvicorn's raises them again when it has ended, before the rest has."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


def _check_loopback(address: str, *, allow_remote: bool) -> None:
    try:
        loopback = address == "localhost" or ip_address(address).is_loopback
    except ValueError as error:
        raise LocalError(f"--host {address} is no IP address") from error
    if not loopback and not allow_remote:
        raise LocalError(
            f"{address} would let other machines in, and keys are not enforced: --allow-remote if you mean it"
        )


def _listening(address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        listener = socket.create_server((address, port), family=family, backlog=2048)
    except OSError as error:
        raise LocalError(f"cannot listen on {_quoted(address)}:{port}: {error.strerror}; try --port 0") from error
    # Connections inherit it; asyncio sets it only on sockets that were made for TCP by name. Without it the head of an
    # answer waits 40 ms for its body.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def _quoted(address: str) -> str:
    """As it stands in a URL."""
    return f"[{address}]" if ":" in address else address


@contextmanager
def _store(store: Store, folder: Path) -> Iterator[str]:
    """Set `REGISTRAIL_STORAGE` unless the environment has it, and keep what it names running.

    One in local.settings.json is meant for Core Tools, and would be the same for every port.

    Yields:
        Where the data is, for people.
    """
    given = [name for name in ("REGISTRAIL_STORAGE", "REGISTRAIL_STORAGE__tableServiceUri") if os.environ.get(name)]
    if given:
        yield f"where {given[0]} says"
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LocalError(f"cannot make the folder {folder}: {error.strerror}") from error
    file = folder / "registrail.db"
    engine: AbstractContextManager[str] = nullcontext(f"sqlite:///{file}")
    if store is Store.AZURITE:
        engine = azurite(folder / "azurite")
    with lock(folder), engine as storage:
        os.environ["REGISTRAIL_STORAGE"] = storage
        yield f"{file}" if store is Store.SQLITE else f"{folder / 'azurite'} (Azurite)"


def _find_app(directory: Path | None) -> Path:
    """The folder with function_app.py: the given one, else the working directory, else the repository."""
    candidates = [directory] if directory else [Path(), Path(__file__).parents[2]]
    for candidate in candidates:
        if (candidate / "function_app.py").is_file():
            return candidate.absolute()
    raise LocalError(f"there is no function_app.py in {candidates[0].absolute()}: say where with --app-dir")


def _import_app(directory: Path) -> ModuleType:
    sys.path.insert(0, str(directory))
    module = importlib.import_module("function_app")
    if not isinstance(getattr(module, "app", None), func.FunctionApp):
        raise LocalError(f"{directory / 'function_app.py'} has no `app` that is a FunctionApp")
    return module


def _local_values(directory: Path) -> dict[str, str]:
    """`Values` of local.settings.json, which need not be there."""
    return {name: str(value) for name, value in _section(directory / "local.settings.json", "Values").items()}


def _route_prefix(directory: Path) -> str:
    """As host.json says, else the platform's default."""
    return str(_section(directory / "host.json", "extensions", "http").get("routePrefix", "api"))


def _section(path: Path, *names: str) -> dict[str, Any]:
    """The object found at `names` in a JSON file; empty when it or the file is missing."""
    try:
        content = json.loads(path.read_text("utf-8"))
        for name in names:
            content = content.get(name, {})
        return dict(content)
    except FileNotFoundError:
        return {}
    except (AttributeError, OSError, TypeError, ValueError) as error:
        raise LocalError(f"{path} cannot be read: {error}") from error
