"""Rows as Parquet, a row group at a time. Source: https://parquet.apache.org/docs/file-format/ ."""

import io
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from registrail.export import Batches, Columns, Row, in_json
from registrail.instants import Instant

ROWS_PER_GROUP: Final = 20_000
BYTES_PER_GROUP: Final = 16 * 1024 * 1024
"""A row group ends at whichever comes first; it is what a writer holds, and what a reader can skip."""

_TYPES: Final = {"text": pa.string(), "integer": pa.int64(), "time": pa.timestamp("ns", "UTC"), "json": pa.string()}
_EPOCH: Final = Instant.parse("1970-01-01T00:00:00Z").ticks
_INT64: Final = 2**63


async def write(columns: Columns, batches: Batches) -> AsyncIterator[bytes]:
    """The pieces of a file, compressed with Zstandard; its index comes last."""
    schema = _schema(columns)
    sink = _Sink()
    memory = pa.system_memory_pool()  # gives back what it no longer needs
    with pq.ParquetWriter(pa.PythonFile(sink, mode="w"), schema, compression="zstd", memory_pool=memory) as writer:
        held: list[pa.RecordBatch] = []
        async for batch in batches:
            held.append(_record_batch(columns, schema, batch))
            rows, size = sum(one.num_rows for one in held), sum(one.nbytes for one in held)
            if rows >= ROWS_PER_GROUP or size >= BYTES_PER_GROUP:
                writer.write_table(pa.Table.from_batches(held, schema), row_group_size=ROWS_PER_GROUP)
                held.clear()
                yield sink.taken()
        if held:
            writer.write_table(pa.Table.from_batches(held, schema), row_group_size=ROWS_PER_GROUP)
    yield sink.taken()


def _schema(columns: Columns) -> pa.Schema:
    fields = [(name, _TYPES[column]) for name, column in columns.items()]
    return pa.schema(fields + [(f"{name}_text", pa.string()) for name, column in columns.items() if column == "time"])


def _record_batch(columns: Columns, schema: pa.Schema, batch: Sequence[Row]) -> pa.RecordBatch:
    values: dict[str, list[Any]] = {}
    for name, column in columns.items():
        found = [row.get(name) for row in batch]
        if column == "time":
            values[f"{name}_text"] = found
            found = [None if text is None else _nanoseconds(text) for text in found]
        elif column == "json":
            found = [None if value is None else in_json(value) for value in found]
        values[name] = found
    return pa.RecordBatch.from_arrays([pa.array(values[one.name], one.type) for one in schema], schema=schema)


def _nanoseconds(text: str) -> int | None:
    """Since 1970; None beyond what 64 bits hold."""
    nanoseconds = (Instant.parse(text).ticks - _EPOCH) * 100
    return nanoseconds if -_INT64 <= nanoseconds < _INT64 else None


class _Sink(io.RawIOBase):
    """Where the file is written to, piece by piece."""

    def __init__(self) -> None:
        super().__init__()
        self._pieces: list[bytes] = []
        self._position = 0

    def writable(self) -> bool:
        """It is."""
        return True

    def tell(self) -> int:
        """How much was written, over all."""
        return self._position

    def write(self, piece: Any) -> int:  # noqa: ANN401 - anything with a buffer
        """Keep a copy until it is taken."""
        self._pieces.append(bytes(piece))
        self._position += len(self._pieces[-1])
        return len(self._pieces[-1])

    def taken(self) -> bytes:
        """What was written since the last time."""
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)
