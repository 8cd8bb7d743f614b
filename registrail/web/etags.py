"""Answers that need not be sent again: `ETag` and `If-None-Match`."""

import base64
import hashlib
import re
from http import HTTPStatus
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_TAG: Final = re.compile(r'(?:W/)?("[^"]*")')


class ETags:
    """Marks whole answers of the API with a hash of their body, and answers 304 to who has that body already.

    What is streamed in parts, as exports are, passes as it is: its hash would be known when it is sent.
    Source: https://www.rfc-editor.org/rfc/rfc9110#section-13.1.2
    """

    def __init__(self, app: ASGIApp, *, prefix: str) -> None:
        self._app = app
        self._prefix = prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if (
            scope["type"] != "http"
            or scope["method"] not in {"GET", "HEAD"}
            or not scope["path"].startswith(self._prefix)
        ):
            await self._app(scope, receive, send)
            return
        head: Message | None = None
        known = Headers(scope=scope).get("if-none-match", "")

        async def tag(message: Message) -> None:
            nonlocal head
            if message["type"] == "http.response.start" and message["status"] == HTTPStatus.OK:
                head = message
                return
            if head is not None:
                begun, head = head, None
                if not message.get("more_body", False):
                    message = _tagged(begun, message, known)
                await send(begun)
            await send(message)

        await self._app(scope, receive, tag)


def _tagged(head: Message, body: Message, known: str) -> Message:
    """Mark the head; the body, unless it is known."""
    headers = MutableHeaders(scope=head)
    headers.setdefault("cache-control", "private, no-cache")
    own = headers.setdefault("etag", tag_of(body.get("body", b"")))
    if not is_known(own, known):
        return body
    head["status"] = HTTPStatus.NOT_MODIFIED.value
    for name in ("content-length", "content-type", "content-disposition"):
        del headers[name]
    return {"type": "http.response.body", "body": b""}


def tag_of(body: bytes) -> str:
    """A strong tag: equal bytes, and only they, have the same."""
    return f'"{base64.urlsafe_b64encode(hashlib.sha256(body).digest())[:43].decode()}"'


def is_known(tag: str, header: str) -> bool:
    """Whether `If-None-Match` names a tag; it compares weakly, because proxies that compress make tags weak."""
    return header.strip() == "*" or tag.removeprefix("W/") in _TAG.findall(header)
