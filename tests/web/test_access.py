import base64
import json
import logging
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Final

import azure.functions as func
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request as HttpRequest
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from registrail.access import AccessKey, digest_of, new_key
from registrail.compose import UseCases
from registrail.functions import web
from registrail.local.host import host
from registrail.senders.sender import Request
from registrail.settings import Settings
from registrail.web.access import local
from registrail.web.app import SECURITY_HEADERS, web_app
from tests.conftest import Clock

READER: Final = new_key(b"\x01" * 32)
OPERATOR: Final = new_key(b"\x02" * 32)
STRANGER: Final = new_key(b"\x03" * 32)
KEYS: Final = (
    AccessKey(name="ci", role="reader", digest=digest_of(READER)),
    AccessKey(name="alice", role="operator", digest=digest_of(OPERATOR)),
)
DESK: Final = Settings(storage="sqlite:///:memory:")
KEYED: Final = replace(DESK, access_keys=KEYS)
AZURE: Final = Settings(table_service_uri="https://a.table.core.windows.net", on_azure=True)
CLOUD: Final = replace(AZURE, access_keys=KEYS)
SIGN_IN: Final = replace(AZURE, behind_sign_in=True, operators=frozenset({"b0b"}))
BOTH: Final = replace(SIGN_IN, access_keys=KEYS)
HERE: Final = "http://registrail.localhost"
THERE: Final = "https://registrail.example"
PAGE: Final = {"accept": "text/html,application/xhtml+xml;q=0.9"}
ALL: Final = ["/", "/api/events", "/api/deliveries", "/api/openapi.json", "/api/docs", "/nothing"]

CLAIMS: Final = base64.b64encode(json.dumps({"claims": [{"typ": "roles", "val": "operator"}]}).encode()).decode()
FORGED: Final = {"x-ms-client-principal-id": "b0b", "x-ms-client-principal": CLAIMS, "x-ms-token-aad-id-token": "x"}


@asynccontextmanager
async def client(app: UseCases, settings: Settings, base_url: str = HERE) -> AsyncIterator[httpx.AsyncClient]:
    """Ask the web app without a socket."""
    transport = httpx.ASGITransport(web_app(app.query, app.ingest, settings))
    async with httpx.AsyncClient(transport=transport, base_url=base_url) as http:
        yield http


def bearer(key: str) -> dict[str, str]:
    """Show a key."""
    return {"authorization": f"Bearer {key}"}


async def delivered(app: UseCases) -> str:
    """Receive something; the address to replay it."""
    body = b'{"action": "push", "target": {"repository": "team/app"}, "request": {"host": "r.azurecr.io"}}'
    receipt = await app.ingest.receive("acr", Request(body=body), path="/hooks/acr")
    assert receipt.answer is not None
    return f"/api/deliveries/{receipt.answer['delivery']}/replay"


# Keys


@pytest.mark.parametrize("settings", [KEYED, CLOUD, BOTH], ids=["desk", "azure", "sign-in"])
@pytest.mark.parametrize("path", ALL)
async def test_without_a_key_nothing_is_shown(app: UseCases, settings: Settings, path: str) -> None:
    """Also on a desk, once there are keys; the answer says how to send one."""
    await delivered(app)
    async with client(app, settings, THERE) as http:
        answer = await http.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (401, "application/problem+json")
    assert answer.headers["www-authenticate"] == 'Bearer realm="registrail"'
    assert answer.headers["cache-control"] == "no-store"
    assert ("Authorization: Bearer" in answer.json()["detail"], "azurecr" in answer.text) == (True, False)


@pytest.mark.parametrize(
    ("headers", "detail"),
    [
        (bearer(STRANGER), "not known here"),
        ({"x-registrail-key": STRANGER}, "not known here"),
        (bearer(READER[:-1]), "not a whole access key"),
        (bearer(f"{READER}x"), "not a whole access key"),
        (bearer("eyJhbGciOi"), "not a whole access key"),
        ({"x-registrail-key": ""}, "not a whole access key"),
        (bearer(KEYS[0].digest.hex()), "not a whole access key"),
        ({"x-registrail-key": STRANGER} | bearer(READER), "not known here"),
    ],
)
async def test_a_wrong_key_says_what_is_wrong(app: UseCases, headers: dict[str, str], detail: str) -> None:
    """Revoked, or cut; it is not repeated, and no page to sign in is shown instead."""
    async with client(app, KEYED) as http:
        answer = await http.get("/api/events", headers=headers | PAGE)
    assert (answer.status_code, 'error="invalid_token"' in answer.headers["www-authenticate"]) == (401, True)
    assert (detail in answer.json()["detail"], READER[4:12] in answer.text) == (True, False)


@pytest.mark.parametrize("settings", [KEYED, CLOUD, BOTH], ids=["desk", "azure", "sign-in"])
@pytest.mark.parametrize(
    "headers", [bearer(READER), {"x-registrail-key": READER}, {"authorization": f"bearer  {READER} "}, bearer(OPERATOR)]
)
async def test_a_key_opens(app: UseCases, settings: Settings, headers: dict[str, str]) -> None:
    """In either header, for everything that can be read."""
    await delivered(app)
    async with client(app, settings, THERE) as http:
        for path in ALL[:-1]:
            assert (await http.get(path, headers=headers)).status_code == 200
        assert (await http.get("/api/health", headers=headers)).json()["registries"] != []


async def test_several_keys_of_one_name(app: UseCases) -> None:
    """So that a key can be replaced without a moment when neither works."""
    newer = AccessKey(name="ci", role="reader", digest=digest_of(STRANGER))
    async with client(app, replace(DESK, access_keys=(*KEYS, newer))) as http:
        answers = [await http.get("/api/events", headers=bearer(key)) for key in (READER, STRANGER)]
    assert [answer.status_code for answer in answers] == [200, 200]


@pytest.mark.parametrize(
    "query",
    [f"key={READER}", "access_token=x", "API_KEY=", f"repository={READER}", f"a=x{STRANGER}", "X-Registrail-Key=x"],
)
@pytest.mark.parametrize("settings", [DESK, KEYED])
async def test_a_key_in_an_address_is_refused(app: UseCases, settings: Settings, query: str) -> None:
    """Even if it is right, and even where none is needed; the answer says why and does not repeat it."""
    async with client(app, settings) as http:
        answers = [await http.get(f"{path}?{query}", headers=bearer(READER)) for path in ("/api/events", "/", "/login")]
    assert [answer.status_code for answer in answers] == [400, 400, 400]
    assert ["addresses end up in logs" in answer.json()["detail"] for answer in answers] == [True, True, True]
    assert [READER in answer.text for answer in answers] == [False, False, False]


async def test_health_is_open_and_tells_strangers_nothing(app: UseCases) -> None:
    """Whatever key a monitor sends."""
    await delivered(app)
    async with client(app, KEYED) as http:
        for headers in ({}, bearer(STRANGER)):
            answer = await http.get("/api/health", headers=headers)
            assert (answer.status_code, answer.json()) == (200, {"status": "ok", "registries": []})


# Roles


@pytest.mark.parametrize(
    ("settings", "headers", "status"),
    [
        (DESK, {}, 200),
        (KEYED, {}, 401),
        (KEYED, PAGE, 401),
        (KEYED, bearer(READER), 403),
        (KEYED, bearer(OPERATOR), 200),
        (AZURE, {}, 403),
        (AZURE, {"x-ms-client-principal-id": "b0b"}, 403),
        (SIGN_IN, {}, 403),
        (SIGN_IN, {"x-ms-client-principal-id": "6f9a"}, 403),
        (SIGN_IN, {"x-ms-client-principal-id": "B0B"}, 200),
        (BOTH, {"x-ms-client-principal-id": "6f9a"} | bearer(OPERATOR), 200),
        (BOTH, {"x-ms-client-principal-id": "6f9a"} | bearer("eyJhbGciOi"), 403),
        (BOTH, {"x-ms-client-principal-id": "b0b"} | bearer(STRANGER), 401),
    ],
)
async def test_replaying_is_for_operators(
    app: UseCases, settings: Settings, headers: dict[str, str], status: int
) -> None:
    """A reader reads; a key counts before the platform's sign-in, and other people's tokens do not count as keys."""
    address = await delivered(app)
    async with client(app, settings) as http:
        answer = await http.post(address, headers=headers)
    assert answer.status_code == status


async def test_a_role_that_is_not_enough_is_named(app: UseCases) -> None:
    """Who it was, which role they have, which it takes."""
    address = await delivered(app)
    async with client(app, KEYED) as http:
        problem = (await http.post(address, headers=bearer(READER))).json()
    assert (problem["detail"], problem["role"]) == (
        "this needs the role operator, and 'ci' has the role reader",
        "operator",
    )


async def test_a_reader_may_see_bodies(app: UseCases) -> None:
    """They are what the events say; credentials were taken out when they were recorded."""
    address = (await delivered(app)).removesuffix("/replay")
    async with client(app, KEYED) as http:
        for path in (address, f"{address}/body"):
            assert (await http.get(path, headers=bearer(READER))).status_code == 200


async def test_what_operators_do_is_logged(app: UseCases, caplog: pytest.LogCaptureFixture) -> None:
    """By whom, by which means, and to what; without the key."""
    address = await delivered(app)
    async with client(app, KEYED) as http:
        with caplog.at_level(logging.INFO, "registrail.web"):
            await http.post(address, headers=bearer(OPERATOR))
    [line] = [vars(record) for record in caplog.records if record.name == "registrail.web"]
    assert (line["msg"], line["by"], line["means"], line["path"]) == ("operator request", "alice", "key", address)


# Sign-in by the platform


@pytest.mark.parametrize(
    ("settings", "status"), [(AZURE, 403), (CLOUD, 401), (KEYED, 401), (replace(KEYED, behind_sign_in=True), 401)]
)
async def test_forged_headers_open_nothing(app: UseCases, settings: Settings, status: int) -> None:
    """Where the platform does not vouch for them they are anybody's."""
    async with client(app, settings) as http:
        assert (await http.get("/api/events", headers=FORGED)).status_code == status


@pytest.mark.parametrize(("settings", "seen"), [(replace(DESK, behind_sign_in=True), []), (SIGN_IN, [*FORGED])])
async def test_forged_headers_are_dropped(app: UseCases, settings: Settings, seen: list[str]) -> None:
    """Nothing behind the guard can mistake them for the platform's."""
    built = web_app(app.query, app.ingest, settings)
    shown: list[str] = []

    async def probe(request: HttpRequest) -> PlainTextResponse:
        shown.extend(name for name in request.headers if name.startswith("x-ms-"))
        return PlainTextResponse("")

    built.router.routes.insert(0, Route("/probe", probe))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(built), base_url=HERE) as http:
        assert (await http.get("/probe", headers=FORGED)).status_code == 200
    assert shown == seen


async def test_a_browser_is_sent_to_the_platforms_sign_in(app: UseCases) -> None:
    """When that is all there is."""
    async with client(app, SIGN_IN, THERE) as http:
        answer = await http.get("/api/events?limit=1", headers=PAGE)
    assert (answer.status_code, answer.headers["location"]) == (
        303,
        "/.auth/login/aad?post_login_redirect_uri=%2Fapi%2Fevents%3Flimit%3D1",
    )


# Sessions


@pytest.mark.parametrize(
    ("path", "to"),
    [
        ("/", "/login"),
        (
            "/api/events?repository=team/app&limit=1",
            "/login?next=%2Fapi%2Fevents%3Frepository%3Dteam%2Fapp%26limit%3D1",
        ),
        ("/a%20b%25", "/login?next=%2Fa%2520b%2525"),
    ],
)
async def test_a_browser_is_sent_to_the_sign_in_page(app: UseCases, path: str, to: str) -> None:
    """With the way back."""
    async with client(app, KEYED) as http:
        for method in ("GET", "HEAD"):
            answer = await http.request(method, path, headers=PAGE)
            assert (answer.status_code, answer.headers["location"]) == (303, to)
            assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("settings", "base_url", "name", "secure"),
    [
        (KEYED, HERE, "registrail", False),
        (KEYED, "http://127.0.0.1:7071", "registrail", False),
        (KEYED, "http://[::1]:7071", "registrail", False),
        (KEYED, "http://registrail.example", "__Host-registrail", True),
        (KEYED, "https://localhost", "__Host-registrail", True),
        (CLOUD, THERE, "__Host-registrail", True),
        (CLOUD, "http://registrail.example", "__Host-registrail", True),
    ],
)
async def test_the_cookie(app: UseCases, settings: Settings, base_url: str, name: str, secure: bool) -> None:  # noqa: FBT001
    """Not for scripts, not for other sites, only over https but on this machine, and without the key."""
    async with client(app, settings, base_url) as http:
        answer = await http.post("/login", data={"key": f" {READER}\n", "next": "/api/events"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/api/events")
    cookie, *attributes = answer.headers["set-cookie"].split("; ")
    assert re.fullmatch(rf"{name}=ci~[0-9]+~[A-Za-z0-9_-]{{43}}", cookie)
    expected = {"HttpOnly", "Max-Age=43200", "Path=/", "SameSite=strict"} | ({"Secure"} if secure else set())
    assert (set(attributes), READER[4:] in cookie) == (expected, False)


async def signed_in(http: httpx.AsyncClient, key: str) -> None:
    """Sign in as a browser does."""
    answer = await http.post("/login", data={"key": key}, headers={"sec-fetch-site": "same-origin"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/")


async def test_a_session_opens_until_it_ends(app: UseCases, clock: Clock) -> None:
    """Twelve hours; then the browser is sent to sign in again."""
    async with client(app, KEYED) as http:
        await signed_in(http, READER)
        assert (await http.get("/deliveries", headers=PAGE)).status_code == 200
        assert "You are signed in" in (await http.get("/login", headers=PAGE)).text
        clock.advance(hours=12)
        assert (await http.get("/deliveries", headers=PAGE)).status_code == 303
        assert "You are signed in" not in (await http.get("/login", headers=PAGE)).text


async def test_a_session_ends_with_its_key(app: UseCases) -> None:
    """Taking the key out of the settings is enough."""
    async with client(app, KEYED) as http:
        await signed_in(http, OPERATOR)
        [cookie] = http.cookies.jar
    async with client(app, replace(DESK, access_keys=KEYS[:1])) as http:
        answer = await http.get("/api/events", headers={"cookie": f"{cookie.name}={cookie.value}"})
    assert answer.status_code == 401


async def test_signing_out(app: UseCases) -> None:
    """The browser forgets the session."""
    async with client(app, KEYED) as http:
        await signed_in(http, READER)
        answer = await http.post("/logout", headers={"sec-fetch-site": "same-origin"})
        assert (answer.status_code, answer.headers["location"]) == (303, "/login")
        assert (await http.get("/api/events")).status_code == 401


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"sec-fetch-site": "same-origin"}, 200),
        ({"sec-fetch-site": "same-origin", "origin": "null"}, 200),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"sec-fetch-site": "cross-site", "origin": HERE}, 403),
        ({"origin": HERE}, 200),
        ({"origin": HERE.upper()}, 200),
        ({"origin": "null"}, 403),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": f"{HERE}.evil.example"}, 403),
        ({"origin": f"{HERE}:81"}, 403),
        ({}, 403),
    ],
)
async def test_another_sites_page_cannot_use_a_session(app: UseCases, headers: dict[str, str], status: int) -> None:
    """Browsers say where a request comes from; one that has the cookie and says nothing is not believed."""
    address = await delivered(app)
    async with client(app, KEYED) as http:
        await signed_in(http, OPERATOR)
        assert (await http.post(address, headers=headers)).status_code == status


@pytest.mark.parametrize("path", ["/hook/acr", "/acr", "/"])
async def test_a_registry_that_sends_to_a_mistyped_address_is_told_where_to(app: UseCases, path: str) -> None:
    """Not that it is the page of another site."""
    async with client(app, DESK) as http:
        answer = await http.post(path, json={"action": "push"})
    assert answer.status_code == 403
    assert "/hooks/acr" in answer.text
    assert "another site" not in answer.text


@pytest.mark.parametrize("headers", [{"origin": "http://evil.example"}, {"sec-fetch-site": "cross-site"}])
async def test_another_sites_page_cannot_post_at_all(app: UseCases, headers: dict[str, str]) -> None:
    """Neither to an open app on a desk, nor to sign somebody in as somebody else."""
    address = await delivered(app)
    async with client(app, DESK) as http:
        assert (await http.post(address, headers=headers)).status_code == 403
    async with client(app, KEYED) as http:
        answer = await http.post("/login", data={"key": READER}, headers=headers)
        assert (answer.status_code, "set-cookie" in answer.headers) == (403, False)


@pytest.mark.parametrize(
    "address", ["//evil.example", "https://evil.example", "/\\evil.example", "/\t/evil.example", ""]
)
async def test_signing_in_leads_nowhere_else(app: UseCases, address: str) -> None:
    """Whatever a link says."""
    async with client(app, KEYED) as http:
        page = await http.get("/login", params={"next": address})
        answer = await http.post("/login", data={"key": READER, "next": address})
    assert ("evil" in page.text, answer.headers["location"]) == (False, "/")


@given(st.text(max_size=30).map(lambda text: f"/{text}"))
def test_a_way_back_is_a_path(address: str) -> None:
    """One that no browser can read as another site, and that is no header of its own."""
    path = local(address)
    assert (path.startswith("/"), path.startswith(("//", "/\\")), path.isprintable()) == (True, False, True)


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (f"key={STRANGER}".encode(), "not known here"),
        (b"key=rgt_x&next=%2Fapi%2Fdocs", "not a whole access key"),
        (b"", "not a whole access key"),
        (b"\xff", "not a whole access key"),
        (b"a=b&" * 1000, "not a whole access key"),
        (b"key=" + b"x" * 20_000, "not a whole access key"),
    ],
)
async def test_a_wrong_key_on_the_page(app: UseCases, body: bytes, detail: str) -> None:
    """The page says so beside the field, and keeps the way back but not the key."""
    async with client(app, KEYED) as http:
        answer = await http.post("/login", content=body)
    assert (answer.status_code, answer.headers["content-type"]) == (401, "text/html; charset=utf-8")
    assert (detail in answer.text, "set-cookie" in answer.headers, STRANGER in answer.text) == (True, False, False)
    assert 'aria-describedby="wrong hint" aria-invalid="true"' in answer.text
    assert ('value="/api/docs"' in answer.text) == (b"docs" in body)


async def test_the_sign_in_page(app: UseCases) -> None:
    """Works without script, loads nothing from elsewhere, and its style is open to who is not signed in yet."""
    async with client(app, KEYED) as http:
        page = await http.get("/login?next=/%3Fq%3D%22%3E%3Cscript%3E")
        assert (page.status_code, page.headers["cache-control"]) == (200, "no-store")
        assert ("<label for=" in page.text, re.search("<script(?! src)| style=| on[a-z]+=", page.text)) == (True, None)
        loaded = re.findall(r'(?:src|href)="(/static/[^"]+)"', page.text)
        assert {(await http.get(address)).status_code for address in loaded} == {200}
        assert "Microsoft" not in page.text
        assert (await http.head("/login")).status_code == 200
    async with client(app, BOTH, THERE) as http:
        assert "/.auth/login/aad?post_login_redirect_uri=/" in (await http.get("/login")).text
    async with client(app, KEYED, "http://registrail.example") as http:
        assert "came without https" in (await http.get("/login")).text
        assert "came without https" not in (await http.get("/login", headers={"x-forwarded-proto": "https"})).text


async def test_nobody_needs_to_sign_in_on_an_open_desk(app: UseCases) -> None:
    """The page leads on."""
    async with client(app, DESK) as http:
        answers = [await http.get("/login?next=/api/docs"), await http.post("/login", data={"next": "/api/docs"})]
        assert [(one.status_code, one.headers["location"]) for one in answers] == [(303, "/api/docs")] * 2
        assert (await http.post("/logout")).headers["location"] == "/"


async def test_a_session_through_the_platforms_adapter(app: UseCases) -> None:
    """The cookie keeps its attributes on its way through the function `web`, and comes back."""
    functions = func.FunctionApp()
    functions.register_functions(web.blueprint(lambda: web_app(app.query, app.ingest, KEYED)))
    transport = httpx.ASGITransport(host(functions, route_prefix=""))
    async with httpx.AsyncClient(transport=transport, base_url=HERE) as http:
        answer = await http.post("/login", data={"key": READER, "next": "/api/docs"})
        assert (answer.status_code, answer.headers["location"]) == (303, "/api/docs")
        attributes = set(answer.headers["set-cookie"].split("; ")[1:])
        assert attributes == {"HttpOnly", "Max-Age=43200", "Path=/", "SameSite=strict"}
        shown = await http.get("/api/events")
        assert shown.status_code == 200
        again = await http.get("/api/events", headers={"if-none-match": shown.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        await http.post("/logout", headers={"origin": HERE})
        assert (await http.get("/api/events")).status_code == 401


# Names that lead here


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("localhost:7071", 200),
        ("LOCALHOST.", 200),
        ("registrail.localhost:7071", 200),
        ("127.0.0.1:7071", 200),
        ("127.9.9.9", 200),
        ("[::1]:7071", 200),
        ("192.168.1.7:7071", 200),
        ("[fe80::1]", 200),
        ("evil.example", 421),
        ("localhost.evil.example", 421),
        ("notlocalhost", 421),
        ("127.0.0.1.evil.example", 421),
        ("localhost@evil.example", 421),
        ("registrail", 421),
        ("[", 400),
        ("", 400),
    ],
)
async def test_only_names_that_nobody_can_point_here(app: UseCases, host: str, status: int) -> None:
    """Another site's page whose name was made to lead to this machine reads nothing (DNS rebinding)."""
    async with client(app, DESK) as http:
        answer = await http.get("/api/events", headers={"host": host})
    assert answer.status_code == status
    assert {name: answer.headers.get(name) for name in SECURITY_HEADERS} == SECURITY_HEADERS


@pytest.mark.parametrize("settings", [KEYED, CLOUD])
async def test_with_keys_any_name_will_do(app: UseCases, settings: Settings) -> None:
    """Another site's page has no key."""
    async with client(app, settings, "https://registry-log.example") as http:
        assert (await http.get("/api/events", headers=bearer(READER))).status_code == 200
