"""Copies of a store in memory, so that many trials can begin where one of them was."""

import sqlite3
import weakref

from registrail.storage.sqlite import SqliteStore


def content_of(store: SqliteStore) -> bytes:
    """Everything in a store that was written to."""
    connection = store._connection  # noqa: SLF001 - SQLite can copy a database, the port cannot
    assert connection is not None
    return connection.serialize()


def store_with(content: bytes) -> SqliteStore:
    """A new store with that in it."""
    store = SqliteStore(":memory:")
    connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    connection.deserialize(content)
    store._connection = connection  # noqa: SLF001 - likewise
    weakref.finalize(store, connection.close)  # as of any store that is dropped without being closed
    return store
