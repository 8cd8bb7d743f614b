"""What the pages are looked at with: the same ten days of a registry each time, and names that nobody expects."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from bench.fill import fill
from bench.year import REGIONS, Told, year
from registrail.events import Arrival, RegistryEvent
from registrail.instants import TICKS_PER_SECOND, Instant
from registrail.query import DeleteFilter, DeliveryFilter, PushFilter
from registrail.senders.sender import Request
from registrail.web.rendering import link
from tests.browser.serving import Site

NOON: Final = Instant.parse("2026-06-15T12:00:00Z")
REGISTRY: Final = "contoso.azurecr.io"
DAYS: Final = 10
EVENTS: Final = 1_500
DELIVERIES: Final = 30
APP: Final = "team/shop"
"""The repository whose story is told below, for pages and pictures that want one."""

LONG: Final = "a" * 120 + "-" + "b" * 134
"""255 characters, which names may have; tags may have 128."""
STRANGE: Final = (
    LONG,
    "<script>alert(1)</script>",
    "\u05e9\u05d7\u05e8\u05d5\u05e8-1.0",
    "\u0625\u0635\u062f\u0627\u0631-\u0662",
    "\U0001f680-\U0001f468\u200d\U0001f469\u200d\U0001f467",
    "\u202egnp.exe",
    "{{7*7}}",
    "two  spaces",
)
STRANGE_REPOSITORY: Final = "strange/" + "r" * 247

_AGENTS: Final = {"acr": "AzureContainerRegistry/1.0", "distribution": "Go-http-client/1.1"}


@dataclass(frozen=True, slots=True)
class Seeded:
    """A site that has something to show.

    Attributes:
        paths: of the pages, by their names.
    """

    site: Site
    paths: Mapping[str, str] = field(default_factory=dict)


def digest_of(name: str) -> str:
    """A digest that is the same each time."""
    return f"sha256:{hashlib.sha256(name.encode()).hexdigest()}"


@dataclass
class Ticking:
    """A clock that goes on by a millisecond and a half whenever somebody looks, until it is stopped."""

    now: Instant = NOON
    step: int = 3 * TICKS_PER_SECOND // 2_000

    def __call__(self) -> Instant:
        """Tell the time."""
        self.now = Instant(self.now.ticks + self.step)
        return self.now

    def stop(self, at: Instant) -> None:
        """Stand still from now on."""
        self.now, self.step = at, 0


def story() -> list[Told]:
    """A repository with a `latest` that moves, a release, a rollback, a signature and a delete."""
    told: list[Told] = []

    def happens(hours: float, action: str, image: str, tag: str | None = None, **said: Any) -> None:
        at = NOON.plus(timedelta(hours=-hours))
        event = RegistryEvent(
            action=action,
            registry=REGISTRY,
            repository=APP,
            tag=tag,
            digest=digest_of(image),
            occurred_at=at,
            event_id=f"shop-{len(told)}",
            request_id=f"shop-{hours}-{image}",
            **{
                "actor": "ci-shop",
                "client": "buildkit/v0.17",
                "media_type": "application/vnd.oci.image.manifest.v1+json",
                "size": 1_573,
                **said,
            },
        )
        for number, region in enumerate(REGIONS):
            arrival = Arrival(sender="acr", delivery=f"acr~shop-{len(told)}", received_at=_later(at, 1 + 3 * number))
            told.append(Told(_in_region(event, region), arrival))

    builds = ("one", "two", "three", "four", "five", "six")
    for number, image in enumerate(builds):
        happens(150 - 24 * number, "push", image, f"1.{number}.0")
        happens(149.9 - 24 * number, "push", image, "latest")
        if number % 2:
            happens(149 - 24 * number, "push", f"signature of {image}", digest_of(image).replace(":", "-") + ".sig")
    happens(100, "push", "three", "stable")
    happens(52, "push", "five", "stable", actor="dana", client="crane/v0.20.2")
    happens(51, "push", "three", "stable", actor="dana", client="crane/v0.20.2")
    happens(20, "delete", "two", actor="sam", client="AzureContainerRegistry-Portal/1.0", media_type=None, size=None)
    happens(2, "push", "six", "stable")
    return told


def strange() -> list[Told]:
    """Tags that somebody might push, some of which no registry would take."""
    return [
        Told(
            RegistryEvent(
                action="push",
                registry=REGISTRY,
                repository=STRANGE_REPOSITORY,
                tag=name[:128],
                digest=digest_of(f"strange {number}"),
                occurred_at=NOON.plus(timedelta(hours=-number - 1)),
                event_id=f"strange-{number}",
                request_id=f"strange-{number}",
                actor=name,
                client=name,
            ),
            Arrival(sender="acr", delivery=f"acr~strange-{number}", received_at=NOON),
        )
        for number, name in enumerate(STRANGE)
    ]


def busy(events: int = EVENTS) -> list[Told]:
    """Everything else that went on."""
    begin = NOON.plus(timedelta(days=-DAYS))
    told = year(events=events, repositories=8, seed=7, begin=begin, days=DAYS, registry=REGISTRY, regions=REGIONS)
    return [one for one in told if max(one.arrival.received_at, one.event.occurred_at or begin) < NOON]


def webhook(number: int = 0, *, at: Instant = NOON, action: str = "push", **target: Any) -> dict[str, Any]:
    """A body as a registry's webhook sends it."""
    return {
        "id": f"id-{number}",
        "timestamp": at.isoformat(),
        "action": action,
        "target": {
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "size": 1573,
            "repository": "team/site",
            "tag": f"v{number}",
            "digest": digest_of(f"site {number}"),
            **target,
        },
        "request": {"id": f"r-{number}", "host": REGISTRY, "method": "PUT", "useragent": "docker/27.3.1"},
    }


async def receive(site: Site, body: Mapping[str, Any] | bytes, sender: str = "acr") -> None:
    """Take in a webhook, delivery log and all."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"content-type": "application/json", "user-agent": _AGENTS[sender], "x-functions-key": "s3cret"}
    await site.app.ingest.receive(sender, Request(headers=headers, body=raw), path=f"/hooks/{sender}")


async def deliver(site: Site, clock: Ticking) -> None:
    """Have requests of senders in the log, the last one just now: most understood, some not, one a ping."""
    bodies: list[tuple[Mapping[str, Any] | bytes, str]] = []
    for number in range(DELIVERIES):
        at = NOON.plus(timedelta(minutes=3 * (number - DELIVERIES), seconds=-2))
        bodies.append((webhook(number, at=at), "acr"))
    bodies[7] = (b'{"action": "push", "target": ', "acr")
    bodies[-5] = ({"id": "ping", "timestamp": NOON.isoformat(), "action": "ping", "target": {}, "request": {}}, "acr")
    bodies[-9] = ({"events": [{"action": "push"}]}, "distribution")
    for number, (body, sender) in enumerate(bodies):
        clock.now = NOON.plus(timedelta(minutes=3 * (number - DELIVERIES)))
        await receive(site, body, sender)


async def seed(site: Site, clock: Ticking, *parts: Sequence[Told]) -> Seeded:
    """Fill a site whose clock this is, fold it, and tell where to look."""
    for told in parts or (busy(), story(), strange()):
        await fill(site.store, told)
    await deliver(site, clock)
    clock.stop(NOON)
    await site.app.summarize.fold_all()
    return Seeded(site, await paths(site))


async def paths(site: Site) -> Mapping[str, str]:
    """The pages of a site that knows the story."""
    query = site.app.query
    [deletion, *_] = (await query.history.deletions(REGISTRY, DeleteFilter(repository=APP), limit=1)).items
    [push, *_] = (await query.pushes(PushFilter(registry=REGISTRY, repository=APP), limit=1)).items
    [delivery, *_] = (await query.delivered(DeliveryFilter(), limit=1)).items
    of_app = {"registry": REGISTRY, "repository": APP}
    return {
        "overview": "/",
        "repositories": link("/repositories", registry=REGISTRY),
        "repository": link("/repository", **of_app),
        "repository-as-of": link("/repository", **of_app, at=NOON.plus(timedelta(days=-3)).isoformat()),
        "strange-repository": link("/repository", registry=REGISTRY, repository=STRANGE_REPOSITORY),
        "tag": link("/tag", **of_app, tag="latest"),
        "digest": link("/digest", registry=REGISTRY, digest=digest_of("three")),
        "deleted-digest": link("/digest", registry=REGISTRY, digest=digest_of("two")),
        "deletes": link("/deletes", registry=REGISTRY),
        "delete": link("/delete", registry=REGISTRY, event=deletion.event),
        "pushes": "/pushes",
        "push": link("/push", registry=REGISTRY, event=push.id),
        "events": "/events",
        "deliveries": "/deliveries",
        "delivery": link("/delivery", id=delivery.id),
        "replay": link("/delivery/replay", id=delivery.id),
        "set-up": "/set-up",
        "reference": "/api/docs",
    }


def _later(at: Instant, seconds: float) -> Instant:
    return Instant(at.ticks + int(seconds * TICKS_PER_SECOND))


def _in_region(event: RegistryEvent, region: str) -> RegistryEvent:
    return RegistryEvent(**{name: getattr(event, name) for name in event.__dataclass_fields__} | {"region": region})
