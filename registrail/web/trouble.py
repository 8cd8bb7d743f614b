"""What goes wrong, told on a page that says where to go on."""

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
    """What there is not, or what did not work.

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
    return told(request, HTTPStatus.NOT_FOUND, absent)


def told(request: Request, status: int, absent: Absent) -> Response:
    """A page about it."""
    address = str(request.url.replace(scheme="", netloc="")).lstrip("/")
    again = f"/{address}" if request.method == "GET" else None
    answer = page(request, "missing.html", {"absent": absent, "again": again, "status": status}, status)
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        answer.headers["Retry-After"] = "10"
    return answer


class PageRoute(APIRoute):
    """Answers what is raised on purpose with a page, whoever asks."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap what the route does."""
        handle = super().get_route_handler()

        async def pages_only(request: Request) -> Response:
            try:
                return await handle(request)
            except InvalidParameterError as error:
                absent = Absent("This address does not work", "", str(error))
                return told(request, HTTPStatus.BAD_REQUEST, absent)
            except StorageError as error:
                text = f"{error}. Nothing that was acknowledged is lost; reload the page in a while."
                return told(request, HTTPStatus.SERVICE_UNAVAILABLE, Absent("The store does not answer", "", text))

        return pages_only
