"""The API's description (OpenAPI), completed: what FastAPI cannot know of parameters, problems, keys and roles."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from fastapi import FastAPI
from fastapi.routing import APIRoute

Json = dict[str, Any]

PROBLEMS: Final[Mapping[str, str]] = {
    "400": "A parameter is unknown, or its value is; `problems` names each.",
    "401": "An access key is needed, or the given one is not known.",
    "403": "The key's role does not suffice.",
    "503": "The store does not answer now; try again after `Retry-After` seconds.",
}
_TIME: Final = "a time such as 2026-01-31T12:00:00Z or an age such as 24h or 7d"
_FORMS: Final[Mapping[str, str]] = {
    "at": _TIME,
    "since": _TIME,
    "until": _TIME,
    "cursor": "`next` of the page before",
}
_MEANINGS: Final[Mapping[str, str]] = {
    "registry": "Only of this registry, named by its host, such as `myregistry.azurecr.io`.",
    "repository": "Only of this repository, such as `team/app`.",
    "tag": "Only of this tag.",
    "digest": "Only of this digest, such as `sha256:80f0d5c8…`.",
    "action": "Only of this kind: `push`, `delete`, `quarantine`, `chart_push`, `chart_delete` …",
    "actor": "Only by this user, as the registry names them.",
    "since": "Nothing before this: RFC 3339 (a date is its midnight, UTC), or an age such as `24h`, `7d` or `2w`.",
    "until": "Only what is before this, written like `since`.",
    "at": "As it was then: RFC 3339, or an age such as `24h` or `7d`.",
    "limit": "How many items a page has at most.",
    "cursor": "`next` of the page before, for the page after it.",
    "grain": "The length of the periods: `slot` is a minute.",
    "prefix": "Only names that begin like this.",
    "sender": "Only from this sender: `acr`, `eventgrid`, `distribution`, `harbor`.",
    "outcome": "Only those that ended like this.",
    "client": "Only with this program, as it names itself (its user agent).",
    "event": "The event's id, as lists have it.",
    "delivery_id": "The delivery's id, as lists and receipts have it.",
    "form": "The kind of file.",
}
_PROBLEM: Final[Json] = {
    "title": "Problem",
    "description": "What went wrong (RFC 9457).",
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "description": "Always `about:blank`."},
        "title": {"type": "string", "description": "The status in words."},
        "status": {"type": "integer", "description": "The status."},
        "detail": {"type": "string", "description": "What is wrong, for people."},
        "reason": {"type": "string", "description": "What is wrong, for programs, if it concerns the store."},
        "parameter": {"type": "string", "description": "The first parameter that is wrong."},
        "problems": {
            "type": "array",
            "description": "Every parameter that is wrong.",
            "items": {"$ref": "#/components/schemas/Mistake"},
        },
    },
}
_MISTAKE: Final[Json] = {
    "title": "Mistake",
    "description": "What is wrong with one parameter.",
    "type": "object",
    "required": ["parameter", "detail"],
    "properties": {
        "parameter": {"type": "string", "description": "Its name."},
        "detail": {"type": "string", "description": "What is wrong."},
        "given": {"type": "string", "description": "The beginning of what was given."},
        "expected": {"type": "string", "description": "What would be right."},
    },
}
_SECURITY: Final[Json] = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "An access key: `Authorization: Bearer rgt_…`. `registrail key` makes one.",
    },
    "header": {
        "type": "apiKey",
        "in": "header",
        "name": "x-registrail-key",
        "description": "The same key in a header of its own, where something else uses `Authorization`.",
    },
}
_WRITES: Final = ("post", "put", "patch", "delete")


class DescribedApp(FastAPI):
    """One whose description is completed."""

    def openapi(self) -> Json:
        """The description, made once."""
        if self.openapi_schema is None:
            self.openapi_schema = described(super().openapi())
        return self.openapi_schema


def described(document: Json) -> Json:
    """Complete a description; what an endpoint says of itself stands."""
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for of_fastapi in ("HTTPValidationError", "ValidationError"):
        schemas.pop(of_fastapi, None)
    schemas |= {"Problem": _PROBLEM, "Mistake": _MISTAKE}
    document["components"]["securitySchemes"] = _SECURITY
    document["security"] = [{name: []} for name in _SECURITY]
    for path, method, operation in operations(document):
        _complete(operation, path, method)
    return document


def _complete(operation: Json, path: str, method: str) -> None:
    operation.setdefault("tags", re.findall(r"[a-z]+", path.removeprefix("/api"))[:1])
    for parameter in operation.get("parameters", ()):
        if parameter["name"] in _MEANINGS:
            parameter.setdefault("description", _MEANINGS[parameter["name"]])
    responses = operation["responses"]
    responses.pop("422", None)
    if "{" in path:
        responses.setdefault("404", {"description": "There is no such thing."})
    for status, meaning in PROBLEMS.items():
        responses.setdefault(status, {"description": meaning})
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for status, response in responses.items():
        if status >= "400":
            response.setdefault("content", content)
    if path == "/api/health":
        operation["security"] = [{}, *({name: []} for name in _SECURITY)]
        responses.pop("401", None)
        responses.pop("403", None)
    if method in _WRITES:
        operation["x-registrail-role"] = "operator"


def operations(document: Json) -> Iterator[tuple[str, str, Json]]:
    """Every path with each of its methods, in lower case, and what is known of it."""
    for path, methods in document.get("paths", {}).items():
        for method, operation in methods.items():
            yield path, method, operation


def operation_of(document: Json, route: object, method: str) -> Json:
    """What a description says of a route; empty if it does not mention it."""
    methods: Json = document["paths"].get(route.path_format, {}) if isinstance(route, APIRoute) else {}
    found: Json = methods.get("get" if method == "HEAD" else method.lower(), {})
    return found


def right(document: Json, parameter: Json) -> str:
    """What would be right for a parameter, in words."""
    words = in_words(document, parameter.get("schema", {}))
    return _FORMS.get(parameter["name"], words) if words == "text" else words


def in_words(document: Json, schema: Json) -> str:  # noqa: PLR0911 - one for each kind of schema
    """What a schema wants, such as `a whole number from 1 to 1000`."""
    kinds = [resolved(document, one) for one in (*schema.get("anyOf", ()), *schema.get("oneOf", ()))] or [
        resolved(document, schema)
    ]
    kinds = [kind for kind in kinds if kind.get("type") != "null"]
    if len(kinds) > 1:
        return " or ".join(in_words(document, kind) for kind in kinds)
    kind = kinds[0] if kinds else {}
    if "const" in kind or "enum" in kind:
        choices = kind.get("enum", [kind.get("const")])
        return ("one of " if len(choices) > 1 else "") + ", ".join(map(str, choices))
    match kind.get("type"):
        case "integer" | "number":
            number = "a whole number" if kind["type"] == "integer" else "a number"
            return number + _between(kind.get("minimum"), kind.get("maximum"))
        case "boolean":
            return "true or false"
        case "array":
            return f"{in_words(document, kind.get('items', {}))}; may be given several times"
        case "object":
            return str(kind.get("title", "an object"))
    return "text" if kind.get("type") in {"string", None} else str(kind["type"])


def resolved(document: Json, schema: Json) -> Json:
    """The schema, or the one that it refers to."""
    if "$ref" not in schema:
        return schema
    found: Json = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[-1]]
    return found


def _between(least: float | None, most: float | None) -> str:
    if least is not None and most is not None:
        return f" from {least} to {most}"
    if least is not None:
        return f" from {least}"
    return "" if most is None else f" up to {most}"
