"""The commands over a store with a history, without anything fake in between."""

import asyncio
import json
from pathlib import Path
from typing import Any, Final

import pytest

from registrail.compose import use_cases
from registrail.senders.sender import Request
from registrail.settings import Settings
from registrail.storage.sqlite import SqliteStore
from tests.local.fake_registrail import registrail

FIRST: Final = f"sha256:{'1' * 64}"
SECOND: Final = f"sha256:{'2' * 64}"
STORY: Final = (
    ("2026-06-01T10:00:00Z", "push", "v1", FIRST, "ci"),
    ("2026-06-01T10:00:05Z", "push", "latest", FIRST, "ci"),
    ("2026-06-10T10:00:00Z", "push", "latest", SECOND, "ci"),
    ("2026-06-12T10:00:00Z", "delete", None, FIRST, "mallory"),
)


async def tell(file: Path) -> None:
    """Have a registry report all of it."""
    store = SqliteStore(str(file))
    ingest = use_cases(store, Settings()).ingest
    for number, (at, action, tag, digest, actor) in enumerate(STORY):
        event: dict[str, Any] = {
            "id": str(number),
            "action": action,
            "timestamp": at,
            "target": {"repository": "team/app", "digest": digest} | ({"tag": tag} if tag else {}),
            "request": {"id": str(number), "host": "r.azurecr.io", "useragent": "docker/27"},
            "actor": {"name": actor},
        }
        receipt = await ingest.receive("acr", Request(body=json.dumps(event).encode()), path="/hooks/acr")
        assert receipt.answer is not None
    await store.close()


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Record into a file."""
    file = tmp_path_factory.mktemp("history") / "registrail.db"
    asyncio.run(tell(file))
    return f"sqlite:///{file}"


def said(*arguments: str) -> str:
    """What a command says, when all is well."""
    code, words, error = registrail(*arguments)
    assert (code, error) == (0, "")
    return words


def test_timeline(storage: str) -> None:
    """Newest first."""
    lines = said("timeline", "team/app", "latest", "--storage", storage).splitlines()
    words = [line.split() for line in lines[1:]]
    assert [(line[3], line[4]) for line in words] == [("moved", SECOND[:19]), ("created", FIRST[:19])]
    items = json.loads(said("timeline", "team/app:latest", "--json", "--storage", storage))["items"]
    assert [(item["change"], item["digest"], item["actor"]) for item in items] == [
        ("moved", SECOND, "ci"),
        ("created", FIRST, "ci"),
    ]


@pytest.mark.parametrize(
    ("image", "at", "expected"),
    [
        (
            "team/app:latest",
            "2026-06-05",
            f"{FIRST}\nteam/app:latest pointed there since 2026-06-01 10:00:05 UTC by ci",
        ),
        ("team/app:latest", "2026-06-11", f"{SECOND}\n"),
        ("team/app:v1", "2026-05-01", "team/app:v1 did not exist yet at 2026-05-01."),
        ("team/app:v1", "2026-06-13", "team/app:v1 was absent: deleted 2026-06-12 10:00:00 UTC by mallory"),
    ],
)
def test_as_of_a_tag(storage: str, image: str, at: str, expected: str) -> None:
    """Before, between and after."""
    assert said("as-of", image, "--at", at, "--storage", storage).startswith(expected)


def test_as_of_all(storage: str) -> None:
    """Every tag of a repository, or of the registry."""
    for image in (["team/app"], []):
        lines = said("as-of", *image, "--at", "2026-06-11", "--storage", storage).splitlines()
        assert [line.split()[:3] for line in lines[1:]] == [["team/app", "latest", SECOND], ["team/app", "v1", FIRST]]


def test_tags(storage: str) -> None:
    """What is there, and what was."""
    lines = said("tags", "team/app", "--storage", storage).splitlines()
    assert [line.split()[1] for line in lines[1:]] == ["latest"]
    lines = said("tags", "team/app", "--absent", "--storage", storage).splitlines()
    assert [line.split()[1:3] for line in lines[1:]] == [["latest", SECOND[:19]], ["v1", "-"]]


@pytest.mark.parametrize("image", ["team/app:v1", FIRST, f"team/app@{FIRST}", "team/*"])
def test_who_deleted(storage: str, image: str) -> None:
    """By the tag that was removed with it, by digest, or by repository."""
    words = said("who-deleted", image, "--storage", storage)
    assert f"team/app@{FIRST}\n  deleted 2026-06-12 10:00:00 UTC (" in words
    assert "by mallory with docker/27" in words
    assert "v1 (since 2026-06-01 10:00:00 UTC)" in words
    assert "first pushed 2026-06-01 10:00:00 UTC by ci" in words


def test_nobody_deleted_it(storage: str) -> None:
    """That is no error."""
    assert registrail("who-deleted", "team/app:latest", "--storage", storage) == (0, "", "There is nothing.\n")


def test_export_a_timeline(storage: str) -> None:
    """With all that a movement has."""
    lines = said("export", "timeline", "team/app:latest", "-f", "ndjson", "--storage", storage).splitlines()
    found = [json.loads(line) for line in lines]
    assert found == json.loads(said("timeline", "team/app:latest", "--json", "--storage", storage))["items"]


def test_activity(storage: str) -> None:
    """What happened, counted."""
    text = said("activity", "--since", "2026-06-01", "--until", "2026-06-30", "--storage", storage)
    assert [line.split()[0] for line in text.splitlines()[1:]] == ["2026-06-01", "2026-06-10", "2026-06-12"]


ALL_THAT_LIST: Final = (
    ["events"],
    ["events", "--json"],
    ["events", "--all", "--json"],
    ["pushes"],
    ["tags"],
    ["activity"],
    ["as-of", "--at", "1h"],
    ["who-deleted"],
    ["export", "events"],
    ["export", "pushes", "--format", "ndjson"],
)


@pytest.mark.parametrize("command", ALL_THAT_LIST)
def test_a_repository_that_nobody_knows(storage: str, command: list[str]) -> None:
    """It is mistyped, as a rule: that is no answer, and the right one may be like it."""
    what = command[:2] if command[0] == "export" else command[:1]
    expected = "there was never a push or delete of team/ap; did you mean team/app?\n"
    assert registrail(*what, "team/ap", *command[len(what) :], "--storage", storage) == (1, "", expected)


@pytest.mark.parametrize("command", ["timeline", "as-of", "events", "export timeline"])
def test_a_tag_that_nobody_knows(storage: str, command: str) -> None:
    """Likewise; a tag that is gone is known."""
    at = ["--at", "2026-06-20"] if command == "as-of" else []
    expected = "team/app never had a tag v2; registrail tags team/app --absent lists those it had.\n"
    assert registrail(*command.split(), "team/app:v2", *at, "--storage", storage) == (1, "", expected)
    assert registrail(*command.split(), "team/app:v1", *at, "--storage", storage)[0] == 0


@pytest.mark.parametrize("options", [[], ["--all"], ["--json"]])
def test_a_sender_that_nobody_knows(storage: str, options: list[str]) -> None:
    """Those that there are are named; one without requests is known."""
    expected = "no sender is called azure; there are acr, eventgrid, distribution, harbor.\n"
    assert registrail("deliveries", "--sender", "azure", *options, "--storage", storage) == (1, "", expected)
    assert registrail("deliveries", "--sender", "harbor", *options, "--storage", storage)[0] == 0


@pytest.mark.parametrize("command", ["events", "tags", "pushes", "timeline team/app:v1", "activity", "export pushes"])
def test_a_registry_that_nobody_knows(storage: str, command: str) -> None:
    """Those that are known are named."""
    expected = "no registry r.azurecr.oi ever sent an event; there are r.azurecr.io.\n"
    arguments = [*command.split(), "--registry", "r.azurecr.oi", "--storage", storage]
    assert registrail(*arguments) == (1, "", expected)


@pytest.mark.parametrize(
    "command", ["events", "pushes", "timeline team/app:v1", "who-deleted team/app", "export events"]
)
def test_a_time_that_ends_before_it_begins(storage: str, command: str) -> None:
    """Nothing can lie in it, so it is mistaken."""
    arguments = [*command.split(), "--since", "1h", "--until", "2h", "--storage", storage]
    expected = "--until 2h is not after --since 1h: nothing lies between.\n"
    assert registrail(*arguments) == (1, "", expected)


def test_nothing_of_what_is_known(storage: str) -> None:
    """That is an answer."""
    for command in (["events", "team/app", "--since", "1h"], ["pushes", "team/app:v1", "--until", "2026-01-01"]):
        assert registrail(*command, "--storage", storage) == (0, "", "There is nothing.\n")
