import pytest

from registrail.local.problems import LocalError
from registrail.local.routes import Route, decode_path


@pytest.mark.parametrize(
    ("template", "path", "parameters"),
    [
        ("hooks/{sender}", "/hooks/acr", {"sender": "acr"}),
        ("hooks/{sender}", "/HOOKS/acr/", {"sender": "acr"}),
        ("hooks/{sender}", "/hooks", None),
        ("hooks/{sender}", "/hooks/acr/more", None),
        ("hooks/{sender?}", "/hooks", {}),
        ("events/{number:int}", "/events/12", {"number": "12"}),
        ("events/{number:int}", "/events/twelve", None),
        ("files/{name}.{ending}", "/files/a.json", {"name": "a", "ending": "json"}),
        ("a.b", "/axb", None),
        ("{*path}", "/", {}),
        ("{*path}", "/a/b/c", {"path": "a/b/c"}),
        ("files/{*path}", "/files/a/b", {"path": "a/b"}),
        ("files/{*path}", "/files", {}),
        ("files/{*path}", "/filesystem", None),
        ("", "/", {}),
    ],
)
def test_template(template: str, path: str, parameters: dict[str, str] | None) -> None:
    """A template takes the paths that the platform's routing would give it, with the same parameters."""
    assert parameters == Route.parse(template).match("GET", path)


def test_precedence() -> None:
    """A literal goes before a constrained parameter, that before a free one, and a catch-all comes last."""
    templates = ["{*path}", "a/{x}", "a/b", "a/{x:int}", "{x}"]

    ordered = sorted(templates, key=lambda template: Route.parse(template).precedence)

    assert ordered == ["a/b", "a/{x:int}", "a/{x}", "{x}", "{*path}"]


@pytest.mark.parametrize("template", ["{x:guid}", "{1}", "a/{b", "{*rest}.json/{"])
def test_unreadable_template(template: str) -> None:
    """A template that is not understood is refused, instead of matching something else."""
    with pytest.raises(LocalError, match="route"):
        Route.parse(template)


def test_encoded_slash() -> None:
    """An encoded slash does not separate segments; everything else is decoded."""
    assert decode_path("/a%2fb/%C3%BC%20c") == "/a%2Fb/ü c"
