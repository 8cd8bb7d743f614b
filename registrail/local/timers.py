"""Timer triggers: when they are due, and how they are kept."""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from azure.functions.meta import Datum
from croniter import CroniterBadCronError, CroniterBadDateError, croniter

from registrail.errors import SettingsError
from registrail.local.invocation import Function
from registrail.local.problems import FunctionFailedError

LATE = timedelta(seconds=1)
"""A run that begins later than this after its time is past due."""

NAP = 60.0
"""The longest sleep in seconds: the clock of a sleeping loop stands still while the machine is suspended."""

_VALUE = r"(?:[0-9]+|[A-Za-z]{3})"
_ITEM = rf"(?:\*|{_VALUE}(?:-{_VALUE})?)(?:/[0-9]+)?"
_NCRONTAB = re.compile(rf"{_ITEM}(?:,{_ITEM})*(?:\s+{_ITEM}(?:,{_ITEM})*){{5}}")
_SETTING = re.compile(r"%([^%]+)%")


@dataclass(frozen=True, slots=True)
class Clock:
    """The time and how to let it pass; tests bring their own."""

    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep


@dataclass(frozen=True, slots=True)
class Schedule:
    """A six-field NCRONTAB expression, seconds first, in UTC.

    Unlike cron it wants the day of the month *and* the day of the week to fit.
    https://learn.microsoft.com/azure/azure-functions/functions-bindings-timer#ncrontab-expressions
    """

    expression: str

    def __post_init__(self) -> None:
        if not _NCRONTAB.fullmatch(self.expression.strip()):
            message = f"{self.expression!r} is not six fields: second minute hour day month day-of-week"
            raise ValueError(message)
        try:
            self.after(datetime.now(UTC))
        except (CroniterBadCronError, CroniterBadDateError) as error:
            message = f"{self.expression!r} never comes due: {error}"
            raise ValueError(message) from error

    def after(self, moment: datetime) -> datetime:
        """The first time after `moment`."""
        moment = moment.replace(microsecond=0)
        due = croniter(self.expression, moment, second_at_beginning=True, day_or=False).get_next(datetime)
        assert isinstance(due, datetime)  # noqa: S101 - croniter has no types
        return due


def read_schedule(text: str, function: str, settings: Mapping[str, str]) -> Schedule:
    """The schedule that a trigger names, each `%NAME%` in it replaced by that setting.

    Raises:
        SettingsError: a setting is missing, or the outcome is no schedule; names the function.
    """
    missing = [name for name in _SETTING.findall(text) if name not in settings]
    if missing:
        raise SettingsError([f"{name}: missing; it is the schedule of the timer {function}" for name in missing])
    try:
        return Schedule(_SETTING.sub(lambda match: settings[match[1]], text))
    except ValueError as error:
        raise SettingsError([f"the schedule {text} of the timer {function}: {error}"]) from error


@dataclass(frozen=True, slots=True)
class Timer:
    """A timer function: a singleton, so that no run begins before the one before it has ended.

    Attributes:
        running: held by the run under way.
    """

    function: Function
    schedule: Schedule
    clock: Clock
    running: asyncio.Lock

    async def run(self, *, past_due: bool = False) -> None:
        """Run the function once, after the run under way.

        Raises:
            FunctionFailedError: it failed.
        """
        async with self.running:
            started = self.clock.now()
            status = {"Last": None, "Next": self.schedule.after(started).isoformat(), "LastUpdated": None}
            info = {"IsPastDue": past_due, "Schedule": {"AdjustForDST": True}, "ScheduleStatus": status}
            await self.function.invoke(Datum(json.dumps(info), "json"))

    async def keep(self) -> None:
        """Run the function whenever it is due, until cancelled; never at once.

        However many runs were missed, while the machine slept or a run took long, one makes up for them.
        """
        due = self.schedule.after(self.clock.now())
        while True:
            while (wait := (due - self.clock.now()).total_seconds()) > 0:
                await self.clock.sleep(min(wait, NAP))
            started = self.clock.now()
            with suppress(FunctionFailedError):  # in the log already; the next run may do better
                await self.run(past_due=started - due > LATE)
            due = self.schedule.after(started)
