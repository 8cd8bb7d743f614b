"""The body of a request as people can read it: JSON indented, text as it is, anything else as bytes."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from markupsafe import Markup, escape

from registrail.errors import MalformedError
from registrail.senders.payload import read_json

SHOWN: Final = 48_000
"""Characters that are shown of a body; whoever wants more saves it."""
BYTES_SHOWN: Final = 512

Kind = Literal["nothing", "json", "text", "bytes"]

_DEEPEST: Final = 30
"""Levels that are indented; what is nested deeper is not moved further to the right."""
_ACROSS: Final = 16
_TOKEN: Final = re.compile(
    r'(?P<key>"[^"\\]*(?:\\.[^"\\]*)*"(?=[ \t\r\n]*:))|(?P<string>"[^"\\]*(?:\\.[^"\\]*)*")'
    r"|(?P<number>-?[0-9][0-9.eE+-]*)|(?P<word>true|false|null)|(?P<mark>[][{},:])",
    re.DOTALL,
)
_UNSEEN: Final = {
    code: f"\\u{code:04x}"
    for code in (0xAD, 0x61C, *range(0x200B, 0x2010), *range(0x2028, 0x202F), *range(0x2060, 0x2070), 0xFEFF)
}
"""Characters that are not seen, or that change the order of others, as JSON may write them."""
_NO_TEXT: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Body:
    """What is shown.

    Attributes:
        text: HTML for inside a `pre`.
        is_whole: whether that is everything that the log has.
    """

    kind: Kind
    text: Markup
    is_whole: bool = True


def shown(body: bytes) -> Body:
    """Find out what a body is, and write it down."""
    if not body:
        return Body("nothing", Markup(""))
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        return _dump(body)
    if _NO_TEXT.search(text):
        return _dump(body)
    text = text.translate(_UNSEEN)
    try:
        read_json(body)
    except MalformedError:
        return Body("text", escape(text[:SHOWN]), len(text) <= SHOWN)
    return _indented(text)


def _dump(body: bytes) -> Body:
    """Offset, bytes and characters, as `hexdump -C` has them."""
    lines = []
    for offset in range(0, min(len(body), BYTES_SHOWN), _ACROSS):
        line = body[offset : min(offset + _ACROSS, BYTES_SHOWN)]
        characters = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in line)  # noqa: PLR2004 - ASCII
        lines.append(f"{offset:08x}  {line.hex(' '):<{3 * _ACROSS}} {characters}")
    return Body("bytes", escape("\n".join(lines)), len(body) <= BYTES_SHOWN)


def _indented(text: str) -> Body:
    """JSON over several lines: white space between tokens differs from what was sent, and nothing else that counts."""
    parts: list[Markup] = []
    length = 0
    for kind, token in _laid_out(text):
        if length + len(token) > SHOWN:
            parts.append(escape(token[: SHOWN - length]))
            return Body("json", Markup("").join(parts), is_whole=False)
        length += len(token)
        parts.append(Markup('<span class="{}">{}</span>').format(kind, token) if kind else escape(token))
    return Body("json", Markup("").join(parts))


def _laid_out(text: str) -> Iterator[tuple[str, str]]:
    """Tokens with their kinds, and white space between them; a kind of "" needs no colour."""
    depth, before = 0, ""
    for match in _TOKEN.finditer(text):
        kind, token = match.lastgroup or "", match[0]
        closes = token in {"}", "]"}
        depth -= closes
        if (closes and before not in {"{", "["}) or (not closes and before in {"{", "[", ","}):
            yield "", "\n" + "  " * min(depth, _DEEPEST)
        elif before == ":":
            yield "", " "
        yield ("" if kind == "mark" else kind), token
        depth += token in {"{", "["}
        before = token if kind == "mark" else ""
