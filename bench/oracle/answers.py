"""The oracle: what the app must answer. Every list is in the API's order and complete, without limits and cursors."""

from collections.abc import Iterable
from functools import cached_property

from bench.oracle.activity import By, Grain, Ledger
from bench.oracle.deletes import Holders, dossier
from bench.oracle.digests import Life, Name, digest_item, lives, repository_items
from bench.oracle.hands import logical_pushes
from bench.oracle.journal import Json, at, is_push, listed_events, merged, named, oldest_first, registry_items, within
from bench.oracle.pushes import Push
from bench.oracle.replicas import lag_items, regions_by_day, replica_items, told_once
from bench.oracle.tags import Deletion, Holding, Replay, Tag, holdings, movement_item, tag_item, until_moment
from registrail.events import Arrival, RecordedEvent, RegistryEvent
from registrail.instants import Instant


class Oracle:
    """Knows everything about some events: the rows of a journal, or `told` what arrived."""

    def __init__(self, recorded: Iterable[RecordedEvent]) -> None:
        self.recorded = list({one.id: one for one in recorded}.values())
        self._ordered = oldest_first(self.recorded)

    @classmethod
    def told(cls, told: Iterable[tuple[RegistryEvent, Arrival]]) -> "Oracle":
        """Listen to reports in the order in which they arrive, repeated ones too."""
        return cls(merged(told))

    @cached_property
    def _replay(self) -> Replay:
        return Replay().play(self._ordered)

    @cached_property
    def _held(self) -> list[Holding]:
        return holdings(self._replay.timelines)

    @cached_property
    def _lives(self) -> dict[Name, Life]:
        return lives(self._ordered)

    @cached_property
    def _pushes(self) -> list[Push]:
        return logical_pushes(self._ordered)

    @cached_property
    def _ledger(self) -> Ledger:
        return Ledger(self._ordered, self._replay.timelines, self._lives)

    @cached_property
    def _holders(self) -> Holders:
        order = {recorded.id: position for position, recorded in enumerate(self._ordered)}
        return Holders(self._pushes, self._lives, self._held, order)

    def registries(self) -> list[Json]:
        """`/api/registries`, without `backlog`."""
        return registry_items(self.recorded)

    def repositories(self, registry: str, prefix: str = "") -> list[Json]:
        """`/api/repositories`."""
        items = repository_items(self._ordered, self._lives, self._held)
        return [one for one in items if one["registry"] == registry and one["repository"].startswith(prefix)]

    def events(
        self, *, since: Instant | None = None, until: Instant | None = None, **filters: str | None
    ) -> list[Json]:
        """`/api/events`; `filters` are registry, repository (or a prefix), tag, digest, action, actor, client."""
        return listed_events(self.recorded, since=since, until=until, **filters)

    def tags(
        self,
        registry: str,
        repository: str | None = None,
        *,
        prefix: str = "",
        present: bool | None = True,
        moment: Instant | None = None,
    ) -> list[Json]:
        """`/api/tags`, also as of a moment; `present` None means both."""
        items = []
        for tag, timeline in sorted(self._replay.timelines.items(), key=lambda entry: entry[0]):
            known = until_moment(timeline, moment)
            if known and tag.registry == registry and repository in {None, tag.repository}:
                is_present = known[-1].digest is not None
                if tag.tag.startswith(prefix) and present in {None, is_present}:
                    items.append(tag_item(tag, known))
        return items

    def timeline(
        self, registry: str, repository: str, tag: str, *, since: Instant | None = None, until: Instant | None = None
    ) -> list[Json]:
        """`/api/timeline`, newest first."""
        name = Tag(registry, repository, tag)
        timeline = self._replay.timelines.get(name, [])
        found = [movement for movement in timeline if within(at(movement.event), since, until)]
        return [movement_item(name, movement) for movement in reversed(found)]

    def pointed_to(self, registry: str, repository: str, tag: str, moment: Instant) -> Json:
        """`/api/timeline` as of a moment: `items` and `digest`."""
        name = Tag(registry, repository, tag)
        known = until_moment(self._replay.timelines.get(name, []), moment)
        items = [movement_item(name, movement) for movement in known[-1:]]
        return {"items": items, "digest": known[-1].digest if known else None}

    def digests(self, registry: str | None = None, repository: str | None = None) -> list[Json]:
        """`/api/digests`, by registry, repository and digest (the API's order is another one)."""
        held = self._held_by_name
        return [
            digest_item(name, life, held.get(name, []))
            for name, life in sorted(self._lives.items())
            if registry in {None, name[0]} and repository in {None, name[1]}
        ]

    def digest(self, digest: str, registry: str | None = None, repository: str | None = None) -> list[Json]:
        """`/api/digests/{digest}`: its items, by registry and repository."""
        return [
            digest_item(name, life, self._held_by_name.get(name, []))
            for name, life in sorted(self._lives.items())
            if name[2] == digest and registry in {None, name[0]} and repository in {None, name[1]}
        ]

    @cached_property
    def _held_by_name(self) -> dict[Name, list[Holding]]:
        found: dict[Name, list[Holding]] = {}
        for holding in self._held:
            found.setdefault((*holding.tag[:2], holding.digest), []).append(holding)
        return found

    def deletes(  # noqa: PLR0913 - the API's filters
        self,
        *,
        registry: str | None = None,
        repository: str | None = None,
        digest: str | None = None,
        tag: str | None = None,
        actor: str | None = None,
        client: str | None = None,
        since: Instant | None = None,
        until: Instant | None = None,
    ) -> list[Json]:
        """`/api/deletes`, newest first; a tag is one that the delete names or removed."""
        return [
            item
            for deletion in self._deletions
            if within(at(deletion.event), since, until)
            for item in [self._dossier(deletion)]
            if named(repository, item["repository"])
            and (registry is None or item["registry"] == registry)
            and (digest is None or item["digest"] == digest)
            and (tag is None or tag == item["tag"] or tag in {one["tag"] for one in item["tags"]})
            and (actor is None or item["actor"] == actor)
            and (client is None or item["client"] == client)
        ]

    def delete(self, event: str) -> Json | None:
        """`/api/deletes/{event}`."""
        for deletion in self._deletions:
            if deletion.event.id == event:
                return {**self._dossier(deletion), "still_held": self._holders.still_held(deletion)}
        return None

    @cached_property
    def _deletions(self) -> list[Deletion]:
        return sorted(self._replay.deletions, key=lambda deletion: deletion.event.id)

    def _dossier(self, deletion: Deletion) -> Json:
        event = deletion.event.event
        return dossier(deletion, self._lives.get((event.registry, event.repository, deletion.digest or "")))

    def pushes(  # noqa: PLR0913 - the API's filters
        self,
        *,
        registry: str | None = None,
        repository: str | None = None,
        tag: str | None = None,
        digest: str | None = None,
        actor: str | None = None,
        client: str | None = None,
        since: Instant | None = None,
        until: Instant | None = None,
    ) -> list[Json]:
        """`/api/pushes`, newest first."""
        return [
            item
            for push in reversed(self._pushes)
            if within(at(push.completing), since, until)
            for item in [push.item()]
            if named(repository, item["repository"])
            and (registry is None or item["registry"] == registry)
            and (tag is None or tag in item["tags"])
            and (digest is None or item["digest"] == digest)
            and (actor is None or item["actor"] == actor)
            and (client is None or item["client"] == client)
        ]

    def replicas(
        self, *, registry: str | None = None, since: Instant | None = None, until: Instant | None = None
    ) -> list[Json]:
        """`/api/replicas`, newest first."""
        return self._replicas([push.completing for push in self._pushes], registry, since, until)

    def replica_lag(self, registry: str, *, since: Instant | None = None, until: Instant | None = None) -> list[Json]:
        """`/api/replicas/lag`, by day and region; its quantiles are exact, the API's within 2 %."""
        pushed = told_once(recorded for recorded in self._ordered if is_push(recorded.event))
        return lag_items(self._replicas(pushed, registry, since, until))

    def _replicas(
        self, pushed: list[RecordedEvent], registry: str | None, since: Instant | None, until: Instant | None
    ) -> list[Json]:
        wanted = [
            recorded
            for recorded in pushed
            if registry in {None, recorded.event.registry} and within(at(recorded), since, until)
        ]
        return replica_items(wanted, regions_by_day(self._ordered))

    def activity(self, grain: Grain, by: By | None = None, *, registry: str | None = None) -> list[Json]:
        """`/api/activity`, oldest first; every period that has anything."""
        return self._ledger.items(grain, by, registry)
