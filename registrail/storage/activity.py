"""Counts: table `activity`.

A registry's counts lie in one partition, so that a slot, its hour and its day change together or not at all. The row of
*all* repositories in a period (`*`) carries the breakdown by repository, from which the longer period is summed up;
hours and days also have a row for each repository, for charts and for people who query the table.
"""

import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, cast

from registrail.activity import GRAINS, METRICS, NOTHING, Breakdown, Counts, Grain, merge, total
from registrail.instants import Instant
from registrail.ports import Account, Period
from registrail.storage import keys
from registrail.storage.entities import joined, split
from registrail.storage.store import (
    MOST_OPERATIONS,
    Entity,
    EntityStore,
    Insert,
    Operation,
    Properties,
    Replace,
    Value,
    delete_range,
    scan_all,
)

TABLE: Final = "activity"
_AFTER_ALL: Final = ";"
"""Comes after digits and `:`, so that a prefix and this end the range of periods that begin with the prefix."""
_LENGTHS: Final[Mapping[Grain, int]] = {"slot": 16, "hour": 13, "day": 10}
"""Of the names of periods."""
_BEGINNING: Final = "0000-01-01T00:00:00.0000000Z"


class EntityActivity:
    """Activity in an EntityStore."""

    def __init__(self, store: EntityStore) -> None:
        self._store = store

    async def open_account(self, registry: str, hour: str) -> Account:
        """Read a day, its hours and one hour's slots.

        The longer period is read first: who writes a slot also writes its hour and day, so a writer who comes after
        our reading of an hour is noticed when we write the hour, and one who came before has written the slots that we
        are yet to read.
        """
        partition = keys.encode(registry)
        day_row = keys.activity_row("day", None, hour[:10])
        day = await self._store.get(TABLE, partition, day_row)
        hours = await self._range(partition, "hour", None, f"{hour[:10]}T", f"{hour[:10]}T{_AFTER_ALL}")
        slots = await self._range(partition, "slot", None, f"{hour}:", f"{hour}:{_AFTER_ALL}")
        found = [*([day] if day else []), *hours, *slots]
        return Account(
            hour=hour,
            slots={_period(entity): _breakdown(entity.properties) for entity in slots},
            hours={_period(entity): _breakdown(entity.properties) for entity in hours},
            day=_breakdown(day.properties) if day else {},
            versions={entity.row: entity.version for entity in found},
        )

    async def write_account(self, registry: str, opened: Account, slots: Mapping[str, Breakdown], now: Instant) -> None:
        """Replace slots, their hour and their day in one commit, checked against the versions that were read.

        The rows of single repositories are written without a check of their own, in the company of the checked rows.
        Where one commit cannot hold them all, those that do not fit go ahead in commits that touch the hour and the day
        as they are: should we be interrupted, the hour and the day still say the old, and the next fold starts again.
        """
        hour, day = opened.hour, opened.hour[:10]
        new_hour = merge({**opened.slots, **slots}.values())
        new_day = merge({**opened.hours, hour: new_hour}.values())
        details = [
            *_details(registry, "hour", hour, opened.hours.get(hour, {}), new_hour),
            *_details(registry, "day", day, opened.day, new_day),
        ]
        versions = dict(opened.versions)
        guards = {
            keys.activity_row("hour", None, hour): _sums(registry, "hour", hour, opened.hours.get(hour, {}), now),
            keys.activity_row("day", None, day): _sums(registry, "day", day, opened.day, now),
        }
        room = MOST_OPERATIONS - len(guards) - len(slots)
        while len(details) > room:
            ahead, details = (
                details[: MOST_OPERATIONS - len(guards)],
                details[MOST_OPERATIONS - len(guards) :],
            )
            versions.update(await self._commit(registry, versions, guards, ahead))
        sums = {
            keys.activity_row("slot", None, slot): _sums(registry, "slot", slot, breakdown, now)
            for slot, breakdown in slots.items()
        }
        sums[keys.activity_row("hour", None, hour)] = _sums(registry, "hour", hour, new_hour, now)
        sums[keys.activity_row("day", None, day)] = _sums(registry, "day", day, new_day, now)
        await self._commit(registry, versions, sums, details)

    async def _commit(
        self,
        registry: str,
        versions: Mapping[str, str],
        checked: Mapping[str, Properties],
        details: Sequence[Operation],
    ) -> Mapping[str, str]:
        """Write checked rows and details; the new versions of the checked rows."""
        operations: list[Operation] = [
            Replace(row, properties, versions[row]) if row in versions else Insert(row, properties)
            for row, properties in checked.items()
        ]
        written = await self._store.commit(TABLE, keys.encode(registry), [*operations, *details])
        return {row: cast("str", version) for row, version in zip(checked, written, strict=False)}

    async def periods(  # noqa: PLR0913 - as in the port
        self,
        registry: str,
        grain: Grain,
        *,
        repository: str | None = None,
        since: Instant | None = None,
        until: Instant | None = None,
        breakdown: bool = False,
    ) -> Sequence[Period]:
        """One series."""
        start = since.isoformat()[: _LENGTHS[grain]] if since else ""
        stop = Instant(max(until.ticks - 1, 0)).isoformat() if until else _AFTER_ALL
        found = await self._range(keys.encode(registry), grain, repository, start, stop)
        return [
            Period(
                registry,
                grain,
                _period(entity),
                repository,
                Counts(**{name: cast("int", entity.properties[name]) for name in METRICS}),
                _breakdown(entity.properties) if breakdown else None,
            )
            for entity in found
            if entity.properties["events"]
        ]

    async def forget(self, registry: str, day: str) -> None:
        """Delete the rows of a day: of the repositories that it names, and at last its own."""
        partition = keys.encode(registry)
        found = await self._store.get(TABLE, partition, keys.activity_row("day", None, day))
        repositories: list[str | None] = [*(_breakdown(found.properties) if found else {}), None]
        for repository in repositories:
            for grain in GRAINS:
                start = keys.activity_row(grain, repository, day)
                await delete_range(self._store, TABLE, partition, start=start, stop=f"{start}~")

    async def _range(self, partition: str, grain: Grain, repository: str | None, start: str, stop: str) -> list[Entity]:
        first, last = (keys.activity_row(grain, repository, end) for end in (start, stop))
        return await scan_all(self._store, TABLE, partition, start=first, stop=last)


def _details(registry: str, grain: Grain, period: str, old: Breakdown, new: Breakdown) -> Iterator[Operation]:
    """Rows of the repositories whose counts changed."""
    for repository in sorted({*old, *new}):
        counts = new.get(repository, NOTHING)
        if counts != old.get(repository):
            row = keys.activity_row(grain, repository, period)
            yield Replace(row, _counts(registry, grain, period, repository, counts))


def _sums(registry: str, grain: Grain, period: str, breakdown: Breakdown, now: Instant) -> Properties:
    """The row of all repositories."""
    compact = {repository: [getattr(counts, name) for name in METRICS] for repository, counts in breakdown.items()}
    packed = zlib.compress(json.dumps(compact, ensure_ascii=False, separators=(",", ":")).encode())
    return {
        **_counts(registry, grain, period, keys.ALL, total(breakdown)),
        **split("breakdown", packed),
        "repositories": len(breakdown),
        "folded_at": now,
    }


def _counts(registry: str, grain: Grain, period: str, repository: str, counts: Counts) -> dict[str, Value]:
    numbers: dict[str, Any] = {name: getattr(counts, name) for name in METRICS}
    begins = Instant.parse(f"{period}{_BEGINNING[len(period) :]}")
    return {"registry": registry, "grain": grain, "begins_at": begins, "repository": repository, **numbers}


def _breakdown(properties: Properties) -> Breakdown:
    compact: dict[str, list[int]] = json.loads(zlib.decompress(joined("breakdown", properties)))
    return {repository: Counts(**dict(zip(METRICS, numbers, strict=False))) for repository, numbers in compact.items()}


def _period(entity: Entity) -> str:
    return entity.row.rpartition("~")[2]
