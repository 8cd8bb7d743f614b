"""Which names a repository has ever had: so much of each that what is new is known to be new without looking for it.

Of a name three bytes of a hash are kept. A name whose bytes are not there is new; one whose bytes are there is known,
or happens to share them with one that is (one new name in a thousand, among 20,000), which whoever looks for it finds
out. What is kept depends on nothing but the names, so a history that is worked out anew has the same.
"""

import hashlib
from bisect import bisect_left
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
        packed: BYTES of the hash of each name, one after the other, in order; None if there are too many, or nobody
            wrote them down.
    """

    packed: bytes | None = b""

    def may_have(self, name: Name) -> bool:
        """Whether a name has to be looked for; else it is new."""
        if self.packed is None:
            return True
        mark = _mark(name)
        return self._at(self._place(mark)) == mark

    def adding(self, names: Iterable[Name]) -> "Names":
        """With more of them."""
        if self.packed is None:
            return self
        pieces: list[bytes] = []
        begin = 0
        for mark in sorted(set(map(_mark, names))):
            place = self._place(mark)
            if self._at(place) != mark:
                pieces += [self.packed[begin : BYTES * place], mark]
                begin = BYTES * place
        if not pieces:
            return self
        packed = b"".join((*pieces, self.packed[begin:]))
        return Names(packed if len(packed) <= BYTES * MOST else None)

    def _place(self, mark: bytes) -> int:
        """How many marks come before this one."""
        return bisect_left(range(len(self.packed or b"") // BYTES), mark, key=self._at)

    def _at(self, place: int) -> bytes:
        """One mark; empty behind the last one."""
        return (self.packed or b"")[BYTES * place : BYTES * (place + 1)]


def _mark(name: Name) -> bytes:
    return hashlib.blake2b("~".join(name).encode(), digest_size=BYTES).digest()
