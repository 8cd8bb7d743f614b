import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from registrail.storage.rowjson import ascii_json, read_json, readable_json

TEXTS = st.text(st.characters())
NUMBERS = st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
COLUMNS = st.dictionaries(TEXTS, TEXTS | st.booleans() | NUMBERS)


@given(COLUMNS)
@example({"half of a pair": "\ud800", "é": "\x00\x1f\x7f\u2028🐳"})
def test_it_is_the_json_of_the_standard_library(columns: dict[str, Any]) -> None:
    """Both writers say what the standard library reads, halves of surrogate pairs too, and so does our reader."""
    for text in (ascii_json(columns), readable_json(columns)):
        assert json.loads(text) == columns
        assert read_json(text) == columns
    assert ascii_json(columns).isascii()


def test_letters_stay_readable() -> None:
    """People look into SQLite's rows."""
    assert readable_json({"name": "é 🐳"}) == '{"name":"é 🐳"}'


@pytest.mark.parametrize("text", ["", "{", "nothing", b"\xff"])
def test_what_is_no_json(text: str | bytes) -> None:
    """It is a ValueError, as of the standard library."""
    with pytest.raises((json.JSONDecodeError, UnicodeDecodeError)):
        read_json(text)
