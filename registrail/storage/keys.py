r"""Partition and row keys: what they are made of, and how any text becomes a part of one.

Table Storage forbids `/ \ # ?` and control characters in keys. A part of a key keeps letters, digits and `. - _ : @`
as they are, writes `/` as `|`, and everything else as `=` and two hexadecimal digits for each byte of UTF-8. So
`team/app` is `team|app`, keys are ASCII on every engine (hence ordered alike), and `decode` gives the text back. Parts
are joined by `~`, which no part contains; `*` stands for all repositories, and no repository can pass for it.
"""

import hashlib
import re
from functools import lru_cache
from typing import Final

from registrail.instants import LAST_TICK, Instant

LONGEST_PART: Final = 256
"""Characters of an encoded part; a longer one is cut and ends in `=` `=` and a hash (names that no registry allows)."""

UNDATED: Final = "undated"
"""In place of a day, for events whose time is missing or absurd."""

ALL: Final = "*"
"""In place of a repository, for the sum of all."""

_BYTES_OF_TIME: Final = 8

_PLAIN = re.compile(r"[A-Za-z0-9._:@-]*")
_SPECIAL = re.compile(r"[^A-Za-z0-9._:@-]")
_ESCAPED = re.compile(r"=([0-9A-F]{2})")


def encode(text: str, longest: int = LONGEST_PART) -> str:
    """Make any text a part of a key.

    Nothing is remembered: names of tags and digests that outlive a fold hold the memory around them.
    """
    encoded = text if _PLAIN.fullmatch(text) else _SPECIAL.sub(_escape, text)
    if len(encoded) <= longest:
        return encoded
    digest = hashlib.sha256(text.encode()).hexdigest()[:32]
    return f"{encoded[: longest - 34]}=={digest}"


def decode(part: str) -> str:
    """Undo `encode`.

    Raises:
        ValueError: the part was cut; the full text is in the row's own columns.
    """
    if "=" not in part:
        return part.replace("|", "/")
    if "==" in part:
        message = f"{part!r} was cut"
        raise ValueError(message)
    raw = re.sub(_ESCAPED, lambda match: chr(int(match[1], 16)), part.replace("|", "/"))
    return raw.encode("latin-1").decode()


def _escape(match: re.Match[str]) -> str:
    character = match[0]
    return "|" if character == "/" else "".join(f"={byte:02X}" for byte in character.encode())


def join(*parts: str) -> str:
    """Join encoded parts."""
    return "~".join(parts)


def is_cut(text: str, longest: int) -> bool:
    """Whether a text is too long to be read from the part of a key that it makes."""
    return "==" in encode(text, longest)


def if_cut(name: str, text: str, longest: int = LONGEST_PART) -> dict[str, str]:
    """The column that a text needs, as it cannot be read from the part of a key that it makes; else none."""
    return {name: text} if is_cut(text, longest) else {}


@lru_cache(maxsize=1000)
def event_partition(registry: str, day: str) -> str:
    """Of the table `events`; `day` is `YYYY-MM-DD` or `undated`."""
    return join(encode(registry), day)


@lru_cache(maxsize=1000)
def registry_of(partition: str) -> str:
    """The registry that an `event_partition` names.

    Raises:
        ValueError: it was cut.
    """
    return decode(partition.rpartition("~")[0])


def event_row(occurred_at: Instant, content: str) -> str:
    """Of a dated event: newest first, then by content hash."""
    return join(occurred_at.inverted, content)


def pack_event(row: str) -> bytes:
    """The row key of a dated event in 24 bytes instead of 52 characters: the inverted time in 8, the hash in 16."""
    time, content = row.split("~")
    return int(time).to_bytes(_BYTES_OF_TIME) + bytes.fromhex(content)


def unpack_event(packed: bytes) -> str:
    """Undo `pack_event`."""
    return f"{int.from_bytes(packed[:_BYTES_OF_TIME]):019d}~{packed[_BYTES_OF_TIME:].hex()}"


def undated_row(content: str, arrival: str) -> str:
    """Of an event without a usable time."""
    return join(content, arrival)


def time_range(since: Instant | None, until: Instant | None) -> tuple[str, str | None]:
    """The rows of `since` <= time < `until` in a partition ordered newest first, as `start` and `stop` of a scan."""
    start = f"{LAST_TICK + 1 - until.ticks:019d}" if until else ""
    stop = Instant(since.ticks - 1).inverted if since and since.ticks else None
    return start, stop


def activity_row(grain: str, repository: str | None, period: str) -> str:
    """Of the table `activity`; None is all repositories. Oldest first, so that a chart is one range."""
    return join(grain, ALL if repository is None else encode(repository), period)


@lru_cache(maxsize=1000)
def delivery_partition(sender: str, day: str) -> str:
    """Of the table `deliveries`."""
    return join(encode(sender), day)


LONGEST_REPOSITORY: Final = 200
"""Where a repository shares a key with a tag and a digest, so that all of them together are no longer than 512."""
LONGEST_TAG: Final = 128
LONGEST_DIGEST: Final = 120


def repository_row(repository: str) -> str:
    """Of the table `history`: what is known of a repository."""
    return join("repository", encode(repository, LONGEST_REPOSITORY))


def tag_row(repository: str, tag: str) -> str:
    """Of the table `history`: a tag as of now; by repository, then by name."""
    return join("tag", encode(repository, LONGEST_REPOSITORY), encode(tag, LONGEST_TAG))


def move_row(repository: str, tag: str, event: str) -> str:
    """Of the table `history`: one movement of a tag, newest first; without an event the beginning of all of them."""
    return join("move", encode(repository, LONGEST_REPOSITORY), encode(tag, LONGEST_TAG), event)


def digest_row(digest: str, repository: str) -> str:
    """Of the table `history`: a digest in a repository."""
    return join("digest", encode(digest, LONGEST_DIGEST), encode(repository, LONGEST_REPOSITORY))


def hold_row(digest: str, repository: str, tag: str, begin: str) -> str:
    """Of the table `history`: that a tag pointed to a digest since an event."""
    return join(
        "hold",
        encode(digest, LONGEST_DIGEST),
        encode(repository, LONGEST_REPOSITORY),
        encode(tag, LONGEST_TAG),
        begin,
    )


def delete_row(event: str) -> str:
    """Of the table `history`: the dossier of a delete, newest first."""
    return join("delete", event)


TAGS: Final = "tag~"
"""What the rows of all tags begin with."""

DIGESTS: Final = "digest~"
"""What the rows of all digests begin with."""


def holds_of(digest: str) -> str:
    """What the rows of all tags that pointed to a digest begin with, in any repository."""
    return join("hold", encode(digest, LONGEST_DIGEST), "")


def deleted_row(repository: str, event: str) -> str:
    """Of the table `history`: the same dossier among those of its repository, newest first."""
    return join("deleted", encode(repository, LONGEST_REPOSITORY), event)
