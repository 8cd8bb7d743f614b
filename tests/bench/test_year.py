"""The made-up year must be the same each time, and have everything in it that the history has to cope with."""

from collections import Counter
from collections.abc import Sequence

import pytest

from bench.fill import fill
from bench.oracle.answers import Oracle
from bench.oracle.journal import row_id
from bench.stage import HELM_CHART, OCI_INDEX
from bench.year import BEGIN, REGIONS, REGISTRY, Told, year
from registrail.compose import use_cases
from registrail.events import BLOB_MEDIA_TYPE, RecordedEvent, RegistryEvent
from registrail.instants import TICKS_PER_DAY, TICKS_PER_SECOND
from registrail.settings import Settings
from registrail.storage.sqlite import SqliteStore

EVENTS = 20_000


@pytest.fixture(scope="module")
def told() -> list[Told]:
    """A year of one place."""
    return year(events=EVENTS, seed=3)


@pytest.fixture(scope="module")
def events(told: Sequence[Told]) -> list[RegistryEvent]:
    """Its different events."""
    return list({row_id(event): event for event, _ in told}.values())


def test_the_same_arguments_give_the_same_year() -> None:
    """And another seed another one."""
    assert year(events=500, seed=5, regions=REGIONS) == year(events=500, seed=5, regions=REGIONS)
    assert year(events=500, seed=5) != year(events=500, seed=6)


def test_there_are_as_many_events_as_asked_for(told: list[Told], events: list[RegistryEvent]) -> None:
    """In the order of their arrival, some more than once, of one registry, over the whole year."""
    assert len(events) == EVENTS
    assert 1.01 * EVENTS < len(told) < 1.03 * EVENTS
    times = [arrival.received_at.ticks for _, arrival in told]
    assert times == sorted(times)
    assert {event.registry for event in events} == {REGISTRY}
    days = [(event.occurred_at.ticks - BEGIN.ticks) // TICKS_PER_DAY for event in events if event.occurred_at]
    assert (min(days), max(days)) == (0, 364)
    assert all(event.repository == event.repository.lower() for event in events)


def test_work_is_uneven(events: list[RegistryEvent]) -> None:
    """A few repositories have most of it, as have office hours."""
    by_repository = Counter(event.repository for event in events)
    assert len(by_repository) == 50
    assert by_repository.most_common()[0][1] > 10 * by_repository.most_common()[-1][1]
    moments = [event.occurred_at.to_datetime() for event in events if event.occurred_at]
    office = sum(moment.weekday() < 5 and 7 <= moment.hour < 18 for moment in moments)
    assert 0.7 * EVENTS < office < 0.9 * EVENTS


@pytest.mark.parametrize(
    ("name", "least"),
    [
        ("index", 1000),
        ("untagged manifest", 2000),
        ("layer", 100),
        ("mount", 10),
        ("pull", 50),
        ("quarantine", 50),
        ("chart_push", 50),
        ("chart_delete", 20),
        ("undated", 3),
        ("push without digest", 5),
        (".sig", 100),
        (".att", 20),
        (".sbom", 20),
        ("bare referrer", 20),
        ("untag", 50),
        ("delete of a digest", 1000),
        ("delete of tag and digest", 10),
        ("delete of a repository", 2),
        ("without actor", 1000),
    ],
)
def test_everything_happens(events: list[RegistryEvent], name: str, least: int) -> None:
    """Each kind of event, often enough that a mistake would be seen."""
    assert sum(name in _kinds(event) for event in events) >= least


def _kinds(event: RegistryEvent) -> set[str]:
    push, delete, tag = event.action == "push", event.action == "delete", event.tag or ""
    named = (event.tag is not None, event.digest is not None)
    found = {
        "index": event.media_type == OCI_INDEX,
        "untagged manifest": push and named == (False, True) and event.media_type not in {OCI_INDEX, BLOB_MEDIA_TYPE},
        "layer": push and event.media_type == BLOB_MEDIA_TYPE,
        "undated": event.occurred_at is None,
        "push without digest": push and event.digest is None,
        "bare referrer": push and tag.startswith("sha256-") and "." not in tag,
        "untag": delete and named == (True, False),
        "delete of a digest": delete and named == (False, True),
        "delete of tag and digest": delete and named == (True, True),
        "delete of a repository": delete and named == (False, False),
        "without actor": event.actor is None,
        "chart": event.media_type == HELM_CHART,
        **{suffix: tag.startswith("sha256-") and tag.endswith(suffix) for suffix in (".sig", ".att", ".sbom")},
        event.action: True,
    }
    return {name for name, holds in found.items() if holds}


def test_some_reports_are_late_or_repeated(told: list[Told]) -> None:
    """A few percent by minutes to weeks; some by a second sender, some with slightly another time."""
    seconds = [
        (arrival.received_at.ticks - event.occurred_at.ticks) / TICKS_PER_SECOND
        for event, arrival in told
        if event.occurred_at
    ]
    assert 0.02 < sum(lag > 60 for lag in seconds) / len(told) < 0.05
    assert sum(lag > 7 * 86_400 for lag in seconds) > 20
    senders: dict[str, set[str]] = {}
    times: dict[tuple[str, str | None, str | None, str | None], set[int]] = {}
    for event, arrival in told:
        senders.setdefault(row_id(event), set()).add(arrival.sender)
        if event.occurred_at:
            content = event.action, event.tag, event.digest, event.request_id
            times.setdefault(content, set()).add(event.occurred_at.ticks)
    assert sum(len(of_event) > 1 for of_event in senders.values()) > 0.005 * EVENTS
    assert sum(len(of_content) > 1 for of_content in times.values()) > 0.003 * EVENTS


def test_history_has_all_its_phenomena(told: list[Told]) -> None:
    """Moves, moves back, promotions, purges, pushes with parts and referrers, digests that are still held."""
    oracle = Oracle.told(told)
    changes = Counter(item["change"] for tag in oracle.tags(REGISTRY, present=None) for item in _rows(oracle, tag))
    assert min(changes[change] for change in ("created", "moved", "unchanged", "untagged", "deleted")) > 100
    digests = Counter(item["digest"] for item in oracle.digests())
    assert sum(count > 1 for count in digests.values()) > 100
    returned = [item for item in oracle.digests() if len({one["tag"] for one in item["tags"]}) < len(item["tags"])]
    assert len(returned) > 20
    pushes = oracle.pushes()
    shapes = Counter((bool(item["parts"]), bool(item["referrers"]), item["layers"] > 0) for item in pushes)
    assert len(shapes) >= 6
    deletes = oracle.deletes()
    assert sum(len(item["tags"]) > 1 for item in deletes) > 50
    held = [(oracle.delete(item["event"]) or {})["still_held"] for item in deletes]
    assert sum(bool(item["tags"]) for item in held) > 20
    assert sum(bool(item["indexes"]) for item in held) > 20
    by_day = Counter(item["at"][:16] for item in deletes if item["client"] == "acr-cli/0.14")
    assert max(by_day.values()) > 20


def _rows(oracle: Oracle, tag: dict[str, str]) -> list[dict[str, str]]:
    return oracle.timeline(tag["registry"], tag["repository"], tag["tag"])


def test_regions_report_with_a_lag() -> None:
    """All but a few pushes are known everywhere in the end."""
    oracle = Oracle.told(year(events=2000, seed=4, days=30, regions=REGIONS))
    replicas = oracle.replicas()
    assert len(replicas) > 300
    assert 0 < sum(bool(item["missing"]) for item in replicas) < 0.2 * len(replicas)
    days = {item["region"] for item in oracle.replica_lag(REGISTRY)}
    assert days == set(REGIONS)


async def test_a_store_is_filled_as_by_the_app(store: SqliteStore) -> None:
    """The journal has every event, merged from its reports, and every slot is marked."""
    reports = year(events=1500, seed=8, days=20, regions=REGIONS)
    assert await fill(store, reports) == len(reports)
    journal = use_cases(store, Settings(storage="sqlite:///:memory:")).ingest
    stored: list[RecordedEvent] = []
    for day in await journal.journal.days(REGISTRY, None, None):
        stored += (await journal.journal.read(REGISTRY, day, limit=1000)).events
    oracle = Oracle.told(reports)
    assert Oracle(stored).events() == oracle.events()
    slots = [item["period"] for item in oracle.activity("slot")]
    assert [mark.slot for mark in await journal.marks.pending(REGISTRY)] == slots
