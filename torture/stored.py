"""What is really in the tables, read past the app: the SQLite file by itself, Azurite with Microsoft's own client."""

import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from azure.core.exceptions import ResourceNotFoundError
from azure.data.tables import TableServiceClient

from torture.oracle import ALL, Cell, Identity, cells, identity

Rows = Callable[[str], Iterator[Mapping[str, Any]]]
"""All rows of a table: the columns, `PartitionKey` and `RowKey`; times as text."""


def sqlite_rows(file: Path) -> Rows:
    """Read the embedded engine's file."""

    def rows(table: str) -> Iterator[Mapping[str, Any]]:
        query = 'SELECT partition, row, properties FROM entities WHERE "table" = ?'
        with closing(sqlite3.connect(file)) as connection:
            for partition, row, properties in connection.execute(query, (table,)).fetchall():
                columns = {
                    name: value.get("time") if isinstance(value, dict) else value
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
    """Whole numbers come wrapped; times as a datetime that remembers all digits."""
    written = getattr(value, "tables_service_value", None)
    return written if written is not None else getattr(value, "value", value)


def stored_events(rows: Rows) -> list[Identity]:
    """The table `events`."""
    return [identity(row) for row in rows("events")]


def stored_counts(rows: Rows) -> list[tuple[Cell, int]]:
    """The table `activity`; the period is the last part of a row's key, and the first says the grain."""
    found = [{**row, "period": row["RowKey"].rpartition("~")[2]} for row in rows("activity")]
    strange = [row["RowKey"] for row in found if row["RowKey"].split("~")[0] != row["grain"]]
    if strange:
        message = f"rows of the table activity contradict their keys: {strange[:5]}"
        raise ValueError(message)
    return list(cells({**row, "repository": None if row["repository"] == ALL else row["repository"]} for row in found))


def stored_marks(rows: Rows) -> list[str]:
    """The table `marks`."""
    return [f"{row['PartitionKey']}~{row['RowKey']}" for row in rows("marks")]
