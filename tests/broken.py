"""An EntityStore that does not answer."""

from collections.abc import Sequence
from typing import Any

from registrail.errors import StorageUnavailableError
from registrail.storage.store import Entity, Page


class Broken:
    """Refuses everything."""

    async def get(self, *_: Any, **__: Any) -> Entity | None:
        raise StorageUnavailableError("the store cannot be reached")

    async def scan(self, *_: Any, **__: Any) -> Page:
        raise StorageUnavailableError("the store cannot be reached")

    async def head(self, *_: Any, **__: Any) -> Sequence[Entity]:
        raise StorageUnavailableError("the store cannot be reached")

    async def commit(self, *_: Any, **__: Any) -> Sequence[str | None]:
        raise StorageUnavailableError("the store cannot be reached")

    async def close(self) -> None:
        """Nothing is open."""
