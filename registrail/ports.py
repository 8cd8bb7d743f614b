"""What receiving and reading need from the outside, in their own words: the journal, marks, and the delivery log.

What is worked out from the journal is in `projections`, what rebuilds and retention need in `upkeep`.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Generic, Literal, Protocol, TypeVar

from registrail.events import Arrival, RecordedEvent, RegistryEvent
from registrail.instants import Instant

T = TypeVar("T")

Clock = Callable[[], Instant]

Outcome = Literal["accepted", "ignored", "rejected", "failed"]


@dataclass(frozen=True, slots=True)
class Listed(Generic[T]):
    """Some rows in the order of a list; `after` is where to go on, None at the end."""

    items: Sequence[T]
    after: str | None


@dataclass(frozen=True, slots=True)
class EventPage:
    """Some events, newest first; `after` is the id of the last one if there are more, else None."""

    events: Sequence[RecordedEvent]
    after: str | None


class Journal(Protocol):
    """Every event, one row each: the only truth."""

    async def append(self, events: Sequence[RegistryEvent], arrival: Arrival) -> None:
        """Store events; safe to repeat. What is stored already learns of another arrival. Durable on return."""
        ...

    async def registries(self) -> Sequence[str]:
        """Every registry that ever sent an event, by name."""
        ...

    async def days(
        self,
        registry: str,
        since: Instant | None,
        until: Instant | None,
        *,
        begin: str | None = None,
        limit: int | None = None,
    ) -> Sequence[str]:
        """The days with events between two times, newest first; last `undated` if no time is given.

        Args:
            registry: whose events.
            since: the first day lies around it.
            until: the last day lies around it.
            begin: leave out the days that come before this one in the list; it may be `undated`.
            limit: the most names; as many cost one request.
        """
        ...

    async def read(  # noqa: PLR0913 - a range in a day has that many ends
        self,
        registry: str,
        day: str,
        *,
        since: Instant | None = None,
        until: Instant | None = None,
        after: str | None = None,
        limit: int = 1000,
        repository: str | None = None,
    ) -> EventPage:
        """Events of one day, newest first, `since` <= time < `until`, older than the one with the id `after`.

        With `repository` only its own; a page may then hold fewer than `limit`, even none, and still have a next one.
        """
        ...

    async def forget(self, registry: str, day: str) -> None:
        """Delete a day's events; then the day is none of `days` any more."""
        ...


@dataclass(frozen=True, slots=True)
class Mark:
    """A slot whose events were not counted since somebody added to them; `version` changes with every addition."""

    slot: str
    version: str
    claimed_until: Instant | None = None


REBUILD: Final = "rebuild"
"""In place of a slot: the registry's history is being rebuilt, so nobody should read it."""


class Marks(Protocol):
    """Slots that await a fold."""

    async def touch(self, registry: str, slots: Sequence[str]) -> None:
        """Mark slots, and take them away from whoever folds them just now."""
        ...

    async def pending(self, registry: str, *, limit: int | None = None) -> Sequence[Mark]:
        """All marks, oldest slot first; or the first `limit`, which one request reads."""
        ...

    async def everywhere(self) -> Mapping[str, Sequence[Mark]] | None:
        """All marks of all registries, if they are few; else None."""
        ...

    async def claim(self, registry: str, marks: Sequence[Mark], until: Instant) -> Sequence[Mark]:
        """Take marks for oneself, those that nobody changed meanwhile; they come back with new versions."""
        ...

    async def release(self, registry: str, marks: Sequence[Mark]) -> None:
        """Give claimed marks back, to be folded by somebody else."""
        ...

    async def clear(self, registry: str, marks: Sequence[Mark]) -> None:
        """Remove marks, except those that somebody touched meanwhile."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One request of a sender, as it came and as it was answered.

    Attributes:
        id: unique, and enough to find it: `{sender}~{inverted time}~{random}`.
        headers: names in lower case; those that carry credentials are redacted.
        query: likewise.
        body: as it came, up to what the log holds.
        body_bytes: how long it was when it came; `body` is shorter if it was cut.
        outcome: what became of it.
        reason: slug of what was wrong, or None.
        problem: the same in words.
        duration_ms: from receipt to answer, without the delivery log itself.
        replayed_at: when it was last taken once more; outcome and counts are then those of that time.
    """

    id: str
    sender: str
    received_at: Instant
    method: str
    path: str
    headers: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes
    body_bytes: int
    outcome: Outcome
    status: int
    reason: str | None = None
    problem: str | None = None
    accepted: int = 0
    ignored: int = 0
    rejected: int = 0
    duration_ms: float = 0.0
    replayed_at: Instant | None = None

    @property
    def key(self) -> str:
        """The id without the sender: sorts the newest first, over all senders."""
        return self.id.partition("~")[2]


@dataclass(frozen=True, slots=True)
class DeliveryPage:
    """Some deliveries, newest first; `after` is the key of the last one if there are more, else None."""

    deliveries: Sequence[Delivery]
    after: str | None


GLANCED: Final = 16_000
"""Bytes of a body that lists of deliveries have; a longer one is empty there."""
MOST_DAYS: Final = 250
"""Of the delivery log, for which senders are told at once."""


@dataclass(frozen=True, slots=True)
class LoggedDay:
    """A day with deliveries of a sender; `troubled` if one failed or was rejected, even if it was replayed since."""

    sender: str
    day: str
    troubled: bool = False


@dataclass(frozen=True, slots=True)
class LoggedDays:
    """Some days, each with all of its senders, newest first; `then` is the day where others go on, None at the end."""

    days: Sequence[LoggedDay]
    then: str | None

    @property
    def by_sender(self) -> Mapping[str, Sequence[LoggedDay]]:
        """For each sender its days, newest first."""
        found: dict[str, list[LoggedDay]] = {}
        for one in self.days:
            found.setdefault(one.sender, []).append(one)
        return found


class DeliveryLog(Protocol):
    """Every request of every sender."""

    def record(self, delivery: Delivery) -> Awaitable[None]:
        """Begin to keep a delivery; it is kept when what this returns has been awaited."""
        ...

    async def get(self, delivery_id: str) -> Delivery | None:
        """Find a delivery."""
        ...

    async def days(self, *, begin: str | None = None, since: str | None = None, limit: int = MOST_DAYS) -> LoggedDays:
        """The days with deliveries, newest first, by one request.

        Args:
            begin: leave out the days after this one.
            since: leave out the days before this one.
            limit: about as many names, but more than there are senders.
        """
        ...

    async def read(  # noqa: PLR0913 - a range in a day has that many ends
        self,
        sender: str,
        day: str,
        *,
        since: Instant | None = None,
        until: Instant | None = None,
        after: str | None = None,
        limit: int = 100,
    ) -> DeliveryPage:
        """Deliveries of one sender and day, newest first, `since` <= time < `until`, older than the key `after`.

        Bodies longer than `GLANCED` are left out: `get` has them.
        """
        ...

    async def forget(self, sender: str, day: str) -> None:
        """Delete a day's deliveries of one sender."""
        ...
