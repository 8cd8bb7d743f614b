import re
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any, Final

import httpx
import pytest

from registrail.access import read_keys
from registrail.compose import UseCases
from registrail.settings import Settings
from registrail.web.app import web_app
from registrail.web.description import described, in_words
from registrail.web.reference import page

DESK: Final = Settings(storage="sqlite:///:memory:")


@pytest.fixture
async def http(app: UseCases) -> AsyncIterator[httpx.AsyncClient]:
    """Ask on a desk."""
    transport = httpx.ASGITransport(web_app(app.query, app.ingest, DESK))
    async with httpx.AsyncClient(transport=transport, base_url="http://registrail.localhost:7071") as opened:
        yield opened


@pytest.fixture
async def document(http: httpx.AsyncClient) -> dict[str, Any]:
    """Read the API's description."""
    found: dict[str, Any] = (await http.get("/api/openapi.json")).json()
    return found


async def test_the_page_has_every_endpoint(http: httpx.AsyncClient, document: dict[str, Any]) -> None:
    """With its parameters, a command to try, and an anchor that the navigation leads to."""
    shown = (await http.get("/api/docs")).text
    anchors = re.findall(r' id="([^"]+)"', shown)
    assert len(anchors) == len(set(anchors))
    assert set(re.findall(r'href="#([^"]+)"', shown)) - {*anchors} == set()
    for path, methods in document["paths"].items():
        assert path in shown.replace("<wbr>", "")
        for operation in methods.values():
            for parameter in operation.get("parameters", ()):
                assert f"<code>{parameter['name']}</code>" in shown
    expected = "curl &#39;http://registrail.localhost:7071/api/events?repository=team/app&amp;since=7d&#39;"
    assert expected in shown
    assert "curl -X POST http://registrail.localhost:7071/api/deliveries/DELIVERY/replay" in shown
    assert "needs the role operator" in shown


async def test_the_page_has_nothing_inline_and_nothing_from_elsewhere(http: httpx.AsyncClient) -> None:
    """As the security policy demands; and its styles and scripts are there."""
    shown = (await http.get("/api/docs")).text
    assert re.findall(r"<script(?! src=)|</script>(?<!></script>)|<style| style=| on[a-z]+=", shown) == []
    loaded = re.findall(r'(?:src=|<link[^>]* href=)"([^"]+)"', shown)
    assert [address for address in loaded if not address.startswith("/static/")] == []
    assert {(await http.get(address)).status_code for address in loaded} == {200}
    assert (await http.head("/api/docs")).status_code == 200


async def test_examples_have_a_key_where_one_is_needed(app: UseCases) -> None:
    """So that they can be copied; the key itself is nowhere."""
    keys, _ = read_keys(f"ci:reader:{'a' * 64}")
    built = web_app(app.query, app.ingest, replace(DESK, access_keys=keys))
    shown = page(built.openapi(), "https://r.example", needs_key=True)
    assert "curl -H &#39;Authorization: Bearer KEY&#39; https://r.example/api/health" in shown


async def test_every_parameter_is_described(document: dict[str, Any]) -> None:
    """And every endpoint has a summary, a tag, and the problems it may answer; none is FastAPI's 422."""
    for path, methods in document["paths"].items():
        for operation in methods.values():
            undescribed = [one["name"] for one in operation.get("parameters", ()) if not one.get("description")]
            assert (path, undescribed) == (path, [])
            assert {"summary", "description", "tags"} <= operation.keys()
            assert ("422" in operation["responses"], "400" in operation["responses"]) == (False, True)
            problems = {
                kind for status, one in operation["responses"].items() if status >= "4" for kind in one["content"]
            }
            assert problems == {"application/problem+json"}
    assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
    assert document["security"] == [{"bearer": []}, {"header": []}]
    assert document["paths"]["/api/health"]["get"]["security"][0] == {}
    replay = document["paths"]["/api/deliveries/{delivery_id}/replay"]["post"]
    assert replay["x-registrail-role"] == "operator"


def test_what_strangers_describe_stays_text() -> None:
    """Nothing in a description is markup."""
    evil = "<script>`<b>`"
    document = described(
        {
            "openapi": "3.1.0",
            "info": {"description": evil},
            "paths": {
                f"/api/{evil}": {
                    "get": {
                        "summary": evil,
                        "description": evil,
                        "parameters": [{"name": evil, "in": "query", "description": evil, "schema": {"default": evil}}],
                        "responses": {"200": {"description": evil}},
                    }
                }
            },
            "components": {"schemas": {"X": {"description": evil, "properties": {evil: {"enum": [evil]}}}}},
        }
    )
    shown = page(document, "http://localhost", needs_key=False)
    assert ("<script>" in shown, "<b>" in shown) == (False, False)


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({}, "text"),
        ({"type": "string"}, "text"),
        ({"type": "integer", "minimum": 1, "maximum": 9}, "a whole number from 1 to 9"),
        ({"type": "integer", "minimum": 1}, "a whole number from 1"),
        ({"type": "number", "maximum": 9}, "a number up to 9"),
        ({"type": "number"}, "a number"),
        ({"type": "boolean"}, "true or false"),
        ({"enum": ["a", "b"]}, "one of a, b"),
        ({"const": "a"}, "a"),
        ({"$ref": "#/components/schemas/Kind"}, "one of x, y"),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, "a whole number"),
        ({"anyOf": [{"type": "integer"}, {"type": "boolean"}]}, "a whole number or true or false"),
        ({"type": "array", "items": {"type": "string"}}, "text; may be given several times"),
        ({"type": "object", "title": "Thing"}, "Thing"),
        ({"type": "null"}, "text"),
    ],
)
def test_schemas_in_words(schema: dict[str, Any], words: str) -> None:
    """As a sentence would say it."""
    assert in_words({"components": {"schemas": {"Kind": {"enum": ["x", "y"]}}}}, schema) == words
