"""Resources against their cached types (`tools/infra/schemas.py` writes them).

Stricter than the service where that is open: of an enumeration that may grow, only values that are known pass.
"""

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from tests.infra.plan import Deployed
from tests.infra.values import Later

SCHEMAS: Final = Path(__file__).parent / "schemas"
_SIMPLE: Final[Mapping[str, type]] = {"string": str, "int": int, "bool": bool}

Schema = Mapping[str, Any]


@cache
def schemas() -> Mapping[str, Schema]:
    """Every schema by resource type with version."""
    generated = (json.loads(path.read_text("utf-8")) for path in sorted(SCHEMAS.glob("Microsoft.*.json")))
    found = {schema["resource"]: schema for schema in generated}
    by_hand = json.loads((SCHEMAS / "by_hand.json").read_text("utf-8"))
    for name, schema in by_hand.items():
        if "like" in schema:
            like = found[schema["like"]]
            types = {
                kind: {**shape, "properties": {**shape.get("properties", {}), **schema["adds"].get(kind, {})}}
                if kind in schema["adds"]
                else shape
                for kind, shape in like["types"].items()
            }
            found[name] = {**like, "types": types}
        else:
            found[name] = schema
    return found


def mismatches(resource: Deployed) -> list[str]:
    """What is wrong with a resource: unknown or missing properties, wrong types and values, what only Azure may set."""
    name = f"{resource.type}@{resource.version}"
    schema = schemas().get(name)
    if schema is None:
        return [f"{resource.place}: no schema of {name}"]
    return [f"{resource.place}: {problem}" for problem in _object(resource.body, schema["body"], schema["types"], "")]


def _object(value: Any, shape: Schema, types: Mapping[str, Schema], where: str) -> Iterator[str]:
    if isinstance(value, Later):
        return
    if not isinstance(value, Mapping):
        yield f"{where} is an object, not {value!r}"
        return
    declared = dict(shape.get("properties") or shape.get("base") or {})
    if "choices" in shape:
        choice = value.get(shape["by"])
        if choice not in shape["choices"]:
            yield f"{where}.{shape['by']} may be {', '.join(shape['choices'])}, not {choice!r}"
            return
        declared |= shape["choices"][choice]["properties"]
    given = {key: inner for key, inner in value.items() if inner is not None}
    needed = {key for key, (_, marks) in declared.items() if "!" in marks}
    yield from (f"{where}.{key} is missing" for key in sorted(needed - given.keys()))
    for key in declared.keys() & given.keys():
        kind, marks = declared[key]
        if "r" in marks:
            yield f"{where}.{key} is read-only"
        else:
            yield from _value(given[key], kind, types, f"{where}.{key}")
    for key in value.keys() - declared.keys():
        if "additional" not in shape:
            yield f"{where}.{key} is no property; there are {', '.join(sorted(declared))}"
        else:
            yield from _value(value[key], shape["additional"], types, f"{where}.{key}")


def _value(value: Any, kind: str, types: Mapping[str, Schema], where: str) -> Iterator[str]:
    if kind == "any" or value is None:
        return
    if kind.endswith("[]"):
        if not isinstance(value, list):
            yield f"{where} is a list, not {value!r}"
            return
        for index, item in enumerate(value):
            yield from _value(item, kind.removesuffix("[]"), types, f"{where}[{index}]")
    elif kind in types:
        yield from _object(value, types[kind], types, where)
    elif kind in _SIMPLE:
        if not isinstance(value, _SIMPLE[kind]) or (kind == "int" and isinstance(value, bool)):
            yield f"{where} is {kind}, not {value!r}"
    else:
        choices = [choice for choice in re.split(r" \| ", kind) if choice not in _SIMPLE]
        if not isinstance(value, str):
            yield f"{where} is text, not {value!r}"
        elif not isinstance(value, Later) and value not in choices:
            yield f"{where} may be {', '.join(choices)}, not {value!r}"
