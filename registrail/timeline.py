"""What events did to a tag. Pure folds; `docs/history.md` defines the terms.

Events are told apart and ordered by their ids (`{inverted time}~{hash}`): the *greater* id is the *earlier* event.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal, NamedTuple

from registrail.events import RecordedEvent, RegistryEvent
from registrail.instants import Instant

PUSHES: Final = frozenset({"push", "chart_push"})
DELETES: Final = frozenset({"delete", "chart_delete"})
UNKNOWN_DIGEST: Final = ""
"""What a tag points to after a push that names no digest."""

Verb = Literal["push", "untag", "delete", "clear"]
"""What an event does to a tag: `untag` names it, `delete` names a digest, `clear` the whole repository."""

Change = Literal["created", "moved", "unchanged", "untagged", "deleted"]

_INVERTED_DIGITS: Final = 19


def takes_part(event: RegistryEvent) -> bool:
    """Whether an event belongs to the history: a dated push or delete of a manifest."""
    return event.occurred_at is not None and event.action in PUSHES | DELETES and not event.concerns_blob


def is_push(event: RegistryEvent) -> bool:
    """Whether it is a push; else, if it takes part, a delete."""
    return event.action in PUSHES


def time_of(event_id: str) -> Instant:
    """When an event was, by its id."""
    return Instant.from_inverted(event_id[:_INVERTED_DIGITS])


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """What one event says of a tag.

    Attributes:
        event: its id.
        digest: that was pushed or deleted; None if the event names none.
    """

    event: str
    verb: Verb
    action: str
    digest: str | None = None
    actor: str | None = None
    client: str | None = None

    @property
    def at(self) -> Instant:
        """When."""
        return time_of(self.event)


def fact(recorded: RecordedEvent, verb: Verb) -> Fact:
    """What an event says of a tag if that is what it does to it."""
    event = recorded.event
    digest = {"push": event.digest or UNKNOWN_DIGEST, "delete": event.digest}.get(verb)
    return Fact(
        event=recorded.id, verb=verb, action=event.action, digest=digest, actor=event.actor, client=event.client
    )


class Pointer(NamedTuple):
    """What a tag points to, and the event that made it so."""

    digest: str
    event: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Movement:
    """One row of a tag's timeline.

    Attributes:
        digest: what the tag points to after it; None if it is absent.
        previous: what it pointed to before, if that changed; None if it was absent, or nothing changed.
    """

    fact: Fact
    change: Change
    digest: str | None
    previous: Pointer | None = None

    @property
    def at(self) -> Instant:
        """When."""
        return self.fact.at

    @property
    def event(self) -> str:
        """The id of the event behind it."""
        return self.fact.event

    @property
    def changed(self) -> bool:
        """Whether the tag points elsewhere since then."""
        return self.change != "unchanged"

    @property
    def previous_digest(self) -> str | None:
        """What the tag pointed to before."""
        if self.change == "unchanged":
            return self.digest
        return self.previous.digest if self.previous else None

    def after(self, before: Pointer | None) -> Pointer | None:
        """What the tag points to after it, if before it it pointed to `before`."""
        if not self.changed:
            return before
        return None if self.digest is None else Pointer(self.digest, self.event)


def step(before: Pointer | None, said: Fact) -> Movement | None:
    """What a fact does to a tag that points to `before`; None if it does not concern it."""
    if said.verb == "push":
        digest = said.digest or UNKNOWN_DIGEST
        if before is not None and before.digest == digest:
            return Movement(fact=said, change="unchanged", digest=digest)
        return Movement(fact=said, change="moved" if before else "created", digest=digest, previous=before)
    if said.verb == "untag":
        change: Change = "untagged" if before else "unchanged"
        return Movement(fact=said, change=change, digest=None, previous=before)
    if before is None or (said.verb == "delete" and before.digest != said.digest):
        return None
    return Movement(fact=said, change="deleted", digest=None, previous=before)


class Hold(NamedTuple):
    """That a tag pointed to a digest: from one event until another, if it does not any more."""

    digest: str
    begin: str
    end: str | None

    def covers(self, event: str) -> bool:
        """Whether it lasted when an event came, or was ended by it."""
        return self.begin > event and (self.end is None or self.end <= event)


@dataclass(frozen=True, slots=True, kw_only=True)
class TagHistory:
    """A tag as of now.

    Attributes:
        last: its newest movement.
        change: the newest movement that changed something; None if none ever did.
        movements: how many there are.
        changes: how many of them changed something.
    """

    tag: str
    last: Movement
    change: Movement | None
    movements: int
    changes: int

    @property
    def pointer(self) -> Pointer | None:
        """What it points to."""
        if self.change is None or self.change.digest is None:
            return None
        return Pointer(self.change.digest, self.change.event)


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """The newest movements of a tag, and what it was like before them.

    Attributes:
        base: the newest change before the window; None if there was none.
        since: the event after which it has all movements; None if it has them all.
        movements: what it has, oldest first.
    """

    base: Movement | None = None
    since: str | None = None
    movements: Sequence[Movement] = ()

    def reaches(self, event: str) -> bool:
        """Whether it goes back beyond an event."""
        return self.since is None or event < self.since


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewrite:
    """What has to be written because of a new fact.

    Attributes:
        tag: as it is then; None if there is nothing to say of it.
        told: the movement of the fact itself; None if it does not concern the tag.
        window: as it is then.
        put: movements that are new or different.
        dropped: movements that are none any more.
        holds: new or different.
        ended: holds that never were.
        fresh: events of which there was no movement, and with which no hold began.
    """

    tag: TagHistory | None
    told: Movement | None
    window: Window
    put: Sequence[Movement] = ()
    dropped: Sequence[Movement] = ()
    holds: Sequence[Hold] = ()
    ended: Sequence[Hold] = ()
    fresh: frozenset[str] = frozenset()


def visible(known: TagHistory | None, event: str) -> Window | None:
    """The window that a tag's own row shows, if that is enough to put an event into its place."""
    if known is None:
        return Window()
    if known.movements == 1:
        return Window(movements=(known.last,))
    window = Window(base=known.change, since=known.last.event)
    return window if window.reaches(event) else None


def insert(tag: str, known: TagHistory | None, window: Window, said: Fact) -> Rewrite:
    """Put a fact into its place among the movements of a window that reaches back beyond it."""
    old = {movement.event: movement for movement in window.movements}
    facts = {event: movement.fact for event, movement in old.items()}
    if said.verb not in {"delete", "clear"} or facts.get(said.event, said).verb != "untag":
        facts[said.event] = said
    before = window.base.after(None) if window.base else None
    new = {movement.event: movement for movement in _walk(before, sorted(facts.values(), key=_id, reverse=True))}
    held, holds = _holds(before, old.values()), _holds(before, new.values())
    movements = tuple(new.values())
    return Rewrite(
        tag=_summary(tag, known, window, movements),
        told=new.get(said.event),
        window=replace(window, movements=movements),
        put=[movement for event, movement in new.items() if old.get(event) != movement],
        dropped=[movement for event, movement in old.items() if event not in new],
        holds=[hold for begin, hold in holds.items() if held.get(begin) != hold],
        ended=[hold for begin, hold in held.items() if begin not in holds],
        fresh=frozenset((new.keys() - old.keys()) | (holds.keys() - held.keys())),
    )


def _id(said: Fact) -> str:
    return said.event


def _walk(before: Pointer | None, facts: Iterable[Fact]) -> Iterator[Movement]:
    for said in facts:
        movement = step(before, said)
        if movement is not None:
            before = movement.after(before)
            yield movement


def _holds(before: Pointer | None, movements: Iterable[Movement]) -> dict[str, Hold]:
    """What the tag pointed to and from when to when, by the event that each began with."""
    holds = {before.event: Hold(before.digest, before.event, None)} if before else {}
    for movement in movements:
        after = movement.after(before)
        if after != before:
            if before:
                holds[before.event] = Hold(before.digest, before.event, movement.event)
            if after:
                holds[after.event] = Hold(after.digest, after.event, None)
        before = after
    return holds


def _summary(tag: str, known: TagHistory | None, window: Window, movements: Sequence[Movement]) -> TagHistory | None:
    """The tag with the movements of a window replaced."""
    changing = [movement for movement in movements if movement.changed]
    last = movements[-1] if movements else known.last if known else None
    if last is None:
        return None
    return TagHistory(
        tag=tag,
        last=last,
        change=changing[-1] if changing else window.base,
        movements=(known.movements if known else 0) + len(movements) - len(window.movements),
        changes=(known.changes if known else 0)
        + len(changing)
        - sum(movement.changed for movement in window.movements),
    )
