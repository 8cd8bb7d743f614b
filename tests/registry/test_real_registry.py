from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest
import pytest_socket

from registrail.local.journey import Effect, Step, journey, running_registry
from registrail.local.processes import running_app
from registrail.local.recorded import Recorded, Recording

pytestmark = [pytest.mark.registry, pytest.mark.sockets]


@dataclass(frozen=True, slots=True, kw_only=True)
class Travelled:
    """After the journey: what was done, and the app to ask."""

    registry: str
    steps: list[Step]
    recording: Recording
    recorded: list[Recorded]

    @property
    def effects(self) -> list[Effect]:
        """What all the steps must leave behind."""
        return [effect for step in self.steps for effect in step.effects]


@pytest.fixture(scope="module")
def travelled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Travelled]:
    """A real registry that reports to the real app, both ended with the tests.

    It comes before the fixture that lets single tests use sockets, and so has to do it itself.
    """
    pytest_socket.enable_socket()
    pytest_socket.socket_allow_hosts(["127.0.0.1"], allow_unix_socket=True)
    directory = tmp_path_factory.mktemp("journey")
    with (
        running_app(directory) as url,
        httpx.Client(base_url=url, trust_env=False) as client,
        running_registry(directory, f"{url}/hooks/distribution") as registry,
    ):
        steps = list(journey(registry))
        recording = Recording(client)
        recorded = recording.arrived(registry.host, sum(len(step.effects) for step in steps))
        yield Travelled(registry=registry.host, steps=steps, recording=recording, recorded=recorded)


def test_everything_is_recorded_exactly_once_and_nothing_else(travelled: Travelled) -> None:
    """Every push, tag and deletion of a manifest is one event; pulls and layers are none."""
    assert Counter(entry.effect for entry in travelled.recorded) == Counter(travelled.effects)


def test_the_journey_goes_everywhere(travelled: Travelled) -> None:
    """The comparison above is of retags, moved tags, several platforms and deletions, not of nothing."""
    pushed = [effect for effect in travelled.effects if effect.action == "push"]
    latest = {effect.digest for effect in pushed if effect.tag == "latest"}
    deleted = [effect for effect in travelled.effects if effect.action == "delete"]
    assert len(latest) == 2
    assert sum(effect.tag is None for effect in pushed) == 2
    assert [(effect.tag, effect.digest is None) for effect in deleted] == [(None, False), ("v1", True)]


def test_events_are_in_the_order_of_the_steps(travelled: Travelled) -> None:
    """Sorted by the registry's own time, the tagged pushes are as they were made."""
    made = [effect for effect in travelled.effects if effect.action == "push" and effect.tag]
    found = [entry.effect for entry in travelled.recorded if entry.effect.action == "push" and entry.effect.tag]
    assert found == made


def test_activity_equals_a_recount(travelled: Travelled) -> None:
    """Hours, in total and for each repository, count what the list of events holds."""
    travelled.recording.fold()
    for name in (None, "demo/app", "demo/multi"):
        recount = Counter(
            (entry.occurred_at[:13], entry.effect.action)
            for entry in travelled.recorded
            if name in {None, entry.effect.repository}
        )
        rows = (
            travelled.recording.totals(travelled.registry, len(travelled.recorded))
            if name is None
            else travelled.recording.activity(travelled.registry, repository=name)
        )
        assert {row.period: (row.events, row.pushes, row.deletes) for row in rows} == {
            hour: (recount[hour, "push"] + recount[hour, "delete"], recount[hour, "push"], recount[hour, "delete"])
            for hour in {hour for hour, _ in recount}
        }
