"""What stands before every page and every answer: who asks, from where, and that nothing inside shows."""

import logging
from collections.abc import Mapping
from http import HTTPStatus
from ipaddress import ip_address
from typing import Any, Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from registrail.access import Principal
from registrail.ports import Clock
from registrail.settings import Settings
from registrail.web.access import (
    INTO_A_LOG,
    LOGIN,
    LOGOUT,
    Refusal,
    has_key_in_address,
    is_https,
    is_loopback,
    sign_in_address,
    who_asks,
)
from registrail.web.problems import API, problem, refused

SECURITY_HEADERS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    # Not `no-referrer`: with it browsers say `Origin: null` for our own forms.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
HSTS: Final = "max-age=31536000"
"""For a year; not for hosts below ours, which may be other people's."""
HEALTH: Final = "/api/health"
STATIC: Final = "/static/"
SAFE: Final = frozenset({"GET", "HEAD"})
OF_THE_PLATFORM: Final = (b"x-ms-client-principal", b"x-ms-token-")
"""Headers that the platform sets for whom it has signed in, and takes off what others send; elsewhere anybody can."""

ANOTHER_SITE: Final = "this was sent from a page of another site"
NOT_A_BROWSER: Final = (
    "forms of pages are sent by browsers, which say from where; programs ask /api/…, and registries send events to "
    "/hooks/{sender}, such as /hooks/acr"
)

_log = logging.getLogger("registrail.web")


class Guard:
    """Lets in who may come in, and notes them in `request.state`: `principal` (or None) and `may_read`."""

    def __init__(self, app: ASGIApp, *, settings: Settings, clock: Clock) -> None:
        self._app = app
        self._settings = settings
        self._clock = clock
        self._vouched = settings.on_azure and settings.behind_sign_in

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; whatever fails unexpectedly is one line in the log, and no detail in the answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if not self._vouched:
            headers = [
                (name, value) for name, value in scope["headers"] if not name.lower().startswith(OF_THE_PLATFORM)
            ]
            scope = {**scope, "headers": headers}
        request = Request(scope)
        begun = False

        async def secured(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
                if is_https(request, self._settings) and not is_loopback(_host(request.headers) or "localhost"):
                    headers.setdefault("Strict-Transport-Security", HSTS)
            await send(message)

        try:
            refusal = self._refusal(request)
            await (refusal or self._app)(scope, receive, secured)
        except Exception:
            if begun:
                raise  # the server breaks the connection, so that nobody takes half an answer for a whole one
            _log.exception("request failed", extra=_what(scope))
            await _failed(request)(scope, receive, secured)

    def _refusal(self, request: Request) -> Response | None:
        """Why a request is not passed on, if it is not."""
        settings, path = self._settings, request.scope["path"]
        host = _host(request.headers)
        if host is None:
            return refused(request, HTTPStatus.BAD_REQUEST, "the header Host cannot be read")
        if not settings.on_azure and not settings.access_keys and not _is_loopback_or_address(host):
            return refused(
                request,
                HTTPStatus.MISDIRECTED_REQUEST,
                "without access keys this app answers only to localhost and to IP addresses, so that no other site can "
                "have its name point here; to serve it under a name, set REGISTRAIL_ACCESS_KEYS",
            )
        if has_key_in_address(request):
            return refused(request, HTTPStatus.BAD_REQUEST, INTO_A_LOG)
        asking = who_asks(request, settings, self._clock)
        principal = asking if isinstance(asking, Principal) else None
        request.state.principal = principal
        request.state.may_read = principal is not None
        must_say = _is_browsers(request, principal)
        if request.method not in SAFE and (foreign := _foreign(request.headers, must_say=must_say)):
            return refused(request, HTTPStatus.FORBIDDEN, foreign)
        if path == HEALTH or path.startswith(STATIC) or (settings.access_keys and path in {LOGIN, LOGOUT}):
            return None
        return self._role_refusal(request, asking)

    def _role_refusal(self, request: Request, asking: Principal | Refusal) -> Response | None:
        """Whether somebody may do what is asked: reading is for readers, everything else for operators."""
        if isinstance(asking, Refusal):
            wants_page = request.method in SAFE and "text/html" in request.headers.get("accept", "")
            if asking.can_sign_in and wants_page:
                to = sign_in_address(request, self._settings)
                return RedirectResponse(to, HTTPStatus.SEE_OTHER, {"Cache-Control": "no-store"})
            return asking.response(request)
        if request.method in SAFE or request.scope["path"] == LOGOUT:
            return None
        if asking.may("operator"):
            _log.info("operator request", extra={"by": asking.name, "means": asking.means, **_what(request.scope)})
            return None
        who = f"{asking.name!r} has the role {asking.role}"
        return refused(request, HTTPStatus.FORBIDDEN, f"this needs the role operator, and {who}", role="operator")


def _failed(request: Request) -> Response:
    """500; in plain words where the page about it fails, too."""
    detail = "something unexpected happened; the app's log has it"
    try:
        return refused(request, HTTPStatus.INTERNAL_SERVER_ERROR, detail)
    except Exception:  # noqa: BLE001 - this is the last resort
        _log.exception("the page about a failed request failed", extra=_what(request.scope))
        return problem(HTTPStatus.INTERNAL_SERVER_ERROR, detail)


def _what(scope: Mapping[str, Any]) -> dict[str, str]:
    """What is asked, without the query: it may hold what is nobody's business."""
    return {"method": scope["method"], "path": scope["path"]}


def _host(headers: Headers) -> str | None:
    """The host that was asked for, without port and brackets; None if there is no telling."""
    try:
        return urlsplit(f"//{headers.get('host', 'localhost')}").hostname
    except ValueError:
        return None


def _is_loopback_or_address(host: str) -> bool:
    """Whether a host is no name that somebody else's DNS server could have given.

    Without this a page of another site could have its own name point here and read what we answer (DNS rebinding).
    """
    try:
        return is_loopback(host) or bool(ip_address(host))
    except ValueError:
        return False


def _is_browsers(request: Request, principal: Principal | None) -> bool:
    """Whether only browsers make such a request: it has a cookie, or is one of our forms; programs use the API."""
    path = request.scope["path"]
    if not path.startswith(f"{API}/") and path not in {LOGIN, LOGOUT}:
        return True
    return principal is not None and principal.means in {"session", "sign-in"} and "cookie" in request.headers


def _foreign(headers: Headers, *, must_say: bool) -> str | None:
    """Why a request is not from a page of ours; None if it is, or from a program that may ask.

    Browsers always say where a request comes from, and programs do not: where only browsers can be (`must_say`),
    silence is suspicious.
    Source: https://developer.mozilla.org/docs/Web/HTTP/Reference/Headers/Sec-Fetch-Site
    """
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site is not None:
        return None if site in {"none", "same-origin"} else ANOTHER_SITE
    if origin is not None:
        own = origin.partition("://")[2].lower() == headers.get("host", "").lower()
        return None if own else ANOTHER_SITE
    return NOT_A_BROWSER if must_say else None
