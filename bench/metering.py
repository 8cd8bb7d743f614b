"""Counting what Table Storage would bill: the requests that reach it, and the bytes that lie in it.

A request is one transaction, whatever it holds: an entity group transaction of 100 operations is one, a page of a
query is one, and so is one that fails because of its conditions. Bytes are counted by the formula that Microsoft gives.

Sources: https://learn.microsoft.com/archive/blogs/windowsazurestorage/understanding-windows-azure-storage-billing-bandwidth-transactions-and-capacity
and https://learn.microsoft.com/archive/blogs/avkashchauhan/how-the-size-of-an-entity-is-caclulated-in-windows-azure-table-storage
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import UUID

from azure.data.tables import EntityProperty
from azure.data.tables.aio import TableServiceClient

from torture.http1 import LONGEST_HEAD, read_request
from torture.proxy import Upstream

_ENTITY: Final = 4
_PROPERTY: Final = 8
_TEXT: Final = 4
_CHARACTER: Final = 2


@dataclass(slots=True)
class Meter:
    """A proxy before Azurite's tables, and what passed through it: how many requests of each kind."""

    host: str
    port: int
    connection_string: str = ""
    requests: Counter[str] = field(default_factory=Counter)

    def taken(self) -> Counter[str]:
        """What was counted since this was last asked."""
        taken, self.requests = self.requests, Counter()
        return taken

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass the requests of one connection on, and their answers back."""
        upstream = Upstream(self.host, self.port)
        try:
            while (request := await read_request(reader)) is not None:
                self.requests[_kind(request.method, request.target)] += 1
                writer.write((await upstream.ask(request)).raw)
                await writer.drain()
        finally:
            upstream.close()
            writer.close()


@asynccontextmanager
async def metered(connection_string: str) -> AsyncIterator[Meter]:
    """Put a meter before the tables of a connection string, for the duration of a block."""
    parts = dict(part.partition("=")[::2] for part in connection_string.split(";") if part)
    endpoint = urlsplit(parts["TableEndpoint"])
    assert endpoint.hostname is not None
    assert endpoint.port is not None
    meter = Meter(endpoint.hostname, endpoint.port)
    server = await asyncio.start_server(meter.serve, "127.0.0.1", 0, limit=LONGEST_HEAD)
    port = server.sockets[0].getsockname()[1]
    parts["TableEndpoint"] = endpoint._replace(netloc=f"127.0.0.1:{port}").geturl()
    meter.connection_string = "".join(f"{name}={value};" for name, value in parts.items())
    async with server:
        yield meter


async def stored(connection_string: str) -> Mapping[str, tuple[int, int]]:
    """How many entities lie in each table, and how many bytes they take."""
    found: dict[str, tuple[int, int]] = {}
    async with TableServiceClient.from_connection_string(connection_string) as service:
        async for table in service.list_tables():
            rows = [entity_bytes(dict(entity)) async for entity in service.get_table_client(table.name).list_entities()]
            found[table.name] = len(rows), sum(rows)
    return found


def entity_bytes(entity: Mapping[str, Any]) -> int:
    """What one entity takes, keys and the names of its properties included."""
    keys = len(entity["PartitionKey"]) + len(entity["RowKey"])
    own = {name: value for name, value in entity.items() if name not in {"PartitionKey", "RowKey"}}
    return _ENTITY + _CHARACTER * keys + sum(_PROPERTY + _CHARACTER * len(name) + _size(own[name]) for name in own)


def _size(value: object) -> int:
    if isinstance(value, EntityProperty):
        return 8
    if isinstance(value, str):
        return _TEXT + _CHARACTER * (len(value.encode("utf-16-le")) // 2)
    if isinstance(value, bytes):
        return _TEXT + len(value)
    return {bool: 1, int: 4, float: 8, UUID: 16}[type(value)] if not isinstance(value, datetime) else 8


def _kind(method: str, target: str) -> str:
    """The table for a read, `batch` for a transaction: enough to see where requests come from."""
    name = urlsplit(target).path.rpartition("/")[2].partition("(")[0]
    return "transaction" if name == "$batch" else f"{method} {name}"
