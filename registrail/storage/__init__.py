"""Where everything is kept: two engines behind one port, and the tables on top of it."""

from registrail.errors import SettingsError
from registrail.settings import Settings
from registrail.storage.sqlite import SqliteStore
from registrail.storage.store import EntityStore


def open_store(settings: Settings) -> EntityStore:
    """Choose the engine. No I/O: files and connections are opened when they are first needed.

    Raises:
        SettingsError: the connection string cannot be read.
    """
    if settings.sqlite_path is not None:
        return SqliteStore(settings.sqlite_path)
    from registrail.storage import tables  # noqa: PLC0415 - the SDK takes 0.1 s that SQLite need not wait for

    if settings.table_service_uri is not None:
        return tables.TablesStore(tables.with_identity(settings.table_service_uri, settings.client_id))
    try:
        return tables.TablesStore(tables.with_connection_string(settings.storage or ""))
    except ValueError as error:
        raise SettingsError([f"REGISTRAIL_STORAGE is not a connection string: {error}"]) from error
