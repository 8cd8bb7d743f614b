"""What rebuilds and retention need from the outside."""

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import Final, Protocol

from registrail.instants import Instant


class HistoryExpirer(Protocol):
    """What retention needs besides."""

    async def expire(self, registry: str, limit: Instant, tags: Collection[tuple[str, str]]) -> None:
        """Delete what ended before a time, and nothing that later events build on.

        These are all dossiers; and of some tags, and of those that the dossiers name, the movements but the newest
        change and the times during which they pointed elsewhere. What is true now stays: tags, digests and
        repositories.

        Args:
            registry: its name.
            limit: events before it will never be added to the history any more.
            tags: their repositories and names.
        """
        ...


class Limits(Protocol):
    """Before which day retention has deleted what happened."""

    async def read(self, registry: str) -> str | None:
        """The first day that was not deleted; None if nothing ever was."""
        ...

    async def raise_to(self, registry: str, day: str) -> None:
        """Note a day, if it is later than the one that is noted."""
        ...


async def unasked() -> None:
    """Go on: nobody has to be asked."""


class Eraser(Protocol):
    """Deletes what was worked out from the journal."""

    async def erase(self, registry: str, go_on: Callable[[], Awaitable[None]] = unasked) -> bool:
        """Delete all there is of a registry; whether there was any.

        Args:
            registry: whose.
            go_on: is awaited after rows were read and before they are deleted, in the versions in which they were read.
                So if it raises when we are not alone any more, nothing goes that somebody wrote since then.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RebuildNote:
    """How far a rebuild has come.

    Attributes:
        day: the last day that is done; before the first ERASED, before that ERASING, before that None.
        claimed_until: until when nobody else may go on with it; None if nobody is at it.
        version: changes with every writing; None if the note is not stored.
    """

    day: str | None = None
    claimed_until: Instant | None = None
    version: str | None = None


ERASING: Final = ""
ERASED: Final = "0000-00-00"
"""Sorts before all days, and after ERASING."""


class Progress(Protocol):
    """One note for each registry that is being rebuilt."""

    async def read(self, registry: str) -> RebuildNote | None:
        """The note, if there is one."""
        ...

    async def write(self, registry: str, note: RebuildNote) -> RebuildNote:
        """Replace the note in its version, or add the first; the same with its new version.

        Raises:
            ConflictError: somebody else wrote it meanwhile.
        """
        ...

    async def remove(self, registry: str, note: RebuildNote) -> None:
        """Take the note away.

        Raises:
            ConflictError: somebody else wrote it meanwhile.
        """
        ...
