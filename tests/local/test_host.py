import asyncio
import functools
import json
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import azure.functions as func
import httpx
import pytest

from registrail.errors import SettingsError
from registrail.local.host import Host, host
from registrail.local.problems import LocalError
from registrail.local.timers import Clock

GRID = "/runtime/webhooks/eventgrid"


@asynccontextmanager
async def client(application: Host) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the application, without sockets."""
    transport = httpx.ASGITransport(application)
    async with httpx.AsyncClient(transport=transport, base_url="http://registrail.test") as http:
        yield http


async def request(app: func.FunctionApp, method: str, url: str, **arguments: Any) -> httpx.Response:
    """One request to an app without a route prefix."""
    async with client(host(app, route_prefix="")) as http:
        return await http.request(method, url, **arguments)


def echo(app: func.FunctionApp, name: str, route: str, methods: list[str] | None = None) -> None:
    """Add a function that answers with its name and what it was asked."""

    @app.function_name(name)
    @app.route(route, methods=methods)
    async def answer(req: func.HttpRequest) -> func.HttpResponse:
        asked = {
            "function": name,
            "method": req.method,
            "url": req.url,
            "params": dict(req.params),
            "route": dict(req.route_params),
            "body": req.get_body().decode(),
            "header": req.headers.get("X-Given"),
        }
        return func.HttpResponse(json.dumps(asked), mimetype="application/json")


async def test_request_reaches_function_whole() -> None:
    """Method, address, query, route parameters, headers and body arrive as on the platform."""
    app = func.FunctionApp()
    echo(app, "hook", "hooks/{sender}", ["POST"])

    response = await request(
        app,
        "POST",
        "/hooks/acr%20one?registry=a&x=1&x=2",
        content=b"body",
        headers=[("x-given", "one"), ("X-Given", "two")],
    )

    assert response.json() == {
        "function": "hook",
        "method": "POST",
        "url": "http://registrail.test/hooks/acr%20one?registry=a&x=1&x=2",
        "params": {"registry": "a", "x": "1,2"},
        "route": {"sender": "acr one"},
        "body": "body",
        "header": "one,two",
    }


@pytest.mark.parametrize("catch_all_first", [True, False])
@pytest.mark.parametrize(
    ("method", "path", "function"),
    [
        ("POST", "/hooks/acr", "hook"),
        ("GET", "/hooks/acr", "web"),  # the route with the right path does not take the method
        ("GET", "/", "web"),
        ("GET", "/api/events", "web"),
    ],
)
async def test_more_specific_route_wins(method: str, path: str, function: str, *, catch_all_first: bool) -> None:
    """A catch-all gets what no other function takes, whichever was registered first."""
    app = func.FunctionApp()
    functions = [("web", "{*path}", None), ("hook", "hooks/{sender}", ["POST"])]
    for name, route, methods in functions if catch_all_first else reversed(functions):
        echo(app, name, route, methods)

    response = await request(app, method, path)

    assert function == response.json()["function"]


@pytest.mark.parametrize(("method", "path"), [("GET", "/api/hook"), ("POST", "/hook"), ("POST", "/api")])
async def test_nothing_there(method: str, path: str) -> None:
    """A wrong method, like a wrong path or a missing prefix, is an empty 404."""
    app = func.FunctionApp()
    echo(app, "hook", "hook", ["POST"])

    async with client(host(app)) as http:
        response = await http.request(method, path)

    assert (response.status_code, response.content) == (404, b"")


async def test_route_defaults_to_name() -> None:
    """A function without a route is found under its name, behind the prefix `api`."""
    app = func.FunctionApp()

    @app.route()
    def hello(req: func.HttpRequest) -> str:
        return f"{req.method} in {threading.current_thread() is threading.main_thread()}"

    async with client(host(app)) as http:
        response = await http.get("/api/hello")

    assert response.text == "GET in False"
    assert response.headers["content-type"] == "text/plain; charset=utf-8"


async def test_response_reaches_client_whole() -> None:
    """Status, headers, both cookies and the body arrive; only Set-Cookie may be given twice."""
    app = func.FunctionApp()

    @app.route("here")
    async def here(req: func.HttpRequest) -> func.HttpResponse:  # noqa: ARG001 - the trigger's name
        response = func.HttpResponse(b"\xff", status_code=418, mimetype="image/png")
        for name, value in [("X", "1"), ("X", "2"), ("Set-Cookie", "a=1; Path=/"), ("Set-Cookie", "b=2")]:
            response.headers.add(name, value)
        return response

    response = await request(app, "GET", "/here")

    assert (response.status_code, response.content) == (418, b"\xff")
    assert response.headers.get_list("content-type") == ["image/png"]
    assert response.headers.get_list("x") == ["2"]
    assert response.headers.get_list("set-cookie") == ["a=1; Path=/", "b=2"]


def _raise(error: BaseException) -> Any:
    raise error


@pytest.mark.parametrize(
    "outcome",
    [
        lambda: None,
        lambda: {"a": 1},
        lambda: 1 / 0,
        lambda: next(iter(())),
        lambda: _raise(SystemExit(1)),
        lambda: _raise(asyncio.CancelledError()),
    ],
    ids=["none", "dict", "error", "stop", "exit", "cancelled"],
)
@pytest.mark.parametrize("kind", ["async", "sync"])
async def test_failure(kind: str, outcome: Callable[[], Any], caplog: pytest.LogCaptureFixture) -> None:
    """Whatever a function raises, or returns instead of an answer, is an empty 500 with a traceback logged."""
    app = func.FunctionApp()
    if kind == "async":

        @app.route("fails")
        async def fails(req: func.HttpRequest) -> Any:  # noqa: ARG001 - the trigger's name
            return outcome()
    else:

        @app.route("fails")
        def fails(req: func.HttpRequest) -> Any:  # noqa: ARG001 - the trigger's name
            return outcome()

    response = await request(app, "GET", "/fails")

    assert (response.status_code, response.content) == (500, b"")
    assert [(record.message, record.exc_info is not None) for record in caplog.records] == [
        ("the function fails failed", True)
    ]


async def test_context() -> None:
    """A function that asks for its context learns its name, its folder and the caller's trace."""
    app = func.FunctionApp()

    @app.route("here")
    async def here(req: func.HttpRequest, context: func.Context) -> str:  # noqa: ARG001 - the trigger's name
        about = [context.function_name, context.function_directory, context.trace_context.trace_parent]
        return json.dumps([*about, len(context.invocation_id)])

    async with client(host(app, route_prefix="", directory=Path("/app"))) as http:
        response = await http.get("/here", headers={"traceparent": "00-abc-def-01"})

    assert response.json() == ["here", "/app", "00-abc-def-01", 36]


async def test_fastapi_behind_catch_all() -> None:
    """An ASGI app in a function sees the whole path, decoded once, and answers for it."""

    async def asgi(scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG001 - the ASGI signature
        await send({"type": "http.response.start", "status": 201, "headers": [(b"x-path", scope["path"].encode())]})
        await send({"type": "http.response.body", "body": scope["query_string"]})

    middleware = func.AsgiMiddleware(asgi)
    app = func.FunctionApp()

    @app.route("{*path}")
    async def web(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
        answer: func.HttpResponse = await middleware.handle_async(req, context)
        return answer

    response = await request(app, "GET", "/tags/a%2520b?q=%20")

    assert (response.status_code, response.headers["x-path"], response.text) == (201, "/tags/a%20b", "q=%20")


async def test_decorator_above_route_is_not_seen() -> None:
    """The host calls what stands below the route, so a decorator above it does nothing."""
    app = func.FunctionApp()

    def guarded(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        async def refuse(**_arguments: object) -> str:
            return "refused"

        return refuse

    @app.route("below")
    @guarded
    async def below(req: func.HttpRequest) -> str:  # noqa: ARG001 - the trigger's name
        return "open"

    @guarded
    @app.route("above")
    async def above(req: func.HttpRequest) -> str:  # noqa: ARG001 - the trigger's name
        return "open"

    async with client(host(app, route_prefix="")) as http:
        answers = [(await http.get(path)).text for path in ("/below", "/above")]

    assert answers == ["refused", "open"]
    assert above is not None


async def stream(chunks: int) -> AsyncIterator[bytes]:
    """A body whose length is not announced."""
    for _ in range(chunks):
        yield b"0123456789"


@pytest.mark.parametrize(("chunks", "status"), [(10, 200), (11, 413)])
@pytest.mark.parametrize("announced", [True, False])
async def test_body_limit(chunks: int, status: int, *, announced: bool) -> None:
    """A body up to the limit is taken, a larger one is 413, whether or not it tells its length."""
    app = func.FunctionApp()
    echo(app, "hook", "hook")

    async with client(host(app, route_prefix="", body_limit=100)) as http:
        response = await http.post("/hook", content=b"0123456789" * chunks if announced else stream(chunks))

    assert status == response.status_code


def test_app_is_indexed_once() -> None:
    """The SDK lets an app be indexed once; a second host of it is refused instead of serving half of it."""
    app = func.FunctionApp()
    echo(app, "hook", "hook")
    host(app)

    with pytest.raises(ValueError, match="unique function name"):
        host(app)


def test_unknown_parameter() -> None:
    """A parameter that is no binding keeps a function from being indexed, even with a default."""
    app = func.FunctionApp()

    @app.route("here")
    async def here(req: func.HttpRequest, extra: int = 1) -> str:  # noqa: ARG001 - what is tested
        return ""

    with pytest.raises(LocalError, match="here must take req and at most context"):
        host(app)


def test_unknown_binding() -> None:
    """A binding that is not served here is named, instead of being left out silently."""
    app = func.FunctionApp()

    @app.route("here")
    @app.queue_output("message", "queue", "STORAGE")
    async def here(req: func.HttpRequest, message: func.Out[str]) -> str:  # noqa: ARG001 - what is tested
        return ""

    with pytest.raises(LocalError, match="here has bindings"):
        host(app)


def grid_app(seen: list[Any]) -> func.FunctionApp:
    """An app with an Event Grid function that notes what it gets and fails for the subject `bad`."""
    app = func.FunctionApp()

    @app.event_grid_trigger("event")
    async def receive_event(event: func.EventGridEvent) -> None:
        await asyncio.sleep(0)
        if event.subject == "bad":
            raise ValueError(event.subject)
        seen.append(event)

    echo(app, "web", "{*path}")
    return app


def grid_event(subject: str) -> dict[str, Any]:
    """An event in Event Grid's schema."""
    return {
        "id": "1",
        "topic": "/registries/r",
        "subject": subject,
        "eventType": "Microsoft.ContainerRegistry.ImagePushed",
        "eventTime": "2026-01-31T12:00:00.1234567Z",
        "data": {"action": "push"},
        "dataVersion": "1.0",
    }


async def deliver(
    app: func.FunctionApp, body: Any, kind: str = "Notification", name: str = "receive_event"
) -> httpx.Response:
    """What Event Grid does with events."""
    headers = {"aeg-event-type": kind} if kind else {}
    return await request(app, "POST", GRID, params={"functionName": name}, json=body, headers=headers)


@pytest.mark.parametrize("body", [[grid_event("a"), grid_event("b")], grid_event("a")])
async def test_notification(body: Any) -> None:
    """Each event of an array, or a single one, is an invocation of its own, and the answer is 202."""
    seen: list[func.EventGridEvent] = []

    response = await deliver(grid_app(seen), body)

    assert response.status_code == 202
    assert [event["subject"] for event in (body if isinstance(body, list) else [body])] == [
        event.subject for event in seen
    ]
    assert seen[0].get_json() == {"action": "push"}


async def test_cloud_event() -> None:
    """An event in the CloudEvents schema arrives as a `CloudEvent`, as the SDK decides by its content."""
    seen: list[func.CloudEvent] = []
    event = {"specversion": "1.0", "id": "1", "source": "/r", "type": "t", "subject": "s", "data": {"a": 1}}

    response = await deliver(grid_app(seen), [event])

    assert response.status_code == 202
    assert isinstance(seen[0], func.CloudEvent)
    assert (seen[0].id, seen[0].source, seen[0].subject) == ("1", "/r", "s")


async def test_failed_notification() -> None:
    """One failing event makes the whole delivery a 500, after every other event has been tried."""
    seen: list[func.EventGridEvent] = []

    response = await deliver(grid_app(seen), [grid_event("a"), grid_event("bad"), grid_event("c")])

    assert (response.status_code, response.text) == (500, "receive_event failed for 1 of 3 events")
    assert [event.subject for event in seen] == ["a", "c"]


@pytest.mark.parametrize(
    "body",
    [
        [{"data": {"validationCode": "512d38b6"}}],
        {"specversion": "1.0", "data": json.dumps({"validationCode": "512d38b6"})},
    ],
)
async def test_subscription_validation(body: Any) -> None:
    """The handshake echoes the code, which a CloudEvent carries as JSON in a string."""
    response = await deliver(grid_app([]), body, "SubscriptionValidation")

    assert (response.status_code, response.json()) == (200, {"validationResponse": "512d38b6"})


@pytest.mark.parametrize(
    ("kind", "name", "body", "status"),
    [
        ("Notification", "nobody", [], 404),
        ("Notification", "web", [], 404),
        ("", "receive_event", [], 400),
        ("SubscriptionDeletion", "receive_event", [], 400),
        ("SubscriptionValidation", "receive_event", [], 400),
        ("Unsubscribe", "receive_event", [], 202),
        ("Notification", "receive_event", [1], 500),
    ],
)
async def test_other_deliveries(kind: str, name: str, body: Any, status: int) -> None:
    """An unknown function, a missing header and an unreadable event are told apart as on the platform."""
    assert status == (await deliver(grid_app([]), body, kind, name)).status_code


async def test_cloud_events_handshake() -> None:
    """Whoever announces CloudEvents is allowed to send as many as they like."""
    response = await request(
        grid_app([]),
        "OPTIONS",
        GRID,
        params={"functionName": "receive_event"},
        headers={"WebHook-Request-Origin": "eventgrid.azure.net"},
    )

    assert response.status_code == 200
    assert tuple(response.headers[name] for name in ("webhook-allowed-origin", "webhook-allowed-rate", "allow")) == (
        "eventgrid.azure.net",
        "*",
        "POST",
    )


def timer_app(runs: list[bool], *, fail: bool = False) -> func.FunctionApp:
    """An app with a timer that notes whether it was past due."""
    app = func.FunctionApp()

    @app.timer_trigger("timer", schedule="%SUMMARIZE_SCHEDULE%")
    async def summarize(timer: func.TimerRequest) -> None:
        runs.append(timer.past_due)
        if fail:
            raise ValueError

    echo(app, "web", "{*path}", ["GET"])
    return app


@pytest.mark.parametrize("body", [b"", b"{}", b'{"input": ""}'])
@pytest.mark.parametrize(("fail", "status"), [(False, 202), (True, 500)])
async def test_run_timer_now(body: bytes, status: int, *, fail: bool) -> None:
    """A timer runs when it is told to, and the answer tells whether it failed."""
    runs: list[bool] = []
    application = host(timer_app(runs, fail=fail), settings={"SUMMARIZE_SCHEDULE": "0 * * * * *"})

    async with client(application) as http:
        response = await http.post("/admin/functions/summarize", content=body)

    assert (status, [False]) == (response.status_code, runs)


async def test_run_event_grid_function_now() -> None:
    """A function that is no timer gets the input as what triggered it."""
    seen: list[func.EventGridEvent] = []

    response = await request(
        grid_app(seen), "POST", "/admin/functions/receive_event", json={"input": json.dumps(grid_event("a"))}
    )

    assert (response.status_code, [event.subject for event in seen]) == (202, ["a"])


@pytest.mark.parametrize(
    ("name", "body", "status"),
    [("nobody", "{}", 404), ("web", "{}", 404), ("receive_event", "{", 400), ("receive_event", "[]", 400)],
)
async def test_cannot_run_now(name: str, body: str, status: int) -> None:
    """Only functions without a route are run by name, and only with a readable input."""
    response = await request(grid_app([]), "POST", f"/admin/functions/{name}", content=body)

    assert status == response.status_code


async def test_list_of_functions() -> None:
    """Every function is listed with what triggers it."""
    async with client(host(timer_app([]), settings={"SUMMARIZE_SCHEDULE": "0 * * * * *"})) as http:
        response = await http.get("/admin/functions")

    assert response.json() == [
        {"name": "summarize", "trigger": "timerTrigger", "schedule": "0 * * * * *"},
        {"name": "web", "trigger": "httpTrigger", "methods": ["GET"], "route": "/api/{*path}"},
    ]


async def test_timers_run_while_the_app_does() -> None:
    """Timers begin with the application and end with it."""
    ran = asyncio.Event()
    time = [datetime(2026, 1, 31, 12, tzinfo=UTC)]
    app = func.FunctionApp()

    async def sleep(seconds: float) -> None:
        time[0] += timedelta(seconds=seconds)
        await asyncio.sleep(0)

    @app.timer_trigger("timer", schedule="0 * * * * *")
    async def summarize(timer: func.TimerRequest) -> None:  # noqa: ARG001 - the trigger's name
        ran.set()

    application = host(app, clock=Clock(lambda: time[0], sleep))
    before = asyncio.all_tasks()
    async with application.lifespan():
        await asyncio.wait_for(ran.wait(), 10)

    assert before == asyncio.all_tasks()


def test_missing_schedule() -> None:
    """A schedule whose setting is missing stops the host, and the message names setting and function."""
    with pytest.raises(SettingsError, match=r"SUMMARIZE_SCHEDULE: missing.*summarize"):
        host(timer_app([]), settings={})
