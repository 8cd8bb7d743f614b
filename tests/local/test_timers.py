import asyncio
import inspect
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import azure.functions as func
import pytest
from hypothesis import given
from hypothesis import strategies as st

from registrail.errors import SettingsError
from registrail.local.invocation import index
from registrail.local.timers import Clock, Schedule, Timer, read_schedule

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("expression", "after", "due"),
    [
        ("0 * * * * *", "2026-01-31T12:00:00", "2026-01-31T12:01:00"),
        ("0 * * * * *", "2026-01-31T11:59:59.999", "2026-01-31T12:00:00"),
        ("*/15 * * * * *", "2026-01-31T12:00:00.5", "2026-01-31T12:00:15"),
        ("30 5 9-17 * * MON-FRI", "2026-01-30T17:05:30", "2026-02-02T09:05:30"),
        ("0 0 0 13 * 5", "2026-01-01T00:00:00", "2026-02-13T00:00:00"),  # only a Friday that is a 13th
        ("0 0 0 29 2 *", "2026-01-01T00:00:00", "2028-02-29T00:00:00"),
        ("0 30 9 * JAN Sun", "2026-01-31T00:00:00", "2027-01-03T09:30:00"),
    ],
)
def test_next_time(expression: str, after: str, due: str) -> None:
    """A schedule is read as NCRONTAB: seconds first, UTC, day of month and of week both wanted."""
    moment = datetime.fromisoformat(after).replace(tzinfo=UTC)

    assert datetime.fromisoformat(due).replace(tzinfo=UTC) == Schedule(expression).after(moment)


@given(
    moment=st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - given one
    hours=st.sets(st.integers(0, 23), min_size=1, max_size=3),
    days=st.sets(st.integers(1, 28), min_size=1, max_size=20),
    weekdays=st.sets(st.integers(0, 6), min_size=3, max_size=7),
)
def test_next_time_is_first_that_fits(moment: datetime, hours: set[int], days: set[int], weekdays: set[int]) -> None:
    """The next time fits every field, and no hour between the moment and it does."""

    def fits(time: datetime) -> bool:
        return time.hour in hours and time.day in days and time.isoweekday() % 7 in weekdays

    fields = [",".join(map(str, sorted(values))) for values in (hours, days, weekdays)]
    due = Schedule(f"0 0 {fields[0]} {fields[1]} * {fields[2]}").after(moment)
    hour = moment.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    while hour < due and not fits(hour):
        hour += timedelta(hours=1)

    assert hour == due
    assert fits(due)


@pytest.mark.parametrize(
    "expression",
    ["", "* * * * *", "@hourly", "0 0 0 L * *", "0 0 0 * * 5#2", "0 61 * * * *", "0 0 0 31 2 *", "00:05:00"],
)
def test_no_schedule(expression: str) -> None:
    """What the platform does not take is refused, though some of it means something to cron."""
    with pytest.raises(ValueError, match=r"is not six fields|never comes due"):
        Schedule(expression)


def test_setting_in_schedule() -> None:
    """A name between percent signs is replaced by that setting."""
    assert Schedule("0 */5 * * * *") == read_schedule("%WHEN%", "f", {"WHEN": "0 */5 * * * *"})


def test_setting_that_is_no_schedule() -> None:
    """A setting that holds no schedule is named together with the timer that wants it."""
    with pytest.raises(SettingsError, match=r"%WHEN%.*timer summarize.*'soon'"):
        read_schedule("%WHEN%", "summarize", {"WHEN": "soon"})


class FakeTime:
    """A clock that moves only when somebody sleeps, and ends the test at `end`.

    `overslept` says how much longer than asked a sleep takes: the machine was suspended.
    """

    def __init__(self, now: datetime, end: datetime, overslept: Callable[[], timedelta] = timedelta) -> None:
        self.now = now
        self.end = end
        self.overslept = overslept
        self.clock = Clock(lambda: self.now, self.sleep)

    async def sleep(self, seconds: float) -> None:
        """Let time pass; cancels the sleeper at the end."""
        self.now += timedelta(seconds=seconds) + self.overslept()
        if self.now > self.end:
            raise asyncio.CancelledError
        await asyncio.sleep(0)


def timer_for(run: Callable[..., object], time: FakeTime, schedule: str) -> Timer:
    """A timer that calls `run(past_due)`."""
    app = func.FunctionApp()

    @app.function_name("summarize")
    @app.timer_trigger("timer", schedule=schedule)
    async def summarize(timer: func.TimerRequest) -> None:
        outcome = run(timer.past_due)
        if inspect.isawaitable(outcome):
            await outcome

    return Timer(index(app, Path())[0], Schedule(schedule), time.clock, asyncio.Lock())


async def kept(timer: Timer) -> None:
    """Keep the timer until the fake time ends."""
    with pytest.raises(asyncio.CancelledError):
        await timer.keep()


async def test_runs_when_due() -> None:
    """A timer runs at each of its times, not at the start, and not past due."""
    runs: list[tuple[datetime, bool]] = []
    time = FakeTime(NOON + timedelta(seconds=10), NOON + 3 * MINUTE)

    await kept(timer_for(lambda past_due: runs.append((time.now, past_due)), time, "0 * * * * *"))

    assert [(NOON + n * MINUTE, False) for n in (1, 2, 3)] == runs


async def test_failing_run_does_not_end_timer(caplog: pytest.LogCaptureFixture) -> None:
    """A run that raises is logged, and the next one takes place."""
    time = FakeTime(NOON, NOON + 3 * MINUTE)

    await kept(timer_for(lambda _past_due: 1 / 0, time, "0 * * * * *"))

    ours = [record.message for record in caplog.records if record.name.startswith("registrail")]
    assert ours == 3 * ["the function summarize failed"]


async def test_missed_runs_are_one_past_due_run() -> None:
    """After a run of four and a half minutes one run makes up for the four that were missed."""
    runs: list[tuple[datetime, bool]] = []
    time = FakeTime(NOON, NOON + 7 * MINUTE)

    def run(past_due: bool) -> None:  # noqa: FBT001 - the order of the callback
        runs.append((time.now, past_due))
        if len(runs) == 1:
            time.now += timedelta(minutes=4, seconds=30)

    await kept(timer_for(run, time, "0 * * * * *"))

    assert [
        (NOON + MINUTE, False),
        (NOON + timedelta(minutes=5, seconds=30), True),
        (NOON + 6 * MINUTE, False),
        (NOON + 7 * MINUTE, False),
    ] == runs


@given(naps=st.lists(st.integers(0, 500), min_size=1, max_size=30))
def test_suspended_machine(naps: list[int]) -> None:
    """However a machine is suspended, each run is the first since a time came due, and tells if it is late."""
    runs: list[tuple[datetime, bool]] = []
    lost = iter(naps)
    time = FakeTime(NOON, NOON + timedelta(hours=1), lambda: timedelta(seconds=next(lost, 0)))

    timer = timer_for(lambda past_due: runs.append((time.now, past_due)), time, "0 */2 * * * *")

    asyncio.run(kept(timer))

    before = [NOON, *(at for at, _ in runs)]
    delays = [at - timer.schedule.after(last) for last, (at, _) in zip(before, runs, strict=False)]
    assert all(delay >= timedelta() for delay in delays)
    assert [delay > timedelta(seconds=1) for delay in delays] == [past_due for _, past_due in runs]
    assert len(runs) > 0


async def test_never_two_runs_at_once() -> None:
    """A run that is asked for waits for the one under way."""
    under_way, most = 0, 0
    time = FakeTime(NOON, NOON + MINUTE)

    async def run() -> None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.001)
        under_way -= 1

    runs: list[bool] = []

    def note(past_due: bool) -> object:  # noqa: FBT001 - the order of the callback
        runs.append(past_due)
        return run()

    timer = timer_for(note, time, "0 * * * * *")
    await asyncio.gather(kept(timer), timer.run(), timer.run())

    assert (len(runs), most) == (3, 1)
