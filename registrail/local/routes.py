"""Route templates as the Functions host reads them, which are those of ASP.NET Core.

`{x}` is one segment or a part of one, `{x:int}` a whole number, `{x?}` may be left out, `{*rest}` is all that
remains. Letters match in either case, and a slash at the end makes no difference.
https://learn.microsoft.com/aspnet/core/fundamentals/routing#route-templates
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self
from urllib.parse import unquote

from registrail.local.problems import LocalError

_CONSTRAINTS = {None: "[^/]+", "int": "[+-]?[0-9]+", "alpha": "[A-Za-z]+"}
_PARAMETER = re.compile(r"\{(?P<rest>\*?)(?P<name>[A-Za-z_]\w*)(?::(?P<constraint>\w+))?(?P<optional>\??)\}")
_LITERAL, _CONSTRAINED, _FREE, _REST = range(4)


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A template, ready to be matched.

    Attributes:
        template: with the route prefix, without a leading slash.
        pattern: matches a whole path.
        methods: in capitals; empty means every method.
        precedence: sorts the more specific route first; one number for each segment.
    """

    template: str
    pattern: re.Pattern[str]
    methods: frozenset[str]
    precedence: tuple[int, ...]

    @classmethod
    def parse(cls, template: str, methods: frozenset[str] = frozenset()) -> Self:
        """Read a template.

        Raises:
            LocalError: a parameter is not understood.
        """
        template = template.strip("/")
        segments = [_segment(segment, template) for segment in template.split("/") if segment]
        return cls(
            template=template,
            pattern=re.compile("".join(pattern for pattern, _ in segments) + "/?", re.IGNORECASE),
            methods=methods,
            precedence=tuple(precedence for _, precedence in segments),
        )

    def match(self, method: str, path: str) -> Mapping[str, str] | None:
        """The route parameters, without those left out; None when the route does not take the request."""
        if self.methods and method not in self.methods:
            return None
        match = self.pattern.fullmatch(path)
        return None if match is None else {name: text for name, text in match.groupdict().items() if text}


def decode_path(raw: str) -> str:
    """Undo percent-encoding, except that of `/`, which is no separator of segments."""
    if "%" not in raw:
        return raw
    return "%2F".join(unquote(part) for part in re.split("%2f", raw, flags=re.IGNORECASE))


def _segment(segment: str, template: str) -> tuple[str, int]:
    """The regular expression of one segment with the slash before it, and its precedence."""
    only = _PARAMETER.fullmatch(segment)
    if only and only["rest"]:
        return f"(?:/(?P<{only['name']}>.*))?", _REST
    if only and only["optional"]:
        return f"(?:/(?P<{only['name']}>{_constraint(only, template)}))?", _precedence(only)
    pattern, end, precedence = "/", 0, _LITERAL
    for parameter in _PARAMETER.finditer(segment):
        pattern += re.escape(segment[end : parameter.start()])
        pattern += f"(?P<{parameter['name']}>{_constraint(parameter, template)})"
        end, precedence = parameter.end(), max(precedence, _precedence(parameter))
    remainder = segment[end:]
    if "{" in remainder or "}" in remainder:
        raise LocalError(f"the route {template!r} has a segment that the local host cannot read: {segment!r}")
    return pattern + re.escape(remainder), precedence


def _constraint(parameter: re.Match[str], template: str) -> str:
    pattern = _CONSTRAINTS.get(parameter["constraint"])
    if pattern is None:
        raise LocalError(f"the route {template!r} has an unknown constraint: {parameter['constraint']!r}")
    return pattern


def _precedence(parameter: re.Match[str]) -> int:
    return _CONSTRAINED if parameter["constraint"] else _FREE
