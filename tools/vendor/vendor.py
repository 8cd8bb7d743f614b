"""Copies what the pages load from node_modules to registrail/web/static/vendor, with licences; `make vendor` runs it.

`--check` writes nothing and fails when a copy differs from the pinned package.
"""

import json
import sys
from pathlib import Path

HERE = Path(__file__).parent
TARGET = HERE.parents[1] / "registrail" / "web" / "static" / "vendor"
FILES = {
    "htmx.min.js": "htmx.org/dist/htmx.min.js",
    "htmx.LICENSE.txt": "htmx.org/LICENSE",
    "uPlot.min.js": "uplot/dist/uPlot.iife.min.js",
    "uPlot.min.css": "uplot/dist/uPlot.min.css",
    "uPlot.LICENSE.txt": "uplot/LICENSE",
}


def wanted() -> dict[str, bytes]:
    """The files as they should be, and a list of the versions."""
    found = {name: (HERE / "node_modules" / path).read_bytes() for name, path in FILES.items()}
    pins = json.loads((HERE / "package.json").read_text())["dependencies"]
    lines = [f"{name} {version}" for name, version in sorted(pins.items())]
    found["versions.txt"] = ("\n".join(lines) + "\n").encode()
    return found


def main(*, is_check: bool) -> int:
    """Write, or compare."""
    TARGET.mkdir(parents=True, exist_ok=True)
    stale = []
    for name, body in wanted().items():
        path = TARGET / name
        if not path.exists() or path.read_bytes() != body:
            stale.append(name)
            if not is_check:
                path.write_bytes(body)
    for path in sorted(TARGET.iterdir()):
        if path.name not in FILES and path.name != "versions.txt":
            stale.append(path.name)
            if not is_check:
                path.unlink()
    for name in stale:
        print(name, "differs" if is_check else "updated")
    return 1 if is_check and stale else 0


if __name__ == "__main__":
    sys.exit(main(is_check="--check" in sys.argv[1:]))
