"""Who may do what: named access keys, sessions made from them, and people whom the platform has signed in.

A key is 32 random bytes, so the settings hold its plain SHA-256 and no slow, salted hash: those exist because people
choose passwords that can be guessed, and nobody guesses 256 bits. The last 4 of a key's 36 bytes are a checksum, which
tells a key that was cut or mistyped from one that was revoked, and lets scanners of source code be sure of a find.
"""

import base64
import binascii
import hashlib
import hmac
import json
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, get_args

from registrail.instants import TICKS_PER_SECOND, Instant

Role = Literal["reader", "operator"]
"""A reader sees everything; an operator may also change what is recorded, and replay."""

Means = Literal["open", "key", "session", "sign-in"]
"""How somebody came in: by nothing at all on a desk, an access key, a session of one, or the platform's sign-in."""

KEY_BYTES: Final = 32
KEY_PREFIX: Final = "rgt_"
SESSION_SECONDS: Final = 12 * 3600

_NAME: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9])?")
_HASH: Final = re.compile(r"[0-9a-fA-F]{64}")
_KEY: Final = re.compile(r"rgt_[A-Za-z0-9_-]{48}")
_SESSION: Final = re.compile(r"([A-Za-z0-9._-]{1,64})~([0-9]{1,12})~([A-Za-z0-9_-]{43})")
_LONGEST_REPEATED: Final = 32
_SESSION_PURPOSE: Final = b"registrail session 1"
_OPERATOR_CLAIMS: Final = frozenset({"operator", "registrail.operator"})
_ROLE_CLAIMS: Final = ("roles", "role", "http://schemas.microsoft.com/ws/2008/06/identity/claims/role")


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessKey:
    """What the settings know of a key.

    Attributes:
        digest: the key's SHA-256. Not the key, yet a secret: sessions are signed with what is derived from it.
    """

    name: str
    role: Role
    digest: bytes = field(repr=False)

    @property
    def setting(self) -> str:
        """As it stands in `REGISTRAIL_ACCESS_KEYS`."""
        return f"{self.name}:{self.role}:{self.digest.hex()}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Somebody who may do something."""

    name: str
    role: Role
    means: Means

    def may(self, role: Role) -> bool:
        """Whether the role covers another."""
        return self.role in {"operator", role}


def is_name(text: str) -> bool:
    """Whether a key may be called this: 1 to 64 of `A-Z a-z 0-9 . _ -`, with a letter or digit at both ends."""
    return _NAME.fullmatch(text) is not None


def new_key(random: bytes) -> str:
    """Write a key: `rgt_` and 48 characters of base64url.

    Args:
        random: 32 bytes from the system's own source of randomness.
    """
    return KEY_PREFIX + _base64url(random + zlib.crc32(random).to_bytes(4))


def is_whole(key: str) -> bool:
    """Whether a key's checksum is right, which says nothing about whether it is known."""
    if not _KEY.fullmatch(key):
        return False
    content = base64.urlsafe_b64decode(key.removeprefix(KEY_PREFIX))
    return zlib.crc32(content[:KEY_BYTES]).to_bytes(4) == content[KEY_BYTES:]


def digest_of(key: str) -> bytes:
    """What the settings keep of a key."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()


def find_key(keys: Sequence[AccessKey], key: str) -> AccessKey | None:
    """Which key somebody has, if any; takes as long whichever it is."""
    digest = digest_of(key)
    found = [known for known in keys if hmac.compare_digest(known.digest, digest)]
    return found[0] if found else None


def read_keys(setting: str) -> tuple[tuple[AccessKey, ...], list[str]]:
    """Read `name:role:sha256hex`, separated by commas, semicolons or white space.

    A name may stand there twice, so that a key can be replaced while both are valid.

    Returns:
        The keys, and what is wrong with the others; no problem repeats a hash, which might be a key by mistake.
    """
    keys: list[AccessKey] = []
    problems: list[str] = []
    entries = [entry for entry in re.split(r"[,;\s]+", setting) if entry]
    if setting and not entries:
        problems.append("names no key")
    for number, entry in enumerate(entries, 1):
        parts = [*entry.split(":", 3), "", "", ""]
        name, role, digest, more = parts[:4]
        called = f"entry {number} ({name})" if _is_repeatable(name) and role else f"entry {number}"
        wrong = list(_mistakes(name, role, digest, more))
        if not wrong and any(digest.lower() == known.digest.hex() for known in keys):
            wrong = ["has the same hash as one before it"]
        if wrong:
            problems.append(f"{called} {wrong[0]}")
        else:
            keys.append(
                AccessKey(name=name, role="operator" if role == "operator" else "reader", digest=bytes.fromhex(digest))
            )
    return tuple(keys), problems


def _is_repeatable(name: str) -> bool:
    """Whether this can be no key or hash in the wrong place."""
    return is_name(name) and not name.startswith(KEY_PREFIX) and len(name) <= _LONGEST_REPEATED


def _mistakes(name: str, role: str, digest: str, more: str) -> Iterator[str]:
    if KEY_PREFIX in f"{name}{role}{digest}":
        yield "holds a key; settings hold only its hash: `registrail key` prints both"
    if not role or more:
        yield "is not name:role:sha256"
    if not is_name(name):
        yield "must begin with a name of at most 64 letters, digits, dots, dashes or underscores"
    if role not in get_args(Role):
        yield "must have the role reader or operator"
    if not _HASH.fullmatch(digest):
        yield "must end with a SHA-256, which is 64 hexadecimal digits: `registrail key` prints it"


def new_session(key: AccessKey, now: Instant) -> str:
    """A session of whoever has the key, for 12 hours: `name~end~signature`.

    It is signed with what is derived from the key's hash, so it ends when the key is taken out of the settings.
    """
    end = now.ticks // TICKS_PER_SECOND + SESSION_SECONDS
    return f"{key.name}~{end}~{_signature(key, f'{key.name}~{end}')}"


def find_session(keys: Sequence[AccessKey], session: str, now: Instant) -> AccessKey | None:
    """The key that a session was made from, unless it has ended, was changed, or its key is not known any more."""
    match = _SESSION.fullmatch(session)
    if match is None:
        return None
    name, end, signature = match.groups()
    left = int(end) - now.ticks // TICKS_PER_SECOND
    if not 0 < left <= SESSION_SECONDS:
        return None
    signed = [key for key in keys if hmac.compare_digest(_signature(key, f"{name}~{end}"), signature)]
    return signed[0] if signed else None


def _signature(key: AccessKey, text: str) -> str:
    derived = hmac.digest(key.digest, _SESSION_PURPOSE, "sha256")
    return _base64url(hmac.digest(derived, text.encode(), "sha256"))


def _base64url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def signed_in(headers: Mapping[str, str], operators: frozenset[str]) -> Principal | None:
    """Whom the platform says it has signed in. Only where the platform sets these headers itself!

    Args:
        headers: with names in lower case.
        operators: ids and names of people, in lower case, who are operators even without the app role.

    Source: https://learn.microsoft.com/azure/app-service/configure-authentication-user-identities
    """
    identity = headers.get("x-ms-client-principal-id")
    if not identity:
        return None
    name = headers.get("x-ms-client-principal-name") or identity
    roles = _roles(headers.get("x-ms-client-principal", ""))
    operator = not operators.isdisjoint({identity.lower(), name.lower()}) or not roles.isdisjoint(_OPERATOR_CLAIMS)
    return Principal(name=name, role="operator" if operator else "reader", means="sign-in")


def _roles(principal: str) -> set[str]:
    """The app roles among somebody's claims, in lower case; none if the header cannot be read."""
    try:
        told: Any = json.loads(base64.b64decode(principal))
        kinds = {told.get("role_typ"), *_ROLE_CLAIMS}
        return {str(claim["val"]).lower() for claim in told["claims"] if claim["typ"] in kinds}
    except (AttributeError, LookupError, RecursionError, TypeError, ValueError, binascii.Error):
        return set()
