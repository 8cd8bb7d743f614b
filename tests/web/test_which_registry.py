"""Questions that name no registry, where there are several."""

import json
from collections.abc import AsyncIterator
from typing import Any, Final

import httpx
import pytest

from registrail.compose import UseCases
from registrail.query.meant import MOST
from registrail.senders.sender import Request
from registrail.settings import Settings
from registrail.web.app import web_app

OURS: Final = f"sha256:{'1' * 64}"
THEIRS: Final = f"sha256:{'2' * 64}"
BOTH: Final = f"sha256:{'3' * 64}"


async def told(app: UseCases, registry: str, at: str, action: str, **target: str) -> None:
    """Receive a webhook."""
    event = {
        "id": f"{registry} {at}",
        "timestamp": f"2026-06-15T{at}:00Z",
        "action": action,
        "target": target,
        "request": {"id": f"{registry} {at}", "host": registry},
    }
    await app.ingest.receive("acr", Request(body=json.dumps(event).encode()), path="/hooks/acr")


@pytest.fixture
async def http(app: UseCases) -> AsyncIterator[httpx.AsyncClient]:
    """Two registries: each has a repository of its own, and both have one of the same name."""
    await told(app, "ours.example", "08:00", "push", repository="team/app", digest=OURS, tag="v1")
    await told(app, "ours.example", "08:01", "delete", repository="team/app", digest=OURS)
    await told(app, "ours.example", "08:02", "push", repository="base", digest=BOTH, tag="v1")
    await told(app, "theirs.example", "08:03", "push", repository="team/app-tests", digest=THEIRS, tag="v1")
    await told(app, "theirs.example", "08:04", "push", repository="base", digest=BOTH, tag="v1")
    settings = Settings(storage="sqlite:///:memory:")
    transport = httpx.ASGITransport(web_app(app.query, app.ingest, settings))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as opened:
        yield opened


async def asked(http: httpx.AsyncClient, path: str, **parameters: str) -> Any:
    """A document of the API."""
    answer = await http.get(f"/api/{path}", params=parameters)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize(
    ("path", "parameters"),
    [
        ("timeline", {"repository": "team/app", "tag": "v1"}),
        ("timeline", {"repository": "team/app", "tag": "v1", "at": "2026-06-15T08:00:30Z"}),
        ("tags", {"repository": "team/app", "present": "false"}),
        ("deletes", {"repository": "team/app"}),
        ("deletes", {"digest": OURS}),
        (f"digests/{OURS}", {}),
    ],
)
async def test_the_one_that_has_it(http: httpx.AsyncClient, path: str, parameters: dict[str, str]) -> None:
    """A repository of a longer name in the other one is another repository."""
    items = (await asked(http, path, **parameters))["items"]
    assert {item["registry"] for item in items} == {"ours.example"}


async def test_a_delete_by_its_id(http: httpx.AsyncClient) -> None:
    """An id is of one event."""
    [found] = (await asked(http, "deletes", registry="ours.example"))["items"]
    assert (await asked(http, f"deletes/{found['event']}"))["registry"] == "ours.example"


@pytest.mark.parametrize(
    ("path", "parameters"),
    [
        ("timeline", {"repository": "base", "tag": "v1"}),
        ("tags", {"repository": "base"}),
        ("deletes", {"repository": "team/*"}),
        (f"digests/{BOTH}", {}),
    ],
)
async def test_several_that_have_it(http: httpx.AsyncClient, path: str, parameters: dict[str, str]) -> None:
    """They are named, and so is the parameter."""
    answer = await http.get(f"/api/{path}", params=parameters)
    assert (answer.status_code, answer.json()["parameter"]) == (400, "registry")
    assert answer.json()["detail"] == "registry: several have it; say which of ours.example, theirs.example"


@pytest.mark.parametrize("path", ["tags", "repositories", "digests", "deletes", "deletes?actor=ci"])
async def test_what_any_may_have(http: httpx.AsyncClient, path: str) -> None:
    """A list of everything is one registry's."""
    answer = await http.get(f"/api/{path}")
    assert answer.status_code == 400
    assert answer.json()["detail"] == "registry: there are several; say which of ours.example, theirs.example"


async def test_what_none_has(http: httpx.AsyncClient) -> None:
    """It is nothing, as where there is only one registry."""
    assert (await asked(http, "timeline", repository="team", tag="v1"))["items"] == []
    assert (await asked(http, "deletes", repository="nothing/*"))["items"] == []
    assert (await http.get("/api/deletes/2516067227674666819~2a8c3c79b915362d45225083ac8735c7")).status_code == 404


async def test_very_many_registries(app: UseCases, http: httpx.AsyncClient) -> None:
    """Asking each of them would cost more than naming one."""
    for number in range(MOST):
        await told(app, f"r{number:02}.example", "09:00", "push", repository="other", digest=THEIRS, tag="v1")
    answer = await http.get("/api/timeline", params={"repository": "team/app", "tag": "v1"})
    assert answer.status_code == 400
    assert answer.json()["detail"].endswith(f"r{MOST - 2:02}.example, and 2 more")


@pytest.mark.parametrize(
    ("path", "parameters"),
    [
        ("/repository", {"repository": "team/app"}),
        ("/tag", {"repository": "team/app", "tag": "v1"}),
        ("/digest", {"digest": OURS}),
    ],
)
async def test_pages_lead_to_the_one_that_has_it(
    http: httpx.AsyncClient, path: str, parameters: dict[str, str]
) -> None:
    """An address that somebody typed needs no registry."""
    answer = await http.get(path, params=parameters)
    assert answer.status_code == 303
    assert "registry=ours.example" in answer.headers["location"]


@pytest.mark.parametrize("name", ["base", "nobody"])
async def test_pages_offer_those_that_may_have_it(http: httpx.AsyncClient, name: str) -> None:
    """Both that have it, or all where none has."""
    answer = await http.get("/repository", params={"repository": name})
    assert answer.status_code == 404
    assert all(f"registry={one}" in answer.text for one in ("ours.example", "theirs.example"))


async def test_a_delete_leads_to_its_registry(http: httpx.AsyncClient) -> None:
    """By the id of its event alone."""
    [found] = (await asked(http, "deletes", repository="team/app"))["items"]
    answer = await http.get("/delete", params={"event": found["event"]})
    assert (answer.status_code, "registry=ours.example" in answer.headers.get("location", "")) == (303, True)
