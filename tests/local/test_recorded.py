import pytest

from registrail.local.journey import Effect
from registrail.local.recorded import Activity, Recorded, is_exact

AT = "2026-03-04T12:00:00.0000000Z"
PUSH = Effect(action="push", repository="demo/app", tag="v1", digest="sha256:aa")
DELETION = Effect(action="delete", repository="demo/app", tag=None, digest="sha256:aa")


@pytest.mark.parametrize(
    ("found", "counted", "exact"),
    [
        ([PUSH, DELETION], 2, True),
        ([DELETION, PUSH], 2, True),
        ([PUSH], 1, False),
        ([PUSH, PUSH], 2, False),
        ([PUSH, PUSH, DELETION], 3, False),
        ([PUSH, DELETION], 1, False),
        ([], 0, False),
    ],
)
def test_exact_is_everything_once_and_counted(found: list[Effect], counted: int, exact: bool) -> None:  # noqa: FBT001 - a column of the table
    """A missing, doubled, foreign or uncounted event makes a recording inexact; the order does not."""
    recorded = [Recorded(effect=effect, occurred_at=AT) for effect in found]
    totals = [Activity(period="2026-03-04T12", repository=None, events=counted, pushes=counted, deletes=0)]
    assert is_exact([PUSH, DELETION], recorded, totals) is exact
