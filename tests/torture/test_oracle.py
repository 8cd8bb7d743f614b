"""The judge must notice everything that can go wrong; a suite that cannot fail proves nothing."""

from dataclasses import replace

import pytest

from torture.oracle import COLUMNS, Cell, Evidence, Identity, cells, effects, identity, judge, recount

FIRST = Identity("r.azurecr.io", "push", "team/app", "v1", "sha256:1", "2024-02-28T23:59:59.9999999Z")
SECOND = Identity("r.azurecr.io", "delete", "team/app", "", "sha256:1", "2024-02-29T00:00:00.0000000Z")
STRANGER = FIRST._replace(digest="sha256:2")
COUNTS = list(recount([FIRST, SECOND]).items())
ROWS = {"r.azurecr.io~tag~team|app~v1": '{"change": "deleted"}', "r.azurecr.io~repository~team|app": '{"tags": 0}'}
GOOD = Evidence(
    sent=[FIRST, SECOND],
    acknowledged=[FIRST, SECOND],
    stored=[FIRST, SECOND],
    listed=[SECOND, FIRST],
    counted=COUNTS,
    told=COUNTS,
    history=ROWS,
    retraced=dict(reversed(ROWS.items())),
)


def test_a_good_run_is_innocent() -> None:
    """Everything is there once, in whatever order."""
    findings = judge(GOOD)
    assert findings.innocent
    assert (findings.acknowledged, findings.history_rows) == (2, 2)


def test_what_was_not_acknowledged_may_be_stored_or_not() -> None:
    """An answer can be lost on its way back."""
    unsure = replace(GOOD, sent=[FIRST, SECOND, STRANGER])
    assert judge(unsure).innocent
    stored, counts = [FIRST, SECOND, STRANGER], list(recount([FIRST, SECOND, STRANGER]).items())
    assert judge(replace(unsure, stored=stored, listed=stored, counted=counts, told=counts)).innocent


@pytest.mark.parametrize(
    ("change", "numbers", "problem"),
    [
        ({"stored": [FIRST]}, (1, 0), "acknowledged but not in the table events: r.azurecr.io~delete"),
        ({"listed": [FIRST]}, (1, 0), "acknowledged but not in /api/events: r.azurecr.io~delete"),
        ({"stored": [FIRST, SECOND, SECOND]}, (0, 1), "more than once in the table events: r.azurecr.io~delete"),
        ({"listed": [FIRST, SECOND, FIRST]}, (0, 1), "more than once in /api/events: r.azurecr.io~push"),
        ({"stored": [FIRST, SECOND, STRANGER]}, (0, 0), "never sent but in the table events: r.azurecr.io~push"),
        ({"listed": [FIRST, SECOND, STRANGER]}, (0, 0), "never sent but in /api/events: r.azurecr.io~push"),
        ({"marks": ["r.azurecr.io~2024-02-29T00:00"]}, (0, 0), "a mark is left: r.azurecr.io~2024-02-29T00:00"),
    ],
)
def test_events_that_are_wrong(change: dict[str, list[object]], numbers: tuple[int, int], problem: str) -> None:
    """A missing, a double, an invented event, a mark that nobody folded: each is named."""
    findings = judge(replace(GOOD, **change))  # type: ignore[arg-type]  # whatever the case says
    assert not findings.innocent
    assert (findings.missing, findings.double) == numbers
    assert any(said.startswith(problem) for said in findings.problems), findings.problems


@pytest.mark.parametrize("place", ["counted", "told"])
@pytest.mark.parametrize("cell", sorted(recount([FIRST, SECOND])))
def test_every_number_is_looked_at(place: str, cell: Cell) -> None:
    """One too many, one too few, or no row: whichever number it is."""
    for wrong in (0, 2, None):
        numbers = [(each, count if each != cell else wrong) for each, count in COUNTS]
        changed = [(each, count) for each, count in numbers if count is not None]
        findings = judge(replace(GOOD, **{place: changed}))  # type: ignore[arg-type]  # one of two lists
        assert findings.miscounted == 1
        assert "~".join(cell) in findings.problems[0]


def test_a_number_too_many_and_one_told_twice() -> None:
    """A row of a repository that nobody pushed to, and two rows of the same."""
    nobody = Cell("r.azurecr.io", "day", "2024-02-29", "team/nobody", "events")
    assert judge(replace(GOOD, told=[*COUNTS, (nobody, 1)])).miscounted == 1
    assert judge(replace(GOOD, told=[*COUNTS, COUNTS[0]])).miscounted == 1


@pytest.mark.parametrize("key", sorted(ROWS))
def test_every_row_of_the_history_is_looked_at(key: str) -> None:
    """One that is not there, one that says something else, and one too many."""
    for rows in ({name: ROWS[name] for name in ROWS if name != key}, {**ROWS, key: "{}"}, {**ROWS, f"{key}~1": "{}"}):
        findings = judge(replace(GOOD, history=rows))
        assert not findings.innocent
        assert findings.history_wrong == 1
        assert findings.problems[0].startswith(f"in the table history: {key}")


def test_an_identity_has_seven_digits_and_no_case() -> None:
    """Two more digits are cut, as Table Storage has no place for them; missing ones are zeros."""
    told = {"registry": "R.azurecr.io", "action": "push", "repository": "team/app", "tag": "v1", "digest": "sha256:1"}
    assert identity({**told, "occurred_at": "2024-02-28T23:59:59.999999999Z"}) == FIRST
    assert identity({**told, "occurred_at": "2024-02-28T23:59:59Z"}).at == "2024-02-28T23:59:59.0000000Z"
    with pytest.raises(ValueError, match="not in UTC"):
        identity({**told, "occurred_at": "2024-02-28T23:59:59+01:00"})


def test_a_recount_by_hand() -> None:
    """Three events in two days: two slots, two hours and two days, the longer periods also for the repository."""
    counts = recount([FIRST, SECOND, STRANGER])
    assert counts[Cell("r.azurecr.io", "slot", "2024-02-28T23:59", "*", "pushes")] == 2
    assert counts[Cell("r.azurecr.io", "hour", "2024-02-28T23", "team/app", "events")] == 2
    assert counts[Cell("r.azurecr.io", "day", "2024-02-29", "*", "deletes")] == 1
    assert counts[Cell("r.azurecr.io", "slot", "2024-02-28T23:59", "*", "tags_created")] == 1
    assert counts[Cell("r.azurecr.io", "day", "2024-02-28", "team/app", "images_first_seen")] == 2
    # Of one instant STRANGER comes first; so the tag is moved to what is then deleted.
    assert counts[Cell("r.azurecr.io", "day", "2024-02-29", "team/app", "tags_removed")] == 1
    assert sum(counts.values()) == (3 * 2 + 6) * (1 + 2 + 2)


def test_what_events_do() -> None:
    """In their order: a tag is created, moved, repeated, removed by its digest, by its name, with its repository."""

    def told(second: int, action: str, tag: str, digest: str) -> Identity:
        return FIRST._replace(action=action, tag=tag, digest=digest, at=f"2024-02-28T23:59:{second:02}.0000000Z")

    expected = [
        (told(0, "push", "v1", "a"), ["repositories_first_seen", "images_first_seen", "tags_created"]),
        (told(1, "push", "v2", "a"), ["tags_created"]),
        (told(2, "push", "v2", "b"), ["images_first_seen", "tags_moved"]),
        (told(3, "push", "v2", "b"), []),
        (told(4, "quarantine", "v3", "b"), []),
        (told(5, "delete", "", "a"), ["tags_removed"]),
        (told(6, "delete", "v1", ""), []),
        (told(7, "chart_delete", "v2", "c"), ["tags_removed"]),
        (told(8, "chart_push", "v1", ""), ["tags_created"]),
        (told(9, "push", "v2", "c"), ["images_first_seen", "tags_created"]),
        (told(10, "delete", "", ""), ["tags_removed", "tags_removed"]),
        (told(11, "delete", "", ""), []),
    ]
    assert list(effects(reversed([event for event, _ in expected]))) == expected


def test_of_one_instant_the_greater_hash_comes_first() -> None:
    """As the keys of the table `events` have it."""
    [(before, _), (after, moved)] = effects([FIRST, STRANGER])
    assert {before, after} == {FIRST, STRANGER}
    assert moved == ["images_first_seen", "tags_moved"]
    assert before == STRANGER


def test_cells_leave_zeros_out() -> None:
    """A row of zeros, as a fold may leave one, says the same as none."""
    row = dict.fromkeys(COLUMNS, 0)
    place = {"registry": "r", "grain": "day", "period": "2024-02-29", "repository": None}
    assert list(cells([{**row, **place}])) == []
    assert list(cells([{**row, **place, "events": 3}])) == [(Cell("r", "day", "2024-02-29", "*", "events"), 3)]
