"""What the use cases need from the outside, in their own words."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Generic, Literal, Protocol, TypeVar

from registrail.activity import Breakdown, Counts, Dimension, Grain, Subject
from registrail.dossier import Deletion, DigestHistory, RepositoryHistory
from registrail.events import Arrival, RecordedEvent, RegistryEvent
from registrail.instants import Instant
from registrail.replicas import Lags
from registrail.timeline import Hold, Movement, TagHistory, Window

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
    ) -> EventPage:
        """Events of one day, newest first, `since` <= time < `until`, older than the one with the id `after`."""
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
class Account:
    """What `activity` holds of one day, as far as a fold of some of its hours builds on it.

    Attributes:
        date: `YYYY-MM-DD`.
        covers: the hours whose slots were read, `YYYY-MM-DDTHH`.
        slots: counts of each slot of the covered hours.
        hours: counts of each hour of the day, covered or not.
        day: counts of the day.
        version: of the day's row, which all who write any row of the day replace; None if there is none yet.
        due: subjects of hours and of the day whose own rows somebody left unwritten.
    """

    date: str
    covers: frozenset[str]
    slots: Mapping[str, Breakdown]
    hours: Mapping[str, Breakdown]
    day: Breakdown
    version: str | None = field(repr=False)
    due: frozenset[tuple[str, Subject]] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Period:
    """Counts of one period: of one subject, or of all (None) with their breakdown and lags if they were asked for."""

    registry: str
    grain: Grain
    period: str
    subject: Subject | None
    counts: Counts
    breakdown: Breakdown | None = None

    @property
    def repository(self) -> str | None:
        """The repository that was asked for, or the pattern of several (`team/*`)."""
        return self._asked_for("repository")

    @property
    def actor(self) -> str | None:
        """The actor that was asked for."""
        return self._asked_for("actor")

    @property
    def client(self) -> str | None:
        """The client that was asked for."""
        return self._asked_for("client")

    @property
    def lags(self) -> Lags:
        """Of each region, if they were asked for."""
        return self.breakdown.lags if self.breakdown else {}

    def _asked_for(self, dimension: Dimension) -> str | None:
        return self.subject[1] if self.subject and self.subject[0] == dimension else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Whose counts are asked for: at most one of these, else those of all.

    Attributes:
        under: the beginning of repositories' names, such as `team/`.

    Raises:
        ValueError: more than one is given.
    """

    repository: str | None = None
    actor: str | None = None
    client: str | None = None
    under: str | None = None

    def __post_init__(self) -> None:
        if sum(one is not None for one in (self.repository, self.actor, self.client, self.under)) > 1:
            raise ValueError("a series is of one subject")

    @property
    def subject(self) -> Subject | None:
        """The same as it stands in a period."""
        if self.repository is not None:
            return "repository", self.repository
        if self.actor is not None:
            return "actor", self.actor
        if self.client is not None:
            return "client", self.client
        return None if self.under is None else ("repository", f"{self.under}*")


class Activity(Protocol):
    """Counts per slot, hour, day and week."""

    async def open_account(self, registry: str, day: str, hours: Collection[str]) -> Account:
        """Read what a fold of slots in these hours of one day builds on."""
        ...

    async def write_account(self, registry: str, opened: Account, slots: Mapping[str, Breakdown], now: Instant) -> None:
        """Replace some slots of the covered hours, and these hours and the day with them.

        Raises:
            ConflictError: somebody else wrote something of this day since the account was opened.
            ValueError: a slot lies in none of the covered hours.
        """
        ...

    async def periods(  # noqa: PLR0913 - a range of a series has that many ends
        self,
        registry: str,
        grain: Grain,
        *,
        repository: str | None = None,
        actor: str | None = None,
        client: str | None = None,
        under: str | None = None,
        since: Instant | None = None,
        until: Instant | None = None,
        breakdown: bool = False,
    ) -> Sequence[Period]:
        """The periods with events from the one that `since` lies in up to `until`, oldest first.

        Args:
            registry: its name.
            grain: how long a period is; a week that `since` or `until` lies in is counted as a whole.
            repository: only this one. At most one of this and the next three is given.
            actor: only this one.
            client: only this one.
            under: only repositories whose names begin so, such as `team/`.
            since: None is from the beginning.
            until: None is to the end.
            breakdown: whether the periods have their breakdown and lags, which those of one subject never have.

        Raises:
            ValueError: more than one subject is given.
        """
        ...

    async def page(  # noqa: PLR0913 - a range of a series has that many ends
        self,
        registry: str,
        grain: Grain,
        asked: Asked,
        *,
        since: Instant | None = None,
        until: Instant | None = None,
        after: str = "",
        limit: int = 1000,
        breakdown: bool = False,
    ) -> Listed[Period]:
        """A part of such a series, at the cost of one request, behind the period with the name `after`."""
        ...

    async def breakdown_of(
        self, registry: str, *, grain: Grain = "day", since: Instant | None = None, until: Instant | None = None
    ) -> Breakdown:
        """What happened in all periods of such a range together, by repository, actor, client and region."""
        ...

    async def forget(self, registry: str, day: str) -> None:
        """Delete a day's counts, of its hours and slots too."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What one commit changes in the history of one repository.

    Attributes:
        digests: by name.
        new_digests: which of them must not have been known.
        tags: by name.
        movements: by tag and event; None for those that are none any more.
        holds: by tag, digest and the event with which they began; likewise.
        dossiers: of deletes, by event.
    """

    digests: dict[str, DigestHistory] = field(default_factory=dict)
    new_digests: set[str] = field(default_factory=set)
    tags: dict[str, TagHistory] = field(default_factory=dict)
    movements: dict[tuple[str, str], Movement | None] = field(default_factory=dict)
    holds: dict[tuple[str, str, str], Hold | None] = field(default_factory=dict)
    dossiers: dict[str, Deletion] = field(default_factory=dict)

    def __len__(self) -> int:
        """How many rows that concerns."""
        return len(self.digests) + len(self.tags) + len(self.movements) + len(self.holds) + 2 * len(self.dossiers)


class History(Protocol):
    """What became of tags and digests.

    Each commit writes the repository's own row and checks its version, so that a repository has one writer at a time.
    """

    async def repository(self, registry: str, repository: str) -> tuple[RepositoryHistory, str | None]:
        """A repository and its version; an empty one without a version if it is not known."""
        ...

    async def digests(self, registry: str, repository: str, names: Sequence[str]) -> Mapping[str, DigestHistory]:
        """Those digests of a repository that are known."""
        ...

    async def tags(self, registry: str, repository: str, names: Sequence[str]) -> Mapping[str, TagHistory]:
        """Those tags of a repository that are known."""
        ...

    async def all_tags(self, registry: str, repository: str) -> Sequence[TagHistory]:
        """Every tag that a repository ever had, by name."""
        ...

    async def window(self, registry: str, repository: str, tag: str, event: str) -> Window:
        """The movements of a tag from the newest back to the last change before an event."""
        ...

    async def holders(self, registry: str, repository: str, digest: str) -> Sequence[tuple[str, Hold]]:
        """Which tags pointed to a digest."""
        ...

    async def commit(self, registry: str, repository: RepositoryHistory, version: str | None, changes: Changes) -> str:
        """Write a repository's row and other changes, all or nothing; the new version.

        Raises:
            ConflictError: the repository changed since its version was read, or a new digest is known.
        """
        ...


class HistoryExpirer(Protocol):
    """What retention needs besides."""

    async def expire(self, registry: str, limit: Instant, tags: Collection[tuple[str, str]]) -> None:
        """Delete what ended before a time, and nothing that later events build on.

        These are all dossiers; and of some tags, and of those that the dossiers name, the movements but the newest change
        and the times during which they pointed elsewhere. What is true now stays: tags, digests and repositories.

        Args:
            registry: its name.
            limit: events before it will never be added to the history any more.
            tags: their repositories and names.
        """
        ...


class Limits(Protocol):
    """Before which day retention has deleted what happened."""

    async def read(self, registry: str) -> str | None:
        """The first day that was not deleted; None if nothing ever was."""
        ...

    async def raise_to(self, registry: str, day: str) -> None:
        """Note a day, if it is later than the one that is noted."""
        ...


async def unasked() -> None:
    """Go on: nobody has to be asked."""


class Eraser(Protocol):
    """Deletes what was worked out from the journal."""

    async def erase(self, registry: str, go_on: Callable[[], Awaitable[None]] = unasked) -> bool:
        """Delete all there is of a registry; whether there was any.

        Args:
            registry: whose.
            go_on: is awaited after rows were read and before they are deleted, in the versions in which they were read.
                So if it raises when we are not alone any more, nothing goes that somebody wrote since then.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RebuildNote:
    """How far a rebuild has come.

    Attributes:
        day: the last day that is done; before the first ERASED, before that ERASING, before that None.
        claimed_until: until when nobody else may go on with it; None if nobody is at it.
        version: changes with every writing; None if the note is not stored.
    """

    day: str | None = None
    claimed_until: Instant | None = None
    version: str | None = None


ERASING: Final = ""
ERASED: Final = "0000-00-00"
"""Sorts before all days, and after ERASING."""


class Progress(Protocol):
    """One note for each registry that is being rebuilt."""

    async def read(self, registry: str) -> RebuildNote | None:
        """The note, if there is one."""
        ...

    async def write(self, registry: str, note: RebuildNote) -> RebuildNote:
        """Replace the note in its version, or add the first; the same with its new version.

        Raises:
            ConflictError: somebody else wrote it meanwhile.
        """
        ...

    async def remove(self, registry: str, note: RebuildNote) -> None:
        """Take the note away.

        Raises:
            ConflictError: somebody else wrote it meanwhile.
        """
        ...


class HistoryLists(Protocol):
    """The history in the order in which people read it. Where to go on is a row key, if nothing else is said."""

    async def repositories(
        self, registry: str, *, prefix: str = "", after: str | None = None, limit: int = 1000
    ) -> Listed[RepositoryHistory]:
        """Repositories by name."""
        ...

    async def tags(
        self,
        registry: str,
        *,
        repository: str | None = None,
        prefix: str = "",
        after: str | None = None,
        limit: int = 1000,
    ) -> Listed[tuple[str, str, TagHistory]]:
        """Row keys, repositories and tags, by repository and name; a prefix is one of tags in one repository."""
        ...

    async def movements(  # noqa: PLR0913 - a range in a list has that many ends
        self,
        registry: str,
        repository: str,
        tag: str,
        *,
        since: Instant | None = None,
        until: Instant | None = None,
        after: str | None = None,
        limit: int = 1000,
    ) -> Listed[Movement]:
        """A tag's timeline, newest first, `since` <= time < `until`."""
        ...

    async def digests(
        self,
        registry: str,
        *,
        digest: str | None = None,
        repository: str = "",
        after: str | None = None,
        limit: int = 1000,
    ) -> Listed[tuple[str, DigestHistory]]:
        """Repositories and digests, by digest and repository; of one digest perhaps only a repository."""
        ...

    async def holds(self, registry: str, digest: str) -> Sequence[tuple[str, str, Hold]]:
        """Which tags of which repositories pointed to a digest: repository, tag, from when to when."""
        ...

    async def deletions(  # noqa: PLR0913 - a range in a list has that many ends
        self,
        registry: str,
        *,
        repository: str | None = None,
        since: Instant | None = None,
        until: Instant | None = None,
        after: str | None = None,
        limit: int = 1000,
    ) -> Listed[Deletion]:
        """Deletes, newest first, `since` <= time < `until`; where to go on is the id of an event."""
        ...

    async def deletion(self, registry: str, event: str) -> Deletion | None:
        """One delete."""
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


class DeliveryLog(Protocol):
    """Every request of every sender."""

    def record(self, delivery: Delivery) -> Awaitable[None]:
        """Begin to keep a delivery; it is kept when what this returns has been awaited."""
        ...

    async def get(self, delivery_id: str) -> Delivery | None:
        """Find a delivery."""
        ...

    async def days(self) -> Mapping[str, Sequence[str]]:
        """For each sender the days with deliveries, newest first."""
        ...

    async def read(self, sender: str, day: str, *, after: str | None = None, limit: int = 100) -> DeliveryPage:
        """Deliveries of one sender and day, newest first, older than the one with the key `after`."""
        ...

    async def forget(self, sender: str, day: str) -> None:
        """Delete a day's deliveries of one sender."""
        ...
