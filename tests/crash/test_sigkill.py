"""The app is killed in the middle of its work: what was answered 200 is there, once, and counted."""

import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from torture.asked import Api
from torture.hosts import Host, running
from torture.oracle import Cell, Identity, identity, recount

pytestmark = pytest.mark.sockets

COUNT = 800
KILL_AT = 300
"""Acknowledged events at which the app dies."""
REGISTRY = "myregistry.azurecr.io"
PATIENCE = 60.0


@pytest.mark.parametrize(
    "store",
    [
        "sqlite",
        pytest.param("azurite", marks=[pytest.mark.azurite, pytest.mark.xdist_group("azurite")]),
    ],
)
async def test_nothing_acknowledged_is_lost_or_counted_twice(store: str, tmp_path: Path) -> None:
    """A sender that tries again, an app that is killed on the way and started again on the same data."""
    log = tmp_path / "acknowledged.jsonl"
    options = ("--store", store, "--data", str(tmp_path / "data"))
    async with running(tmp_path, 1, {"SUMMARIZE_SCHEDULE": "* * * * * *"}, options) as (host,):
        sending = await asyncio.to_thread(sender, host.url, log)
        try:
            await until_acknowledged(log, KILL_AT, sending)
            await host.kill()
            before = acknowledged(log)
            await host.start()
            assert await asyncio.to_thread(sending.wait, PATIENCE) == 0
        finally:
            sending.kill()
            sending.wait()
        assert KILL_AT <= len(before) < COUNT, "it was not killed in the middle"
        await check(host, acknowledged(log))


async def check(host: Host, wanted: list[Identity]) -> None:
    """Compare the log, the list of events and the activity."""
    async with httpx.AsyncClient(timeout=30, trust_env=False) as client:
        api = Api(client=client, address=host.url)
        listed = await api.events()
        repositories = sorted({event.repository for event in listed})
        told = dict(await api.activity(REGISTRY, repositories))
    assert len(wanted) == COUNT
    assert sorted(listed) == sorted(wanted)
    assert len({event.digest for event in listed}) == COUNT
    assert told == recount(listed)
    assert sum(count for cell, count in told.items() if cell[1:] == days(cell)) == COUNT


def days(cell: Cell) -> tuple[str, str, str, str]:
    """All but the registry of a cell that counts all events of that cell's day."""
    return "day", cell.period, "*", "events"


def sender(address: str, log: Path) -> subprocess.Popen[bytes]:
    """`registrail send`, with eight deliveries under way, each tried until it is acknowledged."""
    command = [sys.executable, "-m", "registrail.local", "send", "push", "--to", address, "--registry", REGISTRY]
    options = ["--count", str(COUNT), "--concurrency", "8", "--retry", "--log", str(log)]
    return subprocess.Popen([*command, *options], stdout=subprocess.DEVNULL)  # noqa: S603 - our own arguments


def acknowledged(log: Path) -> list[Identity]:
    """What the sender wrote down after an answer of 200; a line may be under way."""
    text = log.read_text("utf-8") if log.exists() else ""
    told: list[dict[str, Any]] = [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]
    return [identity(entry) for entry in told]


async def until_acknowledged(log: Path, count: int, sending: subprocess.Popen[bytes]) -> None:
    """Wait until so much was acknowledged."""
    deadline = time.monotonic() + PATIENCE
    while len(acknowledged(log)) < count:
        assert sending.poll() is None, "the sender ended too early"
        assert time.monotonic() < deadline, f"only {len(acknowledged(log))} were acknowledged"
        await asyncio.sleep(0.01)
