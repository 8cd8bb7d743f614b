"""What Registrail recorded of one registry, asked for through its API."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import httpx

from registrail.local.journey import Effect
from registrail.local.processes import JourneyError, poll

PATIENCE = 30.0
"""Seconds within which events must have arrived and a fold must have been made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """An event as `/api/events` lists it."""

    effect: Effect
    occurred_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """One hour of one repository, or of all (None), as `/api/activity` lists it."""

    period: str
    repository: str | None
    events: int
    pushes: int
    deletes: int


def is_exact(effects: Sequence[Effect], recorded: Sequence[Recorded], totals: Sequence[Activity]) -> bool:
    """Whether everything is recorded exactly once, nothing else is, and the totals count the same."""
    recorded_exactly = Counter(entry.effect for entry in recorded) == Counter(effects)
    return recorded_exactly and sum(row.events for row in totals) == len(effects)


class Recording:
    """Questions to an app; `client` has its address as base URL.

    Every method raises `JourneyError` when the app does not answer as it should.
    """

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def check_health(self) -> None:
        """Make sure that somebody is there."""
        self._request("GET", "/api/health")

    def arrived(self, registry: str, count: int) -> list[Recorded]:
        """All events of a registry, oldest first, as soon as there are `count` of them, or after 30 s."""
        return poll(lambda: self.events(registry), lambda found: len(found) >= count, seconds=PATIENCE)

    def events(self, registry: str) -> list[Recorded]:
        """The last hundred events of a registry, oldest first."""
        items = self._items("/api/events", registry=registry, limit="100")
        found = [
            Recorded(
                effect=Effect(**{name: item[name] for name in ("action", "repository", "tag", "digest")}),
                occurred_at=item["occurred_at"],
            )
            for item in items
        ]
        return sorted(found, key=lambda entry: entry.occurred_at)

    def fold(self) -> None:
        """Run the timer function now instead of waiting for its schedule.

        https://learn.microsoft.com/azure/azure-functions/functions-manually-run-non-http
        """
        self._request("POST", "/admin/functions/summarize_activity", body={"input": ""})

    def totals(self, registry: str, events: int) -> list[Activity]:
        """The last day by hour, as soon as it counts `events`, or after 30 s."""
        return poll(
            lambda: self.activity(registry),
            lambda rows: sum(row.events for row in rows) == events,
            seconds=PATIENCE,
        )

    def activity(self, registry: str, **repository: str) -> list[Activity]:
        """The last day by hour, of one repository or of all."""
        names = ("period", "repository", "events", "pushes", "deletes")
        items = self._items("/api/activity", registry=registry, grain="hour", since="24h", **repository)
        return [Activity(**{name: item[name] for name in names}) for item in items]

    def _items(self, path: str, **query: str) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = self._request("GET", path, query=query).json()["items"]
        return items

    def _request(
        self, method: str, path: str, *, query: dict[str, str] | None = None, body: object = None
    ) -> httpx.Response:
        address = f"{self._client.base_url}".rstrip("/") + path
        try:
            response = self._client.request(method, path, params=query, json=body)
        except httpx.RequestError as error:
            message = f"{address} does not answer: {error}"
            raise JourneyError(message) from error
        if not response.is_success:
            status = HTTPStatus(response.status_code).phrase
            message = f"{address} answered {response.status_code} {status}: {response.text[:200]}"
            raise JourneyError(message)
        return response
