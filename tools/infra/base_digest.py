"""Compares the digest that the Dockerfile's base image is pinned to with what its tag points to today.

python tools/infra/base_digest.py [--write]
"""

import argparse
import re
import sys
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path

DOCKERFILE = Path(__file__).resolve().parents[2] / "Dockerfile"
# An index before the manifest of one platform, in both dialects.
ACCEPT = (
    "application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.list.v2+json, "
    "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json"
)
_PIN = re.compile(
    r"^ARG BASE_IMAGE=(?P<host>[^/\s]+)/(?P<name>[^:@\s]+):(?P<tag>[^@\s]+)@(?P<digest>sha256:[0-9a-f]{64})$",
    re.MULTILINE,
)


class PinError(Exception):
    """The Dockerfile or the registry did not say what was expected."""


def today(registry: str, name: str, tag: str) -> str:
    """The digest that a tag points to."""
    request = urllib.request.Request(  # noqa: S310 - the scheme is in `registry`
        f"{registry}/v2/{name}/manifests/{tag}", headers={"Accept": ACCEPT}, method="HEAD"
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - likewise
            digest = answer.headers.get("Docker-Content-Digest", "")
    except (urllib.error.URLError, TimeoutError) as error:
        raise PinError(f"{registry} cannot be asked for {name}:{tag}: {error}") from None
    if not re.fullmatch(r"sha256:[0-9a-f]{64}", digest):
        raise PinError(f"{registry} gave no digest for {name}:{tag}")
    return str(digest)


def main(arguments: Sequence[str]) -> int:
    """0 when the pin is today's or was written; 1 when it is old or cannot be compared."""
    parser = argparse.ArgumentParser(description="Whether the Dockerfile's base image is today's.")
    parser.add_argument("--write", action="store_true", help="pin today's digest")
    parser.add_argument("--dockerfile", type=Path, default=DOCKERFILE, help="default: the repository's")
    parser.add_argument(
        "--registry", help="where to ask, with its scheme; default: https and the host in the Dockerfile"
    )
    given = parser.parse_args(arguments)
    source = given.dockerfile.read_text("utf-8")
    pin = _PIN.search(source)
    try:
        if pin is None:
            raise PinError(f"{given.dockerfile} has no line ARG BASE_IMAGE=…:TAG@sha256:…")
        digest = today(given.registry or f"https://{pin['host']}", pin["name"], pin["tag"])
    except PinError as error:
        print(f"Registrail: {error}", file=sys.stderr)
        return 1
    if digest == pin["digest"]:
        print(f"{pin['name']}:{pin['tag']} is still {digest}")
        return 0
    print(f"{pin['name']}:{pin['tag']} is now {digest}, pinned is {pin['digest']}")
    if given.write:
        given.dockerfile.write_text(source.replace(pin["digest"], digest), "utf-8")
        return 0
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
