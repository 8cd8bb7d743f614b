"""What one run does, as a function of its seed. Pure."""

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from typing import Final

from registrail.dossier import PUSHES_KEPT
from registrail.instants import Instant
from registrail.local.simulate import Action, Happening, imagine, new_digest, stamp
from torture.faults import EVERY_FAULT, Weather

BEGIN: Final = Instant.parse("2024-02-28T23:48:00Z")
"""Most events lie in the 25 minutes from here: across an hour, a day and the edge of a leap day."""

MOST_IN_ARRAY: Final = 50
_ACTIONS: Final[tuple[Action, ...]] = ("push", "delete", "quarantine", "chart_push", "chart_delete")


class Engine(StrEnum):
    """Where a run's data is kept."""

    SQLITE = "sqlite"
    AZURITE = "azurite"


class Channel(StrEnum):
    """A way into the app."""

    ACR = "acr"
    EVENTGRID = "eventgrid"
    CLOUDEVENTS = "cloudevents"
    DISTRIBUTION = "distribution"
    TRIGGER = "trigger"
    """The Event Grid trigger instead of the hook."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """Happenings of one registry that are told in one request."""

    channel: Channel
    happenings: tuple[Happening, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kill:
    """Kill a host when so many deliveries have been acknowledged, and start it again after a while."""

    after: int
    host: int
    hold: float
    restart: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One run.

    Attributes:
        sequence: the deliveries, in the order in which they are begun.
        concurrency: deliveries under way at once.
        folds_only: whether the end is left to the timer function, without a reader that hurries it.
    """

    seed: int
    engine: Engine
    hosts: int
    weather: Weather
    sequence: tuple[Delivery, ...]
    kills: tuple[Kill, ...]
    concurrency: int
    folds_only: bool

    @property
    def happenings(self) -> list[Happening]:
        """All that is told, as often as it is told."""
        return [happening for delivery in self.sequence for happening in delivery.happenings]


def plan(seed: int, events: int, engine: Engine | None = None, hosts: int | None = None) -> Plan:
    """Make up a run with `events` different events; what is not given is chosen."""
    rng = random.Random(seed)  # noqa: S311 - a simulation, which should repeat
    chosen = rng.choice(list(Engine))
    engine = engine or chosen
    # Seeds take turns: of any three in a row, one has three hosts.
    hosts = hosts or (3 if seed % 3 == 0 else 1)
    sequence = tuple(_sequence(rng, _happenings(rng, events)))
    return Plan(
        seed=seed,
        engine=engine,
        hosts=hosts,
        weather=_weather(rng),
        sequence=sequence,
        kills=tuple(_kills(rng, len(sequence), hosts)),
        concurrency=rng.choice((4, 16, 32)),
        folds_only=rng.random() < 0.3,
    )


def _weather(rng: random.Random) -> Weather:
    """Mostly a few faults of all kinds; sometimes many of one kind, sometimes the service is away for a while."""
    kinds = EVERY_FAULT if rng.random() < 0.7 else tuple(rng.sample(EVERY_FAULT, 2))
    outages: list[tuple[float, float]] = []
    if rng.random() < 0.3:
        begin = rng.uniform(1, 4)
        outages.append((begin, begin + rng.choice((1.0, 3.0, 25.0))))
    return Weather(rate=rng.choice((0.02, 0.1, 0.1, 0.3)), kinds=kinds, outages=tuple(outages))


def _kills(rng: random.Random, deliveries: int, hosts: int) -> Iterator[Kill]:
    moments = sorted(rng.randint(1, max(1, deliveries - 1)) for _ in range(rng.randint(1, 2 + hosts)))
    for moment in moments:
        yield Kill(
            after=moment, host=rng.randrange(hosts), hold=rng.uniform(0, 0.1), restart=rng.choice((0.0, 0.5, 1.5))
        )


def _happenings(rng: random.Random, count: int) -> Iterator[Happening]:
    registries = [f"{name}.azurecr.io" for name in ("alpha", "beta", "gamma")[: rng.randint(1, 3)]]
    # Above 49 repositories in a fold, its counts do not fit into one transaction.
    repositories = [f"team/app-{number}" for number in range(rng.choice((1, 3, 20, 150)))]
    # Few tags and digests, so that tags move, come back, and late events change what later ones did.
    tags = [f"v{number}" for number in range(rng.choice((3, 8, 40)))]
    digests = [new_digest(rng) for _ in range(rng.choice((3, 6)))]
    told: Counter[tuple[str, str, str]] = Counter()
    previous = BEGIN
    for _ in range(count):
        action = rng.choices(_ACTIONS, (74, 18, 3, 3, 2))[0]
        at = BEGIN.plus(timedelta(seconds=rng.uniform(0, 1500)))
        if rng.random() < 0.15:  # late, by hours
            at = at.plus(-timedelta(hours=rng.uniform(1, 30)))
        if rng.random() < 0.1:  # at the same instant as another one
            at = previous
        previous = at
        registry, repository = rng.choice(registries), rng.choice(repositories)
        tag = rng.choice(tags) if action in {"push", "quarantine"} and rng.random() < 0.9 else None
        digest = rng.choice(digests) if rng.random() < 0.7 else None
        if digest is not None:
            told[registry, repository, digest] += 1
            # What came before a late delete is known exactly as long as all pushes of its digest are remembered.
            digest = digest if told[registry, repository, digest] <= PUSHES_KEPT else None
        if action == "delete" and rng.random() < 0.3:  # only a tag
            tag, digest = rng.choice(tags), None
        happening = imagine(
            rng,
            action,
            registry=registry,
            repository=repository,
            tag=tag,
            digest=digest,
            occurred_at=stamp(rng, at, action),
            region=rng.choice((None, "westeurope", "eastus")),
        )
        whole = action == "delete" and tag is None and rng.random() < 0.1  # a whole repository
        yield replace(happening, digest=None) if whole else happening


def channels(happening: Happening) -> list[Channel]:
    """The ways in which a happening can be told; first the hooks for one, if any knows it."""
    if happening.action == "quarantine":
        return [Channel.ACR]
    if happening.action == "delete" and happening.digest is None:
        return [Channel.DISTRIBUTION]
    ways = [Channel.ACR, Channel.EVENTGRID, Channel.CLOUDEVENTS]
    # A chart names no registry: only `?registry=` of a hook does.
    return ways if happening.chart else [*ways, Channel.DISTRIBUTION, Channel.TRIGGER]


def _sequence(rng: random.Random, happenings: Iterator[Happening]) -> list[Delivery]:
    """Put happenings into deliveries, some in arrays, some over two channels, some twice; shuffle."""
    # One channel for all that can go there makes long arrays; else there are many short ones.
    favourite = rng.choice((None, Channel.EVENTGRID, Channel.CLOUDEVENTS))
    waiting: dict[tuple[str, Channel], list[Happening]] = {}
    sequence: list[Delivery] = []
    for happening in happenings:
        ways = channels(happening)
        way = favourite if favourite in ways else rng.choice(ways)
        if way is Channel.ACR or rng.random() < 0.5:
            sequence.append(Delivery(channel=way, happenings=(happening,)))
        else:
            waiting.setdefault((happening.registry, way), []).append(happening)
        if rng.random() < 0.15:
            sequence.append(Delivery(channel=rng.choice(ways), happenings=(happening,)))
    for (_, way), together in waiting.items():
        sequence += [Delivery(channel=way, happenings=part) for part in _parts(rng, together)]
    rng.shuffle(sequence)
    return sequence


def _parts(rng: random.Random, happenings: Sequence[Happening]) -> Iterator[tuple[Happening, ...]]:
    start = 0
    while start < len(happenings):
        size = rng.randint(2, MOST_IN_ARRAY)
        yield tuple(happenings[start : start + size])
        start += size
