"""The line to Table Storage: requests through aiohttp, and again when that may help.

azure-core's own retry policy will not do: it has no jitter, gives up on a POST whose connection broke, repeats what
must not be repeated when the answer has a `Retry-After`, and does not see that an answer is unreadable.
Its pipeline without that policy takes two fifths of the CPU of the request under it.

**The ambiguous case.** When no readable answer comes, the service may have done what it was asked, or not. What can be
repeated (reads, unconditional merges and replaces) is repeated. An insert, a delete or a write that expects a version
is not: the repetition would meet the row that it wrote itself and report a conflict, though the write took place.
The caller hears that storage is unavailable, which promises neither. Throttling (429, 503) and a connection that never
came about are not ambiguous: nothing was done, so anything is repeated.

Source: https://learn.microsoft.com/rest/api/storageservices/table-service-error-codes
"""

import asyncio
import base64
import hmac
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.utils import formatdate
from functools import lru_cache
from time import time
from typing import TYPE_CHECKING, Final, TypeVar
from urllib.parse import urlsplit

from azure.core.credentials import AccessToken, AzureNamedKeyCredential, AzureSasCredential
from azure.core.credentials_async import AsyncTokenCredential
from azure.core.exceptions import AzureError

from registrail.pauses import pauses
from registrail.storage.wire import UNREADABLE, Answer, Failure, Request

if TYPE_CHECKING:
    import aiohttp

T = TypeVar("T")
Credential = AzureNamedKeyCredential | AzureSasCredential | AsyncTokenCredential

SCOPE: Final = "https://storage.azure.com/.default"
CONNECTIONS: Final = 256
KEEP_ALIVE: Final = 4.0
"""Seconds that an idle connection is kept: Azurite closes it after 5, and what is sent just then gets no answer."""
RENEWED_BEFORE: Final = 300
"""Seconds that a token is still good for when a new one is asked for."""
UNAUTHORIZED: Final = 401
NOT_SENT: Final = "NotSent"
"""The code when no connection came about: the service has heard nothing."""
NO_ANSWER: Final = "NoAnswer"
"""The code when the connection broke or was silent for too long: the service may have done it."""
NO_TOKEN: Final = "NoToken"  # noqa: S105 - the name of an error
"""The code when the identity got no token, after its own retries."""

_LATER: Final = frozenset({408, 429, 500, 502, 503, 504})
_NOT_DONE: Final = frozenset({429, 503})
_LATER_CODES: Final = frozenset({NOT_SENT, NO_ANSWER, NO_TOKEN, UNREADABLE, "TableBeingDeleted", "TableNotFound"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """Seconds: for a call with all its tries, for a connection, for the next bytes of an answer, between tries."""

    total: float = 20.0
    connect: float = 5.0
    read: float = 10.0
    pauses: Callable[[], Iterator[float]] = pauses


def helps_later(failure: Failure) -> bool:
    """Whether the same request may succeed at another time."""
    return failure.status in _LATER or failure.code in _LATER_CODES


def is_repeated(failure: Failure, *, repeatable: bool) -> bool:
    """Whether to try again at once; what is not `repeatable` only when nothing was done for certain."""
    if not helps_later(failure) or failure.code in {NO_TOKEN, "TableBeingDeleted", "TableNotFound"}:
        return False
    return repeatable or failure.code == NOT_SENT or failure.status in _NOT_DONE


class Line:
    """Sends requests to one account. Connections are opened when they are first needed."""

    def __init__(self, url: str, credential: Credential, patience: Patience) -> None:
        self.url = url
        self.credential = credential
        self._account_path = urlsplit(url).path
        self._patience = patience
        self._session: aiohttp.ClientSession | None = None
        self._token: AccessToken | None = None
        self._asking_for_token = asyncio.Lock()

    async def ask(self, request: Request, read: Callable[[Answer], T | Failure], *, repeatable: bool) -> T | Failure:
        """Send until there is an answer that stands, or patience is at its end."""
        loop = asyncio.get_running_loop()
        end = loop.time() + self._patience.total
        pauses = self._patience.pauses()
        while True:
            outcome = await self._try(request, read, end)
            if not isinstance(outcome, Failure) or not is_repeated(outcome, repeatable=repeatable):
                return outcome
            pause = next(pauses)
            if loop.time() + pause >= end:
                return outcome
            await asyncio.sleep(pause)

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None
            if isinstance(self.credential, AsyncTokenCredential):
                await self.credential.close()

    async def _try(self, request: Request, read: Callable[[Answer], T | Failure], end: float) -> T | Failure:
        import aiohttp  # noqa: PLC0415 - 0.07 s that importing the app need not wait for

        try:
            async with asyncio.timeout_at(end):
                return read(await self._send(request))
        except AzureError as error:
            return Failure(0, NO_TOKEN, _first_line(error))
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            return Failure(0, NOT_SENT, _first_line(error))
        except aiohttp.ClientError as error:
            return Failure(0, NO_ANSWER, _first_line(error))
        except TimeoutError:
            return Failure(0, NO_ANSWER, f"no answer within {self._patience.total:.0f} s")

    async def _send(self, request: Request) -> Answer:
        target, headers = await self._signed(request)
        token = self._token
        session = self._session or self._opened()
        async with session.request(
            request.method,
            self.url + target,
            headers=headers,
            data=request.body or None,
            allow_redirects=False,
        ) as response:
            if response.status == UNAUTHORIZED and self._token is token:
                self._token = None
            return Answer(response.status, response.headers, await response.read())

    def _opened(self) -> "aiohttp.ClientSession":
        from urllib.request import getproxies  # noqa: PLC0415 - as above

        import aiohttp  # noqa: PLC0415

        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=CONNECTIONS, keepalive_timeout=KEEP_ALIVE),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": f"registrail {aiohttp.http.SERVER_SOFTWARE}"},
            timeout=aiohttp.ClientTimeout(sock_connect=self._patience.connect, sock_read=self._patience.read),
            trust_env=bool(getproxies()),  # else it looks for a netrc file, in a thread, for each request
        )
        return self._session

    async def _signed(self, request: Request) -> tuple[str, dict[str, str]]:
        """Target and headers with what authorizes the request.

        Source: https://learn.microsoft.com/rest/api/storageservices/authorize-requests-to-azure-storage
        """
        date = _http_date(int(time()))
        target, headers = request.target, {**request.headers, "x-ms-date": date}
        credential = self.credential
        if isinstance(credential, AzureNamedKeyCredential):
            account, key = credential.named_key
            path = self._account_path + target.partition("?")[0]
            headers["Authorization"] = f"SharedKeyLite {account}:{_signature(account, key, date, path)}"
        elif isinstance(credential, AzureSasCredential):
            target += f"{'&' if '?' in target else '?'}{credential.signature.lstrip('?')}"
        else:
            headers["Authorization"] = f"Bearer {await self._bearer(credential)}"
        return target, headers

    async def _bearer(self, credential: AsyncTokenCredential) -> str:
        """A token that is good for some minutes; asked for once, however many wait for it."""
        async with self._asking_for_token:
            if self._token is None or self._token.expires_on - time() < RENEWED_BEFORE:
                self._token = await credential.get_token(SCOPE)
            return self._token.token


@lru_cache(maxsize=1)
def _http_date(second: int) -> str:
    return formatdate(second, usegmt=True)


@lru_cache(maxsize=32)
def _signature(account: str, key: str, date: str, path: str) -> str:
    """All transactions of a second have the same."""
    text = f"{date}\n/{account}{path}"
    return base64.b64encode(hmac.digest(base64.b64decode(key), text.encode(), "sha256")).decode()


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0]
