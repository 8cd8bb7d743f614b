"""The line to Table Storage: requests through azure-core's pipeline, and again when that may help.

azure-core's own retry policy will not do: it has no jitter, gives up on a POST whose connection broke, repeats what
must not be repeated when the answer has a `Retry-After`, and does not see that an answer is unreadable.

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
import random
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.utils import formatdate
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from azure.core.credentials import AzureNamedKeyCredential, AzureSasCredential
from azure.core.credentials_async import AsyncTokenCredential
from azure.core.exceptions import AzureError, ClientAuthenticationError, ServiceRequestTimeoutError
from azure.core.pipeline import AsyncPipeline, PipelineRequest
from azure.core.pipeline.policies import (
    AsyncBearerTokenCredentialPolicy,
    AsyncHTTPPolicy,
    AzureSasCredentialPolicy,
    DistributedTracingPolicy,
    HttpLoggingPolicy,
    SansIOHTTPPolicy,
    UserAgentPolicy,
)
from azure.core.rest import AsyncHttpResponse, HttpRequest

from registrail.storage.wire import UNREADABLE, Answer, Failure, Request

T = TypeVar("T")
Credential = AzureNamedKeyCredential | AzureSasCredential | AsyncTokenCredential
Policy = SansIOHTTPPolicy[Any, Any] | AsyncHTTPPolicy[Any, Any]  # azure-core's own disagree about what is in brackets

SCOPE: Final = "https://storage.azure.com/.default"
CONNECTIONS: Final = 256
KEEP_ALIVE: Final = 4.0
"""Seconds that an idle connection is kept: Azurite closes it after 5, and what is sent just then gets no answer."""
NOT_SENT: Final = "NotSent"
"""The code when no connection came about: the service has heard nothing."""
NO_ANSWER: Final = "NoAnswer"
"""The code when the connection broke or was silent for too long: the service may have done it."""
NO_TOKEN: Final = "NoToken"  # noqa: S105 - the name of an error
"""The code when the identity got no token, after its own retries."""

_LATER: Final = frozenset({408, 429, 500, 502, 503, 504})
_NOT_DONE: Final = frozenset({429, 503})
_LATER_CODES: Final = frozenset({NOT_SENT, NO_ANSWER, NO_TOKEN, UNREADABLE, "TableBeingDeleted", "TableNotFound"})


def pauses() -> Iterator[float]:
    """Seconds between tries: half to all of 0.2, 0.4 … 4, at random, so that many callers do not return at once."""
    longest = 0.2
    while True:
        yield random.uniform(longest / 2, longest)  # noqa: S311 - no secret
        longest = min(2 * longest, 4.0)


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
        self._authentication = _authentication(credential)
        self._patience = patience
        self._pipeline: AsyncPipeline[HttpRequest, AsyncHttpResponse] | None = None

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
        if self._pipeline is not None:
            await self._pipeline.__aexit__()
            self._pipeline = None
            if isinstance(self.credential, AsyncTokenCredential):
                await self.credential.close()

    async def _try(self, request: Request, read: Callable[[Answer], T | Failure], end: float) -> T | Failure:
        headers = {**request.headers, "x-ms-date": formatdate(usegmt=True)}
        http_request = HttpRequest(
            request.method, self.url + request.target, headers=headers, content=request.body or None
        )
        try:
            async with asyncio.timeout_at(end):
                response = (await self._opened().run(http_request)).http_response
            return read(Answer(response.status_code, response.headers, response.content))
        except TimeoutError:
            return Failure(0, NO_ANSWER, f"no answer within {self._patience.total:.0f} s")
        except ClientAuthenticationError as error:
            return Failure(0, NO_TOKEN, _first_line(error))
        except (AzureError, zlib.error) as error:
            return Failure(0, NOT_SENT if _never_connected(error) else NO_ANSWER, _first_line(error))

    def _opened(self) -> AsyncPipeline[HttpRequest, AsyncHttpResponse]:
        if self._pipeline is None:
            # 0.07 s that importing the app need not wait for.
            from urllib.request import getproxies  # noqa: PLC0415

            import aiohttp  # noqa: PLC0415
            from azure.core.pipeline.transport import AioHttpTransport  # noqa: PLC0415

            session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=CONNECTIONS, keepalive_timeout=KEEP_ALIVE),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,  # azure-core does
                trust_env=bool(getproxies()),  # else it looks for a netrc file, in a thread, for each request
            )
            transport = AioHttpTransport(
                session=session, connection_timeout=self._patience.connect, read_timeout=self._patience.read
            )
            policies: list[Policy] = [
                UserAgentPolicy(sdk_moniker="registrail"),
                self._authentication,
                DistributedTracingPolicy(),
                HttpLoggingPolicy(),
            ]
            self._pipeline = AsyncPipeline(transport, policies)
        return self._pipeline


class SharedKeyLitePolicy(SansIOHTTPPolicy[HttpRequest, AsyncHttpResponse]):
    """Signs requests with the account's key.

    Source: https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key
    """

    def __init__(self, credential: AzureNamedKeyCredential) -> None:
        super().__init__()
        self._credential = credential

    def on_request(self, request: PipelineRequest[HttpRequest]) -> None:
        """Sign date and path."""
        account, key = self._credential.named_key
        http_request = request.http_request
        signed = f"{http_request.headers['x-ms-date']}\n/{account}{urlsplit(http_request.url).path}"
        signature = hmac.digest(base64.b64decode(key), signed.encode(), "sha256")
        http_request.headers["Authorization"] = f"SharedKeyLite {account}:{base64.b64encode(signature).decode()}"


def _authentication(credential: Credential) -> Policy:
    if isinstance(credential, AzureNamedKeyCredential):
        return SharedKeyLitePolicy(credential)
    if isinstance(credential, AzureSasCredential):
        return AzureSasCredentialPolicy(credential)
    return AsyncBearerTokenCredentialPolicy(credential, SCOPE)


def _never_connected(error: Exception) -> bool:
    """Tell a connection that never was from one that broke: azure-core has one name for both."""
    import aiohttp  # noqa: PLC0415 - as above

    cause = getattr(error, "inner_exception", None)
    return isinstance(error, ServiceRequestTimeoutError) or isinstance(cause, aiohttp.ClientConnectorError)


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0]
