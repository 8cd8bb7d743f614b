"""Writes tests/infra/schemas: the type of every resource that infra/ uses, as Bicep knows it.

    python -m venv build/azmcp && build/azmcp/bin/pip install msmcp-azure==3.0.0
    python tools/infra/schemas.py build/azmcp/bin/azmcp

`azmcp` (Microsoft, MIT) has the types inside and asks nobody. It knows one version of each, and not all types:
tests/infra/schemas/by_hand.json has the few others, written from their reference pages.
"""

import json
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[2]
SCHEMAS: Final = ROOT / "tests/infra/schemas"
_TYPE: Final = re.compile(r"^( *)resource \w+ '([^'@]+)(?:@([^']+))?'", re.MULTILINE)

Json = Mapping[str, Any]


def used(folder: Path) -> set[str]:
    """The types of all resources in a folder's templates; one inside another has the outer one's type before it."""
    found: set[str] = set()
    for path in sorted(folder.rglob("*.bicep")):
        outer: list[tuple[int, str]] = []
        for indent, name, _ in _TYPE.findall(path.read_text("utf-8")):
            outer = [(depth, kind) for depth, kind in outer if depth < len(indent)]
            full = name if "." in name else f"{outer[-1][1]}/{name}"
            outer.append((len(indent), full))
            found.add(full)
    return found


def compact(types: Iterable[Json]) -> tuple[str, Json]:
    """One resource's name with version, and its schema `{"body": …, "types": {name: …}}`: only what the body reaches.

    An object is `{"properties": {name: [type, marks]}, "additional": type}`, where marks has `!` for required and `r`
    for read-only; a choice is `{"base": {…}, "by": key, "choices": {value: object}}`.
    """
    listed = list(types)
    named = {kind["name"]: kind for kind in listed if "name" in kind and kind["$type"] != "ResourceInstanceFunction"}
    resource = next(kind for kind in listed if kind["$type"] == "Resource")
    body = _shape(resource["bodyType"])
    reached: dict[str, Json] = {}
    waiting = list(_mentioned(body))
    while waiting:
        name = waiting.pop()
        if name in named and name not in reached:
            reached[name] = _shape(named[name])
            waiting += _mentioned(reached[name])
    return resource["name"], {"body": body, "types": dict(sorted(reached.items()))}


def _shape(kind: Json) -> Json:
    if kind["$type"] == "DiscriminatedObject":
        by = kind["discriminator"]
        choices = {}
        for element in kind["elements"]:
            shape = _shape(element)
            choices[shape["properties"][by][0]] = shape
        return {"base": _properties(kind["baseProperties"]), "by": by, "choices": choices}
    shape: dict[str, Any] = {"properties": _properties(kind["properties"])}
    if kind.get("additionalPropertiesType"):
        shape["additional"] = kind["additionalPropertiesType"]
    return shape


def _properties(listed: Iterable[Json]) -> dict[str, list[str]]:
    marks = {"Required": "!", "ReadOnly": "r"}
    return {
        entry["name"]: [entry["type"], "".join(mark for flag, mark in marks.items() if flag in entry.get("flags", ""))]
        for entry in listed
    }


def _mentioned(shape: Json) -> Iterator[str]:
    if "choices" in shape:
        for choice in shape["choices"].values():
            yield from _mentioned(choice)
    for kind, _ in (shape.get("properties") or shape.get("base") or {}).values():
        yield kind.replace("[]", "")
    if "additional" in shape:
        yield shape["additional"].replace("[]", "")


def main(azmcp: str) -> int:
    """Ask for every type that is used, and write those that there are; tell of the others."""
    by_hand = json.loads((SCHEMAS / "by_hand.json").read_text("utf-8"))
    known = {name.partition("@")[0] for name, schema in by_hand.items() if "like" not in schema}
    missing = []
    for name in sorted(used(ROOT / "infra") - known):
        command = [azmcp, "bicepschema", "get", "--resource-type", name]
        answer = json.loads(subprocess.run(command, check=False, capture_output=True, text=True).stdout)  # noqa: S603
        if answer["status"] != 200:  # noqa: PLR2004 - as in HTTP
            missing.append(name)
            continue
        versioned, schema = compact(answer["results"]["BicepSchemaResult"])
        if name == "Microsoft.Web/sites/config":  # many resources in one: what is used is kept
            kept = {key: schema["body"]["choices"][key] for key in ("appsettings", "authsettingsV2")}
            kinds = {kind for choice in kept.values() for kind in _mentioned(choice)}
            body = {**schema["body"], "choices": kept}
            schema = {"body": body, "types": _reachable(schema["types"], kinds)}
        path = SCHEMAS / f"{name.replace('/', '.')}.json"
        path.write_text(json.dumps({"resource": versioned, **schema}, separators=(",", ":")) + "\n", "utf-8")
        print(path.name, path.stat().st_size)
    for name in missing:
        print(f"azmcp does not know {name}: describe it in by_hand.json", file=sys.stderr)
    return 1 if missing else 0


def _reachable(types: Mapping[str, Json], kinds: Iterable[str]) -> dict[str, Json]:
    found: dict[str, Json] = {}
    waiting = list(kinds)
    while waiting:
        name = waiting.pop()
        if name in types and name not in found:
            found[name] = types[name]
            waiting += _mentioned(types[name])
    return dict(sorted(found.items()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
