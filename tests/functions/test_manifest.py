import importlib.util
import json
import os
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import pytest

from registrail.errors import SettingsError

ROOT = Path(__file__).parents[2]
GIVEN = ("REGISTRAIL_", "WEBSITE_")

MANIFEST: Final[Mapping[str, Mapping[str, Any]]] = {
    "receive_hook": {
        "type": "httpTrigger",
        "direction": "IN",
        "name": "req",
        "route": "hooks/{sender}",
        "methods": ["POST", "OPTIONS"],
        "authLevel": "FUNCTION",
    },
    "receive_event": {"type": "eventGridTrigger", "direction": "IN", "name": "event"},
    "summarize_activity": {
        "type": "timerTrigger",
        "direction": "IN",
        "name": "timer",
        "schedule": "%SUMMARIZE_SCHEDULE%",
        "runOnStartup": False,
        "useMonitor": True,
    },
    "expire_history": {
        "type": "timerTrigger",
        "direction": "IN",
        "name": "timer",
        "schedule": "%EXPIRE_SCHEDULE%",
        "runOnStartup": False,
        "useMonitor": True,
    },
    "web": {
        "type": "httpTrigger",
        "direction": "IN",
        "name": "req",
        "route": "{*path}",
        "methods": ["GET", "HEAD", "POST"],
        "authLevel": "ANONYMOUS",
    },
}


def load(monkeypatch: pytest.MonkeyPatch, **environment: str) -> ModuleType:
    """Import function_app.py anew, in an environment that has these settings and no others of ours."""
    for name in [name for name in os.environ if name.startswith(GIVEN)]:
        monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    spec = importlib.util.spec_from_file_location("function_app_under_test", ROOT / "function_app.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def manifest(module: ModuleType) -> dict[str, Any]:
    """What the platform is told of each function."""
    return {
        function.get_function_name(): json.loads(json.dumps(function.get_trigger().get_dict_repr(), default=str))
        for function in module.app.get_functions()
    }


def test_the_functions_are_these(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names, triggers, routes, methods and access levels are fixed: none becomes anonymous by accident."""
    assert manifest(load(monkeypatch, REGISTRAIL_STORAGE="sqlite:///:memory:")) == MANIFEST


def test_azure_gets_the_same_functions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the storage nor the platform changes the manifest."""
    environment = {
        "REGISTRAIL_STORAGE__tableServiceUri": "https://a.table.core.windows.net",
        "WEBSITE_INSTANCE_ID": "0123",
    }
    assert manifest(load(monkeypatch, **environment)) == MANIFEST


def test_importing_does_no_io(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No file is made and no connection opened before the first request."""
    load(monkeypatch, REGISTRAIL_STORAGE=f"sqlite:///{tmp_path}/registrail.db")
    assert list(tmp_path.iterdir()) == []


def test_wrong_settings_end_the_import(monkeypatch: pytest.MonkeyPatch) -> None:
    """The platform's log then says what is wrong, all of it."""
    with pytest.raises(SettingsError, match=r"REGISTRAIL_KEEP_PULLS.*REGISTRAIL_STORAGE is not set"):
        load(monkeypatch, REGISTRAIL_KEEP_PULLS="maybe")


def test_the_schedules_have_samples() -> None:
    """Every schedule that a timer looks up is in the sample settings."""
    values = json.loads((ROOT / "local.settings.sample.json").read_text("utf-8"))["Values"]
    wanted = {str(trigger["schedule"]).strip("%") for trigger in MANIFEST.values() if "schedule" in trigger}
    assert wanted - values.keys() == set()
