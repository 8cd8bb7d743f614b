"""What a month costs, on prices and figures that are easy to reckon with."""

from dataclasses import replace

import pytest

from registrail.local.bill import DAYS, Measured, Pace, Usage, bill

MEASURED = Measured(
    idle_tick=1,
    one_a_minute=Pace(receiving=3, folding=12, stored=5000, logged=1000, body=800),
    thousand_a_minute=Pace(receiving=3, folding=1.011, stored=3001, logged=1000, body=800),
    arrays_of_500=Pace(receiving=0.02, folding=1, stored=3000, logged=100, body=800),
)
PRICES: dict[str, dict[str, float]] = {
    "table_storage": {"gigabyte_month": 1, "transactions_million": 1},
    "functions": {
        "executions_million": 1,
        "executions_free": 0,
        "gigabyte_second": 1,
        "gigabyte_seconds_free": 0,
        "seconds_at_least": 1,
    },
    "event_grid": {"operations_million": 1, "operations_free": 100_000},
    "log_analytics": {
        "gigabyte": 1,
        "gigabytes_free": 0,
        "gigabyte_month_retained": 1,
        "days_retained_free": 31,
        "billed_share": 0.75,
    },
    "telemetry": {"bytes_an_execution": 1000},
}
ONE_A_MINUTE = Usage(events_a_day=1440, channel="webhook")


def of(usage: Usage) -> dict[str, float]:
    """What is bought in a month, by its name."""
    return {line.what: line.quantity for line in bill(usage, MEASURED, PRICES).lines}


def test_one_event_a_minute_costs_what_was_measured_and_the_ticks() -> None:
    """3 to receive it, 12 to count it, and one for each tick of the timer."""
    assert of(ONE_A_MINUTE)["table transactions"] == pytest.approx(1440 * (3 + 12 + 1) * DAYS)
    assert bill(ONE_A_MINUTE, MEASURED, PRICES).bytes_an_event == pytest.approx(5000)


def test_a_thousand_a_minute_cost_what_was_measured_then() -> None:
    """Minutes are shared, so that each event costs less."""
    usage = replace(ONE_A_MINUTE, events_a_day=1_440_000)
    assert of(usage)["table transactions"] == pytest.approx((1_440_000 * 4.011 + 1440) * DAYS, rel=1e-4)
    assert bill(usage, MEASURED, PRICES).bytes_an_event == pytest.approx(3001, rel=1e-4)


def test_few_events_cost_little_more_than_idle_ticks() -> None:
    """An event that is alone in its minute costs as much as at one a minute, and no more."""
    assert of(replace(ONE_A_MINUTE, events_a_day=10))["table transactions"] == pytest.approx((10 * 15 + 1440) * DAYS)


def test_each_channel_region_and_array_counts() -> None:
    """Every report is received; what it reports is counted once."""
    alone = of(ONE_A_MINUTE)["table transactions"]
    twice = of(replace(ONE_A_MINUTE, regions=2))["table transactions"]
    both = of(replace(ONE_A_MINUTE, channel="both"))["table transactions"]
    assert twice - alone == both - alone == pytest.approx(1440 * 3 * DAYS)
    arrays = replace(ONE_A_MINUTE, events_a_day=144_000, channel="eventgrid", in_array=500)
    folded = of(replace(arrays, in_array=1))["table transactions"] - 144_000 * 3 * DAYS
    assert of(arrays)["table transactions"] - folded == pytest.approx(144_000 * 0.02 * DAYS)


def test_registries_share_no_minutes() -> None:
    """The same events spread over more registries fill more minutes."""
    busy = replace(ONE_A_MINUTE, events_a_day=144_000)
    assert of(replace(busy, registries=100))["table transactions"] > 2 * of(busy)["table transactions"]


def test_storage_grows_with_retention_and_deliveries_with_theirs() -> None:
    """At its largest: as much goes as comes."""
    stored = of(replace(ONE_A_MINUTE, retention_days=100, deliveries_days=10))["table storage"]
    assert stored == pytest.approx((1440 * 100 * 5000 + 1440 * 10 * 1000) / 1e9)


def test_the_app_is_active_a_second_for_each_execution_until_they_overlap() -> None:
    """Never longer than there are seconds."""
    few = replace(ONE_A_MINUTE, events_a_day=1, memory_gigabytes=1)
    assert of(few)["function time"] == pytest.approx(1441 * DAYS, rel=0.02)
    assert of(replace(few, events_a_day=1e9))["function time"] == pytest.approx(86_400 * DAYS)


def test_what_is_free_is_not_paid() -> None:
    """100,000 operations of Event Grid; each event is two, one in and one out."""
    made = bill(Usage(events_a_day=100_000 / DAYS, channel="eventgrid"), MEASURED, PRICES)
    assert {line.what: line.dollars for line in made.lines}["Event Grid operations"] == pytest.approx(0.1)


def test_log_analytics_takes_each_event_once_and_keeps_it() -> None:
    """A quarter less than its JSON, free for a month."""
    made = bill(replace(ONE_A_MINUTE, retention_days=31 + 2 * DAYS), MEASURED, PRICES)
    ingestion, retention = (line.quantity for line in made.log_analytics)
    assert ingestion == pytest.approx(1440 * DAYS * 600 / 1e9)
    assert retention == pytest.approx(2 * ingestion)
