"""What is really in the tables, read past the app: the SQLite file by itself, Azurite with Microsoft's own client."""

import base64
import json
import re
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import UUID

from azure.core.exceptions import ResourceNotFoundError
from azure.data.tables import TableServiceClient

from registrail.events import RecordedEvent
from registrail.instants import Instant
from registrail.storage import keys
from registrail.storage.entities import recorded_event
from torture.oracle import ALL, COLUMNS, Cell, Identity, cells, identity
from torture.retrace import retrace

Rows = Callable[[str], Iterator[Mapping[str, Any]]]
"""All rows of a table: the columns, `PartitionKey` and `RowKey`; times as text, bytes in base64."""

_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,7}))?Z")


def sqlite_rows(file: Path) -> Rows:
    """Read the embedded engine's file."""

    def rows(table: str) -> Iterator[Mapping[str, Any]]:
        query = 'SELECT partition, row, properties FROM entities WHERE "table" = ?'
        with closing(sqlite3.connect(file)) as connection:
            for partition, row, properties in connection.execute(query, (table,)).fetchall():
                columns = {
                    name: next(iter(value.values())) if isinstance(value, dict) else value
                    for name, value in json.loads(properties).items()
                }
                yield {"PartitionKey": partition, "RowKey": row, **columns}

    return rows


def azurite_rows(connection_string: str) -> Rows:
    """Read Table Storage."""

    def rows(table: str) -> Iterator[Mapping[str, Any]]:
        with TableServiceClient.from_connection_string(connection_string) as service:
            try:
                for entity in service.get_table_client(table).list_entities():
                    yield {name: _plain(value) for name, value in entity.items()}
            except ResourceNotFoundError:
                return

    return rows


def _plain(value: Any) -> Any:
    """Whole numbers come wrapped; times as a datetime that remembers all digits; GUIDs not as texts."""
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, Instant):
        return value.isoformat()
    written = getattr(value, "tables_service_value", None)
    return written if written is not None else getattr(value, "value", value)


def stored_events(rows: Rows) -> list[Identity]:
    """The table `events`."""
    return [identity({"registry": _registry(row), **row}) for row in rows("events")]


def stored_counts(rows: Rows) -> list[tuple[Cell, int]]:
    """The table `activity` but for actors and clients, whose names no identity has.

    A row's key says the grain, whose numbers they are, and the period; numbers that are zero have no column.
    """
    return list(cells(_counted(row) for row in rows("activity") if _subject(row) == ALL or ALL not in _subject(row)))


def _subject(row: Mapping[str, Any]) -> str:
    return str(row["RowKey"].split("~")[1])


def _counted(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """A row as the API would tell it."""
    grain, subject, period = row["RowKey"].split("~")
    repository = None if subject == ALL else row.get("repository") or keys.decode(subject)
    place = {"registry": keys.decode(row["PartitionKey"]), "grain": grain, "period": period, "repository": repository}
    return {**dict.fromkeys(COLUMNS, 0), **row, **place}


def _registry(row: Mapping[str, Any]) -> str:
    """Of an event, by the key of its partition."""
    return keys.decode(row["PartitionKey"].rpartition("~")[0])


def stored_marks(rows: Rows) -> list[str]:
    """The table `marks`."""
    return [f"{row['PartitionKey']}~{row['RowKey']}" for row in rows("marks")]


def stored_history(rows: Rows) -> dict[str, str]:
    """The table `history`."""
    return {f"{row['PartitionKey']}~{row['RowKey']}": _text(row) for row in rows("history")}


async def retraced_history(rows: Rows) -> dict[str, str]:
    """The table `history` as it should be: the events of the table `events`, traced from scratch in their order."""
    by_registry: dict[str, list[RecordedEvent]] = defaultdict(list)
    for row in rows("events"):
        told = {name: _instant(value) for name, value in row.items()}
        recorded = recorded_event(row["PartitionKey"], row["RowKey"], told)
        by_registry[recorded.event.registry].append(recorded)
    found: dict[str, str] = {}
    for registry, events in by_registry.items():
        history, _ = await retrace(registry, events)
        for key, columns in history.items():
            plain = {name: _plain(value) for name, value in columns.items()}
            found[f"{registry}~{key}"] = _text(plain)
    return found


def _instant(value: Any) -> Any:
    """Times are what looks like one."""
    return Instant.parse(value) if isinstance(value, str) and _TIME.fullmatch(value) else value


def _text(row: Mapping[str, Any]) -> str:
    """All columns, the keys left out, each time with seven digits."""
    told = {name: value for name, value in row.items() if name not in {"PartitionKey", "RowKey"}}
    return json.dumps({name: _seven(value) for name, value in told.items()}, sort_keys=True)


def _seven(value: Any) -> Any:
    found = _TIME.fullmatch(value) if isinstance(value, str) else None
    return f"{found[1]}.{found[2] or '':0<7}Z" if found else value
