"""Examples with answers written by hand: of logical pushes, replicas, activity and merged reports."""

from itertools import pairwise
from typing import Any

import pytest

from bench.oracle.answers import Oracle
from bench.oracle.journal import row_id
from bench.oracle.replicas import quantile
from bench.story import INDEX, REGISTRY, delete, digest_of, event, picked, push, told
from registrail.events import BLOB_MEDIA_TYPE, RegistryEvent

PUSH = ("at", "digest", "tags", "events")


def pushes(*events: RegistryEvent) -> list[dict[str, Any]]:
    """Logical pushes, oldest first, since that is how examples are told."""
    return Oracle.told(told(*events)).pushes()[::-1]


def parts(item: dict[str, Any]) -> list[str]:
    """The last letters of the digests of a push's parts."""
    return [part["digest"][-1] for part in item["parts"]]


def layer(moment: str, letter: str) -> RegistryEvent:
    """One layer or config."""
    return push(moment, letter, media_type=BLOB_MEDIA_TYPE)


def test_two_platforms_with_three_layers_each_are_one_push() -> None:
    """What distribution told of one push with two platforms: 11 events, one of them with a tag."""
    (item,) = pushes(
        *(layer(f"10:00:0{number}", f"{number}") for number in range(4)),
        push("10:00:04", "a", size=500),
        *(layer(f"10:00:0{number}", f"{number}") for number in range(5, 9)),
        push("10:00:09", "b", size=501),
        push("10:00:10", "c", tag="v1", media_type=INDEX),
    )
    fields = ("began_at", "ended_at", "media_type", "layers", "referrers", "actor", "client", "regions")
    assert picked([item], *PUSH) == [("10:00:10", "c", ["v1"], 11)]
    assert picked([item], *fields) == [("10:00:00", "10:00:10", INDEX, 8, [], "ann", "docker", {})]
    assert picked(item["parts"], "digest", "size", "at") == [("a", 500, "10:00:04"), ("b", 501, "10:00:09")]
    completing = push("10:00:10", "c", tag="v1", media_type=INDEX)
    assert item["id"] == row_id(completing)


def test_further_tags_and_echoes_join() -> None:
    """Events with the digest of a push belong to it: after it, and the same manifest by digest before it."""
    found = pushes(
        push("10:00:00", "a"),
        push("10:00:01", "a", tag="v1"),
        push("10:00:02", "a", tag="latest"),
        push("10:00:03", "a"),
        push("10:00:04", "b", tag="v2"),
    )
    assert picked(found, *PUSH, "parts") == [
        ("10:00:01", "a", ["latest", "v1"], 4, []),
        ("10:00:04", "b", ["v2"], 1, []),
    ]


@pytest.mark.parametrize(("gap", "number"), [("10:00:30", 1), ("10:00:30.0000001", 2)])
def test_half_a_minute_ends_a_push(gap: str, number: int) -> None:
    """30 s are a pause, more are an end."""
    assert len(pushes(push("10:00:00", "a", tag="v1"), push(gap, "a", tag="v2"))) == number


@pytest.mark.parametrize("other", [{"actor": "eve"}, {"client": "crane"}, {"address": "[::1]:99"}, {"repository": "x"}])
def test_other_hands_push_other_things(other: dict[str, str | None]) -> None:
    """Another actor, client, address or repository is another push."""
    assert len(pushes(push("10:00:00", "a", tag="v1"), push("10:00:01", "a", tag="v2", **other))) == 2


def test_a_port_is_no_other_hand() -> None:
    """Every connection has another one."""
    first, second = (push(f"10:00:0{port}", "a", tag=f"v{port}", address=f"192.0.2.1:5000{port}") for port in (1, 2))
    assert len(pushes(first, second)) == 1


def test_manifests_that_nothing_follows() -> None:
    """They are a push for each digest; those before a tag belong to it."""
    found = pushes(push("10:00:00", "a"), push("10:00:01", "b", tag="v1"), push("10:00:02", "c"), push("10:00:03", "d"))
    assert picked(found, *PUSH) == [
        ("10:00:01", "b", ["v1"], 2),
        ("10:00:02", "c", [], 1),
        ("10:00:03", "d", [], 1),
    ]
    assert [parts(item) for item in found] == [["a"], [], []]


def test_an_untagged_index_completes_a_push() -> None:
    """Its parts are those before it; its tag joins."""
    found = pushes(
        push("10:00:00", "a"),
        push("10:00:01", "c", media_type=INDEX),
        push("10:00:02", "c", tag="v1", media_type=INDEX),
    )
    assert picked(found, *PUSH) == [("10:00:01", "c", ["v1"], 3)]


def test_signatures_join_what_they_sign() -> None:
    """An image that was pushed just before; far from it they are pushes of their own."""
    image = digest_of("c").replace(":", "-")
    found = pushes(
        push("10:00:00", "a"),
        push("10:00:02", "c", tag="v1", media_type=INDEX),
        push("10:00:03", "1", tag=f"{image}.sig"),
        push("10:00:04", "1", tag=f"{image}.sig"),
        push("10:00:05", "2", tag=f"{image}.att"),
        push("10:00:06", "3", tag=f"{image}.sbom"),
        push("10:00:07", "4", tag=image, media_type=INDEX),
        push("11:00:00", "5", tag=f"{image}.sig"),
    )
    assert picked(found, *PUSH) == [("10:00:02", "c", ["v1"], 7), ("11:00:00", "5", [f"{image}.sig"], 1)]
    assert picked(found[0]["referrers"], "kind", "tag", "digest", "at") == [
        ("signature", f"{image}.sig", "1", "10:00:03"),
        ("attestation", f"{image}.att", "2", "10:00:05"),
        ("sbom", f"{image}.sbom", "3", "10:00:06"),
        ("referrer", image, "4", "10:00:07"),
    ]


def test_a_signature_waits_with_the_manifest_that_it_is_about() -> None:
    """It goes where the manifest goes: to an index that follows, to its own tag, or nowhere else."""
    signature = f"{digest_of('a').replace(':', '-')}.sig"
    waiting = [push("10:00:00", "a"), push("10:00:01", "1", tag=signature)]
    for following, digest, tags in (
        ([push("10:00:02", "c", tag="v1", media_type=INDEX)], "c", ["v1"]),
        ([push("10:00:02", "a", tag="v1")], "a", ["v1"]),
        ([], "a", []),
    ):
        (item,) = pushes(*waiting, *following)
        assert picked([item], "digest", "tags", "events") == [(digest, tags, 2 + len(following))]
        assert picked(item["referrers"], "tag") == [(signature,)]


def test_a_further_tag_completes_once_more() -> None:
    """What came without a tag before it is a part too; an untagged echo takes nothing with it."""
    begin = [push("10:00:00", "c", tag="v1"), push("10:00:01", "a"), push("10:00:02", "c")]
    assert [parts(item) for item in pushes(*begin)] == [[], []]
    (item,) = pushes(*begin, push("10:00:03", "c", tag="v2"))
    assert (parts(item), item["tags"], item["events"]) == (["a"], ["v1", "v2"], 4)


def test_an_echo_of_a_part_stays_with_its_push() -> None:
    """Such as the same event with slightly another time; with a tag it is a push of its own."""
    begin = [push("10:00:00", "a"), push("10:00:01", "c", tag="v1", media_type=INDEX)]
    (item,) = pushes(*begin, push("10:00:02", "a"))
    assert (parts(item), item["events"]) == (["a"], 3)
    assert picked(pushes(*begin, push("10:00:02", "a", tag="v1-arm")), "digest", "events") == [("c", 2), ("a", 1)]


def test_other_pushes_do_not_bridge_a_pause() -> None:
    """The 30 s are between one event of a push and the next event of the same push."""
    found = pushes(push("10:00:00", "a", tag="v1"), push("10:00:20", "b", tag="v2"), push("10:00:40", "a", tag="v3"))
    assert len(found) == 3


def test_layers_without_a_manifest_are_no_push() -> None:
    """Those that come too early for a manifest belong to none either; mounted ones count."""
    mounted = event("mount", "10:00:40", digest="2")
    (item,) = pushes(layer("10:00:00", "1"), mounted, push("10:00:50", "a", tag="v1"), layer("10:00:51", "3"))
    assert (item["layers"], item["events"], item["began_at"][11:19]) == (1, 2, "10:00:40")


def test_replicas() -> None:
    """A region that reported any push today or yesterday is expected to report every one."""
    first = push("2026-01-29T23:00:00Z", "a", tag="v1", region="east")
    second = push("2026-01-30T01:00:00Z", "b", tag="v1", region="west")
    third = push("2026-01-31T01:00:00Z", "c", tag="v1", region="west")
    oracle = Oracle.told(
        [
            *told(first, second, third, seconds=2),
            *told(push("2026-01-29T23:00:00Z", "a", tag="v1", region="west"), seconds=60),
        ]
    )
    found = oracle.replicas()
    assert [item["missing"] for item in found] == [[], ["east"], []]
    assert {name: known["lag_seconds"] for name, known in found[2]["regions"].items()} == {"east": 2.0, "west": 60.0}
    assert found[2]["tag"] == "v1"
    fields = ("day", "region", "pushes", "p50_seconds", "p95_seconds", "max_seconds", "missing")
    assert picked(oracle.replica_lag(REGISTRY), *fields) == [
        ("2026-01-29", "east", 1, 2.0, 2.0, 2.0, 0),
        ("2026-01-29", "west", 1, 60.0, 60.0, 60.0, 0),
        ("2026-01-30", "east", 0, None, None, None, 1),
        ("2026-01-30", "west", 1, 2.0, 2.0, 2.0, 0),
        ("2026-01-31", "west", 1, 2.0, 2.0, 2.0, 0),
    ]


def test_no_region_is_expected_where_none_reports() -> None:
    """Then replicas have nothing to say; and a report from before the event is no negative lag."""
    assert Oracle.told(told(push("10:00", "a", tag="v1"))).replicas() == []
    (item,) = Oracle.told(told(push("10:00", "a", tag="v1", region="west"), seconds=-5)).replicas()
    assert item["regions"]["west"]["lag_seconds"] == 0


def test_quantiles_occurred() -> None:
    """The smallest value that so many percent do not exceed."""
    values = [float(number) for number in range(1, 21)]
    assert (quantile(values, 50), quantile(values, 95), quantile(values[:3], 50)) == (10.0, 19.0, 2.0)


def test_activity() -> None:
    """Events by action, and what they did to the history, each in its period and to its account."""
    events = [
        push("10:00:00", "a", tag="v1"),
        push("10:00:30", "b", tag="v1"),
        push("10:01:00", "b", tag="v2"),
        push("11:00:00", "b", tag="v2", repository="prod/app", actor="eve"),
        event("quarantine", "11:00:01", digest="c", actor=None),
        event("mount", "11:00:02", digest="c"),
        delete("2026-02-02T00:00:00Z", digest="b"),
    ]
    oracle = Oracle.told(told(*events))
    history = ("tags_created", "tags_moved", "tags_removed", "images_first_seen", "repositories_first_seen")
    assert picked(oracle.activity("slot"), "period", "events", "pushes", "quarantines", "others", "deletes") == [
        ("2026-01-31T10:00", 2, 2, 0, 0, 0),
        ("2026-01-31T10:01", 1, 1, 0, 0, 0),
        ("2026-01-31T11:00", 3, 1, 1, 1, 0),
        ("2026-02-02T00:00", 1, 0, 0, 0, 1),
    ]
    assert picked(oracle.activity("hour"), "period", *history) == [
        ("2026-01-31T10", 2, 1, 0, 2, 1),
        ("2026-01-31T11", 1, 0, 0, 1, 1),
        ("2026-02-02T00", 0, 0, 2, 0, 0),
    ]
    assert picked(oracle.activity("day", "actor"), "period", "actor", "client", "events", *history) == [
        ("2026-01-31", "ann", None, 4, 2, 1, 0, 2, 1),
        ("2026-01-31", "eve", None, 1, 1, 0, 0, 1, 1),
        ("2026-02-02", "bob", None, 1, 0, 0, 2, 0, 0),
    ]
    assert picked(oracle.activity("week", "repository"), "period", "repository", "events", "tags_removed") == [
        ("2026-01-26", "prod/app", 1, 0),
        ("2026-01-26", "team/app", 5, 0),
        ("2026-02-02", "team/app", 1, 2),
    ]


def test_what_two_channels_timed_differently_counts_once() -> None:
    """Within one minute, with the same content and request; the history has both."""
    one = {"tag": "v1", "request_id": "r"}
    oracle = Oracle.told(
        told(
            push("10:00:58", "a", **one),
            push("10:00:59", "a", **one),
            push("10:01:00", "a", **one),
            push("10:01:01", "a", tag="v1"),
            push("10:01:02", "a", tag="v1"),
        )
    )
    assert picked(oracle.activity("slot"), "events", "pushes", "tags_created") == [(1, 1, 1), (3, 3, 0)]
    assert len(oracle.timeline(REGISTRY, "team/app", "v1")) == 5


def test_reports_of_one_event_are_merged() -> None:
    """What a later report does not know it does not take away; each sender and region has its latest arrival."""
    first = push("10:00", "a", tag="v1", size=5, region="west")
    second = push("10:00", "a", tag="v1", size=6, actor=None, region="north-east")
    oracle = Oracle.told([*told(first, sender="acr", seconds=9), *told(second, sender="eventgrid", seconds=3)])
    (item,) = oracle.events()
    assert (item["size"], item["actor"], item["region"]) == (6, "ann", "north_east")
    assert picked([item], "received_at", "senders", "regions") == [
        ("10:00:03", ["acr", "eventgrid"], {"west": "10:00:09", "north_east": "10:00:03"})
    ]
    assert item["deliveries"] == {"acr": "acr~0", "eventgrid": "eventgrid~0"}
    expected = [(REGISTRY, "10:00:00", "10:00:03")]
    assert picked(oracle.registries(), "registry", "last_event_at", "last_received_at") == expected


def test_events_are_listed_newest_first_and_filtered() -> None:
    """Filters are exact; a repository may be a prefix."""
    oracle = Oracle.told(
        told(push("10:00", "a"), push("10:01", "a", repository="prod/app"), delete("10:02", digest="a"))
    )
    ids = [item["id"] for item in oracle.events()]
    assert all(one < other for one, other in pairwise(ids))
    assert picked(oracle.events(repository="team/*", client="docker"), "occurred_at") == [("10:00:00",)]
    assert picked(oracle.events(action="delete", digest=digest_of("a")), "occurred_at") == [("10:02:00",)]
    assert oracle.events(repository="team") == []
