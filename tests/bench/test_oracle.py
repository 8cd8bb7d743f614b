"""Examples with answers written by hand: of tags, digests and deletes."""

from bench.oracle.answers import Oracle
from bench.story import INDEX, MANIFEST, REGISTRY, REPOSITORY, delete, digest_of, event, picked, push, time_of, told

ROW = ("at", "change", "digest", "previous_digest")


def timeline(oracle: Oracle, tag: str, *fields: str) -> list[tuple[object, ...]]:
    """Rows of a tag's timeline, oldest first, since that is how examples are told."""
    return picked(oracle.timeline(REGISTRY, REPOSITORY, tag), *(fields or ROW))[::-1]


def test_a_tag_that_moves_and_goes() -> None:
    """Each row of the table in docs/history.md, once."""
    oracle = Oracle.told(
        told(
            push("10:00", "a", tag="v1"),
            push("10:01", "a", tag="v1"),
            push("10:02", "b", tag="v1"),
            delete("10:03", digest="a"),
            delete("10:04", tag="v1"),
            delete("10:05", tag="v1"),
            delete("10:06", digest="b"),
            push("10:07", "b", tag="v1"),
            delete("10:08", digest="b"),
            push("10:09", "a", tag="v1"),
            delete("10:10"),
            delete("10:11"),
        )
    )
    assert timeline(oracle, "v1") == [
        ("10:00:00", "created", "a", None),
        ("10:01:00", "unchanged", "a", "a"),
        ("10:02:00", "moved", "b", "a"),
        ("10:04:00", "untagged", None, "b"),
        ("10:05:00", "unchanged", None, None),
        ("10:07:00", "created", "b", None),
        ("10:08:00", "deleted", None, "b"),
        ("10:09:00", "created", "a", None),
        ("10:10:00", "deleted", None, "a"),
    ]


def test_a_late_push_makes_a_creation_a_move() -> None:
    """The order of arrival does not matter, only that of times."""
    first, second = push("10:00", "a", tag="v1"), push("11:00", "b", tag="v1")
    assert timeline(Oracle.told(told(second)), "v1") == [("11:00:00", "created", "b", None)]
    expected = [("10:00:00", "created", "a", None), ("11:00:00", "moved", "b", "a")]
    assert timeline(Oracle.told(told(second, first)), "v1") == expected


def test_at_the_same_instant_the_greater_id_is_first() -> None:
    """Two pushes within 100 ns: the one with the smaller id has the last word."""
    oracle = Oracle.told(told(push("10:00", "a", tag="v1"), push("10:00", "b", tag="v1")))
    ids = [item["event"] for item in oracle.timeline(REGISTRY, REPOSITORY, "v1")]
    assert ids == sorted(ids)
    winner = next(item["digest"] for item in oracle.events() if item["id"] == ids[0])
    assert oracle.tags(REGISTRY)[0]["digest"] == winner


def test_a_delete_with_tag_and_digest_does_both() -> None:
    """The named tag is untagged wherever it points, other tags of the digest are deleted, others stay."""
    pushes = [push("10:00", "a", tag="v1"), push("10:01", "b", tag="v2"), push("10:02", "b", tag="v3")]
    oracle = Oracle.told(told(*pushes, push("10:03", "c", tag="v4"), delete("11:00", tag="v1", digest="b")))
    assert timeline(oracle, "v1")[-1] == ("11:00:00", "untagged", None, "a")
    assert timeline(oracle, "v2")[-1] == timeline(oracle, "v3")[-1] == ("11:00:00", "deleted", None, "b")
    assert picked(oracle.tags(REGISTRY), "tag", "digest") == [("v4", "c")]
    removed = [
        {"tag": "v1", "since": "10:00:00"},
        {"tag": "v2", "since": "10:01:00"},
        {"tag": "v3", "since": "10:02:00"},
    ]
    assert picked(oracle.deletes(), "digest", "tag", "tags") == [("b", "v1", removed)]


def test_what_takes_no_part() -> None:
    """Quarantines, pulls, layers and events without a time move no tag."""
    oracle = Oracle.told(
        told(
            push("10:00", "a", tag="v1"),
            event("quarantine", "10:01", tag="v1", digest="b"),
            event("pull", "10:02", tag="v1", digest="b"),
            push("10:03", "b", tag="v1", media_type="application/octet-stream"),
            push(None, "b", tag="v1", request_id="1"),
        )
    )
    assert timeline(oracle, "v1") == [("10:00:00", "created", "a", None)]
    assert len(oracle.events()) == 5
    assert picked(oracle.events()[-1:], "occurred_at") == [(None,)]
    assert len(oracle.events(since=time_of("10:02"), until=time_of("10:03"))) == 1


def test_a_push_without_a_digest() -> None:
    """The tag points to something unknown, which no delete of a digest can mean."""
    oracle = Oracle.told(told(push("10:00", "a", tag="v1"), push("10:01", None, tag="v1"), delete("10:02", digest="a")))
    assert timeline(oracle, "v1")[1:] == [("10:01:00", "moved", "", "a")]
    assert oracle.tags(REGISTRY)[0]["digest"] == ""


def test_as_of() -> None:
    """At or before: the instant of a movement belongs to what it left."""
    oracle = Oracle.told(told(push("10:00", "a", tag="v1"), push("11:00", "b", tag="v1"), delete("12:00", tag="v1")))
    told_at = {
        moment: oracle.pointed_to(REGISTRY, REPOSITORY, "v1", time_of(moment))["digest"]
        for moment in ("09:59", "10:00", "10:59:59.9999999", "11:00", "12:00")
    }
    expected = [None, digest_of("a"), digest_of("a"), digest_of("b"), None]
    assert list(told_at.values()) == expected
    assert oracle.pointed_to(REGISTRY, REPOSITORY, "v1", time_of("09:59"))["items"] == []
    assert picked(oracle.pointed_to(REGISTRY, REPOSITORY, "v1", time_of("13:00"))["items"], *ROW) == [
        ("12:00:00", "untagged", None, "b")
    ]
    assert picked(oracle.tags(REGISTRY, moment=time_of("11:30")), "tag", "digest", "since") == [("v1", "b", "11:00:00")]
    assert oracle.tags(REGISTRY, moment=time_of("12:30")) == []


def test_the_list_of_tags() -> None:
    """A row tells the last real change, and when the tag was last mentioned."""
    oracle = Oracle.told(
        told(
            push("10:00", "a", tag="v1"),
            push("10:01", "b", tag="v1", actor="eve", client="crane"),
            push("10:02", "b", tag="v1"),
            delete("10:03", tag="v0"),
        )
    )
    fields = ("tag", "digest", "change", "since", "last_event_at", "changes", "previous_digest", "actor", "client")
    moved = ("v1", "b", "moved", "10:01:00", "10:02:00", 2, "a", "eve", "crane")
    absent = ("v0", None, "unchanged", None, "10:03:00", 0, None, "bob", "portal")
    assert picked(oracle.tags(REGISTRY), *fields) == [moved]
    assert picked(oracle.tags(REGISTRY, present=False), *fields) == [absent]
    assert picked(oracle.tags(REGISTRY, present=None, prefix="v"), *fields) == [absent, moved]


def test_a_digest() -> None:
    """First and last push, the first media type and size that were told, the tags from when to when, the deletes."""
    oracle = Oracle.told(
        told(
            push("10:00", "a", tag="v1", media_type=None, actor="ann"),
            push("10:01", "a", tag="v2", size=7),
            push("10:02", "b", tag="v1"),
            push("10:03", "a", tag="v1", size=8, actor="eve"),
            delete("10:04", digest="a"),
            delete("10:05"),
            push("10:06", "a", repository="other/app", tag="v9"),
            delete("10:07", digest="c"),
        )
    )
    here, there = oracle.digest(digest_of("a"))[::-1]
    assert picked([there], "repository", "first_pushed_at", "deleted_at") == [("other/app", "10:06:00", [])]
    fields = (
        "first_pushed_at",
        "first_actor",
        "last_pushed_at",
        "last_actor",
        "media_type",
        "size",
        "deleted_at",
        "tags",
    )
    assert picked([here], *fields) == [
        (
            "10:00:00",
            "ann",
            "10:03:00",
            "eve",
            MANIFEST,
            7,
            ["10:04:00"],
            [
                {"tag": "v1", "since": "10:00:00", "until": "10:02:00"},
                {"tag": "v2", "since": "10:01:00", "until": "10:04:00"},
                {"tag": "v1", "since": "10:03:00", "until": "10:04:00"},
            ],
        )
    ]
    assert picked(oracle.digest(digest_of("b")), "deleted_at") == [([],)]  # nobody named it
    assert picked(oracle.digest(digest_of("c")), "first_pushed_at", "deleted_at") == [(None, ["10:07:00"])]
    listed = ("repository", "first_pushed_at", "last_pushed_at", "last_deleted_at", "tags", "images")
    assert picked(oracle.repositories(REGISTRY), *listed) == [
        ("other/app", "10:06:00", "10:06:00", None, 1, 1),
        ("team/app", "10:00:00", "10:03:00", "10:07:00", 0, 2),
    ]


def test_the_dossier_of_a_digest_with_two_tags() -> None:
    """What it removed, how long it had been there, and what still holds it elsewhere."""
    oracle = Oracle.told(
        told(
            push("10:00", "a", tag="v1", size=5),
            push("10:10", "a", tag="v2", actor="eve"),
            push("10:20", "a", tag="v1", repository="prod/app"),
            push("10:30", "a", tag="v1", repository="prod/app", registry="other.example"),
            delete("11:00", digest="a", event_id="d"),
            push("12:00", "a", tag="v3"),
        )
    )
    (item,) = oracle.deletes()
    assert picked([item], "repository", "at", "action", "digest", "tag", "actor", "client") == [
        (REPOSITORY, "11:00:00", "delete", "a", None, "bob", "portal")
    ]
    assert picked([item], "tags") == [([{"tag": "v1", "since": "10:00:00"}, {"tag": "v2", "since": "10:10:00"}],)]
    fields = ("first_pushed_at", "first_actor", "last_pushed_at", "last_actor", "age_seconds", "media_type", "size")
    assert picked([item], *fields) == [("10:00:00", "ann", "10:10:00", "eve", 3600.0, MANIFEST, 5)]
    held = {"tags": [{"repository": "prod/app", "tag": "v1"}], "indexes": []}
    assert oracle.delete(item["event"]) == {**item, "still_held": held}
    assert oracle.deletes(tag="v2", digest=digest_of("a"), repository="team/*", actor="bob") == [item]
    assert oracle.deletes(tag="v3") == oracle.deletes(until=time_of("11:00")) == []


def test_the_dossier_of_an_untagging() -> None:
    """A delete that names only a tag is about what the tag pointed to; one that finds nothing is about nothing."""
    pushes = [push("10:00", "a", tag="v1"), push("10:01", "a", tag="latest")]
    oracle = Oracle.told(told(*pushes, delete("11:00", tag="v1"), delete("11:01", tag="v1")))
    nothing, untagging = oracle.deletes()
    fields = ("digest", "tag", "tags", "age_seconds")
    assert picked([untagging], *fields) == [("a", "v1", [{"tag": "v1", "since": "10:00:00"}], 3600.0)]
    assert picked([nothing], *fields) == [(None, "v1", [], None)]
    found = oracle.delete(untagging["event"])
    assert found is not None
    assert found["still_held"]["tags"] == [{"repository": REPOSITORY, "tag": "latest"}]


def test_the_dossier_of_a_repository() -> None:
    """Every tag that was there is removed; tags of other repositories stay."""
    pushes = [push("10:00", "a", tag="v1"), push("10:01", "b", tag="v2"), push("10:02", "b", tag="v2", repository="x")]
    oracle = Oracle.told(told(*pushes, delete("10:03", tag="v1"), delete("11:00")))
    item = oracle.deletes()[0]
    fields = ("digest", "tag", "tags", "first_pushed_at", "age_seconds")
    assert picked([item], *fields) == [(None, None, [{"tag": "v2", "since": "10:01:00"}], None, None)]
    assert picked(oracle.tags(REGISTRY), "repository", "tag") == [("x", "v2")]
    assert (oracle.delete(item["event"]) or {})["still_held"] == {"tags": [], "indexes": []}
    assert oracle.delete("0~0") is None


def test_an_index_still_holds_its_parts() -> None:
    """It is named with its tags, until it is deleted itself."""
    pushes = [push("10:00:00", "a"), push("10:00:01", "b"), push("10:00:02", "c", tag="v1", media_type=INDEX)]
    deletes = [delete("11:00", digest="a"), delete("11:01", digest="c"), delete("11:02", digest="b")]
    oracle = Oracle.told(told(*pushes, *deletes))
    held = [(oracle.delete(item["event"]) or {})["still_held"]["indexes"] for item in oracle.deletes()[::-1]]
    assert held == [[{"digest": digest_of("c"), "tags": ["v1"]}], [], []]
