import json
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any, Final

import pytest

from registrail.local import show
from tests.local.fake_registrail import FakeRegistrail, listed, problem, registrail, serving

pytestmark = pytest.mark.sockets

DIGEST: Final = f"sha256:{'ab' * 32}"
OLDER: Final = f"sha256:{'cd' * 32}"


KNOWN: Final[Mapping[str, Any]] = {
    "/api/registries": listed({"registry": "r.azurecr.io"}),
    "/api/repositories": listed({"repository": "team/app"}),
    "/api/tags": listed({"repository": "team/app", "tag": "latest"}),
}
"""What an app says of which `team/app:latest` is known."""


def ago(**by: float) -> str:
    """A time in the past, as the API writes it."""
    return show.now().plus(-timedelta(**by)).isoformat()


def event(**changed: Any) -> dict[str, Any]:
    """An item of the list of events."""
    return {
        "id": "1~2",
        "registry": "r.azurecr.io",
        "repository": "team/app",
        "action": "push",
        "tag": "v1",
        "digest": DIGEST,
        "occurred_at": ago(minutes=3),
        "received_at": ago(minutes=2),
        "actor": "alice",
        "client": "docker/27.3.1",
        **changed,
    }


def movement(**changed: Any) -> dict[str, Any]:
    """An item of a timeline."""
    return {
        "registry": "r.azurecr.io",
        "repository": "team/app",
        "tag": "latest",
        "at": "2026-06-15T11:59:00.0000000Z",
        "change": "moved",
        "digest": DIGEST,
        "previous_digest": OLDER,
        "event": "1~2",
        "action": "push",
        "actor": "ci",
        "client": None,
        **changed,
    }


@pytest.fixture
def fake() -> FakeRegistrail:
    """Answer nothing yet."""
    return FakeRegistrail()


@pytest.fixture
def url(fake: FakeRegistrail) -> Iterator[str]:
    """Serve the fake."""
    with serving(fake) as address:
        yield address


def test_events_are_a_table(fake: FakeRegistrail, url: str) -> None:
    """Ages, short digests, no colours for a pipe; columns without a value are left out."""
    fake.answers["/api/events"] = listed(event(client=None), event(action="delete", tag=None, client=None))
    code, said, error = registrail("events", "team/app", "--since", "24h", "--url", url)
    header, first, second = (line.split() for line in said.splitlines())
    assert (code, error) == (0, "")
    assert header == ["when", "action", "repository", "tag", "digest", "actor"]
    assert first == ["3", "min", "ago", "push", "team/app", "v1", DIGEST[:19], "alice"]
    assert second[3:6] == ["delete", "team/app", "-"]
    assert fake.asked == [("/api/events", {"repository": "team/app", "since": "24h", "limit": "50"})]


def test_registries_are_told_apart(fake: FakeRegistrail, url: str) -> None:
    """If there are several in a list."""
    fake.answers["/api/events"] = listed(event(), event(registry="other.io"))
    lines = registrail("events", "--url", url)[1].splitlines()
    assert [line.split()[-1] for line in lines] == ["registry", "r.azurecr.io", "other.io"]


def test_json_is_the_apis(fake: FakeRegistrail, url: str) -> None:
    """One document, with the cursor of the next page, which can be given."""
    fake.answers["/api/events"] = listed(event(tag="é"), following="abc")
    code, said, _ = registrail("events", "--json", "--limit", "1", "--cursor", "xyz", "--url", url)
    assert (code, json.loads(said)) == (0, fake.answers["/api/events"])
    assert fake.asked == [("/api/events", {"limit": "1", "cursor": "xyz"})]


def pages(parameters: Mapping[str, str]) -> dict[str, Any]:
    """Three pages, one of them empty."""
    number = int(parameters.get("cursor", "0"))
    items = [] if number == 1 else [event(id=f"{number}-{n}") for n in range(2)]
    return listed(*items, following=str(number + 1) if number < 2 else None)


def test_all_goes_through_every_page(fake: FakeRegistrail, url: str) -> None:
    """As one line for each item, or one line of a table."""
    fake.answers["/api/events"] = pages
    code, said, error = registrail("events", "--all", "--json", "--url", url)
    assert (code, error) == (0, "")
    assert [json.loads(line)["id"] for line in said.splitlines()] == ["0-0", "0-1", "2-0", "2-1"]
    assert [parameters for _, parameters in fake.asked] == [
        {"limit": "1000"},
        {"limit": "1000", "cursor": "1"},
        {"limit": "1000", "cursor": "2"},
    ]
    assert registrail("events", "--all", "--url", url)[1].count("team/app") == 4


def test_a_limit_is_met_over_pages(fake: FakeRegistrail, url: str) -> None:
    """A page of a filtered list may have less than it could, even nothing, and not be the last."""
    fake.answers["/api/events"] = pages
    code, said, error = registrail("events", "--limit", "4", "--url", url)
    assert (code, said.count("team/app"), error) == (0, 4, "")
    found = json.loads(registrail("events", "--limit", "4", "--json", "--url", url)[1])
    assert ([item["id"] for item in found["items"]], found["next"]) == (["0-0", "0-1", "2-0", "2-1"], None)
    assert [parameters["limit"] for _, parameters in fake.asked] == ["4", "2", "2"] * 2


def test_that_there_is_more_is_said(fake: FakeRegistrail, url: str) -> None:
    """Beside the table, where it disturbs no program."""
    fake.answers["/api/events"] = pages
    code, said, error = registrail("events", "--limit", "2", "--url", url)
    assert (code, said.count("team/app"), error) == (0, 2, "There are more: --limit, --all.\n")


def test_a_page_that_cannot_be_had_now_is_asked_for_again(fake: FakeRegistrail, url: str) -> None:
    """When others were had already."""
    troubles = iter([problem(503, "later")])

    def troubled(parameters: Mapping[str, str]) -> Any:
        return next(troubles, None) or pages(parameters) if "cursor" in parameters else pages(parameters)

    fake.answers["/api/events"] = troubled
    code, said, _ = registrail("events", "--all", "--json", "--url", url)
    assert (code, len(said.splitlines()), len(fake.asked)) == (0, 4, 4)


def test_names_cannot_talk_to_the_terminal(fake: FakeRegistrail, url: str) -> None:
    """Whoever pushes chooses them: escape sequences, lines' ends and changes of direction are shown, not done."""
    fake.answers["/api/events"] = listed(event(tag="\x1b[31mred\x07\n\u202egnp.exe", client="[bold]x[/] :boom:"))
    said = registrail("events", "--url", url)[1]
    assert r"\x1b[31mred\x07\n\u202egnp.exe" in said
    assert "[bold]x[/] :boom:" in said
    assert all(character.isprintable() for character in said if character != "\n")


def test_nothing_disturbs_no_program(fake: FakeRegistrail, url: str) -> None:
    """That there is nothing goes to standard error."""
    fake.answers["/api/events"] = listed()
    assert registrail("events", "--url", url) == (0, "", "There is nothing.\n")


def test_tags(fake: FakeRegistrail, url: str) -> None:
    """What there is, and what there was."""
    tag = {
        "repository": "team/app",
        "tag": "v1",
        "digest": DIGEST,
        "previous_digest": OLDER,
        "since": ago(days=2),
        "changes": 3,
        "actor": "ci",
    }
    fake.answers["/api/tags"] = listed(tag)
    said = registrail("tags", "team/app", "--prefix", "v", "--url", url)[1]
    assert said.splitlines()[1].split() == ["team/app", "v1", DIGEST[:19], "2", "d", "ago", "ci", "3"]
    assert OLDER[:19] in registrail("tags", "--absent", "--registry", "R.io", "--url", url)[1]
    assert registrail("tags", "--prefix", "v", "--url", url)[0] == 1
    assert [parameters for _, parameters in fake.asked] == [
        {"repository": "team/app", "prefix": "v", "limit": "50"},
        {"registry": "R.io", "present": "false", "limit": "50"},
    ]


@pytest.mark.parametrize("image", [["team/app", "latest"], ["team/app:latest"], ["r.azurecr.io/team/app:latest"]])
def test_timeline(fake: FakeRegistrail, url: str, image: list[str]) -> None:
    """However the tag is written."""
    fake.answers["/api/timeline"] = listed(movement(), movement(change="created", previous_digest=None))
    code, said, _ = registrail("timeline", *image, "--url", url)
    assert code == 0
    assert ["moved", DIGEST[:19], OLDER[:19], "ci"] == said.splitlines()[1].split()[3:7]
    [(_, asked)] = fake.asked
    assert {name: asked[name] for name in ("repository", "tag")} == {"repository": "team/app", "tag": "latest"}
    assert asked.get("registry") == ("r.azurecr.io" if image[0].startswith("r.") else None)


def test_a_timeline_is_a_tags(url: str) -> None:
    """Without one the command says how to name it."""
    code, said, error = registrail("timeline", "team/app", "--url", url)
    assert (code, said, error.count("\n")) == (1, "", 1)
    assert "registrail timeline team/app latest" in error


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (
            {"items": [movement()], "next": None, "digest": DIGEST},
            f"{DIGEST}\nteam/app:latest pointed there since 2026-06-15 11:59:00 UTC by ci.\n",
        ),
        (
            {"items": [movement(digest="")], "next": None, "digest": ""},
            "an unknown digest\nteam/app:latest pointed there since 2026-06-15 11:59:00 UTC by ci.\n",
        ),
        (
            {"items": [movement(change="untagged", digest=None)], "next": None, "digest": None},
            "team/app:latest was absent: untagged 2026-06-15 11:59:00 UTC by ci.\n",
        ),
        (
            {"items": [], "next": None, "digest": None},
            "team/app:latest did not exist yet at 2026-11-17T12:00:00Z.\n",
        ),
    ],
)
def test_as_of_a_tag(fake: FakeRegistrail, url: str, found: dict[str, Any], expected: str) -> None:
    """The whole digest, on a line of its own; or why there is none."""
    fake.answers = {**KNOWN, "/api/timeline": found}
    code, said, _ = registrail("as-of", "team/app:latest", "--at", "2026-11-17T12:00:00Z", "--url", url)
    assert (code, said) == (0, expected)
    at = "2026-11-17T12:00:00Z"
    assert fake.asked[0] == ("/api/timeline", {"repository": "team/app", "tag": "latest", "at": at})
    assert json.loads(registrail("as-of", "team/app:latest", "--at", "7d", "--json", "--url", url)[1]) == found


def test_as_of_a_repository_or_all(fake: FakeRegistrail, url: str) -> None:
    """Every tag with its whole digest."""
    fake.answers["/api/tags"] = listed({"repository": "team/app", "tag": "v1", "digest": DIGEST, "since": ago(days=1)})
    assert DIGEST in registrail("as-of", "team/app", "--at", "7d", "--url", url)[1]
    assert DIGEST in registrail("as-of", "--at", "7d", "--url", url)[1]
    assert [parameters for _, parameters in fake.asked] == [
        {"repository": "team/app", "at": "7d", "limit": "50"},
        {"at": "7d", "limit": "50"},
    ]


def test_who_deleted(fake: FakeRegistrail, url: str) -> None:
    """Who, when, with what, what it was, and where it still is."""
    delete = {
        "event": "1~2",
        "registry": "r.azurecr.io",
        "repository": "team/app",
        "at": ago(hours=5),
        "action": "delete",
        "digest": DIGEST,
        "tag": None,
        "tags": [{"tag": "v1", "since": "2026-06-01T00:00:00.0000000Z"}],
        "first_pushed_at": "2026-06-01T00:00:00.0000000Z",
        "first_actor": "ci",
        "first_client": "buildkit",
        "last_pushed_at": "2026-06-02T00:00:00.0000000Z",
        "last_actor": "bob",
        "last_client": None,
        "age_seconds": 1_209_600.5,
        "media_type": None,
        "size": 1,
        "actor": "mallory",
        "client": "azure-cli",
    }
    fake.answers["/api/deletes"] = listed(delete)
    held = {"tags": [{"repository": "team/copy", "tag": "v1"}], "indexes": [{"digest": OLDER, "tags": ["v2"]}]}
    fake.answers["/api/deletes/1~2"] = {**delete, "still_held": held}
    code, said, _ = registrail("who-deleted", DIGEST, "--since", "30d", "--url", url)
    assert code == 0
    assert [line.strip() for line in said.splitlines()] == [
        f"team/app@{DIGEST}",
        f"deleted {show.second(delete['at'])} (5 h ago) by mallory with azure-cli",
        "with the tag v1 (since 2026-06-01 00:00:00 UTC)",
        "first pushed 2026-06-01 00:00:00 UTC by ci with buildkit",
        "last pushed 2026-06-02 00:00:00 UTC by bob",
        "14 d old",
        f"still held by team/copy:v1, the index {OLDER[:19]}",
    ]
    assert fake.asked == [
        ("/api/deletes", {"digest": DIGEST, "since": "30d", "limit": "5"}),
        ("/api/deletes/1~2", {"registry": "r.azurecr.io"}),
    ]
    assert json.loads(registrail("who-deleted", "team/app:v1", "--json", "--url", url)[1])["items"] == [delete]
    fake.answers |= {**KNOWN, "/api/deletes": listed()}
    assert registrail("who-deleted", "team/app:latest", "--url", url) == (0, "", "There is nothing.\n")


def test_pushes(fake: FakeRegistrail, url: str) -> None:
    """One line for each, with how much belongs to it."""
    fake.answers["/api/pushes"] = listed(
        {
            "id": "1~2",
            "registry": "r.azurecr.io",
            "repository": "team/app",
            "at": ago(seconds=90),
            "digest": DIGEST,
            "tags": ["v1", "latest"],
            "actor": "ci",
            "client": "buildkit",
            "events": 6,
            "parts": [{"digest": OLDER}, {"digest": OLDER}],
            "referrers": [{"kind": "signature"}, {"kind": "sbom"}, {"kind": "signature"}],
        }
    )
    said = registrail("pushes", "team/*", "--actor", "ci", "--url", url)[1]
    words = ["1", "min", "ago", "team/app", "v1,", "latest", DIGEST[:19], "2", "signature", "x2,", "sbom", "ci"]
    assert said.splitlines()[1].split()[: len(words)] == words
    assert fake.asked == [("/api/pushes", {"repository": "team/*", "actor": "ci", "limit": "50"})]


def test_activity(fake: FakeRegistrail, url: str) -> None:
    """A line for each period, of the last week unless something else is said."""
    period = {"registry": "r.io", "grain": "day", "period": "2026-06-15", "repository": None, "actor": "ci"}
    fake.answers["/api/activity"] = listed({**period, "client": None, "events": 5, "pushes": 4, "tags_moved": 0})
    code, said, _ = registrail("activity", "--by", "actor", "--url", url)
    assert (code, [line.split() for line in said.splitlines()]) == (
        0,
        [["period", "actor", "events", "pushes"], ["2026-06-15", "ci", "5", "4"]],
    )
    registrail("activity", "team/app", "--since", "24h", "--grain", "hour", "--client", "x", "--json", "--url", url)
    assert [parameters for _, parameters in fake.asked] == [
        {"since": "7d", "by": "actor", "grain": "day", "limit": "1000"},
        {"repository": "team/app", "since": "24h", "grain": "hour", "client": "x", "limit": "1000"},
    ]


def test_activity_of_many_periods(fake: FakeRegistrail, url: str) -> None:
    """All pages are shown, as one list."""

    def page(wanted: Mapping[str, str]) -> dict[str, Any]:
        number = int(wanted.get("cursor", "1"))
        more = str(number + 1) if number < 3 else None
        return listed({"period": f"2026-06-{number:02}", "events": number}, following=more)

    fake.answers["/api/activity"] = page
    code, said, _ = registrail("activity", "--json", "--url", url)
    found = json.loads(said)
    assert (code, [item["events"] for item in found["items"]], found["next"]) == (0, [1, 2, 3], None)


def test_deliveries(fake: FakeRegistrail, url: str) -> None:
    """A list, or one whole."""
    delivery = {
        "id": "acr~1~2",
        "received_at": ago(minutes=1),
        "outcome": "rejected",
        "status": 400,
        "accepted": 0,
        "problem": "not JSON",
    }
    fake.answers["/api/deliveries"] = listed(delivery)
    fake.answers["/api/deliveries/acr~1~2"] = {**delivery, "body": '{\r\n  "a": 1\x1b\n'}
    said = registrail("deliveries", "--outcome", "rejected", "--url", url)[1]
    assert said.splitlines()[1].split() == ["1", "min", "ago", "rejected", "400", "acr~1~2", "not", "JSON"]
    said = registrail("deliveries", "acr~1~2", "--url", url)[1]
    assert "problem      not JSON\n" in said
    assert 'body         {\n               "a": 1\\x1b\n' in said  # what does not print is escaped
    assert json.loads(registrail("deliveries", "acr~1~2", "--json", "--url", url)[1])["status"] == 400
    assert fake.asked[0] == ("/api/deliveries", {"outcome": "rejected", "limit": "50"})
