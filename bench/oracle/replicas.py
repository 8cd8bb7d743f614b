"""Replicas: how long each region took to know of a push, and which never did."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date, timedelta

from bench.oracle.journal import Json, at, is_push, text
from registrail.events import RecordedEvent


def regions_by_day(events: Iterable[RecordedEvent]) -> dict[tuple[str, str], set[str]]:
    """The regions that reported any push, by registry and the day of the push."""
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    for recorded in events:
        if is_push(recorded.event):
            found[recorded.event.registry, at(recorded).day].update(recorded.regions)
    return found


def told_once(pushes: Iterable[RecordedEvent]) -> list[RecordedEvent]:
    """Of rows with one content and request in one minute only the earliest, with the regions of all."""
    found: dict[tuple[str, ...], RecordedEvent] = {}
    for recorded in pushes:
        request = recorded.event.request_id
        name = (at(recorded).minute, recorded.id.split("~")[1], request) if request is not None else (recorded.id,)
        earlier = found.get(name)
        if earlier is None:
            found[name] = recorded
            continue
        arrived = [*earlier.regions.items(), *recorded.regions.items()]
        first = {region: min(when for known, when in arrived if known == region) for region, _ in arrived}
        found[name] = replace(earlier, regions=first)
    return list(found.values())


def replica_items(pushes: Iterable[RecordedEvent], reporting: dict[tuple[str, str], set[str]]) -> list[Json]:
    """Items of `/api/replicas` for some pushes, newest first."""
    items = []
    for recorded in sorted(pushes, key=lambda recorded: recorded.id):
        registry, day = recorded.event.registry, at(recorded).day
        before = (date.fromisoformat(day) - timedelta(days=1)).isoformat()
        expected = reporting.get((registry, day), set()) | reporting.get((registry, before), set())
        if not expected:
            continue
        items.append(
            {
                "event": recorded.id,
                "registry": registry,
                "repository": recorded.event.repository,
                "tag": recorded.event.tag,
                "digest": recorded.event.digest,
                "at": text(recorded),
                "regions": {
                    name: {
                        "at": arrived.isoformat(),
                        "lag_seconds": max(arrived.ticks - at(recorded).ticks, 0) / 10_000_000,
                    }
                    for name, arrived in recorded.regions.items()
                },
                "missing": sorted(expected - set(recorded.regions)),
            }
        )
    return items


def lag_items(replicas: Iterable[Json]) -> list[Json]:
    """Items of `/api/replicas/lag`, by day and region, with exact quantiles; `replicas` are of all events that push."""
    lags: dict[tuple[str, str], list[float]] = defaultdict(list)
    missing: dict[tuple[str, str], int] = defaultdict(int)
    for item in replicas:
        day = item["at"][:10]
        for region, known in item["regions"].items():
            lags[day, region].append(known["lag_seconds"])
        for region in item["missing"]:
            missing[day, region] += 1
    return [
        {
            "day": day,
            "region": region,
            "pushes": len(lags[day, region]),
            "p50_seconds": quantile(lags[day, region], 50),
            "p95_seconds": quantile(lags[day, region], 95),
            "max_seconds": max(lags[day, region], default=None),
            "missing": missing[day, region],
        }
        for day, region in sorted({*lags, *missing})
    ]


def quantile(values: Sequence[float], percent: int) -> float | None:
    """The smallest value that so many percent of all do not exceed."""
    ordered = sorted(values)
    return ordered[-(-percent * len(ordered) // 100) - 1] if ordered else None
