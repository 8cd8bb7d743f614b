"""The timers: `summarize_activity` folds what was marked, `expire_history` deletes what is too old.

Their schedules are the settings `SUMMARIZE_SCHEDULE` and `EXPIRE_SCHEDULE`.
"""

import gc
from collections.abc import Callable
from typing import TYPE_CHECKING

import azure.functions as func

if TYPE_CHECKING:
    from registrail.expire import Expire
    from registrail.summarize import Summarize


def blueprint(summarize: "Callable[[], Summarize]", expire: "Callable[[], Expire]") -> func.Blueprint:
    """The functions; a use case is asked for when its timer runs, so that a webhook need not wait for it."""
    timers = func.Blueprint()

    @timers.function_name("summarize_activity")
    @timers.timer_trigger("timer", schedule="%SUMMARIZE_SCHEDULE%", run_on_startup=False, use_monitor=True)
    async def summarize_activity(timer: func.TimerRequest) -> None:  # noqa: ARG001 - the host passes it by name
        if await summarize().fold_all():
            gc.collect()  # its free lists would hold most of the memory that the fold used

    @timers.function_name("expire_history")
    @timers.timer_trigger("timer", schedule="%EXPIRE_SCHEDULE%", run_on_startup=False, use_monitor=True)
    async def expire_history(timer: func.TimerRequest) -> None:  # noqa: ARG001 - the host passes it by name
        await expire().expire()

    return timers
