"""Rows of the history: what a key says is read from it, also what it had to cut."""

from collections.abc import Collection, Mapping
from dataclasses import replace

import pytest

from registrail.dossier import Deletion, DigestHistory, RepositoryHistory, Sighting, Told
from registrail.instants import Instant
from registrail.storage import history_rows as rows
from registrail.storage import keys
from registrail.storage.store import Entity, Value
from registrail.timeline import Change, Fact, Hold, Movement, Pointer, TagHistory, Verb, time_of

EVENT = f"{Instant.parse('2026-03-01T12:00:00Z').inverted}~{'a' * 32}"
EARLIER = f"{Instant.parse('2026-02-01T12:00:00Z').inverted}~{'b' * 32}"
NAMES = ["team/app", "x" * 300, "é" * 100, "a~b=c|d e"]


def entity(row: str, columns: Mapping[str, Value]) -> Entity:
    """As it is stored."""
    return Entity("r.example", row, "1", columns)


def chosen(columns: Mapping[str, Value], names: Collection[str]) -> Mapping[str, Value]:
    """As lists read it: of the columns only these."""
    return {name: value for name, value in columns.items() if name in names}


@pytest.mark.parametrize("repository", NAMES)
@pytest.mark.parametrize("tag", ["latest", "t" * 200, "🚀" * 20])
@pytest.mark.parametrize("digest", ["sha256:" + "0" * 64, "sha512:" + "0" * 128])
def test_names_come_back_whole(repository: str, tag: str, digest: str) -> None:
    """Of tags, digests and of who held what."""
    pushed = Movement(
        fact=Fact(event=EVENT, verb="push", action="push", digest=digest), change="created", digest=digest
    )
    known = TagHistory(tag=tag, last=pushed, change=pushed, movements=1, changes=1)
    stored = entity(keys.tag_row(repository, tag), chosen(rows.tag_columns(repository, known), rows.TAG))
    assert rows.read_tag(stored) == (repository, known)
    hold = Hold(digest, EARLIER, EVENT)
    stored = entity(keys.hold_row(digest, repository, tag, EARLIER), rows.hold_columns(repository, tag, hold))
    assert rows.read_hold(stored) == (repository, tag, hold)
    seen = DigestHistory(digest=digest, pushes=(Sighting(EVENT, "ann", None),))
    stored = entity(keys.digest_row(digest, repository), rows.digest_columns(repository, seen))
    assert rows.read_digest(stored) == (repository, seen)


@pytest.mark.parametrize(
    ("verb", "change", "named", "digest"),
    [
        ("push", "moved", "sha256:a", "sha256:a"),
        ("push", "moved", "", ""),
        ("untag", "untagged", None, None),
        ("clear", "deleted", None, None),
        ("delete", "deleted", "sha256:b", None),
    ],
)
def test_what_an_event_said_comes_back(verb: Verb, change: Change, named: str | None, digest: str | None) -> None:
    """Though no column has it: it follows from what became of the tag."""
    fact = Fact(
        event=EVENT,
        verb=verb,
        action="push" if verb == "push" else "delete",
        digest=named,
        actor="ann",
        client="docker",
    )
    moved = Movement(fact=fact, change=change, digest=digest, previous=Pointer("sha256:b", EARLIER))
    assert rows.movement(EVENT, chosen(rows.movement_columns("app", "v1", moved), rows.MOVEMENT)) == moved


def test_what_may_be_left_out_is() -> None:
    """Times that another column has, and an action that is a push."""
    pushed = Movement(fact=Fact(event=EVENT, verb="push", action="push", digest="a"), change="created", digest="a")
    again = Movement(
        fact=Fact(event="0" * 52, verb="push", action="chart_push", digest="a"), change="unchanged", digest="a"
    )
    known = TagHistory(tag="v1", last=pushed, change=pushed, movements=1, changes=1)
    left_out = {"action", "last", "last_event_at", "movements", "changes"}
    assert not left_out & rows.tag_columns("app", known).keys()
    assert rows.movement_columns("app", "v1", again)["action"] == "chart_push"
    columns = rows.tag_columns("app", replace(known, last=again, movements=2))
    assert (columns["last_event_at"], columns["movements"], "changes" in columns) == (again.at, 2, False)
    assert rows.read_tag(entity(keys.tag_row("app", "v1"), columns))[1] == replace(known, last=again, movements=2)
    once = DigestHistory(digest="sha256:a", pushes=(Sighting(EARLIER, None, None),))
    assert not {"last_push_at", "pushes_0"} & rows.digest_columns("app", once).keys()
    twice = replace(once, pushes=(*once.pushes, Sighting(EVENT, None, None)))
    assert rows.digest_columns("app", twice)["last_push_at"] == time_of(EVENT)


def test_columns_name_events_in_bytes() -> None:
    """With the times of those that people look for beside them; both come back."""
    first, last, late = Sighting(EARLIER, "ann", "docker"), Sighting(EVENT, "bob", None), "0" * 19 + "~" + "c" * 32
    digest = DigestHistory(
        digest="sha256:a", pushes=(first, last), media_type=Told(EVENT, "m"), size=Told(EARLIER, 7), removals={}
    )
    columns = rows.digest_columns("app", digest)
    assert (columns["first_push"], columns["media_type_by"]) == (keys.pack_event(EARLIER), keys.pack_event(EVENT))
    assert "size_by" not in columns  # the first push tells it
    assert rows.read_digest(entity(keys.digest_row("sha256:a", "app"), columns)) == ("app", digest)
    known = RepositoryHistory(repository="app", first_push=EARLIER, last_push=EVENT, last_delete=late)
    columns = rows.repository_columns(known)
    assert (columns["last_push"], columns["last_push_at"]) == (keys.pack_event(EVENT), time_of(EVENT))
    assert rows.repository_history(columns) == known
    dossier = Deletion(
        event=late,
        action="delete",
        repository="app",
        digest="sha256:a",
        tag=None,
        actor=None,
        client=None,
        first=first,
        last=last,
    )
    columns = rows.deletion_columns(dossier)
    assert (columns["first_push"], columns["last_push"]) == (keys.pack_event(EARLIER), keys.pack_event(EVENT))
    assert rows.read_deletion(late, columns) == dossier
