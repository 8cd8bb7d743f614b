import base64
import json
from datetime import timedelta
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registrail.access import (
    KEY_BYTES,
    AccessKey,
    Principal,
    digest_of,
    find_key,
    find_session,
    is_whole,
    new_key,
    new_session,
    read_keys,
    signed_in,
)
from registrail.instants import Instant

NOON: Final = Instant.parse("2026-06-15T12:00:00Z")
KEY: Final = new_key(b"\x01" * KEY_BYTES)
CI: Final = AccessKey(name="ci", role="reader", digest=digest_of(KEY))
ALICE: Final = AccessKey(name="alice", role="operator", digest=digest_of(new_key(b"\x02" * KEY_BYTES)))
NEW_CI: Final = AccessKey(name="ci", role="reader", digest=digest_of(new_key(b"\x03" * KEY_BYTES)))


@given(st.binary(min_size=KEY_BYTES, max_size=KEY_BYTES))
def test_a_key_is_text_with_a_checksum(random: bytes) -> None:
    """52 characters that need no encoding anywhere; the setting's line has its hash and nothing of it."""
    key = new_key(random)
    assert (len(key), key.startswith("rgt_"), key.isascii(), is_whole(key)) == (52, True, True, True)
    made = AccessKey(name="ci", role="reader", digest=digest_of(key))
    assert read_keys(made.setting) == ((made,), [])
    assert key[4:] not in made.setting


@given(st.binary(min_size=KEY_BYTES, max_size=KEY_BYTES), st.integers(4, 51), st.sampled_from("ABC-_xyz019"))
def test_a_mistyped_key_is_told(random: bytes, at: int, typed: str) -> None:
    """One wrong character is always noticed."""
    key = new_key(random)
    assert is_whole(f"{key[:at]}{typed}{key[at + 1 :]}") == (key[at] == typed)


@pytest.mark.parametrize("key", ["", "rgt_", KEY[:-1], f"{KEY}A", KEY[4:], KEY.upper(), f" {KEY}", "rgt_" + "é" * 48])
def test_what_is_no_key(key: str) -> None:
    """Cut, lengthened, or something else."""
    assert (is_whole(key), find_key([CI], key)) == (False, None)


def test_keys_are_found_by_their_hash() -> None:
    """Each by its own; the hash itself opens nothing."""
    assert [find_key([ALICE, CI], key) for key in (KEY, "rgt_x", CI.digest.hex(), "\ud800")] == [CI, None, None, None]


def test_a_session_lasts_twelve_hours() -> None:
    """And has neither the key nor its hash in it."""
    session = new_session(CI, NOON)
    moments = [-timedelta(seconds=1), timedelta(0), timedelta(hours=11, minutes=59), timedelta(hours=12)]
    assert [find_session([ALICE, CI], session, NOON.plus(after)) for after in moments] == [None, CI, CI, None]
    assert (KEY[4:] in session, CI.digest.hex() in session) == (False, False)


def test_a_session_ends_with_its_key() -> None:
    """Another key of the same name does not keep it alive, and the role is what the settings say now."""
    session = new_session(CI, NOON)
    promoted = AccessKey(name="ci", role="operator", digest=CI.digest)
    assert [find_session(keys, session, NOON) for keys in ([], [NEW_CI], [NEW_CI, promoted])] == [None, None, promoted]


@given(st.integers(0, 200), st.characters(max_codepoint=127))
def test_a_changed_session_counts_nothing(at: int, typed: str) -> None:
    """Neither another name, nor a later end, nor another signature."""
    session = new_session(CI, NOON)
    at %= len(session)
    changed = f"{session[:at]}{typed}{session[at + 1 :]}"
    # The last character of 43 carries two bits that mean nothing; it is compared as text all the same.
    assert find_session([CI, ALICE], changed, NOON) == (CI if changed == session else None)


@given(st.text(max_size=200))
def test_any_cookie_can_come(cookie: str) -> None:
    """What is no session is none."""
    assert find_session([CI], cookie, NOON) is None


def principal(**told: Any) -> str:
    """Encode what the platform tells of somebody."""
    return base64.b64encode(json.dumps(told).encode()).decode()


ENTRA: Final = "http://schemas.microsoft.com/ws/2008/06/identity/claims/role"


@pytest.mark.parametrize(
    ("told", "role"),
    [
        ("", "reader"),
        ("%", "reader"),
        ("bnVsbA==", "reader"),
        (base64.b64encode(b"[" * 100_000).decode(), "reader"),
        (principal(claims=None), "reader"),
        (principal(claims=[{"typ": "roles"}, 7]), "reader"),
        (principal(claims=[{"typ": "roles", "val": "Registrail.Reader"}]), "reader"),
        (principal(claims=[{"typ": "name", "val": "operator"}]), "reader"),
        (principal(claims=[{"typ": "roles", "val": "x"}, {"typ": "roles", "val": "Registrail.Operator"}]), "operator"),
        (principal(claims=[{"typ": ENTRA, "val": "operator"}]), "operator"),
        (principal(role_typ="r", claims=[{"typ": "r", "val": "OPERATOR"}]), "operator"),
    ],
)
def test_roles_of_people_who_are_signed_in(told: str, role: str) -> None:
    """The app role makes an operator; what cannot be read makes a reader."""
    headers = {
        "x-ms-client-principal-id": "6f9a",
        "x-ms-client-principal-name": "bob@example.com",
        "x-ms-client-principal": told,
    }
    found = signed_in(headers, frozenset())
    assert found is not None
    assert (found.name, found.role, found.means) == ("bob@example.com", role, "sign-in")


@pytest.mark.parametrize(
    ("operators", "role"),
    [({"6f9a"}, "operator"), ({"bob@example.com"}, "operator"), ({"6f9"}, "reader"), (set(), "reader")],
)
def test_operators_by_setting(operators: set[str], role: str) -> None:
    """By object id or by name, in whatever case the platform writes them."""
    headers = {"x-ms-client-principal-id": "6F9A", "x-ms-client-principal-name": "Bob@Example.com"}
    assert signed_in(headers, frozenset(operators)) == Principal(name="Bob@Example.com", role=role, means="sign-in")  # type: ignore[arg-type]


def test_nobody_is_signed_in_without_an_id() -> None:
    """Claims alone are nobody."""
    told = principal(claims=[{"typ": "roles", "val": "operator"}])
    assert signed_in({"x-ms-client-principal": told, "x-ms-client-principal-id": ""}, frozenset()) is None
