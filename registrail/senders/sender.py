"""What every sender module offers."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from registrail.errors import MalformedError
from registrail.events import RegistryEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One HTTP request of a sender.

    Attributes:
        headers: with names in lower case.
        query: the parameters of the URL.
    """

    method: str = "POST"
    headers: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What a request reported.

    Attributes:
        events: in the order in which they came.
        ignored: how many reports are none of our business: pings, and kinds of events that nobody asked to keep.
        problems: for each report that could not be read while others could, what was wrong with it.
    """

    events: tuple[RegistryEvent, ...] = ()
    ignored: int = 0
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Handshake:
    """A request that reports nothing and wants a certain answer; `answer` is a JSON object, or None for no body."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    answer: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """A kind of sender, as data.

    Attributes:
        name: the last part of `/hooks/{name}`.
        translate: reads a request. Pure; raises MalformedError if there is nothing readable in it.
        takes_no_for_an_answer: whether a 4xx reaches somebody. The open-source registry sends a refused event again
            for ever and everything else waits behind it, so it hears 200 and the delivery log keeps what was wrong.
    """

    name: str
    translate: Callable[[Request], Batch | Handshake]
    takes_no_for_an_answer: bool = True


def read_each(reports: Sequence[Any], read: Callable[[int, Any], RegistryEvent | None]) -> Batch:
    """Read a list of reports, so that one that cannot be read does not take the others with it.

    Args:
        reports: as they came.
        read: makes an event of the report at an index; None if it is to be ignored.

    Raises:
        MalformedError: none of them can be read.
    """
    events: list[RegistryEvent] = []
    problems: list[str] = []
    for index, report in enumerate(reports):
        try:
            event = read(index, report)
        except MalformedError as error:
            problems.append(str(error))
        else:
            events += [event] if event else []
    if problems and len(problems) == len(reports):
        raise MalformedError("; ".join(problems)[:1000], reason="not-an-event")
    return Batch(events=tuple(events), ignored=len(reports) - len(events) - len(problems), problems=tuple(problems))
