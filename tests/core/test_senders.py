import json
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from registrail.errors import MalformedError
from registrail.events import RegistryEvent
from registrail.instants import Instant
from registrail.senders import senders
from registrail.senders.payload import LARGEST_SIZE, LONGEST_DESCRIPTION, LONGEST_IDENTITY
from registrail.senders.sender import Batch, Handshake, Request
from registrail.senders.target import read_event, region_name, registry_name

PAYLOADS: Final = Path(__file__).parents[1] / "payloads"
INPUTS: Final = sorted(PAYLOADS.glob("*/*-input.json"))
ALL: Final = senders(keep_pulls=True, keep_blobs=True)
PUSH: Final = {
    "id": "1",
    "timestamp": "2026-06-15T11:59:00Z",
    "action": "push",
    "target": {"repository": "team/app", "tag": "v1", "digest": "sha256:1", "size": 1},
    "request": {"id": "r", "host": "r.azurecr.io", "useragent": "docker"},
}


def name_of(path: Path) -> str:
    """Tell cases apart in the report."""
    return f"{path.parent.name}-{path.name.removesuffix('-input.json')}"


def shown(said: Batch | Handshake) -> dict[str, Any]:
    """Write what a sender said as the expected files do: without what is missing, empty or zero."""
    if isinstance(said, Handshake):
        return {"handshake": {"status": said.status, "answer": said.answer, "headers": dict(said.headers)}}
    parts = {
        "events": [shown_event(event) for event in said.events],
        "ignored": said.ignored,
        "problems": list(said.problems),
    }
    return {name: part for name, part in parts.items() if part}


def shown_event(event: RegistryEvent) -> dict[str, Any]:
    """Write an event with the values that it has."""
    values = {field.name: getattr(event, field.name) for field in fields(event)}
    written = {name: value.isoformat() if isinstance(value, Instant) else value for name, value in values.items()}
    return {name: value for name, value in written.items() if value is not None}


def acr(body: object, **query: str) -> RegistryEvent:
    """Read one event of Azure Container Registry."""
    said = ALL["acr"].translate(Request(body=json.dumps(body).encode(), query=query))
    assert isinstance(said, Batch)
    [event] = said.events
    return event


@pytest.mark.parametrize("path", INPUTS, ids=name_of)
def test_golden_payloads(path: Path) -> None:
    """What a sender sends means what the expected file says, no more and no less."""
    expected = json.loads(path.with_name(path.name.replace("-input.", "-expected.")).read_text("utf-8"))
    sender = senders(**expected.pop("with", {}))[path.parent.name]
    request = Request(body=path.read_bytes())
    if "malformed" in expected:
        with pytest.raises(MalformedError) as refused:
            sender.translate(request)
        assert expected == {"malformed": refused.value.reason, "message": str(refused.value)}
    else:
        assert shown(sender.translate(request)) == expected


def test_no_payload_is_without_a_partner() -> None:
    """Each body has its expectation, each expectation its body, and there is nothing else in the folder."""
    found = {path for path in PAYLOADS.rglob("*") if path.is_file()}
    partners = {path.with_name(path.name.replace("-input.", "-expected.")) for path in INPUTS}
    assert found == {*INPUTS, *partners}


@pytest.mark.parametrize("name", ["acr", "distribution", "eventgrid"])
def test_every_sender_has_payloads(name: str) -> None:
    """No sender is forgotten."""
    assert [path for path in INPUTS if path.parent.name == name] != []


@pytest.mark.parametrize("body", [b"", b" \r\n\t"])
def test_an_empty_body_is_a_ping(body: bytes) -> None:
    """Azure's ping has no documented body."""
    assert ALL["acr"].translate(Request(body=body)) == Batch(ignored=1)


def test_a_byte_order_mark_is_no_reason_to_lose_an_event() -> None:
    """Some tools write one."""
    said = ALL["acr"].translate(Request(body=b"\xef\xbb\xbf" + json.dumps(PUSH).encode()))
    assert said == ALL["acr"].translate(Request(body=json.dumps(PUSH).encode()))


@pytest.mark.parametrize(
    ("origin", "expected"),
    [
        (
            {"webhook-request-origin": "eventgrid.azure.net"},
            {
                "Allow": "POST, OPTIONS",
                "WebHook-Allowed-Origin": "eventgrid.azure.net",
                "WebHook-Allowed-Rate": "*",
            },
        ),
        ({}, {"Allow": "POST, OPTIONS"}),
    ],
)
def test_handshake_of_cloud_events(origin: dict[str, str], expected: dict[str, str]) -> None:
    """Who asks by OPTIONS whether it may post is told so, in headers."""
    said = ALL["eventgrid"].translate(Request(method="OPTIONS", headers=origin))
    assert said == Handshake(status=200, headers=expected)


# Bodies of any kind

UNREADABLE: Final = {
    "not UTF-8": (b'{"action": "\xff"}', "not-utf-8"),
    "UTF-16": ('{"action": "push"}'.encode("utf-16"), "not-utf-8"),
    "not JSON": (b"<html>", "not-json"),
    "cut off": (b'{"action": "pu', "not-json"),
    "NaN": (b'{"action": NaN}', "not-json"),
    "Infinity": (b'{"action": -Infinity}', "not-json"),
    "5000 digits": (b'{"id": ' + b"9" * 5000 + b"}", "not-json"),
    "deep lists": (b"[" * 100_000, "not-json"),
    "deep objects": (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "not-json"),
}


@pytest.mark.parametrize("name", sorted(ALL))
@pytest.mark.parametrize("case", UNREADABLE)
def test_unreadable_bodies(name: str, case: str) -> None:
    """The reason says what is wrong with a body; it fits into a message."""
    body, reason = UNREADABLE[case]
    with pytest.raises(MalformedError) as refused:
        ALL[name].translate(Request(body=body))
    assert (refused.value.reason, len(str(refused.value)) <= 1000) == (reason, True)


def check(name: str, body: bytes, **query: str) -> None:
    """A sender reads a body or raises MalformedError; what it read can be stored and printed."""
    said: Batch | Handshake | MalformedError
    try:
        said = ALL[name].translate(Request(body=body, query=query))
    except MalformedError as error:
        said = error
    if isinstance(said, MalformedError):
        assert (len(str(said)) <= 1100, said.reason != "") == (True, True)
        str(said).encode()
        return
    if isinstance(said, Handshake):
        json.dumps(said.answer, ensure_ascii=False).encode()
        return
    for event in said.events:
        assert_storable(event)


def assert_storable(event: RegistryEvent) -> None:
    """Texts are UTF-8 without NUL and not endless, the size fits 63 bits, and what identifies is there."""
    texts = [value for name in event.__slots__ if isinstance(value := getattr(event, name), str)]
    assert [text for text in texts if not text or "\0" in text or len(text) > max(LONGEST_IDENTITY, 1024)] == []
    "".join(texts).encode()
    assert event.size is None or 0 <= event.size <= LARGEST_SIZE
    assert all((event.action, event.registry, event.repository))


@pytest.mark.parametrize("name", sorted(ALL))
@settings(max_examples=150)
@given(body=st.binary(max_size=200))
@example(body=b"null")
@example(body=b"[]")
@example(body=b"{}")
@example(body=b"[[]]")
@example(body=b"[{}]")
@example(body=b'{"action":"push","action":"ping"}')
@example(body=b'{"action":"\\ud800","target":{"repository":"\\udc00\\u0000"}}')
@example(body=b'{"events":[{"action":"\\ud800","target":{"repository":"\\udc00\\u0000"}}]}')
def test_any_bytes_are_read_or_refused(name: str, body: bytes) -> None:
    """Whatever is posted, a sender reads it or raises MalformedError and nothing else."""
    check(name, body)


ODD: Final = st.sampled_from(
    [
        2**63 - 1,
        2**63,
        -1,
        10**300,
        1e308,
        True,
        "",
        " ",
        "\ud800",
        "a\udfffb",
        "\0",
        "x" * 5000,
        "0001-01-01T00:00:00Z",
        "0001-01-01T00:00:00+23:59",
        "9999-12-31T23:59:60Z",
        "9999-12-31T23:59:59.9999999Z",
        "\u0663",
        {"action": "ping"},
        {"validationCode": 1},
        [[[]]],
    ]
)
TEXTS: Final = st.text(max_size=12)
JSON: Final = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS | ODD,
    lambda values: st.lists(values, max_size=3) | st.dictionaries(TEXTS, values, max_size=3),
    max_leaves=6,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a JSON tree."""
    yield path
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from places(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from places(inner, (*path, index))


def replaced(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    """A copy of a JSON tree that has something else at one place."""
    if not path:
        return new
    copy = value.copy()
    copy[path[0]] = replaced(value[path[0]], path[1:], new)
    return copy


BODIES: Final = [(path.parent.name, json.loads(path.read_bytes())) for path in INPUTS if path.parent.name in ALL]


@settings(max_examples=600)
@given(data=st.data())
def test_real_payloads_with_anything_anywhere(data: st.DataObject) -> None:
    """A real body in which one or two places hold any JSON at all is read, or refused with MalformedError."""
    name, body = data.draw(st.sampled_from(BODIES))
    for _ in range(data.draw(st.integers(1, 2))):
        place = data.draw(st.sampled_from(list(places(body))))
        body = replaced(body, place, data.draw(JSON))
    check(name, json.dumps(body).encode())


@given(JSON)
@settings(max_examples=200)
def test_what_only_describes_never_hides_an_event(anything: Any) -> None:
    """Nonsense in the client, size, time and the like is left out, and the push is there."""
    body = {
        **PUSH,
        "id": anything,
        "timestamp": anything,
        "request": anything,
        "actor": {"name": anything},
        "source": anything,
        "location": anything,
        "connectedRegistry": anything,
        "target": {
            "repository": "team/app",
            "tag": "v1",
            **dict.fromkeys(("size", "mediaType", "url", "name", "version", "length"), anything),
        },
    }
    event = acr(body)
    assert (event.action, event.repository, event.tag) == ("push", "team/app", "v1")
    assert_storable(event)


@pytest.mark.parametrize("place", ["action", "repository", "tag", "digest"])
@pytest.mark.parametrize("wrong", [7, True, [], {}, 1.5, "x" * (LONGEST_IDENTITY + 1)])
def test_what_identifies_must_be_right(place: str, wrong: object) -> None:
    """A name that is no text, or longer than any name, is refused instead of guessed."""
    path = (place,) if place == "action" else ("target", place)
    with pytest.raises(MalformedError, match=place) as refused:
        acr(replaced(PUSH, path, wrong))
    assert refused.value.reason == "not-an-event"


@pytest.mark.parametrize("wrong", [None, ""])
@pytest.mark.parametrize("place", ["tag", "digest"])
def test_an_empty_name_is_a_missing_one(place: str, wrong: object) -> None:
    """Null and the empty string both say that there is none."""
    assert getattr(acr(replaced(PUSH, ("target", place), wrong)), place) is None


@pytest.mark.parametrize(
    ("size", "expected"),
    [(0, 0), (2**63 - 1, 2**63 - 1), (2**63, None), (-1, None), (True, None), ("7", None), (7.0, None), (None, None)],
)
def test_sizes(size: object, expected: int | None) -> None:
    """A size is a whole number of bytes that every store can hold."""
    assert acr(replaced(PUSH, ("target", "size"), size)).size == expected


def test_long_descriptions_are_cut() -> None:
    """A user agent of any length does no harm."""
    assert acr(replaced(PUSH, ("request", "useragent"), "x" * 9000)).client == "x" * LONGEST_DESCRIPTION


def test_unstorable_characters_are_replaced() -> None:
    """NUL and halves of surrogate pairs become the replacement character, whole pairs stay."""
    body = json.dumps(PUSH).replace("team/app", "a\\u0000\\ud800b\\ud83d\\udc33").encode()
    said = ALL["acr"].translate(Request(body=body))
    assert isinstance(said, Batch)
    assert said.events[0].repository == "a\ufffd\ufffdb\U0001f433"


def test_of_duplicate_keys_the_last_counts() -> None:
    """As in most JSON readers."""
    said = ALL["acr"].translate(Request(body=json.dumps(PUSH).encode()[:-1] + b',"action":"delete"}'))
    assert isinstance(said, Batch)
    assert said.events[0].action == "delete"


# Registries and regions


@pytest.mark.parametrize(
    ("query", "host", "topic", "expected"),
    [
        ({"registry": "Given.io"}, "host.io", "topic", "given.io"),
        ({"registry": "  "}, "Host.IO:5000", "topic", "host.io:5000"),
        ({}, "host.io", "topic", "host.io"),
        ({}, None, "Topic", "topic"),
        ({}, "", "topic", "topic"),
        ({}, None, None, "unknown"),
        ({"registry": ""}, " ", "", "unknown"),
        ({"registry": " a.io "}, None, None, "a.io"),
        ({"registry": "\ud800\0"}, None, None, "\ufffd\ufffd"),
    ],
)
def test_which_registry(query: dict[str, str], host: str | None, topic: str | None, expected: str) -> None:
    """The hook's own word counts, else the host that was asked, else the topic; in lower case."""
    body = {**PUSH, "request": {"host": host}}
    assert read_event(body, place="", query=query, registry=topic).registry == expected


@pytest.mark.parametrize(
    ("topic", "expected"),
    [
        ("/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerRegistry/registries/Demo", "demo"),
        ("/registries/demo/", "demo"),
        ("demo", "demo"),
        ("/", "unknown"),
        ("", "unknown"),
        (None, "unknown"),
        (7, "unknown"),
    ],
)
@pytest.mark.parametrize("key", ["topic", "source"])
def test_registry_of_a_topic(key: str, topic: object, expected: str) -> None:
    """Charts carry no host; the last part of the topic, or a CloudEvent's source, is the registry."""
    chart = {"eventType": "ChartPushed", key: topic, "data": {"target": {"repository": "a"}}}
    said = ALL["eventgrid"].translate(Request(body=json.dumps(chart).encode()))
    assert isinstance(said, Batch)
    assert said.events[0].registry == expected


@given(st.lists(st.none() | st.text(), max_size=3), st.text())
@settings(max_examples=200)
def test_a_registry_has_a_name(candidates: list[str | None], given: str) -> None:
    """Whatever is said, the name is lower case, not empty, and can be stored; asking again changes nothing."""
    name = registry_name({"registry": given}, *candidates)
    assert (name != "", name.lower()) == (True, name)
    assert len(name.encode()) <= 255 * 4


@pytest.mark.parametrize(
    ("query", "location", "expected"),
    [
        ({"region": "West Europe"}, "eastus", "westeurope"),
        ({}, "East US 2", "eastus2"),
        ({"region": "-"}, "eastus", "eastus"),
        ({}, None, None),
        ({}, 7, None),
        ({}, "日本", None),
    ],
)
def test_which_region(query: dict[str, str], location: object, expected: str | None) -> None:
    """The hook's own word counts, else the event's location; spaces and case make no difference."""
    assert acr({**PUSH, "location": location}, **query).region == expected


@given(st.none() | st.text())
def test_a_region_is_a_part_of_a_column_name(text: str | None) -> None:
    """At most 64 letters and digits, or none at all."""
    name = region_name(text)
    assert name is None or (name.isascii() and name.isalnum() and name == name.lower() and len(name) <= 64)


# What is kept


@pytest.mark.parametrize("action", ["push", "pull", "mount", "delete"])
@pytest.mark.parametrize("media_type", ["application/octet-stream", "application/vnd.oci.image.index.v1+json", ""])
@pytest.mark.parametrize("keep_pulls", [True, False])
@pytest.mark.parametrize("keep_blobs", [True, False])
def test_pulls_and_blobs_are_kept_if_wanted(
    action: str, media_type: str, *, keep_pulls: bool, keep_blobs: bool
) -> None:
    """Each switch lets its kind in, and a pulled blob needs both; all else is always kept."""
    event = {"action": action, "target": {"repository": "a", "mediaType": media_type}}
    sender = senders(keep_pulls=keep_pulls, keep_blobs=keep_blobs)["distribution"]
    said = sender.translate(Request(body=json.dumps({"events": [event]}).encode()))
    assert isinstance(said, Batch)
    blob = action == "mount" or media_type == "application/octet-stream"
    kept = (keep_pulls or action != "pull") and (keep_blobs or not blob)
    assert (len(said.events), said.ignored) == ((1, 0) if kept else (0, 1))


def test_only_the_open_source_registry_takes_no_refusal() -> None:
    """It would send a refused event again for ever, before everything else."""
    assert [name for name, sender in ALL.items() if not sender.takes_no_for_an_answer] == ["distribution"]
