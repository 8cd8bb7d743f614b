import asyncio
import csv
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import duckdb
import pytest

from registrail.compose import use_cases
from registrail.events import Arrival, RegistryEvent
from registrail.export import COLUMNS
from registrail.instants import Instant
from registrail.settings import Settings
from registrail.storage.sqlite import SqliteStore
from tests.local.fake_registrail import FakeRegistrail, listed, problem, registrail, serving

NOON: Final = Instant.parse("2026-06-15T12:00:00Z")
COUNT: Final = 2500


async def fill(file: Path) -> None:
    """Record so many events, 100 s and 100 ns apart."""
    store = SqliteStore(str(file))
    events = [
        RegistryEvent(
            action="push",
            registry="r.io",
            repository="team/app" if number % 2 else "=cmd",
            tag=f"v{number}",
            occurred_at=Instant(NOON.ticks - number * 1_000_000_001),
            request_id=str(number),
        )
        for number in range(COUNT)
    ]
    ingest = use_cases(store, Settings()).ingest
    await ingest.marks.touch("r.io", [event.occurred_at.minute for event in events if event.occurred_at])
    await ingest.journal.append(events, Arrival(sender="acr", delivery="acr~1", received_at=NOON))
    await store.close()


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Record into a file."""
    file = tmp_path_factory.mktemp("store") / "registrail.db"
    asyncio.run(fill(file))
    return f"sqlite:///{file}"


def listed_events(storage: str, *filters: str) -> list[dict[str, Any]]:
    """What the list of events has."""
    code, said, _ = registrail("events", "--all", "--json", *filters, "--storage", storage)
    assert code == 0
    return [json.loads(line) for line in said.splitlines()]


def test_tables_are_read_without_an_app(storage: str) -> None:
    """The same commands, and the same answers."""
    code, said, error = registrail("events", "team/app", "--limit", "2", "--storage", storage)
    assert (code, error) == (0, "There are more: --limit, --all.\n")
    assert [line.split()[5] for line in said.splitlines()[1:]] == ["v1", "v3"]
    environment = {"REGISTRAIL_STORAGE": storage, "REGISTRAIL_ACCESS_KEYS": f"ci:reader:{'ab' * 32}"}
    assert registrail("events", "--storage", "env", "--json", **environment)[0] == 0
    assert len(listed_events(storage)) == COUNT


def test_parquet(storage: str, tmp_path: Path) -> None:
    """The format is what the name of the file says; the rows are those of the list."""
    file = tmp_path / "events.parquet"
    since = "2026-06-14T12:00:00Z"
    told = registrail("export", "events", "-o", f"{file}", "--since", since, "--storage", storage)
    assert told == (0, "", f"Rows in {file}: 864\n")
    with duckdb.connect() as database:
        found = database.execute("SELECT id, epoch_ns(occurred_at), tag FROM read_parquet($1)", [str(file)]).fetchall()
    epoch = Instant.parse("1970-01-01T00:00:00Z").ticks
    expected = listed_events(storage, "--since", since)
    assert found == [
        (item["id"], (Instant.parse(item["occurred_at"]).ticks - epoch) * 100, item["tag"]) for item in expected
    ]
    assert 0 < len(found) < COUNT
    assert list(tmp_path.iterdir()) == [file]


def test_csv_on_standard_output(storage: str) -> None:
    """All of it, safe for spreadsheets."""
    code, said, error = registrail("export", "events", "--storage", storage)
    header, *rows = csv.reader(io.StringIO(said, newline=""))
    assert (code, error, header) == (0, "", list(COLUMNS["events"]))
    assert [row[0] for row in rows] == [item["id"] for item in listed_events(storage)]
    assert {row[2] for row in rows} == {"team/app", "'=cmd"}


def test_ndjson(storage: str, tmp_path: Path) -> None:
    """Whatever the file is called, `--format` decides; filters are those of the list."""
    file = tmp_path / "events.txt"
    arguments = ["team/app", "--action", "push", "--format", "ndjson", "--output", f"{file}"]
    assert registrail("export", "events", *arguments, "--storage", storage)[0] == 0
    assert [json.loads(line) for line in file.read_text("utf-8").splitlines()] == listed_events(storage, "team/app")


@pytest.mark.sockets
@pytest.mark.parametrize("kind", ["pushes", "timeline"])
def test_other_lists(kind: str) -> None:
    """Pushes and movements are exported with the columns that they have, however many pages there are."""

    def pages(parameters: Mapping[str, str]) -> Any:
        number = int(parameters.get("cursor", "0"))
        item = {"repository": "team/app", "digest": f"{number}", "at": NOON.isoformat(), "new": 1}
        return listed(item, following=str(number + 1) if number < 2 else None)

    fake = FakeRegistrail({f"/api/{kind}": pages})
    with serving(fake) as url:
        code, said, _ = registrail("export", kind, "team/app:v1", "--until", "1h", "-f", "ndjson", "--url", url)
    found = [json.loads(line) for line in said.splitlines()]
    assert (code, [item["digest"] for item in found]) == (0, ["0", "1", "2"])
    assert set(found[0]) == set(COLUMNS["pushes" if kind == "pushes" else "timeline"])
    assert len({parameters["until"] for _, parameters in fake.asked}) == 1
    assert fake.asked[0][1]["tag"] == "v1"


@pytest.mark.sockets
def test_a_file_is_whole_or_not_there(tmp_path: Path) -> None:
    """What ends early leaves the file of the last time as it was."""

    def broken(parameters: Mapping[str, str]) -> Any:
        return problem(400, "no", parameter="cursor") if "cursor" in parameters else listed({"id": "1"}, following="x")

    file = tmp_path / "events.csv"
    file.write_text("of the last time")
    with serving(FakeRegistrail({"/api/events": broken})) as url:
        assert registrail("export", "events", "-o", f"{file}", "--url", url) == (1, "", "--cursor: no.\n")
    assert ([path.name for path in tmp_path.iterdir()], file.read_text()) == (["events.csv"], "of the last time")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["events", "--output", "/nowhere/x.csv"], "/nowhere/x.csv cannot be written: No such file or directory.\n"),
        (["events", "--since", "never"], "--since: 'never' is neither a time such as "),
        (["events", "--output", "x.xlsx"], "x.xlsx ends like no format: name it .csv, .ndjson or .parquet"),
        (["timeline", "team/app", "--actor", "ci"], "timeline cannot be filtered by actor.\n"),
    ],
)
def test_problems_are_one_line(storage: str, arguments: list[str], expected: str) -> None:
    """They name what is wrong."""
    code, said, error = registrail("export", *arguments, "--storage", storage)
    assert (code, said, error.count("\n")) == (1, "", 1)
    assert error.startswith(expected)
