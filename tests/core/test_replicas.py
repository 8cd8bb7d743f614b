import math
from datetime import timedelta
from itertools import pairwise
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registrail.events import BLOB_MEDIA_TYPE, RecordedEvent, RegistryEvent
from registrail.instants import LAST_TICK, Instant
from registrail.replicas import (
    BOUNDS,
    REMAINDER,
    LagHistogram,
    expected_regions,
    lags_of,
    measure,
    merge_lags,
    missing_regions,
)

NOON: Final = Instant.parse("2026-06-15T12:00:00Z")
LAGS: Final = st.one_of(st.integers(0, 200), st.integers(0, 36_000_000_000), st.integers(0, LAST_TICK - NOON.ticks))


def push(action: str = "push", *, media_type: str | None = None, timed: bool = True, **seen: int) -> RecordedEvent:
    """An event at noon that was reported from regions, so many units of 100 ns later."""
    occurred_at = NOON if timed else None
    event = RegistryEvent(action=action, registry="r", repository="a", media_type=media_type, occurred_at=occurred_at)
    regions = {region: Instant(NOON.ticks + lag) for region, lag in seen.items()}
    return RecordedEvent(id="", event=event, seen={}, regions=regions, deliveries={})


def histogram(lags: list[int]) -> LagHistogram:
    """Of one region."""
    return measure({"eu": lag} for lag in lags).get("eu", LagHistogram())


@given(st.lists(LAGS, min_size=1), st.floats(0, 1))
def test_a_quantile_is_within_two_percent(lags: list[int], p: float) -> None:
    """It is near the lag at its place in the sorted list; the count and the longest lag are exact."""
    found = histogram(lags)
    exact = sorted(lags)[max(math.ceil(p * len(lags)), 1) - 1]
    assert abs(found.quantile(p) - exact) <= 0.02 * exact
    assert (found.count, found.longest, found.quantile(1)) == (len(lags), max(lags), max(lags))


@given(st.lists(st.lists(st.tuples(st.sampled_from(["eu", "us", "asia"]), LAGS))))
def test_adding_up_is_measuring_together(parts: list[list[tuple[str, int]]]) -> None:
    """The lags of a day come from those of its minutes, whatever lies where."""
    events = [[{region: lag} for region, lag in part] for part in parts]
    assert merge_lags(measure(part) for part in events) == measure(event for part in events for event in part)


@given(st.lists(LAGS))
def test_histograms_come_back(lags: list[int]) -> None:
    """What is packed is read as it was, and it is numbers only."""
    found = histogram(lags)
    assert LagHistogram.unpack(found.pack()) == found
    assert len(found.pack()) <= 1 + 2 * len(set(lags))


def test_buckets_cover_everything() -> None:
    """From no lag to the longest that there can be; both ends of a bucket are within 2 % of what it stands for."""
    assert (BOUNDS[0], BOUNDS[-1] > LAST_TICK, len(BOUNDS) < 1500) == (0, True, True)
    for low, after in pairwise(BOUNDS):
        for lag in (low, after - 1):
            found = LagHistogram(buckets={BOUNDS.index(low): 2}, longest=LAST_TICK).quantile(0)
            assert abs(found - lag) * 50 <= lag


@pytest.mark.parametrize("p", [-0.1, 1.1, math.nan])
def test_no_share(p: float) -> None:
    """A quantile is asked for by a share."""
    with pytest.raises(ValueError, match="no share"):
        histogram([1]).quantile(p)


def test_no_lags() -> None:
    """A quantile of nothing is a mistake."""
    with pytest.raises(ValueError, match="no lags"):
        LagHistogram().quantile(0.5)


@pytest.mark.parametrize(
    ("event", "lags"),
    [
        (push(eu=5, us=7), {"eu": 5, "us": 7}),
        (push(eu=-5), {"eu": 0}),
        (push("chart_push", eu=1), {"eu": 1}),
        (push(), {}),
        (push("delete", eu=1), {}),
        (push("quarantine", eu=1), {}),
        (push(media_type=BLOB_MEDIA_TYPE, eu=1), {}),
        (push(timed=False, eu=1), {}),
    ],
)
def test_the_lags_of_an_event(event: RecordedEvent, lags: dict[str, int]) -> None:
    """Pushes of manifests and charts have them, at least 0; nothing else has."""
    assert lags_of(event) == lags


def test_regions_that_are_expected() -> None:
    """All that reported a push on the day or the day before; the remainder of a row is none."""
    day, before = measure([{"eu": 1, "us": 1}]), measure([{"asia": 1}, {"eu": 9}])
    assert expected_regions(day, before) == {"eu", "us", "asia"}
    assert expected_regions({**day, REMAINDER: LagHistogram()}, {}) == {"eu", "us"}


@pytest.mark.parametrize(
    ("event", "missing"),
    [(push(eu=1), {"us"}), (push(eu=1, us=2), set()), (push(asia=3), {"eu", "us"}), (push("delete"), set())],
)
def test_regions_that_are_missing(event: RecordedEvent, missing: set[str]) -> None:
    """Expected for a push, and without a report of it."""
    assert missing_regions(event, {"eu", "us"}) == missing


def test_a_lag_is_to_the_arrival() -> None:
    """A minute is 600 million units."""
    event = push(eu=timedelta(minutes=1) // timedelta(microseconds=1) * 10)
    assert measure([lags_of(event)])["eu"].longest == 600_000_000
