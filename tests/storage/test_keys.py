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


@given(st.integers(0, LAST_TICK), st.binary(min_size=16, max_size=16))
@example(0, bytes(16))
@example(LAST_TICK, bytes(15) + b"\x01")
def test_an_event_in_bytes_comes_back(at: int, content: bytes) -> None:
    """Whatever its time and its hash, in less than half of the bytes that the text takes."""
    row = keys.event_row(Instant(at), content.hex())
    packed = keys.pack_event(row)
    assert (keys.unpack_event(packed), len(packed)) == (row, 24)


@given(*(st.tuples(st.integers(0, LAST_TICK), st.binary(min_size=16, max_size=16)) for _ in range(2)))
def test_events_in_bytes_are_in_the_order_of_their_keys(one: tuple[int, bytes], other: tuple[int, bytes]) -> None:
    """So that whoever sorts by such a column has the newest first."""
    rows = [keys.event_row(Instant(at), content.hex()) for at, content in (one, other)]
    assert sorted(rows) == [keys.unpack_event(packed) for packed in sorted(map(keys.pack_event, rows))]


def test_the_inverted_time_in_bytes() -> None:
    """As the documentation says: eight bytes, the highest first, then the hash."""
    assert keys.pack_event(f"{0x0102030405060708:019d}~{'0f' * 16}").hex() == "0102030405060708" + "0f" * 16


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
