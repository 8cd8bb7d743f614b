"""Entities in one SQLite file: the engine that needs no server.

One table, clustered by key, in WAL mode with `synchronous=FULL`: a commit is on the disk before it returns. Commits
that are asked for while the disk is busy go to it together. Several processes may share a file; SQLite lets one of them
write at a time. In memory it is what tests run on.
"""

import asyncio
import binascii
import os
import sqlite3
import weakref
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeVar

from registrail.errors import (
    ConflictError,
    RegistrailError,
    StorageRefusedError,
    StorageUnavailableError,
)
from registrail.instants import Instant
from registrail.storage.edm import read_instant
from registrail.storage.rowjson import finite, read_json, readable_json
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

T = TypeVar("T")

BUSY_SECONDS: Final = 15.0
"""How long a writer waits for another process's turn to end."""

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS entities (
    "table" TEXT NOT NULL,
    partition TEXT NOT NULL,
    row TEXT NOT NULL,
    version TEXT NOT NULL,
    properties TEXT NOT NULL,
    PRIMARY KEY ("table", partition, row)
) WITHOUT ROWID
"""
_KEY: Final = '"table" = ?1 AND partition = ?2 AND row = ?3'
_ADD: Final = """
INSERT INTO entities ("table", partition, row, version, properties) VALUES (?1, ?2, ?3, ?4, ?5)
ON CONFLICT ("table", partition, row) DO
"""
_INSERT: Final = f"{_ADD} NOTHING"
_MERGE: Final = f"{_ADD} UPDATE SET version = ?4, properties = json_patch(entities.properties, ?5)"
_REPLACE: Final = f"{_ADD} UPDATE SET version = ?4, properties = ?5"
_UPDATE: Final = f"UPDATE entities SET version = ?4, properties = {{}} WHERE {_KEY} AND version = ?6"
_MERGE_VERSION: Final = _UPDATE.format("json_patch(properties, ?5)")
_REPLACE_VERSION: Final = _UPDATE.format("?5")
_DELETE: Final = f"DELETE FROM entities WHERE {_KEY}"
_DELETE_VERSION: Final = f"{_DELETE} AND version = ?4"
# None of them returns anything: each step of a statement lets go of the interpreter's lock, and waits to get it back.

_PASSING: Final = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR})
"""Errors that may be over the next time: another process's turn, a disk that somebody tidies up."""

MOST_AT_ONCE: Final = 1000
"""Commits in one transaction."""

MOST_SIFTED: Final = 10_000
"""Rows that are looked at for one page of those that have a text: some 20 ms."""


@dataclass(eq=False, slots=True)
class _Commit:
    """One caller's operations, and where to tell how it went."""

    table: str
    partition: str
    operations: Sequence[Operation]
    done: Future[Sequence[str | None]] = field(default_factory=Future)


class SqliteStore:
    """An EntityStore in one file, or in memory (`:memory:`).

    One connection, used by one thread of its own, so that waiting for the disk does not stop the event loop. In
    memory there is nothing to wait for, and calls are made in place.
    """

    def __init__(self, path: str, *, busy_seconds: float = BUSY_SECONDS) -> None:
        self._path = path
        self._busy_seconds = busy_seconds
        self._connection: sqlite3.Connection | None = None
        self._waiting: deque[_Commit] = deque()
        self._thread = None if path == ":memory:" else ThreadPoolExecutor(1, thread_name_prefix="sqlite")

    async def get(self, table: str, partition: str, row: str) -> Entity | None:
        """Read one row."""
        rows = await self._call(
            lambda connection: connection.execute(
                f"SELECT row, version, properties FROM entities WHERE {_KEY}", (table, partition, row)
            ).fetchall()
        )
        return _entity(partition, rows[0]) if rows else None

    async def scan(  # noqa: PLR0913 - as in the port
        self,
        table: str,
        partition: str,
        *,
        start: str = "",
        stop: str | None = None,
        limit: int = 1000,
        after: str | None = None,
        select: Sequence[str] | None = None,
        having: tuple[str, str] | None = None,
    ) -> Page:
        """Read a range of rows in one partition; to find what is sifted by `having`, look at so many at most."""
        conditions = ['"table" = ?', "partition = ?", "row >= ?"]
        values: list[str | int] = [table, partition, start]
        if stop is not None:
            conditions.append("row < ?")
            values.append(stop)
        if after is not None:
            conditions.append("row > ?")
            values.append(after)
        query = f"SELECT row, version, properties FROM entities WHERE {' AND '.join(conditions)} ORDER BY row LIMIT ?"
        if having is not None:
            return await self._sifted(partition, query, values, limit, select, having)
        rows = await self._call(lambda connection: connection.execute(query, (*values, limit + 1)).fetchall())
        entities = [_entity(partition, row, select) for row in rows[:limit]]
        return Page(entities, entities[-1].row if len(rows) > limit else None)

    async def _sifted(  # noqa: PLR0913, PLR0917 - as of a range
        self,
        partition: str,
        query: str,
        values: Sequence[str | int],
        limit: int,
        select: Sequence[str] | None,
        having: tuple[str, str],
    ) -> Page:
        """The first rows of a query of so many that have a text."""
        matching = f"SELECT * FROM ({query}) WHERE json_extract(properties, ?) = ? ORDER BY row LIMIT ?"
        last = f"SELECT row FROM ({query}) LIMIT 1 OFFSET ?"

        def work(connection: sqlite3.Connection) -> tuple[list[tuple[str, str, str]], str | None]:
            path = f'$."{having[0]}"'
            found = connection.execute(matching, (*values, MOST_SIFTED, path, having[1], limit + 1)).fetchall()
            if len(found) > limit:
                return found[:limit], found[limit - 1][0]
            cut = connection.execute(last, (*values, MOST_SIFTED, MOST_SIFTED - 1)).fetchone()
            return found, cut[0] if cut else None

        rows, after = await self._call(work)
        return Page([_entity(partition, row, select) for row in rows], after)

    async def head(self, table: str, limit: int) -> Sequence[Entity]:
        """Read the first rows of a table."""
        query = 'SELECT partition, row, version, properties FROM entities WHERE "table" = ? LIMIT ?'
        rows = await self._call(lambda connection: connection.execute(query, (table, limit)).fetchall())
        return [_entity(row[0], row[1:]) for row in rows]

    async def commit(self, table: str, partition: str, operations: Sequence[Operation]) -> Sequence[str | None]:
        """Do all operations or none; what other callers ask for at the same time goes into the same transaction."""
        check_operations(operations)
        commit = _Commit(table, partition, operations)
        self._waiting.append(commit)
        if self._thread is None:
            self._write()
            return commit.done.result()
        self._thread.submit(self._write)
        return await asyncio.wrap_future(commit.done)

    async def close(self) -> None:
        """Close the file; what was committed is there already."""
        if self._connection is not None:
            await self._call(lambda connection: connection.close())
            self._connection = None
        if self._thread is not None:
            self._thread.shutdown()

    def _write(self) -> None:
        """Write what is waiting in one transaction, and tell everybody when it is on the disk."""
        commits: list[_Commit] = []
        while self._waiting and len(commits) < MOST_AT_ONCE:
            commit = self._waiting.popleft()
            if commit.done.set_running_or_notify_cancel():
                commits.append(commit)
        if not commits:
            return
        try:
            outcomes: Sequence[Sequence[str | None] | Exception]
            outcomes = self._run(lambda connection: _together(connection, commits))
        except Exception as error:  # noqa: BLE001 - whatever it is, these callers must hear it or wait for ever
            outcomes = [copy(error) for _ in commits]
        for commit, outcome in zip(commits, outcomes, strict=True):
            if isinstance(outcome, Exception):
                commit.done.set_exception(outcome)
            else:
                commit.done.set_result(outcome)

    async def _call(self, work: Callable[[sqlite3.Connection], T]) -> T:
        if self._thread is None:
            return self._run(work)
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._run, work)

    def _run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        try:
            if self._connection is None:
                self._connection = _connect(self._path, self._busy_seconds)
                weakref.finalize(self, self._connection.close)  # also of a store that is dropped without being closed
            return work(self._connection)
        except sqlite3.Error as error:
            message = f"SQLite, {self._path}: {error}"
            raise (StorageUnavailableError if _passes(error) else StorageRefusedError)(message) from error
        except OSError as error:
            message = f"SQLite, {self._path}: the folder cannot be made: {error.strerror}"
            raise StorageRefusedError(message) from error


def _connect(path: str, busy_seconds: float) -> sqlite3.Connection:
    if path != ":memory:":
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path, timeout=busy_seconds, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute(_SCHEMA)
    except sqlite3.Error:
        connection.close()
        raise
    return connection


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # SQLite itself rolls back when the disk is full
            connection.execute("ROLLBACK")
        raise


def _together(
    connection: sqlite3.Connection, commits: Sequence[_Commit]
) -> list[Sequence[str | None] | RegistrailError]:
    """Do many commits in one transaction, so that they wait for the disk once; one that fails leaves no trace."""
    with _transaction(connection):
        return [_one(connection, commit) for commit in commits]


def _one(connection: sqlite3.Connection, commit: _Commit) -> Sequence[str | None] | RegistrailError:
    connection.execute("SAVEPOINT one")
    try:
        versions = [
            _apply(connection, (commit.table, commit.partition, operation.row), operation, index)
            for index, operation in enumerate(commit.operations)
        ]
    except (ConflictError, sqlite3.Error) as error:
        if isinstance(error, sqlite3.Error) and (_passes(error) or not connection.in_transaction):
            raise
        connection.execute("ROLLBACK TO one")
        connection.execute("RELEASE one")
        return error if isinstance(error, ConflictError) else StorageRefusedError(f"SQLite: {error}")
    connection.execute("RELEASE one")
    return versions


def _passes(error: sqlite3.Error) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _PASSING


def _apply(connection: sqlite3.Connection, key: tuple[str, str, str], operation: Operation, index: int) -> str | None:
    """Do one operation; the row's new version."""
    version: str | None = None
    values: tuple[str, ...]
    if isinstance(operation, Delete):
        sql, values = _DELETE, key
        if operation.version is not None:
            sql, values = _DELETE_VERSION, (*key, operation.version)
    else:
        version = os.urandom(8).hex()
        values = (*key, version, _encode(operation.properties))
        if isinstance(operation, Insert):
            sql = _INSERT
        elif operation.version is None:
            sql = _MERGE if isinstance(operation, Merge) else _REPLACE
        else:
            sql = _MERGE_VERSION if isinstance(operation, Merge) else _REPLACE_VERSION
            values = (*values, operation.version)
    if connection.execute(sql, values).rowcount != 1:
        raise ConflictError(index)
    return version


def _entity(partition: str, row: tuple[str, str, str], select: Sequence[str] | None = None) -> Entity:
    return Entity(partition, row[0], row[1], _decode(row[2], select))


def _encode(properties: Properties) -> str:
    """JSON that people can read with `sqlite3` and `json_extract`; times and bytes as objects that say so."""
    columns: dict[str, str | float | dict[str, str]] = {}
    for name, value in properties.items():
        if isinstance(value, Instant):
            columns[name] = {"time": value.isoformat()}
        elif isinstance(value, bytes):
            columns[name] = {"base64": binascii.b2a_base64(value, newline=False).decode()}
        else:
            columns[name] = finite(value) if isinstance(value, float) else value
    return readable_json(columns)


def _decode(text: str, select: Sequence[str] | None) -> Properties:
    def decoded(value: str | float | dict[str, str]) -> Value:
        if not isinstance(value, dict):
            return value
        if "time" in value:
            return read_instant(value["time"])
        return binascii.a2b_base64(value["base64"])

    found = read_json(text)
    names = found if select is None else [name for name in select if name in found]
    return {name: decoded(found[name]) for name in names}
