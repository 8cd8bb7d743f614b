"""The API against its own description: schemathesis makes requests from `/api/openapi.json`, good and bad ones."""

import asyncio
import json
from typing import Any, Final

import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error

from registrail.compose import use_cases
from registrail.instants import Instant
from registrail.senders.sender import Request
from registrail.settings import Settings
from registrail.storage.sqlite import SqliteStore
from registrail.web.app import web_app

HOST: Final = {"Host": "localhost"}


async def recorded() -> schemathesis.BaseSchema:
    """Describe the API of an app that has recorded something."""
    wanted = Settings(storage="sqlite:///:memory:")
    app = use_cases(SqliteStore(":memory:"), wanted, lambda: Instant.parse("2026-06-15T12:00:00Z"))
    for number in range(3):
        event = {
            "action": "push",
            "timestamp": f"2026-06-15T11:0{number}:00Z",
            "target": {"repository": "team/app", "tag": "v1", "digest": f"sha256:{number}"},
            "request": {"host": "r.azurecr.io"},
        }
        await app.ingest.receive("acr", Request(body=json.dumps(event).encode()), path="/hooks/acr")
    return schemathesis.openapi.from_asgi("/api/openapi.json", web_app(app.query, app.ingest, wanted), headers=HOST)


schema = asyncio.run(recorded())


@schema.parametrize()
@settings(max_examples=40, suppress_health_check=list(HealthCheck))
def test_no_request_breaks_it(case: schemathesis.Case[Any]) -> None:
    """Whatever is asked, the answer is one of ours: never a 5xx."""
    case.call_and_validate(checks=[not_a_server_error], headers=HOST)
