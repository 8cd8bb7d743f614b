"""What a template deploys, as values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Deployed:
    """One resource as it is sent to Azure; `body` has everything but what is the compiler's own."""

    type: str
    version: str
    id: str
    body: Mapping[str, Any]
    scope: str
    place: str


@dataclass
class Plan:
    """Everything that a template deploys, in the order of the files."""

    resources: list[Deployed] = field(default_factory=list)
    outputs: dict[str, Any] = field(default_factory=dict)
    late: list[str] = field(default_factory=list)

    def of(self, kind: str) -> list[Deployed]:
        """The resources of a type."""
        return [resource for resource in self.resources if resource.type == kind]


@dataclass(frozen=True)
class Symbol:
    """A resource or module by its name in the file; `id` of a resource is known from the start."""

    id: str
    name: str
    type: str
    version: str = ""
    outputs: Mapping[str, Any] | None = None
