"""Names: what was added is never taken for new, and next to nothing else is taken for known."""

from hypothesis import given
from hypothesis import strategies as st

from registrail.names import BYTES, MOST, Name, Names

NAMES: st.SearchStrategy[list[Name]] = st.lists(st.tuples(st.sampled_from(["tag", "digest"]), st.text(max_size=20)))


@given(first=NAMES, second=NAMES)
def test_what_was_added_is_looked_for(first: list[Name], second: list[Name]) -> None:
    """Whatever came before or after it."""
    names = Names().adding(first).adding(second)
    assert all(names.may_have(name) for name in (*first, *second))


@given(names=NAMES, cut=st.integers(0, 20))
def test_the_order_makes_no_difference(names: list[Name], cut: int) -> None:
    """Nor how often a name comes."""
    again = Names().adding(names[cut:]).adding(names).adding(names[:cut])
    assert again == Names().adding(names)


def test_hardly_a_new_name_is_looked_for() -> None:
    """Among as many as a repository may have, one in some hundreds at most."""
    names = Names().adding(("tag", f"v{number}") for number in range(MOST - 100))
    assert names.packed is not None
    assert len(names.packed) <= BYTES * MOST
    needless = sum(names.may_have(("tag", f"w{number}")) for number in range(10_000))
    assert needless <= 50


def test_a_tag_is_no_digest() -> None:
    """Names of both kinds share nothing."""
    names = Names().adding([("tag", "sha256:a")])
    assert not names.may_have(("digest", "sha256:a"))


def test_beyond_the_most_every_name_is_looked_for() -> None:
    """And that stays so."""
    full = Names().adding(("tag", f"v{number}") for number in range(2 * MOST))
    assert full == Names(None) == full.adding([("tag", "other")])
    assert full.may_have(("digest", "never seen"))
