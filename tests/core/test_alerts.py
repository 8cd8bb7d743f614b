from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registrail.dossier import Deletion, RemovedTag
from registrail.events import RecordedEvent, RegistryEvent
from registrail.instants import Instant
from registrail.ports import Delivery
from registrail.pushes import fold
from registrail.query import alerts
from registrail.query.alerts import Alert

NOON: Final = Instant.parse("2026-06-15T12:00:00Z")
HOUR: Final = timedelta(hours=1)
REGISTRY: Final = "r.azurecr.io"


def texts(found: Sequence[Alert]) -> list[str]:
    """What alerts say, without the marks around names."""
    return [alert.text.replace("\u2068", "").replace("\u2069", "") for alert in found]


def recorded(age: timedelta, *senders: str, **changed: Any) -> RecordedEvent:
    """Make an event that some channels told of."""
    at = NOON.plus(-age)
    event: dict[str, Any] = {
        "action": "push",
        "registry": REGISTRY,
        "repository": "team/app",
        "tag": "v1",
        "digest": f"sha256:{at.ticks:064x}",
        "occurred_at": at,
    } | {name: value for name, value in changed.items() if name != "regions"}
    regions = dict.fromkeys(changed.get("regions", ()), at)
    return RecordedEvent(
        id=f"{at.inverted}~00",
        event=RegistryEvent(**event),
        seen=dict.fromkeys(senders or ("acr",), at),
        regions=regions,
        deliveries={},
    )


def delivery(age: timedelta, outcome: Any, **changed: Any) -> Delivery:
    """Make a request."""
    whole: dict[str, Any] = {
        "id": "acr~1",
        "sender": "acr",
        "received_at": NOON.plus(-age),
        "method": "POST",
        "path": "/hooks/acr",
        "headers": {},
        "query": {},
        "body": b"",
        "body_bytes": 0,
        "outcome": outcome,
        "status": 400,
    } | changed
    return Delivery(**whole)


def deletion(age: timedelta, *tags: str, **changed: Any) -> Deletion:
    """Make a delete that removed tags."""
    whole: dict[str, Any] = {
        "event": f"{NOON.plus(-age).inverted}~00",
        "action": "delete",
        "repository": "team/app",
        "digest": "sha256:1",
        "tag": None,
        "actor": None,
        "client": None,
        "tags": [RemovedTag(tag, "", "sha256:1") for tag in tags],
    } | changed
    return Deletion(**whole)


# Silence


def test_the_usual_pause_is_the_longest_one() -> None:
    """Between events of the periods; with few of them nobody can tell."""
    hours = ["2026-06-14T08", "2026-06-14T09", "2026-06-14T17", "2026-06-15T09", "2026-06-15T10"]
    assert alerts.usual_pause(hours, "hour") == 16 * HOUR
    assert alerts.usual_pause(hours[:4], "hour") is None
    assert alerts.usual_pause([f"2026-06-{day:02}" for day in (1, 2, 3, 6, 7)], "day") == timedelta(days=3)
    assert alerts.usual_pause([f"2026-06-15T12:0{minute}" for minute in (0, 1, 2, 3, 5)], "slot") == timedelta(
        minutes=2
    )


@pytest.mark.parametrize(
    ("pause", "usual", "alarms"),
    [
        (timedelta(minutes=59), timedelta(minutes=1), False),
        (timedelta(minutes=61), timedelta(minutes=1), True),
        (24 * HOUR, 16 * HOUR, False),
        (25 * HOUR, 16 * HOUR, True),
        (25 * HOUR, None, False),
        (timedelta(days=31), 16 * HOUR, False),
        (-HOUR, timedelta(minutes=1), False),
    ],
)
def test_silence(pause: timedelta, usual: timedelta | None, *, alarms: bool) -> None:
    """Half as long again as ever before, at least an hour, until the registry is forgotten."""
    found = alerts.silence(REGISTRY, NOON.plus(-pause), usual, NOON)
    assert [alert.reason for alert in found] == ["silence"] * alarms


def test_silence_is_told_in_words() -> None:
    """How long, and how long was usual."""
    found = alerts.silence(REGISTRY, NOON.plus(-50 * HOUR), 16 * HOUR, NOON)
    assert texts(found) == ["r.azurecr.io has been quiet for 2 days; its longest pause before was 16 hours"]
    assert alerts.silence(REGISTRY, None, 16 * HOUR, NOON) == []


@given(st.integers(5, 100), st.floats(0, 1.4))
def test_a_steady_registry_is_not_silent(number: int, share: float) -> None:
    """With one event in each period, a pause of up to 1.4 periods raises no alarm."""
    days = [NOON.plus(timedelta(days=-back)).day for back in reversed(range(number))]
    usual = alerts.usual_pause(days, "day")
    assert alerts.silence(REGISTRY, NOON.plus(-timedelta(days=share)), usual, NOON) == []


# Channels


@pytest.mark.parametrize(
    ("before", "missed", "alarms"),
    [
        ("AAAAAAAAAAAAAAAAAAAA", 1, False),
        ("AAAAAAAAAAAAAAAAAAAA", 3, True),
        ("A.A.A.A.A.A.A.A.A.A.", 9, False),
        ("A.A.A.A.A.A.A.A.A.A.", 12, True),
        ("A...................", 30, False),
        ("A", 5, False),
    ],
)
def test_a_channel_that_stops(before: str, missed: int, *, alarms: bool) -> None:
    """It is noticed sooner, the more reliably the channel told of everything before."""
    told = [("acr", "eventgrid") if letter == "A" else ("acr",) for letter in before]
    events = [recorded(HOUR * age, *senders) for age, senders in enumerate([("acr",)] * missed + told)]
    found = alerts.quiet_channels(REGISTRY, events)
    assert [(alert.reason, alert.parameters["sender"]) for alert in found] == [("quiet-channel", "eventgrid")] * alarms


def test_channels_that_all_tell() -> None:
    """Nothing, also of no event at all."""
    assert alerts.quiet_channels(REGISTRY, [recorded(HOUR * age, "acr", "eventgrid") for age in range(50)]) == []
    assert alerts.quiet_channels(REGISTRY, []) == []


# Backlog


@pytest.mark.parametrize(
    ("slots", "rebuilding", "reasons"), [(0, False, []), (1, False, ["backlog"]), (0, True, ["rebuilding"])]
)
def test_a_backlog(slots: int, reasons: list[str], *, rebuilding: bool) -> None:
    """Whatever the page did not count itself; a rebuild is the better reason."""
    assert [alert.reason for alert in alerts.backlog(REGISTRY, slots, rebuilding=rebuilding)] == reasons


# Deliveries


def test_refused_deliveries() -> None:
    """Those of a day, by sender and outcome, with what was wrong with the newest one."""
    found = alerts.refused_deliveries(
        [
            delivery(HOUR, "accepted"),
            delivery(2 * HOUR, "rejected", problem="old news"),
            delivery(HOUR, "rejected", problem="the body is not JSON"),
            delivery(HOUR, "failed", sender="harbor"),
            delivery(25 * HOUR, "failed"),
        ],
        NOON,
    )
    assert texts(found) == [
        "2 deliveries of acr were refused within a day: the body is not JSON",
        "One delivery of harbor could not be stored within a day",
    ]
    assert [(alert.severity, dict(alert.parameters)) for alert in found] == [
        ("warn", {"sender": "acr", "outcome": "rejected"}),
        ("bad", {"sender": "harbor", "outcome": "failed"}),
    ]


# Deletes


def test_deletes_of_tags_that_matter() -> None:
    """Only those, of the last day, with who did it."""
    found = alerts.guarded_deletes(
        REGISTRY,
        [
            deletion(HOUR, "v1", "sha-123"),
            deletion(2 * HOUR, "prod", "v1", "latest", actor="mallory"),
            deletion(25 * HOUR, "latest"),
            deletion(HOUR, "latest-1"),
        ],
        NOON,
    )
    assert texts(found) == ["team/app:latest, prod were removed from r.azurecr.io by mallory"]
    assert found[0].page == "/delete"


# Replicas


def test_pushes_that_a_region_did_not_report() -> None:
    """Once it had the time to, and for a day; regions are told by all that reported anything."""
    ages = (timedelta(minutes=5), HOUR, 2 * HOUR, 3 * HOUR, 25 * HOUR)
    regions = (["west"], ["west"], ["east", "west"], ["west"], ["west"])
    events = [recorded(age, regions=told, tag=f"v{age}") for age, told in zip(ages, regions, strict=True)]
    found = alerts.missing_replicas(REGISTRY, fold(events), {"east", "west"}, NOON)
    assert texts(found) == ["east did not report 2 of the last pushes to r.azurecr.io"]
    assert found[0].parameters["event"] == events[1].id
    assert alerts.missing_replicas(REGISTRY, fold(events[2:3]), {"east", "west"}, NOON) == []
    assert alerts.missing_replicas(REGISTRY, fold([recorded(HOUR)]), {"east"}, NOON) == []


def test_names_do_not_turn_what_is_around_them() -> None:
    """A name that is written from right to left, or says so, stays within its place."""
    found = alerts.guarded_deletes(REGISTRY, [deletion(HOUR, "latest", actor="\u202egnp")], NOON)
    assert [alert.text for alert in found] == [
        "\u2068team/app:latest\u2069 was removed from \u2068r.azurecr.io\u2069 by \u2068\u202egnp\u2069"
    ]


def test_the_worst_first() -> None:
    """Otherwise alerts stay as they were."""
    kinds: list[alerts.Severity] = ["warn", "bad", "warn", "bad"]
    mixed = [Alert(severity=one, reason=f"{n}", text="", page="/", action="") for n, one in enumerate(kinds)]
    assert [alert.reason for alert in alerts.in_order(mixed)] == ["1", "3", "0", "2"]


@pytest.mark.parametrize(
    ("length", "expected"),
    [
        (timedelta(seconds=59), "less than a minute"),
        (timedelta(minutes=1), "1 minute"),
        (timedelta(minutes=119), "1 hour"),
        (timedelta(hours=47), "47 hours"),
        (timedelta(hours=48), "2 days"),
    ],
)
def test_lengths_of_time(length: timedelta, expected: str) -> None:
    """In the largest unit that says enough."""
    assert alerts.told(length) == expected
