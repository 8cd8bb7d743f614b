import json
import random
import re
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registrail.instants import Instant
from registrail.local.dialects import Dialect, UntellableError, render
from registrail.local.simulate import SAMPLE_REGISTRY, Action, Happening, history, imagine

DIGEST = "sha256:" + "ab" * 32
NOW = datetime(2026, 3, 4, 15, 30, tzinfo=UTC)

PUSH = Happening(
    action="push",
    registry="myregistry.azurecr.io",
    repository="team/app",
    tag="v1",
    digest=DIGEST,
    media_type="application/vnd.docker.distribution.manifest.v2+json",
    size=524,
    occurred_at="2026-03-04T12:00:01.343145347Z",
    event_id="0782fe8f-fa6d-4924-bf66-db1feb22de1f",
    request_id="575be64f-b3c8-4d03-bcea-02c5a6d44863",
    client="docker/27.3.1",
    region="westeurope",
)
CHART = replace(
    PUSH,
    action="chart_push",
    repository="repo",
    tag="wordpress-5.4.0.tgz",
    media_type="application/vnd.acr.helm.chart",
    size=25265,
    occurred_at="2026-03-05T23:45:31.2614267Z",
    chart=("wordpress", "5.4.0"),
)

ACTIONS: list[Action] = ["push", "delete", "quarantine", "chart_push", "chart_delete", "ping"]

TELLABLE = [
    (Dialect.ACR, "push"),
    (Dialect.ACR, "delete"),
    (Dialect.ACR, "quarantine"),
    (Dialect.ACR, "chart_push"),
    (Dialect.ACR, "chart_delete"),
    (Dialect.ACR, "ping"),
    (Dialect.EVENTGRID, "push"),
    (Dialect.EVENTGRID, "delete"),
    (Dialect.EVENTGRID, "chart_push"),
    (Dialect.EVENTGRID, "chart_delete"),
    (Dialect.CLOUDEVENTS, "push"),
    (Dialect.CLOUDEVENTS, "delete"),
    (Dialect.CLOUDEVENTS, "chart_push"),
    (Dialect.CLOUDEVENTS, "chart_delete"),
    (Dialect.DISTRIBUTION, "push"),
    (Dialect.DISTRIBUTION, "delete"),
]


def rng(seed: int) -> random.Random:
    """Chance that repeats itself."""
    return random.Random(seed)  # noqa: S311 - a simulation


def body(happening: Happening, dialect: Dialect) -> Any:
    """What is sent, read again."""
    return json.loads(render(happening, dialect)[1])


def data(happening: Happening, dialect: Dialect) -> Any:
    """The registry's own event inside whatever envelope the dialect has."""
    told = body(happening, dialect)
    if dialect is Dialect.EVENTGRID:
        return told[0]["data"]
    return told["data"] if dialect is Dialect.CLOUDEVENTS else told


def some(action: Action, seed: int = 0) -> Happening:
    """A happening with everything that its action can have."""
    return imagine(
        rng(seed),
        action,
        registry="myregistry.azurecr.io",
        repository="team/app",
        tag=None if action == "delete" else "1.2.3",
        occurred_at="2026-03-04T12:00:01.343145347Z",
    )


def test_a_webhooks_push_has_the_documented_fields() -> None:
    """An ACR push is exactly the documented example with our values."""
    headers, _ = render(PUSH, Dialect.ACR)
    assert headers == {"content-type": "application/json"}
    assert body(PUSH, Dialect.ACR) == {
        "id": "0782fe8f-fa6d-4924-bf66-db1feb22de1f",
        "timestamp": "2026-03-04T12:00:01.343145347Z",
        "action": "push",
        "target": {
            "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
            "size": 524,
            "digest": DIGEST,
            "length": 524,
            "repository": "team/app",
            "tag": "v1",
        },
        "request": {
            "id": "575be64f-b3c8-4d03-bcea-02c5a6d44863",
            "host": "myregistry.azurecr.io",
            "method": "PUT",
            "useragent": "docker/27.3.1",
        },
    }


@pytest.mark.parametrize(
    ("action", "target", "request_fields"),
    [
        ("push", "digest length mediaType repository size tag", "host id method useragent"),
        ("delete", "digest mediaType repository", "host id method useragent"),
        ("quarantine", "digest length repository size tag", "host id method"),
        ("chart_push", "digest mediaType name repository size tag version", None),
        ("chart_delete", "digest mediaType name repository size tag version", None),
    ],
)
def test_each_webhook_omits_what_its_example_omits(action: Action, target: str, request_fields: str | None) -> None:
    """A deletion has no size, length or tag; quarantine no type or client; charts no request at all."""
    event = body(some(action), Dialect.ACR)
    assert sorted(event["target"]) == target.split()
    assert (sorted(event["request"]) if "request" in event else None) == (
        request_fields.split() if request_fields else None
    )


def test_an_untagged_push_has_no_tag() -> None:
    """A push by digest leaves the tag out instead of sending an empty one."""
    assert "tag" not in body(replace(PUSH, tag=None), Dialect.ACR)["target"]


def test_a_chart_is_named_with_its_version() -> None:
    """A legacy chart's tag is its file, beside its name and version."""
    target = body(CHART, Dialect.ACR)["target"]
    assert (target["tag"], target["name"], target["version"]) == ("wordpress-5.4.0.tgz", "wordpress", "5.4.0")
    assert body(CHART, Dialect.EVENTGRID)[0]["subject"] == "wordpress:5.4.0"


def test_a_ping_says_nothing_else() -> None:
    """ACR's ping has no published schema; the one that was seen has only the action."""
    assert body(some("ping"), Dialect.ACR) == {"action": "ping"}


def test_event_grid_sends_an_array_of_its_schema() -> None:
    """The envelope is as documented; inside is the registry's event with its location."""
    headers, _ = render(PUSH, Dialect.EVENTGRID)
    assert headers["aeg-event-type"] == "Notification"
    assert headers["content-type"].startswith("application/json")
    [event] = body(PUSH, Dialect.EVENTGRID)
    inside = event.pop("data")
    identifier = event.pop("id")
    assert identifier != PUSH.event_id
    assert event == {
        "topic": "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/registries"
        "/providers/Microsoft.ContainerRegistry/registries/myregistry",
        "subject": "team/app:v1",
        "eventType": "Microsoft.ContainerRegistry.ImagePushed",
        "eventTime": "2026-03-04T12:00:01.7211453Z",
        "dataVersion": "2.0",
        "metadataVersion": "1",
    }
    assert inside == {**body(PUSH, Dialect.ACR), "location": "westeurope"}


def test_cloud_events_replace_the_envelope_only() -> None:
    """A structured CloudEvent 1.0 says the same with its own names, and without Event Grid's versions."""
    headers, _ = render(PUSH, Dialect.CLOUDEVENTS)
    [grid] = body(PUSH, Dialect.EVENTGRID)
    assert headers["content-type"] == "application/cloudevents+json"
    assert body(PUSH, Dialect.CLOUDEVENTS) == {
        "specversion": "1.0",
        "id": grid["id"],
        "source": grid["topic"],
        "subject": grid["subject"],
        "type": grid["eventType"],
        "time": grid["eventTime"],
        "data": grid["data"],
    }


def test_a_deletions_subject_is_its_repository() -> None:
    """Event Grid's subject has a tag on a push only."""
    assert body(some("delete"), Dialect.EVENTGRID)[0]["subject"] == "team/app"


def test_distribution_sends_what_was_captured_of_a_push() -> None:
    """A push has the fields, and the order of them, that a docker-registry 2.8.2 sent."""
    headers, raw = render(PUSH, Dialect.DISTRIBUTION)
    assert headers == {"content-type": "application/vnd.docker.distribution.events.v1+json"}
    assert raw.startswith(b'{\n   "events": [\n      {\n         "id": ')
    [event] = body(PUSH, Dialect.DISTRIBUTION)["events"]
    assert list(event) == ["id", "timestamp", "action", "target", "request", "actor", "source"]
    assert " ".join(event["target"]) == "mediaType size digest length repository url tag references"
    assert " ".join(event["request"]) == "id addr host method useragent"
    assert event["actor"] == {}
    assert event["target"]["url"] == f"http://myregistry.azurecr.io/v2/team/app/manifests/{DIGEST}"


@pytest.mark.parametrize(
    ("tag", "digest", "target"),
    [
        (None, DIGEST, {"digest": DIGEST, "repository": "team/app"}),
        ("v1", None, {"tag": "v1", "repository": "team/app"}),
    ],
)
def test_distribution_deletes_a_digest_or_a_tag(tag: str | None, digest: str | None, target: dict[str, str]) -> None:
    """A captured deletion names either, and nothing else but the repository."""
    deletion = imagine(
        rng(0),
        "delete",
        registry="127.0.0.1:5000",
        repository="team/app",
        tag=tag,
        digest=digest,
        occurred_at=PUSH.occurred_at,
    )
    [event] = body(deletion, Dialect.DISTRIBUTION)["events"]
    assert event["target"] == target
    assert event["request"]["method"] == "DELETE"


def test_an_actor_is_told_where_there_is_one() -> None:
    """Distribution names the actor after authentication."""
    [event] = body(replace(PUSH, actor="alice"), Dialect.DISTRIBUTION)["events"]
    assert event["actor"] == {"name": "alice"}


@pytest.mark.parametrize("dialect", Dialect)
@pytest.mark.parametrize("action", ACTIONS)
def test_what_a_sender_never_reports_cannot_be_told(action: Action, dialect: Dialect) -> None:
    """Exactly the combinations of the table can be rendered; for the others the error names the action."""
    happening = some(action)
    if (dialect, action) in TELLABLE:
        assert body(happening, dialect)
    else:
        with pytest.raises(UntellableError, match=f"no {action} event"):
            render(happening, dialect)


def test_azure_reports_no_deleted_tag() -> None:
    """Deleting only a tag cannot be told as ACR: no such webhook exists."""
    deletion = replace(PUSH, action="delete", digest=None)
    with pytest.raises(UntellableError, match="only a tag"):
        render(deletion, Dialect.ACR)


@given(
    seed=st.integers(0, 2**32),
    action=st.sampled_from(["push", "delete", "chart_push", "chart_delete"]),
)
def test_every_channel_tells_the_same_event(seed: int, action: Action) -> None:
    """Timestamp, target and request agree in all of Azure's dialects, so that the reports merge."""
    happening = some(action, seed)
    by_webhook = data(happening, Dialect.ACR)
    for dialect in (Dialect.EVENTGRID, Dialect.CLOUDEVENTS):
        told = data(happening, dialect)
        assert [told.get(part) for part in ("timestamp", "target", "request")] == [
            by_webhook.get(part) for part in ("timestamp", "target", "request")
        ]


@given(seed=st.integers(0, 2**32), pair=st.sampled_from(TELLABLE))
def test_the_same_seed_gives_the_same_bytes(seed: int, pair: tuple[Dialect, Action]) -> None:
    """Nothing but the arguments decides what is sent."""
    dialect, action = pair
    assert render(some(action, seed), dialect) == render(some(action, seed), dialect)


@given(seed=st.integers(0, 2**32))
def test_different_seeds_give_different_ids(seed: int) -> None:
    """Two happenings share neither ids nor digests."""
    one, other = some("push", seed), some("push", seed + 1)
    assert one.event_id != other.event_id
    assert one.request_id != other.request_id
    assert one.digest != other.digest


@given(
    seed=st.integers(0, 2**32),
    now=st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - the bounds of an aware strategy
    hours=st.integers(1, 60),
)
def test_a_history_never_reaches_into_the_future(seed: int, now: datetime, hours: int) -> None:
    """All happenings lie within the hours before `now`, oldest first."""
    times = [Instant.parse(happening.occurred_at) for happening in history(rng(seed), now=now, hours=hours)]
    end = Instant.from_datetime(now)
    assert times == sorted(times)
    assert all(end.plus(timedelta(hours=-hours)) <= at <= end for at in times)


@given(seed=st.integers(0, 2**32), hour=st.integers(0, 23))
def test_two_days_are_a_few_hundred_happenings(seed: int, hour: int) -> None:
    """There is enough to look at and to send in seconds, and every kind that the page shows."""
    told = list(history(rng(seed), now=NOW.replace(hour=hour)))
    actions = Counter(happening.action for happening in told)
    assert 150 < len(told) < 800
    assert actions["push"] > actions["delete"] > 0
    assert {happening.registry for happening in told} == {SAMPLE_REGISTRY}
    assert len({happening.repository for happening in told}) > 5
    assert len({happening.event_id for happening in told}) == len(told)


@given(seed=st.integers(0, 2**32))
def test_a_history_repeats_with_its_seed(seed: int) -> None:
    """The same seed and time give the same history."""
    assert list(history(rng(seed), now=NOW)) == list(history(rng(seed), now=NOW))


def test_a_history_looks_like_a_registrys() -> None:
    """`latest` moves, images of several platforms come in parts, and only what was pushed is deleted."""
    told = list(history(rng(1), now=NOW))
    pushes = [happening for happening in told if happening.action == "push"]
    latest = Counter(happening.repository for happening in pushes if happening.tag == "latest")
    indexes = [happening for happening in pushes if "index" in happening.media_type]
    pushed: set[str | None] = set()
    for happening in told:
        if happening.action == "push":
            pushed.add(happening.digest)
        elif happening.action == "delete":
            assert happening.digest in pushed
    assert max(latest.values()) > 1
    assert indexes
    assert sum(happening.tag is None for happening in pushes) >= 2
    tags = {happening.tag for happening in pushes}
    assert any(tag and re.fullmatch(r"v\d+\.\d+\.\d+", tag) for tag in tags)
    assert any(tag and re.fullmatch(r"sha-[0-9a-f]{7}", tag) for tag in tags)


def test_working_hours_are_busier() -> None:
    """More than twice as much happens in an hour of the day as in one of the night."""
    hours = Counter(int(happening.occurred_at[11:13]) for happening in history(rng(2), now=NOW))
    by_day = sum(hours[hour] for hour in range(8, 17)) / 9
    by_night = sum(hours[hour] for hour in range(19, 24)) / 5
    assert by_day > 2 * by_night


@given(seed=st.integers(0, 2**32))
def test_a_manifest_has_one_size(seed: int) -> None:
    """However often a digest is pushed, it has the same size and type."""
    facts: dict[str | None, set[tuple[int, str]]] = {}
    for happening in history(rng(seed), now=NOW):
        if happening.action == "push":
            facts.setdefault(happening.digest, set()).add((happening.size, happening.media_type))
    assert {len(versions) for versions in facts.values()} == {1}
