"""What the doctor looks at: each check asks one thing and finds it well, or says what to do."""

import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, Final, Literal

from registrail.errors import NewerTablesError, StorageError
from registrail.instants import TICKS_PER_SECOND, Instant
from registrail.local import show
from registrail.local.client import Client, Parameters, RefusedError
from registrail.local.problems import LocalError
from registrail.ports import Marks
from registrail.storage.schema import VERSION, stored_version
from registrail.storage.store import Delete, EntityStore, Insert

State = Literal["ok", "warning", "problem"]

SKEW_SECONDS: Final = (10.0, 300.0)
"""From which difference of clocks on it is odd, and wrong."""

QUIET_SECONDS: Final = 7 * 86_400.0
"""After how long a registry that says nothing is worth a look."""

BACKLOG_SECONDS: Final = (15 * 60.0, 24 * 3600.0)
"""The age of the oldest slot that awaits a fold from which on it is odd, and wrong; the timer folds every minute."""

BACKLOG: Final = (60, 2000)
"""The same as a number of slots, where ages are not known."""

LATELY: Final = "24h"
_PROBE_TABLE: Final = "catalog"
_PROBE: Final = "doctor"
_ROLE: Final = "Storage Table Data Contributor"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found.

    Attributes:
        check: what was looked at.
        advice: what to do about it; None if all is well.
    """

    check: str
    state: State
    detail: str
    advice: str | None = None


def grade(value: float, limits: tuple[float, float]) -> State:
    """Well below the first limit, a problem from the second one on."""
    odd, wrong = limits
    return "problem" if value >= wrong else "warning" if value >= odd else "ok"


async def of_store(store: EntityStore) -> Finding:
    """Whether a row can be written, read and deleted; it is one that nothing else looks at."""
    row, step = uuid.uuid4().hex, "written"
    try:
        await store.commit(_PROBE_TABLE, _PROBE, [Insert(row, {"at": show.now().isoformat()})])
        step = "read"
        found = await store.get(_PROBE_TABLE, _PROBE, row)
        step = "deleted"
        await store.commit(_PROBE_TABLE, _PROBE, [Delete(row)])
    except StorageError as error:
        advice = f"give the identity the role {_ROLE} on the account, check its firewall, or run az login"
        return Finding("tables", "problem", f"a row cannot be {step}: {error}", advice)
    if found is None:
        return Finding("tables", "problem", "a row that was written is not there", "look at who else deletes rows")
    return Finding("tables", "ok", "a row was written, read and deleted")


async def of_version(store: EntityStore) -> Finding:
    """Whether the tables are of our version."""
    try:
        found = await stored_version(store)
    except NewerTablesError as error:
        return Finding("version", "problem", str(error), "use that Registrail, or a newer one")
    except StorageError:
        return Finding("version", "ok", "nothing can be read yet")
    if found is None:
        return Finding("version", "ok", f"the tables have no version yet; the first write gives them {VERSION}")
    if found < VERSION:
        detail = f"the tables are of version {found}, this is {VERSION}"
        return Finding("version", "warning", detail, "registrail rebuild --storage …")
    return Finding("version", "ok", f"the tables are of version {found}, as this is")


async def of_app(client: Client, marks: Marks | None) -> AsyncIterator[Finding]:
    """Everything that the app's API tells; the rest is left out if it does not answer.

    Args:
        client: asks the app.
        marks: tell how old a backlog is, if they can be asked.
    """
    asked = datetime.now(UTC)
    try:
        answer = await client.get("/api/health")
        health = client.read(answer)
    except LocalError as error:
        yield Finding("health", "problem", str(error), "look at the app's log, and at its storage with --storage")
        return
    yield Finding("health", "ok", f"{client.place} answers, and its storage answers it")
    if "date" in answer.headers:
        yield of_clock(answer.headers["date"], asked, datetime.now(UTC))
    access = await of_access(client)
    yield access
    if access.state == "problem":
        return
    registries: Sequence[Mapping[str, Any]] = health.get("registries") or []
    if not registries:
        advice = "let a registry send its webhooks to /hooks/acr, or try registrail send push"
        yield Finding("registries", "warning", "no registry ever sent an event", advice)
    for registry in registries:
        yield of_last_event(registry)
        yield await of_backlog(registry, marks)
    yield await of_deliveries(client, "failed", "problem", "look at the app's log, then: registrail replay")
    yield await of_deliveries(client, "rejected", "warning", "registrail deliveries --outcome rejected tells why")


def of_clock(date: str, asked: datetime, answered: datetime) -> Finding:
    """Whether this machine's clock and the app's agree, but for the time that the answer took."""
    try:
        theirs = parsedate_to_datetime(date)
    except ValueError:
        return Finding(
            "clock", "warning", f"the header Date is {show.plain(date)[:40]!r}", "see what stands in between"
        )
    early, late = (asked - theirs).total_seconds() - 1, (theirs - answered).total_seconds()
    skew = max(early, late, 0.0)
    if not skew:
        return Finding("clock", "ok", "it agrees with this machine's")
    words = f"it is {show.lasting(skew)} {'behind' if early > late else 'ahead of'} this machine's"
    state = grade(skew, SKEW_SECONDS)
    return Finding(
        "clock", state, words, None if state == "ok" else "set the clocks by NTP: ages are counted from them"
    )


async def of_access(client: Client) -> Finding:
    """What the key lets one do. Asking to replay a delivery that cannot exist changes nothing."""
    try:
        await client.get("/api/events", {"limit": 1})
    except LocalError as error:
        return Finding("access", "problem", str(error), "set REGISTRAIL_KEY to a key that may read, or use --key-file")
    try:
        await client.post(f"/api/deliveries/{_PROBE}/replay")
    except RefusedError as error:
        if error.status == HTTPStatus.FORBIDDEN:
            return Finding("access", "ok", "you may read (reader), but not replay")
        if error.status != HTTPStatus.NOT_FOUND:
            return Finding("access", "warning", f"you may read; {error}", "look at the app's log")
    except LocalError as error:
        return Finding("access", "warning", f"you may read; {error}", "look at the app's log")
    return Finding("access", "ok", "you may read and replay (operator)")


def of_last_event(registry: Mapping[str, Any]) -> Finding:
    """How long ago a registry last said something."""
    check, at = f"last event of {show.plain(registry.get('registry'))}", registry.get("last_received_at")
    if at is None:
        return Finding(check, "ok", "all of its events have expired")
    age = (show.now().ticks - Instant.parse(at).ticks) / TICKS_PER_SECOND
    detail = f"it came {show.ago(at)}"
    if age < QUIET_SECONDS:
        return Finding(check, "ok", detail)
    advice = "if it is in use, try its webhook: az acr webhook ping, then list-events"
    return Finding(check, "warning", detail, advice)


async def of_backlog(registry: Mapping[str, Any], marks: Marks | None) -> Finding:
    """Whether folds keep up: how many slots await one, and since when."""
    name, number = str(registry.get("registry")), int(registry.get("backlog") or 0)
    check, state, detail = f"backlog of {show.plain(name)}", grade(number, BACKLOG), f"{number:,} slots await a fold"
    if number and marks is not None:
        pending = [mark for mark in await marks.pending(name) if mark.slot[:1].isdigit()]
        if pending:
            oldest = min(mark.slot for mark in pending)
            age = (show.now().ticks - Instant.parse(f"{oldest}:00Z").ticks) / TICKS_PER_SECOND
            state = max(state, grade(age, BACKLOG_SECONDS), key=["ok", "warning", "problem"].index)
            detail += f", the oldest of {show.lasting(max(age, 0.0))} ago"
    if state == "ok":
        return Finding(check, "ok", detail if number else "everything is folded")
    return Finding(check, state, detail, "look whether the timer summarize_activity runs, and at its log")


async def of_deliveries(client: Client, outcome: str, state: State, advice: str) -> Finding:
    """Whether requests of senders ended badly of late."""
    check, most = f"{outcome} deliveries", 100
    parameters: Parameters = {"outcome": outcome, "since": LATELY, "limit": most}
    try:
        found = await client.document("/api/deliveries", parameters)
    except LocalError as error:
        return Finding(check, "problem", str(error), "look at the app's log")
    items = found["items"]
    if not items:
        return Finding(check, "ok", f"none within {LATELY}")
    last = items[0]
    more = "more than " if found.get("next") is not None else ""
    detail = (
        f"{more}{len(items)} within {LATELY}, the last {show.ago(last['received_at'])}: {show.plain(last['problem'])}"
    )
    return Finding(check, state, detail, advice)
