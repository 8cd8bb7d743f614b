"""`registrail serve`, as a process of its own."""

import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

pytestmark = pytest.mark.sockets

APP = """
import os
import pathlib
import azure.functions as func

app = func.FunctionApp()

@app.route("{*path}", auth_level=func.AuthLevel.ANONYMOUS)
async def web(req: func.HttpRequest) -> str:
    return " ".join([req.route_params.get("path", "root"), os.environ["REGISTRAIL_STORAGE"], os.environ["GIVEN"]])

@app.timer_trigger("timer", schedule="%SUMMARIZE_SCHEDULE%")
async def summarize(timer: func.TimerRequest) -> None:
    pathlib.Path(os.environ["NOTES"]).joinpath("ran").touch()

async def close() -> None:
    pathlib.Path(os.environ["NOTES"]).joinpath("closed").touch()
"""


@pytest.fixture
def app_dir(tmp_path: Path) -> Path:
    """A folder with a small app, whose settings are in both files."""
    (tmp_path / "function_app.py").write_text(APP)
    (tmp_path / "host.json").write_text('{"extensions": {"http": {"routePrefix": ""}}}')
    (tmp_path / "local.settings.json").write_text(
        '{"Values": {"GIVEN": "by-file", "REGISTRAIL_STORAGE": "for-core-tools"}}'
    )
    return tmp_path


@contextmanager
def start(
    app_dir: Path, *options: str, environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[str]]:
    """Start it in `app_dir`, with nothing in its environment but what is given."""
    process = subprocess.Popen(  # noqa: S603 - our own arguments
        [sys.executable, "-m", "registrail.local", "serve", "--port", "0", *options],
        cwd=app_dir,
        env={
            "PYTHONPATH": str(Path(__file__).parents[2]),
            "NOTES": str(app_dir),
            "REGISTRAIL_DEMO": "0",
            **(environment or {}),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def url_of(process: subprocess.Popen[str]) -> str:
    """What it says it serves."""
    assert process.stdout is not None
    assert process.stderr is not None
    line = process.stdout.readline()
    found = re.search(r"http://\S+", line)
    assert found, line + process.stderr.read()
    return found[0]


def ask(url: str) -> str:
    """The answer of the app."""
    return httpx.get(url, trust_env=False, timeout=30).raise_for_status().text


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_serves_until_told_to_end(app_dir: Path, number: signal.Signals) -> None:
    """It serves the app with its settings, closes it when told to end, and exits with 0 and without a word."""
    with start(app_dir) as process:
        url = url_of(process)
        port = url.rstrip("/").rpartition(":")[2]
        database = app_dir / ".registrail" / port / "registrail.db"

        assert ask(url) == f"root sqlite:///{database} by-file"
        assert ask(f"{url}a/b").startswith("a/b ")
        assert not (app_dir / "closed").exists()

        process.send_signal(number)
        _, complaints = process.communicate(timeout=30)

    assert (process.returncode, complaints) == (0, "")
    assert (app_dir / "closed").exists()


def test_environment_wins(app_dir: Path) -> None:
    """What is in the environment is left as it is, storage included."""
    given = {"GIVEN": "by-shell", "REGISTRAIL_STORAGE": "mine"}
    with start(app_dir, environment=given) as process:
        assert ask(url_of(process)) == "root mine by-shell"

    assert not (app_dir / ".registrail").exists()


def test_timer_runs(app_dir: Path) -> None:
    """Timers run by themselves, on the schedule in the settings."""
    with start(app_dir, environment={"SUMMARIZE_SCHEDULE": "* * * * * *"}) as process:
        url_of(process)
        deadline = time.monotonic() + 20
        while not (app_dir / "ran").exists() and time.monotonic() < deadline:
            time.sleep(0.05)

    assert (app_dir / "ran").exists()


def test_two_do_not_disturb_each_other(app_dir: Path) -> None:
    """Two of them, started alike, serve on ports and data of their own."""
    with start(app_dir) as one, start(app_dir) as other:
        answers = {ask(url_of(one)), ask(url_of(other))}

    assert len(answers) == 2


def test_killed_one_does_not_keep_its_data(app_dir: Path) -> None:
    """Data in use is refused to a second one, and free again as soon as the first is killed."""
    with start(app_dir, "--data", "here") as first:
        url_of(first)
        with start(app_dir, "--data", "here") as second:
            _, refusal = second.communicate(timeout=30)
        first.kill()
        first.wait()
        with start(app_dir, "--data", "here") as third:
            assert f"{app_dir}/here" in ask(url_of(third))

    assert (second.returncode, refusal) == (
        1,
        f"registrail: another Registrail is using the data in {app_dir}/here\n",
    )


def test_end_while_a_request_hangs(app_dir: Path) -> None:
    """A client that never finishes its request cannot keep it from ending."""
    with start(app_dir) as process:
        port = int(url_of(process).rstrip("/").rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf")
            time.sleep(0.3)
            process.terminate()

            assert process.wait(20) == 0


def test_missing_sample_data_is_no_failure(app_dir: Path) -> None:
    """An app that cannot be filled with sample data is served nevertheless."""
    with start(app_dir, environment={"REGISTRAIL_DEMO": "1"}) as process:
        assert ask(url_of(process)).startswith("root ")
        assert process.stderr is not None
        assert "there is no sample data" in process.stderr.readline()
        process.terminate()
        assert process.wait(30) == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--port", "{taken}"], "registrail: cannot listen on 127.0.0.1:{taken}: "),
        (["--host", "0.0.0.0"], "registrail: 0.0.0.0 would let other machines in"),  # noqa: S104 - refused
        (["--host", "registrail.test"], "registrail: --host registrail.test is no IP address"),
        (["--app-dir", "nowhere"], "registrail: there is no function_app.py in "),
        (["--data", "host.json/data"], "registrail: cannot make the folder "),
    ],
)
def test_one_clear_line(app_dir: Path, options: list[str], message: str) -> None:
    """What a person can put right is one line on standard error and a non-zero exit, without a traceback."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = str(server.getsockname()[1])
        with start(app_dir, *(option.replace("{taken}", taken) for option in options)) as process:
            said, complaint = process.communicate(timeout=30)

    assert (process.returncode, said, complaint.count("\n")) == (1, "", 1)
    assert complaint.startswith(message.replace("{taken}", taken))


@pytest.mark.parametrize("name", ["host.json", "local.settings.json"])
@pytest.mark.parametrize("content", ["{", "[]", '{"Values": 1, "extensions": 1}'])
def test_unreadable_settings_file(app_dir: Path, name: str, content: str) -> None:
    """A file that is not what it should be is named in one line."""
    (app_dir / name).write_text(content)
    with start(app_dir) as process:
        _, complaint = process.communicate(timeout=30)

    assert (process.returncode, complaint.count("\n")) == (1, 1)
    assert complaint.startswith(f"registrail: {app_dir / name} cannot be read: ")


@pytest.mark.azurite
@pytest.mark.xdist_group("azurite")
def test_azurite_is_started_and_ended(app_dir: Path) -> None:
    """With --store azurite the app gets a connection string that works, for as long as it is served."""
    with start(app_dir, "--store", "azurite") as process:
        answer = ask(url_of(process))
        endpoint = re.search(r"TableEndpoint=(http://127\.0\.0\.1:\d+/devstoreaccount1)", answer)
        assert endpoint
        served = httpx.get(endpoint[1], trust_env=False).status_code
        process.terminate()
        process.communicate(timeout=60)

    assert (process.returncode, served // 100) == (0, 4)
    with pytest.raises(httpx.TransportError):
        httpx.get(endpoint[1], trust_env=False)
