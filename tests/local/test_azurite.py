"""Azurite starts, keeps its data, and never outlives whoever started it."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from azure.data.tables import TableClient, TableServiceClient

from registrail.local.azurite import azurite
from registrail.local.folder import lock
from registrail.local.problems import LocalError

pytestmark = [pytest.mark.azurite, pytest.mark.xdist_group("azurite")]

ENTITY = {"PartitionKey": "p", "RowKey": "r", "count": 1}
HOLD = """
import sys, time
from pathlib import Path
from registrail.local.azurite import azurite
with azurite(Path(sys.argv[1])) as connection_string:
    print(connection_string, flush=True)
    time.sleep(600)
"""


@contextmanager
def holder(location: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Another process that runs Azurite on `location`, and the connection string it got."""
    command = [sys.executable, "-c", HOLD, str(location)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - our own arguments
        try:
            assert process.stdout is not None
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


@contextmanager
def table(connection_string: str) -> Iterator[TableClient]:
    """The table `events`, made if missing."""
    with TableServiceClient.from_connection_string(connection_string) as service:
        yield service.create_table_if_not_exists("events")


def table_url(connection_string: str) -> str:
    """Where tables are served."""
    return next(part for part in connection_string.split(";") if part.startswith("TableEndpoint=")).partition("=")[2]


def gone(url: str) -> bool:
    """Whether nobody answers there, or nobody does in the end."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            httpx.get(url, trust_env=False)
        except httpx.TransportError:
            return True
        time.sleep(0.05)
    return False


def test_data_outlives_azurite(tmp_path: Path) -> None:
    """What was written is found by the next one on the same folder, and the first has ended by then."""
    with azurite(tmp_path / "data") as first, table(first) as events:
        events.create_entity(ENTITY)
    assert gone(table_url(first))

    with azurite(tmp_path / "data") as second, table(second) as events:
        assert events.get_entity("p", "r")["count"] == 1


def test_memory_is_forgotten() -> None:
    """Without a folder, two run side by side and neither knows of the other's data."""
    with azurite() as one, azurite() as other, table(one) as events, table(other) as others:
        events.create_entity(ENTITY)

        assert (len(list(events.list_entities())), len(list(others.list_entities()))) == (1, 0)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_killed_holder_leaves_nothing_behind(tmp_path: Path, number: signal.Signals) -> None:
    """However a process ends, its Azurite writes what it acknowledged and ends too; a successor has it all."""
    with holder(tmp_path) as (process, connection_string):
        with table(connection_string) as events:
            events.create_entity(ENTITY)
        process.send_signal(number)
        process.wait(30)

    with azurite(tmp_path) as successor, table(successor) as events:
        assert events.get_entity("p", "r")["count"] == 1
    assert gone(table_url(connection_string))


def test_one_azurite_to_a_folder(tmp_path: Path) -> None:
    """Of many that start at once on one folder, one at a time has it, and none loses another's data."""
    failures: list[LocalError] = []

    def use(number: int) -> None:
        try:
            with azurite(tmp_path) as connection_string, table(connection_string) as events:
                events.create_entity({"PartitionKey": "p", "RowKey": str(number)})
        except LocalError as error:
            failures.append(error)

    threads = [threading.Thread(target=use, args=[number]) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []
    with azurite(tmp_path) as connection_string, table(connection_string) as events:
        assert sorted(entity["RowKey"] for entity in events.list_entities()) == ["0", "1", "2", "3"]


def test_held_folder(tmp_path: Path) -> None:
    """Who does not wait for a folder that is held is told so, and gets it as soon as it is free."""
    with lock(tmp_path), pytest.raises(LocalError, match="another Registrail"), lock(tmp_path):
        pass
    with lock(tmp_path) as descriptor:
        assert os.fstat(descriptor).st_size == 0


def test_not_installed(tmp_path: Path) -> None:
    """Without the npm package one is told how to get it."""
    with pytest.raises(LocalError, match="run `make azurite`"), azurite(package=tmp_path):
        pass


def test_cannot_start(tmp_path: Path) -> None:
    """When Azurite ends at once, the error repeats what it said."""
    script = tmp_path / "dist" / "src" / "azurite.js"
    script.parent.mkdir(parents=True)
    script.write_text("console.error('no room'); process.exit(1)")

    with pytest.raises(LocalError, match="ended at once: no room"), azurite(package=tmp_path):
        pass
