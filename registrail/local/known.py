"""Whether what a question names was ever heard of: nothing found is an answer only about what is known."""

import difflib
from collections.abc import Sequence
from typing import Final

from registrail.local.client import MOST, Client, Parameters
from registrail.local.problems import LocalError
from registrail.local.show import plain
from registrail.senders import senders

_ASKED: Final = 20
"""Registries that are asked at most."""
_CLOSE: Final = 3


async def check(client: Client, parameters: Parameters) -> None:
    """Return if the sender, the registry, the repository and the tag that were asked about are known; else say what is.

    Raises:
        LocalError: one of them is not, and which ones are like it.
    """
    sender = str(parameters.get("sender") or "")
    if sender and sender not in senders():
        raise LocalError(f"no sender is called {plain(sender)}; there are {', '.join(senders())}")
    registry, repository, tag = (str(parameters.get(name) or "") for name in ("registry", "repository", "tag"))
    if not registry and not repository:
        return
    there = [str(item["registry"]) for item in (await client.document("/api/registries"))["items"]]
    if registry and registry.lower() not in there:
        known = f"there are {_some(there)}" if there else "none has yet"
        raise LocalError(f"no registry {plain(registry)} ever sent an event; {known}")
    if not repository or repository.endswith("*"):
        return
    asked = [registry] if registry else there[:_ASKED]
    having = [one for one in asked if await _has(client, "repositories", one, repository)]
    if not having and len(there) <= _ASKED:
        names = [name for one in asked for name in await _repositories(client, one)]
        close = difflib.get_close_matches(repository, names, _CLOSE)
        like = f"did you mean {' or '.join(map(plain, close))}?" if close else "registrail tags lists what there is"
        where = f" in {plain(registry)}" if registry else ""
        raise LocalError(f"there was never a push or delete of {plain(repository)}{where}; {like}")
    if tag and having and not any([await _has(client, "tags", one, repository, tag) for one in having]):
        name = plain(f"{having[0]}/{repository}" if len(there) > 1 else repository)
        raise LocalError(f"{name} never had a tag {plain(tag)}; registrail tags {name} --absent lists those it had")


async def _has(client: Client, what: str, registry: str, repository: str, tag: str | None = None) -> bool:
    """Whether a list of names has one; the one itself comes before all longer ones."""
    begin = {"prefix": repository} if tag is None else {"repository": repository, "prefix": tag, "present": "false"}
    found = await client.document(f"/api/{what}", {"registry": registry, **begin, "limit": 1})
    return any((one["repository"], one.get("tag")) == (repository, tag) for one in found["items"])


async def _repositories(client: Client, registry: str) -> Sequence[str]:
    """Names of repositories, but not endlessly many."""
    found = await client.document("/api/repositories", {"registry": registry, "limit": MOST})
    return [str(item["repository"]) for item in found["items"]]


def _some(names: Sequence[str]) -> str:
    more = f", and {len(names) - _ASKED} more" if len(names) > _ASKED else ""
    return ", ".join(map(plain, names[:_ASKED])) + more
