"""How the rows of a day in the table `activity` are written, however many, and wherever it is interrupted. Pure.

Usually one commit holds everything. Where it does not:

1. slots go first, then hours, then the day. An interruption leaves slots that say the new in hours that say the old,
   or hours in a day. The slots are marked still, so they are folded again; each row is compared with what is stored,
   and hours and days are summed up from what is stored below them, so whatever the interrupted writer left out differs,
   and is written. A row never says the new before all the rows say it from which it is summed up.
2. the rows of single subjects come last, ordered by their keys. The hours and the day flag those that are *due*. The
   day's `due_after` is set back before the first flag is written, and goes forward with each commit of single rows. An
   interruption leaves the flagged rows with keys beyond `due_after`, and they are part of what the next writer of the
   day writes, whoever it is, even if the counts are the same by then. Flags that were dealt with are not removed, so
   after another interruption such rows may be written once more, with what they say already.
3. every commit replaces the version of the day's row and expects the one of the commit before. So nobody else writes
   any row of the day between our reading and our last commit, else we find out before we write on.

A commit is made even if no count changed, unless the day has no rows: it only makes a new version. Without it somebody
who read *older* events and is not done yet could write what they found after we removed the mark. What events did to
tags goes up and down, so counts that are equal need not come of equal events.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from registrail.activity import EMPTY, NOTHING, Breakdown, Subject, merge
from registrail.instants import Instant
from registrail.projections import Account
from registrail.storage import activity_rows as rows
from registrail.storage.store import MOST_BYTES, MOST_OPERATIONS, Properties, Replace, estimate

_HOUR: Final = rows.LENGTHS["hour"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One commit: what the day's row says, all of it or a part, and what else is written."""

    day: Properties
    is_whole: bool
    operations: Sequence[Replace] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Change:
    """Rows to write: breakdowns of periods, and the rows of single subjects."""

    slots: Mapping[str, Breakdown]
    hours: Mapping[str, Breakdown]
    day: Breakdown
    is_new_day: bool
    singles: Sequence[Replace]
    due: Mapping[str, frozenset[Subject]]


def plan(registry: str, opened: Account, slots: Mapping[str, Breakdown], now: Instant) -> Sequence[Step]:
    """The commits that replace slots, their hours and their day.

    Raises:
        ValueError: a slot lies in none of the covered hours.
    """
    if not {slot[:_HOUR] for slot in slots} <= opened.covers:
        raise ValueError("a slot lies in none of the covered hours")
    change = _change(registry, opened, slots)
    if not (change.slots or change.hours or change.is_new_day or change.singles):
        return [Step(day={"folded_at": now}, is_whole=False)] if opened.version else []
    together = _sums(registry, change, {}, now)
    step = _last(registry, opened, change, now, singles=[*together, *change.singles], due=frozenset())
    if len(step.operations) < MOST_OPERATIONS and _size(step) <= MOST_BYTES:
        return [step]
    return _in_turn(registry, opened, change, now)


def _in_turn(registry: str, opened: Account, change: _Change, now: Instant) -> list[Step]:
    """One commit after the other."""
    set_back: Properties = {"folded_at": now, **({"due_after": ""} if change.singles else {})}
    created = {**rows.sums(registry, opened.date, EMPTY, (), now), **set_back}
    steps = [
        Step(day=set_back if number or opened.version else created, is_whole=False, operations=piece)
        for number, piece in enumerate(_pieces(_sums(registry, change, change.due, now), 0))
        if piece
    ]
    due = change.due.get(opened.date, frozenset())
    whole = _last(registry, opened, change, now, singles=(), due=due)
    pieces = _pieces(change.singles, _size(whole))
    for number, piece in enumerate(pieces, 1):
        reached = {"due_after": rows.SETTLED if number == len(pieces) else piece[-1].row}
        if number == 1:
            steps.append(Step(day={**whole.day, **reached}, is_whole=whole.is_whole, operations=piece))
        else:
            steps.append(Step(day={"folded_at": now, **reached}, is_whole=False, operations=piece))
    return steps


def _last(  # noqa: PLR0913 - what a commit is made of
    registry: str,
    opened: Account,
    change: _Change,
    now: Instant,
    *,
    singles: Sequence[Replace],
    due: frozenset[Subject],
) -> Step:
    """The commit with the day's new counts, if they are new."""
    is_whole = change.is_new_day or opened.version is None
    day = rows.sums(registry, opened.date, change.day, due, now) if is_whole else {"folded_at": now}
    return Step(day={**day, "due_after": rows.SETTLED}, is_whole=is_whole, operations=singles)


def _change(registry: str, opened: Account, counted: Mapping[str, Breakdown]) -> _Change:
    """What differs from what is stored, and what is due."""
    slots = {slot: rows.fitted(found) for slot, found in counted.items()}
    changed_slots = {slot: found for slot, found in slots.items() if found != opened.slots.get(slot, EMPTY)}
    in_hour: dict[str, list[Breakdown]] = {hour: [] for hour in opened.covers}
    for slot, found in {**opened.slots, **slots}.items():
        in_hour[slot[:_HOUR]].append(found)
    hours = {hour: rows.fitted(merge(found)) for hour, found in in_hour.items()}
    changed_hours = {hour: found for hour, found in hours.items() if found != opened.hours.get(hour, EMPTY)}
    day = rows.fitted(merge({**opened.hours, **hours}.values()))
    new = {**opened.hours, **hours, opened.date: day}
    old = {**opened.hours, opened.date: opened.day}
    due = opened.due | {
        (period, subject)
        for period in [*changed_hours, opened.date]
        for subject in _changed_subjects(old.get(period, EMPTY), new[period])
    }
    singles = [
        Replace(
            rows.row(rows.grain_of(period), subject, period),
            rows.single(registry, period, subject, new[period].counts.get(subject, NOTHING)),
        )
        for period, subject in due
    ]
    due_in: dict[str, set[Subject]] = {}
    for period, subject in due:
        due_in.setdefault(period, set()).add(subject)
    return _Change(
        slots=changed_slots,
        hours=changed_hours,
        day=day,
        is_new_day=day != opened.day,
        singles=sorted(singles, key=lambda operation: operation.row),
        due={period: frozenset(subjects) for period, subjects in due_in.items()},
    )


def _changed_subjects(old: Breakdown, new: Breakdown) -> set[Subject]:
    return {
        subject
        for subject in old.counts.keys() | new.counts.keys()
        if old.counts.get(subject) != new.counts.get(subject)
    }


def _sums(registry: str, change: _Change, due: Mapping[str, frozenset[Subject]], now: Instant) -> list[Replace]:
    """Rows of all, of slots and then of hours."""
    return [
        Replace(
            rows.row(rows.grain_of(period), None, period),
            rows.sums(registry, period, found, due.get(period, frozenset()), now),
        )
        for periods in (change.slots, change.hours)
        for period, found in sorted(periods.items())
    ]


def _pieces(operations: Sequence[Replace], taken: int) -> list[list[Replace]]:
    """Cut into what fits beside the day's row into a commit, the first of which has that many bytes taken."""
    pieces: list[list[Replace]] = [[]]
    size = taken
    for operation in operations:
        weight = estimate(operation.properties)
        if len(pieces[-1]) == MOST_OPERATIONS - 1 or size + weight > MOST_BYTES:
            pieces.append([])
            size = 0
        pieces[-1].append(operation)
        size += weight
    return pieces


def _size(step: Step) -> int:
    return sum(estimate(properties) for properties in (step.day, *(one.properties for one in step.operations)))
