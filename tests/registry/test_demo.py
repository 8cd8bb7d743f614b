import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from registrail.local.cli import app
from registrail.local.journey import find_programs
from registrail.local.processes import JourneyError, running_app

pytestmark = [pytest.mark.registry, pytest.mark.sockets]


def test_the_demo_shows_that_everything_was_recorded() -> None:
    """The demo succeeds, lists each step beside its events, and counts them."""
    result = CliRunner().invoke(app, ["demo"], env={"COLUMNS": "200", "REGISTRAIL_KEY": None})
    assert result.exit_code == 0, result.output
    assert result.stdout.count("✓") == 9
    assert "✗" not in result.stdout


def test_the_demo_leaves_its_events_in_a_running_app(tmp_path: Path) -> None:
    """With --to the events stay, and the last line says where to look."""
    with running_app(tmp_path) as url:
        result = CliRunner().invoke(app, ["demo", "--to", url], env={"COLUMNS": "200", "REGISTRAIL_KEY": None})
    assert result.exit_code == 0, result.output
    assert f"Look at {url}/ and at {url}/api/events?registry=127.0.0.1:" in result.stdout


def test_nobody_there_is_one_line() -> None:
    """With an address where nobody answers, the demo says so and exits with 1."""
    result = CliRunner().invoke(app, ["demo", "--to", "http://127.0.0.1:1"])
    assert result.exit_code == 1
    assert result.stderr.startswith("The demo could not go on: http://127.0.0.1:1/api/health does not answer")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_everything_that_was_started(tmp_path: Path, number: signal.Signals) -> None:
    """Ctrl-C and a request to end leave neither processes nor files behind."""
    log = tmp_path / "log"
    with log.open("wb") as output:
        demo = subprocess.Popen(
            [sys.executable, "-m", "registrail.local", "demo", "--stay"],
            env={"TMPDIR": str(tmp_path), "PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONUNBUFFERED": "1"},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        deadline = time.monotonic() + 60
        while "Ctrl-C" not in log.read_text() and time.monotonic() < deadline:
            time.sleep(0.05)
        started = children(demo.pid)
        demo.send_signal(number)
        demo.wait(20)
    finally:
        demo.kill()
        demo.wait()
    assert len(started) == 2, log.read_text()
    assert not [pid for pid in started if Path(f"/proc/{pid}").exists()]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log"]


def test_missing_programs_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the programs, the message names the packages to install."""
    skopeo = shutil.which("skopeo")
    assert skopeo is not None
    (tmp_path / "skopeo").symlink_to(skopeo)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(JourneyError, match=r"apt-get install docker-registry$"):
        find_programs()


def children(pid: int) -> list[int]:
    """The processes that a process started."""
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in listed.split()]
