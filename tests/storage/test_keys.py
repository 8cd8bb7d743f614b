import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from registrail.instants import LAST_TICK, Instant
from registrail.storage import keys

TEXTS = st.text(st.characters(codec="utf-8"))
FORBIDDEN = re.compile(r"[/\\#?\x00-\x1f\x7f-\x9f~%*]|[^\x20-\x7e]")


@given(TEXTS.filter(lambda text: len(keys.encode(text)) < keys.LONGEST_PART))
@example("team/app")
@example("a|b")
@example("a=2Fb")
@example("==")
@example("~*%#?\\\x00\x7f\x85 'é\U0001f433")
def test_any_text_comes_back(text: str) -> None:
    """Whatever a sender calls a repository, its key gives the name back."""
    assert keys.decode(keys.encode(text)) == text


@given(TEXTS)
@example("x" * 5000)
@example("\U0001f433" * 300)
def test_parts_are_allowed_in_keys(text: str) -> None:
    """A part is short, ASCII, and has nothing that Table Storage forbids or that separates parts."""
    part = keys.encode(text)
    assert (FORBIDDEN.findall(part), len(part) <= keys.LONGEST_PART) == ([], True)


@given(TEXTS, TEXTS)
@example("x" * 300 + "a", "x" * 300 + "b")
def test_different_texts_have_different_parts(one: str, other: str) -> None:
    """No two names share a key, even where keys are cut."""
    assert (keys.encode(one) == keys.encode(other)) == (one == other)


def test_names_stay_readable() -> None:
    """What registries allow is legible in the table."""
    assert keys.encode("registry.azurecr.io:5000/team/my-app_2.x") == "registry.azurecr.io:5000|team|my-app_2.x"


def test_a_cut_part_cannot_be_read_back() -> None:
    """It says so instead of giving another name."""
    with pytest.raises(ValueError, match="was cut"):
        keys.decode(keys.encode("x" * 300))


@given(st.integers(0, LAST_TICK), st.integers(1, LAST_TICK), st.integers(1, LAST_TICK))
def test_time_range_is_since_inclusive_until_exclusive(at: int, since: int, until: int) -> None:
    """A row lies in the range of keys exactly when its time lies in the range of times."""
    row = keys.event_row(Instant(at), "0" * 32)
    start, stop = keys.time_range(Instant(since), Instant(until))
    assert (start <= row and (stop is None or row < stop)) == (since <= at < until)


@pytest.mark.parametrize("ends", [(None, None), (Instant(0), None)])
def test_open_time_range(ends: tuple[Instant | None, Instant | None]) -> None:
    """No end means no bound."""
    assert keys.time_range(*ends) == ("", None)
