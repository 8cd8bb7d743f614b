"""Checks of the language: what tree-sitter lets through and the compiler would not.

`az bicep build` in the GitHub workflow has the last word.
"""

from collections.abc import Iterator
from typing import Final

from tree_sitter import Node

from tests.infra.bicep import File, literal, text, walk
from tests.infra.schema import mismatches
from tests.infra.tree import Tree
from tests.infra.values import FUNCTIONS, TemplateError

_CALLABLE: Final = FUNCTIONS.keys() | {"map", "loadFileAsBase64", "resourceGroup"}
_DECORATORS: Final = {"allowed", "description", "maxLength", "maxValue", "minLength", "minValue", "secure"}


def syntax(tree: Tree) -> Iterator[str]:
    """Everything can be read, every name is declared and used, and every template can be evaluated in every scene."""
    found = [
        f"{file.line(node)}: cannot be read: {text(node)[:60]!r}"
        for file in tree.files
        for node in walk(file.root)
        if node.type == "ERROR" or node.is_missing
    ]
    if not found:
        found = [problem for file in tree.files for problem in _names(file)]
    if found:  # what cannot be read cannot be evaluated
        yield from found
        return
    try:
        for scene in tree.scenes:
            yield from (f"{scene.name}: {late}" for late in (*scene.main.late, *scene.events.late))
    except TemplateError as error:
        yield str(error)


def types(tree: Tree) -> Iterator[str]:
    """Every resource fits the type that Azure has for it: properties, kinds of values, enumerations, read-only ones."""
    for scene in tree.scenes:
        for resource in scene.resources:
            yield from (f"{scene.name}: {problem}" for problem in mismatches(resource))


def described(tree: Tree) -> Iterator[str]:
    """Every parameter and output says what it is."""
    for file in tree.files:
        marks = {name: parameter.decorators for name, parameter in file.parameters.items()} | file.outputs
        for name, found in marks.items():
            if not literal(found.get("description")):
                yield f"{file.path.name}: {name} is not described"


def _names(file: File) -> Iterator[str]:
    """Names that nothing declares, functions and decorators that do not exist, declarations that nothing uses."""
    declared = {*file.parameters, *file.variables}
    declared |= {item.name for item in file.resources} | {item.name for item in file.modules}
    local = {text(node) for node in walk(file.root) if node.type in {"loop_variable", "loop_enumerator"}}
    local |= {
        text(node.named_children[0])
        for node in walk(file.root)
        if node.type in {"lambda_expression", "for_statement"} and node.named_children[0].type == "identifier"
    }
    used = set[str]()
    for node in walk(file.root):
        if node.type != "identifier" or node.parent is None or _names_itself(node):
            continue
        name, parent = text(node), node.parent
        used.add(name)
        if parent.type == "call_expression" and parent.child_by_field_name("function") == node:
            decorates = parent.parent is not None and parent.parent.type == "decorator"
            if name not in (_DECORATORS if decorates else _CALLABLE):
                yield f"{file.line(node)}: there is no function {name}()"
        elif name not in declared | local:
            yield f"{file.line(node)}: nothing declares {name}"
    for name in sorted({*file.parameters, *file.variables} - used):
        yield f"{file.path.name}: nothing uses {name}"


def _names_itself(node: Node) -> bool:
    """Whether an identifier is a property's key, or what a declaration or a lambda gives a name to."""
    parent = node.parent
    first = parent is not None and parent.named_children[0] == node
    kinds = {"object_property", "lambda_expression"}
    return parent is not None and first and (parent.type.endswith("_declaration") or parent.type in kinds)
