"""The app as an ASGI application that answers as the Azure Functions host does.

It is a plain one: a framework's layers would cost a webhook as much CPU as its function. Only what the host answers
itself is written with Starlette's requests and responses.

What the platform does with a request, a timer or an Event Grid delivery is done here with the SDK's own
converters, so that tests and `registrail serve` meet what Azure will show: a route that is shadowed, a
decorator that the host does not see, an answer that it refuses. Keys are not enforced, as in Core Tools.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import azure.functions as func
from azure.functions.decorators.http import HttpTrigger
from azure.functions.decorators.timer import TimerTrigger
from azure.functions.meta import Datum
from starlette.datastructures import URL
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from registrail.local.invocation import Function, Trace, index
from registrail.local.problems import FunctionFailedError
from registrail.local.routes import Route, decode_path
from registrail.local.timers import Clock, Timer, read_schedule

BODY_LIMIT = 210_000_000
"""Bytes that the platform takes in one request."""

EVENT_GRID_PATH = "/runtime/webhooks/eventgrid"

Endpoint = Callable[[Request, Mapping[str, str]], Awaitable[Response]]
"""Answers a request with these route parameters."""


def host(  # noqa: PLR0913 - each is a seam or a setting, all but the first with a default
    app: func.FunctionApp,
    *,
    route_prefix: str = "api",
    settings: Mapping[str, str] | None = None,
    directory: Path | None = None,
    clock: Clock | None = None,
    body_limit: int = BODY_LIMIT,
) -> "Host":
    """Serve `app`; its timers run while the application's lifespan does.

    The SDK lets an app be indexed once, so a second call with the same app raises ValueError.

    Args:
        app: as `function_app.py` makes it.
        route_prefix: `extensions.http.routePrefix` of host.json.
        settings: where `%NAME%` in schedules is looked up.
        directory: where `function_app.py` is, for `Context.function_directory`; else the working directory.
        clock: what timers go by; the system's by default.
        body_limit: a request with more bytes is answered 413.

    Raises:
        LocalError: a function that the platform would not index, or a trigger that is not served here.
        SettingsError: a timer's schedule cannot be read.
    """
    functions = index(app, directory or Path.cwd())
    timers = {
        function.name: Timer(
            function,
            read_schedule(function.trigger.schedule, function.name, settings or {}),
            clock or Clock(),
            asyncio.Lock(),
        )
        for function in functions
        if isinstance(function.trigger, TimerTrigger)
    }
    return Host(functions, _routes(functions, route_prefix), timers, body_limit)


def _routes(functions: Sequence[Function], prefix: str) -> list[tuple[Route, Function]]:
    """The routes of HTTP functions, the more specific first."""
    routes = []
    for function in functions:
        trigger = function.trigger
        if isinstance(trigger, HttpTrigger):
            methods = frozenset(str(method).upper() for method in trigger.methods or ())
            template = function.name if trigger.route is None else trigger.route
            routes.append((Route.parse(f"{prefix}/{template}", methods), function))
    return sorted(routes, key=lambda item: item[0].precedence)


class Host:
    """The ASGI application."""

    def __init__(
        self,
        functions: Sequence[Function],
        routes: Sequence[tuple[Route, Function]],
        timers: Mapping[str, Timer],
        body_limit: int,
    ) -> None:
        self._functions = {function.name: function for function in functions}
        self._routes = routes
        self._timers = timers
        self._body_limit = body_limit
        self._endpoints: Sequence[tuple[Route, Endpoint]] = [
            (Route.parse(EVENT_GRID_PATH, frozenset({"POST", "OPTIONS"})), self._event_grid),
            (Route.parse("admin/functions", frozenset({"GET", "HEAD"})), self._list_functions),
            (Route.parse("admin/functions/{name}", frozenset({"POST"})), self._run_function),
            *((route, partial(self._call, function)) for route, function in routes),
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or keep the timers for as long as the server runs."""
        if scope["type"] == "lifespan":
            await receive()
            async with self.lifespan():
                await send({"type": "lifespan.startup.complete"})
                await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        try:
            response = await self._answer(Request(scope, receive))
        except HTTPException as error:
            response = PlainTextResponse(error.detail, error.status_code)
        await response(scope, receive, send)

    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        """Keep the timers meanwhile."""
        tasks = [asyncio.create_task(timer.keep()) for timer in self._timers.values()]
        yield
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _answer(self, request: Request) -> Response:
        """The first route that takes both path and method; a wrong method is 404 too, as on the platform."""
        path = decode_path(request.scope["raw_path"].decode("ascii"))
        for route, endpoint in self._endpoints:
            parameters = route.match(request.method, path)
            if parameters is not None:
                return await endpoint(request, parameters)
        return Response(status_code=404)

    async def _call(self, function: Function, request: Request, parameters: Mapping[str, str]) -> Response:
        """What an HTTP function answers."""
        datum = _request_datum(request.scope, parameters, await self._body(request))
        try:
            return _response(await function.invoke(datum, Trace(request.headers)))
        except FunctionFailedError:
            return Response(status_code=500)

    async def _event_grid(self, request: Request, _parameters: Mapping[str, str]) -> Response:
        """What Event Grid posts to; it wants a handshake before it sends notifications.

        https://github.com/Azure/azure-sdk-for-net/tree/main/sdk/eventgrid/Microsoft.Azure.WebJobs.Extensions.EventGrid
        """
        name = request.query_params.get("functionName", "")
        function = self._functions.get(name)
        if function is None or function.trigger.type != "eventGridTrigger":
            raise HTTPException(404, f"cannot find function: '{name}'")
        if request.method == "OPTIONS":
            return _allow_origin(request)
        body = await self._json(request)
        events = body if isinstance(body, list) else [body]
        match request.headers.get("aeg-event-type", "").lower():
            case "notification":
                return await _notify(function, events, Trace(request.headers))
            case "subscriptionvalidation":
                return _validation(events)
            case "unsubscribe":
                return Response(status_code=202)
        raise HTTPException(400, "the header aeg-event-type must be Notification or SubscriptionValidation")

    async def _list_functions(self, _request: Request, _parameters: Mapping[str, str]) -> Response:
        """Every function with what triggers it."""
        found: dict[str, dict[str, Any]] = {
            name: {"name": name, "trigger": function.trigger.type} for name, function in self._functions.items()
        }
        for route, function in self._routes:
            found[function.name] |= {"methods": sorted(route.methods), "route": f"/{route.template}"}
        for name, timer in self._timers.items():
            found[name] |= {"schedule": timer.schedule.expression}
        return JSONResponse(list(found.values()))

    async def _run_function(self, request: Request, parameters: Mapping[str, str]) -> Response:
        """Run a function now, with `{"input": "…"}` as what triggered it; a timer needs none.

        Unlike the platform's, the answer waits for the function, so that it can tell whether it failed.
        """
        function = self._functions.get(parameters["name"])
        if function is None or function.is_http:
            raise HTTPException(404, "there is no such function, or it has a route to call it at")
        body = await self._json(request)
        if not isinstance(body, dict) or not isinstance(body.get("input", ""), str):
            raise HTTPException(400, 'the body must be {"input": "…"}')
        timer = self._timers.get(function.name)
        try:
            if timer is not None:
                await timer.run()
            else:
                kind = "json" if function.trigger.type == "eventGridTrigger" else "string"
                await function.invoke(Datum(body.get("input", ""), kind), Trace(request.headers))
        except FunctionFailedError:
            return Response(status_code=500)
        return Response(status_code=202)

    async def _json(self, request: Request) -> Any:  # noqa: ANN401 - any JSON
        """What is in the body, `{}` when it is empty; HTTPException 400 if it is not JSON."""
        try:
            return json.loads(await self._body(request) or b"{}")
        except ValueError as error:
            raise HTTPException(400, "the body is not JSON") from error

    async def _body(self, request: Request) -> bytes:
        """The whole body; HTTPException 413 if it is too long, before any is read if its length was given."""
        if int(request.headers.get("content-length", 0)) > self._body_limit:
            raise HTTPException(413)
        body, more = bytearray(), True
        while more:
            message = await request.receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            body += message.get("body", b"")
            more = message.get("more_body", False)
            if len(body) > self._body_limit:
                raise HTTPException(413)
        return bytes(body)


def _request_datum(scope: Scope, parameters: Mapping[str, str], body: bytes) -> Datum:
    """The request as the host hands it to the worker: what is given twice is joined with a comma."""
    headers = _joined((name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"])
    query = scope["query_string"].decode()
    place = headers.get("host") or URL(scope=scope).netloc
    url = f"{scope['scheme']}://{place}{scope['raw_path'].decode('ascii')}"
    return Datum(
        {
            "method": _text(scope["method"]),
            "url": _text(f"{url}?{query}" if query else url),
            "headers": {name: _text(value) for name, value in headers.items()},
            "query": {name: _text(value) for name, value in _joined(parse_qsl(query, keep_blank_values=True)).items()},
            "params": {name: _text(value) for name, value in parameters.items()},
            "body": Datum(body, "bytes"),
        },
        "http",
    )


def _joined(pairs: Iterable[tuple[str, str]]) -> Mapping[str, str]:
    joined: dict[str, str] = {}
    for name, value in pairs:
        joined[name] = f"{joined[name]},{value}" if name in joined else value
    return joined


def _text(value: str) -> Datum:
    return Datum(value, "string")


def _response(answer: Datum | None) -> Response:
    """What an HTTP function's answer becomes on the wire."""
    if answer is None or answer.type == "string":
        return PlainTextResponse(answer.value if answer else "")
    encoded = answer.value
    headers = {name.lower(): value.value for name, value in encoded["headers"].items()}
    response = Response(encoded["body"].value, int(encoded["status_code"].value), headers)
    for cookie in encoded["cookies"] or ():
        for morsel in cookie.values():
            response.headers.append("set-cookie", morsel.OutputString())
    return response


async def _notify(function: Function, events: Sequence[Any], trace: Trace) -> Response:
    """One invocation for each event, all of them tried; Event Grid sends all of them again if one fails."""
    outcomes = await asyncio.gather(
        *(function.invoke(Datum(json.dumps(event), "json"), trace) for event in events),
        return_exceptions=True,
    )
    failed = sum(isinstance(outcome, FunctionFailedError) for outcome in outcomes)
    if failed:
        return PlainTextResponse(f"{function.name} failed for {failed} of {len(events)} events", 500)
    return Response(status_code=202)


def _allow_origin(request: Request) -> Response:
    """The handshake of CloudEvents.

    https://github.com/cloudevents/spec/blob/v1.0/http-webhook.md#4-abuse-protection
    """
    origin = request.headers.get("webhook-request-origin")
    if origin is None:
        raise HTTPException(400, "the header WebHook-Request-Origin is missing")
    return Response(headers={"Allow": "POST", "WebHook-Allowed-Origin": origin, "WebHook-Allowed-Rate": "*"})


def _validation(events: Sequence[Any]) -> Response:
    """The handshake of Event Grid; in a CloudEvent its data is JSON in a string."""
    try:
        data = events[0]["data"]
        code = (json.loads(data) if isinstance(data, str) else data)["validationCode"]
    except (LookupError, TypeError, ValueError) as error:
        raise HTTPException(400, "the event has no data.validationCode") from error
    return JSONResponse({"validationResponse": code})
