"""Entities in Azure Table Storage (or Azurite): the engine for production.

Reads and writes speak the wire (`storage.wire`, `storage.line`); the SDK makes tables and reads connection strings, and
is imported for that: an app whose tables are there, and that has an identity, does without.

Source: https://learn.microsoft.com/rest/api/storageservices/performing-entity-group-transactions
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import cached_property, partial
from typing import Any, Final

from azure.core.exceptions import AzureError, HttpResponseError
from azure.core.utils import parse_connection_string

from registrail.errors import ConflictError, StorageError, StorageRefusedError, StorageUnavailableError
from registrail.storage import wire
from registrail.storage.line import NO_ANSWER, Credential, Line, Patience, helps_later
from registrail.storage.store import Delete, Entity, Insert, Operation, Page, check_operations
from registrail.storage.wire import Answer, Failure, Request, Rows

DEVELOPMENT_STORAGE: Final = (
    "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey="
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
    ";TableEndpoint=http://127.0.0.1:10002/devstoreaccount1;"
)
"""What `UseDevelopmentStorage=true` stands for: the emulator's published account.

Source: https://learn.microsoft.com/azure/storage/common/storage-use-azurite
"""

_RETRIES: Final[Mapping[str, Any]] = {
    "retry_total": 6,
    "retry_backoff_factor": 0.3,
    "retry_backoff_max": 4,
    "connection_timeout": 5,
    "read_timeout": 10,
}
"""The SDK's own, for what the SDK does."""

_CONFLICTS: Final = frozenset({"EntityAlreadyExists", "UpdateConditionNotSatisfied", "ConditionNotMet"})
_MISSING: Final = frozenset({"ResourceNotFound", "EntityNotFound"})
_NO_TABLE: Final = "TableNotFound"
_NO_PERMISSION: Final = frozenset({401, 403})


Reach = Callable[[], tuple[str, Credential]]
"""Tells an account's address, and as whom to ask it: without I/O, but not for nothing, for it imports what it needs."""


def with_connection_string(connection_string: str) -> Reach:
    """An account key, a signature, or the emulator.

    Raises:
        ValueError: it cannot be read, or names neither an account with its key nor an endpoint.
    """
    if connection_string.strip().rstrip(";").lower() == "usedevelopmentstorage=true":
        connection_string = DEVELOPMENT_STORAGE
    names = parse_connection_string(connection_string).keys()
    if "tableendpoint" not in names and not names >= {"accountname", "accountkey"}:
        raise ValueError("it needs AccountName and AccountKey, or TableEndpoint")

    def reach() -> tuple[str, Credential]:
        from azure.data.tables.aio import TableServiceClient  # noqa: PLC0415

        client = TableServiceClient.from_connection_string(connection_string)
        credential: Any = client.credential
        return client.url.partition("?")[0], credential

    return reach


def with_identity(endpoint: str, client_id: str | None) -> Reach:
    """An account at `https://….table.core.windows.net` that the app's managed identity may use."""

    def reach() -> tuple[str, Credential]:
        from azure.identity.aio import DefaultAzureCredential  # noqa: PLC0415 - 0.2 s that others need not wait for

        return endpoint.rstrip("/"), DefaultAzureCredential(managed_identity_client_id=client_id)

    return reach


class TablesStore:
    """An EntityStore in a storage account.

    A commit that inserts, deletes or expects a version and then gets no readable answer raises
    StorageUnavailableError although it may have taken place (`storage.line` tells why). A ConflictError always means
    that nothing was written.
    """

    def __init__(self, reach: Reach, patience: Patience | None = None) -> None:
        self._reach = reach
        self._patience = patience or Patience()

    @cached_property
    def _line(self) -> Line:
        return Line(*self._reach(), self._patience)

    async def get(self, table: str, partition: str, row: str) -> Entity | None:
        """Read one row."""
        async with self._limit():
            found = await self._line.ask(wire.point(table, partition, row), wire.entity, repeatable=True)
        if not isinstance(found, Failure):
            return found
        if found.code == _NO_TABLE or found.code in _MISSING:
            return None
        raise _error(found)

    async def scan(  # noqa: PLR0913 - as in the port
        self,
        table: str,
        partition: str,
        *,
        start: str = "",
        stop: str | None = None,
        limit: int = wire.MOST_ROWS,
        after: str | None = None,
        select: Sequence[str] | None = None,
        having: tuple[str, str] | None = None,
    ) -> Page:
        """Read a range of rows in one partition.

        One row more than asked for tells whether there are more. Where `limit` is the service's own (1,000) that would
        double the requests, so its word is taken: then the page that follows may be empty.

        What is sifted by `having` may take the service longer than it gives to one answer; one that came to nothing,
        without an end, tells no key to go on behind. Then the next rows are read as they are, and sifted here.
        """
        asked = partial(wire.query, table, partition, start=start, stop=stop, after=after, select=select)
        async with self._limit():
            if having is not None:
                sifted = await self._rows(partial(asked, having=having), limit, most=1)
                if sifted.entities or sifted.following is None:
                    return _page(sifted, limit)
            found = await self._rows(asked, limit)
        page = _page(found, limit)
        if having is None:
            return page
        name, text = having
        return Page([entity for entity in page.entities if entity.properties.get(name) == text], page.after)

    async def _rows(self, asked: Callable[..., Request], limit: int, most: int | None = None) -> Rows:
        """At least so many rows if there are, in as few answers as the service gives them in, or in `most` answers."""
        entities: list[Entity] = []
        following: str | None = None
        answers = 0
        while len(entities) < limit and answers != most:
            top = min(limit + 1 - len(entities), wire.MOST_ROWS)
            found = await self._line.ask(asked(top=top, following=following), wire.rows, repeatable=True)
            if isinstance(found, Failure):
                if found.code == _NO_TABLE:
                    return Rows([], None)
                raise _error(found)
            entities += found.entities
            following = found.following
            answers += 1
            if following is None:
                break
        return Rows(entities, following)

    async def head(self, table: str, limit: int) -> Sequence[Entity]:
        """Read some rows of a table; the service may give a part, and say where to go on, even an empty one."""
        following: str | None = None
        async with self._limit():
            while True:
                request = wire.query(table, None, top=min(limit, wire.MOST_ROWS), following=following)
                found = await self._line.ask(request, wire.rows, repeatable=True)
                if isinstance(found, Failure):
                    if found.code == _NO_TABLE:
                        return []
                    raise _error(found)
                following = found.following
                if found.entities or following is None:
                    return found.entities

    async def commit(self, table: str, partition: str, operations: Sequence[Operation]) -> Sequence[str | None]:
        """Do all operations in one transaction."""
        check_operations(operations)
        async with self._limit():
            outcome = await self._commit(table, partition, operations)
            if isinstance(outcome, Failure) and outcome.code == _NO_TABLE:
                await self._create(table)
                outcome = await self._commit(table, partition, operations)
        if not isinstance(outcome, Failure):
            return outcome
        if outcome.code in _CONFLICTS or outcome.code in _MISSING:
            raise ConflictError(outcome.index)
        raise _error(outcome)

    async def close(self) -> None:
        """Close the connections."""
        if "_line" in vars(self):
            await self._line.close()

    async def _create(self, table: str) -> None:
        from azure.data.tables.aio import TableServiceClient  # noqa: PLC0415 - once in an account's life

        credential: Any = self._line.credential  # which SDK's protocol a credential fulfils is a matter of versions
        async with TableServiceClient(endpoint=self._line.url, credential=credential, **_RETRIES) as client:
            await client.create_table_if_not_exists(table)

    async def _commit(
        self, table: str, partition: str, operations: Sequence[Operation]
    ) -> Sequence[str | None] | Failure:
        conditional = any(isinstance(operation, Insert | Delete) or operation.version for operation in operations)
        request = wire.transaction(self._line.url, table, partition, operations)

        def read(answer: Answer) -> Sequence[str | None] | Failure:
            outcome = wire.versions(answer, operations)
            if not conditional and isinstance(outcome, Failure) and outcome.code in _CONFLICTS:
                return replace(outcome, status=503)  # two upserts of a new row met: nothing was written, so once more
            return outcome

        return await self._line.ask(request, read, repeatable=not conditional)

    @asynccontextmanager
    async def _limit(self) -> AsyncIterator[None]:
        """Give every call an end, and the SDK's errors our names."""
        try:
            async with asyncio.timeout(self._patience.total):
                yield
        except TimeoutError as error:
            message = f"Table Storage did not answer within {self._patience.total:.0f} s"
            raise StorageUnavailableError(message) from error
        except AzureError as error:
            raise _error(_of_the_sdk(error)) from error


def _page(found: Rows, limit: int) -> Page:
    entities = found.entities[:limit]
    more = len(found.entities) > limit or found.following is not None
    return Page(entities, entities[-1].row if more and entities else None)


def _error(failure: Failure) -> StorageError:
    """Whether trying again may help: it may unless the service understood and said no."""
    message = f"Table Storage: {failure.message} ({failure.code})"
    if failure.status in _NO_PERMISSION:
        return StorageRefusedError(f"{message} (does the identity have the role Storage Table Data Contributor?)")
    return StorageUnavailableError(message) if helps_later(failure) else StorageRefusedError(message)


def _of_the_sdk(error: AzureError) -> Failure:
    message = (str(error) or type(error).__name__).splitlines()[0]
    status = error.status_code if isinstance(error, HttpResponseError) else None
    return Failure(status or 0, f"HTTP{status}" if status else NO_ANSWER, message)
