"""A load of prepared HTTP requests, sent as fast as a number of connections allows, with next to no work in between."""

import asyncio
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What a load met.

    Attributes:
        seconds: from the first request to the last answer.
        latencies: seconds from request to answer, sorted.
        refused: answers other than 200.
    """

    seconds: float
    latencies: list[float]
    refused: int

    @property
    def rate(self) -> float:
        """Answers of 200 per second."""
        return (len(self.latencies) - self.refused) / self.seconds

    def quantile(self, share: float) -> float:
        """The latency that a share of requests stayed below, in milliseconds."""
        return 1000 * self.latencies[min(int(share * len(self.latencies)), len(self.latencies) - 1)]


def request(url: str, body: bytes, headers: Mapping[str, str] | None = None) -> bytes:
    """Write a POST as it goes over the wire."""
    parts = urlsplit(url)
    target = f"{parts.path}?{parts.query}" if parts.query else parts.path
    fields = {
        "Host": parts.netloc,
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        "x-functions-key": "a-key-that-nobody-checks-here",
        **(headers or {}),
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"POST {target} HTTP/1.1\r\n{head}\r\n".encode() + body


async def load(url: str, requests: Iterable[bytes], connections: int) -> Measured:
    """Send all requests, each connection one after the other."""
    parts = urlsplit(url)
    loop = asyncio.get_running_loop()
    tally = _Tally(iter(requests))
    opened = [
        await loop.create_connection(
            lambda: _Connection(tally, loop.create_future()), parts.hostname or "", parts.port or 80
        )
        for _ in range(connections)
    ]
    begin = time.perf_counter()
    for _, connection in opened:
        connection.send()
    await asyncio.gather(*(connection.done for _, connection in opened))
    seconds = time.perf_counter() - begin
    return Measured(seconds=seconds, latencies=sorted(tally.latencies), refused=tally.refused)


@dataclass(slots=True)
class _Tally:
    """What all connections take requests from and report to."""

    supply: Iterator[bytes]
    latencies: list[float] = field(default_factory=list)
    refused: int = 0


class _Connection(asyncio.Protocol):
    """One connection: sends the next request when the answer to the last one is complete."""

    def __init__(self, tally: _Tally, done: asyncio.Future[None]) -> None:
        self.done = done
        self._tally = tally
        self._transport: asyncio.Transport | None = None
        self._received = b""
        self._begin = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way to write."""
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell whoever waits, unless it ended in order."""
        if not self.done.done():
            self.done.set_exception(exc or ConnectionError("the server closed the connection"))

    def send(self) -> None:
        """Send the next request, or end."""
        assert self._transport is not None
        following = next(self._tally.supply, None)
        if following is None:
            self.done.set_result(None)
            self._transport.close()
            return
        self._begin = time.perf_counter()
        self._transport.write(following)

    def data_received(self, data: bytes) -> None:
        """Note an answer when it is complete."""
        self._received += data
        head, end, body = self._received.partition(b"\r\n\r\n")
        if not end or len(body) < _length(head):
            return
        self._tally.latencies.append(time.perf_counter() - self._begin)
        self._tally.refused += self._received[9:12] != b"200"
        self._received = b""
        self.send()


def _length(head: bytes) -> int:
    return int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
