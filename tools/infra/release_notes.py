"""Writes a version's section of CHANGELOG.md, after checking that the tag, pyproject.toml and the changelog agree.

python tools/infra/release_notes.py v1.2.3 dist/notes.md
"""

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


class ReleaseError(Exception):
    """Why this tag cannot be released."""


def notes(tag: str, changelog: str, version: str) -> str:
    """The section of the changelog that tells of a tag."""
    if tag != f"v{version}":
        raise ReleaseError(f"the tag is {tag}, but pyproject.toml has version {version}")
    sections = re.split(r"^## ", changelog, flags=re.MULTILINE)
    found = [section for section in sections if section.startswith(f"[{version}] - ")]
    if not found:
        raise ReleaseError(f"CHANGELOG.md has no section `## [{version}] - YYYY-MM-DD`")
    text = found[0].partition("\n")[2].strip()
    if not text:
        raise ReleaseError(f"CHANGELOG.md says nothing of {version}")
    return text + "\n"


def main(tag: str, target: Path, root: Path = ROOT) -> int:
    """Write the notes, or say why not."""
    version = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    try:
        text = notes(tag, (root / "CHANGELOG.md").read_text("utf-8"), version)
    except ReleaseError as error:
        print(f"Registrail: {error}", file=sys.stderr)
        return 1
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, "utf-8")
    print(f"{target}: {len(text.splitlines())} lines about {tag}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2])))
