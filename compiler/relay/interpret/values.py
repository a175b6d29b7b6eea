"""Values of the interpreter, other than NumPy arrays and Python tuples: closures, references, data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from compiler.relay.language.expr import Constructor, Function


class Closure:
    """A function with the values of its free variables. It can be called with values."""

    __slots__ = ("captured", "code", "function", "start")

    def __init__(self, function: Function, code: Any, captured: list[Any], start: Callable[..., Any]) -> None:
        self.function = function
        self.code = code
        self.captured = captured
        self.start = start

    def __call__(self, *args: Any) -> Any:
        return self.start(self, args)

    def __repr__(self) -> str:
        return f"Closure({', '.join('%' + p.name for p in self.function.params)})"


class RefValue:
    """A mutable reference: ``value`` is what it holds."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __repr__(self) -> str:
        return f"RefValue({self.value!r})"


class ConstructorValue:
    """A value of a data type: a constructor and its fields."""

    __slots__ = ("constructor", "fields")

    def __init__(self, constructor: Constructor, fields: tuple[Any, ...]) -> None:
        self.constructor = constructor
        self.fields = fields

    def __repr__(self) -> str:
        """As in the text; what is nested deeper than eight levels is left out."""
        return _text(self, 8)


def _text(value: Any, levels: int) -> str:
    if not isinstance(value, ConstructorValue):
        return repr(value)
    if not value.fields:
        return value.constructor.name
    inner = ", ".join(_text(f, levels - 1) for f in value.fields) if levels else "..."
    return f"{value.constructor.name}({inner})"
