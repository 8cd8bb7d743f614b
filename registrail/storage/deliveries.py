"""The delivery log: table `deliveries`, every request as it came."""

import gzip
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from registrail.instants import Instant
from registrail.ports import Delivery, Outcome
from registrail.storage import keys
from registrail.storage.catalog import Catalog
from registrail.storage.entities import joined, split
from registrail.storage.store import Entity, EntityStore, Replace, Value

TABLE: Final = "deliveries"
MOST_BYTES: Final = 900_000
"""Of a packed body; an entity holds 1 MiB. A body that does not compress to this is cut, and the row says so."""


class EntityDeliveries:
    """A DeliveryLog in an EntityStore."""

    def __init__(self, store: EntityStore, catalog: Catalog) -> None:
        self._store = store
        self._catalog = catalog

    async def record(self, delivery: Delivery) -> None:
        """Write one row."""
        day = delivery.received_at.day
        await self._catalog.add(TABLE, keys.join(day, keys.encode(delivery.sender)))
        await self._store.commit(
            TABLE,
            keys.delivery_partition(delivery.sender, day),
            [Replace(delivery.id.partition("~")[2], _properties(delivery))],
        )

    async def latest(self, limit: int) -> Sequence[Delivery]:
        """Read day after day until there are enough."""
        found: list[Delivery] = []
        by_day: dict[str, list[str]] = {}
        for name in reversed(await self._catalog.names(TABLE)):
            day, _, sender = name.partition("~")
            by_day.setdefault(day, []).append(keys.decode(sender))
        for day, senders in by_day.items():
            for sender in senders:
                page = await self._store.scan(TABLE, keys.delivery_partition(sender, day), limit=limit)
                found += [_delivery(sender, entity) for entity in page.entities]
            if len(found) >= limit:
                break
        return sorted(found, key=lambda delivery: delivery.received_at, reverse=True)[:limit]


def _properties(delivery: Delivery) -> Mapping[str, Value]:
    packed = gzip.compress(delivery.body, compresslevel=6, mtime=0)
    if len(packed) > MOST_BYTES:
        packed = gzip.compress(delivery.body[: MOST_BYTES - 20_000], compresslevel=0, mtime=0)
    properties: dict[str, Value] = {
        "received_at": delivery.received_at,
        "method": delivery.method,
        "path": delivery.path[:1024],
        "headers": _json(delivery.headers),
        "query": _json(delivery.query),
        "body_bytes": len(delivery.body),
        "outcome": delivery.outcome,
        "status": delivery.status,
        "accepted": delivery.accepted,
        "ignored": delivery.ignored,
        "rejected": delivery.rejected,
        "duration_ms": float(delivery.duration_ms),
    }
    if delivery.reason is not None:
        properties["reason"] = delivery.reason
    if delivery.problem is not None:
        properties["problem"] = delivery.problem[:8_000]
    properties.update(split("body", packed))
    return properties


def _json(pairs: Mapping[str, str]) -> str:
    """An object with as many of the pairs as a property holds."""
    fitting: dict[str, str] = {}
    room = 30_000
    for name, value in pairs.items():
        room -= len(json.dumps({name: value}))
        if room < 0:
            break
        fitting[name] = value
    return json.dumps(fitting)


def _delivery(sender: str, entity: Entity) -> Delivery:
    columns: Mapping[str, Any] = entity.properties
    return Delivery(
        id=keys.join(sender, entity.row),
        sender=sender,
        received_at=columns["received_at"],
        method=columns["method"],
        path=columns["path"],
        headers=json.loads(columns["headers"]),
        query=json.loads(columns["query"]),
        body=gzip.decompress(joined("body", columns)),
        outcome=cast("Outcome", columns["outcome"]),
        status=columns["status"],
        reason=columns.get("reason"),
        problem=columns.get("problem"),
        accepted=columns["accepted"],
        ignored=columns["ignored"],
        rejected=columns["rejected"],
        duration_ms=columns["duration_ms"],
    )


def delivery_id(sender: str, received_at: Instant, random: str) -> str:
    """Make an id that says where the row is; `random` tells deliveries of one instant apart."""
    return keys.join(sender, received_at.inverted, random)
