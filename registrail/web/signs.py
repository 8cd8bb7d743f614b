"""What is known to refer to an image: a signature, an attestation, an SBOM, by the tags that tools give them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from registrail.manifests import Kind, reference
from registrail.query import Query

SIGNS: Final = 500
"""Tags of signatures and the like that are looked at."""

Signs = Mapping[str, Sequence[Kind]]
"""For each digest what refers to it."""


async def read_signs(query: Query, registry: str, repository: str, prefix: str) -> tuple[Signs, bool]:
    """What refers to digests, by tags that begin so, and whether that is all: one request."""
    found = await query.lists.present(registry, repository, prefix, SIGNS)
    return signs_in(found.items), found.after is None


def signs_in(tags: Iterable[str]) -> Signs:
    """What refers to which digest, by the tags that are there."""
    signs: dict[str, set[Kind]] = {}
    for tag in tags:
        referred = reference(tag)
        if referred:
            signs.setdefault(referred[1], set()).add(referred[0])
    return {digest: sorted(kinds) for digest, kinds in signs.items()}
