import json
import re
from html import unescape
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registrail.web.bodies import BYTES_SHOWN, SHOWN, shown

JSON: Final = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def text_of(body: bytes) -> str:
    """What somebody who looks at it reads."""
    return unescape(re.sub("<[^>]*>", "", shown(body).text))


@given(JSON, st.sampled_from([None, 3]), st.booleans())
def test_json_is_still_the_same(value: Any, indent: int | None, plain: bool) -> None:  # noqa: FBT001
    """Whatever it holds and however it was sent, only its layout changes."""
    body = json.dumps(value, indent=indent, ensure_ascii=plain).encode("utf-8", "replace")
    assert shown(body).kind in {"json", "bytes"}
    if shown(body).kind == "json":
        assert json.loads(text_of(body)) == json.loads(body)


def test_layout() -> None:
    """Two spaces for each level; nothing in an empty object; numbers, escapes and repeated names as they came."""
    body = b'{"a":[1,2.50,{}],\n\n"a" : "\\u0041\\"}","b":{"c":null,"d":[[],true]}}'
    expected = """{
  "a": [
    1,
    2.50,
    {}
  ],
  "a": "\\u0041\\"}",
  "b": {
    "c": null,
    "d": [
      [],
      true
    ]
  }
}"""
    assert text_of(body) == expected


def test_colours() -> None:
    """Names, texts, numbers and words are told apart; marks need no colour."""
    html = shown(b'{"k": "v", "n": -1e9, "w": false}').text
    assert re.findall('<span class="([a-z]+)">([^<]*)</span>', html) == [
        ("key", "&#34;k&#34;"),
        ("string", "&#34;v&#34;"),
        ("key", "&#34;n&#34;"),
        ("number", "-1e9"),
        ("key", "&#34;w&#34;"),
        ("word", "false"),
    ]


@pytest.mark.parametrize("body", [b'{"<script>": "</pre><img src=x>"}', b"<script>", b"</pre>\xff<script>"])
def test_what_strangers_write_stays_text(body: bytes) -> None:
    """In any kind of body."""
    assert re.findall("<(?!/?span)", shown(body).text) == []


def test_unseen_characters_are_seen() -> None:
    """One that turns the direction round must not make a name look like another."""
    assert text_of('"\u202elive\u200b"'.encode()) == '"\\u202elive\\u200b"'


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", "nothing"),
        (b"\xef\xbb\xbf{}", "json"),
        (b"{,}", "text"),
        (b"NaN", "text"),
        (b"[" * 5_000, "text"),
        (b"a=1&b=2\r\n", "text"),
        (b"\xff", "bytes"),
        (b"{}\x00", "bytes"),
        (b"\x1f\x8b\x08", "bytes"),
    ],
)
def test_kinds(body: bytes, kind: str) -> None:
    """What cannot be read as JSON is shown as what it is."""
    assert shown(body).kind == kind


def test_bytes() -> None:
    """As hexdump shows them, the first of them."""
    assert text_of(b"\x00AB\xff") == "00000000  00 41 42 ff" + " " * 38 + ".AB."
    long = shown(bytes(range(256)) * 4)
    assert (long.is_whole, len(long.text.splitlines())) == (False, BYTES_SHOWN // 16)


@pytest.mark.parametrize(
    "body",
    [
        b'{"a": "' + b"x" * 900_000 + b'"}',
        b"[" + b"1," * 400_000 + b"1]",
        b"x" * 900_000,
        b"[" * 400 + b"1" + b"]" * 400 + b" " * 900_000,
    ],
)
def test_long_bodies_are_cut(body: bytes) -> None:
    """A page must not become as long as a sender likes."""
    found = shown(body)
    assert len(text_of(body)) <= SHOWN
    assert found.is_whole == (b"[[" in body)
