"""Receiving: what a sender sends becomes rows, and only then an answer.

The order matters: events, then marks and the delivery log, then the answer. A crash between any two leaves at worst
an event that nobody was told is stored, and a mark or a delivery that says so once more when the sender tries again.
"""

import logging
import re
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import lru_cache
from typing import Any, Final

from registrail.errors import MalformedError, StorageError, TooLargeError, UnknownSenderError
from registrail.events import Arrival, RegistryEvent
from registrail.instants import TICKS_PER_DAY, Instant
from registrail.ports import Clock, Delivery, DeliveryLog, Journal, Marks, Outcome
from registrail.senders.sender import Batch, Handshake, Request, Sender

EARLIEST: Final = Instant.parse("2013-01-01T00:00:00Z")
"""Before this there were no container registries."""

AHEAD: Final = timedelta(days=1)
"""How far in the future a registry's clock may be."""
_MOST_TICKS_AHEAD: Final = AHEAD.days * TICKS_PER_DAY

RETRY_AFTER_SECONDS: Final = 10
TICKS_PER_MILLISECOND: Final = 10_000

_CREDENTIALS: Final = ("auth", "cookie", "key", "password", "principal", "secret", "sig", "token")
_REDACTED: Final = "(redacted)"
_IN_ADDRESS: Final = re.compile(r"(?<=[?&;])([^=?&;\s]*)=([^&;\s]*)")

_log = logging.getLogger("registrail.ingest")


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What to answer.

    Attributes:
        answer: a JSON object; None for an empty body.
        problem: whether `answer` is a problem description (RFC 9457).
    """

    status: int
    answer: Mapping[str, str | int] | None
    headers: Mapping[str, str]
    problem: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Result:
    outcome: Outcome
    status: int
    batch: Batch = field(default_factory=Batch)
    error: MalformedError | TooLargeError | StorageError | None = None
    slots: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ingest:
    """The use case.

    Attributes:
        new_id: makes an id for a delivery that was received at an instant by a sender of that name.
    """

    senders: Mapping[str, Sender]
    journal: Journal
    marks: Marks
    deliveries: DeliveryLog
    clock: Clock
    new_id: Callable[[str, Instant], str]
    max_body_bytes: int

    async def receive(self, name: str, request: Request, *, path: str) -> Receipt:
        """Take one request of the sender `name`.

        Raises:
            UnknownSenderError: there is no such sender; nothing is kept.
        """
        sender = self.senders.get(name)
        if sender is None:
            raise UnknownSenderError(name, sorted(self.senders))
        received_at = self.clock()
        delivery_id = self.new_id(name, received_at)
        result = await self._handle(
            sender, request, Arrival(sender=name, delivery=delivery_id, received_at=received_at)
        )
        if isinstance(result, Handshake):
            _log.info("handshake answered", extra={"sender": name})
            return Receipt(status=result.status, answer=result.answer, headers=result.headers)
        elapsed = self.clock().ticks - received_at.ticks
        delivery = Delivery(
            id=delivery_id,
            sender=name,
            received_at=received_at,
            method=request.method,
            path=path,
            headers=redacted(request.headers),
            query=redacted(request.query),
            body=request.body[: self.max_body_bytes],
            body_bytes=len(request.body),
            duration_ms=max(elapsed, 0) / TICKS_PER_MILLISECOND,
            **_fate(result),
        )
        # The log is written while the slots are marked: the events are stored, so it says what will be true.
        recording = self.deliveries.record(delivery)
        try:
            await self._mark(result.slots)
        except StorageError as error:
            with suppress(StorageError):
                await recording
            delivery = replace(delivery, **_fate(_failed(error)))
            recording = self.deliveries.record(delivery)
        return _receipt(await self._logged(delivery, recording))

    async def replay(self, delivery: Delivery) -> Delivery:
        """Take a logged request once more, as if it came when it came; its entry in the log tells how it went.

        What was stored before is not stored twice, so replaying is always safe.

        Raises:
            UnknownSenderError: its sender is not known any more.
            MalformedError: the log does not have the whole body.
            StorageError: the outcome could not be logged.
        """
        sender, request = self._again(delivery)
        arrival = Arrival(sender=delivery.sender, delivery=delivery.id, received_at=delivery.received_at)
        result = await self._handle(sender, request, arrival)
        if isinstance(result, Handshake):
            return delivery
        try:
            await self._mark(result.slots)
        except StorageError as error:
            result = _failed(error)
        replayed = replace(delivery, replayed_at=self.clock(), **_fate(result))
        await self.deliveries.record(replayed)
        _log.info("delivery replayed", extra={"delivery": delivery.id, "outcome": replayed.outcome})
        return replayed

    def read(self, delivery: Delivery) -> Batch:
        """What a logged request says, as it is read today; nothing is stored.

        Raises:
            UnknownSenderError: its sender is not known any more.
            MalformedError: it cannot be read, or the log does not have the whole body.
        """
        sender, request = self._again(delivery)
        said = sender.translate(request)
        if isinstance(said, Handshake):
            return Batch()
        events = tuple(with_plausible_time(event, delivery.received_at) for event in said.events)
        return replace(said, events=events)

    def _again(self, delivery: Delivery) -> tuple[Sender, Request]:
        """Who sent a logged request, and the request."""
        sender = self.senders.get(delivery.sender)
        if sender is None:
            raise UnknownSenderError(delivery.sender, sorted(self.senders))
        if delivery.body_bytes != len(delivery.body):
            message = f"the log has {len(delivery.body)} of the body's {delivery.body_bytes} bytes"
            raise MalformedError(message, reason="body-cut")
        request = Request(method=delivery.method, headers=delivery.headers, query=delivery.query, body=delivery.body)
        return sender, request

    async def _handle(self, sender: Sender, request: Request, arrival: Arrival) -> _Result | Handshake:
        try:
            if len(request.body) > self.max_body_bytes:
                raise TooLargeError(self.max_body_bytes)
            said = sender.translate(request)
        except (MalformedError, TooLargeError) as error:
            refusal = 413 if isinstance(error, TooLargeError) else 400
            status = refusal if sender.takes_no_for_an_answer else 200
            return _Result(outcome="rejected", status=status, error=error)
        if isinstance(said, Handshake):
            return said
        events = [with_plausible_time(event, arrival.received_at) for event in said.events]
        if not events:
            return _Result(outcome="ignored", status=200, batch=said)
        try:
            await self.journal.append(events, arrival)
        except StorageError as error:
            return _failed(error)
        return _Result(outcome="accepted", status=200, batch=said, slots=_slots(events))

    async def _mark(self, slots: Mapping[str, Sequence[str]]) -> None:
        for registry, of_registry in slots.items():
            await self.marks.touch(registry, of_registry)

    async def _logged(self, delivery: Delivery, recording: Awaitable[None]) -> Delivery:
        """Wait for the log. If it fails, stored events stay accepted, but what is kept nowhere else is refused."""
        fields = {
            "delivery": delivery.id,
            "sender": delivery.sender,
            "status": delivery.status,
            "reason": delivery.reason,
            "accepted": delivery.accepted,
            "ignored": delivery.ignored,
            "rejected": delivery.rejected,
            "duration_ms": delivery.duration_ms,
        }
        try:
            await recording
        except StorageError as error:
            _log.warning("delivery log failed", extra={**fields, "problem": str(error)})
            if delivery.outcome == "rejected" or delivery.rejected:
                return replace(delivery, outcome="failed", status=503, reason=error.reason, problem=str(error))
        level = logging.ERROR if delivery.outcome == "failed" else logging.INFO
        _log.log(level, f"delivery {delivery.outcome}", extra=fields)
        return delivery


def _failed(error: StorageError) -> _Result:
    return _Result(outcome="failed", status=503, error=error)


def _slots(events: Sequence[RegistryEvent]) -> Mapping[str, Sequence[str]]:
    """The slots that events fall into, for each registry."""
    slots: dict[str, set[str]] = defaultdict(set)
    for event in events:
        if event.occurred_at is not None:
            slots[event.registry].add(event.occurred_at.minute)
    return {registry: sorted(of_registry) for registry, of_registry in slots.items()}


def _fate(result: _Result) -> dict[str, Any]:
    """What a delivery says of how it went."""
    error, batch = result.error, result.batch
    return {
        "outcome": result.outcome,
        "status": result.status,
        "reason": error.reason if error else None,
        "problem": str(error) if error else "; ".join(batch.problems) or None,
        "accepted": len(batch.events),
        "ignored": batch.ignored,
        "rejected": len(batch.problems),
    }


def with_plausible_time(event: RegistryEvent, now: Instant) -> RegistryEvent:
    """Forget a time that cannot be: long before registries existed, or beyond tomorrow."""
    if event.occurred_at is None or EARLIEST.ticks <= event.occurred_at.ticks <= now.ticks + _MOST_TICKS_AHEAD:
        return event
    return replace(event, occurred_at=None)


def redacted(pairs: Mapping[str, str]) -> dict[str, str]:
    """Hide the values of headers or parameters that carry credentials, and credentials in addresses in the others.

    The platform repeats the request's whole address, key and all, in headers of its own (`x-original-url`).
    """
    return {
        name: _REDACTED if _carries_credentials(name) else _redacted_address(value) for name, value in pairs.items()
    }


def _redacted_address(text: str) -> str:
    """Without the credentials among its parameters, if it has any."""
    return _IN_ADDRESS.sub(_without_credentials, text) if "=" in text else text


def _without_credentials(parameter: re.Match[str]) -> str:
    return f"{parameter[1]}={_REDACTED}" if _carries_credentials(parameter[1]) else parameter[0]


@lru_cache(maxsize=256)
def _carries_credentials(name: str) -> bool:
    name = name.lower()
    return name == "code" or any(word in name for word in _CREDENTIALS)


def _receipt(delivery: Delivery) -> Receipt:
    counts: dict[str, str | int] = {
        "delivery": delivery.id,
        "accepted": delivery.accepted,
        "ignored": delivery.ignored,
    }
    if delivery.rejected or delivery.outcome == "rejected":
        counts["rejected"] = max(delivery.rejected, 1)
    if delivery.status == 200:  # noqa: PLR2004 - OK
        return Receipt(status=200, answer=counts, headers={})
    titles = {400: "The body cannot be read", 413: "The body is too large", 503: "Storage is not available"}
    answer: dict[str, str | int] = {
        "type": "about:blank",
        "title": titles[delivery.status],
        "status": delivery.status,
        "detail": delivery.problem or "",
        "reason": delivery.reason or "",
        "delivery": delivery.id,
    }
    headers = {"Retry-After": str(RETRY_AFTER_SECONDS)} if delivery.status == 503 else {}  # noqa: PLR2004
    return Receipt(status=delivery.status, answer=answer, headers=headers, problem=True)
