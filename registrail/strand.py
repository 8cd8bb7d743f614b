"""One repository while events are added to its history: what is known of it, and what is not written yet."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from registrail.activity import Effect
from registrail.dossier import DigestHistory, RemovedTag, RepositoryHistory, deletion
from registrail.events import RecordedEvent
from registrail.names import Name
from registrail.projections import Changes, History
from registrail.timeline import (
    Fact,
    Hold,
    Movement,
    Rewrite,
    TagHistory,
    Window,
    fact,
    insert,
    is_push,
    time_of,
    visible,
)

FULL: Final = 75
"""Rows of a commit after which no other event joins it; what one event changes (a delete: in a tag) fits as well."""


@dataclass(slots=True, kw_only=True)
class Strand:
    """A repository, and the changes that its next commit writes.

    Attributes:
        written: the repository as it is stored; `version` of it.
        digests: those that were looked for, read or written; None if there is no such one. Likewise tags.
        windows: of tags for which their own row was not enough.
        holders: of digests that events delete, and of new ones: by tag and the event with which it began.
        fresh: movements and holds among the changes that are not stored in any form, by tag and event.
        is_proven: whether the repository was read, or written, since the work began.
    """

    history: History
    registry: str
    name: str
    repository: RepositoryHistory
    written: RepositoryHistory
    version: str | None
    digests: dict[str, DigestHistory | None] = field(default_factory=dict)
    tags: dict[str, TagHistory | None] = field(default_factory=dict)
    windows: dict[str, Window] = field(default_factory=dict)
    holders: dict[str, dict[tuple[str, str], Hold]] = field(default_factory=dict)
    changes: Changes = field(default_factory=Changes)
    fresh: set[tuple[str, str]] = field(default_factory=set)
    is_proven: bool = True

    @classmethod
    async def open(cls, history: History, registry: str, name: str) -> "Strand":
        """Read a repository."""
        repository, version = await history.repository(registry, name)
        return cls(
            history=history,
            registry=registry,
            name=name,
            repository=repository,
            written=repository,
            version=version,
        )

    def resume(self) -> None:
        """Go on with what is known since some time.

        Somebody may have changed the repository since then. Whoever adds nothing new would not notice, as nothing is
        written then; so the next commit takes place in any case.
        """
        self.windows.clear()
        self.is_proven = False

    @property
    def names(self) -> int:
        """How many tags and digests are in memory."""
        return len(self.tags) + len(self.digests)

    async def prepare(self, events: Sequence[RecordedEvent]) -> None:
        """Read what events that are going to be added will need."""
        deleted = sorted({one.event.digest for one in events if one.event.digest and not is_push(one.event)})
        await asyncio.gather(
            self._read_digests(one.event.digest for one in events if one.event.digest),
            self._read_tags(one.event.tag for one in events if one.event.tag),
            *(self._read_holders(digest) for digest in deleted),
        )

    async def _read_holders(self, digest: str) -> None:
        """Read who held a digest that is deleted, unless that is known."""
        if digest in self.holders:
            return
        self.holders[digest] = {}
        if self.repository.names.may_have(("digest", digest)):
            held = await self.history.holders(self.registry, self.name, digest)
            self.holders[digest] = {(tag, hold.begin): hold for tag, hold in held}

    async def _read_digests(self, names: Iterable[str]) -> None:
        """Read the digests that were not looked for yet, unless they are new: then nothing can have held them."""
        unread = sorted(set(names) - self.digests.keys())
        wanted = [name for name in unread if self.repository.names.may_have(("digest", name))]
        for name in set(unread).difference(wanted):
            self.holders.setdefault(name, {})
        known = await self.history.digests(self.registry, self.name, wanted) if wanted else {}
        self.digests.update({name: known.get(name) for name in unread})

    async def _read_tags(self, names: Iterable[str]) -> None:
        """Likewise of tags."""
        unread = sorted(set(names) - self.tags.keys())
        wanted = [name for name in unread if self.repository.names.may_have(("tag", name))]
        known = await self.history.tags(self.registry, self.name, wanted) if wanted else {}
        self.tags.update({name: known.get(name) for name in unread})

    @property
    def is_full(self) -> bool:
        """Whether the next commit should have no more events."""
        return len(self.changes) >= FULL

    async def commit(self, *, always: bool = False) -> None:
        """Write the changes, if there are any, with the repository's row.

        Raises:
            ConflictError: the repository is not any more as it was read.
        """
        if self.is_proven and not (self.changes or self.repository != self.written or always):
            return
        tags: Iterable[Name] = (("tag", tag) for tag in self.changes.tags)
        digests: Iterable[Name] = (("digest", digest) for digest in self.changes.digests)
        self.repository = replace(self.repository, names=self.repository.names.adding((*tags, *digests)))
        self.version = await self.history.commit(self.registry, self.repository, self.version, self.changes)
        self.written = self.repository
        self.is_proven = True
        self.changes = Changes()
        self.fresh.clear()

    async def add(self, recorded: RecordedEvent) -> Effect:
        """Add one event; what it did."""
        return await (self._push(recorded) if is_push(recorded.event) else self._delete(recorded))

    async def _push(self, recorded: RecordedEvent) -> Effect:
        event = recorded.event
        first_push = self.repository.first_push
        self.repository = self.repository.pushed(recorded.id)
        if first_push and self.repository.first_push != first_push:
            self._recount(first_push)
        digest = await self._push_digest(recorded, event.digest) if event.digest else None
        told = None
        if event.tag:
            told = await self._tell(event.tag, fact(recorded, "push"))
            removals = digest.removals_after(recorded.id) if digest else []
            ends = [removal.fact for removal in removals if removal.tag != event.tag][:1]
            for end in (*ends, *self.repository.clears_after(recorded.id)[:1]):
                await self._tell(event.tag, end, because_of=recorded.id)
        return Effect(
            tags_created=int(told is not None and told.change == "created"),
            tags_moved=int(told is not None and told.change == "moved"),
            images_first_seen=int(digest is not None and digest.pushes[0].event == recorded.id),
            repositories_first_seen=int(self.repository.first_push == recorded.id),
        )

    async def _push_digest(self, recorded: RecordedEvent, name: str) -> DigestHistory:
        before = self.digests.get(name) or DigestHistory(digest=name)
        after = before.pushed(recorded)
        ignorant: list[str] = []
        if after != before and before != DigestHistory(digest=name):
            ignorant = await self._deletes_after(recorded.id, after)
        # What follows goes into one commit: whoever adds the event again finds all of it, or nothing.
        if before.first is None:
            self.repository = replace(self.repository, images=self.repository.images + 1)
        elif after.pushes[0].event != before.first.event:
            self._recount(before.first.event)
        for delete in ignorant:
            self._recount(delete)
        self._put_digest(after)
        return after

    async def _deletes_after(self, event: str, digest: DigestHistory) -> list[str]:
        """The deletes of a digest, and of tags that pointed to it, after a push that is late: they know too little."""
        found = [removal.fact.event for removal in digest.removals_after(event)]
        last_delete = self.repository.last_delete
        if last_delete is not None and last_delete < event:
            await self.commit()
            holders = await self.history.holders(self.registry, self.name, digest.digest)
            found += [hold.end for _, hold in holders if hold.end is not None and hold.end < event]
        return found

    async def _delete(self, recorded: RecordedEvent) -> Effect:
        event = recorded.event
        self.repository = self.repository.deleted(recorded)
        digest = None
        if event.digest:
            digest = (self.digests.get(event.digest) or DigestHistory(digest=event.digest)).deleted(recorded)
            self._put_digest(digest)
        removed: list[RemovedTag] = []
        for tag, said in await self._concerned(recorded):
            told = await self._tell(tag, said)
            if told is not None and told.previous is not None:
                removed.append(RemovedTag(tag, told.previous.event, told.previous.digest))
            if self.is_full:
                await self.commit()
        if digest is None and event.tag and removed:
            digest = await self._digest(removed[0].digest)
        self.changes.dossiers[recorded.id] = deletion(recorded, removed, digest)
        return Effect(tags_removed=len(removed))

    async def _concerned(self, recorded: RecordedEvent) -> list[tuple[str, Fact]]:
        """The tags that a delete may remove, and what it says of each."""
        event = recorded.event
        concerned: dict[str, Fact] = {}
        if event.digest:
            holders = self.holders.get(event.digest, {})
            concerned = {
                tag: fact(recorded, "delete") for (tag, _), hold in holders.items() if hold.covers(recorded.id)
            }
        elif not event.tag:
            await self.commit()
            every = await self.history.all_tags(self.registry, self.name)
            self.tags.update({known.tag: known for known in every})
            concerned = {known.tag: fact(recorded, "clear") for known in every}
        if event.tag:
            concerned[event.tag] = fact(recorded, "untag")
        await self._read_tags(concerned)
        return sorted(concerned.items())

    async def _tell(self, tag: str, said: Fact, because_of: str | None = None) -> Movement | None:
        """Add a fact to a tag; the movement that it is, if it is one.

        Args:
            tag: that it concerns.
            said: what is said of it.
            because_of: the event that is being added, if the fact is of another one.
        """
        await self._read_tags([tag])
        known = self.tags[tag]
        window = visible(known, said.event)
        if window is None:
            window = self.windows.get(tag)
            if window is None or not window.reaches(said.event):
                await self.commit()
                window = await self.history.window(self.registry, self.name, tag, said.event)
            rewrite = insert(tag, known, window, said)
            self.windows[tag] = rewrite.window
        else:
            rewrite = insert(tag, known, window, said)
            self.windows.pop(tag, None)
        if rewrite.put or rewrite.dropped:
            self._take(tag, known, rewrite, because_of or said.event)
        return rewrite.told

    def _take(self, tag: str, known: TagHistory | None, rewrite: Rewrite, event: str) -> None:
        """Put what a fact changes among the changes."""
        new = rewrite.tag
        self.tags[tag] = new
        if new is not None:
            self.changes.tags[tag] = new
            gained = (new.pointer is not None) - (known is not None and known.pointer is not None)
            self.repository = replace(self.repository, tags=self.repository.tags + gained)
        self._take_movements(tag, rewrite, event)
        self._take_holds(tag, rewrite)

    def _take_movements(self, tag: str, rewrite: Rewrite, event: str) -> None:
        movements = self.changes.movements
        for movement in rewrite.put:
            if movement.event in rewrite.fresh and (tag, movement.event) not in movements:
                self.fresh.add((tag, movement.event))
            movements[tag, movement.event] = movement
            if movement.event != event:
                self._recount(movement.event)
        for movement in rewrite.dropped:
            self._recount(movement.event)
            if (tag, movement.event) in self.fresh:
                del movements[tag, movement.event]
            else:
                movements[tag, movement.event] = None

    def _take_holds(self, tag: str, rewrite: Rewrite) -> None:
        holds = self.changes.holds
        for hold in rewrite.holds:
            if hold.begin in rewrite.fresh and (tag, hold.digest, hold.begin) not in holds:
                self.fresh.add((tag, hold.begin))
            holds[tag, hold.digest, hold.begin] = hold
            self.holders.get(hold.digest, {})[tag, hold.begin] = hold
        for hold in rewrite.ended:
            self.holders.get(hold.digest, {}).pop((tag, hold.begin), None)
            if (tag, hold.begin) in self.fresh:
                del holds[tag, hold.digest, hold.begin]
            else:
                holds[tag, hold.digest, hold.begin] = None

    async def _digest(self, name: str) -> DigestHistory | None:
        """A digest that may not have been read yet."""
        await self._read_digests([name])
        return self.digests[name]

    def _put_digest(self, history: DigestHistory) -> None:
        """Put a digest among the changes, unless it is stored like that."""
        name = history.digest
        if self.digests.get(name) != history:
            self.digests[name] = history
            self.changes.digests[name] = history

    def _recount(self, event: str) -> None:
        """Note that what an event did has changed.

        Also if its slot is about to be counted with the one that is being added: somebody else may be counting it as it
        was, and would remove its mark if we did not come to the end.
        """
        slot = time_of(event).minute
        if slot not in self.repository.recount:
            self.repository = replace(self.repository, recount=tuple(sorted((*self.repository.recount, slot))))
