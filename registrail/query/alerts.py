"""What somebody should look at: open alerts, worked out from what is known anyway. Pure."""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final, Literal

from registrail.activity import Grain
from registrail.dossier import Deletion
from registrail.events import RecordedEvent
from registrail.instants import TICKS_PER_SECOND, Instant
from registrail.ports import Delivery, Outcome
from registrail.pushes import Push
from registrail.replicas import missing_regions

Severity = Literal["bad", "warn"]

DAY: Final = timedelta(days=1)
GUARDED: Final = frozenset({"latest", "main", "master", "prod", "production", "release", "stable"})
"""Tags whose disappearance breaks what runs."""
ENOUGH: Final = 5
"""Periods with events that it takes to say what is usual."""
PATIENCE: Final = 1.5
"""How many times the longest pause a pause may last."""
SHORTEST: Final = timedelta(hours=1)
"""No pause is worth an alert before."""
FORGOTTEN: Final = timedelta(days=30)
"""After such a pause a registry is no longer awaited."""
UNLIKELY: Final = math.log(1_000)
"""A channel is quiet when its silence has a chance of less than one in so many."""
REPLICATED_WITHIN: Final = timedelta(minutes=15)


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One thing to look at.

    Attributes:
        reason: a slug.
        text: what is the matter, in a sentence; names in it are anybody's, between U+2068 and U+2069.
        page: where one acts, with `parameters`.
        action: what one does there.
    """

    severity: Severity
    reason: str
    text: str
    page: str
    action: str
    parameters: Mapping[str, str] = field(default_factory=dict)


def in_order(alerts: Iterable[Alert]) -> list[Alert]:
    """What is bad first; otherwise as they come."""
    return sorted(alerts, key=lambda alert: alert.severity != "bad")


def usual_pause(periods: Sequence[str], grain: Grain) -> timedelta | None:
    """The longest pause between events in some periods, by their names in order, exact to a period; None if unknown."""
    if len(periods) < ENOUGH:
        return None
    length = DAY if grain == "day" else timedelta(hours=1) if grain == "hour" else timedelta(minutes=1)
    begins = [_begin(period) for period in periods]
    return max((after - before for before, after in pairwise(begins)), default=length)


def silence(registry: str, last: Instant | None, usual: timedelta | None, now: Instant) -> list[Alert]:
    """That nothing came from a registry for longer than is usual there; nothing if that is not known."""
    if last is None:
        return []
    pause = timedelta(seconds=(now.ticks - last.ticks) / TICKS_PER_SECOND)
    if usual is None or pause > FORGOTTEN or pause <= max(usual * PATIENCE, SHORTEST):
        return []
    text = f"{_name(registry)} has been quiet for {told(pause)}; its longest pause before was {told(usual)}"
    parameters = {"registry": registry}
    return [Alert(severity="bad", reason="silence", text=text, page="/set-up", action="Check", parameters=parameters)]


def quiet_channels(registry: str, events: Sequence[RecordedEvent]) -> list[Alert]:
    """That one of a registry's channels stopped while another goes on; events are the newest first.

    A channel may tell of some events only. So it is quiet when it is very unlikely that it would have told of none of
    the last ones, if it told of them as often as before.
    """
    alerts: list[Alert] = []
    for sender in sorted({sender for recorded in events for sender in recorded.seen}):
        missed = next(index for index, recorded in enumerate(events) if sender in recorded.seen)
        before = events[missed:]
        share = sum(sender in recorded.seen for recorded in before) / (len(before) + 1)
        if missed and -missed * math.log(1 - share) > UNLIKELY:
            told_otherwise = f"the last {missed:,} events of {_name(registry)}, which came another way"
            text = f"{sender} told of none of {told_otherwise}"
            alerts.append(
                Alert(
                    severity="bad",
                    reason="quiet-channel",
                    text=text,
                    page="/deliveries",
                    action="See its deliveries",
                    parameters={"sender": sender},
                )
            )
    return alerts


def backlog(registry: str, slots: int, *, rebuilding: bool) -> list[Alert]:
    """That counts and history are behind by some slots, which are too many to be counted while somebody waits."""
    if rebuilding:
        text = f"The history of {_name(registry)} is being rebuilt; what is shown of it is not complete"
        reason = "rebuilding"
    elif slots:
        minutes = "one minute" if slots == 1 else f"{slots:,} minutes"
        text = f"Events in {minutes} of {_name(registry)} wait to be counted, so its numbers are behind"
        reason = "backlog"
    else:
        return []
    parameters = {"registry": registry}
    return [
        Alert(severity="warn", reason=reason, text=text, page="/events", action="See events", parameters=parameters)
    ]


def refused_deliveries(deliveries: Iterable[Delivery], now: Instant) -> list[Alert]:
    """That requests of a sender could not be taken, within a day; a replay that works ends it."""
    since = now.plus(-DAY)
    found: dict[tuple[str, Outcome], list[Delivery]] = {}
    for delivery in deliveries:
        if delivery.outcome in {"failed", "rejected"} and delivery.received_at >= since:
            found.setdefault((delivery.sender, delivery.outcome), []).append(delivery)
    alerts: list[Alert] = []
    for (sender, outcome), some in sorted(found.items()):
        what = "could not be stored" if outcome == "failed" else "refused"
        newest = max(some, key=lambda delivery: delivery.received_at)
        why = f": {_name(newest.problem[:160])}" if newest.problem else ""
        number = "One delivery" if len(some) == 1 else f"{len(some):,} deliveries"
        be = "" if outcome == "failed" else " was" if len(some) == 1 else " were"
        alerts.append(
            Alert(
                severity="bad" if outcome == "failed" else "warn",
                reason=f"{outcome}-deliveries",
                text=f"{number} of {sender}{be} {what} within a day{why}",
                page="/deliveries",
                action="Look and replay" if outcome == "failed" else "Look",
                parameters={"sender": sender, "outcome": outcome},
            )
        )
    return alerts


def guarded_deletes(registry: str, deletions: Iterable[Deletion], now: Instant) -> list[Alert]:
    """That a delete within a day removed a tag on which something usually depends."""
    since = now.plus(-DAY)
    alerts: list[Alert] = []
    for one in deletions:
        gone = sorted(GUARDED & {removed.tag for removed in one.tags})
        if gone and one.at >= since:
            by = f" by {_name(one.actor)}" if one.actor else ""
            were = "was" if len(gone) == 1 else "were"
            image = _name(f"{one.repository}:{', '.join(gone)}")
            text = f"{image} {were} removed from {_name(registry)}{by}"
            parameters = {"registry": registry, "event": one.event}
            alerts.append(
                Alert(
                    severity="bad",
                    reason="guarded-delete",
                    text=text,
                    page="/delete",
                    action="What was it?",
                    parameters=parameters,
                )
            )
    return alerts


def missing_replicas(registry: str, pushes: Iterable[Push], expected: Collection[str], now: Instant) -> list[Alert]:
    """That regions did not report pushes that others did, though they had the time."""
    since, until = now.plus(-DAY), now.plus(-REPLICATED_WITHIN)
    lacking = [
        (push, regions)
        for push in pushes
        if since <= push.at < until and push.event.regions and (regions := missing_regions(push.event, expected))
    ]
    if not lacking:
        return []
    names = ", ".join(_name(region) for region in sorted({region for _, regions in lacking for region in regions}))
    number = "the last push" if len(lacking) == 1 else f"{len(lacking):,} of the last pushes"
    text = f"{names} did not report {number} to {_name(registry)}"
    parameters = {"registry": registry, "event": lacking[0][0].id}
    return [
        Alert(
            severity="warn",
            reason="missing-replicas",
            text=text,
            page="/push",
            action="See the push",
            parameters=parameters,
        )
    ]


def told(length: timedelta) -> str:
    """A length of time in words."""
    seconds = int(length.total_seconds())
    for unit, size in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds >= 2 * size or (seconds >= size and unit != "day"):
            number = seconds // size
            return f"{number} {unit}{'' if number == 1 else 's'}"
    return "less than a minute"


def _name(text: str) -> str:
    """A name that is anybody's, so that it does not turn what is around it (first strong isolate)."""
    return f"\u2068{text}\u2069"


def _begin(period: str) -> datetime:
    return datetime.fromisoformat(f"{period}:00" if len(period) == len("YYYY-MM-DDTHH") else period)
