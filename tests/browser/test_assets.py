"""What browsers load from our own origin."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.browser
def test_copies_are_the_pinned_packages() -> None:
    """Nobody edits a copy, and a new pin comes with its copy: `make vendor`."""
    check = subprocess.run(
        [sys.executable, "tools/vendor/vendor.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (check.returncode, check.stdout, check.stderr) == (0, "", "")


def test_the_list_of_versions_says_what_is_pinned() -> None:
    """Whoever looks for a vulnerable version finds it without npm."""
    pins = json.loads((ROOT / "tools/vendor/package.json").read_text("utf-8"))["dependencies"]
    listed = (ROOT / "registrail/web/static/vendor/versions.txt").read_text("utf-8").split("\n")
    assert listed == [*(f"{name} {version}" for name, version in sorted(pins.items())), ""]
