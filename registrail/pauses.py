"""How long to wait before trying again."""

import random
from collections.abc import Iterator


def pauses(first: float = 0.2, longest: float = 4.0) -> Iterator[float]:
    """Seconds between tries: half to all of `first`, twice that … `longest`, so that not all return at once."""
    most = first
    while True:
        yield random.uniform(most / 2, most)  # noqa: S311 - no secret
        most = min(2 * most, longest)
