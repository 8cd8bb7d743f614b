"""Programs that the demo starts, waits for, and ends."""

import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import httpx

from registrail.errors import RegistrailError

T = TypeVar("T")


class JourneyError(RegistrailError):
    """A step could not be made; the message says which and why."""

    reason = "journey"


def poll(ask: Callable[[], T], enough: Callable[[T], bool], *, seconds: float) -> T:
    """Ask until the answer is enough or the time is up; either way, the last answer."""
    deadline = time.monotonic() + seconds
    while not enough(answer := ask()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return answer


@contextmanager
def running_app(directory: Path) -> Iterator[str]:
    """Run Registrail on a free loopback port with its data in `directory`; gives its address.

    It gets none of the caller's environment, so that no setting of theirs changes what is shown.

    Raises:
        JourneyError: it did not become healthy in time.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    log = directory / "app.log"
    command = [
        sys.executable,
        "-m",
        "registrail.local",
        "serve",
        "--port",
        str(port),
        "--data",
        str(directory),
    ]
    environment = {"HOME": str(directory), "REGISTRAIL_DEMO": "0"}
    with started(command, log, environment) as process, httpx.Client(trust_env=False) as client:

        def healthy() -> bool:
            if process.poll() is not None:
                message = f"the app ended: {tail(log)}"
                raise JourneyError(message)
            try:
                return client.get(f"{url}/api/health").is_success
            except httpx.TransportError:
                return False

        if not poll(healthy, bool, seconds=60):
            message = f"{url}/api/health is not healthy: {tail(log)}"
            raise JourneyError(message)
        yield url


@contextmanager
def started(command: Sequence[str], log: Path, environment: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program with its output in `log`, and end it whatever happens: politely, and after 10 s for good.

    It gets a session of its own, so that Ctrl-C reaches it only through us and everything ends in order.
    """
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - arguments of our own, no shell
            command,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def tail(log: Path) -> str:
    """The last lines of a log, in one."""
    lines = log.read_text(errors="replace").splitlines()
    return " | ".join(lines[-3:]) or "it said nothing"
