"""A sender that tries again until it is acknowledged, as Event Grid does, only sooner.

https://learn.microsoft.com/azure/event-grid/delivery-and-retry
"""

import asyncio
import itertools
import json
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Final

import httpx

from registrail.local.dialects import Dialect, cloud_event, distribution_event, grid_event, render
from torture.oracle import Identity, identity
from torture.plan import Channel, Delivery

ANSWER_TIMEOUT: Final = 30.0
"""Seconds; Event Grid waits as long."""
GIVE_UP: Final = 120
"""Tries. A delivery that was never acknowledged claims nothing, but it should not come to that."""
_FIRST_WAIT, _LONGEST_WAIT = 0.1, 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request, ready to be sent."""

    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes


def request(delivery: Delivery) -> Request:
    """How a delivery looks on the wire."""
    first, many = delivery.happenings[0], len(delivery.happenings) > 1
    dialect = Dialect.EVENTGRID if delivery.channel is Channel.TRIGGER else Dialect(delivery.channel)
    headers, body = render(first, dialect)
    path, query = f"/hooks/{dialect.sender}", {"registry": first.registry}
    if delivery.channel is Channel.DISTRIBUTION:
        body = json.dumps({"events": [distribution_event(each) for each in delivery.happenings]}).encode()
    elif dialect is Dialect.EVENTGRID:
        body = json.dumps([grid_event(each) for each in delivery.happenings]).encode()
    elif many:
        headers["content-type"] = "application/cloudevents-batch+json"
        body = json.dumps([cloud_event(each) for each in delivery.happenings]).encode()
    if delivery.channel is Channel.TRIGGER:
        path, query = "/runtime/webhooks/eventgrid", {"functionName": "receive_event"}
    return Request(path=path, query=query, headers=headers, body=body)


def identities(delivery: Delivery) -> list[Identity]:
    """What a delivery tells; a chart's `tag` is the name of its archive, as ACR writes it."""
    return [identity(asdict(happening)) for happening in delivery.happenings]


@dataclass(slots=True, kw_only=True)
class Ledger:
    """What the sender knows.

    Attributes:
        answers: how often it met each status; 0 is no answer.
        wrong: answers that a good request must never get.
    """

    sent: set[Identity] = field(default_factory=set)
    acknowledged: set[Identity] = field(default_factory=set)
    deliveries: int = 0
    given_up: int = 0
    answers: Counter[int] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """Delivers.

    Attributes:
        addresses: hosts, one of which gets each try, as behind a load balancer.
        heard: called after each acknowledgement.
    """

    client: httpx.AsyncClient
    addresses: Sequence[str]
    ledger: Ledger
    rng: random.Random
    heard: Callable[[], None] = lambda: None
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    async def deliver(self, sequence: Sequence[Delivery], concurrency: int) -> None:
        """Deliver everything, some at once; returns when each was acknowledged or given up."""
        left = iter(sequence)

        async def work() -> None:
            for delivery in left:
                await self._insist(delivery)

        async with asyncio.TaskGroup() as group:
            for _ in range(concurrency):
                group.create_task(work())

    async def _insist(self, delivery: Delivery) -> None:
        told, ledger = identities(delivery), self.ledger
        wire = request(delivery)
        ledger.sent.update(told)
        for attempt in itertools.count():
            status = await self._once(wire)
            ledger.answers[status] += 1
            if status in {200, 202}:
                ledger.acknowledged.update(told)
                ledger.deliveries += 1
                self.heard()
                return
            expected = {0, 503, 500} if delivery.channel is Channel.TRIGGER else {0, 503}
            if status not in expected:
                ledger.wrong.append(f"{status} for {wire.path} in the words of {delivery.channel}")
            if attempt >= GIVE_UP or 400 <= status < 500:
                ledger.given_up += 1
                return
            wait = min(_FIRST_WAIT * 2 ** min(attempt, 8), _LONGEST_WAIT)
            await self.sleep(wait * self.rng.uniform(0.5, 1))

    async def _once(self, wire: Request) -> int:
        """One try; the status, 0 if there is no answer."""
        address = self.rng.choice(list(self.addresses))
        try:
            response = await self.client.post(
                f"{address}{wire.path}", params=wire.query, headers=wire.headers, content=wire.body
            )
        except httpx.TransportError:
            return 0
        return response.status_code
