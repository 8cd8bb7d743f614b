"""What benchmarks of answers compare."""

from bench.stock import FEW, MANY, told


def test_few_events_are_the_newest_of_many_and_reach_as_far_back() -> None:
    """So that pages show the same newest rows and as many days, and only the history behind them differs."""
    few, many = told(FEW), told(MANY)
    assert abs(len(few) - FEW) <= FEW // 100
    assert few[-FEW // 2 :] == many[-FEW // 2 :]
    assert {one.event.event_id for one in few} <= {one.event.event_id for one in many}
    weeks = [{one.arrival.received_at.ticks // (7 * 864_000_000_000) for one in reports} for reports in (few, many)]
    assert len(weeks[0] ^ weeks[1]) <= 3
