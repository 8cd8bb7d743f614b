"""`registrail rebuild` over a file in which something is damaged."""

import asyncio
import json
from pathlib import Path

import pytest

from registrail.compose import use_cases
from registrail.instants import Instant
from registrail.senders.sender import Request
from registrail.settings import Settings
from registrail.storage.progress import EntityLimits
from registrail.storage.sqlite import SqliteStore
from registrail.storage.store import delete_range, scan_all
from tests.local.fake_registrail import registrail

REGISTRY = "r.azurecr.io"
NOW = Instant.parse("2026-06-15T12:00:00Z")


async def record(file: Path) -> None:
    """Record a push on each of three days, count them, and damage the history."""
    store = SqliteStore(str(file))
    app = use_cases(store, Settings(), lambda: NOW)
    for day in (1, 2, 3):
        event = {
            "action": "push",
            "timestamp": f"2026-06-{day:02}T10:00:00Z",
            "target": {"repository": "team/app", "tag": "v1", "digest": f"sha256:{day}"},
            "request": {"id": str(day), "host": REGISTRY},
        }
        await app.ingest.receive("acr", Request(body=json.dumps(event).encode()), path="/hooks/acr")
    await app.summarize.fold_all()
    await delete_range(store, "history", REGISTRY, start="move~", stop="move~~")
    await store.close()


async def movements(file: Path) -> int:
    """Count the rows of timelines."""
    store = SqliteStore(str(file))
    found = await scan_all(store, "history", REGISTRY, start="move~", stop="move~~")
    await store.close()
    return len(found)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Record into a file."""
    path = tmp_path / "registrail.db"
    asyncio.run(record(path))
    return path


def test_what_was_damaged_is_whole_again(file: Path) -> None:
    """Each registry is a line; with --json it is a document."""
    code, said, error = registrail("rebuild", "--storage", f"sqlite:///{file}", "--grace", "0")
    assert (code, error, said.startswith(f"rebuilt {REGISTRY}: 3 events in ")) == (0, "", True)
    assert asyncio.run(movements(file)) == 3
    code, said, _ = registrail("rebuild", REGISTRY.upper(), "--storage", f"sqlite:///{file}", "--grace", "0", "--json")
    found = json.loads(said)
    assert (code, found["registry"], found["events"]) == (0, REGISTRY, 3)


def test_what_cannot_be_done_is_said_in_a_line(file: Path, tmp_path: Path) -> None:
    """And the exit code is 1."""
    storage = f"sqlite:///{file}"
    asked = [
        (["rebuild"], "a rebuild works on the tables themselves: name them with --storage, or say --storage env."),
        (["rebuild", "x.io", "--storage", storage], f"no registry x.io ever sent an event; there are {REGISTRY}."),
        (["rebuild", "--storage", f"sqlite:///{tmp_path}/no.db"], f"there is no file {tmp_path}/no.db."),
    ]
    for arguments, line in asked:
        assert registrail(*arguments) == (1, "", f"{line}\n")


def test_what_retention_deleted_is_not_forgotten_by_accident(file: Path) -> None:
    """One has to say so."""

    async def expire() -> None:
        store = SqliteStore(str(file))
        await EntityLimits(store).raise_to(REGISTRY, "2026-06-02")
        await store.close()

    asyncio.run(expire())
    command = ["rebuild", "--storage", f"sqlite:///{file}", "--grace", "0"]
    code, said, error = registrail(*command)
    assert (code, said, "--forget" in error, error.count("\n")) == (1, "", True, 1)
    assert registrail(*command, "--forget")[0] == 0
