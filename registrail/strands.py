"""Repositories that are kept in memory between one batch of events and the next, by whoever works through many."""

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

from registrail.strand import Strand

MOST_NAMES: Final = 50_000
"""Of tags and digests that are kept, each with what is known of it: some kilobytes."""


@dataclass(slots=True)
class Strands:
    """Those that were used last, of one registry."""

    most_names: int = MOST_NAMES
    _kept: OrderedDict[str, Strand] = field(default_factory=OrderedDict)
    _names: int = 0

    def take(self, repository: str) -> Strand | None:
        """Take a repository out, if it is there; nobody else has it then."""
        strand = self._kept.pop(repository, None)
        if strand is not None:
            self._names -= strand.names
            strand.resume()
        return strand

    def keep(self, strand: Strand) -> None:
        """Put a repository in; what is too much for that goes, the longest unused first."""
        self._kept[strand.name] = strand
        self._names += strand.names
        while self._names > self.most_names:
            _, gone = self._kept.popitem(last=False)
            self._names -= gone.names
