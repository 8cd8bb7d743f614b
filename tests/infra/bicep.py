"""Bicep files as values: declarations, expressions and their places, read with tree-sitter."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Final

import tree_sitter_bicep
from tree_sitter import Language, Node, Parser

_PARSER: Final = Parser(Language(tree_sitter_bicep.language()))


def text(node: Node | None) -> str:
    """The source of a node."""
    return node.text.decode() if node is not None and node.text is not None else ""


def walk(node: Node) -> Iterator[Node]:
    """A node and everything below it."""
    yield node
    for child in node.children:
        yield from walk(child)


def pieces(node: Node) -> Iterator[str | Node]:
    """A string's text and interpolations in their order; the parser has no node for some of the text."""
    start, end = (3, -3) if text(node).startswith("'''") else (1, -1)
    assert node.text is not None
    place, source = start, node.text
    for part in node.named_children:
        if part.type in {"interpolation", "escape_sequence"}:
            begin = part.start_byte - node.start_byte
            yield source[place:begin].decode()
            yield part if part.type == "interpolation" else text(part).removeprefix("\\")
            place = part.end_byte - node.start_byte
    yield source[place : len(source) + end].decode()


def literal(node: Node | None) -> str | None:
    """What a string without interpolation says; None for any other expression."""
    if node is None or node.type != "string":
        return None
    parts = list(pieces(node))
    return "".join(part for part in parts if isinstance(part, str)) if all(isinstance(p, str) for p in parts) else None


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
    children: tuple["Resource", ...]


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
    def top(self) -> list[Resource]:
        """The resources that do not stand inside another."""
        return list(_resources(self.root, None))

    @cached_property
    def resources(self) -> list[Resource]:
        """All resources, nested ones too."""
        return list(_all(self.top))

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
    """The resources that stand directly in a file, or in another resource."""
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
            children=() if body is None else tuple(_resources(body, f"{full}@{version}")),
        )


def _all(resources: Iterable[Resource]) -> Iterator[Resource]:
    for resource in resources:
        yield resource
        yield from _all(resource.children)
