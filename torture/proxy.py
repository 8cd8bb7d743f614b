"""A proxy between the app and Azurite that breaks what passes through it.

It reads whole requests, asks `Fate` what happens to each, and forwards it to Azurite or not, so that it is known
whether the store acted. A signature of Table Storage covers the path and not the port, and Azurite looks at paths only,
so that nothing has to be rewritten.
"""

import asyncio
import socket
import struct
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from torture.faults import Fate, Fault, Verdict, busy_answer, cut
from torture.http1 import LONGEST_HEAD, CutShortError, Message, read_answer, read_request

_RESET: Final = struct.pack("ii", 1, 0)
"""SO_LINGER with no time to linger: closing sends a reset instead of an end."""


@dataclass(slots=True)
class Upstream:
    """A connection to Azurite, opened when it is needed."""

    host: str
    port: int
    streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, request: Message) -> Message:
        """Send a request and read the whole answer; once more on a new connection if an idle one was closed."""
        for fresh in (self.streams is None, True):
            try:
                return await self._ask(request)
            except (ConnectionError, asyncio.IncompleteReadError):
                self.close()
                if fresh:
                    raise
        raise AssertionError

    async def _ask(self, request: Message) -> Message:
        if self.streams is None:
            self.streams = await asyncio.open_connection(self.host, self.port, limit=LONGEST_HEAD)
        reader, writer = self.streams
        writer.write(request.raw)
        await writer.drain()
        return await read_answer(reader, request.method)

    def close(self) -> None:
        """Let go of the connection."""
        if self.streams is not None:
            self.streams[1].close()
            self.streams = None


@dataclass(slots=True, kw_only=True)
class Proxy:
    """What listens, and what it has done so far.

    Attributes:
        connection_string: the one it was made of, with the tables behind the proxy.
        met: how often requests met each fault.
    """

    host: str
    port: int
    fate: Fate
    connection_string: str = ""
    met: Counter[Fault] = field(default_factory=Counter)
    _start: float = field(default_factory=time.monotonic)
    _late: set[asyncio.Task[None]] = field(default_factory=set)
    _open: dict[asyncio.Task[None], asyncio.StreamWriter] = field(default_factory=dict)

    async def calm(self) -> None:
        """Let everything pass from now on; returns when nothing that was held back is left."""
        self.fate.calm()
        while self._late:
            await asyncio.wait(set(self._late))

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection of the app."""
        task = asyncio.current_task()
        assert task is not None
        self._open[task] = writer
        upstream = Upstream(self.host, self.port)
        try:
            while (request := await read_request(reader)) is not None:
                verdict = self.fate.decide(time.monotonic() - self._start)
                self.met[verdict.fault] += 1
                if not await self._pass(request, verdict, upstream, writer):
                    _reset(writer)
                    return
        except (ConnectionError, asyncio.IncompleteReadError):
            _reset(writer)
        finally:
            del self._open[task]
            upstream.close()
            writer.close()

    async def end(self) -> None:
        """Leave no connection and no task behind."""
        for task in self._late:
            task.cancel()
        for writer in self._open.values():
            writer.transport.abort()
        await asyncio.gather(*self._late, *self._open, return_exceptions=True)

    async def _pass(self, request: Message, verdict: Verdict, upstream: Upstream, writer: asyncio.StreamWriter) -> bool:
        """Do to one request what was decided; False when the connection has to break."""
        if verdict.fault is Fault.RESET_BEFORE:
            return False
        if verdict.fault is Fault.LATE:
            self._later(request, verdict.seconds)
            return False
        if verdict.fault is Fault.BUSY:
            batch = request.target.partition("?")[0].endswith("/$batch")
            writer.write(busy_answer(inside_batch=batch and verdict.share < 0.5))
            await writer.drain()
            return True
        if verdict.fault is Fault.DELAY:
            await asyncio.sleep(verdict.seconds)
        answer = await upstream.ask(request)
        if verdict.fault is Fault.RESET_AFTER:
            return False
        truncated = verdict.fault is Fault.TRUNCATED
        writer.write(cut(answer.raw, verdict.share) if truncated else answer.raw)
        await writer.drain()
        if truncated:
            writer.close()  # an end instead of a reset, which would throw away what was written
            with suppress(ConnectionError):
                await writer.wait_closed()
            raise CutShortError("on purpose")
        return True

    def _later(self, request: Message, seconds: float) -> None:
        async def act() -> None:
            await asyncio.sleep(seconds)
            upstream = Upstream(self.host, self.port)
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                await upstream.ask(request)
            upstream.close()

        task = asyncio.create_task(act())
        self._late.add(task)
        task.add_done_callback(self._late.discard)


@asynccontextmanager
async def proxied(connection_string: str, fate: Fate) -> AsyncIterator[Proxy]:
    """Put a proxy before the tables of a connection string, for the duration of a block."""
    parts = dict(part.partition("=")[::2] for part in connection_string.split(";") if part)
    endpoint = urlsplit(parts["TableEndpoint"])
    assert endpoint.hostname is not None
    assert endpoint.port is not None
    proxy = Proxy(host=endpoint.hostname, port=endpoint.port, fate=fate)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0, limit=LONGEST_HEAD)
    port = server.sockets[0].getsockname()[1]
    parts["TableEndpoint"] = endpoint._replace(netloc=f"127.0.0.1:{port}").geturl()
    proxy.connection_string = "".join(f"{name}={value};" for name, value in parts.items())
    try:
        yield proxy
    finally:
        server.close()
        await proxy.end()


def _reset(writer: asyncio.StreamWriter) -> None:
    """Break a connection."""
    opened = writer.get_extra_info("socket")
    with suppress(OSError):  # it has ended already
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()
