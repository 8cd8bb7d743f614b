"""Records what the SDK and Azurite say to each other: `python tests/storage/wire/capture.py`, after `make azurite`.

One file for each case: request and answer as HTTP, without what changes from run to run or is nobody's business.
`test_wire.py` holds our own bytes against them.
"""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError
from azure.core.pipeline.transport import AioHttpTransport
from azure.data.tables import EdmType, EntityProperty, UpdateMode
from azure.data.tables.aio import TableServiceClient

from registrail.local.azurite import azurite

HERE = Path(__file__).parent
PARTITION = "p~|'x"
ODD = "a|'b %+&=@,:*~()$!;"
DROPPED = frozenset({"authorization", "user-agent", "x-ms-client-request-id", "keep-alive"})


class Recorder(AioHttpTransport):  # type: ignore[misc]  # exported lazily, so mypy knows no type
    """A transport that remembers the last exchange."""

    last = b""

    async def send(self, request: Any, **config: Any) -> Any:
        """Send, and read everything."""
        answer: Any = await super().send(request, **config)
        await answer.read()
        head = f"{request.method} {request.url} HTTP/1.1\r\n{headers(request.headers)}\r\n"
        body = request.content if isinstance(request.content, bytes) else (request.content or "").encode()
        status = f"HTTP/1.1 {answer.status_code} {answer.reason}\r\n{headers(answer.headers)}\r\n"
        said = head.encode() + body + b"\r\n==== answer ====\r\n" + status.encode() + answer.content
        self.last = said.replace(urlsplit(request.url).netloc.encode(), b"127.0.0.1:10002")
        return answer


def headers(found: Mapping[str, str]) -> str:
    """Write headers as HTTP does."""
    return "".join(f"{name}: {value}\r\n" for name, value in found.items() if name.lower() not in DROPPED)


def entity(row: str) -> dict[str, Any]:
    """Make an entity with every type."""
    return {
        "PartitionKey": PARTITION,
        "RowKey": row,
        "text": 'é\u0001"\\ {x} --batch \U0001f433',
        "large": EntityProperty(2**40, EdmType.INT64),
        "fraction": 1.5,
        "whole": 2.0,
        "bytes": b"\x00\x01\xff",
        "yes": True,
        "at": EntityProperty("2026-06-15T12:00:00.1234567Z", EdmType.DATETIME),
    }


async def record(connection_string: str) -> None:
    """Go through all cases."""
    recorder = Recorder()

    @contextmanager
    def case(name: str) -> Iterator[None]:
        try:
            yield
        except HttpResponseError:
            assert "no-" in name or name in {"exists", "stale", "missing", "point-missing"}
        (HERE / f"{name}.http").write_bytes(recorder.last)

    client = TableServiceClient.from_connection_string(connection_string, transport=recorder)
    tables = await client.create_table_if_not_exists("events")
    merge, replace = {"mode": UpdateMode.MERGE}, {"mode": UpdateMode.REPLACE}
    with case("unconditional"):
        written = await tables.submit_transaction(
            [
                ("create", entity(ODD)),
                ("upsert", entity("b"), merge),
                ("upsert", entity("c"), replace),
                ("upsert", entity("d"), replace),
            ]
        )
    match = {"match_condition": MatchConditions.IfNotModified}
    with case("conditional"):
        await tables.submit_transaction(
            [
                ("update", entity("b"), {**merge, **match, "etag": written[1]["etag"]}),
                ("update", entity("c"), {**replace, **match, "etag": written[2]["etag"]}),
                ("delete", entity("d"), {**match, "etag": written[3]["etag"]}),
                ("delete", entity(ODD)),
            ]
        )
    with case("exists"):
        await tables.submit_transaction([("create", entity("z")), ("create", entity("b"))])
    with case("stale"):
        await tables.submit_transaction(
            [("create", entity("z")), ("update", entity("b"), {**replace, **match, "etag": written[1]["etag"]})]
        )
    with case("missing"):
        await tables.submit_transaction([("create", entity("y")), ("create", entity("z")), ("delete", entity("no"))])
    with case("no-table"):
        await client.get_table_client("nonesuch").submit_transaction([("create", entity("z"))])
    with case("query"):
        conditions = "PartitionKey eq @p and RowKey ge @start and RowKey lt @stop"
        parameters = {"p": PARTITION, "start": "b", "stop": "z'"}
        pages = tables.query_entities(conditions, parameters=parameters, results_per_page=1).by_page()
        [_ async for _ in await anext(pages)]
    with case("query-next"):
        [_ async for _ in await anext(pages)]
    with case("query-no-table"):
        [_ async for _ in client.get_table_client("nonesuch").query_entities("PartitionKey eq 'p'")]
    with case("point"):
        await tables.get_entity(PARTITION, "b")
    with case("point-missing"):
        await tables.get_entity(PARTITION, "no")
    await client.close()


if __name__ == "__main__":
    with azurite() as running:
        asyncio.run(record(running))
