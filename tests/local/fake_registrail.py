"""An app that answers what the API is to answer (`/api/openapi.json`), and remembers what it was asked."""

import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import uvicorn
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send
from typer.testing import CliRunner

from registrail.local.cli import app

Answer = Callable[[Mapping[str, str]], Any]

_RANGE: Final = {"registry", "since", "until", "limit", "cursor"}
_WHO: Final = {"actor", "client"}
_IMAGE: Final = {"repository", "tag", "digest"}
PARAMETERS: Final[Mapping[str, set[str]]] = {
    "/api/events": _RANGE | _WHO | _IMAGE | {"action"},
    "/api/tags": {"registry", "repository", "prefix", "present", "at", "limit", "cursor"},
    "/api/timeline": _RANGE | {"repository", "tag", "at"},
    "/api/deletes": _RANGE | _WHO | _IMAGE,
    "/api/pushes": _RANGE | _WHO | _IMAGE,
    "/api/activity": _RANGE | {"repository", "grain", "by", "actor", "client"},
    "/api/deliveries": {"sender", "outcome", "since", "until", "limit", "cursor"},
    "/api/health": set(),
    "/api/registries": set(),
    "/api/repositories": {"registry", "prefix", "limit", "cursor"},
}
"""What each list may be asked; anything else is 400."""


@dataclass
class FakeRegistrail:
    """Answers by path: a JSON document, or what to make of the parameters; anything else is 404."""

    answers: dict[str, Any] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    headers: list[Mapping[str, str]] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        assert scope["type"] == "http"
        request = Request(scope, receive)
        path, parameters = request.url.path, dict(request.query_params)
        self.asked.append((path, parameters))
        self.headers.append(request.headers)
        await self._answer(path, parameters)(scope, receive, send)

    def _answer(self, path: str, parameters: dict[str, str]) -> Response:
        unknown = sorted(set(parameters) - PARAMETERS.get(path, {"registry"}))
        if unknown:
            return problem(400, f"{unknown[0]}: is unknown", parameter=unknown[0])
        if path not in self.answers:
            return problem(404, "Not Found")
        answer = self.answers[path]
        found = answer(parameters) if callable(answer) and not isinstance(answer, Response) else answer
        return found if isinstance(found, Response) else JSONResponse(found)


def problem(status: int, detail: str, **more: object) -> Response:
    """Describe what went wrong, as the app does."""
    body = {"type": "about:blank", "title": "", "status": status, "detail": detail, **more}
    return JSONResponse(body, status, media_type="application/problem+json")


def listed(*items: Mapping[str, Any], following: str | None = None) -> dict[str, Any]:
    """A list of the API."""
    return {"items": list(items), "next": following}


@contextmanager
def serving(fake: FakeRegistrail) -> Iterator[str]:
    """Serve it on loopback; gives its address."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(fake, lifespan="off", log_level="critical"))
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


def registrail(*arguments: str, **environment: str) -> tuple[int, str, str]:
    """Run the command; its exit code and what it says."""
    result = CliRunner(env={"REGISTRAIL_URL": "", "REGISTRAIL_KEY": "", **environment}).invoke(app, arguments)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout, result.stderr
