"""What may happen to one request on its way to Table Storage. Pure: what happens follows from a seed and the time."""

import json
import random
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Fault(StrEnum):
    """One way of going wrong."""

    NONE = "none"
    DELAY = "delay"
    """It takes long, but all is well."""
    BUSY = "busy"
    """The service answers 503 ServerBusy and does nothing."""
    RESET_BEFORE = "reset before"
    """The connection breaks before the service saw the request."""
    RESET_AFTER = "reset after"
    """The service acts, and its answer is lost."""
    TRUNCATED = "truncated"
    """The service acts, and only the beginning of its answer arrives."""
    LATE = "late"
    """The connection breaks at once, and the service acts later, when the client has tried again."""


CALM: Final[tuple[Fault, ...]] = (Fault.NONE,)
EVERY_FAULT: Final[tuple[Fault, ...]] = tuple(fault for fault in Fault if fault is not Fault.NONE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Weather:
    """How bad it is.

    Attributes:
        rate: the share of requests that meet a fault.
        kinds: the faults to choose from.
        outages: stretches, in seconds since the start, in which the service is busy for everybody.
    """

    rate: float = 0.0
    kinds: tuple[Fault, ...] = EVERY_FAULT
    outages: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What happens to one request; `seconds` is for delays, `share` for where an answer is cut."""

    fault: Fault
    seconds: float = 0.0
    share: float = 0.0


class Fate:
    """Decides about requests in the order in which they come."""

    def __init__(self, seed: int, weather: Weather) -> None:
        self._rng = random.Random(seed)  # noqa: S311 - a simulation, which should repeat
        self._weather = weather

    def calm(self) -> None:
        """From now on nothing happens."""
        self._weather = Weather()

    def decide(self, elapsed: float) -> Verdict:
        """What happens to a request that comes `elapsed` seconds after the start."""
        rng, weather = self._rng, self._weather
        # Every request draws the same amount of chance, whatever comes out, so that runs stay comparable.
        chance, fault, seconds, share = rng.random(), rng.choice(weather.kinds), rng.uniform(0.05, 1.5), rng.random()
        if any(begin <= elapsed < end for begin, end in weather.outages):
            return Verdict(Fault.BUSY, seconds, share)
        return Verdict(fault if chance < weather.rate else Fault.NONE, seconds, share)


def cut(answer: bytes, share: float) -> bytes:
    """The beginning of an answer: at least one byte, never all."""
    return answer[: max(1, min(int(len(answer) * share), len(answer) - 1))]


def busy_answer(*, inside_batch: bool) -> bytes:
    """What Table Storage says when it is overloaded; a batch may be refused as a whole or in its first part.

    Source: https://learn.microsoft.com/rest/api/storageservices/table-service-error-codes and
    https://learn.microsoft.com/rest/api/storageservices/performing-entity-group-transactions#sample-error-response
    """
    return _busy_batch() if inside_batch else _busy_request("")


def _busy_request(index: str) -> bytes:
    value = f"{index}The server is busy.\nRequestId:00000000-0000-0000-0000-000000000000\nTime:2024-02-29T00:00:00.0Z"
    body = json.dumps({"odata.error": {"code": "ServerBusy", "message": {"lang": "en-US", "value": value}}}).encode()
    head = (
        "HTTP/1.1 503 Service Unavailable\r\n"
        "Content-Type: application/json;odata=minimalmetadata;streaming=true;charset=utf-8\r\n"
        "DataServiceVersion: 3.0;\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _busy_batch() -> bytes:
    before = (
        b"--batchresponse_b\r\nContent-Type: multipart/mixed; boundary=changesetresponse_c\r\n\r\n"
        b"--changesetresponse_c\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n"
    )
    body = before + _busy_request("0:") + b"\r\n--changesetresponse_c--\r\n--batchresponse_b--\r\n"
    head = (
        "HTTP/1.1 202 Accepted\r\n"
        "Content-Type: multipart/mixed; boundary=batchresponse_b\r\n"
        "x-ms-version: 2019-02-02\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
