import json
import logging
from collections.abc import AsyncIterator
from typing import Annotated, Any, Final, get_args

import fastapi
import httpx
import pytest
from fastapi import FastAPI

from registrail.compose import UseCases
from registrail.ports import Outcome
from registrail.settings import Settings
from registrail.web.app import SECURITY_HEADERS, web_app

OUTCOMES: Final = f"one of {', '.join(get_args(Outcome))}"
TIME: Final = "a time such as 2026-01-31T12:00:00Z or an age such as 24h or 7d"


@pytest.fixture
def built(app: UseCases) -> FastAPI:
    """Make the app of a desk, with routes that have what ours have not."""
    made = web_app(app.query, app.ingest, Settings(storage="sqlite:///:memory:"))

    @made.get("/api/probe/{number}")
    async def probe(  # noqa: PLR0913, PLR0917 - one of each kind
        number: int,
        name: str,
        wanted: Annotated[list[str] | None, fastapi.Query()] = None,
        exact: bool = False,  # noqa: FBT001, FBT002 - how FastAPI declares parameters
        share: Annotated[float | None, fastapi.Query(ge=0)] = None,
        renamed: Annotated[str, fastapi.Query(alias="as-of")] = "",
    ) -> list[Any]:
        return [number, name, wanted, exact, share, renamed]

    @made.get("/api/broken")
    async def broken() -> None:
        message = "hunter2"
        raise RuntimeError(message)

    return made


@pytest.fixture
async def http(built: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """Ask without a socket."""
    transport = httpx.ASGITransport(built)
    async with httpx.AsyncClient(transport=transport, base_url="http://registrail.localhost") as opened:
        yield opened


async def problems(http: httpx.AsyncClient, address: str) -> list[dict[str, str]]:
    """What is wrong with a request; the details together are the problem's detail."""
    answer = await http.get(address)
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
    problem = answer.json()
    found: list[dict[str, str]] = problem["problems"]
    assert problem["detail"] == "; ".join(f"{one['parameter']}: {one['detail']}" for one in found)
    assert problem["parameter"] == found[0]["parameter"]
    return found


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        (
            "/api/events?limit=many",
            {
                "parameter": "limit",
                "detail": "must be a whole number from 1 to 1000, not 'many'",
                "given": "many",
                "expected": "a whole number from 1 to 1000",
            },
        ),
        (
            "/api/deliveries?outcome=lost",
            {
                "parameter": "outcome",
                "detail": f"must be {OUTCOMES}, not 'lost'",
                "given": "lost",
                "expected": OUTCOMES,
            },
        ),
        (
            "/api/events?since=soon",
            {
                "parameter": "since",
                "detail": "'soon' is neither a time such as 2026-01-31T12:00:00Z nor an age such as 24h or 7d",
                "given": "soon",
                "expected": TIME,
            },
        ),
        ("/api/probe/1", {"parameter": "name", "detail": "is missing: give text", "expected": "text"}),
        (
            "/api/probe/x?name=a",
            {
                "parameter": "number",
                "detail": "must be a whole number, not 'x'",
                "given": "x",
                "expected": "a whole number",
            },
        ),
        (
            "/api/probe/1?name=a&exact=perhaps",
            {
                "parameter": "exact",
                "detail": "must be true or false, not 'perhaps'",
                "given": "perhaps",
                "expected": "true or false",
            },
        ),
        (
            "/api/probe/1?name=a&share=-1",
            {
                "parameter": "share",
                "detail": "must be a number from 0, not '-1'",
                "given": "-1",
                "expected": "a number from 0",
            },
        ),
    ],
)
async def test_a_problem_says_what_would_be_right(
    http: httpx.AsyncClient, address: str, expected: dict[str, str]
) -> None:
    """The parameter, what was given, and what to give instead."""
    assert await problems(http, address) == [expected]


@pytest.mark.parametrize(
    ("address", "parameter", "detail"),
    [
        ("/api/events?repo=team/app", "repo", "is unknown; perhaps repository is meant"),
        ("/api/events?Repository=team/app", "Repository", "is unknown; perhaps repository is meant"),
        ("/api/events?sinc=7d", "sinc", "is unknown; perhaps since is meant"),
        ("/api/events?respository=a", "respository", "is unknown; perhaps repository is meant"),
        ("/api/deliveries?xyzzy=1", "xyzzy", "is unknown; there are cursor, limit, outcome, sender, since, until"),
        ("/api/events?=", "", ""),
        ("/api/health?verbose=1", "verbose", "is unknown: there are no parameters here"),
        ("/api/docs?q=1", "q", "is unknown: there are no parameters here"),
        ("/api/probe/1?name=a&renamed=x", "renamed", ""),
    ],
)
async def test_an_unknown_parameter_is_refused(
    http: httpx.AsyncClient, address: str, parameter: str, detail: str
) -> None:
    """A typo must not list everything; what it is close to is named."""
    [found] = await problems(http, address)
    assert (found["parameter"], found["detail"].startswith(detail), "unknown" in found["detail"]) == (
        parameter,
        True,
        True,
    )
    assert "given" not in found  # a key of something else, as likely as not
    assert (await http.head(address)).status_code in {400, 405}


async def test_a_parameter_that_is_given_twice(http: httpx.AsyncClient) -> None:
    """Refused where one is wanted: which of the two would be meant? Taken where there may be several."""
    [found] = await problems(http, "/api/events?repository=a&repository=b")
    assert (found["parameter"], found["detail"]) == ("repository", "is given more than once, but one is wanted")
    answer = await http.get("/api/probe/1?name=a&wanted=x&wanted=y&as-of=z&exact=true&share=0.5")
    assert answer.json() == [1, "a", ["x", "y"], True, 0.5, "z"]


async def test_every_mistake_is_told_at_once(http: httpx.AsyncClient) -> None:
    """Unknown parameters together; then wrong values together."""
    found = await problems(http, "/api/events?a=1&b=2&limit=0")
    assert [one["parameter"] for one in found] == ["a", "b"]
    found = await problems(http, "/api/probe/x?exact=2")
    assert sorted(one["parameter"] for one in found) == ["exact", "name", "number"]


async def test_what_was_given_is_cut(http: httpx.AsyncClient) -> None:
    """A problem is for reading."""
    [found] = await problems(http, f"/api/events?limit={'9' * 5000}")
    assert (found["given"], len(found["detail"]) < 150) == ("9" * 64, True)
    [found] = await problems(http, f"/api/events?{'x' * 5000}=1")
    assert len(json.dumps(found)) < 300


async def test_pages_take_any_parameter(http: httpx.AsyncClient) -> None:
    """What people append to addresses of pages does no harm."""
    assert (await http.get("/deliveries?utm_source=mail")).status_code == 200


async def test_what_nobody_expected(http: httpx.AsyncClient, caplog: pytest.LogCaptureFixture) -> None:
    """A problem like any other, without details, and one entry in the log that has them."""
    answer = await http.get("/api/broken", headers={"x-registrail-key": "x"})
    assert (answer.status_code, answer.headers["content-type"]) == (500, "application/problem+json")
    assert {name: answer.headers.get(name) for name in SECURITY_HEADERS} == SECURITY_HEADERS
    assert ("hunter2" in answer.text, answer.headers["cache-control"]) == (False, "no-store")
    [line] = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert (line.getMessage(), vars(line)["path"], line.exc_info is not None) == ("request failed", "/api/broken", True)
