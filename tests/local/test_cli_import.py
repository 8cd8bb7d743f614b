"""`registrail import` takes back what `registrail export events` wrote."""

import asyncio
import gzip
import json
from pathlib import Path

import pytest

from bench.fill import fill
from bench.year import year
from registrail.storage.sqlite import SqliteStore
from tests.local.fake_registrail import registrail

Rows = dict[tuple[str, str, str], object]


async def record(file: Path) -> None:
    """A registry with all kinds of events, replicas and events without a time, and another one."""
    store = SqliteStore(str(file))
    await fill(store, year(events=1_500, days=3, regions=("westeurope", "eastus")))
    await fill(store, year(events=60, days=2, registry="other.example", seed=2))
    await store.close()


async def rows(file: Path, *tables: str) -> Rows:
    """All rows of some tables."""
    store = SqliteStore(str(file))
    found = [(table, one) for table in tables for one in await store.head(table, 100_000)]
    await store.close()
    return {(table, one.partition, one.row): dict(one.properties) for table, one in found}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Record into a file."""
    path = tmp_path / "source.db"
    asyncio.run(record(path))
    return path


@pytest.fixture
def backup(source: Path, tmp_path: Path) -> Path:
    """Export it."""
    path = tmp_path / "events.ndjson"
    assert registrail("export", "events", "--storage", f"sqlite:///{source}", "--output", str(path))[0] == 0
    return path


def test_a_backup_restores_every_row_and_all_that_follows(source: Path, backup: Path, tmp_path: Path) -> None:
    """Whatever is worked out from equal events is equal, too."""
    target = tmp_path / "target.db"
    code, said, error = registrail("import", str(backup), "--storage", f"sqlite:///{target}")
    assert (code, error) == (0, "")
    assert asyncio.run(rows(source, "events")) == asyncio.run(rows(target, "events"))
    assert said.startswith(f"imported {len(backup.read_text().splitlines()):,} events")
    for file in (source, target):
        assert registrail("rebuild", "--storage", f"sqlite:///{file}", "--grace", "0")[0] == 0
    assert asyncio.run(rows(source, "history")) == asyncio.run(rows(target, "history")) != {}


def test_importing_again_changes_nothing(source: Path, backup: Path, tmp_path: Path) -> None:
    """Also into a store that has the events from elsewhere, and from a packed file."""
    before = asyncio.run(rows(source, "events", "catalog"))
    packed = tmp_path / "events.ndjson.gz"
    packed.write_bytes(gzip.compress(backup.read_bytes()))
    for file in (backup, packed):
        assert registrail("import", str(file), "--storage", f"sqlite:///{source}", "--json")[0] == 0
    after = asyncio.run(rows(source, "events", "catalog"))
    assert before == {key: row for key, row in after.items() if key[1] != "schema"}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"tag": "other"}, "lines 1 to 3 have an event that is not as it was exported: the id is"),
        ({"size": "many"}, "line 2 is no exported event: 'size' is no whole number"),
        ({"seen": {"acr": "yesterday"}}, "line 2 is no exported event: "),
        ({"deliveries": {}}, "line 2 is no exported event: 'seen' and 'deliveries' name different senders"),
        ({"seen": ["acr"]}, "line 2 is no exported event: 'seen' is no object"),
        ({"regions": "westeurope"}, "line 2 is no exported event: 'regions' is no object"),
        ({"deliveries": None}, "line 2 is no exported event: 'deliveries' is no object"),
        ({"repository": 5}, "line 2 is no exported event: 'repository' is no text"),
    ],
)
def test_what_is_no_export_is_refused(backup: Path, tmp_path: Path, change: dict[str, object], said: str) -> None:
    """The line is named."""
    lines = backup.read_text().splitlines()[:3]
    lines[1] = json.dumps(json.loads(lines[1]) | change)
    backup.write_text("\n".join(lines))
    code, _, error = registrail("import", str(backup), "--storage", f"sqlite:///{tmp_path}/target.db")
    assert (code, said in " ".join(error.split())) == (1, True), error


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("no JSON\n", "line 1 is no exported event"),
        (f"{'[' * 100_000}\n", "line 1 is no exported event"),
        ("[]\n", "line 1 is no exported event: it is no JSON object"),
        ("{}\n", "line 1 is no exported event: 'occurred_at' is missing"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, text: str, said: str) -> None:
    """So is a file that is not there, and one without --storage."""
    file = tmp_path / "some.ndjson"
    target = f"sqlite:///{tmp_path}/target.db"
    file.write_text(text)
    code, _, error = registrail("import", str(file), "--storage", target)
    assert (code, said in " ".join(error.split())) == (1, True), error
    code, _, error = registrail("import", str(tmp_path / "none"), "--storage", target)
    assert (code, "cannot be read: No such file" in " ".join(error.split())) == (1, True), error
    code, _, error = registrail("import", str(file))
    assert (code, "name them with --storage" in " ".join(error.split())) == (1, True), error
