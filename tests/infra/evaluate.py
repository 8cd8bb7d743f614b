"""What a template deploys: Bicep evaluated for given parameters, without Azure.

What only a deployment can know (a principal's id, a URL, a key) is `Later`: text that stands for it. Bicep takes such a
value inside `properties`, but not for a name, a scope, a condition or a loop; a module's parameter may be one, and is
plain inside of the module. `Plan.late` has every value that is where it must not be.
"""

import base64
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from tree_sitter import Node

from tests.infra.bicep import File, Module, Resource, pieces, read, text
from tests.infra.plan import Deployed, Plan, Symbol
from tests.infra.values import FUNCTIONS, SUBSCRIPTION, Later, TemplateError, leaves, plain

_KINDS: Final[Mapping[str, type]] = {"string": str, "int": int, "bool": bool, "object": dict, "array": list}
_EARLY: Final = {"id", "name", "type", "apiVersion"}
_RULES: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "allowed": lambda value, among: value in among,
    "minLength": lambda value, limit: len(value) >= limit,
    "maxLength": lambda value, limit: len(value) <= limit,
    "minValue": lambda value, limit: value >= limit,
    "maxValue": lambda value, limit: value <= limit,
}


def evaluate(path: Path, parameters: Mapping[str, Any], group: str = "the-group") -> Plan:
    """Evaluate a file for parameters; those that are left out have their defaults."""
    plan = Plan()
    plan.outputs = dict(_Scope(read(path), parameters, group, plan).run())
    return plan


class _Scope:
    """One file with its parameters; a module is another one."""

    def __init__(self, file: File, parameters: Mapping[str, Any], group: str, plan: Plan) -> None:
        self._file, self._group, self._plan = file, group, plan
        self._known: dict[str, Any] = {}
        self._busy: set[str] = set()
        for name, parameter in file.parameters.items():
            if name in parameters:
                self._known[name] = plain(parameters[name])
            elif parameter.default is not None:
                self._known[name] = self.value(parameter.default, {})
            else:
                raise TemplateError(f"{file.path.name}: {name} is not given")
            self._check(name, self._known[name])
        surplus = parameters.keys() - file.parameters.keys()
        if surplus:
            raise TemplateError(f"{file.path.name} takes no {', '.join(sorted(surplus))}")

    def run(self) -> Iterator[tuple[str, Any]]:
        """Put every resource into the plan; the outputs."""
        for name in (item.name for items in (self._file.modules, self._file.resources) for item in items):
            self._name(name)
        for node in self._file.root.named_children:
            if node.type == "output_declaration":
                yield text(node.named_children[0]), self.value(node.named_children[-1], {})

    def _check(self, name: str, value: Any) -> None:
        """A parameter's type and limits, as the service checks them."""
        declared, where = self._file.parameters[name], f"{self._file.path.name}: {name}"
        wanted = list if declared.type.endswith("[]") else _KINDS[declared.type]
        if not isinstance(value, wanted) or (wanted is int and isinstance(value, bool)):
            raise TemplateError(f"{where} is {declared.type}, not {value!r}")
        for rule, holds in _RULES.items():
            argument = declared.decorators.get(rule)
            if argument is not None and not holds(value, self.value(argument, {})):
                raise TemplateError(f"{where} may not be {value!r}: @{rule}({text(argument)})")

    def _name(self, name: str) -> Any:
        """What a name stands for, found out at its first use."""
        if name not in self._known:
            if name in self._busy:
                raise TemplateError(f"{self._file.path.name}: {name} needs itself")
            self._busy.add(name)
            self._known[name] = self._declared(name)
        return self._known[name]

    def _declared(self, name: str) -> Any:
        if name in self._file.variables:
            return self.value(self._file.variables[name], {})
        for module in self._file.modules:
            if module.name == name:
                return self._each(module, module.node.named_children[-1], {}, self._module)
        for resource in self._file.resources:
            if resource.name == name:
                return self._each(resource, resource.node.named_children[-1], {}, self._resource)
        raise TemplateError(f"{self._file.path.name}: nothing declares {name}")

    def _each(self, item: Any, node: Node, local: Mapping[str, Any], make: Callable[..., Any]) -> Any:
        """The declarations that a loop, a condition, or neither makes of one."""
        if node.type == "if_statement":
            condition = self._early(self.value(node.named_children[0], local), "a condition", node)
            return self._each(item, node.named_children[-1], local, make) if condition else None
        if node.type == "for_statement":
            return [self._each(item, node.named_children[-1], inner, make) for inner in self._loop(node, local)]
        return make(item, node, local)

    def _loop(self, node: Node, local: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        variables, over = node.named_children[0], node.named_children[1]
        names = [text(child) for child in variables.named_children] or [text(variables)]
        for index, item in enumerate(self._early(self.value(over, local), "a loop", node)):
            yield {**local, **dict(zip(names, (item, index), strict=False))}

    def _early(self, value: Any, what: str, node: Node) -> Any:
        if isinstance(value, Later):
            self._plan.late.append(f"{self._file.line(node)}: {what} is known too late: {value}")
            return True if what == "a condition" else []
        return value

    def _module(self, module: Module, node: Node, local: Mapping[str, Any]) -> Symbol:
        body = self.object(node, local)
        scope = body.get("scope")
        group = scope.name if isinstance(scope, Symbol) else scope["name"] if scope else self._group
        group = self._early(group, "a scope", node) or "?"
        path = self._file.path.parent / module.path
        inner = _Scope(read(path), body.get("params", {}), group, self._plan)
        return Symbol(id=module.name, name=module.name, type="module", outputs=dict(inner.run()))

    def _resource(self, resource: Resource, node: Node, local: Mapping[str, Any]) -> Symbol:
        outer = next((other for other in self._file.resources if resource in other.children), None)
        body = self.object(node, local)
        parent = body.pop("parent", None) or (self._name(outer.name) if outer else None)
        scope = body.pop("scope", None)
        body.pop("dependsOn", None)
        name = self._early(body.get("name", ""), "a name", node) or "?"
        if parent is not None:
            identity = f"{parent.id}/{resource.type.rpartition('/')[2]}/{name}"
        elif resource.type == "Microsoft.Resources/resourceGroups":
            identity = f"{SUBSCRIPTION}/resourceGroups/{name}"
        else:
            home = f"{SUBSCRIPTION}/resourceGroups/{self._group}" if scope is None else scope.id
            identity = f"{home}/providers/{resource.type}/{name}"
        if not resource.existing:
            for key, value in body.items():
                if key != "properties" and any(isinstance(part, Later) for part in leaves(value)):
                    self._plan.late.append(f"{self._file.line(node)}: {key} is known too late")
            self._plan.resources.append(
                Deployed(
                    type=resource.type,
                    version=resource.version,
                    id=identity,
                    body=body,
                    scope=scope.id if scope is not None else "",
                    place=self._file.line(resource.node),
                )
            )
        return Symbol(id=identity, name=name, type=resource.type, version=resource.version)

    def object(self, node: Node, local: Mapping[str, Any]) -> dict[str, Any]:
        """An object's value; nested resources are put into the plan by their own declarations."""
        found = {}
        for child in node.named_children:
            if child.type != "object_property" or child.named_children[0].type == "resource_declaration":
                continue
            key, value = (part for part in child.named_children if part.type != "comment")
            found[self.value(key, local) if key.type == "string" else text(key)] = self.value(value, local)
        return found

    def value(self, node: Node, local: Mapping[str, Any]) -> Any:  # noqa: C901, PLR0911, PLR0912 - the language's grammar
        """The value of any expression."""
        named = [child for child in node.named_children if child.type != "comment"]
        if node.type.startswith(("subscript", "member")) and named[0].type.startswith(("ternary", "binary")):
            raise TemplateError(f"{self._file.line(node)}: the parser misreads {text(node)!r}: write it otherwise")
        match node.type:
            case "string":
                return self._string(node, local)
            case "number":
                return int(text(node))
            case "boolean":
                return text(node) == "true"
            case "null":
                return None
            case "identifier":
                return local[text(node)] if text(node) in local else self._name(text(node))
            case "object":
                return self.object(node, local)
            case "array":
                return [self.value(child, local) for child in named]
            case "for_statement":
                return [self.value(named[-1], inner) for inner in self._loop(node, local)]
            case "parenthesized_expression":
                return self.value(named[0], local)
            case "unary_expression":
                inner = self.value(named[0], local)
                return not inner if text(node).startswith("!") else -inner
            case "binary_expression":
                return self._binary(node, local)
            case "ternary_expression":
                condition = self._early(self.value(named[0], local), "a condition", node)
                return self.value(named[1] if condition else named[2], local)
            case "call_expression":
                return self._call(node, local)
            case "resource_expression":
                self.value(named[0], local)
                return self._name(text(named[1]))
            case "subscript_expression":
                inner, index = self.value(named[0], local), self.value(named[1], local)
                return Later(f"{inner}[{index}]") if isinstance(inner, Later) else inner[index]
            case "member_expression":
                return self._member(self.value(named[0], local), text(named[1]), node)
        raise TemplateError(f"{self._file.line(node)}: {node.type} is not understood")

    def _string(self, node: Node, local: Mapping[str, Any]) -> str:
        parts: list[str] = []
        for piece in pieces(node):
            value = piece if isinstance(piece, str) else self.value(piece.named_children[0], local)
            parts.append(value if isinstance(value, str) else str(value).lower())
        return Later("".join(parts)) if any(isinstance(part, Later) for part in parts) else "".join(parts)

    def _binary(self, node: Node, local: Mapping[str, Any]) -> Any:
        first, operator, second = node.children
        left = self.value(first, local)
        if text(operator) in {"&&", "||"}:
            return self.value(second, local) if bool(left) == (text(operator) == "&&") else left
        right = self.value(second, local)
        operators: dict[str, Callable[[], Any]] = {
            "==": lambda: left == right,
            "!=": lambda: left != right,
            "/": lambda: left // right,
            "%": lambda: left % right,
            "*": lambda: left * right,
            "+": lambda: left + right,
            "-": lambda: left - right,
        }
        return operators[text(operator)]()

    def _member(self, inner: Any, name: str, node: Node) -> Any:
        if isinstance(inner, Symbol):
            if inner.outputs is not None:
                return inner.outputs if name == "outputs" else inner.name
            known = {"id": inner.id, "name": inner.name, "type": inner.type, "apiVersion": inner.version}
            return (
                known[name] if name in _EARLY else Later("westeurope" if name == "location" else f"{inner.name}.{name}")
            )
        if isinstance(inner, Later):
            return Later(f"{inner}.{name}")
        if isinstance(inner, Mapping) and name in inner:
            return inner[name]
        raise TemplateError(f"{self._file.line(node)}: {text(node)}: there is no {name}")

    def _call(self, node: Node, local: Mapping[str, Any]) -> Any:
        name = text(node.named_children[0])
        given = [child for child in node.named_children[1].named_children if child.type != "comment"]
        if name == "map":
            variable, body = given[1].named_children
            return [self.value(body, {**local, text(variable): item}) for item in self.value(given[0], local)]
        arguments = [self.value(argument, local) for argument in given]
        if name == "loadFileAsBase64":
            return base64.b64encode((self._file.path.parent / arguments[0]).read_bytes()).decode()
        if name == "resourceGroup":
            group = arguments[0] if arguments else self._group
            return {"name": group, "id": f"{SUBSCRIPTION}/resourceGroups/{group}", "location": "westeurope"}
        result = FUNCTIONS[name](*arguments)
        late = any(isinstance(part, Later) for part in leaves(arguments)) or name == "listKeys"
        return Later(result) if late and isinstance(result, str) else result
