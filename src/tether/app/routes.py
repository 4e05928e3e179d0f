"""Paths to handlers. Knows patterns and methods, no request and no socket."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

_WHOLE_NUMBER = re.compile(r"-?[0-9]{1,18}")
_NUMBER = re.compile(r"-?[0-9]{1,18}(\.[0-9]{1,18})?([eE][+-]?[0-9]{1,3})?")
_ENCODED_SLASH = "\udc2f"  # a slash inside a segment separates nothing; no text can hold this one

_PARAMETER = re.compile(r"\{([a-zA-Z_][a-zA-Z0-9_]*)\}")

Handler = Callable[..., Any]


@dataclass(slots=True)
class Route:
    """One pattern with one handler for its methods."""

    pattern: str
    methods: frozenset[str]
    handler: Handler
    options: dict[str, Any] | None  # of a WebSocket route
    expression: re.Pattern[str] | None  # None where the pattern is a plain path
    converters: dict[str, Callable[[str], Any]]


class Routes:
    """All routes: plain paths in a dict, patterns with parameters in their order.

    >>> routes = Routes()
    >>> def hello(request, name: str, times: int = 1): ...
    >>> routes.add("/hello/{name}", {"GET"}, hello)
    >>> route, arguments = routes.find("GET", "/hello/you")
    >>> arguments
    {'name': 'you'}
    >>> routes.find("POST", "/hello/you"), routes.allowed("/hello/you")
    (None, ['GET', 'HEAD'])
    """

    def __init__(self) -> None:
        self.plain: dict[str, list[Route]] = {}
        self.patterns: list[Route] = []

    def add(
        self,
        pattern: str,
        methods: set[str],
        handler: Handler,
        options: dict[str, Any] | None = None,
    ) -> None:
        """Register a handler.

        Raises:
            ValueError: the pattern does not begin with a slash, or names a parameter that the
                handler does not take.
        """
        if not pattern.startswith("/"):
            raise ValueError(f"a path begins with a slash: {pattern!r}")
        if "GET" in methods and options is None:
            methods = methods | {"HEAD"}
        names = _PARAMETER.findall(pattern)
        route = Route(
            pattern,
            frozenset(methods),
            handler,
            options,
            _expression(pattern) if names else None,
            _converters(handler, names, pattern),
        )
        if names:
            self.patterns.append(route)
        else:
            self.plain.setdefault(pattern, []).append(route)

    def find(self, method: str, path: str) -> tuple[Route, dict[str, Any]] | None:
        """The route for a request and its path parameters, or None.

        Args:
            path: as it was sent; its segments are decoded here, each for itself.
        """
        path = _decode(path)
        for route in self.plain.get(path, ()):
            if method in route.methods:
                return route, {}
        for route in self.patterns:
            if method in route.methods and (arguments := _match(route, path)) is not None:
                return route, arguments
        return None

    def allowed(self, path: str) -> list[str]:
        """The methods that this path has, in alphabetical order."""
        path = _decode(path)
        found: set[str] = set()
        for route in self.plain.get(path, ()):
            found |= route.methods
        for route in self.patterns:
            if _match(route, path) is not None:
                found |= route.methods
        return sorted(found)


def _expression(pattern: str) -> re.Pattern[str]:
    parts = _PARAMETER.split(pattern)
    text = ""
    for index, part in enumerate(parts):
        text += re.escape(part) if index % 2 == 0 else f"(?P<{part}>[^/]+)"
    return re.compile(text)


def _converters(
    handler: Handler, names: list[str], pattern: str
) -> dict[str, Callable[[str], Any]]:
    parameters = inspect.signature(handler, eval_str=True).parameters
    converters: dict[str, Callable[[str], Any]] = {}
    for name in names:
        if name not in parameters:
            raise ValueError(f"{pattern!r} names {name!r}, which its handler does not take")
        kind = parameters[name].annotation
        converters[name] = {int: _whole_number, float: _number}.get(kind, str)
    return converters


def _decode(path: str) -> str:
    if "%" not in path:
        return path
    return "/".join(unquote(part).replace("/", _ENCODED_SLASH) for part in path.split("/"))


def _whole_number(text: str) -> int:
    # `int` would also take spaces, underscores and the digits of other scripts.
    if not _WHOLE_NUMBER.fullmatch(text):
        raise ValueError(text)
    return int(text)


def _number(text: str) -> float:
    if not _NUMBER.fullmatch(text) or not math.isfinite(float(text)):
        raise ValueError(text)
    return float(text)


def _match(route: Route, path: str) -> dict[str, Any] | None:
    found = route.expression.fullmatch(path) if route.expression is not None else None
    if found is None:
        return None
    try:
        return {
            name: route.converters[name](text.replace(_ENCODED_SLASH, "/"))
            for name, text in found.groupdict().items()
        }
    except ValueError:
        return None  # not of the parameter's type: not this route
