"""What every answer has, whatever was asked and whatever went wrong, and who may make the pages do something."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Final

import httpx
import pytest
from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.routing import Route

from registrail.access import AccessKey, digest_of, new_key
from registrail.compose import UseCases, use_cases
from registrail.query import DeliveryFilter
from registrail.senders.sender import Request
from registrail.settings import Settings
from registrail.web.app import SECURITY_HEADERS, web_app
from registrail.web.assets import address_of
from tests.broken import Broken
from tests.conftest import Clock

READER: Final = new_key(b"\x01" * 32)
OPERATOR: Final = new_key(b"\x02" * 32)
DESK: Final = Settings(storage="sqlite:///:memory:")
KEYED: Final = replace(
    DESK,
    access_keys=(
        AccessKey(name="ci", role="reader", digest=digest_of(READER)),
        AccessKey(name="alice", role="operator", digest=digest_of(OPERATOR)),
    ),
)
AZURE: Final = Settings(table_service_uri="https://a.table.core.windows.net", on_azure=True)
SIGN_IN: Final = replace(AZURE, behind_sign_in=True, operators=frozenset({"b0b"}))
BOB: Final = {"x-ms-client-principal-id": "b0b"}
HERE: Final = "http://registrail.localhost"
THERE: Final = "https://registrail.example"
PAGE: Final = {"accept": "text/html,application/xhtml+xml;q=0.9"}
FORMS: Final = ["/delivery/replay", "/deliveries/ping"]


@asynccontextmanager
async def client(app: UseCases, settings: Settings = DESK, base_url: str = HERE) -> AsyncIterator[httpx.AsyncClient]:
    """Ask the web app without a socket; `/fails` raises what nobody expects."""
    built = web_app(app.query, app.ingest, settings)

    async def fails(_: HttpRequest) -> Response:
        raise LookupError("a secret from the inside")

    built.router.routes.insert(0, Route("/fails", fails))
    built.router.routes.insert(0, Route("/api/fails", fails))
    transport = httpx.ASGITransport(built, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=base_url) as http:
        yield http


async def delivered(app: UseCases) -> str:
    """Receive something; its id."""
    receipt = await app.ingest.receive("acr", Request(body=b"{"), path="/hooks/acr")
    assert receipt.answer is not None
    return str(receipt.answer["delivery"])


EVERYTHING: Final = [
    ("GET", "/", 303),
    ("GET", "/deliveries", 200),
    ("GET", "/delivery?id=x", 404),
    ("GET", "/delivery/replay?id=x", 404),
    ("POST", "/delivery/replay", 404),
    ("POST", "/deliveries/ping", 303),
    ("GET", "/set-up", 200),
    ("GET", "/login", 303),
    ("POST", "/logout", 303),
    ("GET", "/api/docs", 200),
    ("GET", "/api/health", 200),
    ("GET", "/api/events?sort=up", 400),
    ("GET", "/api/deliveries/x/body", 404),
    ("GET", address_of("registrail.css"), 200),
    ("GET", "/static/no.css", 404),
    ("GET", "/nothing", 404),
    ("POST", "/deliveries", 405),
    ("POST", "/api/events", 405),
    ("GET", "/deliveries?outcome=x", 400),
    ("GET", "/deliveries?key=x", 400),
    ("GET", "/fails", 500),
    ("GET", "/api/fails", 500),
    ("HEAD", "/nothing", 404),
]


@pytest.mark.parametrize(("method", "path", "status"), EVERYTHING)
@pytest.mark.parametrize("headers", [PAGE, {}], ids=["browser", "program"])
async def test_every_answer_is_secured(
    app: UseCases, method: str, path: str, status: int, headers: dict[str, str]
) -> None:
    """No inline script or style, no frame around it, no guessed types; also redirects, errors and static files."""
    async with client(app) as http:
        answer = await http.request(method, path, headers=headers | {"sec-fetch-site": "same-origin"})
    assert answer.status_code == status
    assert {name: answer.headers.get(name) for name in SECURITY_HEADERS} == dict(SECURITY_HEADERS)
    assert (answer.headers.get_list("content-security-policy"), "set-cookie" in answer.headers) == (
        [SECURITY_HEADERS["Content-Security-Policy"]],
        path == "/logout",
    )


def test_the_policy() -> None:
    """It allows nothing but our own files, and nothing written into a page."""
    policy = dict(one.strip().split(" ", 1) for one in SECURITY_HEADERS["Content-Security-Policy"].split(";"))
    assert (policy["default-src"], policy["frame-ancestors"], policy["base-uri"]) == ("'none'", "'none'", "'none'")
    assert {*policy.values()} == {"'none'", "'self'"}


@pytest.mark.parametrize(("method", "path", "status"), EVERYTHING)
async def test_browsers_get_pages_and_programs_get_problems(app: UseCases, method: str, path: str, status: int) -> None:
    """An error is a page for who asks for a page, and RFC 9457 for the API whoever asks; neither shows the inside."""
    if status < 400 or method == "HEAD" or path.startswith("/static"):
        return
    async with client(app) as http:
        answer = await http.request(method, path, headers=PAGE | {"sec-fetch-site": "same-origin"})
        program = await http.request(method, path, headers={"sec-fetch-site": "same-origin"})
    kind = "application/problem+json" if path.startswith("/api/") else "text/html; charset=utf-8"
    assert (answer.headers["content-type"], answer.headers["cache-control"]) == (kind, "no-store")
    assert ("secret from the inside" in answer.text, "Traceback" in answer.text) == (False, False)
    if "html" in kind:
        assert re.findall("<h1[ >]", answer.text) == ["<h1>"]
        assert re.findall("<script(?! src)| style=| on[a-z]+=", answer.text) == []
    if path in {"/nothing", "/fails", "/deliveries"}:
        assert program.headers["content-type"] == "application/problem+json"
    if status == 405:
        assert "GET" in answer.headers["allow"]


async def test_a_page_that_does_not_even_render(app: UseCases, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the templates are what fails, the answer is plain."""

    def fails(*_: object) -> Response:
        raise LookupError("a template")

    monkeypatch.setattr("registrail.web.trouble.page", fails)
    async with client(app) as http:
        answer = await http.get("/fails", headers=PAGE)
    assert (answer.status_code, answer.headers["content-type"]) == (500, "application/problem+json")


async def test_a_store_that_does_not_answer(clock: Clock) -> None:
    """503 on every page and in the API, each in its own form."""
    async with client(use_cases(Broken(), DESK, clock)) as http:
        for path in ("/", "/deliveries", "/set-up", "/api/events", "/api/health"):
            answer = await http.get(path, headers=PAGE)
            assert (path, answer.status_code, answer.headers["retry-after"]) == (path, 503, "10")
            assert (answer.headers["content-type"] == "application/problem+json") == path.startswith("/api/")


@pytest.mark.parametrize(
    ("settings", "headers", "base_url", "told"),
    [
        (AZURE, {}, THERE, "nobody is signed in"),
        (SIGN_IN, BOB | {"sec-fetch-site": "cross-site"}, THERE, "a page of another site"),
        (DESK, {}, THERE, "answers only to localhost"),
        (KEYED, {"authorization": f"Bearer {new_key(bytes(32))}"}, HERE, "not known here"),
        (KEYED, {"authorization": f"Bearer {READER}"}, HERE, "'ci' has the role reader"),
    ],
)
async def test_a_refused_browser_sees_a_page(
    app: UseCases, settings: Settings, headers: dict[str, str], base_url: str, told: str
) -> None:
    """With the reason, without what only readers may see, and with its style, which is open to everybody."""
    method = "POST" if "site" in told or "role" in told else "GET"
    async with client(app, settings, base_url) as http:
        answer = await http.request(method, "/delivery/replay", headers=PAGE | headers | {"origin": base_url})
        assert (answer.status_code // 100, answer.headers["content-type"]) == (4, "text/html; charset=utf-8")
        assert told in answer.text.replace("&#39;", "'")
        if settings is not DESK:
            assert (await http.get(address_of("registrail.css"))).status_code == 200


# https


@pytest.mark.parametrize(
    ("settings", "base_url", "headers", "expected"),
    [
        (AZURE, THERE, {}, True),
        (AZURE, "http://registrail.example", {}, True),
        (KEYED, THERE, {}, True),
        (KEYED, "http://registrail.example", {"x-forwarded-proto": "https"}, True),
        (KEYED, "http://registrail.example", {}, False),
        (DESK, HERE, {}, False),
        (DESK, "https://localhost", {}, False),
        (DESK, HERE, {"x-forwarded-proto": "https"}, False),
    ],
)
async def test_https_stays_https(
    app: UseCases,
    settings: Settings,
    base_url: str,
    headers: dict[str, str],
    expected: bool,  # noqa: FBT001
) -> None:
    """A browser that came by https does so from then on; other things on this machine are not our business."""
    async with client(app, settings, base_url) as http:
        answer = await http.get("/nothing", headers=headers)
    assert answer.headers.get("strict-transport-security") == ("max-age=31536000" if expected else None)


# Forms: who may make a page do something


async def signed_in(http: httpx.AsyncClient, key: str) -> None:
    """Sign in as a browser does."""
    answer = await http.post("/login", data={"key": key}, headers={"sec-fetch-site": "same-origin"})
    assert answer.status_code == 303


@pytest.mark.parametrize("path", FORMS)
@pytest.mark.parametrize(
    ("headers", "allowed"),
    [
        ({"sec-fetch-site": "same-origin"}, True),
        ({"origin": HERE}, True),
        ({"sec-fetch-site": "cross-site", "origin": "https://evil.example"}, False),
        ({"sec-fetch-site": "same-site", "origin": "http://other.localhost"}, False),
        ({"origin": "https://evil.example"}, False),
        ({"origin": "null"}, False),
        ({}, False),
    ],
)
async def test_another_sites_form_does_nothing(
    app: UseCases,
    path: str,
    headers: dict[str, str],
    allowed: bool,  # noqa: FBT001
) -> None:
    """On an open desk and in a session alike; a browser that does not say where a form is from is not believed."""
    delivery = await delivered(app)
    for settings in (DESK, KEYED):
        async with client(app, settings) as http:
            if settings is KEYED:
                await signed_in(http, OPERATOR)
            answer = await http.post(path, data={"id": delivery}, headers=headers)
        assert answer.status_code == (303 if allowed else 403)
    log = (await app.query.delivered(DeliveryFilter(), limit=10)).items
    changed = any(one.replayed_at for one in log) or len(log) > 1
    assert changed == allowed


@pytest.mark.parametrize("path", FORMS)
async def test_readers_change_nothing(app: UseCases, path: str) -> None:
    """A form of theirs is refused, and they are shown no button for it."""
    delivery = await delivered(app)
    async with client(app, KEYED) as http:
        await signed_in(http, READER)
        answer = await http.post(path, data={"id": delivery}, headers=PAGE | {"sec-fetch-site": "same-origin"})
        assert (answer.status_code, "needs the role operator" in answer.text) == (403, True)
        for shown in ("/deliveries", f"/delivery?id={delivery}", f"/delivery/replay?id={delivery}", "/set-up"):
            page = await http.get(shown, headers=PAGE)
            assert (page.status_code, re.findall('method="post" action="(/deliver[^"]*)"', page.text)) == (200, [])


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (BOB, 200),
        (BOB | {"cookie": "AppServiceAuthSession=x"}, 403),
        (BOB | {"cookie": "AppServiceAuthSession=x", "sec-fetch-site": "same-origin"}, 200),
        (BOB | {"cookie": "AppServiceAuthSession=x", "origin": THERE}, 200),
        (BOB | {"cookie": "AppServiceAuthSession=x", "origin": "https://evil.example"}, 403),
    ],
)
async def test_the_platforms_cookie(app: UseCases, headers: dict[str, str], status: int) -> None:
    """It is not ours to say that it stays on this site, so whoever shows it must say where the request is from."""
    delivery = await delivered(app)
    async with client(app, SIGN_IN, THERE) as http:
        answer = await http.post(f"/api/deliveries/{delivery}/replay", headers=headers)
    assert answer.status_code == status


@pytest.mark.parametrize("path", [*FORMS, "/logout"])
async def test_links_change_nothing(app: UseCases, path: str) -> None:
    """What changes something takes POST, which no link and no picture of another site can send."""
    await delivered(app)
    async with client(app) as http:
        await http.get(path, headers=PAGE)
    [logged] = (await app.query.delivered(DeliveryFilter(), limit=10)).items
    assert logged.replayed_at is None
