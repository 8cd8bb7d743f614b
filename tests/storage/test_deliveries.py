import random
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registrail.compose import UseCases
from registrail.instants import Instant
from registrail.ports import Delivery, LoggedDay, LoggedDays, Outcome
from registrail.query import DeliveryFilter
from registrail.query.deliveries import page_of_deliveries
from registrail.storage.catalog import Catalog
from registrail.storage.deliveries import EntityDeliveries, delivery_id
from registrail.storage.sqlite import SqliteStore
from tests.counting import Counting

NOON: Final = Instant.parse("2026-06-15T12:00:00Z")
MIB: Final = 1_048_576


def delivery(number: int = 0, sender: str = "acr", at: Instant = NOON, **changed: Any) -> Delivery:
    """Make a delivery."""
    made = Delivery(
        id=delivery_id(sender, at, f"{number:012x}"),
        sender=sender,
        received_at=at,
        method="POST",
        path=f"/hooks/{sender}",
        headers={"content-type": "application/json"},
        query={"registry": "r"},
        body=b"{}",
        body_bytes=2,
        outcome="accepted",
        status=200,
        accepted=1,
        duration_ms=1.5,
    )
    return replace(made, **changed)


def log(store: SqliteStore) -> EntityDeliveries:
    """Open a delivery log."""
    return EntityDeliveries(store, Catalog(store))


async def kept(store: SqliteStore, one: Delivery) -> Delivery | None:
    """Write a delivery and read it back."""
    await log(store).record(one)
    return await log(store).get(one.id)


@pytest.mark.parametrize(
    "one",
    [
        delivery(),
        delivery(reason="not-json", problem="the body is not JSON", outcome="rejected", status=400, rejected=1),
        delivery(headers={}, query={}, body=b"", body_bytes=0, ignored=3, accepted=0, outcome="ignored"),
        delivery(headers={"x": "naïve \u0000\ud800\U0001f433"}, query={"a": "\\\"'<"}),
        delivery(body=b"x", body_bytes=7),
        delivery(sender="eventgrid", replayed_at=NOON.plus(timedelta(days=3))),
    ],
)
async def test_deliveries_come_back(store: SqliteStore, one: Delivery) -> None:
    """Every field is read as it was written."""
    assert await kept(store, one) == one


@pytest.mark.parametrize("identifier", ["", "acr", "acr~", "acr~x~y", f"acr~{'9' * 19}~00", "nobody~1~2", "a/b~~"])
async def test_a_delivery_that_is_not_there(store: SqliteStore, identifier: str) -> None:
    """An id that was never given finds nothing."""
    await log(store).record(delivery())
    assert await log(store).get(identifier) is None
    assert await log(store).get(delivery(7).id) is None


async def test_headers_beyond_a_property(store: SqliteStore) -> None:
    """One that is too long is left out, and hides none of the others."""
    headers = {"first": "1", "long": "x" * 40_000, "é" * 9_000: "also long", "last": "2"}
    found = await kept(store, delivery(headers=headers, query=headers))
    assert found is not None
    assert found.headers == found.query == {"first": "1", "last": "2"}


async def test_many_headers(store: SqliteStore) -> None:
    """As many as fit, and the property is never longer than Table Storage takes."""
    one = delivery(headers={f"header-{number}": "é" * 100 for number in range(200)})
    found = await kept(store, one)
    row = (await store.scan("deliveries", "acr~2026-06-15")).entities[0]
    assert found is not None
    assert 40 < len(found.headers) < 200
    assert len(str(row.properties["headers"])) <= 32_768


def weight(value: object) -> int:
    """The bytes of a value in an entity: two for each UTF-16 unit of a text."""
    if isinstance(value, str):
        return len(value.encode("utf-16-le"))
    return len(value) if isinstance(value, bytes) else 8


@pytest.mark.parametrize("size", [0, 60_000, 900_000, MIB, 3 * MIB])
@pytest.mark.parametrize("kind", ["zeros", "garbage"])
async def test_bodies_of_any_size(store: SqliteStore, size: int, kind: str) -> None:
    """What compresses is kept whole; of the rest as much as an entity holds, and the row says how much there was."""
    body = bytes(size) if kind == "zeros" else random.Random(size).randbytes(size)  # noqa: S311 - no secret
    long = {"x": "y" * 29_000}
    one = delivery(body=body, body_bytes=size, headers=long, query=long, problem="p" * 9_000, path="/" * 2_000)
    found = await kept(store, one)
    assert found is not None
    whole = kind == "zeros" or size < 900_000
    assert (found.body == body, found.body_bytes) == (whole, size)
    assert (body.startswith(found.body), len(found.body) >= min(size, 850_000)) == (True, True)
    [row] = (await store.scan("deliveries", "acr~2026-06-15")).entities
    assert sum(weight(value) + weight(name) for name, value in row.properties.items()) < MIB
    assert max(weight(value) for value in row.properties.values()) <= 65_536


async def test_long_texts_are_cut(store: SqliteStore) -> None:
    """A path or a problem of any length does not keep a delivery out of the log."""
    found = await kept(store, delivery(path="/" + "x" * 90_000, problem="p" * 90_000))
    assert found is not None
    assert found.problem is not None
    assert (len(found.path), len(found.problem)) == (1_024, 8_000)


async def test_days_with_trouble(store: SqliteStore) -> None:
    """They are noted, whatever else came on that day before or after, until the day is forgotten."""
    made: list[tuple[int, str, Outcome]] = [
        (0, "acr", "accepted"),
        (0, "acr", "rejected"),
        (0, "acr", "ignored"),
        (1, "acr", "accepted"),
        (2, "acr", "failed"),
        (2, "harbor", "accepted"),
    ]
    for days, sender, outcome in made:
        received_at = NOON.plus(timedelta(days=days, seconds=len(outcome)))
        await log(store).record(replace(delivery(days, sender, received_at), outcome=outcome))
    opened = log(store)
    kept = [
        LoggedDay("acr", "2026-06-17", troubled=True),
        LoggedDay("harbor", "2026-06-17"),
        LoggedDay("acr", "2026-06-16"),
        LoggedDay("acr", "2026-06-15", troubled=True),
    ]
    assert await opened.days() == LoggedDays(kept, None)
    assert await opened.days(begin="2026-06-16") == LoggedDays(kept[2:], None)
    assert await opened.days(since="2026-06-16") == LoggedDays(kept[:3], None)
    await opened.forget("acr", "2026-06-17")
    assert await opened.days() == LoggedDays(kept[1:], None)


async def test_a_list_does_not_read_long_bodies(store: SqliteStore) -> None:
    """Whatever came: short bodies are there, of long ones not more than the store's first column."""
    long = random.Random(1).randbytes(MIB)  # noqa: S311 - incompressible, and the same each time
    for number, body in enumerate((b"{}", b"x" * 16_000, b"x" * 16_001, long)):
        await log(store).record(delivery(number, body=body, body_bytes=len(body)))
    counting = Counting(store)
    page = await EntityDeliveries(counting, Catalog(counting)).read("acr", NOON.day)
    assert sorted(len(one.body) for one in page.deliveries) == [0, 0, 2, 16_000]
    assert counting.read_bytes < 100_000
    [whole] = [one for one in page.deliveries if one.body_bytes == MIB]
    assert await log(store).get(whole.id) != whole


async def test_ten_years_of_deliveries(store: SqliteStore) -> None:
    """A page reads the names of some days only, each with all its senders, and paging reaches all of them."""
    counting = Counting(store)
    opened = EntityDeliveries(counting, Catalog(counting))
    senders = ("acr", "eventgrid", "harbor")
    for day in range(300):
        for number, sender in enumerate(senders):
            await opened.record(delivery(number, sender, NOON.plus(timedelta(days=-12 * day))))
    first = await opened.days(limit=100)
    assert [one.sender for one in first.days] == [*senders] * 33
    assert first.then == NOON.plus(timedelta(days=-12 * 33)).day
    for wanted, expected in ((DeliveryFilter(), 900), (DeliveryFilter(sender="harbor"), 300)):
        found: list[Delivery] = []
        cursor = None
        while not found or cursor:
            counting.reset()
            page = await page_of_deliveries(opened, wanted, limit=100, cursor=cursor, requests=6)
            assert counting.total <= 6
            found, cursor = [*found, *page.items], page.next
        assert len({one.id for one in found}) == len(found) == expected
        assert [one.key for one in found] == sorted(one.key for one in found)
    late = DeliveryFilter(until=NOON.plus(timedelta(days=-3_000)))
    [newest] = (await page_of_deliveries(opened, late, limit=1)).items
    assert newest.received_at == NOON.plus(timedelta(days=-3_012))
    silent = await page_of_deliveries(opened, DeliveryFilter(sender="distribution"), limit=1, requests=6)
    assert (silent.items, bool(silent.next)) == ([], True)


async def test_newest_first_over_days_and_senders(store: SqliteStore, app: UseCases) -> None:
    """The list goes through all senders at once, day after day, and its pages have everything once."""
    made = [
        delivery(number, ("acr", "eventgrid", "distribution")[number % 3], NOON.plus(timedelta(hours=-5 * number)))
        for number in range(30)
    ]
    for one in random.Random(1).sample(made, len(made)):  # noqa: S311 - no secret
        await log(store).record(one)
    for limit in (1, 7, 30, 100):
        found: list[Delivery] = []
        cursor = None
        while True:
            page = await app.query.delivered(DeliveryFilter(), limit=limit, cursor=cursor)
            found += page.items
            cursor = page.next
            if cursor is None:
                break
        assert found == made


async def test_deliveries_of_one_instant_are_apart(store: SqliteStore, app: UseCases) -> None:
    """They differ in the random part of their ids."""
    for number in range(5):
        await log(store).record(delivery(number))
    assert len((await app.query.delivered(DeliveryFilter(), limit=10)).items) == 5


async def test_recording_again_replaces(store: SqliteStore, app: UseCases) -> None:
    """A delivery that is recorded twice is there once, without remains of the first."""
    await log(store).record(delivery(reason="x", problem="y", body=bytes(range(256)) * 1000, body_bytes=256_000))
    await log(store).record(delivery())
    assert list((await app.query.delivered(DeliveryFilter(), limit=10)).items) == [delivery()]


@settings(max_examples=30)
@given(
    st.dictionaries(st.text(max_size=20), st.text(max_size=2_000), max_size=20), st.binary(max_size=500), st.integers()
)
async def test_any_request_can_be_logged(headers: dict[str, str], body: bytes, number: int) -> None:
    """Whatever the headers and the body are, they come back."""
    opened = SqliteStore(":memory:")
    one = delivery(abs(number) % 1000, headers=headers, body=body, body_bytes=len(body))
    found = await kept(opened, one)
    assert found is not None
    assert found.body == body
    assert found.headers.items() <= headers.items()
