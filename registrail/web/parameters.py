"""Reading what people write into URLs."""

from typing import Annotated

import fastapi

Registry = Annotated[
    str | None,
    fastapi.Query(description="The registry's name; needed only if several have what is asked for."),
]
Pattern = Annotated[str | None, fastapi.Query(description="A name, or the beginning of names: `team/*`.")]
Since = Annotated[str | None, fastapi.Query(description="A time (RFC 3339), or an age such as `24h` or `7d`.")]
Until = Annotated[str | None, fastapi.Query(description="Before this time, or older than this age.")]
At = Annotated[str | None, fastapi.Query(description="As of this instant: a time (RFC 3339), or an age such as `7d`.")]
Cursor = Annotated[str | None, fastapi.Query(description="`next` of the page before.")]


def registry_name(text: str | None) -> str | None:
    """A registry as it is stored; an empty one is none."""
    return text.lower() if text else None
