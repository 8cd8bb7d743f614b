"""A real registry on loopback, and a journey through everything it can do to manifests and tags.

The demo shows it and a test asserts it: what `docker-registry` and `skopeo` did, step by step, with the
events that each step must leave behind.
"""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from registrail.local.images import Image, write_image
from registrail.local.processes import JourneyError, poll, started, tail

_LISTENING = re.compile(r"listening on (127\.0\.0\.1:\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What must be recorded: one event, without its time."""

    action: str
    repository: str
    tag: str | None
    digest: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One operation on the registry and its effects."""

    did: str
    effects: tuple[Effect, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """A running `docker-registry`; `host` is its address, and its name in every event."""

    host: str
    directory: Path
    skopeo: str

    def copy(self, source: str, name: str) -> None:
        """Copy an image with all its platforms to `name`, from disk or from within the registry."""
        inside = source.startswith("docker:")
        self._run(
            "--insecure-policy",
            "copy",
            "--all",
            "--preserve-digests",
            *(["--src-tls-verify=false"] if inside else []),
            "--dest-tls-verify=false",
            source,
            self.address(name),
        )

    def address(self, name: str) -> str:
        """`name` in this registry, as skopeo wants it."""
        return f"docker://{self.host}/{name}"

    def delete(self, repository: str, digest: str) -> None:
        """Delete a manifest, and with it the tags that point to it.

        Raises:
            JourneyError: the registry refused.
        """
        url = f"http://{self.host}/v2/{repository}/manifests/{digest}"
        response = httpx.delete(url, trust_env=False)
        if response.status_code != httpx.codes.ACCEPTED:
            message = f"DELETE {url} was answered with {response.status_code}: {response.text[:200]}"
            raise JourneyError(message)

    def _run(self, *arguments: str) -> None:
        home = str(self.directory)
        result = subprocess.run(  # noqa: S603 - arguments of our own, no shell
            [self.skopeo, *arguments],
            env={"HOME": home, "XDG_RUNTIME_DIR": home, "XDG_CONFIG_HOME": home, "TMPDIR": home},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if result.returncode != 0:
            message = f"skopeo {' '.join(arguments)} failed: {result.stderr.strip()[-500:]}"
            raise JourneyError(message)


def journey(registry: Registry) -> Iterator[Step]:
    """Push, retag, move a tag, push for two platforms, delete; each step is made when it is asked for."""
    one = write_image(registry.directory, "one", "the first version")
    two = write_image(registry.directory, "two", "the second version")
    many = write_image(registry.directory, "many", "for everybody", platforms=("amd64", "arm64"))
    yield _push(registry, one, "demo/app", "v1")
    yield _retag(registry, one, "demo/app", "v1", "latest")
    yield _push(registry, two, "demo/app", "v2")
    yield _retag(registry, two, "demo/app", "v2", "latest")
    yield _push(registry, many, "demo/multi", "v1")
    registry.delete("demo/app", one.digest)
    yield Step(
        did=f"DELETE demo/app@{one.digest}",
        effects=(
            Effect(action="delete", repository="demo/app", tag=None, digest=one.digest),
            Effect(action="delete", repository="demo/app", tag="v1", digest=None),
        ),
    )


def _push(registry: Registry, image: Image, repository: str, tag: str) -> Step:
    registry.copy(image.source, f"{repository}:{tag}")
    platforms = [Effect(action="push", repository=repository, tag=None, digest=digest) for digest in image.platforms]
    tagged = Effect(action="push", repository=repository, tag=tag, digest=image.digest)
    return Step(did=f"skopeo copy --all … {repository}:{tag}", effects=(*platforms, tagged))


def _retag(registry: Registry, image: Image, repository: str, old: str, new: str) -> Step:
    registry.copy(registry.address(f"{repository}:{old}"), f"{repository}:{new}")
    effect = Effect(action="push", repository=repository, tag=new, digest=image.digest)
    return Step(did=f"skopeo copy {repository}:{old} {repository}:{new}", effects=(effect,))


def find_programs() -> tuple[str, str]:
    """Where `docker-registry` and `skopeo` are.

    Raises:
        JourneyError: they are not installed; the message names the Debian packages.
    """
    found = {name: shutil.which(name) for name in ("docker-registry", "skopeo")}
    missing = [name for name, path in found.items() if path is None]
    if missing:
        message = f"{' and '.join(missing)} must be on PATH: apt-get install {' '.join(missing)}"
        raise JourneyError(message)
    return str(found["docker-registry"]), str(found["skopeo"])


@contextmanager
def running_registry(directory: Path, hook: str, headers: Mapping[str, str] | None = None) -> Iterator[Registry]:
    """Run a registry on a free loopback port, with its files in `directory`, that reports to `hook`.

    https://distribution.github.io/distribution/about/configuration/

    Raises:
        JourneyError: a program is missing, or the registry did not start.
    """
    program, skopeo = find_programs()
    endpoint = {
        "name": "registrail",
        "url": hook,
        "headers": {name: [value] for name, value in (headers or {}).items()},
        "timeout": "5s",
        "threshold": 3,
        "backoff": "500ms",
    }
    configuration = {
        "version": 0.1,
        "log": {"level": "info"},
        "storage": {
            "filesystem": {"rootdirectory": str(directory / "registry")},
            "delete": {"enabled": True},
        },
        "http": {"addr": "127.0.0.1:0"},
        "notifications": {"endpoints": [endpoint]},
    }
    (directory / "registry.yml").write_text(json.dumps(configuration))  # YAML contains JSON
    log = directory / "registry.log"
    with started([program, "serve", str(directory / "registry.yml")], log, {"HOME": str(directory)}) as process:

        def host() -> str | None:
            if process.poll() is not None:
                message = f"docker-registry ended: {tail(log)}"
                raise JourneyError(message)
            match = _LISTENING.search(log.read_text())
            return match[1] if match else None

        address = poll(host, bool, seconds=15)
        if address is None:
            message = f"docker-registry does not listen: {tail(log)}"
            raise JourneyError(message)
        yield Registry(host=address, directory=directory, skopeo=skopeo)
