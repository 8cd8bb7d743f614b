from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi.responses import StreamingResponse
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from registrail import senders
from registrail.compose import UseCases
from registrail.settings import Settings
from registrail.web.app import web_app
from registrail.web.etags import ETags, is_known, tag_of

PATHS = ["/api/events", "/api/activity", "/api/deliveries", "/api/health", "/api/openapi.json"]


@pytest.fixture
async def http(app: UseCases) -> AsyncIterator[httpx.AsyncClient]:
    """Ask on a desk."""
    transport = httpx.ASGITransport(web_app(app.query, app.ingest, Settings(storage="sqlite:///:memory:")))
    async with httpx.AsyncClient(transport=transport, base_url="http://registrail.localhost") as opened:
        yield opened


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_what_is_known_is_not_sent_again(http: httpx.AsyncClient, path: str, method: str) -> None:
    """304 without a body, with the same tag; whatever else is asked with it."""
    answer = await http.get(path)
    tag = answer.headers["etag"]
    assert (answer.status_code, tag, answer.headers["cache-control"]) == (
        200,
        tag_of(answer.content),
        "private, no-cache",
    )
    again = await http.request(method, path, headers={"if-none-match": f'"other", W/{tag}'})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert {"content-length", "content-type"} & again.headers.keys() == set()
    assert "content-security-policy" in again.headers


@pytest.mark.parametrize("path", ["/api/docs", "/repositories"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_page_that_is_known_is_not_sent_again(http: httpx.AsyncClient, path: str, method: str) -> None:
    """Packed or not it has the same tag, which is weak therefore."""
    packed, plain = [await http.get(path, headers={"accept-encoding": coding}) for coding in ("gzip", "identity")]
    assert (packed.headers.get("content-encoding"), plain.headers.get("content-encoding")) == ("gzip", None)
    tag = plain.headers["etag"]
    assert (tag[:3], packed.headers["etag"], packed.text) == ('W/"', tag, plain.text)
    assert (plain.headers["cache-control"], plain.headers["vary"]) == ("private, no-cache", "Accept-Encoding, Cookie")
    again = await http.request(method, path, headers={"if-none-match": f'"other", {tag}'})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert {"content-length", "content-type", "content-encoding"} & again.headers.keys() == set()
    assert "content-security-policy" in again.headers


async def test_what_has_changed_is_sent(app: UseCases, http: httpx.AsyncClient) -> None:
    """With another tag."""
    tag = (await http.get("/api/deliveries")).headers["etag"]
    await app.ingest.receive("acr", senders.sender.Request(body=b"oops"), path="/hooks/acr")
    answer = await http.get("/api/deliveries", headers={"if-none-match": tag})
    assert (answer.status_code, answer.headers["etag"] == tag) == (200, False)
    assert len(answer.json()["items"]) == 1


@pytest.mark.parametrize("address", ["/api/events?limit=0", "/api/nothing", "/", "/static/registrail.css"])
async def test_what_has_no_tag_of_ours(http: httpx.AsyncClient, address: str) -> None:
    """Problems, pages; files have their server's."""
    answer = await http.get(address, headers={"if-none-match": "*"})
    assert answer.headers.get("cache-control") != "private, no-cache"


async def test_what_is_streamed_passes() -> None:
    """Part by part, as soon as there is a part."""

    async def streamed(_: Request) -> Response:
        async def parts() -> AsyncIterator[bytes]:
            yield b"a"
            yield b"b"

        return StreamingResponse(parts())

    async def kept(_: Request) -> Response:
        return PlainTextResponse("c", headers={"etag": '"mine"', "cache-control": "no-store"})

    app = Starlette(routes=[Route("/api/streamed", streamed), Route("/api/kept", kept)])
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(ETags(app, prefix="/api/")), base_url="http://t"
    ) as opened:
        answer = await opened.get("/api/streamed", headers={"if-none-match": "*"})
        assert (answer.status_code, answer.content, "etag" in answer.headers) == (200, b"ab", False)
        answer = await opened.get("/api/kept")
        assert (answer.headers["etag"], answer.headers["cache-control"]) == ('"mine"', "no-store")
        assert (await opened.get("/api/kept", headers={"if-none-match": '"mine"'})).status_code == 304


@pytest.mark.parametrize(
    ("header", "known"),
    [('"a"', True), ('W/"a"', True), (' "b" , "a"', True), ("*", True), ('"b"', False), ("a", False), ("", False)],
)
def test_if_none_match(header: str, known: bool) -> None:  # noqa: FBT001
    """A list of tags, weak or strong, or a star."""
    assert is_known('"a"', header) == known
