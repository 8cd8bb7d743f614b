"""The API for people: `/api/docs`, made from its description, without script and without anything from elsewhere."""

import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter, FastAPI, Request, Response
from markupsafe import Markup, escape

from registrail.settings import Settings
from registrail.web import rendering
from registrail.web.description import PROBLEMS, Json, in_words, operations, resolved, right

DOCS: Final = "/api/docs"
EXAMPLES: Final[Mapping[str, str]] = {
    "repository": "team/app",
    "registry": "myregistry.azurecr.io",
    "tag": "v1",
    "since": "7d",
    "grain": "day",
    "outcome": "rejected",
    "form": "csv",
    "delivery_id": "DELIVERY",
}
_SHOWN: Final = ("repository", "grain", "outcome", "since")
"""Parameters that examples give although they need not be given."""

_SUCCESS: Final = "Successful Response"
"""What FastAPI says of an answer that nobody has described."""


def router(app: FastAPI, settings: Settings) -> APIRouter:
    """The page; it shows what `app` describes when it is asked for."""
    pages = APIRouter(include_in_schema=False)
    needs_key = bool(settings.access_keys) or settings.on_azure

    @pages.api_route(DOCS, methods=["GET", "HEAD"])
    async def docs(request: Request) -> Response:
        base = f"{request.url.scheme}://{request.url.netloc}"
        return rendering.page(request, "reference.html", context(app.openapi(), base, needs_key=needs_key))

    return pages


def page(document: Json, base: str, *, needs_key: bool) -> str:
    """The page as nobody in particular sees it."""
    return rendering.templates().get_template("reference.html").render(context(document, base, needs_key=needs_key))


def context(document: Json, base: str, *, needs_key: bool) -> Json:
    """What the page shows, with examples that ask `base`."""
    curl = "curl -H 'Authorization: Bearer KEY'" if needs_key else "curl"
    return {
        "document": document,
        "groups": _groups(document, base, curl),
        "schemas": _schemas(document),
        "problems": PROBLEMS,
        "general": f"{curl} {base}/api/health",
        "break_path": break_path,
    }


def break_path(path: str) -> Markup:
    """A path that may be broken after each slash."""
    return Markup("/<wbr>").join(escape(part) for part in path.split("/"))


def _groups(document: Json, base: str, curl: str) -> list[Json]:
    """Endpoints by their first tag, in the order of the description."""
    groups: dict[str, list[Json]] = {}
    for path, method, operation in operations(document):
        parameters = operation.get("parameters", [])
        endpoint = {
            "id": re.sub(r"[^a-z0-9]+", "-", f"{method}{path}").strip("-"),
            "method": method,
            "path": path,
            "summary": operation.get("summary", ""),
            "description": operation.get("description", ""),
            "role": operation.get("x-registrail-role"),
            "parameters": [_parameter(document, one) for one in parameters],
            "example": _example(f"{base}{path}", method, parameters, curl),
            "answers": [_answer(document, *one) for one in sorted(operation["responses"].items()) if _is_own(*one)],
        }
        groups.setdefault(next(iter(operation.get("tags", ())), "other"), []).append(endpoint)
    return [{"name": name, "endpoints": endpoints} for name, endpoints in groups.items()]


def _parameter(document: Json, parameter: Json) -> Json:
    return {
        "name": parameter["name"],
        "place": parameter["in"],
        "required": parameter.get("required", False),
        "takes": right(document, parameter),
        "default": parameter.get("schema", {}).get("default"),
        "description": parameter.get("description", ""),
    }


def _example(address: str, method: str, parameters: Sequence[Json], curl: str) -> str:
    """A command that asks the endpoint."""
    query = {}
    for one in parameters:
        value = str(one.get("example", EXAMPLES.get(one["name"], one["name"].upper())))
        if one["in"] == "path":
            address = address.replace(f"{{{one['name']}}}", value)
        elif one["in"] == "query" and (one.get("required") or one["name"] in _SHOWN):
            query[one["name"]] = value
    asked = shlex.quote(f"{address}?{urlencode(query, safe='/:')}") if query else address
    return f"{curl} {asked}" if method == "get" else f"{curl} -X {method.upper()} {asked}"


def _is_own(status: str, response: Json) -> bool:
    """Whether an answer is not the same everywhere."""
    return response.get("description") != PROBLEMS.get(status)


def _answer(document: Json, status: str, response: Json) -> Json:
    media = response.get("content", {})
    kinds = [{"media_type": kind} | _kind(document, content.get("schema", {})) for kind, content in media.items()]
    return {"status": status, "description": response.get("description", "").replace(_SUCCESS, ""), "kinds": kinds}


def _schemas(document: Json) -> list[Json]:
    """The named schemas with their fields."""
    found: dict[str, Json] = document.get("components", {}).get("schemas", {})
    return [
        {
            "name": name,
            "description": schema.get("description", ""),
            "fields": [
                {"name": field, "description": kind.get("description", "")} | _kind(document, kind)
                for field, kind in schema.get("properties", {}).items()
            ],
        }
        for name, schema in sorted(found.items())
    ]


def _kind(document: Json, schema: Json) -> dict[str, Any]:
    """A schema's name, and where it is described if it is."""
    if "$ref" in schema:
        name = str(schema["$ref"]).rsplit("/", 1)[-1]
        return {"text": name, "target": name}
    if schema.get("type") == "array" and "$ref" in schema.get("items", {}):
        return {"text": f"list of {_kind(document, schema['items'])['text']}"} | {
            "target": _kind(document, schema["items"])["target"]
        }
    named = {None: "", "object": "an object"}
    kind = resolved(document, schema).get("type")
    return {
        "text": named[kind] if kind in named and "anyOf" not in schema else in_words(document, schema),
        "target": None,
    }
