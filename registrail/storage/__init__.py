"""Where everything is kept: two engines behind one port, and the tables on top of it."""

from registrail.errors import SettingsError
from registrail.settings import Settings
from registrail.storage.schema import VersionedStore
from registrail.storage.store import EntityStore


def open_store(settings: Settings) -> EntityStore:
    """Choose the engine. No I/O: files and connections are opened when they are first needed.

    Raises:
        SettingsError: the connection string cannot be read.
    """
    # Each engine is imported only if it is chosen, so that a cold start does not pay for the other one.
    if settings.sqlite_path is not None:
        from registrail.storage.sqlite import SqliteStore  # noqa: PLC0415

        return VersionedStore(SqliteStore(settings.sqlite_path))
    from registrail.storage import tables  # noqa: PLC0415

    if settings.table_service_uri is not None:
        return VersionedStore(tables.TablesStore(tables.with_identity(settings.table_service_uri, settings.client_id)))
    try:
        return VersionedStore(tables.TablesStore(tables.with_connection_string(settings.storage or "")))
    except ValueError as error:
        raise SettingsError([f"REGISTRAIL_STORAGE is not a connection string: {error}"]) from error
