import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registrail.activity import (
    DIMENSIONS,
    EFFECTS,
    EMPTY,
    METRICS,
    NO_EFFECT,
    NOTHING,
    Breakdown,
    Counts,
    Dimension,
    Effect,
    Tally,
    merge,
    monday,
    sunday,
    tally,
    total,
)
from registrail.events import BLOB_MEDIA_TYPE, RecordedEvent, RegistryEvent
from registrail.instants import Instant

NOON: Final = Instant.parse("2026-06-15T12:00:00Z")
KINDS: Final = [name for name in METRICS if name != "events" and name not in EFFECTS]
ACTIONS: Final = ["push", "delete", "quarantine", "chart_push", "chart_delete", "pull", "mount", "new"]


def recorded(event: RegistryEvent, number: int = 0, **regions: Instant) -> RecordedEvent:
    """An event with an id by its time and a number: the earlier, the greater."""
    ticks = event.occurred_at.ticks if event.occurred_at else 0
    return RecordedEvent(
        id=f"{9 * 10**18 - ticks:019}~{number:032x}", event=event, seen={}, regions=regions, deliveries={}
    )


@st.composite
def events(draw: st.DrawFn, *, requests: bool = False) -> list[RecordedEvent]:
    """Some events of two minutes."""
    drawn = draw(
        st.lists(
            st.builds(
                RegistryEvent,
                action=st.sampled_from(ACTIONS),
                registry=st.just("r"),
                repository=st.sampled_from(["a", "b", "team/c"]),
                tag=st.sampled_from([None, "v1"]),
                actor=st.sampled_from([None, "", "ann", "bob"]),
                client=st.sampled_from([None, "docker", "a"]),
                request_id=st.sampled_from([None, "1", "2"]) if requests else st.none(),
                occurred_at=st.integers(0, 119).map(lambda second: NOON.plus(timedelta(seconds=second))),
                media_type=st.sampled_from([None, BLOB_MEDIA_TYPE, "application/vnd.oci.image.manifest.v1+json"]),
            )
        )
    )
    region = st.dictionaries(
        st.sampled_from(["eu", "us"]), st.integers(0, 9).map(lambda second: NOON.plus(timedelta(seconds=second)))
    )
    return [recorded(event, number, **draw(region)) for number, event in enumerate(drawn)]


EFFECT: Final = st.builds(Effect, **{name: st.integers(0, 3) for name in EFFECTS})


@given(events())
def test_every_event_is_counted_once(found: list[RecordedEvent]) -> None:
    """`events` is the number of events, and the actions share it out."""
    counts = tally(found, {}).total
    assert (counts.events, sum(getattr(counts, name) for name in KINDS)) == (len(found), len(found))


@given(events())
def test_each_dimension_is_counted_apart(found: list[RecordedEvent]) -> None:
    """A breakdown has the repositories, actors and clients that have events, each with its own number."""
    counted = tally(found, {})
    for dimension in DIMENSIONS:
        expected = Counter(name for one in found if (name := getattr(one.event, dimension)))
        assert {name: counts.events for name, counts in counted.of(dimension).items()} == dict(expected)


@given(st.lists(events()), st.data())
def test_merging_counts_is_counting_together(parts: list[list[RecordedEvent]], data: st.DataObject) -> None:
    """Hours are sums of slots: counting in pieces and adding up is counting everything, in any order."""
    parts = [[replace(one, id=f"{one.id}{number}") for one in part] for number, part in enumerate(parts)]
    together = [event for part in parts for event in part]
    effects = {event.id: data.draw(EFFECT) for event in together}
    expected = tally(data.draw(st.permutations(together)), effects)
    assert merge(tally(part, effects) for part in data.draw(st.permutations(parts))) == expected


@given(events(), st.data())
def test_effects_are_added_up(found: list[RecordedEvent], data: st.DataObject) -> None:
    """Each to the repository, the actor and the client of its event; events that have none did nothing."""
    effects = {event.id: data.draw(EFFECT) for event in found if data.draw(st.booleans())}
    counted = tally(found, effects)
    for dimension in DIMENSIONS:
        for name, counts in counted.of(dimension).items():
            own = [effects.get(one.id, NO_EFFECT) for one in found if getattr(one.event, dimension) == name]
            assert all(getattr(counts, effect) == sum(getattr(one, effect) for one in own) for effect in EFFECTS)


def test_each_action_has_its_metric() -> None:
    """Known actions have a column, blobs and unknown actions are others."""
    actions = ["push", "push", "delete", "quarantine", "chart_push", "chart_delete", "pull", "mount", "weird"]
    found = [RegistryEvent(action=action, registry="r", repository="a") for action in actions]
    found.append(RegistryEvent(action="push", registry="r", repository="a", media_type=BLOB_MEDIA_TYPE))
    expected = Counts(events=10, pushes=2, deletes=1, quarantines=1, chart_pushes=1, chart_deletes=1, pulls=1, others=3)
    assert tally(map(recorded, found, itertools.count()), {}) == Breakdown(counts={("repository", "a"): expected})


def test_nothing_adds_nothing() -> None:
    """The sum over no repositories is zero everywhere."""
    assert (total({}), EMPTY.total, tally([], {}), merge([])) == (NOTHING, NOTHING, EMPTY, EMPTY)


def test_metrics_keep_their_order() -> None:
    """Stored breakdowns are lists in this order, so a new metric comes last."""
    assert METRICS[:8] == (
        "events",
        "pushes",
        "deletes",
        "quarantines",
        "chart_pushes",
        "chart_deletes",
        "pulls",
        "others",
    )
    assert METRICS[8:] == EFFECTS


@pytest.mark.parametrize(("prefix", "events_found"), [("team/", 5), ("team", 8), ("", 9), ("nobody/", 0)])
def test_repositories_under_a_prefix(prefix: str, events_found: int) -> None:
    """A team's repositories are summed up; actors of such names are not among them."""
    numbers: dict[tuple[Dimension, str], int] = {
        ("repository", "team/a"): 2,
        ("repository", "team/b/c"): 3,
        ("repository", "teams"): 3,
        ("repository", "other/team/a"): 1,
        ("actor", "team/a"): 9,
    }
    found = Breakdown(counts={subject: Counts(events=number) for subject, number in numbers.items()})
    assert found.under(prefix) == Counts(events=events_found)


# Two channels


PUSH: Final = RegistryEvent(
    action="push", registry="r", repository="a", tag="v1", digest="sha256:1", occurred_at=NOON, request_id="1"
)


def later(event: RegistryEvent, seconds: float) -> RegistryEvent:
    """The same at another time."""
    return replace(event, occurred_at=NOON.plus(timedelta(seconds=seconds)))


@pytest.mark.parametrize(
    ("pair", "count"),
    [
        ((PUSH, later(PUSH, 0.5)), 1),
        ((PUSH, later(PUSH, 59.9)), 1),
        ((PUSH, later(PUSH, 60)), 2),
        ((PUSH, replace(later(PUSH, 1), request_id="2")), 2),
        ((replace(PUSH, request_id=None), replace(later(PUSH, 1), request_id=None)), 2),
        ((PUSH, replace(later(PUSH, 1), request_id=None)), 2),
        ((PUSH, replace(later(PUSH, 1), tag="v2")), 2),
        ((PUSH, replace(later(PUSH, 1), action="delete")), 2),
    ],
)
def test_what_two_channels_timed_differently_counts_once(pair: Sequence[RegistryEvent], count: int) -> None:
    """The same content and request in one minute is one event; anything else is not."""
    assert tally(map(recorded, pair), {}).total.events == count


@given(events(requests=True), st.data())
def test_the_earlier_one_counts(found: list[RecordedEvent], data: st.DataObject) -> None:
    """Of each group the one with the greatest id remains, with its effects, whatever the order."""
    groups: dict[object, list[RecordedEvent]] = {}
    for one in found:
        event, at = one.event, one.event.occurred_at
        assert at is not None
        key = (event.request_id, at.minute, event.action, event.repository, event.tag) if event.request_id else one.id
        groups.setdefault(key, []).append(one)
    effects = {one.id: data.draw(EFFECT) for one in found}
    order = data.draw(st.permutations(found))
    kept = [max(one.id for one in group) for group in groups.values()]
    counted = tally(order, effects)
    assert counted == tally(found, effects)
    assert counted.total.events == len(kept)
    assert all(getattr(counted.total, name) == sum(getattr(effects[one], name) for one in kept) for name in EFFECTS)


@given(events(requests=True), st.lists(st.integers(1, 5)), st.data())
def test_counting_in_pieces_is_counting_at_once(
    found: list[RecordedEvent], lengths: list[int], data: st.DataObject
) -> None:
    """Oldest first, in pieces of any length: also what two channels timed so differently that a piece ends between."""
    effects = {one.id: data.draw(EFFECT) for one in found}
    left = sorted(found, key=lambda one: one.id, reverse=True)
    counting = Tally()
    for length in [*lengths, len(left)]:
        counting.add(data.draw(st.permutations(left[:length])), effects)
        left = left[length:]
    assert counting.breakdown == tally(found, effects)


def test_an_event_is_where_any_channel_saw_it() -> None:
    """Lags are from the earlier time to the first report from a region, by whichever channel."""
    at = [NOON.plus(timedelta(seconds=second)) for second in range(10)]
    pair = [recorded(PUSH, eu=at[3], us=at[5]), recorded(later(PUSH, 1), us=at[4], asia=at[6])]
    for order in (pair, pair[::-1]):
        lags = tally(order, {}).lags
        assert {region: lag.longest // 10**7 for region, lag in lags.items()} == {"eu": 3, "us": 4, "asia": 6}
        assert all(lag.count == 1 for lag in lags.values())


# Weeks


@pytest.mark.parametrize(
    ("day", "first", "last"),
    [
        ("2026-06-15", "2026-06-15", "2026-06-21"),
        ("2026-06-21", "2026-06-15", "2026-06-21"),
        ("2026-01-01", "2025-12-29", "2026-01-04"),
        ("0001-01-01", "0001-01-01", "0001-01-07"),
        ("9999-12-31", "9999-12-27", "9999-12-31"),
    ],
)
def test_weeks_begin_on_monday(day: str, first: str, last: str) -> None:
    """Across years, and at both ends of the calendar."""
    assert (monday(day), sunday(day)) == (first, last)
