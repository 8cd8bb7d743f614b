import hashlib
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from registrail.events import RegistryEvent, arrival_hash, content_hash

TEXTS = st.text(st.characters(codec="utf-8"), max_size=20)
EVENTS = st.builds(
    RegistryEvent,
    action=TEXTS,
    registry=TEXTS,
    repository=TEXTS,
    tag=st.none() | TEXTS.filter(bool),
    digest=st.none() | TEXTS.filter(bool),
)


def test_the_hash_is_a_contract() -> None:
    """People can compute it themselves: SHA-256 over compact JSON, 16 bytes of it."""
    event = RegistryEvent(action="push", registry="r.azurecr.io", repository="team/app", tag="v1")
    text = '["r.azurecr.io","push","team/app","v1",""]'
    assert content_hash(event) == hashlib.sha256(text.encode()).hexdigest()[:32]


@given(EVENTS, EVENTS)
def test_equal_hashes_mean_equal_content(one: RegistryEvent, other: RegistryEvent) -> None:
    """No two contents share a hash, however their parts are cut."""
    assert (content_hash(one) == content_hash(other)) == (one == other)


@given(EVENTS, TEXTS)
def test_who_told_does_not_matter(event: RegistryEvent, told: str) -> None:
    """Ids, regions and clients differ between channels and are no part of the identity."""
    assert content_hash(replace(event, event_id=told, region=told, client=told)) == content_hash(event)


def test_undated_events_are_told_apart_by_request() -> None:
    """One request delivered twice is one event; without a request id the sender's event id decides."""
    event = RegistryEvent(action="push", registry="r", repository="a", request_id="1", event_id="x")
    assert arrival_hash(event) == arrival_hash(replace(event, event_id="y"))
    assert arrival_hash(event) != arrival_hash(replace(event, request_id="2"))
    assert arrival_hash(replace(event, request_id=None)) != arrival_hash(replace(event, request_id=None, event_id="y"))
