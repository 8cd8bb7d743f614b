"""A fake `az` on the path: records every call and answers as it is told to."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.infra.code import ROOT

_SCRIPT: Final = """#!{python}
import json, pathlib, sys
folder = pathlib.Path({folder!r})
with (folder / "calls").open("a") as calls:
    calls.write(json.dumps(sys.argv[1:]) + "\\n")
answers = json.loads((folder / "answers").read_text())
for answer in answers:
    if answer["times"] and " ".join(sys.argv[1:]).startswith(answer["command"]):
        answer["times"] -= 1
        (folder / "answers").write_text(json.dumps(answers))
        sys.stdout.write(answer["out"])
        sys.stderr.write(answer["err"])
        sys.exit(answer["code"])
"""


@dataclass
class FakeAz:
    """The folder with the fake; what nothing is said of succeeds and prints nothing."""

    folder: Path
    answers: list[Mapping[str, object]] = field(default_factory=list)

    def __post_init__(self) -> None:
        script = self.folder / "az"
        script.write_text(_SCRIPT.format(python=sys.executable, folder=str(self.folder)), "utf-8")
        script.chmod(0o755)

    def says(self, command: str, out: str = "", *, err: str = "", code: int = 0, times: int = 1000) -> None:
        """Tell how commands that begin like this are answered, so many times."""
        self.answers.append({"command": command, "out": out, "err": err, "code": code, "times": times})

    def run(
        self, command: Sequence[str], environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run something that calls `az`."""
        (self.folder / "answers").write_text(json.dumps(self.answers), "utf-8")
        path = f"{self.folder}{os.pathsep}{os.environ['PATH']}"
        return subprocess.run(  # noqa: S603 - the project's own commands
            command,
            check=False,
            capture_output=True,
            text=True,
            cwd=ROOT,
            env={"PATH": path, **(environment or {})},
            timeout=100,
        )

    @property
    def calls(self) -> list[list[str]]:
        """The arguments of every call so far."""
        path = self.folder / "calls"
        return [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []

    @property
    def verbs(self) -> list[str]:
        """What was called, without options."""
        return [
            " ".join(call[: next((i for i, a in enumerate(call) if a.startswith("-")), None)]) for call in self.calls
        ]
