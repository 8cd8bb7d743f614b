"""Rows as CSV, NDJSON or Parquet, written as they come: none of it is ever held as a whole.

A row is an item of the API's lists. Each kind has its columns, stated here once for all formats, and a column one type:

========= ==================== ===================================== ================================================
type      in JSON              in CSV                                in Parquet
========= ==================== ===================================== ================================================
text      string               text, defused (see `cell`)            string
integer   number               digits                                int64
time      string, RFC 3339     the same string                       timestamp[ns, UTC], and `NAME_text`: the string
json      any value            the value's JSON, defused             string: the value's JSON
========= ==================== ===================================== ================================================

Null is null in JSON and Parquet, and nothing in CSV, where an empty text is `""`. Times are exact to 100 ns, which
Parquet's nanoseconds hold from 1677 to 2262; one outside is null there, and whole in `NAME_text`.
"""

import json
import re
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Final, Literal

from registrail.instants import Instant

Type = Literal["text", "integer", "time", "json"]
Columns = Mapping[str, Type]
Row = Mapping[str, Any]
Batches = AsyncIterable[Sequence[Row]]
Kind = Literal["events", "pushes", "timeline"]
Format = Literal["csv", "ndjson", "parquet"]

_EVENTS: Final[Columns] = {
    "id": "text",
    "registry": "text",
    "repository": "text",
    "action": "text",
    "tag": "text",
    "digest": "text",
    "occurred_at": "time",
    "received_at": "time",
    "actor": "text",
    "client": "text",
    "address": "text",
    "method": "text",
    "media_type": "text",
    "size": "integer",
    "event_id": "text",
    "request_id": "text",
    "url": "text",
    "source": "text",
    "chart_name": "text",
    "chart_version": "text",
    "connected_registry": "text",
    "region": "text",
    "senders": "json",
    "seen": "json",
    "regions": "json",
    "deliveries": "json",
}
_PUSHES: Final[Columns] = {
    "id": "text",
    "registry": "text",
    "repository": "text",
    "at": "time",
    "began_at": "time",
    "ended_at": "time",
    "digest": "text",
    "tags": "json",
    "media_type": "text",
    "actor": "text",
    "client": "text",
    "events": "integer",
    "layers": "integer",
    "parts": "json",
    "referrers": "json",
    "regions": "json",
}
_TIMELINE: Final[Columns] = {
    "registry": "text",
    "repository": "text",
    "tag": "text",
    "at": "time",
    "change": "text",
    "digest": "text",
    "previous_digest": "text",
    "event": "text",
    "action": "text",
    "actor": "text",
    "client": "text",
}
COLUMNS: Final[Mapping[Kind, Columns]] = {"events": _EVENTS, "pushes": _PUSHES, "timeline": _TIMELINE}
"""What there is to export, and its columns in their order."""

MEDIA_TYPES: Final[Mapping[Format, str]] = {
    "csv": "text/csv; charset=utf-8; header=present",
    "ndjson": "application/x-ndjson",
    "parquet": "application/vnd.apache.parquet",
}

_IGNORED: Final = r"[\s\x00-\x1f\u200b-\u200f\ufeff\"'`]*?"
_FORMULA: Final = re.compile(_IGNORED + r"[=+\-@\t\r\n\N{FULLWIDTH EQUALS SIGN}\N{FULLWIDTH PLUS SIGN}"
                             r"\N{FULLWIDTH HYPHEN-MINUS}\N{FULLWIDTH COMMERCIAL AT}]")  # fmt: skip
_QUOTED: Final = re.compile('[,"\r\n]')


async def pages(
    read: Callable[[str | None], Awaitable[tuple[Sequence[Row], str | None]]],
) -> AsyncIterator[Sequence[Row]]:
    """Every page of a list that has any items; `read` takes a cursor and gives a page with the next cursor."""
    cursor: str | None = None
    while True:
        items, cursor = await read(cursor)
        if items:
            yield items
        if cursor is None:
            return


async def begun(batches: AsyncIterator[Sequence[Row]]) -> Batches:
    """The same, with the first batch read already: what is wrong shows before a file has begun."""
    first = await anext(batches, None)

    async def all_of_them() -> AsyncIterator[Sequence[Row]]:
        if first is not None:
            yield first
        async for batch in batches:
            yield batch

    return all_of_them()


def write(form: Format, columns: Columns, batches: Batches) -> AsyncIterator[bytes]:
    """The pieces of a file with these rows; what a row has beyond its columns is left out."""
    if form == "parquet":
        from registrail import parquet  # noqa: PLC0415 - its library is 30 MiB that others need not load

        return parquet.write(columns, batches)
    return {"csv": _csv, "ndjson": _ndjson}[form](columns, batches)


def file_name(kind: Kind, form: Format, *, registry: str | None, since: Instant | None, until: Instant) -> str:
    """`registrail-events-REGISTRY-SINCE-UNTIL.csv`, of letters, digits, dots and dashes only."""
    name = re.sub(r"[^a-z0-9.]+", "-", (registry or "all").lower()).strip("-.")[:100]
    begin = _compact(since) if since else "start"
    return f"registrail-{kind}-{name}-{begin}-{_compact(until)}.{form}"


def cell(value: Any, column: Type) -> str:  # noqa: ANN401 - whatever an item of a list holds
    """One cell of CSV as RFC 4180 writes it, which no spreadsheet takes for a formula.

    A text that begins with `=`, `+`, `-`, `@`, their full-width forms, a tab or a line's end gets a leading apostrophe,
    also if blanks, quotes or apostrophes come first. So the text was: the cell without its first apostrophe, if what
    follows that one would have got one; else the cell. Numbers stay numbers.
    Source: https://owasp.org/www-community/attacks/CSV_Injection
    """
    if value is None:
        return ""
    if column == "integer":
        return str(value)
    text = in_json(value) if column == "json" else str(value)
    if _FORMULA.match(text):
        text = f"'{text}"
    if not text or _QUOTED.search(text):
        text = '"' + text.replace('"', '""') + '"'
    return text


def undefused(text: str) -> str:
    """What `cell` was given, of what a reader of CSV found in a text column."""
    return text[1:] if text[:1] == "'" and _FORMULA.match(text[1:]) else text


async def _csv(columns: Columns, batches: Batches) -> AsyncIterator[bytes]:
    yield _line(columns)
    async for batch in batches:
        lines = (_line(cell(row.get(name), column) for name, column in columns.items()) for row in batch)
        yield b"".join(lines)


def _line(cells: Iterable[str]) -> bytes:
    return (",".join(cells) + "\r\n").encode()


async def _ndjson(columns: Columns, batches: Batches) -> AsyncIterator[bytes]:
    async for batch in batches:
        yield "".join(in_json({name: row.get(name) for name in columns}) + "\n" for row in batch).encode()


def in_json(value: Any) -> str:  # noqa: ANN401 - any JSON
    """A value's JSON, as short as can be."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _compact(moment: Instant) -> str:
    return re.sub("[-:]", "", moment.isoformat()[:19]) + "Z"
