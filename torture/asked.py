"""What the app says through its API, while it is tortured and afterwards."""

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import httpx

from registrail.errors import RegistrailError
from torture.oracle import Cell, Identity, cells, identity
from torture.sender import Ledger

_PAGE: Final = 173
"""Events at a time: not a number at which anything else has a border."""
_PATIENCE: Final = 120.0
"""Seconds for an answer when all is over, 503s included: a busy machine is no fault of the app."""


class AskError(RegistrailError):
    """The app did not answer a question although nothing was broken any more."""

    reason = "ask"


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """The API of one host."""

    client: httpx.AsyncClient
    address: str

    async def events(self) -> list[Identity]:
        """Everything that is listed, page by page."""
        found: list[Identity] = []
        cursor = ""
        while True:
            page = await self._get("/api/events", limit=str(_PAGE), cursor=cursor)
            found += [identity(item) for item in page["items"]]
            if page["next"] is None:
                return found
            cursor = page["next"]

    async def activity(self, registry: str, repositories: Sequence[str]) -> list[tuple[Cell, int]]:
        """All counts of a registry; slots have only totals."""
        found: list[tuple[Cell, int]] = []
        for grain in ("slot", "hour", "day"):
            for repository in ("", *(repositories if grain != "slot" else ())):
                answer = await self._get("/api/activity", registry=registry, repository=repository, grain=grain)
                found += cells(answer["items"])
        return found

    async def fold(self) -> bool:
        """Run the timer function now; whether it succeeded."""
        response = await self.client.post(
            f"{self.address}/admin/functions/summarize_activity", json={}, timeout=_PATIENCE
        )
        return response.is_success

    async def _get(self, path: str, **query: str) -> dict[str, Any]:
        """Ask; whoever is told to come back later does so."""
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                response = await self.client.get(f"{self.address}{path}", params=query, timeout=_PATIENCE)
            except httpx.TransportError as error:
                raise AskError(f"{path} does not answer: {error!r}") from error
            if response.is_success:
                answer: dict[str, Any] = response.json()
                return answer
            if response.status_code != httpx.codes.SERVICE_UNAVAILABLE or time.monotonic() > deadline:
                raise AskError(f"{path} answered {response.status_code}: {response.text[:200]}")
            await asyncio.sleep(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Somebody who looks at the activity all the time: folds race with theirs, and they must never see too little."""

    client: httpx.AsyncClient
    addresses: Sequence[str]
    ledger: Ledger
    rng: random.Random

    async def read(self) -> None:
        """Go on until cancelled; answers that are wrong go into the ledger."""
        while True:
            await asyncio.sleep(self.rng.uniform(0, 0.6))
            before = len(self.ledger.acknowledged)
            address = self.rng.choice(list(self.addresses))
            try:
                response = await self.client.get(f"{address}/api/activity", params={"grain": "day"})
            except httpx.TransportError:
                continue
            if response.status_code == httpx.codes.SERVICE_UNAVAILABLE:
                continue
            if not response.is_success:
                self.ledger.wrong.append(f"{response.status_code} for /api/activity")
                continue
            counted = sum(item["events"] for item in response.json()["items"])
            if counted < before:
                self.ledger.wrong.append(f"/api/activity counts {counted} when {before} were acknowledged")
