"""What the code needs from the infrastructure, read from the code itself."""

import ast
import importlib.util
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from registrail.senders import senders

ROOT: Final = Path(__file__).parents[2]


@dataclass(frozen=True, kw_only=True)
class Code:
    """What the code names.

    Attributes:
        settings: settings that `Settings.from_env` reads, without those that the platform sets.
        tables: the tables of the store.
        functions: the trigger of each function, as the platform is told of it.
        senders: what may stand behind `/hooks/`.
    """

    settings: frozenset[str]
    tables: frozenset[str]
    functions: Mapping[str, Mapping[str, Any]]
    senders: frozenset[str]


def code() -> Code:
    """Read the code of this checkout."""
    return Code(
        settings=frozenset(name for name in _texts(ROOT / "registrail/settings.py") if _is_setting(name)),
        tables=frozenset(
            match
            for path in (ROOT / "registrail/storage").glob("*.py")
            for match in re.findall(r'^TABLE: Final = "(\w+)"', path.read_text("utf-8"), re.MULTILINE)
        ),
        functions=_functions(),
        senders=frozenset(senders()),
    )


def _texts(path: Path) -> set[str]:
    tree = ast.walk(ast.parse(path.read_text("utf-8")))
    return {node.value for node in tree if isinstance(node, ast.Constant) and isinstance(node.value, str)}


def _is_setting(name: str) -> bool:
    return re.fullmatch(r"REGISTRAIL_[A-Z_]+(__[a-zA-Z]+)?", name) is not None


def _functions() -> Mapping[str, Mapping[str, Any]]:
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("REGISTRAIL_", "WEBSITE_"))]:
            patch.delenv(name)
        patch.setenv("REGISTRAIL_STORAGE", "sqlite:///:memory:")
        spec = importlib.util.spec_from_file_location("function_app_of_infra", ROOT / "function_app.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return {
        function.get_function_name(): json.loads(json.dumps(function.get_trigger().get_dict_repr(), default=str))
        for function in module.app.get_functions()
    }
