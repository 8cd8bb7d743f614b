"""What a registry does, made up: single happenings, and a plausible history of two days.

Everything here is a function of its arguments: the same `random.Random(seed)` and the same time give the same
happenings. How a happening is told, in each sender's words, is the business of `dialects`.
"""

import random
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from registrail.instants import Instant

SAMPLE_REGISTRY = "sample-data.example"
"""The registry that sample data names, so that nobody takes it for their own."""

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
HELM_CHART = "application/vnd.acr.helm.chart"

Action = Literal["push", "delete", "quarantine", "chart_push", "chart_delete", "ping"]

_SERVICES = ("team/web", "team/api", "team/worker", "payments/gateway", "payments/ledger", "data/ingest")
_BASES = ("base/python", "base/node")
_CHARTS = ("charts/web", "charts/gateway")
_DOCKER = "docker/27.3.1 go/go1.22.7 git-commit/41ca978 os/linux arch/amd64"
_BUILDKIT = "buildkit/v0.17"
_HELM = "Helm/3.16.2"
_PURGE = "acr-cli/0.14"
_PORTAL = "AzureContainerRegistry-Portal/1.0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """One thing that a registry did.

    Attributes:
        registry: its host, such as `myregistry.azurecr.io`.
        digest: None only when no more than a tag was deleted, which only distribution reports.
        size: of the manifest, in bytes, not of the image.
        occurred_at: RFC 3339 with 9 fractional digits, 7 for legacy charts.
        client: the user agent of the client that caused it.
        actor: who did it; Azure Container Registry does not say.
        region: of the replica that reports it.
        chart: name and version of a legacy Helm chart.
    """

    action: Action
    registry: str
    repository: str
    tag: str | None = None
    digest: str | None = None
    media_type: str = OCI_MANIFEST
    size: int = 0
    occurred_at: str
    event_id: str
    request_id: str
    client: str = _DOCKER
    actor: str | None = None
    region: str | None = None
    chart: tuple[str, str] | None = None


def new_id(rng: random.Random) -> str:
    """A GUID, as events and requests have them."""
    return str(uuid.UUID(int=rng.getrandbits(128), version=4))


def new_digest(rng: random.Random) -> str:
    """`sha256:` and 64 hexadecimal digits."""
    return f"sha256:{rng.randbytes(32).hex()}"


def new_commit_tag(rng: random.Random) -> str:
    """A tag as pipelines make them of a commit: `sha-` and 7 hexadecimal digits."""
    return f"sha-{rng.getrandbits(28):07x}"


def new_repository(rng: random.Random, action: Action) -> str:
    """A repository in which `action` is at home."""
    return rng.choice(_CHARTS if action.startswith("chart") else _SERVICES)


def stamp(rng: random.Random, at: Instant, action: Action) -> str:
    """Write `at` as registries do: two digits more than an `Instant` holds, except for legacy charts."""
    text = at.isoformat()
    return text if action.startswith("chart") else f"{text[:-1]}{rng.randrange(100):02d}Z"


def imagine(  # noqa: PLR0913 - as many as a happening has sides
    rng: random.Random,
    action: Action,
    *,
    registry: str,
    repository: str,
    occurred_at: str,
    tag: str | None = None,
    digest: str | None = None,
    media_type: str | None = None,
    size: int | None = None,
    client: str = _DOCKER,
    actor: str | None = None,
    region: str | None = None,
) -> Happening:
    """Complete a happening: fresh ids always, and a digest, a media type and a size where none is given.

    A deletion has either: one that names only a tag gets no digest, since it leaves the manifest; one that
    names a digest, or nothing, has no tag.
    """
    event_id, request_id = new_id(rng), new_id(rng)
    fresh_digest, fresh_size = new_digest(rng), rng.randint(400, 4000)
    only_tag = action == "delete" and tag is not None and digest is None
    if action == "delete" and not only_tag:
        tag = None
    chart = None
    if action.startswith("chart"):
        name, version = repository.rsplit("/", 1)[-1], tag or f"{rng.randint(0, 3)}.{rng.randint(0, 30)}.0"
        chart, tag = (name, version), f"{name}-{version}.tgz"
    return Happening(
        action=action,
        registry=registry,
        repository=repository,
        tag=tag,
        digest=None if only_tag else digest or fresh_digest,
        media_type=media_type or (HELM_CHART if chart else OCI_MANIFEST),
        size=fresh_size if size is None else size,
        occurred_at=occurred_at,
        event_id=event_id,
        request_id=request_id,
        client=client,
        actor=actor,
        region=region,
        chart=chart,
    )


def history(
    rng: random.Random, *, now: datetime, hours: int = 48, registry: str = SAMPLE_REGISTRY
) -> Iterator[Happening]:
    """Make up the last `hours`, oldest first, never later than `now`: a few hundred happenings in two days.

    Pipelines push commits and move `main`; releases get a version and move `latest`; base images are rebuilt
    at night for two platforms; charts follow; now and then an image waits in quarantine; by night a purge
    deletes what `main` left behind. Between 07 and 18 UTC there is far more to see than at other times.
    """
    end = Instant.from_datetime(now)
    start = end.plus(timedelta(hours=-hours))
    story = _Story(rng, registry)
    for hour in range(hours):
        begin = start.plus(timedelta(hours=hour))
        story.one_hour(begin, begin.to_datetime().hour)
    for at, happening in sorted(story.told, key=lambda entry: entry[0]):
        if start <= at <= end:
            yield happening


class _Story:
    """A made-up history in the making; `told` holds the happenings so far with their times."""

    def __init__(self, rng: random.Random, registry: str) -> None:
        self.told: list[tuple[Instant, Happening]] = []
        self._rng = rng
        self._registry = registry
        self._versions = {name: [rng.randint(0, 2), rng.randint(1, 20), 0] for name in _SERVICES + _CHARTS}
        self._mains: dict[str, tuple[str, int]] = {}
        self._kept: set[str] = set()
        self._left_behind: list[tuple[str, str]] = []

    def one_hour(self, begin: Instant, hour_of_day: int) -> None:
        """Tell what happens in the hour after `begin`, according to the hour of the day in UTC."""
        changes = self._rng.randint(4, 8) if 7 <= hour_of_day < 18 else self._rng.randint(0, 2)  # noqa: PLR2004 - office hours
        minutes = sorted(self._rng.uniform(0, 58) for _ in range(changes))
        for at in (begin.plus(timedelta(minutes=minute)) for minute in minutes):
            kind = self._rng.choices(("commit", "release", "chart", "quarantine"), (70, 16, 8, 6))[0]
            if kind == "chart":
                self._chart(at)
            elif kind == "release":
                self._release(at)
            else:
                self._commit(at, self._rng.choice(_SERVICES), quarantined=kind == "quarantine")
        if hour_of_day == 1:
            for name in _BASES:
                self._base_image(begin.plus(timedelta(minutes=self._rng.uniform(0, 50))), name)
        if hour_of_day == 3:  # noqa: PLR2004 - when nobody looks
            self._purge(begin.plus(timedelta(minutes=self._rng.uniform(0, 50))))

    def _tell(  # noqa: PLR0913 - see imagine
        self,
        action: Action,
        at: Instant,
        repository: str,
        *,
        tag: str | None,
        digest: str,
        client: str,
        media_type: str = OCI_MANIFEST,
        size: int | None = None,
    ) -> Instant:
        """Add one happening; returns when the client is ready for the next."""
        happening = imagine(
            self._rng,
            action,
            registry=self._registry,
            repository=repository,
            tag=tag,
            digest=digest,
            media_type=media_type,
            size=size,
            occurred_at=stamp(self._rng, at, action),
            client=client,
            region="westeurope",
        )
        self.told.append((at, happening))
        return at.plus(timedelta(seconds=self._rng.uniform(0.2, 2)))

    def _commit(self, at: Instant, repository: str, *, quarantined: bool = False) -> Instant:
        digest, tag, size = new_digest(self._rng), new_commit_tag(self._rng), self._rng.randint(1200, 3600)
        if quarantined:
            self._tell("quarantine", at, repository, tag=tag, digest=digest, client=_DOCKER, size=size)
            at = at.plus(timedelta(seconds=self._rng.uniform(20, 60)))
        at = self._tell("push", at, repository, tag=tag, digest=digest, client=_DOCKER, size=size)
        if repository in self._mains:
            self._left_behind.append((repository, self._mains[repository][0]))
        self._mains[repository] = digest, size
        return self._tell("push", at, repository, tag="main", digest=digest, client=_DOCKER, size=size)

    def _release(self, at: Instant) -> None:
        repository = self._rng.choice(_SERVICES)
        if repository not in self._mains:
            at = self._commit(at, repository)
        digest, size = self._mains[repository]
        self._kept.add(digest)
        version = f"v{self._next_version(repository)}"
        for tag in (version, "latest"):
            at = self._tell("push", at, repository, tag=tag, digest=digest, client=_DOCKER, size=size)

    def _chart(self, at: Instant) -> None:
        repository = self._rng.choice(_CHARTS)
        version = self._next_version(repository)
        self._tell("push", at, repository, tag=version, digest=new_digest(self._rng), client=_HELM)

    def _base_image(self, at: Instant, repository: str) -> None:
        for _platform in ("linux/amd64", "linux/arm64"):
            at = self._tell("push", at, repository, tag=None, digest=new_digest(self._rng), client=_BUILDKIT)
        index, size = new_digest(self._rng), self._rng.randint(700, 900)
        version = "3.12-slim" if repository == "base/python" else "22-slim"
        for tag in (version, "latest"):
            at = self._tell(
                "push",
                at,
                repository,
                tag=tag,
                digest=index,
                client=_BUILDKIT,
                media_type=OCI_INDEX,
                size=size,
            )

    def _purge(self, at: Instant) -> None:
        client = self._rng.choice((_PURGE, _PURGE, _PORTAL))
        doomed = [entry for entry in self._left_behind if entry[1] not in self._kept][:20]
        self._left_behind.clear()
        for repository, digest in doomed:
            at = self._tell("delete", at, repository, tag=None, digest=digest, client=client)

    def _next_version(self, repository: str) -> str:
        version = self._versions[repository]
        version[2] += 1
        if self._rng.random() < 0.3:  # noqa: PLR2004 - three releases in ten bring something new
            version[1:] = [version[1] + 1, 0]
        return ".".join(map(str, version))
