"""The FastAPI app behind the function `web`."""

import json
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Final, cast

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from registrail.errors import InvalidParameterError, StorageError
from registrail.ingest import Ingest
from registrail.query import Query
from registrail.settings import Settings
from registrail.web import api, deliveries, pages

SECURITY_HEADERS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
}
HEALTH: Final = "/api/health"
CLOSED: Final = (
    "This app runs on Azure and nobody is signed in, so it shows nothing. Turn on App Service authentication with "
    "Microsoft Entra for this function app, let unauthenticated requests through to /hooks and /runtime, and sign in."
)


def web_app(query: Query, ingest: Ingest, settings: Settings) -> FastAPI:
    """Make the app. On Azure it is shown to people whom the platform has signed in, and to nobody else."""
    app = FastAPI(title="Registrail", docs_url=None, redoc_url=None, openapi_url="/api/openapi.json")
    app.include_router(api.router(query))
    app.include_router(deliveries.router(query, ingest))
    app.include_router(pages.router(query))
    app.mount("/static", pages.static_files(), name="static")
    app.add_exception_handler(InvalidParameterError, _invalid_parameter)
    app.add_exception_handler(RequestValidationError, _invalid_request)
    app.add_exception_handler(StorageError, _storage_trouble)
    app.add_exception_handler(HTTPException, _http_error)

    @app.middleware("http")
    async def guard(request: Request, forward: Callable[[Request], Awaitable[Response]]) -> Response:
        request.state.may_read = not settings.on_azure or (
            settings.behind_sign_in and "x-ms-client-principal-id" in request.headers
        )
        if request.method == "POST" and _from_elsewhere(request):
            response = _problem(HTTPStatus.FORBIDDEN, "this was sent from a page of another site")
        elif request.state.may_read or request.url.path == HEALTH:
            response = await forward(request)
        else:
            response = _problem(HTTPStatus.FORBIDDEN, CLOSED)
        for name, value in SECURITY_HEADERS.items():
            response.headers.setdefault(name, value)
        return response

    return app


def _from_elsewhere(request: Request) -> bool:
    """Whether a browser says that another site's page makes the request; programs say nothing.

    Source: https://developer.mozilla.org/docs/Web/HTTP/Reference/Headers/Sec-Fetch-Site
    """
    return request.headers.get("sec-fetch-site", "none") not in {"none", "same-origin"}


def _problem(status: int, detail: str, **more: object) -> Response:
    """Describe a problem. Source: https://www.rfc-editor.org/rfc/rfc9457 ."""
    title = HTTPStatus(status).phrase
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail, **more}
    headers = {"Retry-After": "10"} if status == HTTPStatus.SERVICE_UNAVAILABLE else {}
    return Response(json.dumps(body), status, headers, media_type="application/problem+json")


async def _invalid_parameter(_: Request, error: Exception) -> Response:
    parameter = cast("InvalidParameterError", error).parameter
    return _problem(HTTPStatus.BAD_REQUEST, str(error), parameter=parameter)


async def _invalid_request(_: Request, error: Exception) -> Response:
    first = cast("RequestValidationError", error).errors()[0]
    parameter = str(first["loc"][-1])
    return _problem(HTTPStatus.BAD_REQUEST, f"{parameter}: {first['msg']}", parameter=parameter)


async def _storage_trouble(_: Request, error: Exception) -> Response:
    return _problem(HTTPStatus.SERVICE_UNAVAILABLE, str(error), reason=cast("StorageError", error).reason)


async def _http_error(_: Request, error: Exception) -> Response:
    known = cast("HTTPException", error)
    response = _problem(known.status_code, str(known.detail))
    response.headers.update(known.headers or {})
    return response
