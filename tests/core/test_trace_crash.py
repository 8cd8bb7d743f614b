"""A process is killed at any of its requests: the next one finishes the work, and everything is as it should be."""

import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from registrail.compose import UseCases, use_cases
from registrail.events import Arrival, RecordedEvent, RegistryEvent
from registrail.instants import Instant
from registrail.settings import Settings
from registrail.storage.sqlite import SqliteStore
from registrail.storage.store import Entity, Operation, Page
from torture.copies import content_of, store_with
from torture.retrace import Projections, retraced, stored

REGISTRY = "r.example"
DAY = "2026-06-15"
MIDNIGHT = Instant.parse(f"{DAY}T00:00:00Z")
EVENING = Instant.parse(f"{DAY}T23:00:00Z")
MANY = 25
"""Tags: their rows are more than one commit has room for."""


def told(  # noqa: PLR0913 - an event has that many sides
    time: str,
    action: str = "push",
    *,
    tag: str | None = None,
    digest: str | None = None,
    repository: str = "app",
    media_type: str | None = None,
    actor: str | None = "ann",
) -> RegistryEvent:
    """An event at a time of the day."""
    return RegistryEvent(
        action=action,
        registry=REGISTRY,
        repository=repository,
        tag=tag,
        digest=digest,
        occurred_at=Instant.parse(f"{DAY}T{time}Z"),
        actor=actor,
        media_type=media_type,
    )


MANY_TAGS = [told(f"10:00:{second:02}", tag=f"v{second}", digest="a") for second in range(MANY)]
BATCHES: Mapping[str, Sequence[Sequence[RegistryEvent]]] = {
    "late pushes": [
        [told("10:05:00", tag="v1", digest="a"), told("10:07:00", tag="v1", digest="b"), told("10:05:30", digest="c")],
        [told("10:09:00", "delete", digest="b"), told("10:09:30", "delete", tag="v2"), told("11:00:00", digest="b")],
        [told("10:03:00", tag="v1", digest="a"), told("10:06:00", tag="v2", digest="b", media_type="m")],
        [told("09:59:00", tag="v1", digest="b", media_type="n"), told("10:02:00", digest="c", repository="lib")],
    ],
    "a delete of many tags": [
        MANY_TAGS,
        [told("11:00:00", "delete", digest="a"), told("10:30:00", tag="v3", digest="b")],
        [told("09:59:00", tag="v3", digest="a"), told("09:59:30", tag="late", digest="a")],
    ],
    "deletes of a whole repository": [
        [*MANY_TAGS, told("10:00:00", tag="v1", digest="a", repository="lib")],
        [told("11:00:00", "delete"), told("11:30:00", tag="v1", digest="a")],
        [told("10:50:00", tag="v2", digest="b"), told("10:00:20", "delete")],
    ],
    "a delete before what it deletes": [
        [told("11:00:00", "delete", digest="a"), told("11:00:01", "delete", tag="v1")],
        [told("12:00:00", "delete")],
        [*MANY_TAGS[:12], told("11:30:00", tag="v5", digest="b"), told("11:00:00", tag="v6", digest="a")],
    ],
    "events that another sender knows more of": [
        [
            told("10:00:00", tag="v1", digest="a", actor=None),
            told("10:01:00", tag="v2", digest="a", actor=None),
            told("10:02:00", "delete", tag="v1", actor=None),
            told("10:03:00", "delete", digest="a", actor=None),
            told("10:04:00", "delete", actor=None),
        ],
        [told("10:04:00", "delete"), told("10:03:00", "delete", digest="a"), told("10:02:00", "delete", tag="v1")],
        [told("10:01:00", tag="v2", digest="a", media_type="m"), told("10:01:30", tag="v3", digest="b")],
        [told("10:00:00", tag="v1", digest="a", media_type="n")],
    ],
}
"""Events that arrive together; a fold follows on each batch."""


class KilledError(BaseException):
    """What nobody in a killed process can catch and live on with."""


@dataclass
class MortalStore:
    """A store that serves so many requests, and none after that."""

    inner: SqliteStore
    left: int
    served: int = 0
    commits: list[int] = field(default_factory=list)

    def _serve(self) -> SqliteStore:
        if self.left == self.served:
            raise KilledError
        self.served += 1
        return self.inner

    async def get(self, table: str, partition: str, row: str) -> Entity | None:
        return await self._serve().get(table, partition, row)

    async def scan(self, table: str, partition: str, **options: Any) -> Page:
        return await self._serve().scan(table, partition, **options)

    async def head(self, table: str, limit: int) -> Sequence[Entity]:
        return await self._serve().head(table, limit)

    async def commit(self, table: str, partition: str, operations: Sequence[Operation]) -> Sequence[str | None]:
        self.commits.append(self.served)
        return await self._serve().commit(table, partition, operations)

    async def close(self) -> None:
        await self.inner.close()


class Story:
    """Processes on one store, each of which begins where the one before it was killed."""

    def __init__(self, inner: SqliteStore, lives: Sequence[int] = ()) -> None:
        """Begin with the first process.

        Args:
            inner: what they all use.
            lives: requests that each process may make; the last one may make any number.
        """
        self.inner = inner
        self._lives = [*lives]
        self._now = EVENING
        self._begin()

    def _begin(self) -> None:
        """Begin a process, when the claims of the one before it have ended."""
        self._mortal = MortalStore(self.inner, self._lives.pop(0) if self._lives else -1)
        self._now = self._now.plus(timedelta(seconds=20))
        self._app = use_cases(self._mortal, Settings(), lambda: self._now)

    @property
    def served(self) -> int:
        """Requests of the process that lives."""
        return self._mortal.served

    @property
    def commits(self) -> Sequence[int]:
        """Those of its requests that were commits."""
        return self._mortal.commits

    @property
    def is_last(self) -> bool:
        """Whether this process is the one that nobody kills."""
        return self._mortal.left < 0

    async def take(self, events: Sequence[RegistryEvent]) -> None:
        """Insert and mark, as ingest does; whoever sends tries again."""

        async def receive(app: UseCases) -> None:
            arrival = Arrival(sender="acr", delivery="acr~1", received_at=EVENING)
            await app.ingest.journal.append(events, arrival)
            slots = sorted({event.occurred_at.minute for event in events if event.occurred_at})
            await app.ingest.marks.touch(REGISTRY, slots)

        await self._insist(receive)

    async def fold(self) -> None:
        """Fold until nothing is left to do, as the timer does."""

        async def fold(app: UseCases) -> None:
            while await app.summarize.marks.pending(REGISTRY):
                await app.summarize.fold_all()

        await self._insist(fold)

    async def _insist(self, work: Callable[[UseCases], Awaitable[None]]) -> None:
        while True:
            try:
                await work(self._app)
            except KilledError:
                self._begin()
                continue
            return

    async def events(self) -> Sequence[RecordedEvent]:
        """The journal."""
        return (await use_cases(self.inner, Settings()).ingest.journal.read(REGISTRY, DAY)).events


@dataclass(frozen=True)
class Chapter:
    """A fold in a story: what was stored before it, its requests that are commits, and what is right after it."""

    before: bytes
    commits: Sequence[int]
    right: Projections


async def chapters(batches: Sequence[Sequence[RegistryEvent]]) -> list[Chapter]:
    """Tell a story in which nobody is killed."""
    story = Story(SqliteStore(":memory:"))
    found: list[Chapter] = []
    for batch in batches:
        await story.take(batch)
        before, served, commits = content_of(story.inner), story.served, len(story.commits)
        await story.fold()
        right = await retraced(REGISTRY, await story.events())
        assert await stored(story.inner, REGISTRY) == right
        found.append(Chapter(before, [number - served for number in story.commits[commits:]], right))
    return found


async def is_right_after(chapter: Chapter, lives: Sequence[int]) -> bool:
    """Whether everything is as it should be after a fold whose processes are killed after so many requests each."""
    story = Story(store_with(chapter.before), lives)
    await story.fold()
    assert story.is_last or len(lives) > 1, "nobody was killed"
    found = await stored(story.inner, REGISTRY)
    await story.inner.close()
    return found == chapter.right


@pytest.mark.parametrize("name", BATCHES)
async def test_a_fold_is_killed_at_each_of_its_commits(name: str) -> None:
    """Rows of the history and counts are those of all events traced from scratch; no mark is left.

    Whoever is killed while reading leaves what he would leave at his next commit.
    """
    for chapter in await chapters(BATCHES[name]):
        wrong = [life for life in chapter.commits if not await is_right_after(chapter, [life])]
        assert wrong == []


@pytest.mark.parametrize("name", BATCHES)
async def test_folds_are_killed_one_after_the_other(name: str) -> None:
    """The same if those who finish the work of the dead are killed too."""
    chance = random.Random(1)  # noqa: S311 - nothing secret
    for chapter in await chapters(BATCHES[name]):
        for _ in range(8):
            lives = [chance.choice(chapter.commits[:12]) for _ in range(3)]
            assert await is_right_after(chapter, lives), lives


async def test_who_sends_and_who_folds_is_killed() -> None:
    """From the first request to the last: also while events are inserted, before they are marked."""
    batches = BATCHES["late pushes"]
    [*_, last] = await chapters(batches)
    whole = Story(SqliteStore(":memory:"))
    for batch in batches:
        await whole.take(batch)
        await whole.fold()
    for life in whole.commits:
        story = Story(SqliteStore(":memory:"), [life])
        for batch in batches:
            await story.take(batch)
            await story.fold()
        assert story.is_last
        assert await stored(story.inner, REGISTRY) == last.right
