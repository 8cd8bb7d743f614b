"""Lists of deletes and tags: one request for rows a page, however little a filter admits."""

import json
from typing import Any, Final

import pytest

from registrail.compose import UseCases, use_cases
from registrail.dossier import Deletion
from registrail.instants import Instant
from registrail.query import DeleteFilter, TagState
from registrail.senders.sender import Request
from registrail.settings import Settings
from registrail.storage import keys
from registrail.storage.sqlite import SqliteStore
from registrail.storage.store import Operation, Replace, commits
from tests.conftest import Clock
from tests.counting import Counting

REGISTRY: Final = "r.azurecr.io"
DIGEST: Final = f"sha256:{1:064x}"


def said(action: str, at: str, tag: str | None = None) -> Request:
    """What a registry says of an image."""
    target = {"repository": "app", "digest": DIGEST} | ({"tag": tag} if tag else {})
    event = {"action": action, "timestamp": at, "target": target, "request": {"host": REGISTRY, "id": at}}
    return Request(body=json.dumps(event).encode())


async def filled(clock: Clock, deletes: int, tags: int) -> tuple[Counting, UseCases]:
    """One image was pushed and deleted; then that happened so many times more, and so many tags became absent."""
    store = Counting(SqliteStore(":memory:"))
    app = use_cases(store, Settings(), clock)
    clock.now = Instant.parse("2026-05-03T00:00:00Z")
    for one in (said("push", "2026-05-01T10:00:00Z", "v1"), said("delete", "2026-05-01T12:00:00Z")):
        await app.ingest.receive("acr", one, path="/hooks/acr")
    await app.summarize.fold_all()
    found = {entity.row: entity.properties for entity in (await store.scan("history", REGISTRY)).entities}
    [delete] = [columns for row, columns in found.items() if row.startswith("delete~")]
    absent = found[keys.tag_row("app", "v1")]
    rows: list[Operation] = [
        Replace(keys.delete_row(f"{at.inverted}~{number:032x}"), delete)
        for number in range(deletes)
        for at in [Instant(Instant.parse("2026-05-02T00:00:00Z").ticks - number)]
    ]
    rows += [
        Replace(keys.tag_row("app", f"a{number:05}"), {**absent, "tag": f"a{number:05}"}) for number in range(tags)
    ]
    for piece in commits(rows):
        await store.commit("history", REGISTRY, piece)
    return store, app


@pytest.mark.parametrize("wanted", [{}, {"tag": "none"}, {"digest": "none"}, {"actor": "none"}, {"repository": "x*"}])
async def test_deletes_cost_the_same_however_many_there_are(clock: Clock, wanted: dict[str, Any]) -> None:
    """With few and with many, filtered or not."""
    costs = []
    for deletes in (3, 2_500):
        store, app = await filled(clock, deletes, 0)
        store.reset()
        await app.query.history.deletions(REGISTRY, DeleteFilter(**wanted), limit=100)
        costs.append(store.total)
        await store.close()
    assert costs == [costs[0]] * 2
    assert costs[0] <= 2


async def test_paging_past_deletes_that_a_filter_refuses(clock: Clock) -> None:
    """Pages without items go on, and at last come to an end with the one that is wanted."""
    store, app = await filled(clock, 2_500, 0)
    [oldest] = (
        await app.query.history.deletions(REGISTRY, DeleteFilter(until=Instant.parse("2026-05-01T13:00:00Z")), limit=1)
    ).items
    row = keys.delete_row(oldest.event)
    entity = await store.get("history", REGISTRY, row)
    assert entity is not None
    await store.commit("history", REGISTRY, [Replace(row, {**entity.properties, "actor": "eve"})])
    found: list[Deletion] = []
    pages, cursor = 0, None
    while pages == 0 or cursor:
        page = await app.query.history.deletions(REGISTRY, DeleteFilter(actor="eve"), limit=100, cursor=cursor)
        pages, found, cursor = pages + 1, [*found, *page.items], page.next
    assert [one.event for one in found] == [oldest.event]
    assert pages == 3
    await store.close()


async def test_pages_of_deletes_have_everything_once(clock: Clock) -> None:
    """A page that was cut goes on behind its last delete."""
    store, app = await filled(clock, 250, 0)
    for wanted in (DeleteFilter(), DeleteFilter(digest=DIGEST)):
        found: list[Deletion] = []
        cursor = None
        while not found or cursor:
            page = await app.query.history.deletions(REGISTRY, wanted, limit=70, cursor=cursor)
            found, cursor = [*found, *page.items], page.next
        assert len({one.event for one in found}) == len(found) == 251
    await store.close()


async def test_absent_tags_cost_the_same_and_are_gone_past(clock: Clock) -> None:
    """One request for rows, and the tags behind are reached page by page."""
    costs = []
    for tags in (3, 900):
        store, app = await filled(clock, 0, tags)
        await app.ingest.receive("acr", said("push", "2026-05-02T10:00:00Z", "v2"), path="/hooks/acr")
        await app.summarize.fold_all()
        store.reset()
        page = await app.query.history.tags(REGISTRY, limit=100)
        costs.append(store.total)
        found = list(page.items)
        while page.next:
            page = await app.query.history.tags(REGISTRY, limit=100, cursor=page.next)
            found += page.items
        assert [one.tag for one in found] == ["v2"]
        every: list[TagState] = []
        cursor = None
        while not every or cursor:
            listed = await app.query.history.tags(REGISTRY, present=False, limit=100, cursor=cursor)
            every, cursor = [*every, *listed.items], listed.next
        assert len({one.tag for one in every}) == len(every) == tags + 2
        await store.close()
    assert costs == [costs[0]] * 2
