from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from registrail.events import Arrival, RecordedEvent, RegistryEvent
from registrail.instants import LAST_TICK, Instant
from registrail.storage import keys
from registrail.storage.entities import event_properties, joined, recorded_event, recorded_properties, split
from registrail.storage.store import Guid

NOON = Instant.parse("2026-06-15T12:00:00Z")
LATER = Instant.parse("2026-06-15T12:00:07Z")
INSTANTS = st.integers(0, LAST_TICK).map(Instant)
TEXTS = st.none() | st.text(min_size=1, max_size=10)
FULL = RegistryEvent(
    action="push",
    registry="r.azurecr.io",
    repository="team/app",
    tag="v1",
    digest="sha256:1",
    occurred_at=NOON,
    event_id="e",
    request_id="q",
    method="PUT",
    address="10.0.0.1:1",
    client="docker",
    actor="alice",
    media_type="application/json",
    size=7,
    url="https://r.azurecr.io/v2/",
    source="node",
    chart_name="c",
    chart_version="1",
    connected_registry="edge",
    region="westeurope",
)
PARTITION = keys.event_partition(FULL.registry, "2026-06-15")
EVENTS = st.builds(
    RegistryEvent,
    action=st.text(min_size=1),
    registry=st.text(min_size=1),
    repository=st.text(min_size=1),
    tag=TEXTS,
    digest=TEXTS,
    occurred_at=st.none() | INSTANTS,
    client=TEXTS,
    size=st.none() | st.integers(0, 2**63 - 1),
    connected_registry=TEXTS,
    region=st.none() | st.from_regex("[a-z0-9]{1,64}", fullmatch=True),
)


def arrival(sender: str = "acr", received_at: Instant = NOON) -> Arrival:
    """Arrive by a sender at a time."""
    return Arrival(sender=sender, delivery=f"{sender}~1", received_at=received_at)


def test_columns_are_a_contract() -> None:
    """People query these names; times are times and numbers are numbers."""
    assert event_properties(FULL, arrival()) == {
        "action": "push",
        "repository": "team/app",
        "tag": "v1",
        "digest": "sha256:1",
        "occurred_at": NOON,
        "event_id": "e",
        "request_id": "q",
        "method": "PUT",
        "address": "10.0.0.1:1",
        "client": "docker",
        "actor": "alice",
        "media_type": "application/json",
        "size": 7,
        "url": "https://r.azurecr.io/v2/",
        "source": "node",
        "chart_name": "c",
        "chart_version": "1",
        "connected_registry": "edge",
        "seen_acr": NOON,
        "delivery_acr": "acr~1",
        "region_westeurope": NOON,
    }


def test_what_is_not_known_has_no_column() -> None:
    """So that an arrival that knows less does not erase what another one told."""
    event = RegistryEvent(action="push", registry="r", repository="a")
    assert event_properties(event, arrival()) == {
        "action": "push",
        "repository": "a",
        "seen_acr": NOON,
        "delivery_acr": "acr~1",
    }


@given(EVENTS, INSTANTS)
@example(FULL, NOON)
@example(replace(FULL, registry="r" * 300), NOON)
@example(replace(FULL, registry="a/b~c:5000"), NOON)
def test_events_come_back(event: RegistryEvent, at: Instant) -> None:
    """A row that has seen one arrival is that arrival's event."""
    partition = keys.event_partition(event.registry, "2026-06-15")
    found = recorded_event(partition, "id", event_properties(event, arrival(received_at=at)))
    assert found == RecordedEvent(
        id="id",
        event=event,
        seen={"acr": at},
        regions={event.region: at} if event.region else {},
        deliveries={"acr": "acr~1"},
    )


def test_merged_arrivals() -> None:
    """All senders and regions are there; the event happened in the region that told first, and arrived then."""
    other = replace(FULL, region="eastus")
    row = event_properties(other, arrival("eventgrid", LATER)) | event_properties(FULL, arrival())
    found = recorded_event(PARTITION, "id", row)
    assert found.seen == {"acr": NOON, "eventgrid": LATER}
    assert found.regions == {"westeurope": NOON, "eastus": LATER}
    assert found.deliveries == {"acr": "acr~1", "eventgrid": "eventgrid~1"}
    assert (found.event, found.received_at) == (FULL, NOON)


def test_regions_that_told_at_the_same_time() -> None:
    """The alphabet decides, so that a reader sees the same every time."""
    row = event_properties(FULL, arrival()) | event_properties(replace(FULL, region="eastus"), arrival())
    assert recorded_event(PARTITION, "id", row).event.region == "eastus"


@pytest.mark.parametrize(
    "text", ["0f5c1b9e-2d3a-4b6c-8d7e-9f0a1b2c3d4e", "0F5C1B9E-2D3A-4B6C-8D7E-9F0A1B2C3D4E", "e" * 36]
)
def test_ids_that_are_guids(text: str) -> None:
    """They take less as such; whatever else a sender calls an event stays a text, as it was told."""
    columns = event_properties(replace(FULL, event_id=text, request_id=text), arrival())
    assert isinstance(columns["event_id"], Guid) == isinstance(columns["request_id"], Guid) == text.startswith("0f")
    assert recorded_event(PARTITION, "id", columns).event.request_id == text


@pytest.mark.parametrize(
    ("sender", "delivery", "kept"),
    [
        ("acr", f"acr~{NOON.inverted}~0123456789ab", "~0123456789ab"),
        ("acr", f"acr~{LATER.inverted}~0123456789ab", None),
        ("acr", f"eventgrid~{NOON.inverted}~0123456789ab", None),
        ("my.sender", f"my.sender~{NOON.inverted}~0123456789ab", None),
        ("acr", f"acr~{NOON.inverted}", None),
        ("acr", "d", None),
    ],
)
def test_of_a_delivery_only_the_end(sender: str, delivery: str, kept: str | None) -> None:
    """Where the columns of its sender say the rest; else all of it. It comes back whole, also as it was restored."""
    columns = event_properties(FULL, Arrival(sender=sender, delivery=delivery, received_at=NOON))
    name = sender.replace(".", "_")
    assert columns[f"delivery_{name}"] == (kept or delivery)
    recorded = recorded_event(PARTITION, "id", columns)
    assert recorded.deliveries == {name: delivery}
    assert recorded_event(PARTITION, "id", recorded_properties(recorded)) == recorded


def test_names_of_columns_are_identifiers() -> None:
    """Whatever a sender is called, Table Storage takes the column."""
    names = event_properties(FULL, arrival("My-Sender.2"))
    assert [name for name in names if not name.isidentifier()] == []
    assert names["seen_my_sender_2"] == NOON


@pytest.mark.parametrize("size", [0, 1, 59_999, 60_000, 60_001, 180_000, 200_000])
def test_bytes_are_spread_over_properties(size: int) -> None:
    """None holds more than 64 KiB, and together they are what was written."""
    data = bytes(number % 251 for number in range(size))
    properties = split("body", data)
    assert joined("body", {**properties, "other": "x", "body": "y"}) == joined("body", properties) == data
    assert [name for name, value in properties.items() if not isinstance(value, bytes) or len(value) > 65_536] == []
    assert list(properties) == [f"body_{number}" for number in range(-(-size // 60_000))]
