from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.responses import PlainTextResponse, RedirectResponse

from registrail.local.problems import LocalError
from registrail.local.reference import Reference
from tests.local.fake_registrail import FakeRegistrail, listed, problem, registrail, serving

pytestmark = pytest.mark.sockets

COMMANDS = (
    ["events"],
    ["tags"],
    ["pushes"],
    ["activity"],
    ["deliveries"],
    ["timeline", "team/app", "v1"],
    ["as-of", "team/app:v1", "--at", "1h"],
    ["as-of", "--at", "1h"],
    ["who-deleted", "team/app:v1"],
    ["export", "events"],
    ["export", "pushes"],
    ["replay", "--all"],
)
DIGEST = f"sha256:{'ab' * 32}"


@pytest.fixture
def fake() -> FakeRegistrail:
    """Answer nothing yet."""
    return FakeRegistrail()


@pytest.fixture
def url(fake: FakeRegistrail) -> Iterator[str]:
    """Serve the fake."""
    with serving(fake) as address:
        yield address


def everywhere(answer: Any) -> dict[str, Any]:
    """The same answer at every path."""
    names = ("events", "tags", "pushes", "activity", "deliveries", "timeline", "deletes")
    return {f"/api/{name}": answer for name in names}


@pytest.mark.parametrize("command", COMMANDS)
def test_nobody_there_is_one_line(command: list[str]) -> None:
    """That says what to do."""
    code, said, error = registrail(*command, REGISTRAIL_URL="http://127.0.0.1:1")
    assert (code, said, error.count("\n")) == (1, "", 1)
    assert error.startswith("Nobody answers at http://127.0.0.1:1 (")
    assert "make run" in error


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (
            lambda _: problem(401, "An access key is needed"),
            "URL wants a key (401, An access key is needed): set REGISTRAIL_KEY, or give --key-file.\n",
        ),
        (lambda _: problem(403, "this needs\nmore"), "URL does not let you (403): this needs more.\n"),
        (lambda _: RedirectResponse("/login"), "URL wants somebody to sign in (307): set REGISTRAIL_KEY, or give "),
        (lambda _: problem(503, "the store is away"), "URL answers 503: the store is away.\n"),
        (
            lambda _: problem(400, "since: 'x' is no time", parameter="since"),
            "--since: 'x' is no time.\n",
        ),
        (lambda _: problem(400, "is missing", parameter="registry"), "--registry: is missing.\n"),
        (lambda _: PlainTextResponse("<html>"), "URL does not answer as Registrail does: is the address right?\n"),
        (lambda _: PlainTextResponse("<html>", 500), "URL answers 500: Internal Server Error.\n"),
    ],
)
@pytest.mark.parametrize("command", COMMANDS)
def test_a_refusal_is_one_line(
    fake: FakeRegistrail, url: str, command: list[str], answer: object, expected: str
) -> None:
    """Whatever is refused, and whoever answers; nothing is on standard output."""
    fake.answers = everywhere(answer)
    code, said, error = registrail(*command, "--url", url)
    assert (code, error.count("\n")) == (1, 1)
    assert error.startswith(expected.replace("URL", url).removesuffix("."))
    assert said == ""


def test_what_an_older_app_does_not_have(url: str) -> None:
    """It is said so."""
    assert registrail("tags", "--url", url)[2] == f"{url} has no /api/tags: is it an older Registrail?\n"


def test_the_key_is_of_the_environment_or_a_file(fake: FakeRegistrail, url: str, tmp_path: Path) -> None:
    """It is sent as a bearer, and there is no option that others could see it in."""
    fake.answers = everywhere(listed())
    (tmp_path / "key").write_text("rgt_file\n")
    registrail("events", "--url", url)
    registrail("events", "--url", url, REGISTRAIL_KEY="rgt_environment")
    registrail("events", "--url", url, "--key-file", f"{tmp_path}/key", REGISTRAIL_KEY="rgt_environment")
    sent = [headers.get("authorization") for headers in fake.headers]
    assert sent == [None, "Bearer rgt_environment", "Bearer rgt_file"]
    code, _, error = registrail("events", "--url", url, "--key-file", f"{tmp_path}/none")
    assert (code, error.count("\n"), "cannot be read" in error) == (1, 1, True)
    (tmp_path / "key").write_bytes("schlüssel\n".encode())
    assert registrail("events", "--url", url, "--key-file", f"{tmp_path}/key")[2].count("\n") == 1
    assert registrail("events", "--key", "secret")[0] == 2


@pytest.mark.parametrize("url", ["localhost:7071", "ftp://x", "http://", "nonsense", "http://[::1"])
def test_an_address_that_is_none(url: str) -> None:
    """One line, too."""
    code, _, error = registrail("events", "--url", url)
    assert (code, error) == (1, f"--url {url!r} is no address such as http://localhost:7071.\n")


@pytest.mark.parametrize(
    ("storage", "expected"),
    [
        ("sqlite:///nowhere.db", "there is no file nowhere.db.\n"),
        ("sqlite:///", "--storage names no file: write sqlite:///path\n"),
        ("nonsense", "--storage is neither sqlite:///path nor a connection string\n"),
        (
            "env",
            "REGISTRAIL_STORAGE is not set: give sqlite:///path, a connection string or UseDevelopmentStorage=true\n",
        ),
        ("a=b", "REGISTRAIL_STORAGE is not a connection string"),
    ],
)
def test_storage_that_is_none(storage: str, expected: str) -> None:
    """Nothing is made by reading."""
    code, said, error = registrail("events", "--storage", storage, REGISTRAIL_STORAGE="")
    assert (code, said) == (1, "")
    assert error.startswith(expected)
    assert not Path("nowhere.db").exists()


def test_a_file_that_is_no_store(tmp_path: Path) -> None:
    """It is one line, and no traceback."""
    (tmp_path / "x.db").write_bytes(b"nonsense" * 1000)
    code, said, error = registrail("events", "--storage", f"sqlite:///{tmp_path}/x.db")
    assert (code, said, error.count("\n")) == (1, "", 1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, Reference()),
        ("app", Reference(repository="app")),
        ("team/app", Reference(repository="team/app")),
        ("team/*", Reference(repository="team/*")),
        ("team/app:v1", Reference(repository="team/app", tag="v1")),
        (f"team/app@{DIGEST}", Reference(repository="team/app", digest=DIGEST)),
        (f"team/app:v1@{DIGEST}", Reference(repository="team/app", tag="v1", digest=DIGEST)),
        (DIGEST, Reference(digest=DIGEST)),
        ("R.azurecr.io/team/app:v1", Reference(registry="r.azurecr.io", repository="team/app", tag="v1")),
        ("localhost:5000/app", Reference(registry="localhost:5000", repository="app")),
        ("localhost/app:v1", Reference(registry="localhost", repository="app", tag="v1")),
    ],
)
def test_references(text: str | None, expected: Reference) -> None:
    """As people write them."""
    assert Reference.parse(text) == expected


@pytest.mark.parametrize("text", [":v1", "app:", "app@", "@sha256:1", "r.io/"])
def test_what_is_no_reference(text: str) -> None:
    """It is an error that shows the right ones."""
    with pytest.raises(LocalError, match="is no image: write team/app"):
        Reference.parse(text)
