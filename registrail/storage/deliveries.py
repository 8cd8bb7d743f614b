"""The delivery log: table `deliveries`, every request as it came."""

import asyncio
import gzip
import math
import re
import zlib
from collections.abc import Awaitable, Mapping
from functools import lru_cache
from typing import Any, Final, cast

from registrail.instants import LAST_TICK, Instant
from registrail.ports import GLANCED, MOST_DAYS, Delivery, DeliveryPage, LoggedDay, LoggedDays, Outcome
from registrail.storage import keys
from registrail.storage.catalog import Catalog
from registrail.storage.entities import joined, split
from registrail.storage.rowjson import ascii_json, read_json
from registrail.storage.store import Entity, EntityStore, Replace, Value, delete_range

TABLE: Final = "deliveries"
TROUBLE: Final = frozenset({"failed", "rejected"})
"""Outcomes that somebody should look at."""
LONGEST_TEXT: Final = 30_000
"""Characters of a property, which holds 32,768."""
_ROW: Final = re.compile("[0-9]{19}~[0-9a-f]{1,64}")
MOST_BYTES: Final = 900_000
"""Of a packed body; an entity holds 1 MiB. A body that does not compress to this is cut, and the row says so."""
_SMALL: Final = 4096
"""Bytes of a body that packs as well with a window of 12 bits as with a larger one."""
_LISTED: Final = (
    *("received_at", "method", "path", "headers", "query", "body_0", "body_bytes", "outcome", "status", "replayed_at"),
    *("reason", "problem", "accepted", "ignored", "rejected", "duration_ms"),
)
"""Columns that a list reads: the first of the body's has all of a short one."""
_BEHIND: Final = "~~"
"""Put behind a countdown, it makes the end of a range that all names of its day lie in."""
_GZIP: Final = 16
"""Added to the bits of the window: the format."""


class EntityDeliveries:
    """A DeliveryLog in an EntityStore."""

    def __init__(self, store: EntityStore, catalog: Catalog) -> None:
        self._store = store
        self._catalog = catalog

    def record(self, delivery: Delivery) -> Awaitable[None]:
        """Begin to write one row."""
        return asyncio.create_task(self._record(delivery))

    async def _record(self, delivery: Delivery) -> None:
        day = delivery.received_at.day
        columns = {"troubled": True} if delivery.outcome in TROUBLE else {}
        await self._catalog.add(TABLE, _name(delivery.sender, day), **columns)
        await self._store.commit(
            TABLE,
            keys.delivery_partition(delivery.sender, day),
            [Replace(delivery.key, _properties(delivery))],
        )

    async def get(self, delivery_id: str) -> Delivery | None:
        """Read one row; its partition follows from the id."""
        sender, _, row = delivery_id.partition("~")
        inverted = row.partition("~")[0]
        if not _ROW.fullmatch(row) or int(inverted) > LAST_TICK:
            return None
        partition = keys.delivery_partition(sender, Instant.from_inverted(inverted).day)
        entity = await self._store.get(TABLE, partition, row)
        return _delivery(sender, entity) if entity else None

    async def days(self, *, begin: str | None = None, since: str | None = None, limit: int = MOST_DAYS) -> LoggedDays:
        """Read a part of the catalog; a day that may lack a sender is left for the next part."""
        start = _countdown(begin) if begin else ""
        stop = f"{_countdown(since)}{_BEHIND}" if since else None
        page = await self._catalog.some(TABLE, start, stop, limit)
        found = [_logged_day(entity) for entity in page.entities]
        if page.after is None:
            return LoggedDays(found, None)
        then = found[-1].day
        return LoggedDays([one for one in found if one.day != then], then)

    async def read(  # noqa: PLR0913 - as in the port
        self,
        sender: str,
        day: str,
        *,
        since: Instant | None = None,
        until: Instant | None = None,
        after: str | None = None,
        limit: int = 100,
    ) -> DeliveryPage:
        """Read a part of a partition."""
        start, stop = keys.time_range(since, until)
        partition = keys.delivery_partition(sender, day)
        page = await self._store.scan(
            TABLE, partition, start=start, stop=stop, after=after, limit=limit, select=_LISTED
        )
        return DeliveryPage([_delivery(sender, entity, GLANCED) for entity in page.entities], page.after)

    async def forget(self, sender: str, day: str) -> None:
        """Empty a partition, then take its name from the catalog."""
        await delete_range(self._store, TABLE, keys.delivery_partition(sender, day))
        await self._catalog.remove(TABLE, _name(sender, day))


def _countdown(day: str) -> str:
    return f"{99_999_999 - int(day.replace('-', '')):08d}"


@lru_cache(maxsize=1000)
def _name(sender: str, day: str) -> str:
    """A sender's day in the catalog: the newest comes first."""
    return keys.join(_countdown(day), day, keys.encode(sender))


def _logged_day(entity: Entity) -> LoggedDay:
    _, day, sender = entity.row.split("~")
    return LoggedDay(keys.decode(sender), day, bool(entity.properties.get("troubled")))


def _properties(delivery: Delivery) -> Mapping[str, Value]:
    packed = _gzip(delivery.body)
    if len(packed) > MOST_BYTES:
        packed = gzip.compress(delivery.body[: MOST_BYTES - 20_000], compresslevel=0, mtime=0)
    properties: dict[str, Value] = {
        "received_at": delivery.received_at,
        "method": delivery.method,
        "path": delivery.path[:1024],
        "headers": _json(delivery.headers),
        "query": _json(delivery.query),
        "body_bytes": delivery.body_bytes,
        "outcome": delivery.outcome,
        "status": delivery.status,
        "accepted": delivery.accepted,
        "ignored": delivery.ignored,
        "rejected": delivery.rejected,
        "duration_ms": float(delivery.duration_ms),
    }
    if delivery.replayed_at is not None:
        properties["replayed_at"] = delivery.replayed_at
    if delivery.reason is not None:
        properties["reason"] = delivery.reason
    if delivery.problem is not None:
        properties["problem"] = delivery.problem[:8_000]
    properties.update(split("body", packed))
    return properties


def _gzip(body: bytes) -> bytes:
    """What `gzip.compress` does; with a webhook's body that would spend most of its time on 256 KiB of memory."""
    window_bits, memory_level = (12, 6) if len(body) <= _SMALL else (zlib.MAX_WBITS, zlib.DEF_MEM_LEVEL)
    packer = zlib.compressobj(6, zlib.DEFLATED, _GZIP + window_bits, memory_level)
    return packer.compress(body) + packer.flush()


def _json(pairs: Mapping[str, str]) -> str:
    """An object with as many of the pairs as a property holds."""
    whole = ascii_json(dict(pairs))
    if len(whole) <= LONGEST_TEXT:
        return whole
    fitting: dict[str, str] = {}
    room = LONGEST_TEXT
    for name, value in pairs.items():
        length = len(ascii_json({name: value}))
        if length <= room:
            room -= length
            fitting[name] = value
    return ascii_json(fitting)


def _delivery(sender: str, entity: Entity, most: float = math.inf) -> Delivery:
    """Undo `_properties`; without the body if that is longer than `most`."""
    columns: Mapping[str, Any] = entity.properties
    return Delivery(
        id=keys.join(sender, entity.row),
        sender=sender,
        received_at=columns["received_at"],
        method=columns["method"],
        path=columns["path"],
        headers=read_json(columns["headers"]),
        query=read_json(columns["query"]),
        body=b"" if columns["body_bytes"] > most else gzip.decompress(joined("body", columns)),
        body_bytes=columns["body_bytes"],
        outcome=cast("Outcome", columns["outcome"]),
        status=columns["status"],
        replayed_at=columns.get("replayed_at"),
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
