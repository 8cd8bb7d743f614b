"""Entities in Azure Table Storage (or Azurite): the engine for production.

Source: https://learn.microsoft.com/rest/api/storageservices/performing-entity-group-transactions
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, cast

from azure.core import MatchConditions
from azure.core.credentials_async import AsyncTokenCredential
from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    ResourceExistsError,
    ResourceModifiedError,
    ResourceNotFoundError,
)
from azure.data.tables import EdmType, EntityProperty, TableTransactionError, UpdateMode
from azure.data.tables.aio import TableClient, TableServiceClient

from registrail.errors import ConflictError, StorageRefusedError, StorageUnavailableError
from registrail.instants import Instant
from registrail.storage.store import (
    Delete,
    Entity,
    Insert,
    Merge,
    Operation,
    Page,
    Properties,
    Value,
    check_operations,
)

DEVELOPMENT_STORAGE: Final = (
    "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey="
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
    ";TableEndpoint=http://127.0.0.1:10002/devstoreaccount1;"
)
"""What `UseDevelopmentStorage=true` stands for: the emulator's published account.

Source: https://learn.microsoft.com/azure/storage/common/storage-use-azurite
"""

PATIENCE_SECONDS: Final = 20.0
"""How long one call may take, with all retries in it."""

_RETRIES: Final[Mapping[str, Any]] = {
    "retry_total": 6,
    "retry_backoff_factor": 0.3,
    "retry_backoff_max": 4,
    "connection_timeout": 5,
    "read_timeout": 10,
}
_CONFLICTS: Final = frozenset({"EntityAlreadyExists", "UpdateConditionNotSatisfied", "ResourceNotFound"})
_PAGE: Final = 1000
_LATER: Final = frozenset({408, 429, 500, 502, 503, 504})


def with_connection_string(connection_string: str) -> TableServiceClient:
    """Make a client for an account key or the emulator. No I/O."""
    if connection_string.strip().rstrip(";").lower() == "usedevelopmentstorage=true":
        connection_string = DEVELOPMENT_STORAGE
    return TableServiceClient.from_connection_string(connection_string, **_RETRIES)


def with_identity(endpoint: str, client_id: str | None) -> TableServiceClient:
    """Make a client for `https://….table.core.windows.net` with the app's managed identity. No I/O."""
    from azure.identity.aio import DefaultAzureCredential  # noqa: PLC0415 - 0.2 s that others need not wait for

    credential: AsyncTokenCredential = DefaultAzureCredential(managed_identity_client_id=client_id)
    return TableServiceClient(endpoint=endpoint, credential=credential, **_RETRIES)


class TablesStore:
    """An EntityStore in a storage account."""

    def __init__(self, client: TableServiceClient) -> None:
        self._client = client
        self._tables: dict[str, TableClient] = {}

    async def get(self, table: str, partition: str, row: str) -> Entity | None:
        """Read one row."""
        async with _translated():
            try:
                return _entity(await self._table(table).get_entity(partition, row))
            except ResourceNotFoundError:
                return None

    async def scan(  # noqa: PLR0913 - as in the port
        self,
        table: str,
        partition: str,
        *,
        start: str = "",
        stop: str | None = None,
        limit: int = 1000,
        after: str | None = None,
    ) -> Page:
        """Read a range of rows in one partition."""
        conditions = ["PartitionKey eq @partition", "RowKey ge @start"]
        conditions += ["RowKey lt @stop"] if stop is not None else []
        conditions += ["RowKey gt @after"] if after is not None else []
        parameters = {"partition": partition, "start": start, "stop": stop, "after": after}
        entities: list[Entity] = []
        async with _translated():
            found = self._table(table).query_entities(
                " and ".join(conditions), parameters=parameters, results_per_page=min(limit + 1, _PAGE)
            )
            try:
                async for entity in found:
                    if len(entities) == limit:
                        return Page(entities, entities[-1].row)
                    entities.append(_entity(entity))
            except ResourceNotFoundError:
                return Page([], None)
        return Page(entities, None)

    async def commit(self, table: str, partition: str, operations: Sequence[Operation]) -> Sequence[str | None]:
        """Do all operations in one transaction, or one operation in a request of its own."""
        check_operations(operations)
        async with _translated():
            try:
                return await self._commit(table, partition, operations)
            except (ResourceNotFoundError, TableTransactionError) as error:
                if "TableNotFound" not in str(error):  # create_entity does not decode the service's error
                    raise
            await self._client.create_table_if_not_exists(table)
            return await self._commit(table, partition, operations)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    def _table(self, name: str) -> TableClient:
        if name not in self._tables:
            self._tables[name] = self._client.get_table_client(name)
        return self._tables[name]

    async def _commit(self, table: str, partition: str, operations: Sequence[Operation]) -> Sequence[str | None]:
        client = self._table(table)
        if len(operations) > 1 or isinstance(operations[0], Delete):
            answers = await client.submit_transaction(
                [_in_transaction(partition, operation) for operation in operations]
            )
            return [
                None if isinstance(operation, Delete) else cast("str", answer["etag"])
                for operation, answer in zip(operations, answers, strict=True)
            ]
        return [cast("str", (await _alone(client, partition, operations[0]))["etag"])]


@asynccontextmanager
async def _translated() -> AsyncIterator[None]:
    """Give the SDK's errors our names, and every call an end."""
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            yield
    except TimeoutError as error:
        message = f"Table Storage did not answer within {PATIENCE_SECONDS:.0f} s"
        raise StorageUnavailableError(message) from error
    except TableTransactionError as error:
        if _code(error) in _CONFLICTS:
            raise ConflictError(error.index) from error
        raise _failure(error) from error
    except (ResourceExistsError, ResourceModifiedError, ResourceNotFoundError) as error:
        raise ConflictError(0) from error
    except AzureError as error:
        raise _failure(error) from error


def _code(error: HttpResponseError) -> str:
    """The service's own name for the error, which the SDK sets on errors that it decodes."""
    code = getattr(error, "error_code", None)
    return str(getattr(code, "value", code))


def _failure(error: AzureError) -> StorageUnavailableError | StorageRefusedError:
    """Whether trying again may help: it may unless the service understood and said no."""
    message = f"Table Storage: {str(error).splitlines()[0] if str(error) else type(error).__name__}"
    if isinstance(error, ClientAuthenticationError):
        return StorageRefusedError(f"{message} (does the identity have the role Storage Table Data Contributor?)")
    if isinstance(error, HttpResponseError) and error.status_code is not None and error.status_code not in _LATER:
        return StorageRefusedError(message)
    return StorageUnavailableError(message)


def _alone(client: TableClient, partition: str, operation: Operation) -> Awaitable[Mapping[str, Any]]:
    entity = _to_table(partition, operation)
    if isinstance(operation, Insert):
        return client.create_entity(entity)
    mode = UpdateMode.MERGE if isinstance(operation, Merge) else UpdateMode.REPLACE
    if isinstance(operation, Delete) or operation.version is None:
        return client.upsert_entity(entity, mode=mode)
    return client.update_entity(
        entity, mode=mode, etag=operation.version, match_condition=MatchConditions.IfNotModified
    )


def _in_transaction(partition: str, operation: Operation) -> tuple[str, Mapping[str, Any], Mapping[str, Any]]:
    entity = _to_table(partition, operation)
    if isinstance(operation, Insert):
        return "create", entity, {}
    options: dict[str, Any] = {}
    if operation.version is not None:
        options = {"etag": operation.version, "match_condition": MatchConditions.IfNotModified}
    if isinstance(operation, Delete):
        return "delete", entity, options
    options["mode"] = UpdateMode.MERGE if isinstance(operation, Merge) else UpdateMode.REPLACE
    return "upsert" if operation.version is None else "update", entity, options


def _to_table(partition: str, operation: Operation) -> dict[str, Any]:
    keys = {"PartitionKey": partition, "RowKey": operation.row}
    if isinstance(operation, Delete):
        return keys
    return keys | {name: _to_column(value) for name, value in operation.properties.items()}


def _to_column(value: Value) -> str | float | bytes | EntityProperty:
    if isinstance(value, Instant):
        return EntityProperty(value.isoformat(), EdmType.DATETIME)
    if isinstance(value, int) and not isinstance(value, bool):
        return EntityProperty(value, EdmType.INT64)
    return value


def _entity(entity: Mapping[str, Any]) -> Entity:
    properties: dict[str, Value] = {
        name: _from_column(value) for name, value in entity.items() if name not in {"PartitionKey", "RowKey"}
    }
    metadata = cast("Any", entity).metadata
    return Entity(entity["PartitionKey"], entity["RowKey"], metadata["etag"], cast("Properties", properties))


def _from_column(value: Any) -> Value:  # noqa: ANN401 - what the SDK hands out
    if isinstance(value, EntityProperty):
        return cast("Value", value.value)
    service_value = getattr(value, "tables_service_value", None)
    if service_value is not None:
        return Instant.parse(service_value)
    return cast("Value", value)
