"""The app on the local host, in a thread of its own, so that a test can drive a browser and reach behind the pages."""

import asyncio
import socket
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import azure.functions as func
import uvicorn

from registrail.compose import UseCases, system_clock, use_cases
from registrail.functions import grid, hooks, timers, web
from registrail.local.host import Host, host
from registrail.ports import Clock
from registrail.settings import Settings
from registrail.storage.commit import GroupCommit
from registrail.storage.store import EntityStore
from registrail.web.app import web_app

T = TypeVar("T")

SCHEDULES: Final = {"SUMMARIZE_SCHEDULE": "0 * * * * *", "EXPIRE_SCHEDULE": "0 30 2 * * *"}
_PATIENCE: Final = 300.0
"""Seconds; filling a store on a busy machine takes a while."""


@dataclass(frozen=True, slots=True)
class Site:
    """A running app.

    Attributes:
        url: where it answers, without a slash at the end.
        app: its use cases; call them with `run`.
        store: what is below them.
    """

    url: str
    app: UseCases
    store: EntityStore
    loop: asyncio.AbstractEventLoop

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Wait for something that is done where the app runs."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(_PATIENCE)


@contextmanager
def serving(
    open_store: Callable[[], EntityStore], settings: Settings | None = None, clock: Clock = system_clock
) -> Iterator[Site]:
    """Serve the app on a free port of the loopback until the block ends; everything as `function_app.py` puts it."""
    settings = settings or Settings(storage="sqlite:///:memory:")
    started: list[Site] = []
    ready = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"

        async def serve() -> None:
            store = GroupCommit(open_store())
            app = use_cases(store, settings, clock)
            started.append(Site(url, app, store, asyncio.get_running_loop()))
            ready.set()
            await server.serve(sockets=[listener])
            await store.close()

        server = uvicorn.Server(_config(lambda: _host(started[0].app, settings)))
        thread = threading.Thread(target=lambda: asyncio.run(serve()), name="site")
        thread.start()
        try:
            assert ready.wait(_PATIENCE)
            yield started[0]
        finally:
            server.should_exit = True
            thread.join()


def _config(factory: Callable[[], Host]) -> uvicorn.Config:
    return uvicorn.Config(
        factory,
        factory=True,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        timeout_graceful_shutdown=1,
    )


def _host(app: UseCases, settings: Settings) -> Host:
    functions = func.FunctionApp()
    functions.register_functions(hooks.blueprint(app.ingest))
    functions.register_functions(grid.blueprint(app.ingest))
    functions.register_functions(timers.blueprint(lambda: app.summarize, lambda: app.expire))
    functions.register_functions(web.blueprint(lambda: web_app(app.query, app.ingest, settings)))
    return host(functions, route_prefix="", settings=SCHEDULES)
