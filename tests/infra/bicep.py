"""Bicep files as values: declarations, expressions and their places, read with tree-sitter.

tree-sitter accepts some code that the compiler refuses, so `mistakes` looks for what it lets through: names that nothing
declares, modules called with other parameters than they have. `az bicep build` in the GitHub workflow has the last word.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Final

import tree_sitter_bicep
from tree_sitter import Language, Node, Parser

_PARSER: Final = Parser(Language(tree_sitter_bicep.language()))

BUILT_IN: Final = frozenset(
    "any array az cidrSubnet concat contains deployment empty environment first flatten format guid items join last "
    "length listKeys loadFileAsBase64 map max min range replace resourceGroup resourceId split string subscription "
    "subscriptionResourceId take tenant toLower toUpper union uniqueString uriComponent".split()
)
"""The functions that the templates use, and some that they might; a new one is added after a look at its page."""

DECORATORS: Final = frozenset(
    {"allowed", "description", "maxLength", "maxValue", "minLength", "minValue", "secure", "batchSize"}
)


def text(node: Node | None) -> str:
    """The source of a node."""
    return node.text.decode() if node is not None and node.text is not None else ""


def walk(node: Node) -> Iterator[Node]:
    """A node and everything below it."""
    yield node
    for child in node.children:
        yield from walk(child)


def literal(node: Node | None) -> str | None:
    """What a string without interpolation says; None for any other expression."""
    if node is None or node.type != "string":
        return None
    parts = [child for child in node.children if child.is_named]
    if any(part.type == "interpolation" for part in parts):
        return None
    return "".join(text(part) for part in parts)


def properties(node: Node | None) -> dict[str, Node]:
    """The values of an object by key; a key with interpolation stands as it is written."""
    if node is None or node.type != "object":
        return {}
    found: dict[str, Node] = {}
    for child in node.named_children:
        if child.type == "object_property":
            key, *values = [part for part in child.named_children if part.type != "comment"]
            if values:
                name = literal(key)
                found[text(key) if name is None else name] = values[-1]
    return found


def at(node: Node | None, *path: str) -> Node | None:
    """What is at this path of keys in an object."""
    for key in path:
        node = properties(node).get(key)
    return node


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """A declared parameter."""

    name: str
    type: str
    default: Node | None
    decorators: Mapping[str, Node | None]


@dataclass(frozen=True, kw_only=True)
class Resource:
    """A declared resource; `type` is the full one, also of those that stand inside another."""

    name: str
    type: str
    version: str
    existing: bool
    body: Node | None
    node: Node


@dataclass(frozen=True, kw_only=True)
class Module:
    """A module that is used."""

    name: str
    path: str
    body: Node | None
    node: Node


@dataclass(frozen=True)
class File:
    """One file."""

    path: Path
    source: str
    root: Node = field(repr=False)

    @cached_property
    def parameters(self) -> dict[str, Parameter]:
        """The parameters by name."""
        found = {}
        for node, decorators in _declarations(self.root, "parameter_declaration"):
            named = node.named_children
            has_default = any(child.type == "=" for child in node.children)
            name = text(named[0])
            found[name] = Parameter(
                name=name, type=text(named[1]), default=named[-1] if has_default else None, decorators=decorators
            )
        return found

    @cached_property
    def outputs(self) -> dict[str, Mapping[str, Node | None]]:
        """The decorators of outputs, by name."""
        return {text(node.named_children[0]): marks for node, marks in _declarations(self.root, "output_declaration")}

    @cached_property
    def variables(self) -> dict[str, Node]:
        """The values of variables by name."""
        return {
            text(node.named_children[0]): node.named_children[-1]
            for node, _ in _declarations(self.root, "variable_declaration")
        }

    @cached_property
    def resources(self) -> list[Resource]:
        """The resources, nested ones too."""
        return list(_resources(self.root, None))

    @cached_property
    def modules(self) -> list[Module]:
        """The modules that are used."""
        return [
            Module(
                name=text(node.named_children[0]),
                path=literal(node.named_children[1]) or "",
                body=_body(node.named_children[-1]),
                node=node,
            )
            for node in self.root.named_children
            if node.type == "module_declaration"
        ]

    @property
    def scope(self) -> str:
        """What it is deployed to."""
        node = next((node for node in self.root.named_children if node.type == "target_scope_assignment"), None)
        return "subscription" if node is not None and "subscription" in text(node) else "resourceGroup"

    def line(self, node: Node) -> str:
        """The place of a node, as messages name it."""
        return f"{self.path.name}:{node.start_point[0] + 1}"


def read(path: Path) -> File:
    """Read and parse a file; what cannot be parsed is found by `syntax`."""
    source = path.read_text("utf-8")
    return File(path, source, _PARSER.parse(source.encode()).root_node)


def _declarations(root: Node, kind: str) -> Iterator[tuple[Node, dict[str, Node | None]]]:
    """The declarations of a kind, with the decorators before them."""
    decorators: dict[str, Node | None] = {}
    for node in root.named_children:
        if node.type == "decorators":
            for call in (decorator.named_children[0] for decorator in node.named_children):
                arguments = call.child_by_field_name("arguments")
                first = arguments.named_children[0] if arguments is not None and arguments.named_children else None
                decorators[text(call.child_by_field_name("function"))] = first
        elif node.type != "comment":
            if node.type == kind:
                yield node, decorators
            decorators = {}


def _body(node: Node | None) -> Node | None:
    """The object of a declaration, inside its condition or loop."""
    if node is None or node.type == "object":
        return node
    if node.type in {"if_statement", "for_statement"}:
        return _body(node.named_children[-1])
    return None


def _resources(node: Node, parent: str | None) -> Iterator[Resource]:
    for child in node.named_children:
        if child.type == "object_property" and child.named_children[0].type == "resource_declaration":
            yield from _resources(child, parent)
        if child.type != "resource_declaration":
            continue
        kind, _, version = (literal(child.named_children[1]) or "").partition("@")
        full = f"{parent.partition('@')[0]}/{kind}" if parent else kind
        version = version or (parent or "").partition("@")[2]
        body = _body(child.named_children[-1])
        yield Resource(
            name=text(child.named_children[0]),
            type=full,
            version=version,
            existing=any(part.type == "existing" for part in child.children),
            body=body,
            node=child,
        )
        if body is not None:
            yield from _resources(body, f"{full}@{version}")


def syntax(file: File) -> list[str]:
    """What the parser could not read."""
    return [
        f"{file.line(node)}: cannot be read: {text(node)[:60]!r}"
        for node in walk(file.root)
        if node.type == "ERROR" or node.is_missing
    ]


def names(file: File) -> list[str]:
    """Names that nothing declares, functions and decorators that do not exist, declarations that nothing uses."""
    declared = {*file.parameters, *file.variables}
    declared |= {resource.name for resource in file.resources} | {module.name for module in file.modules}
    local = {text(node) for node in walk(file.root) if node.type in {"loop_variable", "loop_enumerator"}}
    local |= {
        text(node.named_children[0])
        for node in walk(file.root)
        if node.type == "lambda_expression" and node.named_children[0].type == "identifier"
    }
    problems, used = [], set[str]()
    for node in walk(file.root):
        if node.type != "identifier" or node.parent is None or _names_itself(node):
            continue
        name, parent = text(node), node.parent
        used.add(name)
        if parent.type == "call_expression" and parent.child_by_field_name("function") == node:
            known = DECORATORS if parent.parent is not None and parent.parent.type == "decorator" else BUILT_IN
            if name not in known:
                problems.append(f"{file.line(node)}: there is no function {name}()")
        elif name not in declared | local:
            problems.append(f"{file.line(node)}: nothing declares {name}")
    unused = sorted({*file.parameters, *file.variables} - used)
    return problems + [f"{file.path.name}: nothing uses {name}" for name in unused]


def _names_itself(node: Node) -> bool:
    """Whether an identifier is the key of a property, or what a declaration or a lambda gives a name to."""
    parent = node.parent
    first = parent is not None and parent.named_children[0] == node
    kinds = {"object_property", "lambda_expression"}
    return parent is not None and first and (parent.type.endswith("_declaration") or parent.type in kinds)


def calls(file: File) -> list[str]:
    """Modules called with what they do not take or without what they need, and outputs that they do not have."""
    problems, outputs = [], {}
    for module in file.modules:
        path = file.path.parent / module.path
        if not path.is_file():
            problems.append(f"{file.line(module.node)}: there is no {module.path}")
            continue
        called = read(path)
        outputs[module.name] = called.outputs
        given = properties(at(module.body, "params"))
        needed = {name for name, parameter in called.parameters.items() if parameter.default is None}
        for name in sorted(given.keys() - called.parameters.keys()):
            problems.append(f"{file.line(module.node)}: {module.path} takes no {name}")
        for name in sorted(needed - given.keys()):
            problems.append(f"{file.line(module.node)}: {module.path} needs {name}")
        for name in given.keys() & called.parameters.keys():
            found, wanted = kind(file, given[name]), called.parameters[name].type
            if found is not None and found != wanted and not (wanted.endswith("[]") and found == "array"):
                problems.append(f"{file.line(given[name])}: {name} of {module.path} is {wanted}, not {found}")
    for node in walk(file.root):
        if node.type != "member_expression" or not text(node.child_by_field_name("object")).endswith(".outputs"):
            continue
        name = text(node.child_by_field_name("object")).removesuffix(".outputs").rstrip("!")
        output = text(node.child_by_field_name("property"))
        if output not in outputs.get(name, {}):
            problems.append(f"{file.line(node)}: {name} has no output {output}")
    return problems


_KINDS: Final = {"string": "string", "number": "int", "boolean": "bool", "object": "object", "array": "array"}
_CALLS: Final = {
    "string": "string", "toLower": "string", "take": "string", "guid": "string", "replace": "string", "join": "string",
    "uniqueString": "string", "loadFileAsBase64": "string", "subscriptionResourceId": "string", "length": "int",
    "empty": "bool", "contains": "bool", "split": "array", "concat": "array", "range": "array", "map": "array",
}  # fmt: skip


def kind(file: File, node: Node) -> str | None:
    """The kind of value that an expression has, where that is plain: string, int, bool, object or array."""
    if node.type == "identifier":
        name = text(node)
        if name in file.parameters:
            declared = file.parameters[name].type
            return "array" if declared.endswith("[]") else declared
        return kind(file, file.variables[name]) if name in file.variables else None
    if node.type == "parenthesized_expression":
        return kind(file, node.named_children[0])
    if node.type == "call_expression":
        return _CALLS.get(text(node.child_by_field_name("function")))
    if node.type == "unary_expression" and text(node).startswith("!"):
        return "bool"
    if node.type == "ternary_expression":
        branches = {kind(file, branch) for branch in node.named_children[1:]}
        return branches.pop() if len(branches) == 1 else None
    return _KINDS.get(node.type)


def undescribed(file: File) -> list[str]:
    """Parameters and outputs without a description."""
    marks = {name: parameter.decorators for name, parameter in file.parameters.items()} | file.outputs
    return [f"{file.path.name}: {name} is not described" for name, found in marks.items() if not literal(found.get("description"))]
