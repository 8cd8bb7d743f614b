"""What a row of the table `activity` says: counts to columns and back. The columns are documented in `docs/tables.md`.

The row of *all* (`*`) carries the breakdown: zlib-compressed JSON, a list of three objects (repositories, actors and
clients by name, each with its numbers in the order of METRICS, zeros at the end left out) and of a text with one
character for each of their names, `1` where the subject's own row is due. Older rows have one object, of repositories.

What the key says no column repeats, unless the key had to cut it, and numbers that are zero have none either.
There is a row for each minute with events, so slots have nothing besides their numbers and the breakdown.
"""

import json
import zlib
from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache
from itertools import chain
from typing import Any, Final, cast

from registrail.activity import DIMENSIONS, METRICS, NOTHING, Breakdown, Counts, Dimension, Grain, Subject, add
from registrail.instants import Instant
from registrail.replicas import REMAINDER, LagHistogram, Lags, merge_histograms
from registrail.storage import keys
from registrail.storage.entities import joined, split
from registrail.storage.store import Properties, Value

LENGTHS: Final[Mapping[Grain, int]] = {"slot": 16, "hour": 13, "day": 10}
"""Of the names of periods."""
SETTLED: Final = "~"
"""In `due_after`, which no row's key comes after: nothing is due."""

MOST_PACKED: Final = 720_000
"""Bytes of a packed breakdown: with the rest and in base64 less than the 1 MiB of an entity."""
_MOST_COUNTS: Final = 640_000
"""Of them, bytes for names and numbers; there must be room for what is due."""
_MOST_LAGS: Final = 30_000
_MOST_REMEMBERED: Final = 4_000
"""Bytes of a packed breakdown and lags that are kept as they were read: of some 150 names, 50 kB in memory."""
EVENTS: Final = "events"
"""The column that tells of a row whether it counts anything at all."""

_BEGINNING: Final = "0000-01-01T00:00:00.0000000Z"

_Numbers = dict[str, list[int]]


def row(grain: Grain, subject: Subject | None, period: str) -> str:
    """The key: in the middle a repository, `*` for all of them, `*actor:{actor}` or `*client:{client}`.

    No encoded name contains `*`, so that no repository passes for anything else.
    """
    if subject is None or subject[0] == "repository":
        return keys.activity_row(grain, subject and subject[1], period)
    dimension, name = subject
    return keys.join(grain, f"{keys.ALL}{dimension}:{keys.encode(name)}", period)


def grain_of(period: str) -> Grain:
    """The grain of a stored period, by its name."""
    return next(grain for grain, length in LENGTHS.items() if length == len(period))


def single(registry: str, period: str, subject: Subject, counts: Counts) -> Properties:
    """The row of one repository, actor or client."""
    return {**_columns(registry, period, counts), **keys.if_cut(*subject)}


def sums(registry: str, period: str, breakdown: Breakdown, due: Collection[Subject], now: Instant) -> dict[str, Value]:
    """The row of all, for a fitted breakdown.

    What is due and has no counts any more is packed with zeros, unless there is no room for it. Then, should the writer
    be interrupted, rows of subjects that moved into the remainder keep their last counts.
    """
    packed = _pack(breakdown.counts, due)
    if len(packed) > MOST_PACKED:
        packed = _pack(breakdown.counts, breakdown.counts.keys() & set(due))
    columns = {
        **_columns(registry, period, breakdown.total),
        **split("breakdown", packed),
        **(split("lags", _pack_lags(breakdown.lags)) if breakdown.lags else {}),
    }
    if grain_of(period) != "slot":
        columns |= {"repositories": len(breakdown.of("repository")), "folded_at": now}
    return columns


def _columns(registry: str, period: str, counts: Counts) -> dict[str, Value]:
    numbers = {metric: number for metric, number in zip(METRICS, counts, strict=True) if number}
    begin: Properties = {} if grain_of(period) == "slot" else {"begins_at": _begin(period)}
    return {**keys.if_cut("registry", registry), **begin, **numbers}


@lru_cache(maxsize=1000)
def _begin(period: str) -> Instant:
    return Instant.parse(f"{period}{_BEGINNING[len(period) :]}")


def counts(properties: Properties) -> Counts:
    """The numbers of any row; those that it has not are zero."""
    return Counts(*(cast("int", properties.get(metric, 0)) for metric in METRICS))


def breakdown(properties: Properties) -> Breakdown:
    """The breakdown and lags of a row of all; the same object for the same row, so that charts are not read anew."""
    packed, lags = joined("breakdown", properties), joined("lags", properties)
    return (_remembered if len(packed) + len(lags) <= _MOST_REMEMBERED else _read)(packed, lags)


def _read(packed: bytes, packed_lags: bytes) -> Breakdown:
    by_dimension, _ = _unpack(packed)
    lags: dict[str, list[int]] = json.loads(zlib.decompress(packed_lags)) if packed_lags else {}
    return Breakdown(
        counts={
            (dimension, name): Counts(*numbers[: len(METRICS)])
            for dimension, found in zip(DIMENSIONS, by_dimension, strict=False)
            for name, numbers in found.items()
            if numbers
        },
        lags={region: LagHistogram.unpack(histogram) for region, histogram in lags.items()},
    )


_remembered = lru_cache(maxsize=500)(_read)


def flagged(properties: Properties) -> frozenset[Subject]:
    """The subjects whose own rows were due when a row of all was written."""
    by_dimension, due = _unpack(joined("breakdown", properties))
    subjects: Iterable[Subject] = (
        (dimension, name) for dimension, found in zip(DIMENSIONS, by_dimension, strict=False) for name in found
    )
    return frozenset(subject for subject, flag in zip(subjects, due, strict=False) if flag == "1")


def _unpack(packed: bytes) -> tuple[list[_Numbers], str]:
    found: _Numbers | tuple[_Numbers, _Numbers, _Numbers, str] = json.loads(zlib.decompress(packed))
    if isinstance(found, dict):
        return [found], ""
    *by_dimension, due = found
    return by_dimension, due


def _pack(found: Mapping[Subject, Counts], due: Collection[Subject]) -> bytes:
    wanted = set(due)
    subjects = sorted(found.keys() | wanted)
    by_dimension: dict[Dimension, _Numbers] = {dimension: {} for dimension in DIMENSIONS}
    flags: dict[Dimension, list[str]] = {dimension: [] for dimension in DIMENSIONS}
    for subject in subjects:
        dimension, name = subject
        by_dimension[dimension][name] = _trimmed(found.get(subject, NOTHING))
        flags[dimension].append("1" if subject in wanted else "0")
    return _compress([*by_dimension.values(), "".join(chain(*flags.values())) if wanted else ""])


def _trimmed(of: Counts) -> list[int]:
    numbers = list(of)
    while numbers and not numbers[-1]:
        numbers.pop()
    return numbers


def _pack_lags(lags: Lags) -> bytes:
    return _compress({region: histogram.pack() for region, histogram in sorted(lags.items())})


def _compress(value: Any) -> bytes:  # noqa: ANN401 - any JSON
    return zlib.compress(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode(), 9)


def fitted(found: Breakdown) -> Breakdown:
    """What a row has room for.

    Some 100,000 names have room. Beyond that the dimension that takes most keeps those with most events, and the others
    are summed up as REMAINDER, so that totals stay exact. Depends on nothing but the breakdown.
    """
    return Breakdown(counts=_fitted_counts(found.counts), lags=_fitted_lags(found.lags))


def _fitted_counts(found: Mapping[Subject, Counts]) -> Mapping[Subject, Counts]:
    while sum(6 * len(name) + 300 for _, name in found) > _MOST_COUNTS:  # then it may be too long: 13 numbers
        size = len(_pack(found, ()))
        if size <= _MOST_COUNTS:
            break
        largest = max(DIMENSIONS, key=lambda dimension: sum(len(name) + 8 for of, name in found if of == dimension))
        ranked = sorted(
            (subject for subject in found if subject[0] == largest and subject[1] != REMAINDER),
            key=lambda subject: (-found[subject].events, subject[1]),
        )
        others = ranked[int(len(ranked) * 0.95 * _MOST_COUNTS / size) :]
        remainder: Subject = (largest, REMAINDER)
        rest = add([found.get(remainder, NOTHING), *(found[subject] for subject in others)])
        left = found.keys() - set(others)
        found = {**{subject: found[subject] for subject in left}, remainder: rest}
    return found


def _fitted_lags(lags: Lags) -> Lags:
    while len(packed := _pack_lags(lags)) > _MOST_LAGS:
        ranked = sorted(lags.keys() - {REMAINDER}, key=lambda region: (-lags[region].count, region))
        others = ranked[int(len(ranked) * 0.95 * _MOST_LAGS / len(packed)) :]
        rest = merge_histograms([lags[region] for region in (REMAINDER, *others) if region in lags])
        lags = {**{region: lags[region] for region in ranked if region not in set(others)}, REMAINDER: rest}
    return lags
