"""`registrail cost` says what a month costs."""

import json
import re

import pytest

from registrail.local.cost import read_measured, read_prices
from tests.local.fake_registrail import registrail


def test_it_prints_two_tables_and_when_prices_were_read() -> None:
    """One of this app, one of Log Analytics."""
    code, said, error = registrail("cost", "--events-per-day", "3300", "--retention", "365")
    assert (code, error) == (0, "")
    assert "A month of 100,375 events, kept for 365 days" in said
    assert "The same events in Log Analytics" in said
    assert read_prices()["date"] in said


def test_json_has_every_line_and_adds_up() -> None:
    """For programs."""
    code, said, _ = registrail(
        "cost", "--events-per-day", "330000", "--channel", "eventgrid", "--batch", "10", "--json"
    )
    month = json.loads(said)["month"]
    assert code == 0
    assert month["dollars"] == pytest.approx(sum(line["dollars"] for line in month["lines"]))
    assert json.loads(said)["usage"]["in_array"] == 10


@pytest.mark.parametrize("arguments", [(), ("--events-per-day", "0"), ("--events-per-day", "5", "--channel", "mail")])
def test_what_cannot_be_meant_is_refused(arguments: tuple[str, ...]) -> None:
    """With the name of the option."""
    code, _, error = registrail("cost", *arguments)
    assert (code, bool(re.search("--events-per-day|--channel", error))) == (2, True)


def test_prices_have_a_date_and_figures_their_paces() -> None:
    """One file each."""
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", read_prices()["date"])
    assert read_measured().one_a_minute.receiving == 3
