"""The counts of a made-up month, folded while it arrives, are those of the independent reading of docs/history.md."""

from typing import Any

import pytest

from bench.fill import fill
from bench.oracle.activity import COUNTS, By, Grain
from bench.oracle.answers import Oracle
from bench.year import REGIONS, REGISTRY, year
from registrail.compose import UseCases, use_cases
from registrail.settings import Settings
from registrail.storage.sqlite import SqliteStore

GRAINS: tuple[Grain, ...] = ("slot", "hour", "day", "week")
DIMENSIONS: tuple[By, ...] = ("repository", "actor", "client")
Cells = dict[tuple[str, str | None], dict[str, int]]


@pytest.mark.parametrize("seed", [1, 2])
async def test_counts_are_those_of_the_oracle(store: SqliteStore, seed: int) -> None:
    """Per slot, hour, day and week, and for each repository, actor and client, whatever came late or twice."""
    told = year(events=1200, repositories=6, days=12, seed=seed, regions=REGIONS)
    cases = use_cases(store, Settings(storage="sqlite:///:memory:"))
    for start in range(0, len(told), 700):
        await fill(store, told[start : start + 700])
        await cases.summarize.bring_up_to_date(REGISTRY)
    oracle = Oracle.told(told)
    for grain in GRAINS:
        assert await _counted(cases, oracle, grain, None) == _expected(oracle, grain, None)
    for by in DIMENSIONS:
        for grain in GRAINS[1:]:
            assert await _counted(cases, oracle, grain, by) == _expected(oracle, grain, by)


def _expected(oracle: Oracle, grain: Grain, by: By | None) -> Cells:
    return {
        (item["period"], item[by] if by else None): {count: item[count] for count in COUNTS}
        for item in oracle.activity(grain, by)
    }


async def _counted(cases: UseCases, oracle: Oracle, grain: Grain, by: By | None) -> Cells:
    counted: Cells = {}
    for name in {name for _, name in _expected(oracle, grain, by)}:
        asked: dict[str, Any] = {by: name} if by else {}
        for period in await cases.summarize.activity.periods(REGISTRY, grain, **asked):
            counted[period.period, name] = {count: getattr(period.counts, count) for count in COUNTS}
    return counted
