"""What people call an image: `[registry/]repository[:tag][@digest]`, or a digest alone."""

import re
from dataclasses import dataclass
from typing import Final, Self

from registrail.local.problems import LocalError

_DIGEST: Final = re.compile(r"[A-Za-z0-9+._-]+:[0-9a-fA-F]{32,}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """What a reference names; None is anything."""

    registry: str | None = None
    repository: str | None = None
    tag: str | None = None
    digest: str | None = None

    @classmethod
    def parse(cls, text: str | None) -> Self:
        """Take a reference apart; the first part is a registry if it has a dot or a colon, or is `localhost`.

        Raises:
            LocalError: there is nothing where something must be.
        """
        if not text:
            return cls()
        if _DIGEST.fullmatch(text):
            return cls(digest=text)
        name, _, digest = text.partition("@")
        first, slash, rest = name.partition("/")
        registry = first.lower() if slash and (first == "localhost" or set(first) & set(".:")) else None
        path, colon, tag = (rest if registry else name).partition(":")
        if not path or (colon and not tag) or ("@" in text and not digest):
            raise LocalError(f"{text!r} is no image: write team/app, team/app:v1, team/app@sha256:… or sha256:…")
        return cls(registry=registry, repository=path, tag=tag or None, digest=digest or None)

    def parameters(self, *, registry: str | None = None) -> dict[str, str | None]:
        """As the API wants it; `registry` is what an option says."""
        return {
            "registry": registry or self.registry,
            "repository": self.repository,
            "tag": self.tag,
            "digest": self.digest,
        }

    def __str__(self) -> str:
        name = "/".join(part for part in (self.registry, self.repository) if part)
        tag = f":{self.tag}" if self.tag else ""
        digest = (f"@{self.digest}" if name else self.digest) if self.digest else ""
        return f"{name}{tag}{digest}" or "the registry"
