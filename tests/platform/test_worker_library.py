"""The app in Microsoft's own worker library: what it indexes and invokes, the platform indexes and invokes.

The library takes the classes of its gRPC messages as an argument. The stand-ins here know the fields that it
uses and, as protobuf would, refuse any other field and any value of another type.
https://github.com/Azure/azure-functions-language-worker-protobuf/blob/main/src/proto/FunctionRpc.proto
"""

import json
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
import pytest_asyncio

ROOT = Path(__file__).parents[2]

pytestmark = [pytest.mark.platform, pytest.mark.asyncio(loop_scope="module")]

FIELDS = {
    "BindingInfo": "type:str direction:int data_type:int",
    "FunctionLoadResponse": "function_id:str result:StatusResult",
    "FunctionMetadataResponse": (
        "function_metadata_results:list use_default_metadata_indexing:bool result:StatusResult"
    ),
    "InvocationResponse": "invocation_id:str output_data:list return_value:TypedData result:StatusResult",
    "ParameterBinding": "name:str data:TypedData",
    "RpcException": "message:str stack_trace:str",
    "RpcFunctionMetadata": (
        "name:str function_id:str directory:str script_file:str entry_point:str language:str "
        "bindings:dict raw_bindings:list is_proxy:bool managed_dependency_enabled:bool "
        "retry_options:RpcRetryOptions properties:dict"
    ),
    "RpcHttp": (
        "method:str url:str headers:dict params:dict query:dict body:TypedData status_code:str cookies:list "
        "enable_content_negotiation:bool"
    ),
    "RpcRetryOptions": (
        "max_retry_count:int retry_strategy:str delay_interval:timedelta minimum_interval:timedelta "
        "maximum_interval:timedelta"
    ),
    "StatusResult": "status:int exception:RpcException",
    "TypedData": "http:RpcHttp json:str string:str bytes:bytes",
    "WorkerInitResponse": "capabilities:dict worker_metadata:WorkerMetadata result:StatusResult",
    "WorkerMetadata": (
        "runtime_name:str runtime_version:str worker_version:str worker_bitness:str custom_properties:dict"
    ),
}


class Message:
    """A stand-in for a gRPC message: fields that are not set read as None."""

    fields: ClassVar[dict[str, str]]

    def __init__(self, **values: Any) -> None:
        for name, value in values.items():
            kind = KINDS[self.fields[name]]
            if value is not None and not isinstance(value, kind):
                raise TypeError(f"{type(self).__name__}.{name} is {kind.__name__}, not {value!r}")
        self.values = values

    def __getattr__(self, name: str) -> Any:
        if name not in self.fields:
            raise AttributeError(name)
        return self.values.get(name)

    def WhichOneof(self, group: str) -> str | None:  # noqa: N802 - protobuf's name
        """Name the field of a group of alternatives that is set."""
        alternatives = {"data": ["http", "json", "string", "bytes"], "rpc_data": ["data"]}[group]
        return next((name for name in alternatives if self.values.get(name) is not None), None)


MESSAGES = {
    name: type(name, (Message,), {"fields": dict(field.split(":") for field in fields.split())})
    for name, fields in FIELDS.items()
}
KINDS = MESSAGES | {kind.__name__: kind for kind in (str, bytes, int, bool, list, dict, timedelta)}
PROTOS: Any = SimpleNamespace(**MESSAGES)
PROTOS.BindingInfo.undefined, PROTOS.BindingInfo.out, PROTOS.BindingInfo.inout = 0, 1, 2
PROTOS.StatusResult.Failure, PROTOS.StatusResult.Success = 0, 1


class Host:
    """The Functions host's side of the conversation."""

    def __init__(self, worker: Any) -> None:
        self.worker = worker
        self.functions: dict[str, Any] = {}

    async def start(self) -> None:
        """Do what the host does at start-up: initialise, ask for the functions, load each."""
        started = await self._ask(
            "worker_init_request", capabilities={}, function_app_directory=str(ROOT), host_version="4"
        )
        assert_success(started)
        indexed = await self._ask("functions_metadata_request")
        assert_success(indexed)
        self.functions = {function.name: function for function in indexed.function_metadata_results}
        for function in self.functions.values():
            loaded = await self._ask("function_load_request", function_id=function.function_id, metadata=function)
            assert_success(loaded)

    def trigger(self, name: str) -> dict[str, Any]:
        """Return a function's trigger as the host reads it."""
        bindings = [json.loads(binding) for binding in self.functions[name].raw_bindings]
        [trigger] = [binding for binding in bindings if binding["type"].endswith("Trigger")]
        assert isinstance(trigger, dict)
        return trigger

    async def invoke(self, name: str, **data: Any) -> Any:
        """Invoke a function with its trigger's data and return what it returns."""
        answer = await self._ask(
            "invocation_request",
            invocation_id=f"invocation of {name}",
            function_id=self.functions[name].function_id,
            input_data=[PROTOS.ParameterBinding(name=self.trigger(name)["name"], data=PROTOS.TypedData(**data))],
            trigger_metadata={},
            trace_context=SimpleNamespace(trace_parent="", trace_state="", attributes={}),
            retry_context=SimpleNamespace(retry_count=0, max_retry_count=0, exception=None),
        )
        assert_success(answer)
        return answer.return_value

    async def http(
        self, name: str, method: str, path: str, *, route: Mapping[str, str], body: bytes = b""
    ) -> tuple[str, dict[str, str], bytes]:
        """Send a request to a function and return status, headers and body."""
        query = path.partition("?")[2]
        request = PROTOS.RpcHttp(
            method=method,
            url=f"https://registrail.localhost{path}",
            headers={"host": "registrail.localhost", "content-type": "application/json"},
            query=dict(pair.split("=") for pair in query.split("&") if pair),
            params=dict(route),
            body=PROTOS.TypedData(bytes=body),
        )
        response = (await self.invoke(name, http=request)).http
        return response.status_code, response.headers, response.body.bytes

    async def get(self, path: str) -> Any:
        """Get JSON from the web function."""
        route = {"path": path.partition("?")[0].removeprefix("/")}
        status, headers, body = await self.http("web", "GET", path, route=route)
        assert (status, headers["content-type"]) == ("200", "application/json")
        return json.loads(body)

    async def _ask(self, verb: str, **fields: Any) -> Any:
        """Send one request in the envelope that the worker process would wrap it in."""
        request = SimpleNamespace(**{verb: SimpleNamespace(**fields)})
        properties = {"host": "127.0.0.1", "protos": PROTOS}
        return await getattr(self.worker, verb)(SimpleNamespace(request=request, properties=properties))


def assert_success(response: Any) -> None:
    """Fail with the worker's own words unless the response reports success."""
    exception = response.result.exception
    assert response.result.status == PROTOS.StatusResult.Success, exception.message + exception.stack_trace


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def host() -> AsyncIterator[Host]:
    """The host after start-up, with an empty store in memory."""
    worker = pytest.importorskip("azure_functions_runtime", reason="Microsoft's worker library needs Python 3.13")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT)
        patch.setenv("REGISTRAIL_STORAGE", "sqlite:///:memory:")
        patch.setenv("SUMMARIZE_SCHEDULE", "0 * * * * *")
        started = Host(worker)
        await started.start()
        yield started


async def test_every_function_is_indexed(host: Host) -> None:
    """The worker tells the host these functions with these triggers and levels of access, and no others."""
    told = {
        name: (
            trigger["type"],
            trigger.get("route"),
            set(trigger.get("methods", [])),
            trigger.get("authLevel"),
        )
        for name in host.functions
        for trigger in [host.trigger(name)]
    }
    assert told == {
        "receive_hook": ("httpTrigger", "hooks/{sender}", {"POST", "OPTIONS"}, "FUNCTION"),
        "receive_event": ("eventGridTrigger", None, set(), None),
        "summarize_activity": ("timerTrigger", None, set(), None),
        "expire_history": ("timerTrigger", None, set(), None),
        "web": ("httpTrigger", "{*path}", {"GET", "HEAD", "POST"}, "ANONYMOUS"),
    }
    assert host.trigger("summarize_activity")["schedule"] == "%SUMMARIZE_SCHEDULE%"
    assert host.trigger("expire_history")["schedule"] == "%EXPIRE_SCHEDULE%"


async def test_a_webhook_is_stored(host: Host) -> None:
    """A push that ACR posts is answered 200 and can be read back."""
    push = {
        "id": "cb8c3971-9adc-488b-bdd8-43cbb4974ff5",
        "timestamp": "2026-11-02T16:52:01.343145347Z",
        "action": "push",
        "target": {
            "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
            "size": 524,
            "digest": "sha256:" + "80f0d5c8786bb9e621a45ece0db56d11cdc624ad20da9fe62e9d25490f331d7d",
            "length": 524,
            "repository": "webhook/hello-world",
            "tag": "v1",
        },
        "request": {
            "id": "3cbb6949-7549-4fa1-86cd-a6d5451dffc7",
            "host": "myregistry.azurecr.io",
            "method": "PUT",
            "useragent": "docker/27.0",
        },
    }
    status, headers, body = await host.http(
        "receive_hook", "POST", "/hooks/acr", route={"sender": "acr"}, body=json.dumps(push).encode()
    )
    assert (status, headers["content-type"]) == ("200", "application/json")
    assert json.loads(body).items() >= {"accepted": 1, "ignored": 0}.items()
    [event] = (await host.get("/api/events?repository=webhook/hello-world"))["items"]
    assert event["tag"] == "v1"


async def test_an_unreadable_webhook_is_answered(host: Host) -> None:
    """A body that is no JSON is the sender's mistake and no failure of the function."""
    status, headers, _ = await host.http("receive_hook", "POST", "/hooks/acr", route={"sender": "acr"}, body=b"\xff{")
    assert (status, headers["content-type"]) == ("400", "application/problem+json")


async def test_an_event_grid_event_is_stored(host: Host) -> None:
    """A delete that Event Grid delivers can be read back."""
    deleted = {
        "id": "f06e3921-301f-42ec-b368-212f7d5354bd",
        "topic": "/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerRegistry/registries/r",
        "subject": "grid/hello-world",
        "eventType": "Microsoft.ContainerRegistry.ImageDeleted",
        "eventTime": "2026-11-02T17:06:03.7Z",
        "data": {
            "id": "f06e3921-301f-42ec-b368-212f7d5354bd",
            "timestamp": "2026-11-02T17:06:03.612Z",
            "action": "delete",
            "target": {
                "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
                "digest": "sha256:" + "80f0d5c8786bb9e621a45ece0db56d11cdc624ad20da9fe62e9d25490f331d7d",
                "repository": "grid/hello-world",
            },
            "request": {
                "id": "aeda5b99-4197-409f-b8a8-ff539edb7de2",
                "host": "myregistry.azurecr.io",
                "method": "DELETE",
                "useragent": "python-requests/2.32",
            },
        },
        "dataVersion": "1.0",
        "metadataVersion": "1",
    }
    assert await host.invoke("receive_event", json=json.dumps(deleted)) is None
    [event] = (await host.get("/api/events?repository=grid/hello-world"))["items"]
    assert event["action"] == "delete"


async def test_the_timer_runs(host: Host) -> None:
    """Folding and expiring run on the host's own timer message."""
    timer = {"Schedule": {"AdjustForDST": True}, "ScheduleStatus": None, "IsPastDue": False}
    assert await host.invoke("summarize_activity", json=json.dumps(timer)) is None
    assert await host.invoke("expire_history", json=json.dumps(timer)) is None


async def test_the_web_function_answers(host: Host) -> None:
    """The API is served through the catch-all route."""
    assert await host.get("/api/health")
