from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from registrail.activity import METRICS, NOTHING, Counts, merge, tally, total
from registrail.events import BLOB_MEDIA_TYPE, RegistryEvent

EVENTS = st.lists(
    st.builds(
        RegistryEvent,
        action=st.sampled_from(["push", "delete", "quarantine", "chart_push", "chart_delete", "pull", "mount", "new"]),
        registry=st.just("r"),
        repository=st.sampled_from(["a", "b", "team/c"]),
        media_type=st.sampled_from([None, BLOB_MEDIA_TYPE, "application/vnd.oci.image.manifest.v1+json"]),
    )
)


@given(EVENTS)
def test_every_event_is_counted_once(events: list[RegistryEvent]) -> None:
    """`events` is the number of events, and the other metrics share it out."""
    counts = total(tally(events))
    kinds = sum(getattr(counts, name) for name in METRICS if name != "events")
    assert (counts.events, kinds) == (len(events), len(events))


@given(EVENTS)
def test_repositories_are_counted_apart(events: list[RegistryEvent]) -> None:
    """A breakdown has the repositories that have events, each with its own number."""
    expected = Counter(event.repository for event in events)
    assert {name: counts.events for name, counts in tally(events).items()} == dict(expected)


@given(st.lists(EVENTS))
def test_merging_counts_is_counting_together(parts: list[list[RegistryEvent]]) -> None:
    """Hours are sums of slots: counting in pieces and adding up is counting everything."""
    together = [event for part in parts for event in part]
    assert merge(tally(part) for part in parts) == tally(together)


def test_each_action_has_its_metric() -> None:
    """Known actions have a column, blobs and unknown actions are others."""
    actions = ["push", "push", "delete", "quarantine", "chart_push", "chart_delete", "pull", "mount", "weird"]
    events = [RegistryEvent(action=action, registry="r", repository="a") for action in actions]
    events.append(RegistryEvent(action="push", registry="r", repository="a", media_type=BLOB_MEDIA_TYPE))
    expected = Counts(events=10, pushes=2, deletes=1, quarantines=1, chart_pushes=1, chart_deletes=1, pulls=1, others=3)
    assert tally(events) == {"a": expected}


def test_nothing_adds_nothing() -> None:
    """The sum over no repositories is zero everywhere."""
    assert total({}) == NOTHING
