"""How far behind the regions of a geo-replicated registry are. Pure; `docs/history.md` defines the terms.

Lags are kept as histograms that can be added up, so that the lags of a day come from those of its minutes. The bounds
of the buckets are whole numbers, worked out without floating point, so that every machine counts alike.
"""

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from typing import Final

from registrail.events import RecordedEvent
from registrail.instants import LAST_TICK

REMAINDER: Final = "(others)"
"""In place of a name, for all that a row has no room to name; no registry, Azure region or identity is called so."""

PUSHES: Final = frozenset({"push", "chart_push"})


def _bounds() -> Sequence[int]:
    bounds = [0, 1]
    while bounds[-1] <= LAST_TICK:
        bounds.append(max(bounds[-1] + 1, bounds[-1] * 103 // 100))
    return bounds


BOUNDS: Final = _bounds()
"""Bucket `n` holds the lags from `BOUNDS[n]` to below `BOUNDS[n + 1]`, in units of 100 ns: 3 % apart, so that the
harmonic mean of the ends, even rounded, is within 2 % of everything between them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LagHistogram:
    """The lags of one region.

    Attributes:
        buckets: how many lags are in each bucket; none is empty.
        longest: the longest lag, exactly, in units of 100 ns.
    """

    buckets: Mapping[int, int] = field(default_factory=dict)
    longest: int = 0

    @property
    def count(self) -> int:
        """How many lags."""
        return sum(self.buckets.values())

    def quantile(self, p: float) -> int:
        """The lag that a share `p` of all lags does not exceed, in units of 100 ns, within 2 %.

        Raises:
            ValueError: `p` is not between 0 and 1, or there are no lags.
        """
        if not 0 <= p <= 1:
            message = f"{p} is no share between 0 and 1"
            raise ValueError(message)
        if not self.buckets:
            raise ValueError("there are no lags")
        rank = max(math.ceil(p * self.count), 1)
        if rank == self.count:
            return self.longest
        buckets = sorted(self.buckets)
        reached = accumulate(self.buckets[bucket] for bucket in buckets)
        found = next(bucket for bucket, so_far in zip(buckets, reached, strict=True) if so_far >= rank)
        return min(_representative(found), self.longest)

    def pack(self) -> list[int]:
        """Whole numbers for JSON: the longest lag, and for each bucket its distance from the last one and its count."""
        buckets = sorted(self.buckets)
        steps = [after - before for before, after in pairwise([0, *buckets])]
        pairs = zip(steps, (self.buckets[bucket] for bucket in buckets), strict=True)
        return [self.longest, *(number for pair in pairs for number in pair)]

    @classmethod
    def unpack(cls, packed: Sequence[int]) -> "LagHistogram":
        """Undo `pack`."""
        buckets: dict[int, int] = {}
        bucket = 0
        for step, count in zip(packed[1::2], packed[2::2], strict=True):
            bucket += step
            buckets[bucket] = count
        return cls(buckets=buckets, longest=packed[0])


Lags = Mapping[str, LagHistogram]
"""For each region."""


def _representative(bucket: int) -> int:
    low, high = BOUNDS[bucket], BOUNDS[bucket + 1] - 1
    return 2 * low * high // (low + high) if low else 0


def lags_of(recorded: RecordedEvent) -> Mapping[str, int]:
    """For each region that reported a push how long after the push that was, in units of 100 ns; else nothing."""
    event = recorded.event
    if event.occurred_at is None or not is_replicated(recorded):
        return {}
    return {region: max(0, seen.ticks - event.occurred_at.ticks) for region, seen in recorded.regions.items()}


def is_replicated(recorded: RecordedEvent) -> bool:
    """Whether an event is a push of a manifest or a chart, at a known time: of such regions are told apart."""
    event = recorded.event
    return event.action in PUSHES and not event.concerns_blob and event.occurred_at is not None


def measure(events: Iterable[Mapping[str, int]]) -> Lags:
    """The lags of events, each of which has them by region (`lags_of`)."""
    lags: dict[str, list[int]] = {}
    for of_event in events:
        for region, lag in of_event.items():
            lags.setdefault(region, []).append(lag)
    return {
        region: LagHistogram(
            buckets=dict(Counter(bisect_right(BOUNDS, lag) - 1 for lag in of_region)), longest=max(of_region)
        )
        for region, of_region in lags.items()
    }


def merge_lags(parts: Iterable[Lags]) -> Lags:
    """Add up the lags of shorter periods."""
    merged: dict[str, list[LagHistogram]] = {}
    for part in parts:
        for region, histogram in part.items():
            merged.setdefault(region, []).append(histogram)
    return {region: merge_histograms(histograms) for region, histograms in merged.items()}


def merge_histograms(histograms: Sequence[LagHistogram]) -> LagHistogram:
    """Add up histograms."""
    buckets: Counter[int] = Counter()
    for histogram in histograms:
        buckets.update(histogram.buckets)
    return LagHistogram(buckets=dict(buckets), longest=max((histogram.longest for histogram in histograms), default=0))


def expected_regions(day: Lags, day_before: Lags) -> frozenset[str]:
    """The regions from which a push of a day is expected: all that reported any push then or on the day before."""
    return frozenset({*day, *day_before} - {REMAINDER})


def missing_regions(recorded: RecordedEvent, expected: Collection[str]) -> frozenset[str]:
    """The expected regions that did not report an event; none if it is no push."""
    return frozenset(expected) - recorded.regions.keys() if is_replicated(recorded) else frozenset()
