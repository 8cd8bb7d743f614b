"""Where a message of HTTP/1.1 ends: enough of RFC 9112 to cut a connection into requests and answers."""

import asyncio
from dataclasses import dataclass
from typing import Final

LONGEST_HEAD: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Message:
    """One request or answer, as it came: `head` with the empty line, `body` with the framing of its chunks."""

    head: bytes
    body: bytes

    @property
    def raw(self) -> bytes:
        """All of it."""
        return self.head + self.body

    @property
    def method(self) -> str:
        """Of a request."""
        return self.head.split(b" ", 1)[0].decode("latin-1")

    @property
    def target(self) -> str:
        """Of a request: the path and the query."""
        return self.head.split(b" ", 2)[1].decode("latin-1")

    @property
    def status(self) -> int:
        """Of an answer."""
        return int(self.head.split(b" ", 2)[1])


class CutShortError(ConnectionError):
    """The connection ended in the middle of a message."""


async def read_request(reader: asyncio.StreamReader) -> Message | None:
    """The next request of a connection; None when there are no more.

    Raises:
        CutShortError: there was a beginning and no end.
    """
    head = await _head(reader)
    return None if head is None else Message(head, await _body(reader, head))


async def read_answer(reader: asyncio.StreamReader, method: str) -> Message:
    """The answer to a request with that method.

    Raises:
        CutShortError: it did not come, or not whole.
    """
    head = await _head(reader)
    if head is None:
        raise CutShortError("there was no answer")
    answer = Message(head, b"")
    empty = method == "HEAD" or answer.status in {204, 304}
    return answer if empty else Message(head, await _body(reader, head))


async def _head(reader: asyncio.StreamReader) -> bytes | None:
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        if not error.partial:
            return None
        raise CutShortError("the connection ended within a head") from error


async def _body(reader: asyncio.StreamReader, head: bytes) -> bytes:
    fields = dict(_field(line) for line in head.split(b"\r\n")[1:-2])
    try:
        if b"chunked" in fields.get(b"transfer-encoding", b"").lower():
            return await _chunks(reader)
        return await reader.readexactly(int(fields.get(b"content-length", b"0")))
    except asyncio.IncompleteReadError as error:
        raise CutShortError("the connection ended within a body") from error


def _field(line: bytes) -> tuple[bytes, bytes]:
    name, _, value = line.partition(b":")
    return name.strip().lower(), value.strip()


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    """All chunks and the trailer."""
    raw = bytearray()
    while True:
        size = await reader.readuntil(b"\r\n")
        raw += size
        length = int(size.split(b";", 1)[0], 16)
        if length == 0:
            break
        raw += await reader.readexactly(length + 2)
    while True:
        line = await reader.readuntil(b"\r\n")
        raw += line
        if line == b"\r\n":
            return bytes(raw)
