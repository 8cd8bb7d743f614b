"""Delivering happenings as registries do: one try, or again and again, at a pace, several at once.

A webhook of Azure Container Registry is tried once. Event Grid tries again, with longer and longer waits,
unless the answer says that it never helps (https://learn.microsoft.com/azure/event-grid/delivery-and-retry).
"""

import asyncio
import itertools
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol

import httpx

from registrail.local.dialects import Dialect, render
from registrail.local.simulate import Happening

NEVER_RETRIED = frozenset({400, 401, 403, 413})
"""The answers after which Event Grid drops an event."""

_HOPELESS = frozenset({401, 403, 404})
"""The answers that the next happening would get as well."""

_FIRST_WAIT, _LONGEST_WAIT = 0.2, 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """How one delivery ended.

    Attributes:
        status: the HTTP status; None if nobody answered.
        delivery: the id that Registrail gave the delivery.
        problem: what the answer, or the lack of one, had to say; None if all is well.
    """

    status: int | None
    delivery: str | None = None
    problem: str | None = None

    @property
    def accepted(self) -> bool:
        """Whether it was a 2xx."""
        return self.status is not None and 200 <= self.status < 300  # noqa: PLR2004 - HTTP's success


class Channel(Protocol):
    """A way to tell somebody what happened, once."""

    async def tell(self, happening: Happening, attempt: int) -> Answer:
        """Deliver; `attempt` counts from 0. Trouble is an `Answer`, not an exception."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Hook:
    """Registrail's own address for webhooks, `{base_url}/hooks/{sender}`."""

    client: httpx.AsyncClient
    base_url: str
    dialect: Dialect
    key: str | None = field(default=None, repr=False)

    async def tell(self, happening: Happening, attempt: int) -> Answer:
        """POST the happening in its dialect.

        Raises:
            UntellableError: the dialect has no such event.
        """
        headers, body = render(happening, self.dialect)
        if "aeg-delivery-count" in headers:
            headers["aeg-delivery-count"] = str(attempt)
        if self.key is not None:
            headers["x-functions-key"] = self.key
        query = {"registry": happening.registry}
        if happening.region is not None:
            query["region"] = happening.region
        address = f"{self.base_url.rstrip('/')}/hooks/{self.dialect.sender}"
        try:
            response = await self.client.post(address, params=query, headers=headers, content=body)
        except httpx.RequestError as error:
            return Answer(status=None, problem=str(error) or type(error).__name__)
        return _read(response)


def _read(response: httpx.Response) -> Answer:
    """Take the delivery's id or the problem's detail out of an answer, which may be anybody's."""
    try:
        said = response.json()
    except (json.JSONDecodeError, UnicodeDecodeError):
        said = None
    words = said if isinstance(said, dict) else {}
    if response.is_success:
        return Answer(status=response.status_code, delivery=words.get("delivery"))
    problem = words.get("detail") or words.get("title") or response.reason_phrase
    return Answer(status=response.status_code, problem=str(problem))


@dataclass(slots=True, kw_only=True)
class Tally:
    """How a number of deliveries went.

    Attributes:
        latencies: seconds from the first try to the answer, of those that were accepted.
        failure: the first delivery that failed.
        seconds: how long it all took.
    """

    accepted: int = 0
    failed: int = 0
    latencies: list[float] = field(default_factory=list)
    failure: Answer | None = None
    seconds: float = 0.0

    @property
    def sent(self) -> int:
        """Deliveries that came to an end."""
        return self.accepted + self.failed

    @property
    def hopeless(self) -> bool:
        """Whether there is no point in going on: the door is locked, or nobody ever opened."""
        status = None if self.failure is None else self.failure.status
        return self.failure is not None and (status in _HOPELESS or (status is None and self.accepted == 0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How fast to deliver, and how stubbornly.

    Attributes:
        rate: deliveries begun per second; None for as fast as answers come.
        concurrency: deliveries under way at once.
        retry_for: seconds to go on trying one delivery; 0 for a single try.
    """

    rate: float | None = None
    concurrency: int = 1
    retry_for: float = 0.0


async def deliver(  # noqa: PLR0913 - what, whither, how fast, and three seams for tests
    count: int,
    make: Callable[[], Happening],
    channel: Channel,
    pace: Pace,
    *,
    heard: Callable[[Happening, Answer], None] = lambda _happening, _answer: None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> Tally:
    """Make `count` happenings, one after the other, and deliver each.

    `make` is called when a delivery is due, so that a happening can bear the time of its sending. `heard` is
    called with each answer that ended a delivery. Ends early when the tally is hopeless.
    """
    tally = Tally()
    numbers = iter(range(count))
    start = clock()

    async def work() -> None:
        for number in numbers:
            if pace.rate is not None:
                await sleep(max(0.0, start + number / pace.rate - clock()))
            if tally.hopeless:
                return
            happening = make()
            begun = clock()
            answer = await _insist(happening, channel, begun + pace.retry_for, clock, sleep)
            if answer.accepted:
                tally.accepted += 1
                tally.latencies.append(clock() - begun)
            else:
                tally.failed += 1
                tally.failure = tally.failure or answer
            heard(happening, answer)

    async with asyncio.TaskGroup() as group:
        for _ in range(min(pace.concurrency, count)):
            group.create_task(work())
    tally.seconds = clock() - start
    return tally


async def _insist(
    happening: Happening,
    channel: Channel,
    deadline: float,
    clock: Callable[[], float],
    sleep: Callable[[float], Awaitable[None]],
) -> Answer:
    """Try until accepted, refused for good, or past the deadline; waits double from 0.2 s up to 10 s."""
    for attempt in itertools.count():
        answer = await channel.tell(happening, attempt)
        wait = min(_FIRST_WAIT * 2 ** min(attempt, 10), _LONGEST_WAIT)
        if answer.accepted or answer.status in NEVER_RETRIED or clock() + wait > deadline:
            return answer
        await sleep(wait)
    raise AssertionError
