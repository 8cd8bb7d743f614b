"""Values of Bicep and the functions that the templates call."""

import hashlib
import ipaddress
import itertools
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

SUBSCRIPTION: Final = "/subscriptions/00000000-0000-0000-0000-000000000000"


class Later(str):
    """A value that only the deployment knows, written as the expression that asks for it."""

    __slots__ = ()


class TemplateError(Exception):
    """A template that cannot be deployed with these parameters."""


def leaves(value: Any) -> Iterator[Any]:
    """Everything in a value that is not made of parts."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield key
            yield from leaves(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from leaves(inner)
    else:
        yield value


def plain(value: Any) -> Any:
    """A value as the inside of a module sees it."""
    if isinstance(value, Mapping):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    return str(value) if isinstance(value, Later) else value


def _hash(*parts: Any) -> str:
    return hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()


def _cidr(prefix: str, length: int, index: int) -> str:
    return str(next(itertools.islice(ipaddress.ip_network(prefix).subnets(new_prefix=length), index, None)))


def _union(*values: Any) -> Any:
    if isinstance(values[0], Mapping):
        return {key: inner for value in values for key, inner in value.items()}
    return list(dict.fromkeys(itertools.chain(*values)))


FUNCTIONS: Final[Mapping[str, Callable[..., Any]]] = {
    "cidrSubnet": _cidr,
    "concat": lambda *values: list(itertools.chain(*values)) if isinstance(values[0], list) else "".join(values),
    "contains": lambda whole, part: part in whole,
    "empty": lambda value: not value,
    "environment": lambda: {
        "suffixes": {"storage": "core.windows.net", "acrLoginServer": ".azurecr.io"},
        "authentication": {"loginEndpoint": "https://login.microsoftonline.com/"},
    },
    "flatten": lambda values: list(itertools.chain.from_iterable(values)),
    "first": lambda values: values[0],
    "guid": lambda *parts: re.sub(r"(.{8})(.{4})(.{4})(.{4})(.{12}).*", r"\1-\2-\3-\4-\5", _hash(*parts)),
    "join": lambda values, separator: separator.join(values),
    "last": lambda values: values[-1],
    "length": len,
    "listKeys": lambda identity, _version: f"listKeys({identity})",
    "range": lambda start, count: list(range(start, start + count)),
    "replace": lambda value, old, new: value.replace(old, new),
    "split": lambda value, separator: value.split(separator),
    "string": str,
    "subscription": lambda: {"id": SUBSCRIPTION, "subscriptionId": SUBSCRIPTION.rpartition("/")[2]},
    "subscriptionResourceId": lambda kind, name: f"{SUBSCRIPTION}/providers/{kind}/{name}",
    "take": lambda value, count: value[:count],
    "tenant": lambda: {"tenantId": "11111111-1111-1111-1111-111111111111"},
    "toLower": str.lower,
    "union": _union,
    "uniqueString": lambda *parts: _hash(*parts)[:13],
    "uriComponent": lambda value: value,
}
"""What the templates call; a new one is added after a look at its page."""
