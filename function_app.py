"""The composition root: reads the environment and hands the use cases to Azure Functions. Importing it does no I/O."""

import gc

gc.disable()  # what is imported now stays: looking through it for garbage takes a tenth of a cold start

import os
from typing import TYPE_CHECKING

import azure.functions as func

from registrail.compose import use_cases
from registrail.functions import grid, hooks, timers, web
from registrail.settings import Settings
from registrail.storage import open_store
from registrail.storage.commit import ENOUGH, GroupCommit
from registrail.storage.store import MOST_OPERATIONS

if TYPE_CHECKING:
    from fastapi import FastAPI

_settings = Settings.from_env(os.environ)
_store = GroupCommit(open_store(_settings), enough=ENOUGH if _settings.sqlite_path is None else MOST_OPERATIONS)
_use_cases = use_cases(_store, _settings)


def _web_app() -> "FastAPI":
    from registrail.web.app import web_app  # noqa: PLC0415 - a webhook's cold start need not wait for FastAPI

    made = web_app(_use_cases.query, _use_cases.ingest, _settings)
    gc.freeze()
    return made


async def close() -> None:
    """Let go of the store; for hosts that end in an orderly way."""
    await _store.close()


app = func.FunctionApp()
app.register_functions(hooks.blueprint(_use_cases.ingest))
app.register_functions(grid.blueprint(_use_cases.ingest))
app.register_functions(timers.blueprint(lambda: _use_cases.summarize, lambda: _use_cases.expire))
app.register_functions(web.blueprint(_web_app))

# What was made so far need not be looked through again: without this every hundredth request waits for the collector.
# And it need not look for cycles after each few hundred objects: a few requests under way are more than that.
gc.freeze()
gc.set_threshold(20_000, *gc.get_threshold()[1:])
gc.enable()
