"""What the use cases need of what is worked out from the journal: counts, and the history of tags and digests."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from registrail.activity import Breakdown, Counts, Dimension, Grain, Subject
from registrail.dossier import Deletion, DigestHistory, RepositoryHistory
from registrail.instants import Instant
from registrail.ports import Listed
from registrail.replicas import Lags
from registrail.timeline import Hold, Movement, TagHistory, Window


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

    async def days(
        self, registry: str, repository: str, *, since: Instant | None = None, until: Instant | None = None
    ) -> Sequence[str]:
        """The names of the days of such a range on which a repository has counts: what `periods` gives, for less."""
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
        tags: by name.
        movements: by tag and event; None for those that are none any more.
        holds: by tag, digest and the event with which they began; likewise.
        dossiers: of deletes, by event.
    """

    digests: dict[str, DigestHistory] = field(default_factory=dict)
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
            ConflictError: the repository changed since its version was read.
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

    async def present(self, registry: str, repository: str, prefix: str, limit: int) -> Listed[str]:
        """The first tags of a repository that point to something, of those whose names begin so: for less than `tags`.

        Only so many are looked at: there may be fewer, and more behind.
        """
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
