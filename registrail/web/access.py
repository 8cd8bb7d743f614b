"""Who asks, by the headers of a request; and the page where people sign in with an access key."""

import logging
import re
from dataclasses import dataclass
from http import HTTPStatus
from ipaddress import ip_address
from typing import Final
from urllib.parse import parse_qs, quote, urlencode, urlsplit

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from registrail import access
from registrail.access import Principal
from registrail.ports import Clock
from registrail.settings import Settings
from registrail.web.problems import refused
from registrail.web.rendering import page

LOGIN: Final = "/login"
LOGOUT: Final = "/logout"
KEY_HEADER: Final = "x-registrail-key"
CLOSED: Final = (
    "This app runs on Azure and nobody is signed in, so it shows nothing. Turn on App Service authentication with "
    "Microsoft Entra for this function app, let unauthenticated requests through to /hooks and /runtime, and sign in; "
    "or set REGISTRAIL_ACCESS_KEYS to what `registrail key NAME` prints, and send the key."
)
MISSING: Final = (
    "An access key is needed: send it as `Authorization: Bearer rgt_…`, or open /login in a browser. "
    "Whoever runs this app makes one with `registrail key NAME`."
)
UNKNOWN: Final = "This access key is not known here: it was revoked, or is for another app."
CUT: Final = "This is not a whole access key: it begins with rgt_ and has 48 characters after that."
INTO_A_LOG: Final = (
    "An access key must not stand in an address: addresses end up in logs, in histories and in Referer headers. "
    "Send it as `Authorization: Bearer rgt_…`; and as this one may be in a log now, replace it."
)
_log = logging.getLogger("registrail.web")
_PLATFORM_LOGIN: Final = "/.auth/login/aad"
_KEY_PARAMETERS: Final = frozenset({"access_key", "access_token", "api_key", "apikey", "key", KEY_HEADER})
_BEARER: Final = re.compile(r"bearer +(\S+) *", re.IGNORECASE)
LONGEST_FORM: Final = 10_000
"""Bytes."""
_LONGEST_NEXT: Final = 2_000


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why somebody may not come in, and whether signing in would help."""

    status: HTTPStatus
    detail: str
    can_sign_in: bool = False

    def response(self, request: Request) -> Response:
        """Tell it."""
        if self.status != HTTPStatus.UNAUTHORIZED:
            return refused(request, self.status, self.detail)
        error = "" if self.can_sign_in else ', error="invalid_token"'
        return refused(request, self.status, self.detail, {"WWW-Authenticate": f'Bearer realm="registrail"{error}'})


def who_asks(request: Request, settings: Settings, clock: Clock) -> Principal | Refusal:
    """An access key counts before the platform's sign-in, and this before the session that a browser has.

    The platform's headers must have been taken off where the platform does not set them.
    """
    key = _key_in(request)
    by_key = KEY_HEADER in request.headers or (key is not None and key.startswith(access.KEY_PREFIX))
    if settings.access_keys and key is not None and by_key:
        found = access.find_key(settings.access_keys, key)
        if found is not None:
            return Principal(name=found.name, role=found.role, means="key")
        return Refusal(HTTPStatus.UNAUTHORIZED, _why_not(key))
    signed_in = access.signed_in(request.headers, settings.operators)
    if signed_in is not None:
        return signed_in
    cookie = request.cookies.get(cookie_name(request, settings), "")
    session = access.find_session(settings.access_keys, cookie, clock())
    if session is not None:
        return Principal(name=session.name, role=session.role, means="session")
    return _without_any(settings, key)


def _without_any(settings: Settings, key: str | None) -> Principal | Refusal:
    """What applies to who shows nothing that counts; `key` is a token that is none of ours."""
    if settings.access_keys:
        return Refusal(HTTPStatus.UNAUTHORIZED, MISSING if key is None else CUT, can_sign_in=key is None)
    if settings.on_azure:
        return Refusal(HTTPStatus.FORBIDDEN, CLOSED, can_sign_in=settings.behind_sign_in)
    return Principal(name="local", role="operator", means="open")


def _why_not(key: str) -> str:
    return UNKNOWN if access.is_whole(key) else CUT


def _key_in(request: Request) -> str | None:
    given = request.headers.get(KEY_HEADER)
    if given is not None:
        return given.strip()
    bearer = _BEARER.fullmatch(request.headers.get("authorization", ""))
    return bearer[1] if bearer else None


def has_key_in_address(request: Request) -> bool:
    """Whether a parameter is called what people call keys, or is one."""
    given = request.query_params.multi_items()
    return any(name.lower() in _KEY_PARAMETERS or access.KEY_PREFIX in value for name, value in given)


def sign_in_address(request: Request, settings: Settings) -> str:
    """Where a browser is sent that shows a page to nobody."""
    path = quote(request.url.path, safe="/~")
    wanted = f"{path}?{request.url.query}" if request.url.query else path
    if settings.access_keys:
        return LOGIN + (f"?{urlencode({'next': wanted})}" if wanted != "/" else "")
    return f"{_PLATFORM_LOGIN}?{urlencode({'post_login_redirect_uri': local(wanted)})}"


def local(address: str | None) -> str:
    """An address if it is a path on this site, else `/`: a link must not lead elsewhere after signing in.

    Browsers read two slashes, also if one is a backslash, or a control character is between, as another site.
    """
    if not address or len(address) > _LONGEST_NEXT or not re.fullmatch(r"/(?![/\\])[!-\[\]-~]*", address):
        return "/"
    return "/" if urlsplit(address).path in {LOGIN, LOGOUT} else address


def is_loopback(host: str) -> bool:
    """Whether a host, without port and brackets, is this machine; browsers let no DNS server answer for `localhost`."""
    host = host.rstrip(".").lower()
    try:
        return host == "localhost" or host.endswith(".localhost") or ip_address(host).is_loopback
    except ValueError:
        return False


def is_https(request: Request, settings: Settings) -> bool:
    """Whether the browser speaks https, be it to a proxy or to the platform in front of the app."""
    forwarded = request.headers.get("x-forwarded-proto", "").partition(",")[0].strip().lower()
    return settings.on_azure or request.url.scheme == "https" or forwarded == "https"


def _secure(request: Request, settings: Settings) -> bool:
    """Whether the cookie is for https only: always, but on http to this machine."""
    return settings.on_azure or request.url.scheme == "https" or not is_loopback(request.url.hostname or "")


def cookie_name(request: Request, settings: Settings) -> str:
    """`__Host-` makes browsers see to it that no other host has set the cookie.

    Source: https://developer.mozilla.org/docs/Web/HTTP/Reference/Headers/Set-Cookie#cookie_prefixes
    """
    return "__Host-registrail" if _secure(request, settings) else "registrail"


def router(settings: Settings, clock: Clock) -> APIRouter:
    """Signing in and out."""
    pages = APIRouter(include_in_schema=False)

    def form_page(request: Request, wanted: str, wrong: str | None = None) -> Response:
        context = {
            "next": wanted,
            "wrong": wrong,
            "platform": _PLATFORM_LOGIN if settings.behind_sign_in and settings.on_azure else None,
            "needs_https": _secure(request, settings) and not is_https(request, settings),
        }
        response = page(request, "login.html", context, HTTPStatus.UNAUTHORIZED if wrong else HTTPStatus.OK)
        response.headers["Cache-Control"] = "no-store"
        return response

    def moved(request: Request, to: str, session: str) -> Response:
        response = RedirectResponse(to, HTTPStatus.SEE_OTHER, {"Cache-Control": "no-store"})
        response.set_cookie(
            cookie_name(request, settings),
            session,
            max_age=access.SESSION_SECONDS if session else 0,
            secure=_secure(request, settings),
            httponly=True,
            samesite="strict",
        )
        return response

    @pages.api_route(LOGIN, methods=["GET", "HEAD"])
    async def login(request: Request) -> Response:
        wanted = local(request.query_params.get("next"))
        if settings.access_keys:
            return form_page(request, wanted)
        return RedirectResponse(wanted, HTTPStatus.SEE_OTHER, {"Cache-Control": "no-store"})

    @pages.post(LOGIN)
    async def sign_in(request: Request) -> Response:
        form = form_of(await request.body())
        wanted, key = local(form.get("next")), form.get("key", "").strip()
        if not settings.access_keys:
            return RedirectResponse(wanted, HTTPStatus.SEE_OTHER)
        found = access.find_key(settings.access_keys, key)
        if found is None:
            _log.warning("sign-in refused")
            return form_page(request, wanted, _why_not(key))
        _log.info("signed in", extra={"by": found.name})
        return moved(request, wanted, access.new_session(found, clock()))

    @pages.post(LOGOUT)
    async def sign_out(request: Request) -> Response:
        return moved(request, LOGIN if settings.access_keys else "/", "")

    return pages


def form_of(body: bytes) -> dict[str, str]:
    """A form's fields; none if it is no form or far too long."""
    if len(body) > LONGEST_FORM:
        return {}
    try:
        return {name: values[0] for name, values in parse_qs(body.decode(), max_num_fields=10).items()}
    except ValueError:
        return {}
