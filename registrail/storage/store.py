"""The one small port that both engines speak: entities in partitions, ordered by row key, each with a version."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain, islice
from typing import Final, Protocol, TypedDict, Unpack

from registrail.errors import ConflictError
from registrail.instants import Instant


class Guid(str):
    """A text of the form `01234567-89ab-cdef-0123-456789abcdef`, in lower case, which need not be kept as a text.

    Table Storage takes a fifth of the bytes for it. Read, it is a plain `str`.
    """

    __slots__ = ()


Value = str | bool | int | float | bytes | Instant
Properties = Mapping[str, Value]

MOST_OPERATIONS: Final = 100
"""In one commit: the limit of Table Storage's transactions."""

MOST_BYTES: Final = 3 * 1024 * 1024
"""Of properties in one commit, by our estimate; Table Storage takes 4 MiB of JSON."""


@dataclass(frozen=True, slots=True)
class Entity:
    """A row as it was read; `version` changes with every write and never comes back."""

    partition: str
    row: str
    version: str
    properties: Properties


@dataclass(frozen=True, slots=True)
class Insert:
    """Write a row that must not exist."""

    row: str
    properties: Properties


@dataclass(frozen=True, slots=True)
class Merge:
    """Set some properties and keep the others; without a version, also of a row that does not exist yet."""

    row: str
    properties: Properties
    version: str | None = None


@dataclass(frozen=True, slots=True)
class Replace:
    """Set all properties; without a version, also of a row that does not exist yet."""

    row: str
    properties: Properties
    version: str | None = None


@dataclass(frozen=True, slots=True)
class Delete:
    """Remove a row that must exist; with a version, only that one."""

    row: str
    version: str | None = None


Operation = Insert | Merge | Replace | Delete


@dataclass(frozen=True, slots=True)
class Page:
    """Some entities in the order of their row keys; `after` is where to go on, None at the end."""

    entities: Sequence[Entity]
    after: str | None


class ScanOptions(TypedDict, total=False):
    """Which rows of a partition to read, and what of them.

    Attributes:
        start: the first key; all from the first row on if it is missing.
        stop: the key before which to end; None is none.
        after: a key that all rows are behind, besides; None is none.
        limit: the most rows; 1,000 if it is missing.
        select: the only properties to read, as far as a row has them; the others do not travel. None is all.
        having: a text property (of those selected) and what it must be. Rows that differ do not travel; a page may then
            hold fewer than `limit`, even none, and still say where to go on. None is all rows.
    """

    start: str
    stop: str | None
    after: str | None
    limit: int
    select: Sequence[str] | None
    having: tuple[str, str] | None


class EntityStore(Protocol):
    """Entities in tables and partitions. A table exists as soon as somebody writes to it.

    Keys are ASCII without what Table Storage forbids, at most 512 characters (`storage.keys` makes them so).

    Every method raises StorageUnavailableError when trying again may help, and StorageRefusedError when not.
    """

    async def get(self, table: str, partition: str, row: str) -> Entity | None:
        """Read one row."""
        ...

    async def scan(self, table: str, partition: str, **options: Unpack[ScanOptions]) -> Page:
        """Read rows of a partition in the order of their keys."""
        ...

    async def head(self, table: str, limit: int) -> Sequence[Entity]:
        """Read some rows of a table, whatever their partitions: all there are, or at least one. For small tables."""
        ...

    async def commit(self, table: str, partition: str, operations: Sequence[Operation]) -> Sequence[str | None]:
        """Do all operations or none: 1 to 100, each on another row. Durable when it returns.

        Returns:
            The new version of each operation's row; None for a deleted one.

        Raises:
            ConflictError: the first operation whose row was not in the state that it expects.
            ValueError: too many operations, or two on one row.
        """
        ...

    async def close(self) -> None:
        """Let go of files and connections."""
        ...


def check_operations(operations: Sequence[Operation]) -> None:
    """Refuse what no engine can do in one commit."""
    if not 1 <= len(operations) <= MOST_OPERATIONS:
        message = f"a commit has 1 to {MOST_OPERATIONS} operations, not {len(operations)}"
        raise ValueError(message)
    if len(operations) > 1 and len({operation.row for operation in operations}) != len(operations):
        raise ValueError("a commit has at most one operation on each row")


def commits(operations: Iterable[Operation]) -> Iterator[list[Operation]]:
    """Cut many operations into pieces that fit into one commit each, and take no more of them than a piece needs."""
    remaining = iter(operations)
    beginning = list(islice(remaining, 2))
    if len(beginning) == 1:  # as of most requests: nothing to weigh
        yield beginning
        return
    piece: list[Operation] = []
    size = 0
    for operation in chain(beginning, remaining):
        weight = 0 if isinstance(operation, Delete) else estimate(operation.properties)
        if piece and (len(piece) == MOST_OPERATIONS or size + weight > MOST_BYTES):
            yield piece
            piece, size = [], 0
        piece.append(operation)
        size += weight
    if piece:
        yield piece


def estimate(properties: Properties) -> int:
    """An upper bound of the bytes that properties take in a request."""
    size = 512 + 64 * len(properties) + sum(map(len, properties))
    for value in properties.values():
        if isinstance(value, str):
            size += 2 * len(value) if value.isascii() else 6 * len(value)
        elif isinstance(value, bytes):
            size += 4 * len(value) // 3
    return size


async def scan_all(
    store: EntityStore, table: str, partition: str, *, start: str = "", stop: str | None = None
) -> list[Entity]:
    """Read a whole range, page after page."""
    found: list[Entity] = []
    after: str | None = None
    while True:
        page = await store.scan(table, partition, start=start, stop=stop, after=after)
        found += page.entities
        after = page.after
        if after is None:
            return found


async def delete_range(
    store: EntityStore, table: str, partition: str, *, start: str = "", stop: str | None = None
) -> bool:
    """Delete the rows of a range in batches; safe to repeat, and to do twice at once. Whether there were any."""
    found = False
    while True:
        page = await store.scan(table, partition, start=start, stop=stop, limit=MOST_OPERATIONS)
        if not page.entities:
            return found
        found = True
        try:
            await store.commit(table, partition, [Delete(entity.row) for entity in page.entities])
        except ConflictError:
            # Somebody else deletes the same rows: one by one, what is gone already does no harm.
            for entity in page.entities:
                with suppress(ConflictError):
                    await store.commit(table, partition, [Delete(entity.row)])
