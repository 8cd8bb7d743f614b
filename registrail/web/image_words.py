"""What people and their tools call an image. Pure."""

import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Final

_NAME: Final = re.compile(
    r"(?=.{1,255}\Z)[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?(?::[0-9]{1,5})?"
    r"(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)+"
)
_DIGEST: Final = re.compile(r"[a-z][a-z0-9]*(?:[-_+.][a-z][a-z0-9]*)*:[0-9a-fA-F]{32,}")
"""Source: https://github.com/distribution/reference/blob/main/reference.go"""

_KINDS: Final[Mapping[str, str]] = {
    "application/vnd.oci.image.index.v1+json": "OCI index",
    "application/vnd.oci.image.manifest.v1+json": "OCI image",
    "application/vnd.docker.distribution.manifest.list.v2+json": "Docker manifest list",
    "application/vnd.docker.distribution.manifest.v2+json": "Docker image",
    "application/vnd.docker.distribution.manifest.v1+json": "Docker image, schema 1",
    "application/vnd.docker.distribution.manifest.v1+prettyjws": "Docker image, schema 1",
    "application/vnd.acr.helm.chart": "Helm chart",
}


def pull_commands(registry: str, repository: str, digest: str | None) -> Sequence[tuple[str, str]]:
    """How to get an image by its digest: tools, each with a command.

    None at all where a name or a digest is not one that they take: whoever pushes chooses names, and a command is
    pasted into a shell.
    """
    name = f"{registry}/{repository}"
    if not digest or not _NAME.fullmatch(name) or not _DIGEST.fullmatch(digest):
        return ()
    image = shlex.quote(f"{name}@{digest}")
    return (("Docker", f"docker pull {image}"), ("Skopeo", f"skopeo inspect docker://{image}"))


def manifest(media_type: str) -> str:
    """A manifest's media type as people say it, or as it is."""
    return _KINDS.get(media_type, media_type)
