import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from registrail.local.delivery import Answer, Pace, Tally, deliver
from registrail.local.simulate import Happening, imagine


@dataclass(slots=True)
class Clock:
    """Time that passes only when somebody sleeps."""

    now: float = 0.0
    naps: list[float] = field(default_factory=list)

    def time(self) -> float:
        """Seconds."""
        return self.now

    async def sleep(self, seconds: float) -> None:
        """Be later at once."""
        self.naps.append(seconds)
        self.now += seconds


@dataclass(slots=True)
class Scripted:
    """A channel that gives the answers it was given, then 200; it notes when it was told what."""

    clock: Clock
    answers: list[int | None]
    told: list[tuple[float, str]] = field(default_factory=list)

    async def tell(self, happening: Happening, attempt: int) -> Answer:  # noqa: ARG002 - every try is the same to it
        """Answer the next thing."""
        self.told.append((self.clock.now, happening.event_id))
        return Answer(status=self.answers.pop(0) if self.answers else 200)


def maker() -> Callable[[], Happening]:
    """Happenings, one after the other."""
    rng = random.Random(0)  # noqa: S311 - a simulation
    return lambda: imagine(rng, "push", registry="r", repository="a", occurred_at="2026-03-04T12:00:00.000000000Z")


async def run(channel: Scripted, count: int, pace: Pace) -> Tally:
    """Deliver on the channel's own clock."""
    return await deliver(count, maker(), channel, pace, clock=channel.clock.time, sleep=channel.clock.sleep)


async def test_the_rate_is_kept() -> None:
    """At 4/s, deliveries begin a quarter of a second apart, the first at once."""
    channel = Scripted(Clock(), [])
    tally = await run(channel, 5, Pace(rate=4))
    assert [at for at, _ in channel.told] == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert tally.seconds == 1.0


async def test_waits_double_up_to_ten_seconds() -> None:
    """Retries are 0.2 s apart, then twice as long each time, and never more than 10 s."""
    channel = Scripted(Clock(), [503] * 9)
    tally = await run(channel, 1, Pace(retry_for=300))
    assert channel.clock.naps == pytest.approx([0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10, 10, 10])
    assert (tally.accepted, tally.failed) == (1, 0)
    assert len({event_id for _, event_id in channel.told}) == 1


async def test_retries_end() -> None:
    """After the time for retries the delivery has failed, and the next one is made."""
    channel = Scripted(Clock(), [503] * 100)
    tally = await run(channel, 2, Pace(retry_for=60))
    assert (tally.accepted, tally.failed) == (0, 2)
    assert channel.clock.now <= 120


async def test_no_answer_at_first_is_hopeless_and_later_is_not() -> None:
    """Nobody there at the start ends it; somebody who goes away may come back."""
    at_first = await run(Scripted(Clock(), [None]), 3, Pace())
    later = await run(Scripted(Clock(), [200, None]), 3, Pace())
    assert (at_first.sent, later.sent, later.failed) == (1, 3, 1)


@pytest.mark.parametrize("concurrency", [1, 3, 50])
async def test_count_is_exact(concurrency: int) -> None:
    """As many deliveries as asked for are made, whatever the concurrency; latencies are of the accepted."""
    channel = Scripted(Clock(), [200, 503, 200])
    tally = await run(channel, 10, Pace(concurrency=concurrency))
    assert (tally.sent, tally.failed, len(tally.latencies)) == (10, 1, 9)
    assert len(set(itertools.chain(event_id for _, event_id in channel.told))) == 10
