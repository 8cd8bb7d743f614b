"""The functions of an app, indexed and called as the Python worker does it."""

import asyncio
import inspect
import logging
import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import azure.functions as func
from azure.functions._abc import RetryContext, TraceContext
from azure.functions.decorators.core import Trigger
from azure.functions.meta import Datum

from registrail.local.problems import FunctionFailedError, LocalError

_logger = logging.getLogger(__name__)
_http = func.get_binding_registry().get("http")


class Trace(TraceContext):
    """The W3C trace headers among those of the request that caused an invocation, empty if it had none."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        self._headers = headers

    @property
    def trace_parent(self) -> str:
        """The header `traceparent`."""
        return self._headers.get("traceparent", "")

    @property
    def trace_state(self) -> str:
        """The header `tracestate`."""
        return self._headers.get("tracestate", "")

    @property
    def attributes(self) -> dict[str, str]:
        """None locally."""
        return {}


class Context(func.Context):
    """What a function with a parameter `context` gets."""

    def __init__(self, function_name: str, directory: Path, trace: Trace) -> None:
        self._function_name = function_name
        self._directory = directory
        self._trace = trace
        self._invocation_id = str(uuid.uuid4())
        self._local = threading.local()

    @property
    def invocation_id(self) -> str:
        """New for every call."""
        return self._invocation_id

    @property
    def thread_local_storage(self) -> Any:  # noqa: ANN401 - the SDK calls an instance `type[threading.local]`
        """A `threading.local` of this invocation."""
        return self._local

    @property
    def function_name(self) -> str:
        """As the app registered it."""
        return self._function_name

    @property
    def function_directory(self) -> str:
        """Where `function_app.py` is."""
        return str(self._directory)

    @property
    def trace_context(self) -> Trace:
        """The trace that the caller is in."""
        return self._trace

    @property
    def retry_context(self) -> RetryContext:
        """Nothing is retried locally, so there is none.

        Raises:
            AttributeError: always.
        """
        raise AttributeError("the local host does not retry, so there is no retry context")


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """One function of the app.

    Attributes:
        decode: the SDK's converter for the trigger.
        call: what the author wrote, without decorators above the trigger: the host does not see those either.
        directory: where `function_app.py` is.
    """

    name: str
    trigger: Trigger
    decode: Callable[..., Any]
    call: Callable[..., Any]
    is_coroutine: bool
    takes_context: bool
    is_http: bool
    directory: Path

    async def invoke(self, datum: Datum, trace: Trace | None = None) -> Datum | None:
        """Decode `datum`, call the function, and encode its answer with the SDK's converter.

        A coroutine function is awaited; another runs in a thread.

        Returns:
            The encoded response of an HTTP function; None for others.

        Raises:
            FunctionFailedError: for whatever went wrong; the traceback has been logged.
        """
        try:
            return await self._invoke(datum, trace or Trace({}))
        # A function may raise anything at all, and the host and its other functions must outlive it: this is
        # the one place where everything is caught. A cancellation is the function's own unless ours is asked.
        except (Exception, SystemExit, asyncio.CancelledError) as error:
            task = asyncio.current_task()
            if isinstance(error, asyncio.CancelledError) and task and task.cancelling():
                raise
            _logger.exception("the function %s failed", self.name)
            raise FunctionFailedError(self.name) from error

    async def _invoke(self, datum: Datum, trace: Trace) -> Datum | None:
        arguments = {self.trigger.name: self.decode(datum, trigger_metadata={})}
        if self.takes_context:
            arguments["context"] = Context(self.name, self.directory, trace)
        if self.is_coroutine:
            result = await self.call(**arguments)
        else:
            result = await asyncio.to_thread(self._call_in_thread, arguments)
        if self.is_http:
            answer: Datum = _http.encode(result, expected_type=None)
            return answer
        if result is not None:
            message = f"{self.name} has no output binding and must return nothing, but returned {result!r}"
            raise TypeError(message)
        return None

    def _call_in_thread(self, arguments: dict[str, Any]) -> Any:  # noqa: ANN401 - whatever the function returns
        try:
            return self.call(**arguments)
        except StopIteration as error:  # no future can hold one: whoever awaits it would wait for ever
            raise RuntimeError("the function raised StopIteration") from error


def index(app: func.FunctionApp, directory: Path) -> Sequence[Function]:
    """All functions of the app; the SDK allows this once for each app.

    Raises:
        LocalError: a function's parameters are not its bindings, which the platform would refuse to index.
        ValueError: the SDK's, when two functions have one name or the app has been indexed before.
    """
    return [_function(function, directory) for function in app.get_functions()]


def _function(function: func.Function, directory: Path) -> Function:
    name, trigger, call = function.get_function_name(), function.get_trigger(), function.get_user_function()
    if name is None or trigger is None:
        raise LocalError(f"the function {name} has no trigger")
    parameters = set(inspect.signature(call).parameters)
    bindings = {binding.name for binding in function.get_bindings()} - {"$return"}
    if bindings != {trigger.name}:
        raise LocalError(f"the function {name} has bindings that the local host does not know: {sorted(bindings)}")
    if parameters - {"context"} != bindings:
        raise LocalError(f"the function {name} must take {trigger.name} and at most context, not {sorted(parameters)}")
    return Function(
        name=name,
        trigger=trigger,
        decode=func.get_binding_registry().get(trigger.type).decode,
        call=call,
        is_coroutine=inspect.iscoroutinefunction(call),
        takes_context="context" in parameters,
        is_http=function.is_http_function(),
        directory=directory,
    )
