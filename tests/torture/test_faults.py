"""Each fault does what it says: what the client sees, and whether the server acted."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from azure.core.exceptions import HttpResponseError
from azure.data.tables import TableServiceClient, TableTransactionError

from torture.faults import EVERY_FAULT, Fate, Fault, Weather, busy_answer, cut
from torture.http1 import CutShortError, Message, read_answer
from torture.proxy import Proxy, proxied

pytestmark = pytest.mark.sockets

REQUEST = b"POST /account/$batch HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = b"POST /account/events HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
ANSWER = b"HTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nyes\r\n0\r\n\r\n"


class Always(Fate):
    """The same for everybody, until it is calm."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(1, Weather(rate=1.0, kinds=(fault,)))


class Store:
    """A server that remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[bytes] = []
        self.connections: set[asyncio.Task[None] | None] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer every request alike."""
        self.connections.add(asyncio.current_task())
        while chunk := await reader.read(65_536):
            self.asked.append(chunk)
            writer.write(ANSWER)
        writer.close()
        await writer.wait_closed()

    async def end(self) -> None:
        """Wait until everybody has gone."""
        await asyncio.gather(*(task for task in self.connections if task is not None))


@asynccontextmanager
async def line(fate: Fate) -> AsyncIterator[tuple[Store, Proxy, int]]:
    """Put a proxy before a store; its port."""
    store = Store()
    server = await asyncio.start_server(store.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, proxied(f"AccountName=a;TableEndpoint=http://127.0.0.1:{port}/a;", fate) as proxy:
        yield store, proxy, int(proxy.connection_string.rpartition(":")[2].split("/")[0])
    await store.end()


async def ask(port: int, request: bytes = REQUEST) -> Message:
    """Send a request and read the answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request)
        return await read_answer(reader, "POST")
    finally:
        writer.close()


@pytest.mark.parametrize("request_", [REQUEST, CHUNKED])
async def test_in_calm_weather_all_is_passed_on(request_: bytes) -> None:
    """Byte for byte, both ways, and again on the same connection."""
    async with line(Fate(1, Weather())) as (store, proxy, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(2):
            writer.write(request_)
            assert (await read_answer(reader, "POST")).raw == ANSWER
        writer.close()
    assert store.asked == [request_, request_]
    assert proxy.met == {Fault.NONE: 2}


async def test_delayed() -> None:
    """The answer comes, later."""
    async with line(Always(Fault.DELAY)) as (store, _, port):
        begun = asyncio.get_running_loop().time()
        assert (await ask(port)).raw == ANSWER
        assert asyncio.get_running_loop().time() - begun >= 0.05
        assert store.asked == [REQUEST]


async def test_busy() -> None:
    """The service says so, and does nothing."""
    async with line(Always(Fault.BUSY)) as (store, _, port):
        answers = {(await ask(port)).raw for _ in range(20)}
    assert answers == {busy_answer(inside_batch=False), busy_answer(inside_batch=True)}
    assert store.asked == []


async def test_reset_before() -> None:
    """The connection breaks, and the service knows of nothing."""
    async with line(Always(Fault.RESET_BEFORE)) as (store, _, port):
        with pytest.raises(ConnectionResetError):
            await ask(port)
        assert store.asked == []


async def test_reset_after() -> None:
    """The connection breaks, and the service has acted."""
    async with line(Always(Fault.RESET_AFTER)) as (store, _, port):
        with pytest.raises(ConnectionResetError):
            await ask(port)
        assert store.asked == [REQUEST]


async def test_truncated() -> None:
    """The service has acted, and its answer ends in the middle."""
    async with line(Always(Fault.TRUNCATED)) as (store, _, port):
        with pytest.raises(CutShortError):
            await ask(port)
        assert store.asked == [REQUEST]


async def test_late() -> None:
    """The connection breaks, and the service acts afterwards; silence waits for it."""
    async with line(Always(Fault.LATE)) as (store, proxy, port):
        with pytest.raises(ConnectionResetError):
            await ask(port)
        assert store.asked == []
        await proxy.calm()
        assert store.asked == [REQUEST]
        assert (await ask(port)).raw == ANSWER


async def test_a_request_that_is_not_whole_is_not_passed_on() -> None:
    """A client that is killed while it sends has sent nothing."""
    async with line(Fate(1, Weather())) as (store, _, port):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(REQUEST[:-1])
        await writer.drain()
        writer.close()
        assert (await ask(port)).raw == ANSWER
        assert store.asked == [REQUEST]


@pytest.mark.azurite
@pytest.mark.xdist_group("azurite")
async def test_microsofts_client_understands_busy(azurite_connection_string: str) -> None:
    """A refused request, a refused batch and a refused first part of one are ServerBusy to those whom they concern."""
    entity = {"PartitionKey": "p", "RowKey": "r"}

    def busy(connection_string: str) -> set[tuple[type[Exception], str]]:
        seen: set[tuple[type[Exception], str]] = set()
        with TableServiceClient.from_connection_string(connection_string, retry_total=0) as service:
            table = service.get_table_client("busy")
            for write in (lambda: table.upsert_entity(entity), lambda: table.submit_transaction([("upsert", entity)])):
                for _ in range(10):
                    with pytest.raises(HttpResponseError, match="busy") as caught:
                        write()
                    seen.add((type(caught.value), str(getattr(caught.value, "error_code", None))))
        return seen

    async with proxied(azurite_connection_string, Always(Fault.BUSY)) as proxy:
        seen = await asyncio.to_thread(busy, proxy.connection_string)
    assert {kind for kind, _ in seen} >= {HttpResponseError, TableTransactionError}


def test_fate_follows_from_the_seed() -> None:
    """The same requests meet the same faults."""
    weather = Weather(rate=0.5)
    first, second, third = (Fate(seed, weather) for seed in (1, 1, 2))
    verdicts = [first.decide(0.0) for _ in range(100)]
    assert verdicts == [second.decide(0.0) for _ in range(100)]
    assert verdicts != [third.decide(0.0) for _ in range(100)]
    assert {verdict.fault for verdict in verdicts} == {Fault.NONE, *EVERY_FAULT}


def test_outages() -> None:
    """Within one everybody is told that the service is busy; before and after nobody."""
    fate = Fate(1, Weather(outages=((1.0, 2.0),)))
    assert [fate.decide(moment).fault for moment in (0.9, 1.0, 1.9, 2.0)] == [
        Fault.NONE,
        Fault.BUSY,
        Fault.BUSY,
        Fault.NONE,
    ]


@pytest.mark.parametrize("share", [0.0, 0.5, 0.999999])
def test_a_cut_answer_is_a_beginning(share: float) -> None:
    """Never nothing, never all."""
    beginning = cut(ANSWER, share)
    assert ANSWER.startswith(beginning)
    assert 0 < len(beginning) < len(ANSWER)
