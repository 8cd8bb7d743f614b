"""Tables as a terminal of some width shows them."""

from io import StringIO
from typing import Any, Final

import pytest
from rich.console import Console

from registrail.local import show
from registrail.local.past import MOVEMENT
from registrail.local.show import Column

DIGEST: Final = f"sha256:{'1' * 12}{'2' * 52}"
CLIENT: Final = "docker/27.3.1 go/go1.22.7 git-commit/41ca978 os/linux arch/amd64"
MOVED: Final = {
    "at": "2026-06-15T11:59:00.0000000Z",
    "change": "unchanged",
    "digest": DIGEST,
    "previous_digest": DIGEST,
    "actor": None,
    "client": CLIENT,
}


def lines(columns: list[Column], items: list[dict[str, Any]], width: int) -> tuple[list[str], list[str]]:
    """A table as somebody sees it, and what was left out."""
    made, left_out = show.table(columns, items, width)
    output = Console(file=StringIO(), width=width, highlight=False)
    output.print(made)
    assert isinstance(output.file, StringIO)
    return [line.rstrip() for line in output.file.getvalue().splitlines()], left_out


def test_a_wide_terminal_shows_all() -> None:
    """As it is, in one line."""
    [_, line], left_out = lines(list(MOVEMENT), [MOVED], 240)
    assert f"{DIGEST[:19]}  {DIGEST[:19]}  {CLIENT}  " in line
    assert left_out == []


def test_eighty_columns_are_enough_for_a_timeline() -> None:
    """In one line for each movement: digests without their algorithm, clients by their first name."""
    [title, line], left_out = lines(list(MOVEMENT), [MOVED], 80)
    assert title == "at                       change     digest        before        client"
    assert line == "2026-06-15 11:59:00 UTC  unchanged  111111111111  111111111111  docker/27.3.1 …"
    assert left_out == ["when"]


def test_other_algorithms_keep_their_name() -> None:
    """They are rare, so it tells something."""
    [_, line], _ = lines([show.digest_column("digest", "digest")], [{"digest": f"sha512:{'1' * 128}"}], 10)
    assert line.startswith("sha512:")


NAMES: Final = [
    Column("when", lambda _: "12 min ago"),
    Column("repository", show.text("repository")),
    Column("tags created", show.text("number"), right=True),
    Column("tags moved", show.text("number"), right=True, is_spare=True),
]


@pytest.mark.parametrize("width", [40, 45, 60, 80])
def test_names_are_folded_and_numbers_are_not(width: int) -> None:
    """Titles go over several lines, names too, and nothing of a name is lost; only what is spare is left out."""
    name = "a-platform-team/some-service-of-theirs"
    shown, left_out = lines(NAMES, [{"repository": name, "number": 1234}], width)
    body = shown[next(at for at, line in enumerate(shown) if line.startswith("12 min ago")) :]
    assert "".join(line[12:].split()[0] for line in body) == name
    assert body[0].split()[4] == "1234"
    assert left_out == (["tags moved"] if width < 42 else [])
    assert max(map(len, shown)) <= width


def test_clients_that_are_one_word_stay() -> None:
    """There is no dot dot dot where nothing is missing."""
    [_, line], _ = lines([show.client_column(), Column("x", lambda _: "y" * 30)], [{"client": "Helm/3.16.2"}], 44)
    assert line.split()[0] == "Helm/3.16.2"
