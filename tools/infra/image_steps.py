"""Does without a Docker engine what the Dockerfile and the ACR task say: each stage is a folder, Python a fresh one.

python tools/infra/image_steps.py --python PYTHON [--tests PATH …]

COPY and RUN are carried out; FROM, EXPOSE, USER and HEALTHCHECK need an engine, so what depends on the base image is
not tested. Then the task's step `start` runs in the result, and with `--tests` its step `test` as well.
"""

import argparse
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

import yaml

ROOT = Path(__file__).resolve().parents[2]
TASK = ROOT / "infra/tasks/build.yaml"


class StepError(Exception):
    """A step that failed, or that is not understood."""


def instructions(source: str) -> Iterator[tuple[str, str]]:
    """The instructions of a Dockerfile with their arguments; continued lines are joined."""
    lines = "\n".join(line for line in source.splitlines() if not line.lstrip().startswith("#"))
    for line in lines.replace("\\\n", " ").splitlines():
        if line.strip():
            keyword, _, rest = line.strip().partition(" ")
            yield keyword, re.sub(r"\s+", " ", rest.strip())


class Stages:
    """The folders that stand for the stages' file systems, and the Python that stands for the base image's."""

    def __init__(self, folder: Path, python: Path) -> None:
        self.folder, self.python = folder, python
        self.stage = self.place = Path()

    def run(self, keyword: str, rest: str) -> None:
        """Carry out one instruction."""
        match keyword:
            case "FROM":
                self.stage = self.place = self.folder / rest.rpartition(" AS ")[2]
                self.stage.mkdir()
            case "WORKDIR":
                self.place = self._inside(self.stage, rest)
                self.place.mkdir(parents=True, exist_ok=True)
            case "COPY":
                self._copy(shlex.split(rest))
            case "RUN":
                # Absolute paths are the stage's; `python` is the base image's.
                command = re.sub(r"(?<=[ =])/(?=\w)", f"{self.stage}/", rest)
                call(
                    ["sh", "-euc", command],
                    self.place,
                    {"PATH": f"{self.python.parent}{os.pathsep}{os.environ['PATH']}"},
                )
            case "ARG" | "ENV" | "EXPOSE" | "USER" | "HEALTHCHECK":
                return
            case _:
                raise StepError(f"{keyword} is not understood")
        print(f"{keyword} {rest}", flush=True)

    def _inside(self, stage: Path, path: str) -> Path:
        return stage / PurePosixPath(path).relative_to("/") if path.startswith("/") else self.place / path

    def _copy(self, words: list[str]) -> None:
        source = ROOT
        for option in [word for word in words if word.startswith("--")]:
            words.remove(option)
            if option.startswith("--from="):
                source = self.folder / option.removeprefix("--from=")
        *names, target = words
        for name in names:
            found = source / name.removeprefix("/")
            into = self._inside(self.stage, target)
            if found.is_dir():
                shutil.copytree(found, into, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                to_folder = target.endswith("/") or len(names) > 1
                (into if to_folder else into.parent).mkdir(parents=True, exist_ok=True)
                shutil.copy(found, into)


def call(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> None:
    """Run a command in a folder, with little more in its environment than it is given."""
    kept = {
        name: os.environ[name]
        for name in ("PATH", "HOME", "LANG", "PIP_INDEX_URL", "PIP_CACHE_DIR")
        if name in os.environ
    }
    done = subprocess.run(command, check=False, cwd=folder, env={**kept, **environment}, stdin=subprocess.DEVNULL)  # noqa: S603
    if done.returncode:
        raise StepError(f"ended with {done.returncode}: {shlex.join(command)}")


def step(name: str) -> tuple[list[str], dict[str, str]]:
    """What a step of the task runs in the image, and its environment."""
    found = next(item for item in yaml.safe_load(TASK.read_text("utf-8"))["steps"] if item["id"] == name)
    arguments = shlex.split(found["cmd"])[1:]
    return [found["entryPoint"], *arguments], dict(entry.split("=", 1) for entry in found.get("env", []))


def build(folder: Path, interpreter: str, tests: Sequence[str]) -> None:
    """Build in a folder, start what was built, and test it if there are tests."""
    call([interpreter, "-m", "venv", str(folder / "base")], folder, {})
    python = folder / "base/bin/python"
    stages = Stages(folder, python)
    for keyword, rest in instructions((ROOT / "Dockerfile").read_text("utf-8")):
        stages.run(keyword, rest)
    (packages,) = stages.stage.glob(f"{str(folder / 'base').lstrip('/')}/lib/python3*/site-packages")
    image = {"PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(packages)}
    command, environment = step("start")
    print(f"start: {shlex.join(command)}", flush=True)
    call([str(python), *command[1:]], stages.place, {**image, **environment})
    if tests:
        command, environment = step("test")
        print(f"test: {shlex.join([*command, *tests])}", flush=True)
        call([*command, *tests], ROOT, {**image, **environment})


def main(arguments: Sequence[str]) -> int:
    """0 when every step went well."""
    parser = argparse.ArgumentParser(description="The image's steps without a Docker engine.")
    parser.add_argument("--python", default=sys.executable, help="the interpreter that stands for the image's")
    parser.add_argument(
        "--tests", nargs="*", default=[], help="what the task's step `test` runs; nothing: it is left out"
    )
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="registrail-image-") as folder:
        try:
            build(Path(folder).resolve(), given.python, given.tests)
        except StepError as error:
            print(f"Registrail: {error}", file=sys.stderr)
            return 1
    print("The image's steps went well.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
