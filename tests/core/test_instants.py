from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registrail.instants import LAST_TICK, Instant

INSTANTS = st.integers(0, LAST_TICK).map(Instant)


@given(INSTANTS)
def test_text_and_back(instant: Instant) -> None:
    """Writing and reading keeps every tick, and texts sort as times do."""
    assert Instant.parse(instant.isoformat()) == instant


@given(INSTANTS, INSTANTS)
def test_orders(one: Instant, other: Instant) -> None:
    """Texts sort as times do; inverted times the other way round."""
    assert (one < other) == (one.isoformat() < other.isoformat()) == (one.inverted > other.inverted)


@given(INSTANTS)
def test_inverted_and_back(instant: Instant) -> None:
    """An inverted time has 19 digits and gives the time back."""
    assert (Instant.from_inverted(instant.inverted), len(instant.inverted)) == (instant, 19)


@given(st.datetimes(timezones=st.just(UTC)))
def test_agrees_with_datetime(moment: datetime) -> None:
    """What datetime can say, an instant says too."""
    instant = Instant.from_datetime(moment)
    assert (instant.to_datetime(), instant.isoformat()[:19]) == (moment, moment.isoformat()[:19])


@given(st.integers(0, 4_102_444_800 * 10**9))
def test_agrees_with_the_clock_of_unix(nanoseconds: int) -> None:
    """Nanoseconds since 1970 are the same instant, cut to 100 ns."""
    seconds, rest = divmod(nanoseconds, 10**9)
    whole = Instant.from_datetime(datetime.fromtimestamp(seconds, UTC))
    assert Instant.from_unix(nanoseconds).ticks - whole.ticks == rest // 100


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2023-11-17T16:52:01.343145347Z", "2023-11-17T16:52:01.3431453Z"),
        ("2023-03-05T23:45:31.2614267Z", "2023-03-05T23:45:31.2614267Z"),
        ("2023-03-05T23:45:31Z", "2023-03-05T23:45:31.0000000Z"),
        ("2023-03-05t23:45:31z", "2023-03-05T23:45:31.0000000Z"),
        ("2023-03-05 23:45:31", "2023-03-05T23:45:31.0000000Z"),
        ("2023-03-06T01:15:31+01:30", "2023-03-05T23:45:31.0000000Z"),
        ("2023-03-05T20:45:31-0300", "2023-03-05T23:45:31.0000000Z"),
        ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00.0000000Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00.0000000Z"),
        ("9999-12-31T23:59:59.9999999Z", "9999-12-31T23:59:59.9999999Z"),
    ],
)
def test_reads_what_registries_send(text: str, expected: str) -> None:
    """7 digits are kept, further ones cut off, zones converted."""
    assert Instant.parse(text).isoformat() == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "2023-11-17",
        "2023-13-01T00:00:00Z",
        "2023-02-30T00:00:00Z",
        "2023-01-01T24:00:00Z",
        "2023-01-01T23:60:00Z",
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59-01:00",
        "9999-12-31T23:59:60Z",
        "٢٠٢٣-11-17T16:52:01Z",
        "2023-11-17T16:52:01.Z",
        "2023-11-17T16:52:01Z\n",
    ],
)
def test_refuses_what_is_no_time(text: str) -> None:
    """Anything else is a ValueError."""
    with pytest.raises(ValueError):  # noqa: PT011 - the messages are Python's own in part
        Instant.parse(text)


def test_names_of_periods() -> None:
    """Days, hours and minutes are beginnings of the text."""
    instant = Instant.parse("2026-01-31T12:05:59.9999999Z")
    assert (instant.day, instant.hour, instant.minute) == ("2026-01-31", "2026-01-31T12", "2026-01-31T12:05")


@given(INSTANTS, st.timedeltas(timedelta(days=-4_000_000), timedelta(days=4_000_000)))
def test_plus_stays_in_range(instant: Instant, delta: timedelta) -> None:
    """Moving stops at the first and the last instant, and otherwise moves exactly."""
    moved = instant.plus(delta)
    by = (delta // timedelta(microseconds=1)) * 10
    assert moved.ticks in {instant.ticks + by, 0, LAST_TICK}
