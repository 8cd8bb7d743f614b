"""Insert, mark, trace, count: whatever the order in which receivers and folds take their steps, nothing is wrong.

The real use cases run on the real SQLite engine, one storage request at a time. `explore` tries every task that can go
on from each state that can be reached, so it covers all interleavings; states that were reached before are not followed
again. Where there are too many of them, `sample` tries some hundred.

All events are about one repository, its few tags and digests. What they do depends on those that come before them, and
the earliest ones come late, so that folds correct each other's work and note whose counts that concerns.
"""

import asyncio
import json
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from types import SimpleNamespace
from typing import Any, cast

import pytest

from registrail.activity import Breakdown
from registrail.compose import UseCases, use_cases
from registrail.dossier import RepositoryHistory
from registrail.events import Arrival
from registrail.instants import Instant
from registrail.ports import Delivery, DeliveryLog, Marks
from registrail.projections import Account, Activity, Changes, History
from registrail.senders.sender import Batch, Request
from registrail.settings import Settings
from registrail.summarize import Summarize
from registrail.trace import Trace
from torture.copies import content_of, store_with
from torture.retrace import Projections, retraced, stored
from torture.stepping import SteppedLoop, SteppedStore, root, stepped_loop

NOON = Instant.parse("2026-06-15T12:00:00Z")
LATER = Instant.parse("2026-06-15T13:00:00Z")
LAST = Instant.parse("2026-06-15T14:00:00Z")
DAY = "2026-06-15"
REGISTRY = "r.azurecr.io"
FOLDS = 6
"""After which no mark may be left, once nobody else is at work."""
RUNS = 250
"""Of what has too many interleavings."""
Task = Coroutine[Any, Any, Any]
Make = Callable[[UseCases], Sequence[Task]]


@dataclass(frozen=True)
class Told:
    """An event that somebody tells: in which minute after 11:00, and of what."""

    minute: int
    tag: str | None = None
    digest: str | None = None
    action: str = "push"
    second: int = 1

    @property
    def webhook(self) -> Request:
        digest = {"digest": f"sha256:{self.digest * 64}"} if self.digest else {}
        event = {
            "action": self.action,
            "timestamp": f"{DAY}T11:{self.minute:02}:{self.second:02}Z",
            "target": {"repository": "app", "tag": self.tag, **digest},
            "request": {"host": REGISTRY, "id": f"{self.minute}{self.tag}"},
        }
        return Request(body=json.dumps(event).encode())


KNOWN = Told(5, "v1", "a")
"""What was recorded and folded before everything else: it created a tag and was the first to push."""
LATE = Told(3, "v1", "a")
"""Then the known one did nothing at all."""
SAME_MINUTE = Told(5, "v2", "a", second=30)
AFTER = Told(7, "v1", "b")
"""What was recorded by then, and awaits a fold."""
DELETE = Told(9, digest="a", action="delete")


def on(store: SteppedStore) -> UseCases:
    """The use cases, without chance; the delivery log is left out, because it shares no row with anything."""
    app = use_cases(store, Settings(), lambda: NOON)
    deliveries = cast("DeliveryLog", Silence())
    return replace(app, ingest=replace(app.ingest, deliveries=deliveries, new_id=lambda sender, _: f"{sender}~1"))


class Silence:
    """A delivery log that keeps nothing."""

    def record(self, _: Delivery) -> Awaitable[None]:
        """Forget a delivery."""
        done = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done


@dataclass(frozen=True)
class Beginning:
    """A store in which one event was recorded and folded, so that there are rows to be overwritten, and one waits."""

    content: bytes
    writes: Counter[tuple[str, str]]
    names: dict[str, tuple[str, str, int]]

    @classmethod
    @cache
    def make(cls) -> "Beginning":
        loop = stepped_loop()
        store = SteppedStore(loop, stepping=False)
        app = on(store)
        loop.run(receive(app, KNOWN))
        loop.run(app.summarize.fold_all())
        loop.run(receive(app, AFTER))
        content = content_of(store.inner)
        loop.run(store.close())
        return cls(content, store.writes, store.names)

    def again(self, loop: SteppedLoop) -> SteppedStore:
        return SteppedStore(loop, store_with(self.content), writes=self.writes.copy(), names=dict(self.names))


_TRUTHS: dict[tuple[str, ...], Projections] = {}
_VERDICTS: dict[Hashable, bool] = {}


@dataclass
class Trial:
    """One run of some tasks by a schedule: the name of the task that goes on, again and again."""

    loop: SteppedLoop
    store: SteppedStore
    app: UseCases
    dead: set[str] = field(default_factory=set)

    @classmethod
    def begin(cls, make: Make) -> "Trial":
        loop = stepped_loop()
        store = Beginning.make().again(loop)
        trial = cls(loop, store, on(store))
        for number, task in enumerate(make(trial.app)):
            loop.begin(str(number), task)
        return trial

    def choices(self) -> list[str]:
        """Who can go on."""
        return [name for name in self.loop.waiting if root(name) not in self.dead]

    def go_on(self, task: str, until: str | None = None) -> None:
        """Let a task go on until it is about to write to a table, or until it ends."""
        while mine := [name for name in self.loop.waiting if root(name) == task]:
            turn = self.loop.waiting[mine[0]]
            if turn.writes and turn.table == until:
                return
            self.loop.go_on(mine[0])

    def lost_something(self) -> bool:
        """As `_lost_something`, of what is stored; the same is looked at once."""
        content = self.store.content()
        if content not in _VERDICTS:
            _VERDICTS[content] = self._lost_something()
        return _VERDICTS[content]

    def _lost_something(self) -> bool:
        """Whether, after more folds, a count or a row of the history is not what tracing all events anew says.

        Or a mark is left. A slot that is noted in the repository's row, although nobody is going to mark it, makes the
        row differ.
        """
        self.store.stepping = False
        summarize = replace(self.app.summarize, clock=lambda: LAST)
        for _ in range(FOLDS):
            self.loop.run(summarize.fold_all())
        events = self.loop.run(summarize.journal.read(REGISTRY, DAY)).events
        key = tuple(event.id for event in events)
        if key not in _TRUTHS:
            _TRUTHS[key] = self.loop.run(retraced(REGISTRY, events))
        is_right = self.loop.run(stored(self.store, REGISTRY)) == _TRUTHS[key]
        return not is_right or self.loop.run(summarize.marks.pending(REGISTRY)) != []

    def end(self) -> None:
        self.loop.end()
        self.loop.run(self.store.close())


@dataclass
class Found:
    """How many states or runs there were, how many ends of them, and by which schedules something was lost."""

    states: int = 0
    ends: int = 0
    lost: list[tuple[str, ...]] = field(default_factory=list)


def explore(make: Make) -> Found:
    """Try all interleavings of some tasks: each run follows a schedule, then goes on until nothing new comes.

    Of two requests that commute one order is tried: the second one *sleeps* after the first until something came that
    it does not commute with (P. Godefroid, Partial-Order Methods, chapter 5). With each state is known what slept then.
    """
    slept: dict[Hashable, frozenset[str]] = {}
    found = Found()
    pending: list[tuple[tuple[str, ...], frozenset[str]]] = [((), frozenset())]
    while pending:
        schedule, asleep = pending.pop()
        trial = Trial.begin(make)
        for name in schedule:
            trial.loop.go_on(name)
        while True:
            waiting = trial.loop.waiting
            state = hash(trial.store.state())
            awake = [name for name in waiting if name not in asleep and name in slept.get(state, waiting)]
            if not waiting and state not in slept:
                found.ends += 1
                found.lost += [schedule] if trial.lost_something() else []
            slept[state] = slept.get(state, asleep) & asleep
            if not awake:
                break
            branches = []
            for number, name in enumerate(awake):
                others = asleep.union(awake[:number])
                sleepers = frozenset(other for other in others if waiting[other].commutes(waiting[name]))
                branches.append(((*schedule, name), sleepers))
            schedule, asleep = branches.pop()
            pending += branches
            trial.loop.go_on(schedule[-1])
        trial.end()
    found.states = len(slept)
    return found


def sample(make: Make, *, runs: int, mortal: Sequence[str] = ()) -> Found:
    """Try some interleavings of tasks that have too many, always the same ones; mortal tasks end after some steps."""
    rng = random.Random(1)  # noqa: S311 - nothing secret
    found = Found()
    for _ in range(runs):
        trial = Trial.begin(make)
        schedule: list[str] = []
        lives = {name: rng.randrange(2, 24) for name in mortal}
        while choices := trial.choices():
            # A task that is under way likely goes on for a while, so that the others overlap at different places.
            same = [name for name in choices if schedule and root(name) == root(schedule[-1])]
            schedule.append(rng.choice(same if same and rng.random() >= 0.3 else choices))
            trial.loop.go_on(schedule[-1])
            who = root(schedule[-1])
            if who in lives:
                lives[who] -= 1
                trial.dead |= {who} if lives[who] == 0 else set()
        found.ends += 1
        found.lost += [tuple(schedule)] if trial.lost_something() else []
        trial.end()
    return found


async def receive(app: UseCases, *told: Told) -> None:
    """Receive events, one after the other."""
    for one in told:
        await app.ingest.receive("acr", one.webhook, path="")


async def mark_then_insert(app: UseCases, told: Told) -> None:
    """Do what ingest does in the wrong order."""
    said = app.ingest.senders["acr"].translate(told.webhook)
    assert isinstance(said, Batch)
    [event] = said.events
    await app.ingest.marks.touch(REGISTRY, [f"{DAY}T11:{told.minute:02}"])
    await app.ingest.journal.append([event], Arrival(sender="acr", delivery="", received_at=NOON))


def impatient(app: UseCases) -> Summarize:
    """A fold whose clock is ahead, so that it respects nobody's claims."""
    return replace(app.summarize, clock=lambda: LATER)


def with_summarize(app: UseCases, summarize: Summarize) -> UseCases:
    """Fold in another way."""
    derived = replace(app.derived, summarize=summarize)
    return replace(app, derive=lambda: derived)


def with_unchecked_counts(app: UseCases) -> UseCases:
    """Write counts whatever is there."""
    real = app.summarize.activity

    async def write(registry: str, opened: Account, slots: Mapping[str, Breakdown], now: Instant) -> None:
        current = await real.open_account(registry, opened.date, opened.covers)
        await real.write_account(registry, replace(opened, version=current.version), slots, now)

    activity = cast("Activity", SimpleNamespace(open_account=real.open_account, write_account=write))
    return with_summarize(app, replace(app.summarize, activity=activity))


def with_history(app: UseCases, *, checked: bool = True, noted: bool = True, marked: bool = True) -> UseCases:
    """Write the history whatever is there, or do not note which slots have to be counted anew, or do not mark them."""
    real = app.summarize.trace.history

    async def commit(registry: str, repository: RepositoryHistory, version: str | None, changes: Changes) -> str:
        if not checked:
            _, version = await real.repository(registry, repository.repository)
        return await real.commit(registry, repository if noted else replace(repository, recount=()), version, changes)

    async def touch(registry: str, slots: Sequence[str]) -> None:
        if marked:
            await app.summarize.trace.marks.touch(registry, slots)

    names = ("repository", "digests", "tags", "all_tags", "window", "holders")
    history = SimpleNamespace(**{name: getattr(real, name) for name in names}, commit=commit)
    trace = Trace(history=cast("History", history), marks=cast("Marks", SimpleNamespace(touch=touch)))
    return with_summarize(app, replace(app.summarize, trace=trace))


def test_two_receivers_and_a_fold() -> None:
    """After an interleaving and more folds, everything equals what tracing from scratch says, and no mark is left."""
    found = sample(lambda app: [receive(app, LATE), receive(app, DELETE), app.summarize.fold_all()], runs=RUNS)
    assert (found.lost, found.ends) == ([], RUNS)


@pytest.mark.parametrize("told", [LATE, SAME_MINUTE, DELETE])
def test_a_receiver_and_two_folds(told: Told) -> None:
    """After every interleaving with two folds, which respect each other's claims, nothing is lost either."""
    found = explore(lambda app: [receive(app, told), app.summarize.fold_all(), app.summarize.fold_all()])
    assert (found.lost, found.ends > 1) == ([], True)


def test_folds_that_overlap() -> None:
    """The same if claims expire, so that folds of one slot and of neighbouring slots work at the same time."""
    found = sample(
        lambda app: [
            receive(app, DELETE, SAME_MINUTE),
            receive(app, LATE),
            app.summarize.fold_all(),
            impatient(app).fold_all(),
            impatient(app).fold_all(),
        ],
        runs=RUNS,
    )
    assert (found.lost, found.ends) == ([], RUNS)


def test_folds_that_overlap_and_die() -> None:
    """The same if two of the folds are killed somewhere."""
    found = sample(
        lambda app: [
            receive(app, DELETE, SAME_MINUTE),
            receive(app, LATE),
            app.summarize.fold_all(),
            impatient(app).fold_all(),
            impatient(app).fold_all(),
        ],
        runs=RUNS,
        mortal=["2", "3"],
    )
    assert (found.lost, found.ends) == ([], RUNS)


def test_marking_first_would_lose_events() -> None:
    """The order matters, and this test would notice."""
    found = explore(lambda app: [mark_then_insert(app, LATE), app.summarize.fold_all()])
    assert found.lost != []


def test_unchecked_counts_would_be_wrong() -> None:
    """The version checks of counts matter, and this test would notice."""
    found = sample(
        lambda app: [
            receive(app, Told(8, "v3", "c")),  # nothing here is ever counted twice, which would heal it
            receive(app, Told(9, "v4", "d")),
            with_unchecked_counts(app).summarize.fold_all(),
            impatient(with_unchecked_counts(app)).fold_all(),
        ],
        runs=500,
    )
    assert found.lost != []


def test_a_reader_counts_what_a_fold_that_dies_has_corrected() -> None:
    """The fold has taken both the late event's slot and the one that it corrects; the reader has only the latter.

    So it is the reader who would remove that slot's mark, with counts of before, and nobody would ever look again.
    """
    trial = Trial.begin(lambda _: [])
    app, loop = trial.app, trial.loop
    loop.begin("wait", app.summarize.fold_all())
    trial.go_on("wait")
    loop.begin("same minute", receive(app, SAME_MINUTE))
    trial.go_on("same minute")
    loop.begin("reader", impatient(app).bring_up_to_date(REGISTRY))
    trial.go_on("reader", until="marks")
    loop.begin("late", receive(app, LATE))
    trial.go_on("late")
    loop.begin("fold", app.summarize.fold_all())
    trial.go_on("fold", until="history")
    trial.go_on("reader", until="activity")
    trial.go_on("fold", until="activity")
    trial.dead.add("fold")
    trial.go_on("reader")
    assert not trial.lost_something()
    trial.end()


def test_a_reader_sees_what_a_late_event_corrected() -> None:
    """Who reads after a late event was acknowledged sees neither two first pushes nor a tag that was created twice."""
    trial = Trial.begin(lambda _: [])
    app, loop = trial.app, trial.loop
    trial.store.stepping = False
    loop.run(receive(app, LATE))
    loop.run(impatient(app).bring_up_to_date(REGISTRY))
    events = loop.run(app.summarize.journal.read(REGISTRY, DAY)).events
    assert loop.run(stored(trial.store, REGISTRY)) == loop.run(retraced(REGISTRY, events))
    trial.end()


def test_an_unchecked_history_would_be_wrong() -> None:
    """The version checks of repositories matter, and this test would notice."""
    found = sample(
        lambda app: [
            receive(app, LATE),
            receive(app, DELETE),
            with_history(app, checked=False).summarize.fold_all(),
            impatient(with_history(app, checked=False)).fold_all(),
        ],
        runs=500,
    )
    assert found.lost != []


def test_counts_would_be_wrong_if_nobody_marked_what_changed() -> None:
    """A late event changes what was counted; no race is needed to see that."""
    found = explore(lambda app: [receive(app, LATE), with_history(app, marked=False).summarize.fold_all()])
    assert found.lost != []


def test_counts_would_be_wrong_if_what_to_mark_was_not_noted() -> None:
    """It has to be stored with the change, because a fold may be killed before it marks."""

    def make(app: UseCases) -> Sequence[Task]:
        return [receive(app, LATE), with_history(app, noted=False).summarize.fold_all()]

    assert sample(make, runs=200).lost == []
    assert sample(make, runs=200, mortal=["1"]).lost != []
