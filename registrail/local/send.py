"""`registrail send`: be a registry, and tell Registrail (or a topic) what happened."""

import asyncio
import json
import random
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import IO

import httpx
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

from registrail.instants import Instant
from registrail.local.delivery import Answer, Channel, Hook, Pace, Tally, deliver
from registrail.local.dialects import Dialect, UntellableError, render
from registrail.local.send_options import Content, Delivery, command
from registrail.local.send_report import advice, figures, summary
from registrail.local.simulate import Action, Happening, imagine, new_commit_tag, new_repository, stamp

RETRY_FOR = 300.0
"""Seconds for which `--retry` goes on with one delivery; Event Grid does for a day."""

app = typer.Typer(name="send", no_args_is_help=True)


@app.callback()
def send() -> None:
    """Be a registry: make up events and deliver them as a real sender does.

    What you do not give is made up. With --count, every event gets ids, a digest and a time of its own (a
    microsecond apart at least) and keeps what you gave: a --tag moves with each push, a --digest stays.

    Each command shows all its options, e.g. registrail send push --help.

    For instance:

        registrail send push

        registrail send push --repository team/app --tag v1 --as eventgrid

        registrail send push --count 10000 --rate 200/s --concurrency 16 --retry --log acknowledged.jsonl

        registrail send delete --repository team/app --digest sha256:… --to https://my-app.azurewebsites.net
    """


@command(app, "push")
def push(content: Content, delivery: Delivery) -> None:
    """Push a manifest, or move a tag to it.

    For instance:

        registrail send push --repository team/app --tag v1

        registrail send push --repository team/app --tag latest --digest sha256:…

        registrail send push --tag "" --count 3     (untagged, as the platforms of a multi-arch image)
    """
    _run("push", content, delivery)


@command(app, "delete", without=("size", "media_type"))
def delete(content: Content, delivery: Delivery) -> None:
    """Delete a manifest by its digest, or, in distribution's words, only a tag.

    Azure Container Registry and Event Grid report nothing when only a tag is deleted.

    For instance:

        registrail send delete --repository team/app --digest sha256:…

        registrail send delete --repository team/app --tag v1 --as distribution
    """
    _run("delete", content, delivery)


@command(app, "quarantine", without=("media_type", "client"))
def quarantine(content: Content, delivery: Delivery) -> None:
    """Put a pushed image into quarantine; only ACR's webhooks report that.

    For instance:

        registrail send quarantine --repository team/app --tag v1
    """
    _run("quarantine", content, delivery)


@command(app, "chart-push", without=("media_type", "client"))
def chart_push(content: Content, delivery: Delivery) -> None:
    """Push a legacy Helm chart; --tag is its version. Helm 3 charts in OCI form are an ordinary push.

    For instance:

        registrail send chart-push --repository charts/web --tag 1.4.0
    """
    _run("chart_push", content, delivery)


@command(app, "chart-delete", without=("media_type", "client"))
def chart_delete(content: Content, delivery: Delivery) -> None:
    """Delete a legacy Helm chart; --tag is its version.

    For instance:

        registrail send chart-delete --repository charts/web --tag 1.4.0
    """
    _run("chart_delete", content, delivery)


@command(app, "ping", without=[name for name in Content.__slots__ if name not in {"registry", "region"}])
def ping(content: Content, delivery: Delivery) -> None:
    """Try the way from a registry to Registrail, as "Ping" in the Azure portal does; nothing is recorded.

    For instance:

        registrail send ping --to https://my-app.azurewebsites.net --key "$KEY"
    """
    _run("ping", content, delivery)


def _run(action: Action, content: Content, delivery: Delivery) -> None:
    """Check what only the whole command line can tell, deliver, report; exit with 1 if anything failed."""
    dialect = delivery.dialect or (Dialect.EVENTGRID if delivery.topic else Dialect.ACR)
    if delivery.topic and dialect not in {Dialect.EVENTGRID, Dialect.CLOUDEVENTS}:
        message = "a topic takes eventgrid or cloudevents"
        raise typer.BadParameter(message, param_hint="--as")
    rng = random.Random(delivery.seed)  # noqa: S311 - a simulation, which should repeat
    try:
        render(next(happenings(random.Random(0), action, content)), dialect)  # noqa: S311 - thrown away
    except UntellableError as error:
        raise typer.BadParameter(f"{error}; see --help", param_hint="--as") from error
    source = happenings(rng, action, content)
    pace = Pace(rate=delivery.rate, concurrency=delivery.concurrency, retry_for=RETRY_FOR if delivery.retry else 0.0)
    last: list[Happening] = []
    with ExitStack() as stack:
        log = stack.enter_context(delivery.log.open("a", encoding="utf-8")) if delivery.log else None
        progress = stack.enter_context(_progress(delivery.count))
        task = progress.add_task(action, total=delivery.count)

        def heard(happening: Happening, answer: Answer) -> None:
            progress.advance(task)
            last[:] = [happening]
            if log is not None and answer.status == httpx.codes.OK:
                _write(log, happening, answer)

        async def go() -> Tally:
            async with _channel(delivery, dialect) as channel:
                return await deliver(delivery.count, lambda: next(source), channel, pace, heard=heard)

        tally = asyncio.run(go())
    typer.echo(json.dumps(figures(tally)) if delivery.json else summary(tally, last))
    if tally.failure is not None:
        typer.echo(advice(tally.failure, delivery), err=True)
        raise typer.Exit(1)


def happenings(rng: random.Random, action: Action, content: Content) -> Iterator[Happening]:
    """Without end: what the command line asks for, each with ids, a digest and a time of its own.

    The time is `--at` and then a microsecond later each, or the clock's, a microsecond apart at least.
    """
    at = None if content.at is None else Instant.parse(content.at)
    previous = None
    while True:
        now = at if at is not None else Instant.from_datetime(datetime.now(UTC))
        if previous is not None:
            later = previous.plus(timedelta(microseconds=1))
            now = later if at is not None else max(now, later)
        occurred_at = content.at if content.at is not None and previous is None else stamp(rng, now, action)
        tag = content.tag
        if tag is None and action in {"push", "quarantine"}:
            tag = new_commit_tag(rng)
        yield imagine(
            rng,
            action,
            registry=content.registry,
            repository=content.repository or new_repository(rng, action),
            tag=tag or None,
            digest=content.digest,
            media_type=content.media_type,
            size=content.size,
            occurred_at=occurred_at,
            client=content.client,
            actor=content.actor,
            region=content.region,
        )
        previous = now


@asynccontextmanager
async def _hook(delivery: Delivery, dialect: Dialect) -> AsyncIterator[Channel]:
    """Open connections to the app; an answer may take 30 s, as long as Event Grid waits."""
    limits = httpx.Limits(max_connections=delivery.concurrency)
    async with httpx.AsyncClient(timeout=30, limits=limits) as client:
        yield Hook(client=client, base_url=delivery.to, dialect=dialect, key=delivery.key)


def _channel(delivery: Delivery, dialect: Dialect) -> AbstractAsyncContextManager[Channel]:
    if delivery.topic is None:
        return _hook(delivery, dialect)
    from registrail.local import topic  # noqa: PLC0415 - the Azure SDK is slow to import

    return topic.opened(delivery.topic, delivery.topic_key, dialect)


def _progress(count: int) -> Progress:
    return Progress(
        "{task.description}",
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        disable=count == 1 or not sys.stderr.isatty(),
        transient=True,
    )


def _write(log: IO[str], happening: Happening, answer: Answer) -> None:
    """Append what was acknowledged, at once, so that it is there whatever happens next."""
    told = asdict(happening)
    names = ("event_id", "registry", "repository", "action", "tag", "digest", "occurred_at")
    log.write(json.dumps({name: told[name] for name in names} | {"delivery": answer.delivery}) + "\n")
    log.flush()
