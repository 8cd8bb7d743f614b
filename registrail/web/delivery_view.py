"""What a delivery says, in words and as values for the pages: what came, what became of it, and what it said."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from registrail.errors import MalformedError, UnknownSenderError
from registrail.events import RegistryEvent, content_hash
from registrail.ingest import Ingest
from registrail.ports import Delivery, Outcome
from registrail.timeline import takes_part
from registrail.web.bodies import Body, shown
from registrail.web.rendering import plural

EVENTS_SHOWN: Final = 50
"""Of one delivery; Event Grid may send 5,000 at once."""

OUTCOMES: Final[Mapping[Outcome, str]] = {
    "accepted": "Stored",
    "ignored": "Nothing to store",
    "rejected": "Could not be read",
    "failed": "Could not be stored",
}

_REASONS: Final[Mapping[str, str]] = {
    "not-json": "Whatever sent this is no registry, or something on the way changed the body.",
    "not-utf-8": "JSON is always UTF-8. Something on the way may have compressed the body, or cut it.",
    "not-an-event": "This is JSON, but not what this sender's events look like. Does the address end with the right "
    "name? Azure Container Registry posts to /hooks/acr, Event Grid to /hooks/eventgrid.",
    "no-validation-code": "Event Grid asks so before it sends anything, but this request names no code to answer.",
    "too-large": "Raise REGISTRAIL_MAX_BODY_BYTES to take requests as large as this one. It cannot be replayed: the "
    "log has only its beginning.",
    "storage-unavailable": "The sender was asked to send it again. Azure Container Registry never does, so replay it.",
    "storage-refused": "The store did not let the app write. Look at the app's role on the storage account, then "
    "replay it.",
}


@dataclass(frozen=True, slots=True)
class Said:
    """One event of a delivery.

    Attributes:
        id: in the journal; None if it has no usable time.
        in_history: whether tags and digests tell of it.
    """

    event: RegistryEvent
    id: str | None
    in_history: bool


@dataclass(frozen=True, slots=True)
class Row:
    """A delivery in a list: with the first of its events, if it could be read at a glance."""

    delivery: Delivery
    first: RegistryEvent | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """Everything about a delivery.

    Attributes:
        said: the first of its events, as it is read today.
        says: how many events that are.
        unread: why it cannot be read today, if so.
    """

    delivery: Delivery
    body: Body
    said: list[Said]
    says: int
    unread: str | None

    @property
    def is_cut(self) -> bool:
        """Whether the log has less than came."""
        return len(self.delivery.body) != self.delivery.body_bytes

    @property
    def answer(self) -> str:
        """The status in words."""
        return HTTPStatus(self.delivery.status).phrase

    @property
    def advice(self) -> str | None:
        """What a reason means, and what to do about it."""
        return _REASONS.get(self.delivery.reason or "")


def row(ingest: Ingest, delivery: Delivery) -> Row:
    """Glance at a delivery: a long body is not read."""
    if delivery.outcome == "rejected" or not delivery.body:
        return Row(delivery, None)
    try:
        events = ingest.read(delivery).events
    except (MalformedError, UnknownSenderError):
        return Row(delivery, None)
    return Row(delivery, events[0] if events else None)


def whole(ingest: Ingest, delivery: Delivery) -> Whole:
    """Read a delivery once more."""
    events: tuple[RegistryEvent, ...] = ()
    unread = None
    try:
        events = ingest.read(delivery).events
    except (MalformedError, UnknownSenderError) as error:
        unread = str(error)
    said = [Said(event, _id(event), takes_part(event)) for event in events[:EVENTS_SHOWN]]
    return Whole(delivery=delivery, body=shown(delivery.body), said=said, says=len(events), unread=unread)


def _id(event: RegistryEvent) -> str | None:
    """The row key, as `docs/tables.md` promises it."""
    return f"{event.occurred_at.inverted}~{content_hash(event)}" if event.occurred_at else None


def fate(delivery: Delivery) -> str:
    """What became of a delivery, in a sentence."""
    if delivery.outcome == "ignored":
        return "It was understood, and there is nothing in it to record: a ping, or events that nobody asked to keep."
    if delivery.outcome == "rejected":
        heard = "was told so" if delivery.status >= HTTPStatus.BAD_REQUEST else "heard 200, so that its queue goes on"
        return f"It could not be read, and the sender {heard}."
    if delivery.outcome == "failed":
        return "The store did not take it, and the sender was told so. What it reported may be missing."
    counts = [f"{delivery.accepted:,} {plural(delivery.accepted, 'event')} stored"]
    counts += [f"{delivery.ignored:,} that nobody asked to keep"] if delivery.ignored else []
    counts += [f"{delivery.rejected:,} that could not be read"] if delivery.rejected else []
    return f"{', '.join(counts)}."
