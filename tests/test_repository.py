"""The repository itself: fixed names, settings, lock files, and nothing that belongs to one machine."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def pins(name: str) -> set[str]:
    """Return the pins of a lock file, without its comments."""
    lines = (ROOT / name).read_text("utf-8").splitlines()
    return {line for line in lines if line and not line.lstrip().startswith("#")}


def verbs(text: str) -> set[str]:
    """Return the verbs of the `make` commands in a page's code."""
    return set(re.findall(r"(?:^|`|\$ |&& )make ([a-z][a-z-]*)", text, flags=re.MULTILINE))


def tracked_files() -> list[Path]:
    """Return what git tracks, or would if it were added."""
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    command = [git, "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout  # noqa: S603
    return [path for name in listed.split("\0") if name and (path := ROOT / name).is_file()]


@pytest.mark.parametrize(
    "name",
    [
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "LICENSE",
        "Makefile",
        "README.md",
        "docs/adr",
        "function_app.py",
        "host.json",
        "infra",
        "local.settings.sample.json",
        "requirements.txt",
        "tests",
    ],
)
def test_the_top_level_is_fixed(name: str) -> None:
    """People, scripts and the platform look for these names."""
    assert (ROOT / name).exists()


def test_routes_have_no_prefix() -> None:
    """The dashboard is at /, hooks at /hooks; and no webhook is turned away with 429."""
    http = json.loads((ROOT / "host.json").read_text("utf-8"))["extensions"]["http"]
    assert http["routePrefix"] == ""
    assert http["dynamicThrottlesEnabled"] is False


def test_sample_settings_have_known_prefixes() -> None:
    """A setting is the platform's, the schedule, or ours; each is a string, as the host wants it."""
    values = json.loads((ROOT / "local.settings.sample.json").read_text("utf-8"))["Values"]
    known = ("FUNCTIONS_", "AzureWebJobs", "SUMMARIZE_SCHEDULE", "EXPIRE_SCHEDULE", "REGISTRAIL_")
    assert [name for name in values if not name.startswith(known)] == []
    assert [name for name, value in values.items() if not isinstance(value, str)] == []


def test_nothing_belongs_to_one_machine() -> None:
    """No file names somebody's home folder or the host that packages were downloaded from."""
    homes = "|".join(["/ho" + "me/", "/Use" + "rs/", "/ro" + "ot/", r"[A-Z]:\\Use" + r"rs\\"])
    hosts = "|".join([r"registry\.npm" + r"js\.", r"py" + r"pi\.org", r"python" + r"hosted\.org"])
    needle = re.compile(f"(?:{homes})[A-Za-z._]|{hosts}".encode())
    found = {path.relative_to(ROOT): needle.findall(path.read_bytes()) for path in tracked_files()}
    assert {path: matches for path, matches in found.items() if matches} == {}


def test_the_app_installs_what_is_tested() -> None:
    """Every pin of the deployed app is a pin of the tested environment."""
    assert pins("requirements.txt") - pins("constraints.txt") == set()
    assert [pin for pin in pins("constraints.txt") if "==" not in pin] == []


@pytest.mark.parametrize("folder", ["tools/azurite", "tools/vendor"])
def test_npm_packages_are_locked_by_content(folder: str) -> None:
    """A lock file has the pinned versions, a hash for every package and no download address."""
    lock = json.loads((ROOT / folder / "package-lock.json").read_text("utf-8"))
    manifest = json.loads((ROOT / folder / "package.json").read_text("utf-8"))
    packages = {name: package for name, package in lock["packages"].items() if name}
    pinned = manifest["dependencies"] | manifest.get("devDependencies", {})
    assert {name: packages[f"node_modules/{name}"]["version"] for name in pinned} == pinned
    assert [name for name, package in packages.items() if "resolved" in package] == []
    assert [name for name, package in packages.items() if "integrity" not in package] == []


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_pages_name_verbs_that_exist(page: str) -> None:
    """Whoever types what a page says gets no "No rule to make target"."""
    makefile = (ROOT / "Makefile").read_text("utf-8")
    known = set(re.findall(r"^([a-z][a-z-]*):.*## ", makefile, flags=re.MULTILINE))
    assert {"run", "test"} <= known
    assert verbs((ROOT / page).read_text("utf-8")) - known == set()
