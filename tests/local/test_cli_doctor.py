import asyncio
import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any, Final

import pytest

from registrail.compose import use_cases
from registrail.errors import StorageRefusedError
from registrail.events import Arrival, RegistryEvent
from registrail.local import show
from registrail.local.checks import of_backlog, of_clock, of_store
from registrail.local.doctor import examine
from registrail.local.target import Target
from registrail.ports import Mark
from registrail.settings import Settings
from registrail.storage.sqlite import SqliteStore
from registrail.storage.store import Page
from tests.local.fake_registrail import FakeRegistrail, listed, problem, registrail, serving

NOW: Final = datetime(2026, 6, 15, 12, tzinfo=UTC)
FAILED: Final = {
    "id": "acr~1~2",
    "received_at": show.now().plus(-timedelta(hours=2)).isoformat(),
    "problem": "the store is away",
}


def registry(**changed: Any) -> dict[str, Any]:
    """A registry's health."""
    at = show.now().plus(-timedelta(minutes=5)).isoformat()
    return {"registry": "r.io", "last_event_at": at, "last_received_at": at, "backlog": 0, **changed}


def healthy(**changed: Any) -> FakeRegistrail:
    """An app that is well but for what changes."""
    answers = {
        "/api/health": {"status": "ok", "registries": [registry()]},
        "/api/events": listed(),
        "/api/deliveries/doctor/replay": problem(404, "there is no delivery"),
        "/api/deliveries": listed(),
    }
    return FakeRegistrail(answers | {f"/api/{name}": answer for name, answer in changed.items()})


def examined(fake: FakeRegistrail, *arguments: str, **environment: str) -> tuple[int, dict[str, tuple[str, str]]]:
    """The exit code, and what each check found."""
    with serving(fake) as url:
        code, said, error = registrail("doctor", "--json", "--url", url, *arguments, **environment)
    assert error == ""
    found = json.loads(said)
    assert found["ok"] == (code == 0)
    assert all((check["advice"] is None) == (check["state"] == "ok") for check in found["checks"])
    return code, {check["check"]: (check["state"], check["detail"]) for check in found["checks"]}


@pytest.mark.sockets
def test_all_is_well() -> None:
    """Then there is nothing to do, and the exit code is 0."""
    code, found = examined(healthy())
    assert (code, [one for one in found.values() if one[0] != "ok"]) == (0, [])
    assert list(found) == [
        "transport",
        "health",
        "clock",
        "access",
        "last event of r.io",
        "backlog of r.io",
        "failed deliveries",
        "rejected deliveries",
    ]
    assert found["access"] == ("ok", "you may read and replay (operator)")
    with serving(healthy()) as url:
        code, said, _ = registrail("doctor", "--url", url)
    assert (code, said.count("\n"), said.splitlines()[1]) == (
        0,
        8,
        f"ok      health: {url} answers, and its storage answers it",
    )


@pytest.mark.sockets
@pytest.mark.parametrize(
    ("changed", "check", "state", "detail"),
    [
        ({"events": lambda _: problem(401, "no key")}, "access", "problem", "wants a key"),
        ({"events": lambda _: problem(403, "closed")}, "access", "problem", "does not let you (403): closed"),
        ({"deliveries/doctor/replay": lambda _: problem(403, "no")}, "access", "ok", "(reader)"),
        ({"health": lambda _: problem(503, "the store is away")}, "health", "problem", "the store is away"),
        ({"health": {"status": "ok", "registries": []}}, "registries", "warning", "no registry ever sent an event"),
        (
            {"health": {"registries": [registry(last_received_at="2026-01-01T00:00:00.0000000Z")]}},
            "last event of r.io",
            "warning",
            "it came ",
        ),
        ({"health": {"registries": [registry(backlog=61)]}}, "backlog of r.io", "warning", "61 slots await a fold"),
        ({"health": {"registries": [registry(backlog=9000)]}}, "backlog of r.io", "problem", "9,000 slots"),
        (
            {"deliveries": lambda wanted: listed(*[FAILED] if wanted["outcome"] == "failed" else [])},
            "failed deliveries",
            "problem",
            "1 within 24h, the last 2 h ago: the store is away",
        ),
    ],
)
def test_what_is_wrong(changed: dict[str, Any], check: str, state: str, detail: str) -> None:
    """Each check finds it; a problem is exit code 1, a warning is none."""
    code, found = examined(healthy(**changed))
    assert (found[check][0], code) == (state, 1 if state == "problem" else 0)
    assert detail in found[check][1]


@pytest.mark.sockets
def test_nobody_there_is_a_problem() -> None:
    """Which is told like any other."""
    code, said, error = registrail("doctor", "--url", "http://127.0.0.1:1")
    assert (code, error) == (1, "")
    assert said.splitlines()[1].startswith("PROBLEM health: Nobody answers at http://127.0.0.1:1")
    code, said, error = registrail("doctor", "--url", "nonsense")
    assert (code, error, "PROBLEM command line" in said) == (1, "", True)


@pytest.mark.parametrize(
    ("url", "key", "state"),
    [
        ("http://192.0.2.1", "rgt_x", "warning"),
        ("http://192.0.2.1", "", "ok"),
        ("https://192.0.2.1", "rgt_x", "ok"),
        ("http://127.0.0.1:1", "rgt_x", "ok"),
    ],
)
async def test_a_key_in_clear_is_a_warning(url: str, key: str, state: str) -> None:
    """On the way to another machine everybody can read it."""
    findings = examine(Target(url=url), {"REGISTRAIL_KEY": key})
    assert (await anext(findings)).state == state
    await findings.aclose()


@pytest.mark.parametrize(
    ("skew", "state", "detail"),
    [
        (0, "ok", "it agrees"),
        (5, "ok", "it is 4 s ahead"),
        (-5, "ok", "it is 4 s behind"),
        (60, "warning", "it is 59 s ahead of"),
        (-60, "warning", "it is 59 s behind"),
        (7200, "problem", "it is 1 h ahead of"),
        (-7200, "problem", "it is 1 h behind"),
    ],
)
def test_clocks(skew: int, state: str, detail: str) -> None:
    """That the answer took a second, and that the header has no fractions, is no difference."""
    theirs = format_datetime(NOW + timedelta(seconds=skew), usegmt=True)
    found = of_clock(theirs, NOW, NOW + timedelta(seconds=1))
    assert (found.state, found.detail[: len(detail)]) == (state, detail)


def test_a_clock_that_tells_nonsense() -> None:
    """It is a warning."""
    assert of_clock("\x1b now", NOW, NOW).state == "warning"


class _Pending:
    """Marks of one registry."""

    def __init__(self, *slots: str) -> None:
        self._marks = [Mark(slot, "1") for slot in slots]

    async def pending(self, _registry: str) -> list[Mark]:
        """All of them."""
        return self._marks


@pytest.mark.parametrize(("age", "state"), [(2, "ok"), (20, "warning"), (60 * 25, "problem")])
async def test_an_old_backlog(age: int, state: str) -> None:
    """Where the marks can be asked, the oldest one's age counts."""
    slot = show.now().plus(-timedelta(minutes=age)).minute
    marks: Any = _Pending(show.now().minute, slot)
    found = await of_backlog(registry(backlog=2), marks)
    assert found.state == state
    assert found.detail.startswith("2 slots await a fold, the oldest of ")


def test_storage(tmp_path: Path) -> None:
    """Settings, tables, and what the app says of them; the probe leaves nothing behind."""

    async def fill() -> None:
        store = SqliteStore(f"{tmp_path}/r.db")
        cases = use_cases(store, Settings())
        event = RegistryEvent(action="push", registry="r.io", repository="a", occurred_at=show.now())
        await cases.ingest.journal.append([event], Arrival(sender="acr", delivery="acr~1", received_at=show.now()))
        await store.close()

    async def left() -> Page:
        store = SqliteStore(f"{tmp_path}/r.db")
        page = await store.scan("catalog", "doctor")
        await store.close()
        return page

    asyncio.run(fill())
    code, said, error = registrail("doctor", "--json", "--storage", f"sqlite:///{tmp_path}/r.db")
    found = {check["check"]: check["state"] for check in json.loads(said)["checks"]}
    assert (code, error, set(found.values())) == (0, "", {"ok"})
    assert list(found)[:4] == ["settings", "version", "tables", "health"]
    assert asyncio.run(left()) == Page([], None)


def test_every_problem_of_the_settings() -> None:
    """A line for each."""
    wrong = {"REGISTRAIL_STORAGE": "", "REGISTRAIL_KEEP_PULLS": "perhaps", "REGISTRAIL_MAX_BODY_BYTES": "many"}
    code, said, error = registrail("doctor", "--storage", "env", **wrong)
    assert (code, error, said.count("PROBLEM settings: REGISTRAIL_")) == (1, "", 3)


class _ReadOnly(SqliteStore):
    """A store that one may only read."""

    async def commit(self, *_arguments: Any, **_named: Any) -> Any:
        raise StorageRefusedError("AuthorizationPermissionMismatch")


async def test_tables_that_may_only_be_read() -> None:
    """The role that is missing is named."""
    store = _ReadOnly(":memory:")
    found = await of_store(store)
    assert (found.state, "Storage Table Data Contributor" in (found.advice or "")) == ("problem", True)
    assert found.detail == "a row cannot be written: AuthorizationPermissionMismatch"
    await store.close()
