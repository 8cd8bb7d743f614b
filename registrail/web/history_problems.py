"""What goes wrong on the history's pages, told on a page that says where to go on."""

from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

from registrail.errors import InvalidParameterError, StorageError
from registrail.web.rendering import page


@dataclass(frozen=True, slots=True)
class Absent:
    """What there is not.

    Attributes:
        subject: what was asked for.
        links: texts and addresses of what may have been meant.
    """

    title: str
    subject: str
    text: str
    links: Sequence[tuple[str, str]] = ()


def missing(request: Request, absent: Absent) -> Response:
    """404."""
    return _told(request, HTTPStatus.NOT_FOUND, absent)


class HistoryRoute(APIRoute):
    """Answers what is raised on purpose with a page."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap what the route does."""
        handle = super().get_route_handler()

        async def told(request: Request) -> Response:
            try:
                return await handle(request)
            except InvalidParameterError as error:
                return _told(request, HTTPStatus.BAD_REQUEST, Absent("This address does not work", "", str(error)))
            except StorageError as error:
                text = f"{error}. Nothing that was acknowledged is lost; reload the page in a while."
                answer = _told(request, HTTPStatus.SERVICE_UNAVAILABLE, Absent("The store does not answer", "", text))
                answer.headers["Retry-After"] = "10"
                return answer

        return told


def _told(request: Request, status: HTTPStatus, absent: Absent) -> Response:
    context = {"absent": absent, "address": str(request.url.replace(scheme="", netloc="")), "status": status}
    return page(request, "missing.html", context, status)
