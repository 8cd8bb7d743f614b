"""The operations guide has what the templates and the code need of it."""

import json
import re
from pathlib import Path

from registrail.compose import UseCases
from registrail.local.cli import app as commands
from registrail.senders.sender import Request

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "operations.md").read_text()


def test_every_alert_has_a_section() -> None:
    """And there is none of an alert that is gone."""
    alerts = re.findall(
        r"^ +name: '([a-z]+-[a-z]+)'$", (ROOT / "infra" / "app" / "alerts.bicep").read_text(), re.MULTILINE
    )
    assert len(alerts) >= 7
    assert sorted(alerts) == sorted(re.findall(r"^### `([a-z-]+)`$", GUIDE, re.MULTILINE))


def test_every_command_that_it_shows_is_there() -> None:
    """With its name."""
    shown = set(re.findall(r"registrail (export|import|rebuild|replay|doctor|deliveries|key|[a-z]+) ", GUIDE))
    known = {command.name or command.callback.__name__ for command in commands.registered_commands if command.callback}
    assert {"export", "import", "rebuild", "replay", "doctor", "deliveries", "key"} <= shown & known


async def test_dead_letters_are_taken_as_they_are(app: UseCases) -> None:
    """Event Grid adds why it gave up, and when.

    Source: https://learn.microsoft.com/azure/event-grid/manage-event-delivery#dead-lettered-events
    """
    event = {
        "action": "push",
        "timestamp": "2026-06-15T11:00:00Z",
        "target": {"repository": "team/app", "tag": "v1", "digest": "sha256:1"},
        "request": {"id": "1", "host": "r.azurecr.io"},
    }
    letters = [
        {
            "specversion": "1.0",
            "id": "1",
            "source": "/subscriptions/s/providers/Microsoft.ContainerRegistry/registries/r",
            "type": "Microsoft.ContainerRegistry.ImagePushed",
            "time": "2026-06-15T11:00:01Z",
            "data": event,
            "deadletterreason": "MaxDeliveryAttemptsExceeded",
            "deliveryattempts": 30,
            "lastdeliveryoutcome": "GenericError",
            "publishtime": "2026-06-15T11:00:02Z",
            "lastdeliveryattempttime": "2026-06-16T11:00:01Z",
        }
    ]
    receipt = await app.ingest.receive(
        "eventgrid",
        Request(headers={"content-type": "application/json"}, body=json.dumps(letters).encode()),
        path="/hooks/eventgrid",
    )
    assert receipt.status == 200
    assert receipt.answer is not None
    assert receipt.answer["accepted"] == 1
