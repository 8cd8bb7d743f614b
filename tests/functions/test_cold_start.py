import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]

FOR_NO_WEBHOOK: Final = frozenset(
    {
        "aiohttp",
        "azure.data",
        "azure.identity",
        "fastapi",
        "httpx",
        "jinja2",
        "msal",
        "pyarrow",
        "pydantic",
        "registrail.derived",
        "registrail.expire",
        "registrail.local",
        "registrail.projections",
        "registrail.query",
        "registrail.rebuild",
        "registrail.summarize",
        "registrail.web",
        "rich",
        "starlette",
        "typer",
    }
)
"""What the first request, timer or page that needs it imports, or what only a desk has."""


@pytest.mark.parametrize(
    ("name", "value", "other_engine"),
    [
        ("REGISTRAIL_STORAGE", "sqlite:///:memory:", "registrail.storage.tables"),
        ("REGISTRAIL_STORAGE", "UseDevelopmentStorage=true", "sqlite3"),
        ("REGISTRAIL_STORAGE__tableServiceUri", "https://a.table.core.windows.net", "sqlite3"),
    ],
)
def test_a_cold_start_imports_only_what_a_webhook_needs(name: str, value: str, other_engine: str) -> None:
    """ACR tries once, so the first webhook should not wait for pages, timers, exports, or the other engine."""
    environment = {key: text for key, text in os.environ.items() if not key.startswith(("REGISTRAIL_", "COV"))}
    code = "import sys, function_app; print(*sys.modules, sep='\\n')"
    imported = subprocess.run(  # noqa: S603
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**environment, name: value},
        capture_output=True,
        check=True,
        text=True,
    )
    names = set(imported.stdout.split())
    assert "registrail.ingest" in names
    assert sorted(names & (FOR_NO_WEBHOOK | {other_engine})) == []
