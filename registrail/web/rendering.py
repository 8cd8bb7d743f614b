"""What pages share: where templates and assets are, how they are filled in, and how a page is answered."""

import base64
import gzip
import hashlib
import re
from collections.abc import Mapping
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Final
from urllib.parse import quote_plus

import jinja2
from fastapi import Request, Response
from fastapi.responses import HTMLResponse
from markupsafe import Markup, escape

from registrail.instants import TICKS_PER_SECOND, Instant
from registrail.timeline import time_of
from registrail.web.assets import address_of
from registrail.web.etags import is_known
from registrail.web.image_words import manifest

HERE: Final = Path(__file__).parent
HUES: Final = 24
"""Colours that digests have: the classes `hue-0` to `hue-23`."""
THEME: Final = "registrail-theme"
"""The cookie in which the viewer's choice is kept; it is no secret, and a script sets it."""
THEMES: Final = frozenset({"light", "dark"})

_DIGEST_SHOWN: Final = len("sha256:") + 12
_WORTH_PACKING: Final = 1_000
_SAFE: Final = re.compile("[A-Za-z0-9_.~/:@-]*")


@cache
def templates() -> jinja2.Environment:
    """The templates; everything that is put into them is escaped, and a name that is not there is an error."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(asset=address_of, link=link)
    environment.filters.update(
        ago=ago,
        bytes=in_bytes,
        clock=clock,
        count=count,
        hue=hue,
        manifest=manifest,
        plural=plural,
        prose=prose,
        short_digest=short_digest,
        span=span,
        time_of=time_of,
    )
    # Macros for all pages and their parts; nothing needs to import them.
    environment.globals["parts"] = environment.get_template("parts.html").module
    return environment


def page(
    request: Request,
    template: str,
    context: Mapping[str, object],
    status: int = HTTPStatus.OK,
    block: str | None = None,
) -> Response:
    """Answer with a page, or with one block of it for the parts that refresh.

    The frame learns who looks at it and in which theme. What has not changed is not sent again.
    """
    theme = request.cookies.get(THEME, "")
    whole = {
        "viewer": getattr(request.state, "principal", None),
        "path": request.url.path,
        "theme": theme if theme in THEMES else "",
        **context,
    }
    found = templates().get_template(template)
    text = "".join(found.blocks[block](found.new_context(whole))) if block else found.render(whole)
    return _answer(request, text.encode(), status)


def _answer(request: Request, body: bytes, status: int) -> Response:
    """Packed, if the browser can unpack it; a page holds no secret next to what others may choose (BREACH)."""
    tag = f'W/"{base64.urlsafe_b64encode(hashlib.sha256(body).digest())[:22].decode()}"'
    headers = {"Cache-Control": "private, no-cache", "Vary": "Accept-Encoding, Cookie", "ETag": tag}
    if status == HTTPStatus.OK and is_known(tag, request.headers.get("if-none-match", "")):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    if status != HTTPStatus.OK:
        headers = {"Cache-Control": "no-store", "Vary": "Accept-Encoding, Cookie"}
    if len(body) > _WORTH_PACKING and "gzip" in request.headers.get("accept-encoding", ""):
        headers["Content-Encoding"] = "gzip"
        body = gzip.compress(body, compresslevel=5, mtime=0)
    return HTMLResponse(body, status, headers)


def link(path: str, **parameters: object) -> str:
    """An address with the parameters that are not None and not empty: names contain slashes, and anything else."""
    given = [f"{name}={_quoted(str(value))}" for name, value in parameters.items() if value not in {None, ""}]
    return f"{path}?{'&'.join(given)}" if given else path


def _quoted(value: str) -> str:
    """As in a query; most values are safe, and seeing that takes less than `quote_plus`."""
    return value if _SAFE.fullmatch(value) else quote_plus(value, safe="/:@")


def ago(moment: Instant, now: Instant) -> str:
    """How long before `now`, in the largest unit that is not a fraction."""
    seconds = (now.ticks - moment.ticks) // TICKS_PER_SECOND
    return "ahead of our clock" if seconds < 0 else f"{span(seconds)} ago"


def span(seconds: float) -> str:
    """A length of time in the largest unit that is not a fraction."""
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= length:
            return f"{int(seconds // length)} {unit}"
    return f"{int(seconds)} s"


def clock(moment: Instant) -> str:
    """Date and time to the second, in UTC."""
    return moment.isoformat()[:19].replace("T", " ")


def short_digest(digest: str) -> str:
    """As much of a digest as people compare by eye."""
    return digest[:_DIGEST_SHOWN]


def hue(digest: str) -> int:
    """A digest's colour, the same on all pages and for ever: the number of one of the classes `hue-…`."""
    return hashlib.sha256(digest.encode()).digest()[0] % HUES


def count(number: int) -> Markup:
    """A number; a script writes it as the viewer's locale does."""
    return Markup(f'<span data-number="{number:d}">{number:,d}</span>')  # noqa: S704 - digits and commas


def plural(number: int, one: str, many: str | None = None) -> str:
    """A noun for so many."""
    return one if number == 1 else many or f"{one}s"


def in_bytes(number: int) -> str:
    """A size in units of 1000."""
    size = float(number)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:  # noqa: PLR2004 - a unit
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def prose(text: str) -> Markup:
    """A docstring's text in HTML: blank lines divide paragraphs, back quotes are code."""
    paragraphs = [part for part in re.split(r"\n\s*\n", text.strip()) if part]
    return Markup("").join(Markup("<p>{}</p>").format(_code(paragraph)) for paragraph in paragraphs)


def _code(text: str) -> Markup:
    parts = text.split("`")
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if odd % 2 else escape(part) for odd, part in enumerate(parts)
    )
