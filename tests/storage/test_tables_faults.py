"""Between the store and Azurite stands a proxy that fails on purpose: the right error or success each time."""

import asyncio
import itertools
import random
import re
import time
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Final, Self
from urllib.parse import unquote

import pytest
from azure.core.credentials import AccessToken, AzureNamedKeyCredential
from azure.core.exceptions import ClientAuthenticationError
from azure.data.tables import AccountSasPermissions, ResourceTypes, generate_account_sas

from registrail.errors import ConflictError, StorageRefusedError, StorageUnavailableError
from registrail.instants import Instant
from registrail.pauses import pauses
from registrail.storage.line import Patience
from registrail.storage.store import Delete, Insert, Merge, Operation, Replace
from registrail.storage.tables import TablesStore, with_connection_string
from registrail.storage.wire import Request, Rows

pytestmark = pytest.mark.azurite

TABLE = "faults"
NOTHING_DONE: Final = ["busy", "throttled"]
AMBIGUOUS: Final = ["failing", "reset before", "reset after", "cut", "garbage", "silent"]
FINAL: Final = ["forbidden", "bad", "moved", "not found page"]

ANSWERS: Final[dict[str, tuple[str, str, str]]] = {
    "busy": ("503 Service Unavailable", "application/json", "ServerBusy"),
    "throttled": ("429 Too Many Requests", "application/json", "TooManyRequests"),
    "failing": ("500 Internal Server Error", "application/json", "OperationTimedOut"),
    "racing": ("409 Conflict", "application/json", "EntityAlreadyExists"),
    "unauthorized": ("401 Unauthorized", "application/json", "InvalidAuthenticationInfo"),
    "forbidden": ("403 Forbidden", "application/json", "AuthorizationPermissionMismatch"),
    "bad": ("400 Bad Request", "application/json", "InvalidInput"),
    "moved": ("302 Found\r\nLocation: http://127.0.0.1:1/", "text/html", "<html>Sign in</html>"),
    "not found page": ("404 Not Found", "text/html", "<html>Not here</html>"),
    "garbage": ("202 Accepted", "text/html", "<html>A friendly proxy</html>"),
}


def patience(read: float = 5.0, total: float = 20.0) -> Patience:
    """Make no pauses."""
    return Patience(total=total, connect=5, read=read, pauses=lambda: itertools.repeat(0.0))


class Proxy:
    """Passes requests on to Azurite, one for each connection, and fails as told."""

    def __init__(self, target: int) -> None:
        self.faults: deque[str] = deque()
        self.always: str = "none"
        self.requests = 0
        self.bearers: set[str] = set()
        self.gate: asyncio.Barrier | None = None
        self.serving: set[asyncio.Task[None]] = set()
        self._target = target

    def next(self) -> str:
        """Say how to fail now."""
        self.requests += 1
        return self.faults.popleft() if self.faults else self.always

    def begin(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request, and be done with it before the test ends."""
        task = asyncio.create_task(self._serve(reader, writer))
        self.serving.add(task)
        task.add_done_callback(self.serving.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._answer(reader, writer)
        finally:
            await _closed(writer)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = await _message(reader)
        except asyncio.IncompleteReadError:
            return
        bearer = re.search(rb"\r\nAuthorization: (Bearer [^\r]+)", request)
        self.bearers |= {bearer[1].decode()} if bearer else set()
        fault = self.next()
        if self.gate is not None:
            await self.gate.wait()
        if fault == "reset before":
            writer.transport.abort()
            return
        answer = b""
        if fault not in ANSWERS or fault == "garbage":
            answer = await self._forward(request)
        if fault in ANSWERS:
            answer = _answer(*ANSWERS[fault])
        if fault == "reset after":
            writer.transport.abort()
            return
        if fault == "silent":
            await reader.read()  # until the other side has had enough
        else:
            writer.write(answer[: -(len(answer) // 4)] if fault == "cut" else answer)

    async def _forward(self, request: bytes) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._target)
        writer.write(request.replace(b"\r\n", b"\r\nConnection: close\r\n", 1))
        answer = await reader.read()
        await _closed(writer)
        return answer


async def _closed(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()


def _answer(status: str, content_type: str, content: str) -> bytes:
    error = f'{{"odata.error":{{"code":"{content}","message":{{"lang":"en-US","value":"No."}}}}}}'
    body = error if content_type == "application/json" else content
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return (head + body).encode()


async def _message(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: (\d+)", head)
    return head + (await reader.readexactly(int(length[1])) if length else b"")


@pytest.fixture
async def proxy(azurite_connection_string: str) -> AsyncIterator[tuple[Proxy, str]]:
    """Stand in between; with the connection string to the proxy."""
    endpoint = re.search(r"TableEndpoint=http://127.0.0.1:(\d+)", azurite_connection_string)
    assert endpoint is not None
    standing = Proxy(int(endpoint[1]))
    async with serving(standing) as port:
        yield standing, azurite_connection_string.replace(endpoint[0], f"TableEndpoint=http://127.0.0.1:{port}")


@asynccontextmanager
async def serving(proxy: Proxy) -> AsyncIterator[int]:
    """Listen on a free port."""
    server = await asyncio.start_server(proxy.begin, "127.0.0.1", 0, backlog=512)
    yield server.sockets[0].getsockname()[1]
    server.close()
    await asyncio.gather(*proxy.serving, return_exceptions=True)


@pytest.fixture
async def store(request: pytest.FixtureRequest, proxy: tuple[Proxy, str]) -> AsyncIterator[TablesStore]:
    """Speak through the proxy, to a table that is there."""
    opened = TablesStore(with_connection_string(proxy[1]), patience(read=0.5 if "silent" in request.node.name else 5))
    await opened.commit(TABLE, "any", [Merge("any", {})])
    proxy[0].requests = 0
    yield opened
    await opened.close()


@pytest.fixture
def partition(request: pytest.FixtureRequest) -> str:
    """Have a partition of one's own, because Azurite serves many tests."""
    return f"{re.sub('[^a-z]', '-', request.node.name)}{random.getrandbits(64):x}"


async def rows(proxy: tuple[Proxy, str], store: TablesStore, partition: str) -> dict[str, Any]:
    """Read what is there, without faults."""
    proxy[0].faults.clear()
    proxy[0].always = "none"
    return {entity.row: entity for entity in (await store.scan(TABLE, partition)).entities}


@pytest.mark.parametrize("fault", NOTHING_DONE + AMBIGUOUS)
@pytest.mark.parametrize("kind", [Merge, Replace])
async def test_what_can_be_repeated_is(
    proxy: tuple[Proxy, str], store: TablesStore, partition: str, fault: str, kind: type[Merge] | type[Replace]
) -> None:
    """Unconditional writes come through any trouble that passes, and their versions are those of the rows."""
    proxy[0].faults.extend([fault, fault])
    versions = await store.commit(TABLE, partition, [kind("a", {"n": 1}), kind("b", {"n": 2})])
    assert proxy[0].requests == 3
    found = await rows(proxy, store, partition)
    assert [found[row].version for row in "ab"] == list(versions)
    assert [found[row].properties for row in "ab"] == [{"n": 1}, {"n": 2}]


async def test_upserts_that_meet_are_repeated(proxy: tuple[Proxy, str], store: TablesStore, partition: str) -> None:
    """The service may call it a conflict when two of them make one row; an upsert expects nothing, so it cannot be."""
    proxy[0].faults.extend(["racing", "racing"])
    await store.commit(TABLE, partition, [Merge("a", {"n": 1}), Replace("b", {"n": 2})])
    assert proxy[0].requests == 3
    assert set(await rows(proxy, store, partition)) == {"a", "b"}
    proxy[0].faults.append("racing")
    with pytest.raises(ConflictError):
        await store.commit(TABLE, partition, [Merge("a", {"n": 1}), Insert("c", {})])


@pytest.mark.parametrize("fault", NOTHING_DONE)
async def test_what_was_not_begun_is_repeated_too(
    proxy: tuple[Proxy, str], store: TablesStore, partition: str, fault: str
) -> None:
    """Throttling wrote nothing, so inserts and versions may try again."""
    proxy[0].faults.extend([fault, fault])
    [version] = await store.commit(TABLE, partition, [Insert("a", {"n": 1})])
    proxy[0].faults.append(fault)
    [version] = await store.commit(TABLE, partition, [Replace("a", {"n": 2}, version)])
    proxy[0].faults.append(fault)
    await store.commit(TABLE, partition, [Delete("a", version)])
    assert (proxy[0].requests, await rows(proxy, store, partition)) == (7, {})


@pytest.mark.parametrize("fault", AMBIGUOUS)
async def test_what_may_have_happened_is_not_repeated(
    proxy: tuple[Proxy, str], store: TablesStore, partition: str, fault: str
) -> None:
    """Conditional writes without a readable answer are neither a success nor a conflict."""
    [version] = await store.commit(TABLE, partition, [Insert("there", {"n": 1})])
    conditional: list[Operation] = [
        Insert("new", {"n": 1}),
        Merge("there", {"n": 2}, version),
        Replace("there", {"n": 3}, version),
        Delete("there", version),
        Delete("there"),
    ]
    for operation in conditional:
        proxy[0].requests = 0
        proxy[0].faults.append(fault)
        with pytest.raises(StorageUnavailableError):
            await store.commit(TABLE, partition, [operation, Merge("other", {})])
        assert proxy[0].requests == 1
    assert set(await rows(proxy, store, partition)) <= {"there", "new", "other"}


@pytest.mark.parametrize("fault", NOTHING_DONE + AMBIGUOUS)
async def test_reads_are_repeated(proxy: tuple[Proxy, str], store: TablesStore, partition: str, fault: str) -> None:
    """Rows and ranges come through any trouble that passes."""
    [version] = await store.commit(TABLE, partition, [Merge("a", {"n": 1})])
    proxy[0].faults.append(fault)
    entity = await store.get(TABLE, partition, "a")
    assert entity is not None
    assert (entity.version, entity.properties) == (version, {"n": 1})
    proxy[0].faults.append(fault)
    assert (await store.scan(TABLE, partition)).entities == [entity]


@pytest.mark.parametrize("fault", NOTHING_DONE + AMBIGUOUS)
async def test_trouble_that_stays_is_unavailability(proxy: tuple[Proxy, str], partition: str, fault: str) -> None:
    """After the time that was given, and not much later."""
    given = Patience(total=0.6, connect=1, read=0.2, pauses=lambda: itertools.repeat(0.05))
    store = TablesStore(with_connection_string(proxy[1]), given)
    proxy[0].always = fault
    began = asyncio.get_running_loop().time()
    outcomes = await asyncio.gather(
        store.commit(TABLE, partition, [Merge("a", {})]),
        store.scan(TABLE, partition),
        store.get(TABLE, partition, "a"),
        return_exceptions=True,
    )
    assert [type(outcome) for outcome in outcomes] == 3 * [StorageUnavailableError]
    assert asyncio.get_running_loop().time() - began < 5
    assert proxy[0].requests > 3 or fault == "silent"
    await store.close()


@pytest.mark.parametrize("fault", FINAL)
async def test_a_no_is_a_no(proxy: tuple[Proxy, str], store: TablesStore, partition: str, fault: str) -> None:
    """Refusals are not repeated, redirects not followed, and a page that is missing is not an empty table."""
    proxy[0].always = fault
    for call in (
        store.commit(TABLE, partition, [Merge("a", {})]),
        store.commit(TABLE, partition, [Insert("a", {})]),
        store.scan(TABLE, partition),
        store.get(TABLE, partition, "a"),
    ):
        with pytest.raises(StorageRefusedError) as refused:
            await call
        assert ("Storage Table Data Contributor" in str(refused.value)) == (fault == "forbidden")
    assert proxy[0].requests == 4


async def test_nobody_listens(proxy: tuple[Proxy, str], partition: str) -> None:
    """A refused connection is tried again, whatever the operation, and then unavailability."""
    nowhere = re.sub(r"TableEndpoint=http://127.0.0.1:\d+", "TableEndpoint=http://127.0.0.1:1", proxy[1])
    tries: list[float] = []

    def counted() -> Any:
        for _ in range(3):
            tries.append(0)
            yield 0.0
        yield 99.0

    store = TablesStore(with_connection_string(nowhere), Patience(total=5, pauses=counted))
    for operation in (Merge("a", {}), Insert("a", {})):
        tries.clear()
        with pytest.raises(StorageUnavailableError, match="NotSent"):
            await store.commit(TABLE, partition, [operation])
        assert len(tries) == 3
    await store.close()


async def test_a_missing_table_is_made_in_bad_weather(proxy: tuple[Proxy, str], store: TablesStore) -> None:
    """The first write to a table finds it missing, and that certainly wrote nothing."""
    proxy[0].faults.extend(["busy", "none", "none", "busy"])
    table = f"t{random.getrandbits(64):x}"
    await store.commit(table, "p", [Insert("a", {"n": 1})])
    entity = await store.get(table, "p", "a")
    assert entity is not None
    assert entity.properties == {"n": 1}


@pytest.mark.parametrize("seed", range(3))
async def test_what_was_acknowledged_is_there(
    proxy: tuple[Proxy, str], store: TablesStore, partition: str, seed: int
) -> None:
    """Under random faults every success is in the store, and no row of one's own is a conflict."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    everything: Sequence[str] = [*NOTHING_DONE, *AMBIGUOUS, "none", "none", "none", "none"]
    proxy[0].faults.extend(fault for fault in chance.choices(everything, k=400) if fault != "silent")

    async def write(number: int) -> list[str]:
        kind = chance.choice([Insert, Merge, Replace])
        written = [f"{number:03}-{part}" for part in range(3)]
        try:
            await store.commit(TABLE, partition, [kind(row, {"n": number}) for row in written])
        except StorageUnavailableError:
            return []
        return written

    acknowledged = set(itertools.chain(*await asyncio.gather(*(write(number) for number in range(60)))))
    assert len(acknowledged) > 60
    found = await rows(proxy, store, partition)
    assert acknowledged <= set(found)
    assert all(sum(row.startswith(f"{number:03}") for row in found) in {0, 3} for number in range(60))


async def test_two_hundred_at_once(proxy: tuple[Proxy, str], partition: str) -> None:
    """That many requests are under way together: none waits for another's connection."""
    store = TablesStore(with_connection_string(proxy[1]), patience(read=20, total=20))
    await store.commit(TABLE, "any", [Merge("any", {})])
    proxy[0].gate = asyncio.Barrier(200)
    await asyncio.gather(*(store.commit(TABLE, partition, [Merge(f"{n}", {})]) for n in range(200)))
    proxy[0].gate = None
    assert len(await rows(proxy, store, partition)) == 200
    await store.close()


async def test_a_wrong_key_is_refused(azurite_connection_string: str) -> None:
    """The signature counts."""
    wrong = re.sub("AccountKey=[^;]+", "AccountKey=d3Jvbmc=", azurite_connection_string)
    store = TablesStore(with_connection_string(wrong), patience())
    with pytest.raises(StorageRefusedError):
        await store.commit(TABLE, "p", [Merge("a", {})])
    await store.close()


async def test_a_shared_access_signature_will_do(azurite_connection_string: str, partition: str) -> None:
    """In a connection string, in place of the key."""
    parts = dict(part.split("=", 1) for part in azurite_connection_string.strip(";").split(";"))
    signature = generate_account_sas(
        AzureNamedKeyCredential(parts["AccountName"], parts["AccountKey"]),
        ResourceTypes(service=True, object=True, container=True),
        AccountSasPermissions(read=True, write=True, delete=True, list=True, add=True, create=True, update=True),
        Instant.parse("2099-01-01T00:00:00Z").to_datetime(),
    )
    store = TablesStore(
        with_connection_string(f"TableEndpoint={parts['TableEndpoint']};SharedAccessSignature={signature}"), patience()
    )
    await store.commit(TABLE, partition, [Merge("a", {"n": 1}), Merge("b", {})])
    assert len((await store.scan(TABLE, partition)).entities) == 2
    assert await store.get(TABLE, partition, "a") is not None
    await store.close()


class Locked:
    """An identity that gets no token."""

    asked = 0

    async def get_token(self, *_scopes: str, **_options: Any) -> AccessToken:
        """Fail."""
        self.asked += 1
        raise ClientAuthenticationError("no identity here")

    async def close(self) -> None:
        """Do nothing."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Do nothing."""


async def test_an_identity_without_a_token_is_unavailability() -> None:
    """It may get one later; it has had retries of its own, so it is asked once."""
    identity = Locked()
    store = TablesStore(lambda: ("https://127.0.0.1:1", identity), patience())
    with pytest.raises(StorageUnavailableError, match="no identity here"):
        await store.commit(TABLE, "p", [Merge("a", {})])
    assert identity.asked == 1
    await store.close()


class Tokens(Locked):
    """An identity whose tokens are good for some time; it takes a moment to get one."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    async def get_token(self, *_scopes: str, **_options: Any) -> AccessToken:
        """Number them."""
        self.asked += 1
        number = self.asked
        await asyncio.sleep(0.01)
        return AccessToken(f"token-{number}", int(time.time() + self.seconds))


@pytest.mark.parametrize(
    ("seconds", "fault", "asked"),
    [(3600, "bad", 1), (3600, "unauthorized", 2), (200, "bad", 11)],
    ids=["kept", "not believed any more", "about to end"],
)
async def test_a_token_is_asked_for_once(proxy: tuple[Proxy, str], seconds: float, fault: str, asked: int) -> None:
    """However many wait for it; a new one only when it is about to end, or when the service does not take it."""
    identity = Tokens(seconds)
    endpoint = re.search("TableEndpoint=([^;]+)", proxy[1])
    assert endpoint is not None
    store = TablesStore(lambda: (endpoint[1], identity), patience())
    proxy[0].always = fault
    proxy[0].gate = asyncio.Barrier(10)
    outcomes = await asyncio.gather(*(store.get(TABLE, "p", "r") for _ in range(10)), return_exceptions=True)
    proxy[0].gate = None
    assert [type(outcome) for outcome in outcomes] == 10 * [StorageRefusedError]
    with pytest.raises(StorageRefusedError):
        await store.get(TABLE, "p", "r")
    assert (identity.asked, proxy[0].bearers) == (asked, {f"Bearer token-{n + 1}" for n in range(asked)})
    await store.close()


async def test_a_conflict_is_still_a_conflict(proxy: tuple[Proxy, str], store: TablesStore, partition: str) -> None:
    """Trouble on the way does not hide it."""
    await store.commit(TABLE, partition, [Merge("a", {})])
    proxy[0].faults.append("busy")
    with pytest.raises(ConflictError) as conflict:
        await store.commit(TABLE, partition, [Merge("b", {}), Insert("a", {})])
    assert conflict.value.index == 1


def test_pauses_grow_and_differ() -> None:
    """Half to all of 0.2, 0.4 … 4 seconds."""
    found = list(itertools.islice(pauses(), 8))
    longest = [0.2, 0.4, 0.8, 1.6, 3.2, 4.0, 4.0, 4.0]
    assert all(most / 2 <= pause <= most for pause, most in zip(found, longest, strict=True))
    assert found != list(itertools.islice(pauses(), 8))


class GivesUp:
    """Speaks to Azurite as a service that finds nothing in the time it gives to one answer, and may go on."""

    def __init__(self, line: Any) -> None:
        self.line = line
        self.asked: list[str] = []

    async def ask(self, request: Request, read: Any, *, repeatable: bool) -> Any:
        self.asked.append(unquote(request.target))
        if "name eq" in self.asked[-1]:
            return Rows([], "NextRowKey=opaque")
        return await self.line.ask(request, read, repeatable=repeatable)

    async def close(self) -> None:
        await self.line.close()


async def test_a_service_that_does_not_find_in_time(azurite_connection_string: str, partition: str) -> None:
    """What follows is read as it is and sifted here: two requests, and paging comes to an end."""
    store = TablesStore(with_connection_string(azurite_connection_string))
    names = ["usual", "rare", "usual", "usual", "rare", "usual"]
    await store.commit(TABLE, partition, [Insert(f"{number}", {"name": name}) for number, name in enumerate(names)])
    line = GivesUp(vars(store)["_line"])
    vars(store)["_line"] = line
    pages = []
    after: str | None = ""
    while after is not None:
        page = await store.scan(TABLE, partition, after=after, limit=2, having=("name", "rare"))
        pages.append([one.row for one in page.entities])
        after = page.after
    assert pages == [["1"], [], ["4"]]
    assert len(line.asked) == 2 * len(pages)
    await store.close()
