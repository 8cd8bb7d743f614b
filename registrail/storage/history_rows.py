"""What a row of `history` says: columns to values and back. The columns are documented in `docs/tables.md`.

What the key says no column repeats, unless the key had to cut it. Columns name events in bytes (`keys.pack_event`).
"""

import json
import zlib
from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from registrail.dossier import Deletion, DigestHistory, Removal, RemovedTag, RepositoryHistory, Sighting, Told
from registrail.names import BYTES, Names
from registrail.storage import keys
from registrail.storage.entities import MOST_PARTS, joined, split
from registrail.storage.store import Entity, Properties, Value
from registrail.timeline import Fact, Hold, Movement, Pointer, TagHistory, time_of

EVENT_LENGTH: Final = 19 + 1 + 32
"""Of the id of a dated event."""

_NONE: Final[Mapping[str, Value]] = {}


SHOWN: Final = (
    "repository",
    "tags",
    "images",
    "first_push",
    "last_push",
    "last_delete",
    "recount",
    *(f"clears_{number}" for number in range(MOST_PARTS)),
)
"""What lists read of a repository: all but its names, which are many and of use only to who adds to them."""


def repository_columns(history: RepositoryHistory) -> dict[str, Value]:
    """A repository."""
    return _known(
        repository=history.repository,
        tags=history.tags,
        images=history.images,
        **_moment("first_push", history.first_push),
        **_moment("last_push", history.last_push),
        **_moment("last_delete", history.last_delete),
        **_packed("clears", [_fact(clear) for clear in history.clears]),
        recount=" ".join(history.recount) or None,
        **_names(history.names),
    )


def repository_history(columns: Properties) -> RepositoryHistory:
    """Undo `repository_columns`."""
    return RepositoryHistory(
        repository=_text(columns, "repository"),
        first_push=_event(columns, "first_push"),
        last_push=_event(columns, "last_push"),
        last_delete=_event(columns, "last_delete"),
        clears=tuple(_read_fact(clear) for clear in _unpacked("clears", columns)),
        tags=cast("int", columns["tags"]),
        images=cast("int", columns["images"]),
        recount=tuple((_maybe(columns, "recount") or "").split()),
        names=Names(joined("names", columns) if "names" in columns else None),
    )


def _names(names: Names) -> Mapping[str, Value]:
    packed = names.packed
    return _NONE if packed is None else {"names": len(packed) // BYTES, **split("names", packed)}


MOVEMENT: Final = (
    "change",
    "digest",
    "previous_digest",
    "previous_event",
    "verb",
    "action",
    "actor",
    "client",
)
"""What lists read of a movement: all but times, which are those of its events, and names that the key has."""

TAG: Final = (*MOVEMENT, "event", "last", "movements", "changes", "repository", "tag")
"""Likewise of a tag, with the names that the key had to cut."""


def tag_columns(repository: str, history: TagHistory) -> dict[str, Value]:
    """A tag: its newest change (or, if nothing ever changed, its newest movement), and what else happened since."""
    shown = history.change or history.last
    columns = movement_columns(repository, history.tag, shown)
    columns["event"] = keys.pack_event(shown.event)
    columns |= {name: number for name, number in _numbers(history).items() if number != 1}
    if history.last != shown:
        columns |= {"last": _dump(_compact(history.last)), "last_event_at": history.last.at}
    return columns


def _numbers(history: TagHistory) -> Mapping[str, int]:
    return {"movements": history.movements, "changes": history.changes}


def read_tag(entity: Entity) -> tuple[str, TagHistory]:
    """Undo `tag_columns`: the repository, and the tag."""
    columns = entity.properties
    _, repository, tag = entity.row.split("~")
    shown = movement(keys.unpack_event(cast("bytes", columns["event"])), columns)
    last = _maybe(columns, "last")
    history = TagHistory(
        tag=_in_key("tag", tag, columns),
        last=_read_compact(json.loads(last)) if last else shown,
        change=shown if shown.changed else None,
        movements=cast("int", columns.get("movements", 1)),
        changes=cast("int", columns.get("changes", 1)),
    )
    return _in_key("repository", repository, columns), history


PRESENT: Final = ("digest", "changes", "tag")
"""What is read of a tag to learn whether it points to something."""


def read_present(entity: Entity) -> str | None:
    """The name of a tag that points to something; None of another."""
    columns = entity.properties
    points = "digest" in columns and columns.get("changes", 1)
    return _in_key("tag", entity.row.rpartition("~")[2], columns) if points else None


def movement_columns(repository: str, tag: str, moved: Movement) -> dict[str, Value]:
    """One row of a timeline; the event's id is in the row key, and what it says of a digest follows from the rest."""
    said, previous = moved.fact, moved.previous
    return _known(
        **_if_cut(repository=repository, tag=tag),
        at=said.at,
        change=moved.change,
        digest=moved.digest,
        previous_digest=previous.digest if previous else None,
        previous_event=_packed_event(previous.event if previous else None),
        previous_at=time_of(previous.event) if previous else None,
        verb=None if said.verb == "push" else said.verb,
        action=None if said.action == "push" else said.action,
        actor=said.actor,
        client=said.client,
    )


def movement(event: str, columns: Properties) -> Movement:
    """Undo `movement_columns`."""
    previous = _event(columns, "previous_event")
    verb = columns.get("verb", "push")
    return Movement(
        fact=Fact(
            event=event,
            verb=cast("Any", verb),
            action=_maybe(columns, "action") or "push",
            digest=_maybe(columns, {"push": "digest", "delete": "previous_digest"}.get(cast("str", verb), "")),
            actor=_maybe(columns, "actor"),
            client=_maybe(columns, "client"),
        ),
        change=cast("Any", columns["change"]),
        digest=_maybe(columns, "digest"),
        previous=Pointer(_text(columns, "previous_digest"), previous) if previous else None,
    )


def digest_columns(repository: str, history: DigestHistory) -> dict[str, Value]:
    """A digest."""
    first, last, media_type, size = history.first, history.last, history.media_type, history.size
    first_event = first.event if first else None
    pushes = [list(sighting) for sighting in history.pushes[1:]]
    return _known(
        **_if_cut(repository=repository, digest=history.digest),
        media_type=media_type.value if media_type else None,
        media_type_by=_packed_event(media_type.event) if media_type and media_type.event != first_event else None,
        size=size.value if size else None,
        size_by=_packed_event(size.event) if size and size.event != first_event else None,
        **_sighting("first", first),
        last_push_at=last.at if last and last != first else None,
        deleted_at=time_of(min(history.removals)) if history.removals else None,
        **_packed("pushes", pushes),
        **_packed("removals", [_removal(history.removals[event]) for event in sorted(history.removals)]),
    )


def read_digest(entity: Entity) -> tuple[str, DigestHistory]:
    """Undo `digest_columns`: the repository, and the digest."""
    columns = entity.properties
    _, digest, repository = entity.row.split("~")
    first = _read_sighting("first", columns)
    pushes = [first] if first else []
    pushes += [Sighting(*one) for one in _unpacked("pushes", columns)]
    first_event = first.event if first else ""
    media_type, size = _maybe(columns, "media_type"), cast("int | None", columns.get("size"))
    removals = [_read_removal(one) for one in _unpacked("removals", columns)]
    history = DigestHistory(
        digest=_in_key("digest", digest, columns),
        pushes=tuple(pushes),
        media_type=None if media_type is None else Told(_event(columns, "media_type_by") or first_event, media_type),
        size=None if size is None else Told(_event(columns, "size_by") or first_event, size),
        removals={removal.fact.event: removal for removal in removals},
    )
    return _in_key("repository", repository, columns), history


def hold_columns(repository: str, tag: str, hold: Hold) -> dict[str, Value]:
    """That a tag pointed to a digest."""
    return _known(
        **_if_cut(repository=repository, tag=tag, digest=hold.digest),
        since=time_of(hold.begin),
        until=time_of(hold.end) if hold.end else None,
        ended_by=_packed_event(hold.end),
    )


def read_hold(entity: Entity) -> tuple[str, str, Hold]:
    """Undo `hold_columns`: repository, tag, and the rest. The event with which it began ends the row key."""
    columns = entity.properties
    _, digest, repository, tag, _, _ = entity.row.split("~")
    hold = Hold(_in_key("digest", digest, columns), entity.row[-EVENT_LENGTH:], _event(columns, "ended_by"))
    return _in_key("repository", repository, columns), _in_key("tag", tag, columns), hold


def deletion_columns(dossier: Deletion) -> dict[str, Value]:
    """The dossier of a delete; the event's id is in the row key."""
    return _known(
        repository=dossier.repository,
        at=dossier.at,
        action=dossier.action,
        digest=dossier.digest,
        tag=dossier.tag,
        actor=dossier.actor,
        client=dossier.client,
        media_type=dossier.media_type,
        size=dossier.size,
        removed=len(dossier.tags),
        **_sighting("first", dossier.first),
        **_sighting("last", dossier.last),
        **_packed("tags", [list(tag) for tag in dossier.tags]),
    )


def read_deletion(event: str, columns: Properties) -> Deletion:
    """Undo `deletion_columns`."""
    return Deletion(
        event=event,
        action=_text(columns, "action"),
        repository=_text(columns, "repository"),
        digest=_maybe(columns, "digest"),
        tag=_maybe(columns, "tag"),
        actor=_maybe(columns, "actor"),
        client=_maybe(columns, "client"),
        media_type=_maybe(columns, "media_type"),
        size=cast("int | None", columns.get("size")),
        first=_read_sighting("first", columns),
        last=_read_sighting("last", columns),
        tags=tuple(RemovedTag(*one) for one in _unpacked("tags", columns)),
    )


_LONGEST: Final = {
    "repository": keys.LONGEST_REPOSITORY,
    "tag": keys.LONGEST_TAG,
    "digest": keys.LONGEST_DIGEST,
}


def _if_cut(**texts: str) -> dict[str, Value]:
    """Those of the texts in a key that cannot be read from it."""
    return {name: text for name, text in texts.items() if keys.is_cut(text, _LONGEST[name])}


def _in_key(name: str, part: str, columns: Properties) -> str:
    """Undo `_if_cut` for a part of a key."""
    return _text(columns, name) if "==" in part else keys.decode(part)


def _known(**columns: Value | None) -> dict[str, Value]:
    return {name: value for name, value in columns.items() if value is not None}


def _text(columns: Properties, name: str) -> str:
    return cast("str", columns[name])


def _maybe(columns: Properties, name: str) -> str | None:
    return cast("str | None", columns.get(name))


def _packed_event(event: str | None) -> bytes | None:
    return None if event is None else keys.pack_event(event)


def _event(columns: Properties, name: str) -> str | None:
    """An event that a column names."""
    packed = columns.get(name)
    return None if packed is None else keys.unpack_event(cast("bytes", packed))


def _moment(name: str, event: str | None) -> Mapping[str, Value]:
    """An event, with its time for people."""
    return {name: keys.pack_event(event), f"{name}_at": time_of(event)} if event else _NONE


def _sighting(name: str, sighting: Sighting | None) -> dict[str, Value]:
    if sighting is None:
        return {}
    columns: dict[str, Value | None] = {
        f"{name}_push": keys.pack_event(sighting.event),
        f"{name}_push_at": sighting.at,
        f"{name}_actor": sighting.actor,
        f"{name}_client": sighting.client,
    }
    return _known(**columns)


def _read_sighting(name: str, columns: Properties) -> Sighting | None:
    event = _event(columns, f"{name}_push")
    return Sighting(event, _maybe(columns, f"{name}_actor"), _maybe(columns, f"{name}_client")) if event else None


def _fact(said: Fact) -> list[str | None]:
    return [said.event, said.verb, said.action, said.digest, said.actor, said.client]


def _read_fact(fields: Sequence[Any]) -> Fact:
    event, verb, action, digest, actor, client = fields
    return Fact(event=event, verb=verb, action=action, digest=digest, actor=actor, client=client)


def _removal(removal: Removal) -> list[Any]:
    return [_fact(removal.fact), removal.tag, list(removal.last) if removal.last else None]


def _read_removal(fields: Sequence[Any]) -> Removal:
    said, tag, last = fields
    return Removal(fact=_read_fact(said), tag=tag, last=Sighting(*last) if last else None)


def _compact(moved: Movement) -> list[Any]:
    return [_fact(moved.fact), moved.change, moved.digest, list(moved.previous) if moved.previous else None]


def _read_compact(fields: Sequence[Any]) -> Movement:
    said, change, digest, previous = fields
    return Movement(
        fact=_read_fact(said), change=change, digest=digest, previous=Pointer(*previous) if previous else None
    )


def _dump(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _packed(name: str, values: Sequence[object]) -> dict[str, Value]:
    return split(name, zlib.compress(_dump(values).encode())) if values else {}


def _unpacked(name: str, columns: Properties) -> list[Any]:
    packed = joined(name, columns) if f"{name}_0" in columns else b""
    unpacked: list[Any] = json.loads(zlib.decompress(packed)) if packed else []
    return unpacked
