"""The logical pushes of a made-up month are those of the independent reading of docs/history.md."""

import random
from typing import Any

import pytest

from bench.oracle.answers import Oracle
from bench.year import REGIONS, year
from registrail.pushes import Push, fold


@pytest.mark.parametrize("seed", range(1, 6))
def test_pushes_are_those_of_the_oracle(seed: int) -> None:
    """Each with all its fields, in whatever order the events are read."""
    oracle = Oracle.told(year(events=4000, repositories=6, days=12, seed=seed, regions=REGIONS if seed % 2 else ()))
    shuffled = random.Random(seed).sample(oracle.recorded, len(oracle.recorded))  # noqa: S311 - a test, which should repeat
    expected = {item["id"]: item for item in oracle.pushes()}
    assert {push.id: _item(push) for push in fold(shuffled)} == expected


def _item(push: Push) -> dict[str, Any]:
    event = push.event.event
    return {
        "id": push.id,
        "registry": event.registry,
        "repository": event.repository,
        "at": push.at.isoformat(),
        "began_at": push.began_at.isoformat(),
        "ended_at": push.ended_at.isoformat(),
        "digest": push.digest,
        "tags": sorted(push.tags),
        "media_type": push.media_type,
        "actor": event.actor,
        "client": event.client,
        "events": len(push.members),
        "parts": [
            {"digest": part.digest, "media_type": part.media_type, "size": part.size, "at": part.at.isoformat()}
            for part in push.parts
        ],
        "referrers": [
            {"kind": one.kind, "tag": one.tag, "digest": one.digest, "at": one.at.isoformat()} for one in push.referrers
        ],
        "layers": push.layers,
        "regions": {name: when.isoformat() for name, when in push.event.regions.items()},
    }
