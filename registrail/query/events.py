"""Lists of events."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from registrail.events import RecordedEvent
from registrail.instants import Instant
from registrail.ports import Clock, Journal, Marks
from registrail.projections import Activity
from registrail.query.journal import JournalSource, Pattern, RepositorySource
from registrail.query.pages import MOST_AT_ONCE, Plan, Position, Stretch, cut, newest, read_cursor


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFilter:
    """Which events; None is any. A `repository` that ends in `*` is the beginning of names: `team/*`."""

    registry: str | None = None
    repository: str | None = None
    tag: str | None = None
    digest: str | None = None
    action: str | None = None
    actor: str | None = None
    client: str | None = None
    since: Instant | None = None
    until: Instant | None = None

    def admits(self, recorded: RecordedEvent) -> bool:
        """Whether an event that lies in the right registry and time is wanted."""
        event = recorded.event
        return (self.repository is None or Pattern(self.repository).admits(event.repository)) and all(
            wanted is None or wanted == found
            for wanted, found in (
                (self.tag, event.tag),
                (self.digest, event.digest),
                (self.action, event.action),
                (self.actor, event.actor),
                (self.client, event.client),
            )
        )

    @property
    def sifts(self) -> bool:
        """Whether `admits` may refuse something of what is read: of one repository only its own is."""
        by_beginning = self.repository is not None and Pattern(self.repository).name is None
        return by_beginning or any((self.tag, self.digest, self.action, self.actor, self.client))


@dataclass(frozen=True, slots=True)
class EventList:
    """One page of events; `next` is the cursor of the next page, None at the end."""

    items: Sequence[RecordedEvent]
    next: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Events:
    """Where lists of events come from."""

    journal: Journal
    marks: Marks
    activity: Activity
    clock: Clock

    async def page(self, wanted: EventFilter, *, limit: int, cursor: str | None = None) -> EventList:
        """One page, newest first; events without a time come last.

        Raises:
            InvalidParameterError: the cursor is not one that this method gave.
        """
        position = read_cursor(cursor)

        plan: Plan[RecordedEvent] = Plan(
            is_enough=lambda found: sum(wanted.admits(item.value) for item in found.items) > limit,
            size=MOST_AT_ONCE if wanted.sifts else limit + 1,
        )
        start = position and position[0]
        stretch = await self.read(wanted.registry, wanted.repository, wanted.since, wanted.until, start, plan)
        return EventList(*cut(stretch, wanted.admits, limit))

    async def read(  # noqa: PLR0913, PLR0917 - what may be asked for, and how to read it
        self,
        registry: str | None,
        repository: str | None,
        since: Instant | None,
        until: Instant | None,
        start: Position | None,
        plan: Plan[RecordedEvent],
    ) -> Stretch[RecordedEvent]:
        """Events of one or all registries; of one repository only its own, without days on which it rested."""
        registries = [registry] if registry else await self.journal.registries()
        exact = Pattern(repository).name if repository else None
        sources = [
            RepositorySource(
                journal=self.journal,
                marks=self.marks,
                activity=self.activity,
                clock=self.clock,
                registry=name,
                repository=exact,
                since=since,
                until=until,
            )
            if exact
            else JournalSource(journal=self.journal, registry=name, since=since, until=until)
            for name in registries
        ]
        return await newest(sources, start, plan if registry else replace(plan, requests=plan.requests - 1))
