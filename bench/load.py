"""A load of prepared HTTP requests, sent as fast as a number of connections allows, with next to no work in between."""

import asyncio
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
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
    latencies: list[float] = []
    statuses: list[bytes] = []
    supply = iter(requests)
    streams = [await asyncio.open_connection(parts.hostname, parts.port) for _ in range(connections)]
    begin = time.perf_counter()
    await asyncio.gather(*(_send(stream, supply, latencies, statuses) for stream in streams))
    seconds = time.perf_counter() - begin
    for _, writer in streams:
        writer.close()
    return Measured(
        seconds=seconds,
        latencies=sorted(latencies),
        refused=sum(status != b"200" for status in statuses),
    )


async def _send(
    stream: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    supply: Iterator[bytes],
    latencies: list[float],
    statuses: list[bytes],
) -> None:
    reader, writer = stream
    for one in supply:
        begin = time.perf_counter()
        writer.write(one)
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        await reader.readexactly(length)
        latencies.append(time.perf_counter() - begin)
        statuses.append(head[9:12])
