"""`summarize_activity`: folds what was marked, on the schedule in `SUMMARIZE_SCHEDULE`."""

import azure.functions as func

from registrail.summarize import Summarize


def blueprint(summarize: Summarize) -> func.Blueprint:
    """The function, with its use case."""
    timers = func.Blueprint()

    @timers.function_name("summarize_activity")
    @timers.timer_trigger("timer", schedule="%SUMMARIZE_SCHEDULE%", run_on_startup=False, use_monitor=True)
    async def summarize_activity(timer: func.TimerRequest) -> None:  # noqa: ARG001 - the host passes it by name
        await summarize.fold_all()

    return timers
