"""`registrail replay`: take logged requests once more."""

from collections.abc import Iterator
from typing import Annotated, Any, NoReturn

import httpx
import typer
from rich.console import Console
from rich.progress import track

_PAGE = 200


def replay(  # noqa: PLR0913 - one for each option
    *,
    deliveries: Annotated[
        list[str] | None, typer.Argument(help="Ids of deliveries; else those that the options name.")
    ] = None,
    to: Annotated[str, typer.Option(help="The app's address.")] = "http://localhost:7071",
    sender: Annotated[str | None, typer.Option(help="Only of this sender.")] = None,
    outcome: Annotated[str | None, typer.Option(help="Only these: accepted, ignored, rejected or failed.")] = None,
    since: Annotated[str | None, typer.Option(help="Received since then: RFC 3339, or an age such as 24h.")] = None,
    until: Annotated[str | None, typer.Option(help="Received before then.")] = None,
) -> None:
    """Take logged requests once more, as if they came when they came.

    Nothing is stored twice, so this is always safe: after an upgrade that understands what was rejected before, or
    after the store was out of order.

    For instance:

        registrail replay --outcome rejected --since 7d

        registrail replay acr~2516068130002212219~16cd26939f51
    """
    wanted = {"sender": sender, "outcome": outcome, "since": since, "until": until}
    console = Console(stderr=True)
    found: list[str] = []
    outcomes: dict[str, int] = {}
    try:
        with httpx.Client(base_url=to, timeout=60, trust_env=False) as client:
            found = deliveries or [item["id"] for item in _logged(client, {k: v for k, v in wanted.items() if v})]
            for delivery in track(found, "replaying", console=console, disable=not console.is_terminal):
                result = _json(client.post(f"/api/deliveries/{delivery}/replay"))["outcome"]
                outcomes[result] = outcomes.get(result, 0) + 1
    except httpx.TransportError as error:
        _stop(f"Nobody answers at {to} ({error}): start the app with `make run`, or give its address with --to.")
    except httpx.HTTPStatusError as error:
        _stop(f"{to} answers {error.response.status_code}: {_problem(error.response)}")
    counted = ", ".join(f"{number} {name}" for name, number in sorted(outcomes.items())) or "nothing to replay"
    typer.echo(f"replayed {len(found)}: {counted}" if outcomes else counted)
    if outcomes.keys() & {"rejected", "failed"}:
        raise typer.Exit(1)


def _logged(client: httpx.Client, wanted: dict[str, str]) -> Iterator[dict[str, Any]]:
    """All deliveries that are wanted, newest first."""
    cursor: str | None = None
    while True:
        parameters = wanted | {"limit": str(_PAGE)} | ({"cursor": cursor} if cursor else {})
        page = _json(client.get("/api/deliveries", params=parameters))
        yield from page["items"]
        cursor = page["next"]
        if cursor is None:
            return


def _json(response: httpx.Response) -> dict[str, Any]:
    answer: dict[str, Any] = response.raise_for_status().json()
    return answer


def _problem(response: httpx.Response) -> str:
    try:
        return str(response.json()["detail"])
    except (ValueError, LookupError, TypeError):
        return response.reason_phrase


def _stop(line: str) -> NoReturn:
    typer.echo(line, err=True)
    raise typer.Exit(1)
