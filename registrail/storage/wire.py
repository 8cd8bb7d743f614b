"""What Table Storage and we say to each other: operations to bytes, bytes to entities. Pure; the sending is elsewhere.

azure-core builds and reads multipart bodies as e-mail messages, which takes 25 times the CPU of the format itself.

Sources:
    https://learn.microsoft.com/rest/api/storageservices/performing-entity-group-transactions
    https://learn.microsoft.com/rest/api/storageservices/query-entities
    https://learn.microsoft.com/rest/api/storageservices/payload-format-for-table-service-operations
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from registrail.storage import edm
from registrail.storage.rowjson import read_json
from registrail.storage.store import Delete, Entity, Insert, Merge, Operation

VERSION: Final = "2019-02-02"
"""Of the service's interface: the one that the SDK speaks."""

MOST_ROWS: Final = 1000
"""In one answer."""

UNREADABLE: Final = "Unreadable"
"""The code of an answer that is none; whether the request was carried out is unknown."""

_JSON: Final = "application/json;odata=minimalmetadata"
_COMMON: Final = {"x-ms-version": VERSION, "DataServiceVersion": "3.0", "Accept": _JSON}
_BATCH: Final = "batch_ea1c2b64-7d0c-4c0e-9f3a-5c1f6d1b7a10"
_CHANGESET: Final = "changeset_2f0d4a0e-6b77-4d55-8a43-1f0be8b4c9d2"
# They need not be new each time: bodies are JSON without line breaks, so no line of theirs begins with a boundary.
_PART: Final = f"--{_CHANGESET}\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n"
_HEAD: Final = f"--{_BATCH}\r\nContent-Type: multipart/mixed; boundary={_CHANGESET}\r\n\r\n"
_TAIL: Final = f"--{_CHANGESET}--\r\n\r\n--{_BATCH}--\r\n"
_ALWAYS: Final = ("PartitionKey", "RowKey", "Timestamp")
_OUTSIDE: Final = "!$'()*,&=;:@"
"""What yarl, under aiohttp, would decode in a path; encoded, the path would not be the one that was signed."""

_ANSWERED = re.compile(rb"\r\n\r\nHTTP/1\.[01] ([0-9]{3})[^\r\n]*\r\n((?:[^\r\n]+\r\n)*)\r\n")
_ETAG = re.compile(rb"(?:^|\r\n)ETag: *([^\r\n]+)\r\n", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Request:
    """What to send; `target` is path and query below the account's URL."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; `headers` ignore case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Failure:
    """Why the service did not do it: `code` is its name for that, `index` the operation that it blames."""

    status: int
    code: str
    message: str
    index: int = 0


@dataclass(frozen=True, slots=True)
class Rows:
    """Some entities, and how to ask for those that follow."""

    entities: Sequence[Entity]
    following: str | None


def transaction(url: str, table: str, partition: str, operations: Sequence[Operation]) -> Request:
    """All operations or none. `url` is the account's, because the operations inside name theirs in full.

    One operation alone goes this way too: a request of its own takes as much CPU (`bench/wire.py`), and aiohttp repeats
    a PUT or DELETE by itself when a connection breaks, also one that expects a version.
    """
    base, quoted = f"{url}/{table}", _quoted(partition)
    parts = [_HEAD]
    for number, operation in enumerate(operations):
        method, version = _verb(operation)
        where = base if method == "POST" else f"{base}({_keys(quoted, _quoted(operation.row))})"
        parts.append(f"{_PART}Content-ID: {number}\r\n\r\n{method} {where} HTTP/1.1\r\nDataServiceVersion: 3.0\r\n")
        parts.append(f"Accept: {_JSON}\r\n")
        if version is not None:
            parts.append(f"If-Match: {version}\r\n")
        if isinstance(operation, Delete):
            parts.append("\r\n\r\n")
            continue
        body = edm.to_json(partition, operation.row, operation.properties)
        prefer = "Prefer: return-no-content\r\n" if method == "POST" else ""
        parts.append(f"{prefer}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}\r\n")
    parts.append(_TAIL)
    headers = _COMMON | {"Content-Type": f"multipart/mixed; boundary={_BATCH}"}
    return Request("POST", "/$batch", headers, "".join(parts).encode())


def point(table: str, partition: str, row: str) -> Request:
    """One row by its key."""
    return Request("GET", f"/{table}({_keys(_quoted(partition, _OUTSIDE), _quoted(row, _OUTSIDE))})", _COMMON)


def query(  # noqa: PLR0913 - a range in a partition has that many ends
    table: str,
    partition: str | None,
    *,
    start: str = "",
    stop: str | None = None,
    after: str | None = None,
    top: int = MOST_ROWS,
    following: str | None = None,
    select: Sequence[str] | None = None,
    having: tuple[str, str] | None = None,
) -> Request:
    """Rows with `start` <= row < `stop`, and beyond `after`; `following` as in the answer before this one.

    Without a partition those of all partitions. With `select` only these properties of them. With `having` only rows
    whose property is that text; an answer may then be short, or empty, and go on.
    """
    conditions = [] if partition is None else [f"PartitionKey eq {_text(partition)}"]
    if after is not None and after >= start:
        conditions.append(f"RowKey gt {_text(after)}")
    elif start:
        conditions.append(f"RowKey ge {_text(start)}")
    if stop is not None:
        conditions.append(f"RowKey lt {_text(stop)}")
    if having is not None:
        conditions.append(f"{having[0]} eq {_text(having[1])}")
    condition = f"$filter={quote(' and '.join(conditions), safe='')}&" if conditions else ""
    target = f"/{table}()?{condition}$top={top}"
    if select is not None:
        target += f"&$select={quote(','.join((*_ALWAYS, *select)), safe='')}"
    return Request("GET", target if following is None else f"{target}&{following}", _COMMON)


def versions(answer: Answer, operations: Sequence[Operation]) -> Sequence[str | None] | Failure:
    """The new version of each operation's row, None for deleted ones. Nothing less than all of them is a success."""
    if answer.status != 202:  # noqa: PLR2004 - Accepted: the parts tell the rest
        return failure(answer)
    found = list(_ANSWERED.finditer(answer.body))
    for part in found:
        if not 200 <= int(part[1]) < 300:  # noqa: PLR2004 - HTTP's success
            body = answer.body[part.end() :].partition(b"\r\n--")[0]
            failed = failure(Answer(int(part[1]), {}, body))
            prefix = failed.message.partition(":")[0]
            if not prefix.isdecimal() and len(operations) > 1:
                return Failure(answer.status, UNREADABLE, f"{failed.code}, but for which operation? {failed.message}")
            return Failure(failed.status, failed.code, failed.message, int(prefix) if prefix.isdecimal() else 0)
    if len(found) != len(operations):
        return Failure(answer.status, UNREADABLE, f"{len(found)} answers to {len(operations)} operations")
    read: list[str | None] = []
    for part, operation in zip(found, operations, strict=True):
        etag = _ETAG.search(part[2])
        if etag is None and not isinstance(operation, Delete):
            return Failure(answer.status, UNREADABLE, "an answer without an ETag")
        read.append(etag[1].decode("latin-1") if etag and not isinstance(operation, Delete) else None)
    return read


def rows(answer: Answer) -> Rows | Failure:
    """What a query found."""
    if answer.status != 200:  # noqa: PLR2004 - OK
        return failure(answer)
    try:
        entities = [edm.from_json(raw) for raw in read_json(answer.body)["value"]]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        return Failure(answer.status, UNREADABLE, f"not the JSON of entities: {error!r}")
    return Rows(entities, continuation(answer))


def continuation(answer: Answer) -> str | None:
    """What to add to a query to go on where this answer ended."""
    names = ("NextPartitionKey", "NextRowKey")
    found = {name: answer.headers.get(f"x-ms-continuation-{name}") for name in names}
    return "&".join(f"{name}={quote(value, safe='')}" for name, value in found.items() if value) or None


def entity(answer: Answer) -> Entity | Failure:
    """The row at a point."""
    if answer.status != 200:  # noqa: PLR2004 - OK
        return failure(answer)
    try:
        return edm.from_json(read_json(answer.body))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        return Failure(answer.status, UNREADABLE, f"not the JSON of an entity: {error!r}")


def failure(answer: Answer) -> Failure:
    """What an error says of itself: in JSON, in a header, or not at all.

    Source: https://learn.microsoft.com/rest/api/storageservices/status-and-error-codes2
    """
    code = answer.headers.get("x-ms-error-code", "")
    try:
        error = read_json(answer.body)["odata.error"]
        return Failure(answer.status, str(error["code"]), str(error["message"]["value"]).partition("\n")[0])
    except (ValueError, KeyError, TypeError):
        if answer.status < 300:  # noqa: PLR2004 - a success, but not the one we asked for
            code = UNREADABLE
        return Failure(answer.status, code or f"HTTP{answer.status}", f"the service answered {answer.status} {code}")


def _verb(operation: Operation) -> tuple[str, str | None]:
    """The method, and what `If-Match` says."""
    if isinstance(operation, Insert):
        return "POST", None
    if isinstance(operation, Delete):
        return "DELETE", operation.version or "*"
    return ("PATCH" if isinstance(operation, Merge) else "PUT"), operation.version


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _keys(partition: str, row: str) -> str:
    return f"PartitionKey='{partition}',RowKey='{row}'"


def _quoted(key: str, safe: str = "") -> str:
    return quote(key.replace("'", "''"), safe=safe)
