"""What `registrail send` says when it is done."""

import statistics

import httpx

from registrail.local.delivery import Answer, Tally
from registrail.local.send_options import Delivery
from registrail.local.simulate import Happening


def figures(tally: Tally) -> dict[str, object]:
    """The machine-readable summary; latencies are of accepted deliveries, from the first try on."""
    rate = tally.sent / tally.seconds if tally.seconds else 0.0
    milliseconds = sorted(latency * 1000 for latency in tally.latencies)
    latency = None
    if milliseconds:
        centiles = statistics.quantiles([*milliseconds, milliseconds[-1]], n=100, method="inclusive")
        latency = {name: round(centiles[at - 1], 3) for name, at in (("p50", 50), ("p95", 95), ("p99", 99))}
    return {
        "sent": tally.sent,
        "accepted": tally.accepted,
        "failed": tally.failed,
        "seconds": round(tally.seconds, 3),
        "events_per_second": round(rate, 1),
        "latency_ms": latency,
    }


def summary(tally: Tally, last: list[Happening]) -> str:
    """One line; of a single event also what it was, so that it can be looked up."""
    line = f"sent {tally.sent}, accepted {tally.accepted}, failed {tally.failed}"
    if tally.sent > 1:
        return f"{line}, {figures(tally)['events_per_second']} events/s"
    names = "".join(
        f"{separator}{value}"
        for happening in last
        for separator, value in (("/", happening.repository), (":", happening.tag), ("@", happening.digest))
        if value and happening.action != "ping"
    )
    return f"{line}: {last[0].action} {last[0].registry}{names}" if last else line


def advice(failure: Answer, delivery: Delivery) -> str:
    """One line: what went wrong with the first delivery that failed, and what to do next."""
    where = delivery.topic or delivery.to
    key = "--topic-key or `az login`" if delivery.topic else "--key or REGISTRAIL_KEY"
    status, problem = failure.status, failure.problem or "no reason given"
    if status is None:
        remedy = (
            "check the address" if delivery.topic else "start the app with `make run`, or give its address with --to"
        )
        return f"Nobody answers at {where} ({problem}): {remedy}."
    remedies: dict[int, str] = {
        401: f"give the right key with {key}",
        403: f"give a key that may do this with {key}",
        404: "give the app's base address with --to, such as http://localhost:7071",
        413: "send less at once, or raise REGISTRAIL_MAX_BODY_BYTES",
        429: "send more slowly with --rate, or let --retry try again",
    }
    remedy = remedies.get(status) or (
        "look at the app's log, and try again or let --retry do so"
        if status >= httpx.codes.INTERNAL_SERVER_ERROR
        else "correct the event; the app's list of deliveries shows what it could not read"
    )
    return f"{where} answered {status} ({problem}): {remedy}."
