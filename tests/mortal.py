"""A store whose process ends in the middle of something."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from registrail.storage.sqlite import SqliteStore
from registrail.storage.store import Operation


class PulledPlugError(Exception):
    """The process ends here."""


@dataclass
class Mortal:
    """A store after some commits of which the process ends, without a word."""

    inner: SqliteStore
    left: int

    async def commit(self, table: str, partition: str, operations: Sequence[Operation]) -> Sequence[str | None]:
        self.left -= 1
        if self.left < 0:
            raise PulledPlugError
        return await self.inner.commit(table, partition, operations)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)
