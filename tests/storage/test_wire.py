"""The wire codec says what the SDK says, and believes nothing but a whole answer."""

import base64
import email
import json
import string
import uuid
from email.policy import HTTP
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from azure.core.utils import CaseInsensitiveDict
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from yarl import URL

from registrail.instants import LAST_TICK, Instant
from registrail.storage import edm, wire
from registrail.storage.sqlite import SqliteStore
from registrail.storage.store import Delete, Entity, Insert, Merge, Operation, Properties, Replace, Value
from registrail.storage.tables import TablesStore, with_connection_string
from registrail.storage.wire import UNREADABLE, Answer, Failure

RECORDED = Path(__file__).with_name("wire")
ACCOUNT = "http://127.0.0.1:10002/devstoreaccount1"
PARTITION = "p~|'x"
ODD = "a|'b %+&=@,:*~()$!;"
EVERY_TYPE: Properties = {
    "text": 'é\u0001"\\ {x} --batch \U0001f433',
    "large": 2**40,
    "fraction": 1.5,
    "whole": 2.0,
    "bytes": b"\x00\x01\xff",
    "yes": True,
    "at": Instant.parse("2026-06-15T12:00:00.1234567Z"),
}

Said = tuple[str, str, str | None, dict[str, Any] | None]
"""Method, URL, `If-Match` and JSON of one operation."""


def recorded(name: str) -> tuple[str, bytes, Answer]:
    """Read the SDK's URL and body and Azurite's answer."""
    request, _, answer = (RECORDED / f"{name}.http").read_bytes().partition(b"\r\n==== answer ====\r\n")
    head, _, body = request.partition(b"\r\n\r\n")
    status, _, rest = answer.partition(b"\r\n")
    headers, _, content = rest.partition(b"\r\n\r\n")
    parsed = email.message_from_bytes(headers + b"\r\n\r\n", policy=HTTP)
    url = head.split()[1].decode()
    return url, body, Answer(int(status.split()[1]), CaseInsensitiveDict(dict(parsed.items())), content)


def said(body: bytes) -> list[Said]:
    """Read a transaction with the standard library's e-mail parser, which shares nothing with ours."""
    boundary = body.split(b"\r\n", 1)[0][2:].decode()
    message = email.message_from_bytes(
        f'Content-Type: multipart/mixed; boundary="{boundary}"\r\n\r\n'.encode() + body, policy=HTTP
    )
    [changeset] = parts(message)
    found: list[Said] = []
    for part in parts(changeset):
        assert part["Content-Type"] == "application/http"
        line, _, rest = text(part).partition("\r\n")
        method, url, protocol = line.split(" ")
        operation = email.message_from_string(rest, policy=HTTP)
        content = text(operation).strip()
        assert protocol == "HTTP/1.1"
        assert int(operation.get("Content-Length", "0")) == len(content)
        found.append((method, url, operation["If-Match"], untyped(json.loads(content)) if content else None))
    return found


def parts(message: Any) -> list[Any]:
    """Open a multipart message."""
    found = message.get_payload()
    assert isinstance(found, list)
    return found


def text(message: Any) -> str:
    """Open a simple message."""
    found = message.get_payload()
    assert isinstance(found, str)
    return found


def untyped(columns: dict[str, Any]) -> dict[str, Any]:
    """Leave out what JSON says by itself."""
    return {name: value for name, value in columns.items() if value != "Edm.String"}


def understood(what: Said) -> Operation:
    """Do what the service does: make an operation of it."""
    method, url, version, columns = what
    if columns is None:
        row = unquote(url.rpartition("RowKey='")[2][:-2]).replace("''", "'")
        return Delete(row, None if version == "*" else version)
    columns.pop("PartitionKey")
    row = columns.pop("RowKey")
    if method == "POST":
        assert url == f"{ACCOUNT}/events"
        return Insert(row, values(columns))
    assert unquote(url).endswith(f"RowKey='{row.replace(chr(39), chr(39) * 2)}')")
    return (Merge if method == "PATCH" else Replace)(row, values(columns), version)


def values(columns: dict[str, Any]) -> dict[str, Value]:
    """Give columns their types."""
    reading: dict[str | None, Any] = {
        "Edm.Int64": int,
        "Edm.DateTime": Instant.parse,
        "Edm.Binary": base64.b64decode,
        "Edm.Double": float,
        None: lambda value: value,
    }
    names = [name for name in columns if not name.endswith("@odata.type")]
    return {name: reading[columns.get(f"{name}@odata.type")](columns[name]) for name in names}


UNCONDITIONAL: list[Operation] = [
    Insert(ODD, EVERY_TYPE),
    Merge("b", EVERY_TYPE),
    Replace("c", EVERY_TYPE),
    Replace("d", EVERY_TYPE),
]


def conditional() -> list[Operation]:
    """Make operations that expect the versions of the recorded run."""
    versions = wire.versions(recorded("unconditional")[2], UNCONDITIONAL)
    assert not isinstance(versions, Failure)
    return [
        Merge("b", EVERY_TYPE, versions[1]),
        Replace("c", EVERY_TYPE, versions[2]),
        Delete("d", versions[3]),
        Delete(ODD),
    ]


@pytest.mark.parametrize("name", ["unconditional", "conditional"])
def test_transactions_are_those_of_the_sdk(name: str) -> None:
    """The same operations have the same methods, URLs, conditions and JSON as the SDK sent."""
    url, body, _ = recorded(name)
    request = wire.transaction(
        ACCOUNT, "events", PARTITION, UNCONDITIONAL if name == "unconditional" else conditional()
    )
    assert (request.method, ACCOUNT + request.target) == ("POST", url)
    assert said(request.body) == said(body)


def test_versions_are_read_from_a_transaction() -> None:
    """Every operation has its ETag, a deleted row none."""
    found = wire.versions(recorded("unconditional")[2], UNCONDITIONAL)
    assert not isinstance(found, Failure)
    assert all(version and version.startswith("W/\"datetime'2026-") for version in found)
    assert len(set(found)) == 4
    again = wire.versions(recorded("conditional")[2], conditional())
    assert not isinstance(again, Failure)
    assert [version is None for version in again] == [False, False, True, True]


@pytest.mark.parametrize(
    ("name", "operations", "expected"),
    [
        ("exists", 2, (409, "EntityAlreadyExists", 1)),
        ("stale", 2, (412, "UpdateConditionNotSatisfied", 1)),
        ("missing", 3, (404, "ResourceNotFound", 2)),
        ("no-table", 1, (404, "TableNotFound", 0)),
    ],
)
def test_failures_are_read_from_a_transaction(name: str, operations: int, expected: tuple[int, str, int]) -> None:
    """Status, code and the operation to blame, from the one part that comes back."""
    found = wire.versions(recorded(name)[2], [Insert(str(n), {}) for n in range(operations)])
    assert isinstance(found, Failure)
    assert (found.status, found.code, found.index) == expected


def test_queries_are_those_of_the_sdk() -> None:
    """The same filter, page size and continuation as the SDK sent; and its answer is read."""
    url, _, answer = recorded("query")
    request = wire.query("events", PARTITION, start="b", stop="z'", top=1)
    assert parse_qs(urlsplit(request.target).query) == parse_qs(urlsplit(url).query)
    found = wire.rows(answer)
    assert not isinstance(found, Failure)
    [entity] = found.entities
    assert (entity.partition, entity.row, entity.properties) == (PARTITION, "b", EVERY_TYPE)
    assert entity.version.startswith("W/\"datetime'2026-")
    url, _, answer = recorded("query-next")
    request = wire.query("events", PARTITION, start="b", stop="z'", top=1, following=found.following)
    assert parse_qs(urlsplit(request.target).query) == parse_qs(urlsplit(url).query)
    found = wire.rows(answer)
    assert not isinstance(found, Failure)
    assert ([entity.row for entity in found.entities], found.following) == (["c"], None)


def test_points_are_read() -> None:
    """A row by its key, with its version; a missing row and a missing table have names of their own."""
    url, _, answer = recorded("point")
    assert unquote(ACCOUNT + wire.point("events", PARTITION, "b").target) == unquote(url)
    found = wire.entity(answer)
    assert isinstance(found, Entity)
    assert (found.row, found.properties, found.version) == ("b", EVERY_TYPE, answer.headers["etag"])
    for name, code in (("point-missing", "ResourceNotFound"), ("query-no-table", "TableNotFound")):
        missing = wire.rows(recorded(name)[2])
        assert isinstance(missing, Failure)
        assert (missing.status, missing.code) == (404, code)


def test_an_entity_without_an_etag_has_the_version_of_its_timestamp() -> None:
    """So the SDK does; an entity that has neither cannot be read."""
    raw = {"PartitionKey": "p", "RowKey": "r", "Timestamp": "2026-11-24T03:04:26.5793627Z"}
    assert edm.from_json(dict(raw)).version == "W/\"datetime'2026-11-24T03%3A04%3A26.5793627Z'\""
    found = wire.rows(Answer(200, {}, b'{"value":[{"PartitionKey":"p","RowKey":"r"}]}'))
    assert isinstance(found, Failure)
    assert found.code == UNREADABLE


@pytest.mark.parametrize(
    "text",
    [
        "2026-06-15T12:00:00Z",
        "2026-06-15T12:00:00.1Z",
        "2026-06-15T12:00:00.1234567Z",
        "9999-12-31T23:59:59.9999999Z",
        "0001-01-01T00:00:00Z",
        "2026-06-15T12:00:00.1234567",
        "2026-06-15T14:00:00+02:00",
        "2026-06-15 12:00:00.5Z",
    ],
)
def test_times_are_read_however_they_are_written(text: str) -> None:
    """As `Instant.parse` reads them."""
    columns = {"PartitionKey": "p", "RowKey": "r", "odata.etag": "v", "at@odata.type": "Edm.DateTime", "at": text}
    assert edm.from_json(columns).properties == {"at": Instant.parse(text)}


def test_a_cut_answer_is_no_success() -> None:
    """Wherever an answer ends, it is unreadable or the whole truth."""
    whole = recorded("unconditional")[2]
    full = wire.versions(whole, UNCONDITIONAL)
    for end in range(len(whole.body)):
        found = wire.versions(Answer(202, whole.headers, whole.body[:end]), UNCONDITIONAL)
        assert found == full or (isinstance(found, Failure) and found.code == UNREADABLE)
    rows = recorded("query")[2]
    for end in range(len(rows.body)):
        found_rows = wire.rows(Answer(200, rows.headers, rows.body[:end]))
        assert isinstance(found_rows, Failure)
        assert found_rows.code == UNREADABLE


@given(
    st.sampled_from([200, 201, 202, 204, 302, 400, 403, 404, 409, 412, 500, 503]),
    st.binary() | st.text().map(str.encode),
)
def test_anything_else_is_a_failure(status: int, body: bytes) -> None:
    """Whatever comes back, nothing is raised and nothing is believed."""
    answer = Answer(status, {}, body)
    read = [
        wire.versions(answer, [Insert("r", {})]),
        wire.rows(answer),
        wire.entity(answer),
    ]
    assert all(isinstance(found, Failure) for found in read)
    if status < 300:
        assert {found.code for found in read if isinstance(found, Failure)} == {UNREADABLE}


def test_a_failure_that_blames_no_operation_is_unreadable() -> None:
    """Among several operations, a conflict of nobody in particular cannot be handled."""
    part = b"--b\r\nContent-Type: application/http\r\n\r\nHTTP/1.1 409 Conflict\r\nA: b\r\n\r\n"
    answer = Answer(
        202, {}, part + b'{"odata.error":{"code":"EntityAlreadyExists","message":{"value":"No."}}}\r\n--b--'
    )
    several, one = (wire.versions(answer, [Insert(str(n), {}) for n in range(count)]) for count in (2, 1))
    assert isinstance(several, Failure)
    assert isinstance(one, Failure)
    assert (several.code, one.code, one.index) == (UNREADABLE, "EntityAlreadyExists", 0)


KEYS = st.text(sorted({chr(code) for code in range(32, 127)} - set("/\\#?")), min_size=1, max_size=40)
NAMES = st.text(string.ascii_lowercase + "_", min_size=1, max_size=12).filter(
    lambda name: name != "timestamp" and name[0] != "_"  # Azurite loses `__proto__`
)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
VALUES: st.SearchStrategy[Value] = st.one_of(
    TEXTS,
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.binary(max_size=30),
    st.integers(0, LAST_TICK).map(Instant),
)
PROPERTIES = st.dictionaries(NAMES, VALUES, max_size=6)
VERSIONS = st.none() | st.just("W/\"datetime'2026-11-24T03%3A04%3A26.5793627Z'\"")
OPERATIONS: st.SearchStrategy[Operation] = st.one_of(
    st.builds(Insert, KEYS, PROPERTIES),
    st.builds(Merge, KEYS, PROPERTIES, VERSIONS),
    st.builds(Replace, KEYS, PROPERTIES, VERSIONS),
    st.builds(Delete, KEYS, VERSIONS),
)


@given(KEYS, st.lists(OPERATIONS, min_size=1, max_size=5))
def test_a_transaction_says_what_was_meant(partition: str, operations: list[Operation]) -> None:
    """Any operations are understood as they were."""
    request = wire.transaction(ACCOUNT, "events", partition, operations)
    assert request.body.isascii()
    assert [understood(what) for what in said(request.body)] == operations


@given(KEYS, KEYS, PROPERTIES)
def test_a_row_is_read_as_it_was_written(partition: str, row: str, properties: dict[str, Value]) -> None:
    """Any properties come back with their types."""
    raw = json.loads(edm.to_json(partition, row, properties)) | {"odata.etag": "v", "Timestamp": "t"}
    found = wire.rows(Answer(200, {}, json.dumps({"value": [raw]}).encode()))
    assert not isinstance(found, Failure)
    assert found.entities == [Entity(partition, row, "v", properties)]
    for name, value in properties.items():
        assert type(found.entities[0].properties[name]) is type(value)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_what_json_cannot_say_is_an_error(number: float) -> None:
    """It is not written as null, which would be no value."""
    with pytest.raises(ValueError, match=f"{number} is no JSON value"):
        edm.to_json("p", "r", {"n": number})


@given(KEYS, KEYS)
def test_paths_are_sent_as_they_are_signed(partition: str, row: str) -> None:
    """What aiohttp makes of a URL has the same path, and its query means the same."""
    url = ACCOUNT + wire.point("events", partition, row).target
    assert URL(url).raw_path == urlsplit(url).path
    url = ACCOUNT + wire.query("events", partition, start=row, after=f"{row}~").target
    assert parse_qs(urlsplit(str(URL(url))).query) == parse_qs(urlsplit(url).query)
    assert URL(url).raw_path == urlsplit(url).path


# Azurite files a row whose key begins with a comma under another partition when it is written in a transaction, by the
# SDK too. So keys have no commas (`storage.keys`).
AZURITE_KEYS = KEYS.filter(lambda key: "," not in key)
WRITES: st.SearchStrategy[Operation] = st.one_of(
    st.builds(Merge, AZURITE_KEYS, PROPERTIES), st.builds(Replace, AZURITE_KEYS, PROPERTIES)
)
COMMIT = st.lists(WRITES, min_size=1, max_size=4, unique_by=lambda operation: operation.row)


@pytest.mark.azurite
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(AZURITE_KEYS, st.lists(COMMIT, min_size=1, max_size=3))
async def test_azurite_keeps_what_sqlite_keeps(
    azurite_connection_string: str, key: str, commits: list[list[Operation]]
) -> None:
    """The same commits leave the same rows, in the same order, whatever is in keys and values."""
    partition = f"{uuid.uuid4().hex}{key}"
    found = []
    for store in (SqliteStore(":memory:"), TablesStore(with_connection_string(azurite_connection_string))):
        for operations in commits:
            await store.commit("wire", partition, operations)
        entities = (await store.scan("wire", partition)).entities
        for entity in entities:
            assert await store.get("wire", partition, entity.row) == entity
        found.append([(entity.partition, entity.row, dict(entity.properties)) for entity in entities])
        await store.close()
    assert found[0] == found[1]
