import json
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from registrail.local.cli import app
from registrail.local.processes import running_app

pytestmark = pytest.mark.sockets

PUSH = {
    "action": "push",
    "timestamp": "2026-01-31T12:00:00Z",
    "target": {"repository": "team/app", "tag": "v1", "digest": "sha256:1"},
    "request": {"host": "r.azurecr.io", "id": "1"},
}


def replay(*arguments: str) -> tuple[int, str, str]:
    """Run the command; its exit code and what it says."""
    result = CliRunner().invoke(app, ["replay", *arguments])
    return result.exit_code, result.stdout, result.stderr


def test_a_range_is_replayed_and_nothing_is_doubled(tmp_path: Path) -> None:
    """All deliveries that the options name are taken once more; events stay single, the log says when."""
    with running_app(tmp_path) as url, httpx.Client(base_url=url, trust_env=False) as client:
        for _ in range(3):
            client.post("/hooks/acr", content=json.dumps(PUSH)).raise_for_status()
        assert client.post("/hooks/acr", content=b"{").status_code == 400
        assert replay("--to", url, "--outcome", "accepted") == (0, "replayed 3: 3 accepted\n", "")
        code, said, _ = replay("--to", url, "--all")
        assert (code, said) == (1, "replayed 4: 3 accepted, 1 rejected\n")
        assert len(client.get("/api/events").json()["items"]) == 1
        assert all(item["replayed_at"] for item in client.get("/api/deliveries").json()["items"])


def test_one_delivery_is_replayed_by_id(tmp_path: Path) -> None:
    """An id names one delivery; an unknown one is one clear line."""
    with running_app(tmp_path) as url, httpx.Client(base_url=url, trust_env=False) as client:
        delivery = client.post("/hooks/acr", content=json.dumps(PUSH)).json()["delivery"]
        assert replay("--to", url, delivery) == (0, "replayed 1: 1 accepted\n", "")
        code, said, _ = replay("--to", url, delivery, "--json")
        assert (code, json.loads(said)["id"], json.loads(said)["accepted"]) == (0, delivery, 1)
        code, said, error = replay("--to", url, "acr~2516068130002212219~000000000000")
        assert (code, said) == (1, "")
        assert "404: there is no delivery 'acr~2516068130002212219~000000000000'" in error
        assert replay("--to", url, "--since", "1m", "--sender", "harbor") == (0, "nothing to replay\n", "")


def test_which_ones_must_be_said() -> None:
    """Years of requests are not replayed by mistake."""
    code, said, error = replay("--to", "http://127.0.0.1:1")
    assert (code, said, error.count("\n")) == (1, "", 1)
    assert "--all" in error


def test_nobody_there_is_one_line() -> None:
    """Without an app the command says what to do."""
    code, said, error = replay("--to", "http://127.0.0.1:1", "--all")
    assert (code, said, error.count("\n")) == (1, "", 1)
    assert "start the app with `make run`" in error
