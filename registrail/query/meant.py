"""Which registry is meant, where a question names none."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from registrail.errors import InvalidParameterError
from registrail.ports import Journal
from registrail.projections import HistoryLists
from registrail.query.journal import Pattern
from registrail.summarize import Summarize

MOST: Final = 20
"""Registries that are asked at most; of more, one must be named."""

Knows = Callable[[str], Awaitable[bool]]
"""Whether a registry knows what the question is about."""


async def the_only(journal: Journal, summarize: Summarize, knows: Knows | None) -> str:
    """The only registry there is, or the only one that knows; empty if there is none, or of several none knows.

    Everything that was acknowledged is counted before anybody is asked.

    Raises:
        InvalidParameterError: it is not clear which one is meant.
    """
    there = await journal.registries()
    if len(there) > 1 and (knows is None or len(there) > MOST):
        raise InvalidParameterError("registry", f"there are several; say which of {_names(there)}")
    if len(there) < 2 or knows is None:  # noqa: PLR2004 - one needs no choice
        for registry in there:
            await summarize.bring_up_to_date(registry)
        return there[0] if there else ""
    knowing = await those_that(knows, there, summarize)
    if len(knowing) > 1:
        raise InvalidParameterError("registry", f"several have it; say which of {_names(knowing)}")
    return knowing[0] if knowing else ""


async def those_that(knows: Knows, registries: Sequence[str], summarize: Summarize) -> Sequence[str]:
    """Those of some registries that know what a question is about, with everything counted that was acknowledged."""
    for registry in registries:
        await summarize.bring_up_to_date(registry)
    answers = await asyncio.gather(*map(knows, registries))
    return [registry for registry, knew in zip(registries, answers, strict=True) if knew]


def having_repository(lists: HistoryLists, repository: str) -> Knows:
    """Whether a registry ever had a repository, or with `team/*` one that begins so."""
    pattern = Pattern(repository)

    async def knows(registry: str) -> bool:
        found = await lists.repositories(registry, prefix=pattern.name or repository[:-1], limit=1)
        return any(pattern.admits(one.repository) for one in found.items)

    return knows


def having_digest(lists: HistoryLists, digest: str) -> Knows:
    """Whether a digest was ever pushed to a registry, or deleted there."""

    async def knows(registry: str) -> bool:
        return bool((await lists.digests(registry, digest=digest, limit=1)).items)

    return knows


def having_delete(lists: HistoryLists, event: str) -> Knows:
    """Whether a delete was in a registry."""

    async def knows(registry: str) -> bool:
        return await lists.deletion(registry, event) is not None

    return knows


def _names(registries: Sequence[str]) -> str:
    """Some registries, for a sentence."""
    shown = ", ".join(registries[:MOST])
    return f"{shown}, and {len(registries) - MOST} more" if len(registries) > MOST else shown
