import json
import re
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from registrail.local.send import app

pytestmark = pytest.mark.sockets

AT = "2026-03-04T12:00:01.343145347Z"


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """One request as it arrived."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def event(self) -> Any:
        """The body, read."""
        return json.loads(self.body)


@dataclass(slots=True, kw_only=True)
class Listener:
    """Something that listens on loopback and answers as told: `statuses` in turn, then 200."""

    url: str
    received: list[Received] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)


@pytest.fixture
def listener() -> Iterator[Listener]:
    """A listener that ends with the test."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", "0")))
            headers = {name.lower(): value for name, value in self.headers.items()}
            listening.received.append(Received(path=self.path, headers=headers, body=body))
            status = listening.statuses.pop(0) if listening.statuses else 200
            said: dict[str, object] = (
                {"delivery": f"d{len(listening.received)}", "accepted": 1, "ignored": 0}
                if status == 200
                else {"title": "Refused", "status": status, "detail": "the reason why"}
            )
            answer = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listening = Listener(url=f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield listening
    server.shutdown()
    thread.join()
    server.server_close()


def send(*arguments: str, env: dict[str, str] | None = None) -> Result:
    """Run `registrail send` with the arguments, in an environment without settings of ours."""
    clean = {"REGISTRAIL_KEY": None, "REGISTRAIL_TOPIC_KEY": None, "COLUMNS": "200", **(env or {})}
    return CliRunner().invoke(app, list(arguments), env=clean)


@pytest.mark.parametrize(
    ("dialect", "hook"),
    [
        ("acr", "acr"),
        ("eventgrid", "eventgrid"),
        ("cloudevents", "eventgrid"),
        ("distribution", "distribution"),
    ],
)
def test_each_dialect_goes_to_its_hook(listener: Listener, dialect: str, hook: str) -> None:
    """A push is posted to the sender's hook with registry and region, and says what the options say."""
    options = ["--registry", "r.azurecr.io", "--repository", "team/app", "--tag", "v1", "--region", "westeurope"]
    result = send("push", "--to", listener.url, "--as", dialect, *options)
    assert result.exit_code == 0, result.output
    [received] = listener.received
    assert received.path == f"/hooks/{hook}?registry=r.azurecr.io&region=westeurope"
    assert b'"team/app"' in received.body
    assert b'"v1"' in received.body


@pytest.mark.parametrize(
    ("command", "action"),
    [
        ("push", "push"),
        ("delete", "delete"),
        ("quarantine", "quarantine"),
        ("chart-push", "chart_push"),
        ("chart-delete", "chart_delete"),
        ("ping", "ping"),
    ],
)
def test_each_command_sends_its_action(listener: Listener, command: str, action: str) -> None:
    """Every command works with nothing but an address."""
    assert send(command, "--to", listener.url).exit_code == 0
    [received] = listener.received
    assert received.event["action"] == action


def test_a_single_event_is_named_in_the_summary(listener: Listener) -> None:
    """After one event one can look it up: the summary has its registry, repository, tag and digest."""
    result = send("push", "--to", listener.url, "--repository", "team/app", "--tag", "v1")
    digest = listener.received[0].event["target"]["digest"]
    assert result.stdout == (f"sent 1, accepted 1, failed 0: push myregistry.azurecr.io/team/app:v1@{digest}\n")


def test_many_events_differ_in_ids_digest_and_time(listener: Listener) -> None:
    """With --count each event is its own, in order, and what was given stays."""
    result = send("push", "--to", listener.url, "--count", "20", "--repository", "team/app", "--tag", "v1")
    events = [received.event for received in listener.received]
    times = [event["timestamp"] for event in events]
    assert len({event["id"] for event in events}) == 20
    assert len({event["request"]["id"] for event in events}) == 20
    assert len({event["target"]["digest"] for event in events}) == 20
    assert times == sorted(set(times))
    assert {(event["target"]["repository"], event["target"]["tag"]) for event in events} == {("team/app", "v1")}
    assert re.fullmatch(r"sent 20, accepted 20, failed 0, [\d.]+ events/s\n", result.stdout)


def test_the_same_seed_and_time_send_the_same_bytes(listener: Listener) -> None:
    """A run can be repeated exactly; another seed differs."""
    for seed in ("7", "7", "8"):
        send("push", "--to", listener.url, "--seed", seed, "--at", AT, "--count", "3")
    bodies = [received.body for received in listener.received]
    assert bodies[0:3] == bodies[3:6]
    assert set(bodies[0:3]).isdisjoint(bodies[6:9])


def test_the_time_given_is_the_first_events(listener: Listener) -> None:
    """--at is sent as it is written, and each next event is a microsecond later."""
    send("push", "--to", listener.url, "--at", AT, "--count", "2")
    first, second = (received.event["timestamp"] for received in listener.received)
    assert first == AT
    assert second.startswith("2026-03-04T12:00:01.3431463")


def test_an_empty_tag_means_none(listener: Listener) -> None:
    """A push by digest can be sent."""
    send("push", "--to", listener.url, "--tag", "")
    assert "tag" not in listener.received[0].event["target"]


@pytest.mark.parametrize("how", ["option", "environment"])
def test_the_key_goes_into_the_header(listener: Listener, how: str) -> None:
    """The host key is sent as x-functions-key, and never in the address."""
    if how == "option":
        send("ping", "--to", listener.url, "--key", "s3cret")
    else:
        send("ping", "--to", listener.url, env={"REGISTRAIL_KEY": "s3cret"})
    [received] = listener.received
    assert received.headers["x-functions-key"] == "s3cret"
    assert "s3cret" not in received.path


def test_json_is_for_machines(listener: Listener) -> None:
    """--json prints the counts, the rate and the latencies as one JSON document, and nothing else."""
    listener.statuses = [200, 503, 200]
    result = send("push", "--to", listener.url, "--count", "3", "--json")
    figures = json.loads(result.stdout)
    assert (figures["sent"], figures["accepted"], figures["failed"]) == (3, 2, 1)
    assert figures["events_per_second"] > 0
    assert figures["latency_ms"]["p50"] <= figures["latency_ms"]["p99"]


def test_nobody_there_is_one_line_that_helps() -> None:
    """When nothing listens, sending stops at once with exit code 1 and says how to start the app."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{probe.getsockname()[1]}"
    result = send("push", "--to", url, "--count", "1000")
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith(f"Nobody answers at {url} (")
    assert "`make run`" in result.stderr
    assert result.stdout.startswith("sent 1, accepted 0, failed 1")


@pytest.mark.parametrize(
    ("status", "remedy"),
    [
        (400, "list of deliveries"),
        (401, "REGISTRAIL_KEY"),
        (403, "REGISTRAIL_KEY"),
        (404, "base address"),
        (413, "REGISTRAIL_MAX_BODY_BYTES"),
        (429, "--rate"),
        (503, "--retry"),
    ],
)
def test_a_refusal_says_what_to_do(listener: Listener, status: int, remedy: str) -> None:
    """Every refusal ends with exit code 1 and one line with the status, the app's reason and a next step."""
    listener.statuses = [status]
    result = send("push", "--to", listener.url)
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1
    assert f"{listener.url} answered {status} (the reason why)" in result.stderr
    assert remedy in result.stderr


def test_a_failed_webhook_is_not_retried_and_the_next_is_sent(listener: Listener) -> None:
    """By default a failure is final, as with ACR, and does not hold up the others."""
    listener.statuses = [503]
    result = send("push", "--to", listener.url, "--count", "3")
    assert result.exit_code == 1
    assert result.stdout.startswith("sent 3, accepted 2, failed 1")
    assert len({received.event["id"] for received in listener.received}) == 3


def test_a_locked_door_is_not_knocked_at_again(listener: Listener) -> None:
    """A wrong key fails for every event, so sending stops."""
    listener.statuses = [401] * 10
    result = send("push", "--to", listener.url, "--count", "10")
    assert result.exit_code == 1
    assert len(listener.received) == 1


def test_retry_sends_the_same_event_again(listener: Listener) -> None:
    """With --retry a 503 is answered by the same bytes again, counted as Event Grid counts deliveries."""
    listener.statuses = [503, 500]
    result = send("push", "--to", listener.url, "--as", "eventgrid", "--retry")
    assert result.exit_code == 0, result.output
    assert len({received.body for received in listener.received}) == 1
    assert [received.headers["aeg-delivery-count"] for received in listener.received] == ["0", "1", "2"]


@pytest.mark.parametrize("status", [400, 401, 403, 413])
def test_what_event_grid_drops_is_not_retried(listener: Listener, status: int) -> None:
    """Not even --retry repeats what is refused for good."""
    listener.statuses = [status]
    assert send("push", "--to", listener.url, "--retry").exit_code == 1
    assert len(listener.received) == 1


def test_the_log_has_what_was_acknowledged(listener: Listener, tmp_path: Path) -> None:
    """--log appends a line for each delivery that was answered with 200, and none for the others."""
    log = tmp_path / "log.jsonl"
    log.write_text('{"before": true}\n')
    listener.statuses = [200, 503, 202]
    send("push", "--to", listener.url, "--count", "4", "--log", str(log))
    before, *lines = [json.loads(line) for line in log.read_text().splitlines()]
    events = [listener.received[number].event for number in (0, 3)]
    assert before == {"before": True}
    assert lines == [
        {
            "event_id": event["id"],
            "registry": "myregistry.azurecr.io",
            "repository": event["target"]["repository"],
            "action": "push",
            "tag": event["target"]["tag"],
            "digest": event["target"]["digest"],
            "occurred_at": event["timestamp"],
            "delivery": delivery,
        }
        for event, delivery in zip(events, ["d1", "d4"], strict=True)
    ]


def test_concurrent_deliveries_send_each_event_once(listener: Listener) -> None:
    """However many are under way at once, each event is sent exactly once."""
    result = send("push", "--to", listener.url, "--count", "100", "--concurrency", "8")
    assert result.exit_code == 0
    assert len(listener.received) == len({received.event["id"] for received in listener.received}) == 100


@pytest.mark.parametrize("bad", ["fast", "0", "-1/s", "5/h", "inf", "nan"])
def test_a_rate_that_is_none_is_refused(bad: str) -> None:
    """Nonsense is a usage error, told before anything is sent."""
    result = send("push", "--rate", bad)
    assert result.exit_code == 2
    assert "is not a rate" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["push", "--to", "localhost:7071"], "is not an address"),
        (["push", "--at", "yesterday"], "is not an RFC 3339 time"),
        (["quarantine", "--as", "distribution"], "no quarantine event"),
        (["chart-push", "--as", "distribution"], "no chart_push event"),
        (["quarantine", "--as", "eventgrid"], "no quarantine event"),
        (["delete", "--tag", "v1"], "only a tag"),
        (["push", "--topic", "https://t.example/api/events", "--as", "acr"], "a topic takes eventgrid"),
    ],
)
def test_what_cannot_be_sent_is_a_usage_error(arguments: list[str], complaint: str) -> None:
    """A command line without sense exits with 2 and says why."""
    result = send(*arguments)
    assert result.exit_code == 2
    assert complaint in result.stderr


def test_only_a_tag_can_be_deleted_in_distributions_words(listener: Listener) -> None:
    """Distribution reports a deleted tag without a digest."""
    send("delete", "--tag", "v1", "--repository", "team/app", "--as", "distribution", "--to", listener.url)
    [event] = listener.received[0].event["events"]
    assert event["target"] == {"tag": "v1", "repository": "team/app"}


@pytest.mark.parametrize("command", ["push", "delete", "quarantine", "chart-push", "chart-delete", "ping"])
def test_help_teaches_by_example(command: str) -> None:
    """Each command's help has an example of itself."""
    assert f"registrail send {command} --" in send(command, "--help").stdout


@pytest.mark.parametrize(
    ("dialect", "identifying"),
    [("eventgrid", {"eventType", "eventTime", "dataVersion"}), ("cloudevents", {"specversion", "source"})],
)
def test_a_topic_gets_its_own_schema(listener: Listener, dialect: str, identifying: set[str]) -> None:
    """--topic publishes with the key and the schema of --as, without the fields that a topic writes itself."""
    options = ["--topic", f"{listener.url}/api/events", "--topic-key", "k3y", "--repository", "team/app"]
    result = send("push", *options, "--as", dialect)
    assert result.exit_code == 0, result.output
    [received] = listener.received
    [event] = received.event
    assert received.headers["aeg-sas-key"] == "k3y"
    assert received.path.startswith("/api/events?api-version=")
    assert identifying <= set(event)
    assert {"topic", "metadataVersion"}.isdisjoint(event)
    assert event["data"]["target"]["repository"] == "team/app"


def test_a_topics_refusal_says_what_to_do(listener: Listener) -> None:
    """A topic's 401 is told with the option that helps."""
    listener.statuses = [401]
    result = send("push", "--topic", f"{listener.url}/api/events", "--topic-key", "wrong")
    assert result.exit_code == 1
    assert "--topic-key" in result.stderr
    assert result.stderr.count("\n") == 1
