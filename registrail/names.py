"""Which names a repository has ever had: so much of each that what is new is known to be new without looking for it.

Of a name three bytes of a hash are kept. A name whose bytes are not there is new; one whose bytes are there is known,
or happens to share them with one that is (one new name in a thousand, among 20,000), which whoever looks for it finds
out. What is kept depends on nothing but the names, so a history that is worked out anew has the same.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

MOST: Final = 20_000
"""Names; a repository with more has to look for each."""
BYTES: Final = 3
"""Of each."""

Name = tuple[Literal["tag", "digest"], str]


@dataclass(frozen=True, slots=True)
class Names:
    """Names of tags and digests.

    Attributes:
        marks: BYTES of the hash of each name; None if there are too many, or nobody wrote them down.
    """

    marks: frozenset[bytes] | None = frozenset()

    def may_have(self, name: Name) -> bool:
        """Whether a name has to be looked for; else it is new."""
        return self.marks is None or _mark(name) in self.marks

    def adding(self, names: Iterable[Name]) -> "Names":
        """With more of them."""
        if self.marks is None:
            return self
        marks = self.marks.union(map(_mark, names))
        if len(marks) == len(self.marks):
            return self
        return Names(marks if len(marks) <= MOST else None)

    def packed(self) -> bytes | None:
        """All marks, one after the other, in order."""
        return None if self.marks is None else b"".join(sorted(self.marks))

    @classmethod
    def unpacked(cls, packed: bytes | None) -> "Names":
        """Undo `packed`."""
        if packed is None:
            return cls(None)
        return cls(frozenset(packed[begin : begin + BYTES] for begin in range(0, len(packed), BYTES)))


def _mark(name: Name) -> bytes:
    return hashlib.blake2b("~".join(name).encode(), digest_size=BYTES).digest()
