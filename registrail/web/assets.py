"""Style sheets, scripts and pictures: in memory, packed once, at addresses that change when anything in them does.

All of them share one version, which is a folder in the address, so that a script may import its neighbour by a
relative address and gets the version that it was written for.
"""

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Final

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from registrail.web.etags import is_known, tag_of

FOLDER: Final = Path(__file__).parent / "static"
PREFIX: Final = "/static"
TYPES: Final[Mapping[str, str]] = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml; charset=utf-8",
}
"""What is served; licences and the list of versions lie beside and are not."""
FOR_EVER: Final = "public, max-age=31536000, immutable"
ASK_AGAIN: Final = "no-cache"

_VERSION_LENGTH: Final = 12


@dataclass(frozen=True, slots=True)
class Asset:
    """A file."""

    body: bytes
    packed: bytes
    media_type: str
    tag: str


@cache
def assets() -> Mapping[str, Asset]:
    """All files by their path in the folder."""
    found: dict[str, Asset] = {}
    for path in sorted(FOLDER.rglob("*")):
        if path.suffix in TYPES:
            body = path.read_bytes()
            packed = gzip.compress(body, compresslevel=9, mtime=0)
            found[path.relative_to(FOLDER).as_posix()] = Asset(body, packed, TYPES[path.suffix], tag_of(body))
    return found


@cache
def version() -> str:
    """Of everything together."""
    whole = "\n".join(f"{name} {asset.tag}" for name, asset in assets().items())
    return hashlib.sha256(whole.encode()).hexdigest()[:_VERSION_LENGTH]


def address_of(name: str) -> str:
    """Where a file is, for ever the same one.

    Raises:
        LookupError: there is no such file.
    """
    if name not in assets():
        raise LookupError(name)
    return f"{PREFIX}/{version()}/{name}"


async def serve(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a request below the prefix; an address without or with another version works, but is asked for again."""
    name = scope["path"].removeprefix(scope.get("root_path", "")).removeprefix(PREFIX).lstrip("/")
    first, _, rest = name.partition("/")
    current = first == version()
    known = assets()
    asset = known.get(rest) if rest in known and name not in known else known.get(name)
    if asset is None or scope["method"] not in {"GET", "HEAD"}:
        await Response(status_code=HTTPStatus.NOT_FOUND)(scope, receive, send)
        return
    await _response(asset, Headers(scope=scope), is_current=current)(scope, receive, send)


def _response(asset: Asset, asked: Headers, *, is_current: bool) -> Response:
    packs = "gzip" in asked.get("accept-encoding", "")
    tag = f'{asset.tag[:-1]}.gz"' if packs else asset.tag
    headers = {
        "Cache-Control": FOR_EVER if is_current else ASK_AGAIN,
        "ETag": tag,
        "Vary": "Accept-Encoding",
        "Cross-Origin-Resource-Policy": "same-origin",
    }
    if is_known(tag, asked.get("if-none-match", "")):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    headers |= {"Content-Type": asset.media_type} | ({"Content-Encoding": "gzip"} if packs else {})
    return Response(asset.packed if packs else asset.body, headers=headers)
