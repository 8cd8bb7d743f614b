"""The GitHub workflows: their form, what zizmor says of their safety, and that they run the Makefile's verbs."""

import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.infra.code import ROOT

BIN: Final = Path(sys.executable).parent
FOLDER: Final = ROOT / ".github/workflows"
WORKFLOWS: Final = sorted(path.name for path in FOLDER.glob("*.yml"))


def run(*command: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run one of the tools of this environment."""
    return subprocess.run(  # noqa: S603 - our own tools
        [str(BIN / command[0]), *command[1:]], check=False, capture_output=True, text=True, cwd=cwd, timeout=120
    )


def workflow(name: str) -> Mapping[str, Any]:
    """A workflow; YAML reads the key `on` as true."""
    return dict(yaml.safe_load((FOLDER / name).read_text("utf-8")))


def steps(name: str) -> Iterator[Mapping[str, Any]]:
    """The steps of all jobs."""
    for job in workflow(name)["jobs"].values():
        yield from job.get("steps", [])


@pytest.mark.parametrize(
    ("schema", "paths"),
    [
        ("vendor.github-workflows", [f".github/workflows/{name}" for name in WORKFLOWS]),
        ("vendor.dependabot", [".github/dependabot.yml"]),
    ],
)
def test_the_form_is_right(schema: str, paths: list[str]) -> None:
    """As GitHub's published schema has it, which comes with the tool."""
    done = run("check-jsonschema", "--builtin-schema", schema, *paths)
    assert (done.returncode, done.stderr) == (0, "")


def test_zizmor_finds_nothing() -> None:
    """At its default strictness, without asking anybody."""
    done = run("zizmor", "--offline", "--quiet", "--no-progress", ".github")
    assert done.returncode == 0, done.stdout


def test_zizmor_would_find_something(tmp_path: Path) -> None:
    """A title in a script, and an action that is not pinned."""
    source = (FOLDER / "ci.yml").read_text("utf-8")
    source = source.replace("run: make lint", 'run: make lint TITLE="${{ github.event.pull_request.title }}"')
    (tmp_path / ".github/workflows").mkdir(parents=True)
    (tmp_path / ".github/workflows/ci.yml").write_text(
        re.sub(r"checkout@[0-9a-f]{40} # ", "checkout@", source), "utf-8"
    )
    done = run("zizmor", "--offline", "--quiet", "--no-progress", ".github", cwd=tmp_path)
    assert done.returncode != 0
    assert "template-injection" in done.stdout
    assert "unpinned-uses" in done.stdout


@pytest.mark.parametrize("name", WORKFLOWS)
def test_actions_are_pinned(name: str) -> None:
    """By the hash of a commit, with the version beside it; and there are few."""
    used = re.findall(r"uses: (\S+)(?: # (\S+))?", (FOLDER / name).read_text("utf-8"))
    for action, version in used:
        if not action.startswith("./"):
            assert re.fullmatch(r"actions/[\w-]+@[0-9a-f]{40}", action)
            assert re.fullmatch(r"v\d+\.\d+\.\d+", version)


@pytest.mark.parametrize("name", WORKFLOWS)
def test_permissions_are_least(name: str) -> None:
    """None at the top; a job may read, and only the one that makes a release may write."""
    assert workflow(name)["permissions"] == {}
    for job, definition in workflow(name)["jobs"].items():
        allowed = "write" if (name, job) == ("release.yml", "release") else "read"
        assert definition["permissions"] == {"contents": allowed}


@pytest.mark.parametrize("name", WORKFLOWS)
def test_the_verbs_are_those_of_the_makefile(name: str) -> None:
    """Whoever reads a failure can run the same on a desk."""
    makefile = (ROOT / "Makefile").read_text("utf-8")
    called = [verb for step in steps(name) for verb in re.findall(r"make ((?:[a-z-]+ ?)+)", step.get("run", ""))]
    assert called
    for verb in " ".join(called).split():
        assert re.search(rf"^{verb}:.* ## ", makefile, re.MULTILINE), verb


def test_every_python_runs_what_ci_run_runs() -> None:
    """3.11 to 3.13, and no verb of .ci/run is missing from the workflow."""
    assert workflow("ci.yml")["jobs"]["verbs"]["strategy"]["matrix"]["python"] == ["3.11", "3.12", "3.13"]
    verbs = set(re.findall(r"^ *step make ([a-z-]+)$", (ROOT / ".ci/run").read_text("utf-8"), re.MULTILINE))
    called = {step["run"].removeprefix("make ") for step in steps("ci.yml") if step.get("run", "").startswith("make ")}
    assert verbs - called == {"test-newest"}, "test-newest is the matrix's 3.13"


CHANGELOG: Final = """# Changelog

## [Unreleased]

### Added

- What comes.

## [{version}] - 2026-12-01

### Added

- What is there.

## [0.0.1] - 2026-01-01

- Old.
"""


def release(tmp_path: Path, tag: str, changelog: str, version: str = "9.8.7") -> subprocess.CompletedProcess[str]:
    """Run the script in a project of this version."""
    (tmp_path / "pyproject.toml").write_text(f'[project]\nversion = "{version}"\n', "utf-8")
    (tmp_path / "CHANGELOG.md").write_text(changelog, "utf-8")
    (tmp_path / "tools/infra").mkdir(parents=True)
    script = tmp_path / "tools/infra/release_notes.py"
    script.write_text((ROOT / "tools/infra/release_notes.py").read_text("utf-8"), "utf-8")
    return run("python", str(script), tag, str(tmp_path / "dist/notes.md"))


def test_a_release_has_its_section_of_the_changelog(tmp_path: Path) -> None:
    """That section and no other."""
    done = release(tmp_path, "v9.8.7", CHANGELOG.format(version="9.8.7"))
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "dist/notes.md").read_text("utf-8") == "### Added\n\n- What is there.\n"


@pytest.mark.parametrize(
    ("tag", "changelog", "says"),
    [
        ("v9.8.6", CHANGELOG.format(version="9.8.7"), "the tag is v9.8.6, but pyproject.toml has version 9.8.7"),
        ("v9.8.7", CHANGELOG.format(version="9.8.6"), "has no section `## [9.8.7]"),
        ("v9.8.7", "## [9.8.7] - 2026-12-01\n\n## [9.8.6] - 2026-11-01\n", "says nothing of 9.8.7"),
    ],
)
def test_what_does_not_agree_is_not_released(tmp_path: Path, tag: str, changelog: str, says: str) -> None:
    """Tag, version and changelog; nothing is written then."""
    done = release(tmp_path, tag, changelog)
    assert done.returncode == 1
    assert says in done.stderr
    assert not (tmp_path / "dist").exists()
