"""What the made-up registry of `bench.year` consists of: repositories with their tags, images, and people's hands."""

import itertools
import random
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from registrail.events import RegistryEvent
from registrail.instants import TICKS_PER_SECOND, Instant

OCI_MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX: Final = "application/vnd.oci.image.index.v1+json"
HELM_CHART: Final = "application/vnd.acr.helm.chart"

_TEAMS: Final = ("team", "payments", "data", "web", "prod")
_KEPT_IMAGES: Final = 200


class Hand(NamedTuple):
    """Who does something, with what, from where."""

    actor: str | None
    client: str | None
    address: str | None


class Image(NamedTuple):
    """A manifest or an index."""

    digest: str
    media_type: str
    size: int


PURGE: Final = Hand("purge", "acr-cli/0.14", None)
PORTAL: Final = Hand("admin", "AzureContainerRegistry-Portal/1.0", "203.0.113.9")
COSIGN: Final = Hand("signer", "cosign/v2.4.1 (linux; amd64)", "203.0.113.77")
HELM: Final = Hand(None, "Helm/3.16.2", "203.0.113.30")
_CLIENTS: Final = ("docker/27.3.1 go/go1.22.7", "buildkit/v0.17", "containers/5.32.2", "crane/v0.20.2")


@dataclass(slots=True)
class Repository:
    """A repository as its pushers know it.

    Attributes:
        hand: of its pipeline.
        images: the latest, oldest first.
        tags: what they point to, the latest last.
        charts: tags of charts that are there.
        unused: images that a tag left behind.
    """

    name: str
    hand: Hand
    images: list[Image] = field(default_factory=list)
    tags: dict[str, Image] = field(default_factory=dict)
    charts: list[tuple[str, Image]] = field(default_factory=list)
    unused: list[Image] = field(default_factory=list)
    _tags_of: dict[str, list[str]] = field(default_factory=dict)

    def keep(self, image: Image) -> None:
        """Take in a new image."""
        self.images.append(image)
        if len(self.images) > 2 * _KEPT_IMAGES:
            del self.images[:_KEPT_IMAGES]

    def point(self, tag: str, image: Image) -> None:
        """Let a tag point to an image."""
        before = self.tags.pop(tag, image)
        if before.digest != image.digest:
            self.unused.append(before)
        self.tags[tag] = image
        self._tags_of.setdefault(image.digest, []).append(tag)

    def tags_of(self, image: Image) -> list[str]:
        """The tags that point to an image."""
        tags = dict.fromkeys(self._tags_of.get(image.digest, ()))
        return [tag for tag in tags if tag in self.tags and self.tags[tag].digest == image.digest]

    def forget(self, image: Image) -> None:
        """Let an image go, and the tags that point to it."""
        for tag in self.tags_of(image):
            del self.tags[tag]
        self._tags_of.pop(image.digest, None)
        if image in self.images:
            self.images.remove(image)

    def clear(self) -> None:
        """Let everything go."""
        for everything in (self.images, self.tags, self.charts, self.unused, self._tags_of):
            everything.clear()


class Happening(NamedTuple):
    """An event, and when it was even if it does not say so itself; `sender` is who tells it first."""

    event: RegistryEvent
    ticks: int
    sender: str


class Stage:
    """Where scenes play: knows the time, and notes what happens."""

    def __init__(self, rng: random.Random, registry: str, repositories: int) -> None:
        self.rng = rng
        self.registry = registry
        self.repositories = [self._repository(number) for number in range(repositories)]
        self.ticks = 0
        self.noted: list[Happening] = []
        weight = 0.0
        self._popularity = [weight := weight + 1 / rank for rank in range(1, repositories + 1)]

    def _repository(self, number: int) -> Repository:
        actor = f"ci-{_TEAMS[number % len(_TEAMS)]}" if self.rng.random() < 0.8 else None
        hand = Hand(actor, self.rng.choice(_CLIENTS), f"198.51.100.{self.rng.randrange(12)}")
        return Repository(f"{_TEAMS[number % len(_TEAMS)]}/app-{number:02}", hand)

    def popular(self) -> Repository:
        """Any repository, the first ones far more often than the last."""
        return self.rng.choices(self.repositories, cum_weights=self._popularity)[0]

    def hand(self, repository: Repository) -> Hand:
        """Mostly the pipeline's, sometimes a developer's."""
        if self.rng.random() < 0.85:
            return repository.hand
        return Hand(f"dev-{self.rng.randrange(9)}", self.rng.choice(_CLIENTS), None)

    def image(self, media_type: str = OCI_MANIFEST) -> Image:
        """A new one."""
        return Image(f"sha256:{self.rng.getrandbits(256):064x}", media_type, self.rng.randrange(400, 4000))

    def new_id(self) -> str:
        """A GUID."""
        digits = f"{self.rng.getrandbits(128):032x}"
        return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"

    def rest(self) -> None:
        """Let a moment pass: mostly a second or two, sometimes as long as a push may rest, or longer."""
        chance = self.rng.random()
        if chance < 0.005:
            self.ticks += 30 * TICKS_PER_SECOND
        elif chance < 0.02:
            self.ticks += self.rng.randrange(30 * TICKS_PER_SECOND, 90 * TICKS_PER_SECOND)
        else:
            self.ticks += self.rng.randrange(TICKS_PER_SECOND // 5, 2 * TICKS_PER_SECOND)

    def note(  # noqa: PLR0913 - as many as an event has sides
        self,
        action: str,
        repository: Repository,
        hand: Hand,
        *,
        tag: str | None = None,
        digest: str | None = None,
        media_type: str | None = None,
        size: int | None = None,
        request_id: str | None = None,
        dated: bool = True,
        sender: str = "acr",
    ) -> None:
        """Something happens now."""
        event = RegistryEvent(
            action=action,
            registry=self.registry,
            repository=repository.name,
            tag=tag,
            digest=digest,
            occurred_at=Instant(self.ticks) if dated else None,
            event_id=self.new_id(),
            request_id=request_id or self.new_id(),
            method="DELETE" if action in {"delete", "chart_delete"} else "PUT",
            address=hand.address,
            client=hand.client,
            actor=hand.actor,
            media_type=media_type,
            size=size,
        )
        self.noted.append(Happening(event, self.ticks, sender))

    def push(self, repository: Repository, hand: Hand, image: Image, tag: str | None = None) -> None:
        """An image is pushed, and a moment passes."""
        self.note("push", repository, hand, tag=tag, digest=image.digest, media_type=image.media_type, size=image.size)
        if tag is not None:
            repository.point(tag, image)
        self.rest()

    def ci_tag(self) -> str:
        """A tag as pipelines make them of a commit."""
        return f"sha-{self.rng.getrandbits(40):010x}"

    def some_image(self) -> tuple[Repository, Image]:
        """A rather recent image; a new one where there is none."""
        repository = self.popular()
        if not repository.images:
            image = self.image()
            self.push(repository, repository.hand, image, self.ci_tag())
            repository.keep(image)
        return repository, repository.images[-1 - min(int(self.rng.expovariate(0.2)), len(repository.images) - 1)]

    def tagged(self) -> tuple[Repository, str, Image]:
        """One of the latest tags."""
        repository, image = self.some_image()
        if not repository.tags:
            self.push(repository, repository.hand, image, "latest")
        tag = self.rng.choice(list(itertools.islice(reversed(repository.tags), 50)))
        return repository, tag, repository.tags[tag]
