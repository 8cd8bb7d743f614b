"""Dossiers of deletes."""

from collections import defaultdict
from collections.abc import Sequence

from bench.oracle.digests import Life, Name
from bench.oracle.journal import Json, at, text
from bench.oracle.pushes import INDEXES, Push
from bench.oracle.tags import Deletion, Holding

_NOTHING = Life()


def dossier(deletion: Deletion, life: Life | None) -> Json:
    """An item of `/api/deletes`; `life` is of the digest that it is about, in its repository."""
    event = deletion.event.event
    before = (life or _NOTHING).until(deletion.position)
    first, last = before.first, before.last
    media_type, size = before.told("media_type"), before.told("size")
    return {
        "event": deletion.event.id,
        "registry": event.registry,
        "repository": event.repository,
        "at": text(deletion.event),
        "action": event.action,
        "digest": deletion.digest,
        "tag": event.tag,
        "tags": [{"tag": tag, "since": text(since)} for tag, since in deletion.removed],
        "first_pushed_at": text(first),
        "first_actor": first.event.actor if first else None,
        "first_client": first.event.client if first else None,
        "last_pushed_at": text(last),
        "last_actor": last.event.actor if last else None,
        "last_client": last.event.client if last else None,
        "age_seconds": (at(deletion.event).ticks - at(first).ticks) / 10_000_000 if first else None,
        "media_type": event.media_type if media_type is None else media_type,
        "size": event.size if size is None else size,
        "actor": event.actor,
        "client": event.client,
    }


class Holders:
    """What still held a digest right after its delete."""

    def __init__(
        self, pushes: Sequence[Push], lived: dict[Name, Life], held: Sequence[Holding], order: dict[str, int]
    ) -> None:
        self._lives = lived
        self._order = order
        self._with_part: dict[Name, list[Push]] = defaultdict(list)
        for push in pushes:
            if push.media_type in INDEXES and push.digest is not None:
                for digest in push.part_digests:
                    event = push.completing.event
                    self._with_part[event.registry, event.repository, digest].append(push)
        self._held: dict[Name, list[Holding]] = defaultdict(list)
        for holding in held:
            self._held[*holding.tag[:2], holding.digest].append(holding)

    def still_held(self, deletion: Deletion) -> Json:
        """The field `still_held` of `/api/deletes/{event}`."""
        event = deletion.event.event
        place = event.registry, event.repository
        tags = [{"repository": repository, "tag": tag} for repository, tag in deletion.held]
        indexes: dict[str, Json] = {}
        for push in self._with_part[*place, deletion.digest] if deletion.digest else []:
            index = push.digest or ""
            was_pushed = self._order[push.completing.id] < deletion.position
            if was_pushed and self._lives[*place, index].until(deletion.position).is_there:
                indexes[index] = {"digest": index, "tags": self._tags((*place, index), deletion.position)}
        return {"tags": tags, "indexes": [indexes[digest] for digest in sorted(indexes)]}

    def _tags(self, name: Name, position: int) -> list[str]:
        return sorted(
            holding.tag.tag
            for holding in self._held[name]
            if holding.begin.position <= position and (holding.end is None or holding.end.position > position)
        )
