"""What the API says of a made-up month is what the independent reading of docs/history.md says."""

from collections.abc import AsyncIterator

import httpx
import pytest

from bench.agreement import Agreement
from bench.fill import fill
from bench.oracle.answers import Oracle
from bench.year import BEGIN, REGIONS, REGISTRY, year
from registrail.compose import UseCases
from registrail.instants import TICKS_PER_DAY, Instant
from registrail.settings import Settings
from registrail.storage.sqlite import SqliteStore
from registrail.web.app import web_app

DAYS = 12
END = Instant(BEGIN.ticks + (DAYS + 30) * TICKS_PER_DAY)


@pytest.fixture
async def agreement(store: SqliteStore, app: UseCases) -> AsyncIterator[Agreement]:
    """Ask an app to which a busy fortnight was told, some of it after a fold."""
    told = year(events=700, repositories=6, days=DAYS, seed=1, regions=REGIONS)
    for start in range(0, len(told), 900):
        await fill(store, told[start : start + 900])
        await app.summarize.bring_up_to_date(REGISTRY)
    transport = httpx.ASGITransport(web_app(app.query, app.ingest, Settings(storage="sqlite:///:memory:")))
    async with httpx.AsyncClient(transport=transport, base_url="http://registrail.localhost") as http:
        yield Agreement(http, Oracle.told(told), REGISTRY)


async def test_every_answer(agreement: Agreement) -> None:
    """Lists, filters, as-of, and all that has an address."""
    await agreement.everything(BEGIN, END)
    assert agreement.differences == []
    assert set(agreement.compared) >= {"timeline as of", "digest", "delete", "pushes", "lags", "activity per week"}


async def test_a_difference_is_found(agreement: Agreement) -> None:
    """An oracle that did not hear everything disagrees."""
    agreement.oracle = Oracle(agreement.oracle.recorded[1:])
    await agreement.events()
    assert agreement.differences != []
