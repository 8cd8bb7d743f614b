"""Answers leave in one write, and all bytes in their order."""

import asyncio
from collections.abc import AsyncIterator
from typing import cast

import pytest
import uvicorn
from hypothesis import given
from hypothesis import strategies as st
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.server import ServerState

from registrail.local.answers import AnswersProtocol, PairingTransport

ANSWER = PlainTextResponse("hello")


class Recorder(asyncio.Transport):
    """A transport to nowhere that remembers each call of the system it would have made."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[bytes] = []
        self.closed = False

    def write(self, data: bytes) -> None:  # type: ignore[override]
        """Remember."""
        assert not self.closed
        self.calls.append(data)

    def writelines(self, lines: object) -> None:
        """Remember as one."""
        self.write(b"".join(cast("tuple[bytes, ...]", lines)))

    def is_closing(self) -> bool:
        """As a transport says."""
        return self.closed

    def close(self) -> None:
        """Refuse writes from now on."""
        self.closed = True


async def answer(app: ASGIApp, *requests: bytes) -> Recorder:
    """Send requests over one connection, each after the answer to the one before."""
    protocol = AnswersProtocol(uvicorn.Config(app, log_config=None, access_log=False), ServerState(), {})
    recorder = Recorder()
    protocol.connection_made(recorder)
    for request in requests:
        protocol.data_received(request)
        for _ in range(20):
            await asyncio.sleep(0)
    protocol.connection_lost(None)
    return recorder


async def test_head_and_body_leave_together() -> None:
    """On one connection, an answer after the other."""
    recorder = await answer(ANSWER, *[b"GET / HTTP/1.1\r\nHost: registrail\r\n\r\n"] * 2)
    assert len(recorder.calls) == 2
    for call in recorder.calls:
        assert call.startswith(b"HTTP/1.1 200 OK\r\n")
        assert call.endswith(b"\r\n\r\nhello")


async def test_a_head_alone_does_not_wait() -> None:
    """Nothing follows it."""
    recorder = await answer(ANSWER, b"HEAD / HTTP/1.1\r\nHost: registrail\r\n\r\n")
    assert recorder.calls[-1].endswith(b"\r\n\r\n")


async def test_the_connection_is_closed_after_the_answer() -> None:
    """HTTP/1.0 keeps none open."""
    recorder = await answer(ANSWER, b"GET / HTTP/1.0\r\n\r\n")
    assert b"".join(recorder.calls).endswith(b"\r\n\r\nhello")
    assert recorder.closed


async def test_what_comes_in_pieces_leaves_in_pieces() -> None:
    """In order, and not all at the end."""

    async def pieces() -> AsyncIterator[str]:
        for number in range(3):
            yield f"piece {number}\n"
            await asyncio.sleep(0)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await StreamingResponse(pieces(), headers={"content-length": "24"})(scope, receive, send)

    recorder = await answer(app, b"GET / HTTP/1.1\r\nHost: registrail\r\n\r\n")
    assert b"".join(recorder.calls).endswith(b"\r\n\r\npiece 0\npiece 1\npiece 2\n")
    assert len(recorder.calls) > 1


async def test_who_waits_for_100_continue_gets_it_before_the_app_has_the_body() -> None:
    """Else both would wait for ever."""

    async def echo(scope: Scope, receive: Receive, send: Send) -> None:
        message = await receive()
        await PlainTextResponse(message["body"])(scope, receive, send)

    head = b"POST / HTTP/1.1\r\nHost: registrail\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"
    recorder = await answer(echo, head, b"ok")
    assert recorder.calls[0] == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert recorder.calls[-1].endswith(b"\r\n\r\nok")


@given(st.lists(st.binary(max_size=3) | st.just("turn"), max_size=12))
def test_all_bytes_leave_in_order_and_none_waits_for_more_than_a_turn(steps: list[bytes | str]) -> None:
    """Whatever is written when, and whenever it is closed."""

    async def run() -> None:
        recorder = Recorder()
        transport = PairingTransport(recorder, asyncio.get_running_loop())
        written = b""
        for step in steps:
            if isinstance(step, bytes):
                transport.write(step)
                written += step
            else:
                await asyncio.sleep(0)
                assert b"".join(recorder.calls) == written
        transport.close()
        assert b"".join(recorder.calls) == written
        assert recorder.closed

    asyncio.run(run())


async def test_nothing_is_sent_to_a_side_that_has_gone(caplog: pytest.LogCaptureFixture) -> None:
    """It left before the turn was over."""
    recorder = Recorder()
    PairingTransport(recorder, asyncio.get_running_loop()).write(b"too late")
    recorder.close()
    await asyncio.sleep(0)
    assert recorder.calls == []
    assert not caplog.records
