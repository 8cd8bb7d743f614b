"""Hosts of the app: processes that are killed without warning and started again."""

import asyncio
import os
import random
import socket
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from registrail.errors import RegistrailError

START_TIMEOUT: Final = 60.0
_POLL: Final = 0.03
_TRIES: Final = 50


class HostError(RegistrailError):
    """A host did not start; the message has the end of its log."""

    reason = "host"


def free_port() -> int:
    """A free port that no outgoing connection takes meanwhile: below those that systems choose by themselves."""
    rng = random.SystemRandom()
    for _ in range(_TRIES):
        port = rng.randrange(20_000, 32_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
    raise HostError("there is no free port between 20000 and 32000")


@dataclass(slots=True, kw_only=True)
class Host:
    """One `registrail serve` on a port of its own, which it keeps through its lives.

    Attributes:
        options: more of the command line, such as `--data`.
        environment: nothing else is inherited.
        lives: how often it was started.
    """

    port: int
    log: Path
    environment: Mapping[str, str]
    options: Sequence[str] = ()
    lives: int = 0
    _process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Start it; returns when it takes connections.

        Raises:
            HostError: it ended, or does not listen in time.
        """
        command = (sys.executable, "-m", "registrail.local", "serve", "--port", str(self.port), *self.options)
        self.lives += 1
        with self.log.open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=dict(self.environment),
            )
        deadline = time.monotonic() + START_TIMEOUT
        while not await self._listens():
            if self._process.returncode is not None or time.monotonic() > deadline:
                raise HostError(f"a host did not start: {self.said()}")
            await asyncio.sleep(_POLL)

    async def kill(self) -> None:
        """SIGKILL: nothing is written, nothing is said."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    def said(self) -> str:
        """The last lines of its log, in one."""
        return " | ".join(self.log.read_text(errors="replace").splitlines()[-5:])

    async def _listens(self) -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            return False
        writer.close()
        return True


@asynccontextmanager
async def running(
    directory: Path, count: int, environment: Mapping[str, str], options: Sequence[str] = ()
) -> AsyncIterator[list[Host]]:
    """Run some hosts with the same settings, and end them, however the block ends."""
    settings = {"PATH": os.environ.get("PATH", ""), "HOME": str(directory), "REGISTRAIL_DEMO": "0", **environment}
    hosts = [
        Host(port=free_port(), log=directory / f"host-{number}.log", environment=settings, options=options)
        for number in range(count)
    ]
    try:
        await asyncio.gather(*(host.start() for host in hosts))
        yield hosts
    finally:
        await asyncio.gather(*(host.kill() for host in hosts))
