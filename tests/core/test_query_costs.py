"""What a page costs: requests to the store, which are what Table Storage takes time and money for."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import pytest

from registrail.activity import Counts
from registrail.compose import UseCases, use_cases
from registrail.events import Arrival, RegistryEvent
from registrail.instants import TICKS_PER_DAY, Instant
from registrail.query import EventFilter, PushFilter
from registrail.settings import Settings
from registrail.storage import activity_rows
from registrail.storage.sqlite import SqliteStore
from registrail.storage.store import Operation, Replace, commits
from tests.counting import Counting

NOON: Final = Instant.parse("2026-06-15T12:00:00Z")
ARRIVAL: Final = Arrival(sender="acr", delivery="acr~1", received_at=NOON)
REPOSITORIES: Final = ("team/app", "team/other", "app", "tools", "rare")
MOST: Final = 6


def events_of(days: int, each_day: int) -> list[RegistryEvent]:
    """Spread pushes evenly over the days before noon; one in a thousand is of the rare repository."""
    return [
        RegistryEvent(
            action="push",
            registry="r.io",
            repository="rare" if number % 1_000 == 999 else REPOSITORIES[number % 4],
            tag=f"v{number}",
            digest=f"sha256:{number:064x}",
            occurred_at=Instant(NOON.ticks - number * (TICKS_PER_DAY // each_day)),
            actor=f"actor{number % 3}",
        )
        for number in range(days * each_day)
    ]


@dataclass(frozen=True)
class Filled:
    """A journal, and the store that counts."""

    store: Counting
    app: UseCases

    async def costs(self, wanted: EventFilter | PushFilter, limit: int = 100, pages: int = 4) -> list[int]:
        """Requests of the first pages of a list."""
        found: list[int] = []
        cursor = None
        while len(found) < pages:
            self.store.reset()
            if isinstance(wanted, EventFilter):
                cursor = (await self.app.query.events(wanted, limit=limit, cursor=cursor)).next
            else:
                cursor = (await self.app.query.pushes(wanted, limit=limit, cursor=cursor)).next
            found.append(self.store.total)
            assert not self.store.requests["commit"]
            if cursor is None:
                break
        return found


async def fill(days: int, each_day: int, *, is_folded: bool = True) -> Filled:
    """Write a journal, and the counts of its repositories or marks in their place."""
    store = Counting(SqliteStore(":memory:"))
    app = use_cases(store, Settings(), lambda: NOON)
    events = events_of(days, each_day)
    await app.ingest.journal.append(events, ARRIVAL)
    dated = [(one.occurred_at, one.repository) for one in events if one.occurred_at]
    if is_folded:
        counted = sorted({(at.day, repository) for at, repository in dated})
        rows: list[Operation] = []
        for day, repository in counted:
            subject = ("repository", repository)
            columns = activity_rows.single("r.io", day, subject, Counts(events=1))  # type: ignore[arg-type]
            rows.append(Replace(activity_rows.row("day", subject, day), columns))  # type: ignore[arg-type]
        for at_once in commits(rows):
            await store.commit("activity", "r.io", at_once)
    else:
        await app.ingest.marks.touch("r.io", sorted({at.minute for at, _ in dated}))
    return Filled(store, app)


SHAPES: Final[dict[str, tuple[int, int, bool]]] = {
    "tiny": (1, 3, True),
    "sparse": (60, 5, True),
    "ten-years": (3_650, 1, True),
    "dense": (2, 3_000, True),
    "not-folded": (2, 1_000, False),
}
FILTERS: Final[dict[str, dict[str, Any]]] = {
    "all": {},
    "registry": {"registry": "r.io"},
    "repository": {"registry": "r.io", "repository": "team/app"},
    "repository-anywhere": {"repository": "team/app"},
    "rare": {"registry": "r.io", "repository": "rare"},
    "nothing": {"registry": "r.io", "repository": "nothing"},
    "prefix": {"registry": "r.io", "repository": "team/*"},
    "tag": {"registry": "r.io", "tag": "v1"},
    "since": {"registry": "r.io", "since": NOON.plus(timedelta(days=-3))},
    "until": {"registry": "r.io", "repository": "team/app", "until": NOON.plus(timedelta(days=-1))},
}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
async def test_no_page_costs_more_than_six_requests(shape: tuple[int, int, bool]) -> None:
    """Whatever is asked of whatever history, also on later pages."""
    days, each_day, is_folded = shape
    filled = await fill(days, each_day, is_folded=is_folded)
    costs = {
        (kind.__name__, name, limit): max(await filled.costs(kind(**wanted), limit))
        for kind in (EventFilter, PushFilter)
        for name, wanted in FILTERS.items()
        for limit in (1, 100)
    }
    assert {asked: cost for asked, cost in costs.items() if cost > MOST} == {}
    await filled.store.close()


@pytest.mark.parametrize("kind", [EventFilter, PushFilter])
@pytest.mark.parametrize("wanted", [{}, {"registry": "r.io", "repository": "team/app"}], ids=["all", "repository"])
async def test_a_longer_history_costs_the_same(
    kind: Callable[..., EventFilter | PushFilter], wanted: dict[str, Any]
) -> None:
    """Page for page."""
    costs: list[Sequence[int]] = []
    for days in (40, 400):
        made = await fill(days, 5)
        costs.append(await made.costs(kind(**wanted), pages=5))
        await made.store.close()
    assert costs[0] == costs[1]


@pytest.mark.parametrize("kind", ["events", "pushes"])
@pytest.mark.parametrize("repository", ["rare", "team/app", "team/*"])
async def test_days_without_a_repository_are_not_read(kind: str, repository: str) -> None:
    """All that is wanted is found, in few pages where the counts tell the days."""
    made = await fill(400, 5)
    found, pages, cursor = 0, 0, None
    while pages == 0 or cursor:
        if kind == "events":
            listed = await made.app.query.events(
                EventFilter(registry="r.io", repository=repository), limit=100, cursor=cursor
            )
            found, cursor = found + len(listed.items), listed.next
        else:
            page = await made.app.query.pushes(
                PushFilter(registry="r.io", repository=repository), limit=100, cursor=cursor
            )
            found, cursor = found + len(page.items), page.next
        pages += 1
    assert (found, pages <= (1 if repository == "rare" else 160)) == (
        {"rare": 2, "team/app": 500, "team/*": 1_000}[repository],
        True,
    )
    await made.store.close()
