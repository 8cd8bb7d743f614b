import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registrail.events import Arrival, RecordedEvent, RegistryEvent, content_hash
from registrail.instants import TICKS_PER_SECOND, Instant
from registrail.manifests import host, reference
from registrail.pushes import Push, find, fold
from registrail.senders import senders
from registrail.senders.sender import Batch, Request
from registrail.storage import keys

GOLDEN: Final = Path(__file__).parent / "pushes"
NOON: Final = Instant.parse("2026-06-15T12:00:00Z")
ARRIVAL: Final = Arrival(sender="acr", delivery="acr~1", received_at=NOON)
MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
INDEX: Final = "application/vnd.oci.image.index.v1+json"
DOCKER_LIST: Final = "application/vnd.docker.distribution.manifest.list.v2+json"
LAYER: Final = "application/octet-stream"


def digest(number: int) -> str:
    """Make a digest that is easy to tell."""
    return f"sha256:{number:064x}"


def recorded(event: RegistryEvent, regions: dict[str, Instant] | None = None) -> RecordedEvent:
    """Put an event where the journal puts it."""
    assert event.occurred_at is not None
    return RecordedEvent(
        id=keys.event_row(event.occurred_at, content_hash(event)),
        event=event,
        seen={"acr": NOON},
        regions=regions or {},
        deliveries={},
    )


def push(second: float, number: int | None, tag: str | None = None, media_type: str = MANIFEST, **more: Any) -> Any:
    """Record that a manifest was pushed, so many seconds after noon."""
    values: dict[str, Any] = {
        "action": "push",
        "registry": "r.io",
        "repository": "app",
        "tag": tag,
        "digest": None if number is None else digest(number),
        "media_type": media_type,
        "occurred_at": Instant(NOON.ticks + round(second * TICKS_PER_SECOND)),
        "address": "10.0.0.1:4711",
        "client": "skopeo/1",
    }
    return recorded(RegistryEvent(**{**values, **more}))


def shape(one: Push) -> dict[str, Any]:
    """What a test compares: numbers in place of digests and seconds in place of times; nothing that is not there."""

    def number(text: str | None) -> int | None:
        return None if text is None else int(text.removeprefix("sha256:"), 16)

    found = {
        "digest": number(one.digest),
        "tags": list(one.tags),
        "parts": [number(part.digest) for part in one.parts],
        "referrers": [(referrer.kind, number(referrer.digest)) for referrer in one.referrers],
        "layers": one.layers,
        "events": len(one.members),
    }
    return {name: value for name, value in found.items() if value not in ([], 0)}


def shapes(*events: RecordedEvent) -> list[dict[str, Any]]:
    """Fold events; oldest push first, as tests are read."""
    return [shape(one) for one in reversed(fold(events))]


def tag_of(number: int, ending: str = "") -> str:
    """Make the tag of a referrer."""
    return digest(number).replace(":", "-") + ending


# What is one push


def test_an_index_with_its_platforms() -> None:
    """Manifests without a tag are parts of the tagged index that follows them."""
    found = shapes(push(0, 1), push(1, 2), push(2, 3, "v1", INDEX))
    assert found == [{"digest": 3, "tags": ["v1"], "parts": [1, 2], "events": 3}]


@pytest.mark.parametrize("media_type", [INDEX, DOCKER_LIST])
def test_an_index_needs_no_tag(media_type: str) -> None:
    """It completes a push by itself, and a tag that follows joins it."""
    assert shapes(push(0, 1), push(1, 3, None, media_type)) == [{"digest": 3, "parts": [1], "events": 2}]
    found = shapes(push(0, 1), push(1, 3, None, media_type), push(2, 3, "v1", media_type))
    assert found == [{"digest": 3, "tags": ["v1"], "parts": [1], "events": 3}]


@pytest.mark.parametrize("order", [(None, "v1"), ("v1", None)], ids=["digest-first", "tag-first"])
def test_the_same_manifest_by_digest_is_an_echo(order: Sequence[str | None]) -> None:
    """Whether it comes before its tag or after it; it is no part of itself."""
    found = shapes(*(push(second, 1, tag) for second, tag in enumerate(order)))
    assert found == [{"digest": 1, "tags": ["v1"], "events": 2}]


def test_further_tags() -> None:
    """They join the push of the digest, each tag once; the id is of the event that completed it first."""
    events = [push(0, 1, "v1"), push(20, 1, "v1.0"), push(40, 1, "latest"), push(60, 1, "v1")]
    [one] = fold(events)
    assert (shape(one)["tags"], one.id, one.at) == (["latest", "v1", "v1.0"], events[0].id, NOON)
    assert (one.began_at, one.ended_at) == (NOON, Instant(NOON.ticks + 60 * TICKS_PER_SECOND))


def test_platforms_pushed_again_for_a_further_tag() -> None:
    """As skopeo does: they are still one push, and each platform is listed once."""
    found = shapes(
        *(push(0, 1), push(1, 2), push(2, 3, "v1", INDEX)),
        *(push(3, 1), push(4, 2), push(5, 3, "latest", INDEX)),
    )
    assert found == [{"digest": 3, "tags": ["latest", "v1"], "parts": [1, 2], "events": 6}]


def test_another_digest_is_another_push() -> None:
    """And takes only what came since the last one."""
    found = shapes(push(0, 1), push(1, 2, "v1"), push(2, 3), push(3, 4, "v2"))
    assert found == [
        {"digest": 2, "tags": ["v1"], "parts": [1], "events": 2},
        {"digest": 4, "tags": ["v2"], "parts": [3], "events": 2},
    ]


def test_manifests_that_nothing_follows() -> None:
    """A push each, with their echoes."""
    found = shapes(push(0, 1), push(1, 2), push(2, 1))
    assert found == [{"digest": 1, "events": 2}, {"digest": 2, "events": 1}]


def test_an_echo_of_a_part() -> None:
    """It joins the push that the part belongs to, and keeps it in reach."""
    found = shapes(push(0, 1), push(10, 3, "v1", INDEX), push(40, 1), push(70, 3, "v2", INDEX))
    assert found == [{"digest": 3, "tags": ["v1", "v2"], "parts": [1], "events": 4}]
    assert [one["digest"] for one in shapes(push(0, 1), push(10, 3, "v1", INDEX), push(41, 1))] == [3, 1]


@pytest.mark.parametrize(("second", "pushes"), [(30, 1), (30.0000001, 2)])
@pytest.mark.parametrize("first", ["part", "tag", "layer"])
def test_thirty_seconds(first: str, second: float, pushes: int) -> None:
    """From one event to the next; what is later is another push, and layers without one are in none."""
    earlier = {"part": push(0, 2), "tag": push(0, 1, "v0"), "layer": push(0, 9, None, LAYER)}[first]
    found = shapes(earlier, push(second, 1, "v1"))
    alone = {"part": 2, "tag": 2, "layer": 1}[first]
    assert (len(found), sum(one["events"] for one in found)) == (
        1 if pushes == 1 else alone,
        2 if pushes == 1 else alone,
    )


def test_the_gap_is_between_events_of_one_push() -> None:
    """What else happens in between keeps no push open."""
    found = shapes(push(0, 1, "v1"), push(20, 2, "v2"), push(40, 1, "latest"))
    assert [one["tags"] for one in found] == [["v1"], ["v2"], ["latest"]]
    found = shapes(push(0, 1, "v1"), push(25, 1), push(50, 1, "latest"))
    assert found == [{"digest": 1, "tags": ["latest", "v1"], "events": 3}]


@pytest.mark.parametrize("name", ["registry", "repository", "actor", "client", "address"])
def test_one_push_has_one_origin(name: str) -> None:
    """Repository, actor, client and address must be the same, also where they are unknown."""
    found = shapes(push(0, 1), push(1, 2, "v1", **{name: "other"}))
    assert [one["digest"] for one in found] == [1, 2]


def test_the_port_of_an_address_does_not_count() -> None:
    """Each connection has another one."""
    found = shapes(push(0, 1, address="10.0.0.1:1"), push(1, 2, "v1", address="10.0.0.1:2"))
    assert found == [{"digest": 2, "tags": ["v1"], "parts": [1], "events": 2}]


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        (None, None),
        ("10.0.0.1", "10.0.0.1"),
        ("10.0.0.1:80", "10.0.0.1"),
        ("build:4711", "build"),
        ("[::1]:80", "[::1]"),
        ("::1", "::1"),
        ("fe80::1:80", "fe80::1:80"),
        (":80", ":80"),
    ],
)
def test_hosts(address: str | None, expected: str | None) -> None:
    """An IPv6 address without brackets has no port."""
    assert host(address) == expected


@pytest.mark.parametrize("action", ["delete", "pull", "quarantine", "chart_delete"])
def test_other_actions_take_no_part(action: str) -> None:
    """They neither belong to a push nor come between two of its events."""
    found = shapes(push(0, 1), push(1, 2, "v1", action=action), push(2, 3, "v1"))
    assert found == [{"digest": 3, "tags": ["v1"], "parts": [1], "events": 2}]


def test_charts_are_pushes() -> None:
    """Legacy charts always have a tag."""
    assert shapes(push(0, 1, "c-1.tgz", action="chart_push")) == [{"digest": 1, "tags": ["c-1.tgz"], "events": 1}]


def test_pushes_without_a_digest() -> None:
    """They are not the same push only because neither says what was pushed."""
    found = shapes(push(0, None), push(1, None, "v1"), push(2, None, "v2"))
    assert found == [
        {"digest": None, "tags": ["v1"], "parts": [None], "events": 2},
        {"digest": None, "tags": ["v2"], "events": 1},
    ]


# Layers


def test_layers_join_what_follows_them() -> None:
    """Also a manifest that becomes a part, or that nothing follows, or an echo; those at the end are in no push."""
    layers = [push(second, 90 + second, None, LAYER) for second in range(8)]
    assert shapes(layers[0], layers[1], push(1.5, 1), layers[2], push(2.5, 2, "v1")) == [
        {"digest": 2, "tags": ["v1"], "parts": [1], "layers": 3, "events": 5}
    ]
    assert shapes(layers[0], push(0.5, 1), layers[1], push(1.5, 2), layers[2]) == [
        {"digest": 1, "layers": 1, "events": 2},
        {"digest": 2, "layers": 1, "events": 2},
    ]
    mounted = push(0, 9, None, LAYER, action="mount")
    assert shapes(mounted, push(1, 1, "v1")) == [{"digest": 1, "tags": ["v1"], "layers": 1, "events": 2}]
    assert shapes(push(0, 1, "v1"), layers[1], push(2, 1)) == [{"digest": 1, "tags": ["v1"], "layers": 1, "events": 3}]
    assert shapes(*layers) == []


def test_layers_keep_a_push_together() -> None:
    """They are events of it, so from one to the next the gap counts anew."""
    found = shapes(push(0, 1, "v1"), push(25, 9, None, LAYER), push(50, 1, "v2"))
    assert found == [{"digest": 1, "tags": ["v1", "v2"], "layers": 1, "events": 3}]


# Referrers


@pytest.mark.parametrize(
    ("ending", "kind"), [(".sig", "signature"), (".att", "attestation"), (".sbom", "sbom"), ("", "referrer")]
)
def test_referrers_join_the_push_they_are_about(ending: str, kind: str) -> None:
    """Their tags are no tags of the image."""
    found = shapes(push(0, 1, "v1"), push(10, 7, tag_of(1, ending)))
    assert found == [{"digest": 1, "tags": ["v1"], "referrers": [(kind, 7)], "events": 2}]


def test_a_referrer_of_something_else_is_a_push() -> None:
    """Of another digest, or of one that was pushed too long ago, or is yet to come."""
    assert [one["digest"] for one in shapes(push(0, 1, "v1"), push(1, 7, tag_of(2, ".sig")))] == [1, 7]
    assert [one["digest"] for one in shapes(push(0, 1, "v1"), push(31, 7, tag_of(1, ".sig")))] == [1, 7]
    assert [one["digest"] for one in shapes(push(0, 7, tag_of(1, ".sig")), push(1, 1, "v1"))] == [7, 1]


def test_a_referrer_of_a_manifest_that_waits_goes_with_it() -> None:
    """Whether something follows or not; it does not complete what is only about to become a part."""
    waiting = [push(0, 1), push(1, 2), push(2, 7, tag_of(1, ".sig"))]
    assert shapes(*waiting) == [{"digest": 1, "referrers": [("signature", 7)], "events": 2}, {"digest": 2, "events": 1}]
    assert shapes(*waiting, push(3, 3, "v1", INDEX)) == [
        {"digest": 3, "tags": ["v1"], "parts": [1, 2], "referrers": [("signature", 7)], "events": 4}
    ]


def test_a_referrer_of_a_manifest_that_waited_too_long() -> None:
    """It waits with it as long as something may follow, but is too late for a push of that manifest alone."""
    waiting = [push(0, 1), push(25, 2), push(50, 7, tag_of(1, ".sig"))]
    assert [one["digest"] for one in shapes(*waiting)] == [1, 2, 7]
    assert [one["digest"] for one in shapes(*waiting, push(80, 3, "v1"))] == [3]


def test_a_referrer_takes_no_parts() -> None:
    """What comes before it without a tag waits for something else."""
    found = shapes(push(0, 1, "v1"), push(1, 2), push(2, 7, tag_of(1, ".sig")), push(3, 3, "v2"))
    assert [one.get("parts") for one in found] == [None, [2]]


@pytest.mark.parametrize(
    "tag",
    ["v1", "sha256", "sha256-", "sha256-xyz", tag_of(1, ".sig2"), tag_of(1, ".SIG"), "md5-00", f"x{tag_of(1)}", None],
)
def test_tags_that_are_no_referrers(tag: str | None) -> None:
    """Only the digest in hexadecimal digits, with a known ending or none."""
    assert reference(tag) is None


# Recorded from a real registry


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*-input.json")), ids=lambda path: path.stem)
def test_golden_pushes(path: Path) -> None:
    """Eleven events of two platforms with three layers each are one push; so are they with a further tag."""
    said = senders(keep_blobs=True)["distribution"].translate(Request(body=path.read_bytes()))
    assert isinstance(said, Batch)
    pushes: list[dict[str, Any]] = [
        {
            "id": one.id,
            "began_at": one.began_at.isoformat(),
            "at": one.at.isoformat(),
            "ended_at": one.ended_at.isoformat(),
            "digest": one.digest,
            "tags": list(one.tags),
            "media_type": one.media_type,
            "parts": [{**asdict(part), "at": part.at.isoformat()} for part in one.parts],
            "referrers": [],
            "layers": one.layers,
            "events": len(one.members),
        }
        for one in fold(map(recorded, said.events))
    ]
    expected = path.with_name(path.name.replace("-input", "-expected"))
    assert pushes == json.loads(expected.read_text())


# Properties

GAPS: Final = [0, 0.0000001, 1, 10, 29, 30, 30.0000001, 31, 65]
TAGS: Final = [None, None, "v1", "v2", *(tag_of(number, ending) for number in (1, 2, 3) for ending in (".sig", ""))]
histories = st.lists(
    st.builds(
        lambda gap, *rest: (gap, rest),
        st.sampled_from(GAPS),
        st.sampled_from([1, 2, 3, 4, None]),
        st.sampled_from(TAGS),
        st.sampled_from([MANIFEST, MANIFEST, INDEX, LAYER]),
        st.sampled_from(["app", "app", "other"]),
        st.sampled_from(["push", "push", "push", "push", "mount", "delete"]),
    ),
    max_size=25,
)


def build(history: Sequence[Any]) -> list[RecordedEvent]:
    """Turn gaps into times; oldest first, each event once, as in the journal: its media type is no part of its id."""
    events: dict[str, RecordedEvent] = {}
    second = 0.0
    for gap, (number, tag, media_type, repository, action) in history:
        second += gap
        event = push(second, number, tag, media_type, repository=repository, action=action)
        events[event.id] = event
    return list(events.values())


@given(histories, st.data())
def test_order_and_repetition_do_not_matter(history: Sequence[Any], data: st.DataObject) -> None:
    """Pushes are a function of the set of events."""
    events = build(history)
    again = data.draw(
        st.permutations([*events, *data.draw(st.lists(st.sampled_from(events)) if events else st.just([]))])
    )
    assert fold(again) == fold(events)


@given(histories)
def test_every_manifest_is_in_exactly_one_push(history: Sequence[Any]) -> None:
    """And every layer in at most one; what is no push is in none."""
    events = {one.id: one for one in build(history)}
    pushed = {name for name, one in events.items() if one.event.action != "delete"}
    layers = {name for name in pushed if events[name].event.concerns_blob}
    members = Counter(name for one in fold(events.values()) for name in one.members)
    assert (pushed - layers) <= members.keys() <= pushed
    assert all(count == 1 for count in members.values())


@given(histories)
def test_a_push_is_of_one_origin_without_gaps(history: Sequence[Any]) -> None:
    """Its events are of one repository, at most 30 s apart, and newer pushes come first."""
    events = {one.id: one for one in build(history)}
    found = fold(events.values())
    assert [one.id for one in found] == sorted(one.id for one in found)
    for one in found:
        members = [events[name] for name in one.members]
        assert len({member.event.repository for member in members}) == 1
        times = [member.event.occurred_at.ticks for member in members if member.event.occurred_at]
        assert all(later - earlier <= 30 * TICKS_PER_SECOND for later, earlier in pairwise(times))
        assert one.id in one.members


@given(histories, st.data())
def test_what_is_final_stays(history: Sequence[Any], data: st.DataObject) -> None:
    """A stretch of the newest events tells which of its pushes older events cannot change; at the end that is all."""
    events = sorted(build(history), key=lambda one: one.id)
    read = events[: data.draw(st.integers(0, len(events)))]
    unread = events[len(read) :]
    edge = unread[0].event.occurred_at if unread else None
    whole = fold(events)
    found = find(read, edge)
    assert all(one.push in whole for one in found if one.final)
    assert edge is not None or [one.push for one in found] == whole


def test_a_long_row_of_pushes_is_final_up_to_the_gap() -> None:
    """That something was pushed every few seconds for hours does not make the newest push wait for the oldest."""
    events = [push(-10 * number, number, f"v{number}") for number in range(100)]
    found = find(events[:50], events[50].event.occurred_at)
    assert [one.final for one in found] == [True] * 47 + [False] * 3


def test_a_long_row_of_parts_is_settled_up_to_the_gap() -> None:
    """Each of these manifests might be the echo of a part of what was not read, which is not final, but unlikely."""
    events = [push(-10 * number, number, f"v{number}" if number % 2 == 0 else None) for number in range(100)]
    found = find(events[:50], events[50].event.occurred_at)
    assert [(one.settled, one.final) for one in found] == [(True, False)] * 23 + [(False, False)] * 2


@given(histories, st.data())
def test_what_is_settled_may_only_lack_an_echo(history: Sequence[Any], data: st.DataObject) -> None:
    """Without any manifest that is pushed again without its tag, what is settled is final."""
    seen: set[str | None] = set()
    events: list[RecordedEvent] = []
    for one in build(history):
        if one.event.tag or one.event.concerns_blob or one.event.digest not in seen:
            seen.add(one.event.digest)
            events.append(one)
    events.sort(key=lambda one: one.id)
    read = events[: data.draw(st.integers(0, len(events)))]
    edge = events[len(read)].event.occurred_at if len(read) < len(events) else None
    whole = fold(events)
    assert all(one.push in whole for one in find(read, edge) if one.settled)


@given(histories, st.data())
def test_what_is_needed_suffices(history: Sequence[Any], data: st.DataObject) -> None:
    """Whoever reads from the newest event that a push depends on finds the same push."""
    events = sorted(build(history), key=lambda one: one.id)
    whole = find(events, None)
    begin = data.draw(st.sampled_from([one.id for one in events]) if events else st.just(""))
    start = min((one.newest for one in whole if one.oldest >= begin), default="")
    again = {one.id: one for one in fold(one for one in events if one.id >= start)}
    expected = {one.push.id: one.push for one in whole if one.push.id >= begin}
    assert {name: one for name, one in again.items() if name >= begin} == expected
