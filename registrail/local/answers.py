"""uvicorn's HTTP/1.1, with the head and the body of an answer in one write.

uvicorn writes them apart: two calls of the system for each answer, and two wake-ups of whoever waits for it.
"""

import asyncio
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class AnswersProtocol(HttpToolsProtocol):
    """A connection that writes through a `PairingTransport`."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin."""
        super().connection_made(cast("asyncio.Transport", PairingTransport(transport, self.loop)))


class PairingTransport:
    """A transport that keeps a write for the one that follows it, but no longer than until the loop's next turn."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._kept = b""

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the transport has
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Send, in this order with all other data."""
        if self._kept:
            self._transport.writelines((self._kept, data))
            self._kept = b""
        else:
            self._kept = data
            self._loop.call_soon(self._send_kept)

    def close(self) -> None:
        """Send what is kept, then close."""
        self._send_kept()
        self._transport.close()

    def _send_kept(self) -> None:
        """Send it, unless it has been sent or the other side has gone."""
        if self._kept and not self._transport.is_closing():
            self._transport.write(self._kept)
        self._kept = b""
