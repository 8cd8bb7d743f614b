"""A short form of `make torture`, and what it says in the end."""

import os
import signal
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from registrail.local.processes import poll
from torture.faults import Weather
from torture.oracle import Findings, Identity, effects
from torture.plan import Channel, Engine, Plan, plan
from torture.report import Outcome, details, verdict
from torture.run import run
from torture.sender import identities, request


@pytest.mark.sockets
@pytest.mark.parametrize(("seed", "hosts"), [(2, 1), (3, 3)])
def test_sqlite(seed: int, hosts: int) -> None:
    """Hosts are killed; one, and three on one file whose folds race."""
    tortured(seed, Engine.SQLITE, hosts)


@pytest.mark.sockets
@pytest.mark.azurite
@pytest.mark.xdist_group("azurite")
@pytest.mark.parametrize(("seed", "hosts"), [(1, 1), (3, 3)])
def test_azurite(seed: int, hosts: int) -> None:
    """Hosts are killed, and the line to the store breaks in every way."""
    outcome = tortured(seed, Engine.AZURITE, hosts)
    assert outcome.met.total() > outcome.met["none"] > 0


def tortured(seed: int, engine: Engine, hosts: int) -> Outcome:
    """Make a run that must end well and that must have been hard."""
    weather = Weather(rate=0.1)  # without outages; nor is there time to wait until the claims of the dead have ended
    planned = replace(plan(seed, 150, engine, hosts), weather=weather, folds_only=False)
    outcome = run(planned)
    assert outcome.findings.innocent, "\n".join(details(outcome))
    assert outcome.findings.acknowledged == len(events_of(planned))
    assert outcome.lives > hosts
    assert outcome.findings.history_rows > 300
    return outcome


def events_of(planned: Plan) -> set[Identity]:
    """Different events that are told."""
    return {event for delivery in planned.sequence for event in identities(delivery)}


def test_a_plan_follows_from_its_seed() -> None:
    """Whoever has the seed of a failed run can make it again."""
    assert plan(7, 100) == plan(7, 100)
    assert plan(7, 100).sequence != plan(8, 100).sequence


def test_plans_are_varied() -> None:
    """Both engines, a third with three hosts, every channel, arrays, repetitions, late events, several kills."""
    plans = [plan(seed, 100) for seed in range(1, 31)]
    deliveries = [delivery for each in plans for delivery in each.sequence]
    assert {each.engine for each in plans} == set(Engine)
    assert sum(each.hosts == 3 for each in plans) == 10
    assert {delivery.channel for delivery in deliveries} == set(Channel)
    assert max(len(delivery.happenings) for delivery in deliveries) > 30
    assert {kill.host for each in plans for kill in each.kills} == {0, 1, 2}
    told = [event for delivery in plans[0].sequence for event in identities(delivery)]
    assert max(Counter(told).values()) >= 2
    assert len({event.at[:10] for event in told}) >= 2
    done = Counter(effect for each in plans for _, some in effects(events_of(each)) for effect in some)
    assert min(done[effect] for effect in ("tags_created", "tags_moved", "tags_removed")) > 100
    assert any(event.action == "delete" and not event.tag and not event.digest for event in told)
    assert 2970 < sum(len(events_of(each)) for each in plans)


def test_every_delivery_can_be_told() -> None:
    """A request tells as many events as its delivery has, at an address that there is."""
    deliveries = [delivery for seed in range(1, 6) for delivery in plan(seed, 100).sequence]
    assert {request(delivery).path for delivery in deliveries} == {
        "/hooks/acr",
        "/hooks/eventgrid",
        "/hooks/distribution",
        "/runtime/webhooks/eventgrid",
    }
    for delivery in deliveries:
        assert request(delivery).body.count(b'"timestamp"') == len(delivery.happenings)


def test_the_verdict_is_one_line() -> None:
    """It adds up, names failed seeds, and ends in one word."""
    good = Outcome(plan=plan(1, 5), findings=Findings(acknowledged=1200), seconds=1.0)
    findings = Findings(acknowledged=5, missing=1, history_wrong=3, problems=("oh",))
    bad = Outcome(plan=plan(2, 5), findings=findings, seconds=1.0)
    assert verdict([good, good], 1) == (
        "torture: 2 runs, 2,400 events acknowledged, 0 missing, 0 double, 0 miscounted, "
        "0 history rows wrong, seed 1: PASSED"
    )
    assert verdict([good, bad], 1) == (
        "torture: 2 runs, 1,205 events acknowledged, 1 missing, 0 double, 0 miscounted, "
        "3 history rows wrong, seed 1: FAILED (seeds 2)"
    )
    assert list(details(bad))[1:] == ["seed 2: oh"]


@pytest.mark.sockets
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_whoever_ends_it_early_ends_its_hosts(number: signal.Signals, tmp_path: Path) -> None:
    """Neither Ctrl-C nor a time limit leaves processes or files behind."""
    command = [sys.executable, "-m", "torture", "--seed", "3", "--events", "5000", "--engine", "sqlite", "--hosts", "2"]
    environment = {"PATH": os.environ["PATH"], "TMPDIR": str(tmp_path), "HOME": str(tmp_path)}
    torture = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603 - our own arguments
    try:
        hosts = poll(lambda: children(torture.pid), lambda found: len(found) == 2, seconds=30)
        torture.send_signal(number)
        torture.wait(20)
    finally:
        torture.kill()
        torture.wait()
    assert len(hosts) == 2
    assert not [pid for pid in hosts if Path(f"/proc/{pid}").exists()]
    assert list(tmp_path.iterdir()) == []


def children(pid: int) -> list[int]:
    """The processes that a process started."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
