"""One run: hosts, faults, kills, a sender and a reader; then silence, the last fold, and the evidence."""

import asyncio
import random
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import httpx

from registrail.local.azurite import azurite
from torture.asked import Api, AskError, Reader
from torture.faults import Fate
from torture.hosts import Host, HostError, running
from torture.oracle import Evidence, Findings, judge
from torture.plan import Engine, Kill, Plan
from torture.proxy import Proxy, proxied
from torture.report import Outcome
from torture.sender import ANSWER_TIMEOUT, Ledger, Sender, identities
from torture.stored import (
    Rows,
    azurite_rows,
    retraced_history,
    sqlite_rows,
    stored_counts,
    stored_events,
    stored_history,
    stored_marks,
)

EVERY_SECOND: Final = "* * * * * *"
CLAIMED: Final = 45.0
"""Seconds after which no fold may be waiting for one that was killed: claims end after 15."""
LONGEST_FOLDING: Final = 300.0
"""Seconds for all of it on a busy machine, as long as something changes."""
MOST_WRONG: Final = 5
"""Kinds of wrong answers that are reported."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scene:
    """What a run plays on."""

    plan: Plan
    hosts: Sequence[Host]
    client: httpx.AsyncClient
    proxy: Proxy | None
    rows: Rows
    ledger: Ledger


def run(plan: Plan, heard: Callable[[], None] = lambda: None) -> Outcome:
    """Make a run; `heard` is called after each delivery that was acknowledged."""
    begun = time.monotonic()
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="torture-")))
        storage = stack.enter_context(azurite()) if plan.engine is Engine.AZURITE else None
        outcome = asyncio.run(_run(plan, directory, storage, heard))
    return replace(outcome, seconds=time.monotonic() - begun)


async def _run(plan: Plan, directory: Path, storage: str | None, heard: Callable[[], None]) -> Outcome:
    async with _scene(plan, directory, storage) as scene:
        try:
            await _play(scene, heard)
            findings = await _verify(scene)
        except (AskError, HostError) as error:
            said = tuple(host.said() for host in scene.hosts)
            findings = Findings(problems=(str(error), *said))
    return Outcome(
        plan=plan,
        findings=findings,
        seconds=0.0,
        lives=sum(host.lives for host in scene.hosts),
        met=Counter({str(fault): count for fault, count in scene.proxy.met.items()} if scene.proxy else {}),
        answers=scene.ledger.answers,
    )


@asynccontextmanager
async def _scene(plan: Plan, directory: Path, storage: str | None) -> AsyncIterator[_Scene]:
    async with AsyncExitStack() as stack:
        proxy, rows = None, sqlite_rows(directory / "registrail.db")
        where = f"sqlite:///{directory / 'registrail.db'}"
        if storage is not None:
            proxy, rows = (
                await stack.enter_async_context(proxied(storage, Fate(plan.seed, plan.weather))),
                azurite_rows(storage),
            )
            where = proxy.connection_string
        settings = {"REGISTRAIL_STORAGE": where, "SUMMARIZE_SCHEDULE": EVERY_SECOND}
        hosts = await stack.enter_async_context(running(directory, plan.hosts, settings))
        client = await stack.enter_async_context(httpx.AsyncClient(timeout=ANSWER_TIMEOUT, trust_env=False))
        yield _Scene(plan=plan, hosts=hosts, client=client, proxy=proxy, rows=rows, ledger=Ledger())


async def _play(scene: _Scene, heard: Callable[[], None]) -> None:
    """Send everything while hosts are killed and somebody reads; afterwards all hosts are up."""
    plan, ledger = scene.plan, scene.ledger
    addresses = [host.url for host in scene.hosts]
    rng = random.Random(plan.seed)  # noqa: S311 - a simulation, which should repeat
    sender = Sender(client=scene.client, addresses=addresses, ledger=ledger, rng=rng, heard=heard)
    reader = Reader(client=scene.client, addresses=addresses, ledger=ledger, rng=random.Random(plan.seed))  # noqa: S311
    async with asyncio.TaskGroup() as group:
        reading = group.create_task(reader.read())
        killing = group.create_task(_kill(scene.hosts, plan.kills, ledger))
        await sender.deliver(plan.sequence, plan.concurrency)
        await killing
        reading.cancel()


async def _kill(hosts: Sequence[Host], kills: Sequence[Kill], ledger: Ledger) -> None:
    """Kill hosts when their time has come."""
    for kill in kills:
        while ledger.deliveries + ledger.given_up < kill.after:  # noqa: ASYNC110 - a look now and then is near enough
            await asyncio.sleep(0.005)
        await asyncio.sleep(kill.hold)
        await hosts[kill.host].kill()
        await asyncio.sleep(kill.restart)
        await hosts[kill.host].start()


async def _verify(scene: _Scene) -> Findings:
    """Let everything settle, fold for the last time, and ask the store and the API."""
    if scene.proxy is not None:
        await scene.proxy.calm()
    address = random.Random(scene.plan.seed).choice(scene.hosts).url  # noqa: S311 - any of them
    api = Api(client=scene.client, address=address)
    repositories = sorted({happening.repository for happening in scene.plan.happenings})
    registries = sorted({happening.registry for happening in scene.plan.happenings})
    if not scene.plan.folds_only:
        for registry in registries:  # this folds too, whoever may have claimed what
            await api.activity(registry, [])
    marks = await _folded(api, scene.rows)
    told = [cell for registry in registries for cell in await api.activity(registry, repositories)]
    ledger = scene.ledger
    evidence = Evidence(
        sent={event for delivery in scene.plan.sequence for event in identities(delivery)},
        acknowledged=ledger.acknowledged,
        stored=stored_events(scene.rows),
        listed=await api.events(),
        counted=stored_counts(scene.rows),
        told=told,
        marks=marks,
        history=stored_history(scene.rows),
        retraced=await retraced_history(scene.rows),
    )
    findings = judge(evidence)
    given_up = [f"{ledger.given_up} deliveries were given up"] if ledger.given_up else []
    wrong = [f"wrong answer: {answer}, {count} times" for answer, count in sorted(Counter(ledger.wrong).items())]
    return replace(findings, problems=(*findings.problems, *given_up, *wrong[:MOST_WRONG]))


async def _folded(api: Api, rows: Rows) -> list[str]:
    """Run the timer function until no mark is left, or until claims of the dead have ended and nothing changes.

    Returns:
        The marks left.
    """
    deadline = time.monotonic() + CLAIMED
    end = time.monotonic() + LONGEST_FOLDING
    before: list[str] = []
    while True:
        if not await api.fold():
            raise AskError("summarize_activity failed although nothing was broken any more")
        marks = stored_marks(rows)
        if marks != before:
            before, deadline = marks, time.monotonic() + CLAIMED
        if not marks or time.monotonic() > min(deadline, end):
            return marks
        await asyncio.sleep(0.5)
