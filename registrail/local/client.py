"""Asking Registrail: the one client of every command that reads, over HTTP or in this process."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from http import HTTPStatus
from typing import Any, Final

import httpx

from registrail.local.problems import LocalError

Json = dict[str, Any]
Parameters = Mapping[str, str | int | None]

MOST: Final = 1000
"""Items that a page of a list may have."""

_OPTIONS: Final = frozenset(
    {"action", "actor", "at", "by", "client", "cursor", "grain", "limit", "outcome", "prefix", "registry", "sender"}
    | {"since", "until"}
)
"""Parameters that are options of the same name here; others are parts of what is asked about."""

_TRY_AGAIN: Final = frozenset({429, 502, 503, 504})
_PATIENCE: Final = (1.0, 2.0, 4.0, 8.0)
_LONGEST_WAIT: Final = 30.0


class RefusedError(LocalError):
    """An answer that is no success, in one line; `status` is HTTP's."""

    reason = "refused"

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class Client:
    """Questions to a Registrail at `place`, which is how messages call it.

    Every method raises LocalError, in one line that says what to do, if nobody answers, and RefusedError if the answer
    is no success.
    """

    def __init__(self, http: httpx.AsyncClient, place: str) -> None:
        self._http = http
        self.place = place

    async def get(self, path: str, parameters: Parameters | None = None) -> httpx.Response:
        """Get what is at a path; parameters without a value are left out."""
        given = {name: str(value) for name, value in (parameters or {}).items() if value is not None}
        return await self._ask("GET", path, given)

    async def document(self, path: str, parameters: Parameters | None = None) -> Json:
        """The JSON object at a path."""
        return self.read(await self.get(path, parameters))

    async def post(self, path: str) -> Json:
        """Have something done; gives what became of it."""
        return self.read(await self._ask("POST", path, {}))

    async def pages(self, path: str, parameters: Parameters, *, limit: int = MOST) -> AsyncIterator[Json]:
        """All pages of a list. Who has begun is patient: a page that cannot be had now is asked for again."""
        page = await self.document(path, {**parameters, "limit": limit})
        yield page
        while page.get("next") is not None:
            page = await self._patiently(path, {**parameters, "limit": limit, "cursor": page["next"]})
            yield page

    def read(self, response: httpx.Response) -> Json:
        """The JSON object in an answer."""
        try:
            answer = response.json()
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise LocalError(f"{self.place} does not answer as Registrail does: is the address right?")
        return answer

    async def _patiently(self, path: str, parameters: Parameters) -> Json:
        for wait in _PATIENCE:
            try:
                return await self.document(path, parameters)
            except RefusedError as error:
                if error.status not in _TRY_AGAIN:
                    raise
            except LocalError as error:
                if not isinstance(error.__cause__, httpx.TransportError):
                    raise
            await asyncio.sleep(min(wait, _LONGEST_WAIT))
        return await self.document(path, parameters)

    async def _ask(self, method: str, path: str, parameters: Mapping[str, str]) -> httpx.Response:
        try:
            response = await self._http.request(method, path, params=parameters)
        except httpx.TimeoutException as error:
            raise LocalError(
                f"{self.place} does not answer in time: ask for less, such as a shorter --since"
            ) from error
        except httpx.TransportError as error:
            said = str(error) or type(error).__name__
            remedy = "start the app with `make run`, or give its address with --url"
            raise LocalError(f"Nobody answers at {self.place} ({said}): {remedy}") from error
        except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            raise LocalError(f"--url {self.place} is no address such as http://localhost:7071") from error
        if not response.is_success:
            raise RefusedError(self._refusal(response, path), response.status_code)
        return response

    def _refusal(self, response: httpx.Response, path: str) -> str:
        """What went wrong, and what to do about it, in one line."""
        status = response.status_code
        problem = _problem(response)
        detail = " ".join(str(problem.get("detail") or response.reason_phrase or "no reason given").split())
        match status:
            case HTTPStatus.BAD_REQUEST if "parameter" in problem:
                return named(str(problem["parameter"]), detail)
            case HTTPStatus.UNAUTHORIZED:
                return f"{self.place} wants a key (401, {detail}): set REGISTRAIL_KEY, or give --key-file"
            case HTTPStatus.FORBIDDEN:
                return f"{self.place} does not let you (403): {detail}"
            case HTTPStatus.NOT_FOUND if detail == "Not Found":
                return f"{self.place} has no {path}: is it an older Registrail?"
            case _ if response.is_redirect:
                return f"{self.place} wants somebody to sign in ({status}): set REGISTRAIL_KEY, or give --key-file"
            case _:
                return f"{self.place} answers {status}: {detail}"


def named(parameter: str, detail: str) -> str:
    """What is wrong with a parameter, by the name that it has on the command line."""
    option = f"--{parameter}" if parameter in _OPTIONS else parameter
    return f"{option}: {detail.removeprefix(f'{parameter}: ')}"


def _problem(response: httpx.Response) -> Json:
    """The problem that an answer describes; nothing if it is anybody's."""
    try:
        said = response.json()
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}
