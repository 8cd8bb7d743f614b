"""What goes wrong, as problem descriptions (RFC 9457): the parameter, what was given and what would be right."""

import difflib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final, cast, get_args, get_origin

from fastapi import FastAPI, Request, Response
from fastapi.dependencies.utils import get_flat_params
from fastapi.exceptions import RequestValidationError
from fastapi.params import Query
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from registrail.errors import InvalidParameterError, StorageError
from registrail.web.description import operation_of, right
from registrail.web.trouble import Absent, told

API: Final = "/api"

_TITLES: Final[Mapping[int, str]] = {
    HTTPStatus.BAD_REQUEST: "This address does not work",
    HTTPStatus.UNAUTHORIZED: "This key opens nothing here",
    HTTPStatus.FORBIDDEN: "This is not for you",
    HTTPStatus.NOT_FOUND: "There is no such page",
    HTTPStatus.METHOD_NOT_ALLOWED: "This address takes something else",
    HTTPStatus.MISDIRECTED_REQUEST: "This app does not answer to that name",
    HTTPStatus.INTERNAL_SERVER_ERROR: "Something went wrong",
    HTTPStatus.SERVICE_UNAVAILABLE: "The store does not answer",
}
_SAID: Final[Mapping[int, str]] = {
    HTTPStatus.NOT_FOUND: "nothing is at this address; perhaps it was cut, or a letter is wrong",
    HTTPStatus.METHOD_NOT_ALLOWED: "a page was asked for, but this address only takes what a form sends",
}
"""For browsers, in place of the framework's words."""
_SHOWN: Final = 64
_LIKENESS: Final = 0.5
_UNKNOWN: Final = "unknown_parameter"
_LISTS: Final = frozenset({list, set, frozenset, tuple, Sequence})


def problem(status: int, detail: str, headers: Mapping[str, str] | None = None, **more: object) -> Response:
    """Describe a problem. Source: https://www.rfc-editor.org/rfc/rfc9457 ."""
    title = HTTPStatus(status).phrase
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail, **more}
    wait = {"Retry-After": "10"} if status == HTTPStatus.SERVICE_UNAVAILABLE else {}
    kept_by_nobody = {"Cache-Control": "no-store"}
    return Response(
        json.dumps(body), status, {**kept_by_nobody, **wait, **(headers or {})}, media_type="application/problem+json"
    )


def refused(
    request: Request, status: int, detail: str, headers: Mapping[str, str] | None = None, **more: object
) -> Response:
    """Describe a problem to who asks: on a page to a browser that asks for one, as RFC 9457 to everybody else."""
    if request.url.path.startswith(f"{API}/") or "text/html" not in request.headers.get("accept", ""):
        return problem(status, detail, headers, **more)
    answer = told(request, status, Absent(_TITLES.get(status, HTTPStatus(status).phrase), "", _sentence(detail)))
    answer.headers.update(headers or {})
    return answer


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")


def handle_problems(app: FastAPI) -> None:
    """Answer what is raised on purpose."""
    app.add_exception_handler(InvalidParameterError, _invalid_parameter)
    app.add_exception_handler(RequestValidationError, _invalid_request)
    app.add_exception_handler(StorageError, _storage_trouble)
    app.add_exception_handler(HTTPException, _http_error)


def declared_parameters_only(request: Request) -> None:
    """Refuse parameters that a route of the API does not have: a typo must not list everything.

    Raises:
        RequestValidationError: a parameter is unknown, or is given twice to a route that would read one of the two.
    """
    route = request.scope.get("route")
    if not isinstance(route, APIRoute) or not request.url.path.startswith(f"{API}/"):
        return
    declared = [field for field in get_flat_params(route.dependant) if isinstance(field.field_info, Query)]
    known = {field.alias for field in declared}
    lists = {field.alias for field in declared if _is_list(field.field_info.annotation)}
    given = Counter(name for name, _ in request.query_params.multi_items())
    mistakes: list[dict[str, Any]] = [
        {"type": _UNKNOWN, "loc": ("query", name), "msg": _unknown(name, known)} for name in given if name not in known
    ]
    mistakes += [
        {"type": "repeated_parameter", "loc": ("query", name), "msg": "is given more than once, but one is wanted"}
        for name, times in given.items()
        if name in known and times > 1 and name not in lists
    ]
    if mistakes:
        raise RequestValidationError(mistakes)


def _is_list(annotation: object) -> bool:
    """Whether a parameter may be given several times: it is a list, or a list or nothing."""
    return get_origin(annotation) in _LISTS or any(_is_list(part) for part in get_args(annotation))


def _unknown(name: str, known: set[str]) -> str:
    """Say what the parameter might have been meant to be."""
    if not known:
        return "is unknown: there are no parameters here"
    wanted = name.lower()
    close = sorted(one for one in known if len(wanted) > 1 and one.startswith(wanted))
    close += difflib.get_close_matches(wanted, sorted(known), n=1, cutoff=_LIKENESS)
    if close:
        return f"is unknown; perhaps {close[0]} is meant"
    return f"is unknown; there are {', '.join(sorted(known))}"


def _refused(mistakes: Sequence[dict[str, str]]) -> Response:
    """400 with every mistake."""
    detail = "; ".join(f"{one['parameter']}: {one['detail']}" for one in mistakes)
    return problem(HTTPStatus.BAD_REQUEST, detail, parameter=mistakes[0]["parameter"], problems=mistakes)


async def _invalid_parameter(request: Request, error: Exception) -> Response:
    parameter = cast("InvalidParameterError", error).parameter
    mistake = {"parameter": parameter, "detail": str(error).removeprefix(f"{parameter}: ")}
    given = request.query_params.get(parameter)
    if given is not None:
        mistake["given"] = given[:_SHOWN]
    return _refused([mistake | _expected(request, parameter)])


async def _invalid_request(request: Request, error: Exception) -> Response:
    return _refused([_mistake(request, one) for one in cast("RequestValidationError", error).errors()])


def _mistake(request: Request, error: Mapping[str, Any]) -> dict[str, str]:
    """One of FastAPI's errors in our words, which are not those of a Python library."""
    place = [str(part) for part in error["loc"]]
    name = place[1] if len(place) > 1 else place[0]
    mistake = {"parameter": name[:_SHOWN], "detail": str(error["msg"])}
    expected = _expected(request, name)
    given = request.query_params.get(name, request.path_params.get(name))
    if given is not None and error["type"] != _UNKNOWN:
        mistake["given"] = str(given)[:_SHOWN]
    if error["type"] == "missing":
        mistake["detail"] = "is missing" + (f": give {expected['expected']}" if expected else "")
    elif expected and given is not None and not str(error["type"]).endswith("_parameter"):
        mistake["detail"] = f"must be {expected['expected']}, not {mistake['given']!r}"
    return mistake | expected


def _expected(request: Request, parameter: str) -> dict[str, str]:
    """What would be right for a parameter of the route that was asked."""
    document = cast("FastAPI", request.app).openapi()
    operation = operation_of(document, request.scope.get("route"), request.method)
    found = [one for one in operation.get("parameters", ()) if one["name"] == parameter]
    return {"expected": right(document, found[0])} if found else {}


async def _storage_trouble(request: Request, error: Exception) -> Response:
    return refused(request, HTTPStatus.SERVICE_UNAVAILABLE, str(error), reason=cast("StorageError", error).reason)


async def _http_error(request: Request, error: Exception) -> Response:
    known = cast("HTTPException", error)
    detail = str(known.detail)
    if detail == HTTPStatus(known.status_code).phrase and "text/html" in request.headers.get("accept", ""):
        detail = _SAID.get(known.status_code, detail)
    return refused(request, known.status_code, detail, known.headers)
