import pytest
from typer.testing import CliRunner

from registrail.access import find_key, is_whole
from registrail.local.cli import app
from registrail.settings import Settings


def made(*arguments: str) -> tuple[str, str]:
    """Make a key; it and the line for the setting."""
    result = CliRunner().invoke(app, ["key", *arguments])
    assert (result.exit_code, result.stderr) == (0, "")
    [key, setting] = [line.strip() for line in result.stdout.splitlines() if line.startswith("  ")]
    return key, setting


@pytest.mark.parametrize(("options", "role"), [([], "reader"), (["--role", "operator"], "operator")])
def test_the_key_opens_what_the_setting_says(options: list[str], role: str) -> None:
    """What the command prints fits together, and no two keys are the same."""
    key, setting = made("ci", *options)
    settings = Settings.from_env({"REGISTRAIL_STORAGE": "sqlite:///x", "REGISTRAIL_ACCESS_KEYS": setting})
    [known] = settings.access_keys
    assert (known.name, known.role, find_key(settings.access_keys, key), is_whole(key)) == ("ci", role, known, True)
    assert made("ci")[0] != key


@pytest.mark.parametrize("name", ["c i", "ci:", "", ",", "-ci", "x" * 65, "é"])
def test_a_name_that_would_break_the_setting(name: str) -> None:
    """Refused in one line, with what would be right."""
    result = CliRunner().invoke(app, ["key", "--", name])
    assert (result.exit_code, result.stdout) == (2, "")
    assert "1 to 64 letters, digits, dots, dashes or underscores" in result.stderr
