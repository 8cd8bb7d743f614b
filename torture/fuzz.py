"""Mutated payloads through the hook: `python -m torture.fuzz --seed 1 --count 200000`.

Real payloads are changed as a broken or hostile sender might: values of other types, missing and surplus members, cut,
flipped and repeated bytes, deep nesting, absurd numbers. Whatever comes, the app answers what the documentation says it
answers (never 5xx), in time, without its memory growing, and has every body that it refused, byte for byte.
"""

import asyncio
import json
import random
import resource
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import azure.functions as func
import httpx
import typer
from rich.progress import track

from registrail.compose import UseCases, use_cases
from registrail.functions import hooks
from registrail.local.host import host
from registrail.settings import Settings
from registrail.storage.sqlite import SqliteStore

PAYLOADS = Path(__file__).parents[1] / "tests" / "payloads"
SLOW_SECONDS = 2.0
_ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 2**31, 2**63, 2**200, 1.5, 1e308, "", " ", "\x00", "\ud800", "é", "\u202eabc", "😀" * 50,
    "x" * 5000, "<script>alert(1)</script>", "=cmd()", "../../etc", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z",
    "2026-02-30T00:00:00Z",
    [], {}, [[]], {"": ""}, ["a"] * 50,
)  # fmt: skip
_TRASH: tuple[bytes, ...] = (
    b"", b"\x00", b"\xff\xfe", b"NaN", b"[" * 100_000, b'{"a":' * 50_000, b"9" * 5000, b'{"events": NaN}',
    b"null", b"[]", b'"text"', b"\xef\xbb\xbf{}", b'{"action": "push"}', b'{"action":"push","action":1}',
)  # fmt: skip


def bodies(rng: random.Random, count: int) -> Iterator[tuple[str, bytes]]:
    """Senders and what they send."""
    originals = [(path.parent.name, path.read_bytes()) for path in sorted(PAYLOADS.glob("*/*-input.json"))]
    for _ in range(count):
        sender, original = rng.choice(originals)
        # Some payloads come to the wrong hook.
        sender = sender if rng.random() < 0.9 else rng.choice(["acr", "eventgrid", "distribution", "harbor"])
        kind = rng.random()
        if kind < 0.02:
            yield sender, rng.choice(_TRASH)
        elif kind < 0.35:
            yield sender, _bytes(rng, original)
        else:
            value = json.loads(original)
            for _ in range(rng.randint(1, 4)):
                value = _tree(rng, value)
            yield sender, json.dumps(value).encode()


def _bytes(rng: random.Random, body: bytes) -> bytes:
    """Cut, flip, repeat or insert bytes."""
    changed = bytearray(body)
    for _ in range(rng.randint(1, 5)):
        at = rng.randrange(len(changed) + 1)
        match rng.randrange(4):
            case 0:
                del changed[at:]
            case 1 if at < len(changed):
                changed[at] = rng.randrange(256)
            case 2:
                changed[at:at] = changed[at : at + rng.randrange(50)]
            case _:
                changed[at:at] = rng.randbytes(rng.randrange(5))
    return bytes(changed)


def _tree(rng: random.Random, value: Any) -> Any:
    """Change one place in a JSON value."""
    if isinstance(value, dict) and value and rng.random() < 0.85:
        name = rng.choice(list(value))
        if rng.random() < 0.15:
            return {key: one for key, one in value.items() if key != name}
        if rng.random() < 0.1:
            return value | {rng.choice(["", "x" * 300, "action", "target", "é"]): rng.choice(_ODD)}
        return value | {name: _tree(rng, value[name])}
    if isinstance(value, list) and value and rng.random() < 0.85:
        at = rng.randrange(len(value))
        return [*value[:at], _tree(rng, value[at]), *value[at + 1 :]]
    return rng.choice(_ODD)


async def fuzz(app: UseCases, supply: Iterator[tuple[str, bytes]]) -> tuple[Counter[int], list[str]]:
    """Send everything; how often each status was answered, and what was wrong."""
    functions = func.FunctionApp()
    functions.register_functions(hooks.blueprint(app.ingest))
    served = host(functions, route_prefix="")
    statuses: Counter[int] = Counter()
    wrong: list[str] = []
    transport = httpx.ASGITransport(served, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://fuzz") as client:
        for sender, body in supply:
            begin = time.perf_counter()
            response = await client.post(f"/hooks/{sender}", content=body)
            seconds = time.perf_counter() - begin
            statuses[response.status_code] += 1
            if seconds > SLOW_SECONDS:
                wrong.append(f"{sender}: {seconds:.1f} s for {body[:200]!r}")
            if response.status_code not in {200, 400, 413}:
                wrong.append(f"{sender}: {response.status_code} for {body[:500]!r}")
            elif response.status_code == 400 or (response.content and "rejected" in response.json()):
                logged = await app.query.delivery(response.json()["delivery"])
                if logged is None or logged.body != body:
                    wrong.append(f"{sender}: the log does not have {body[:200]!r}")
    return statuses, wrong


def main(
    seed: Annotated[int, typer.Option(help="Another seed, other payloads.")] = 1,
    count: Annotated[int, typer.Option(help="How many payloads.")] = 200_000,
) -> None:
    """Send mutated payloads through the hook, and say how it went."""
    typer.echo(asyncio.run(_report(seed, count)))


async def _report(seed: int, count: int) -> str:
    rng = random.Random(seed)  # noqa: S311 - nothing secret
    statuses: Counter[int] = Counter()
    wrong: list[str] = []
    memory = 0
    batch = min(count, 5_000)
    for number in track(range(0, count, batch), "fuzzing"):
        store = SqliteStore(":memory:")
        answered, found = await fuzz(use_cases(store, Settings()), bodies(rng, min(batch, count - number)))
        await store.close()
        statuses += answered
        wrong += found
        memory = memory or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    growth = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / memory
    for line in wrong[:20]:
        typer.echo(line)
    told = ", ".join(f"{number:,} answered {status}" for status, number in sorted(statuses.items()))
    passed = not wrong and growth < 1.5
    verdict = f"fuzz: {count:,} payloads, {told}, {len(wrong)} wrong, memory times {growth:.2f}, seed {seed}"
    if not passed:
        sys.exit(f"{verdict}: FAILED")
    return f"{verdict}: PASSED"


if __name__ == "__main__":
    typer.run(main)
