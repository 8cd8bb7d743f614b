"""What a month costs: arithmetic on what was measured and on prices, nothing else.

Where something is not known it is taken to be dear: events are spread evenly, so that as few as possible share a
minute, no two webhooks share a transaction, and an execution that meets no other one keeps the app active for a second.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

Channel = Literal["webhook", "eventgrid", "both"]
Prices = Mapping[str, Mapping[str, float]]

DAYS: Final = 365 / 12
"""Of a month."""
_MINUTES_A_DAY: Final = 1440
_GIGABYTE: Final = 1e9
_THOUSAND: Final = 1_000
_ARRAY: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What is received and kept.

    Attributes:
        events_a_day: of all registries together.
        retention_days: of events and all that is worked out from them.
        deliveries_days: of the log of requests.
        channel: how events come; `both` reports each at least twice.
        regions: replicas with a webhook of their own, each of which reports every event.
        registries: among which events are spread evenly.
        in_array: events in a delivery of Event Grid.
        memory_gigabytes: of an instance.
        ticks_a_day: of the timer that counts.
    """

    events_a_day: float
    retention_days: float = 365
    deliveries_days: float = 30
    channel: Channel = "both"
    regions: int = 1
    registries: int = 1
    in_array: int = 1
    memory_gigabytes: float = 2.0
    ticks_a_day: int = _MINUTES_A_DAY

    @property
    def webhooks(self) -> float:
        """Webhooks a day."""
        return 0.0 if self.channel == "eventgrid" else self.events_a_day * self.regions

    @property
    def arrays(self) -> float:
        """Deliveries of Event Grid a day."""
        return 0.0 if self.channel == "webhook" else self.events_a_day / self.in_array

    @property
    def busy_minutes(self) -> float:
        """Minutes of registries in which something happens, a day."""
        return min(self.events_a_day, _MINUTES_A_DAY * self.registries)

    @property
    def executions(self) -> float:
        """Executions of functions a day."""
        return self.webhooks + self.arrays + self.ticks_a_day


@dataclass(frozen=True, slots=True)
class Pace:
    """What was measured at one pace (`bench/cost.py`): requests and bytes for each report or event."""

    receiving: float
    folding: float
    stored: float
    logged: float
    body: float


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured at all paces."""

    idle_tick: float
    one_a_minute: Pace
    thousand_a_minute: Pace
    arrays_of_500: Pace


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a bill, for a month."""

    what: str
    quantity: float
    unit: str
    dollars: float


@dataclass(frozen=True, slots=True)
class Bill:
    """A month of Registrail, and of the same events in Log Analytics."""

    lines: tuple[Line, ...]
    log_analytics: tuple[Line, ...]
    transactions_an_event: float
    bytes_an_event: float

    @property
    def dollars(self) -> float:
        """A month of Registrail."""
        return sum(line.dollars for line in self.lines)

    @property
    def log_analytics_dollars(self) -> float:
        """A month of Log Analytics."""
        return sum(line.dollars for line in self.log_analytics)


def bill(usage: Usage, measured: Measured, prices: Prices) -> Bill:
    """What a month costs, when as much is stored as is ever going to be."""
    transactions = _transactions(usage, measured)
    stored = _stored(usage, measured)
    events = usage.events_a_day * DAYS
    seconds = _active_seconds(usage.executions / 86_400, prices["functions"]["seconds_at_least"])
    table, functions = prices["table_storage"], prices["functions"]
    grid, logs = prices["event_grid"], prices["log_analytics"]
    kept = (usage.events_a_day * usage.retention_days * stored + _logged(usage, measured)) / _GIGABYTE
    executions = usage.executions * DAYS
    operations = 0.0 if usage.channel == "webhook" else events * 2
    telemetry = executions * prices["telemetry"]["bytes_an_execution"] * logs["billed_share"] / _GIGABYTE
    gigabyte_seconds = seconds * DAYS * usage.memory_gigabytes
    lines = (
        Line("table transactions", transactions * DAYS, "", transactions * DAYS / 1e6 * table["transactions_million"]),
        Line("table storage", kept, "GB", kept * table["gigabyte_month"]),
        Line("function executions", executions, "", _over(executions, functions, "executions")),
        Line("function time", gigabyte_seconds, "GB-s", _time(gigabyte_seconds, functions)),
        Line("Event Grid operations", operations, "", _over(operations, grid, "operations")),
        Line("own telemetry", telemetry, "GB", max(telemetry - logs["gigabytes_free"], 0) * logs["gigabyte"]),
    )
    return Bill(lines, _in_logs(usage, measured, logs), transactions / usage.events_a_day, stored)


def _transactions(usage: Usage, measured: Measured) -> float:
    """A day's requests to Table Storage."""
    single, busy, arrays = measured.one_a_minute, measured.thousand_a_minute, measured.arrays_of_500
    further = (arrays.receiving * _ARRAY - single.receiving) / (_ARRAY - 1)
    array = single.receiving + further * (usage.in_array - 1)
    a_minute, an_event = _split(single.folding, busy.folding)
    folding = usage.busy_minutes * a_minute + usage.events_a_day * an_event
    ticks = usage.ticks_a_day * measured.idle_tick
    return usage.webhooks * single.receiving + usage.arrays * array + folding + ticks


def _stored(usage: Usage, measured: Measured) -> float:
    """Bytes of an event in all tables but `deliveries`."""
    a_minute, an_event = _split(measured.one_a_minute.stored, measured.thousand_a_minute.stored)
    return an_event + a_minute * usage.busy_minutes / usage.events_a_day


def _logged(usage: Usage, measured: Measured) -> float:
    """Bytes in `deliveries`, at most."""
    single, arrays = measured.one_a_minute.logged, measured.arrays_of_500.logged * _ARRAY
    array = single + (arrays - single) / (_ARRAY - 1) * (usage.in_array - 1)
    return (usage.webhooks * single + usage.arrays * array) * usage.deliveries_days


def _split(at_one: float, at_thousand: float) -> tuple[float, float]:
    """What each minute takes and what each event takes, from what events take at 1 and at 1,000 a minute."""
    a_minute = max((at_one - at_thousand) * _THOUSAND / (_THOUSAND - 1), 0.0)
    return a_minute, at_one - a_minute


def _active_seconds(a_second: float, at_least: float) -> float:
    """Seconds of a day in which the app is active, if executions come independently and end within `at_least`."""
    return 86_400 * -math.expm1(-a_second * at_least)


def _over(quantity: float, prices: Mapping[str, float], name: str) -> float:
    """Millions beyond what is free."""
    return max(quantity - prices[f"{name}_free"], 0) / 1e6 * prices[f"{name}_million"]


def _time(gigabyte_seconds: float, prices: Mapping[str, float]) -> float:
    return max(gigabyte_seconds - prices["gigabyte_seconds_free"], 0) * prices["gigabyte_second"]


def _in_logs(usage: Usage, measured: Measured, logs: Mapping[str, float]) -> tuple[Line, ...]:
    """The same events in a workspace of Log Analytics, each once."""
    gigabytes = usage.events_a_day * DAYS * measured.one_a_minute.body * logs["billed_share"] / _GIGABYTE
    months = max(usage.retention_days - logs["days_retained_free"], 0) / DAYS
    ingested = max(gigabytes - logs["gigabytes_free"], 0) * logs["gigabyte"]
    retained = gigabytes * months
    return (
        Line("ingestion", gigabytes, "GB", ingested),
        Line("retention", retained, "GB", retained * logs["gigabyte_month_retained"]),
    )
