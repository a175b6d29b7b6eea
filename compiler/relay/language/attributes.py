"""`Attribute`: a named option of an operator; `Attrs`: the values of a call's options, immutable."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from compiler.ir.dtype import SCALAR_TYPES
from compiler.suggest import unknown

REQUIRED = object()
"""The default of an attribute that each call gives."""


class Attrs(Mapping[str, Any]):
    """Names and values. Values are None, bool, int, float, str, and tuples of them, so two can be compared.

    ``attrs.axis`` and ``attrs["axis"]`` are the same.
    """

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, Any] | None = None, **named: Any) -> None:
        given = {**(values or {}), **named}
        object.__setattr__(self, "_values", {name: _frozen(name, v) for name, v in given.items()})

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            return self._values[name]
        except KeyError:
            raise AttributeError(unknown("attribute", name, self._values)) from None

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError("attributes of a call cannot be changed: make others with `replace`")

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __hash__(self) -> int:
        return hash(tuple(sorted(self._values.items(), key=lambda item: item[0])))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Attrs) and _typed(self._values) == _typed(other._values)

    def __repr__(self) -> str:
        return f"Attrs({', '.join(f'{k}={v!r}' for k, v in self._values.items())})"

    def __reduce__(self) -> Any:
        return Attrs, (dict(self._values),)

    def replace(self, **changes: Any) -> Attrs:
        """The same attributes with other values for some."""
        return Attrs({**self._values, **changes})


NO_ATTRS = Attrs()


def _typed(values: Any) -> Any:
    """Values with their types, so that 1, 1.0 and True differ."""
    if isinstance(values, dict):
        return {name: _typed(value) for name, value in values.items()}
    if isinstance(values, tuple):
        return tuple(_typed(value) for value in values)
    return type(values), repr(values) if isinstance(values, float) else values


def _frozen(name: str, value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return tuple(_frozen(name, part) for part in value)
    if value is None or type(value) in (bool, int, float, str):
        return value
    if hasattr(value, "item") and getattr(value, "ndim", 1) == 0:  # a NumPy scalar
        return value.item()
    if hasattr(value, "tolist"):
        return _frozen(name, value.tolist())
    raise ValueError(
        f"the attribute {name} is {value!r}; numbers, strings, None and tuples of them are allowed"
    )


_KINDS: dict[str, Any] = {
    "int": lambda v: type(v) is int,
    "float": lambda v: type(v) in (int, float),
    "bool": lambda v: type(v) is bool,
    "str": lambda v: type(v) is str,
    "ints": lambda v: type(v) is tuple and all(type(e) is int for e in v),
    "floats": lambda v: type(v) is tuple and all(type(e) in (int, float) for e in v),
    "dtype": lambda v: v in SCALAR_TYPES,
    "any": lambda v: True,
}


@dataclass(frozen=True, slots=True)
class Attribute:
    """A named option of an operator.

    Parameters
    ----------
    name : str
    kind : str
        ``"int"``, ``"float"``, ``"bool"``, ``"str"``, ``"ints"``, ``"floats"`` (tuples), ``"dtype"`` or
        ``"any"``; with ``"?"`` at the end None is allowed. Where ``"ints"`` is needed, an int is one of them.
    default : object
        `REQUIRED` where each call gives it.
    options : tuple
        The values that are allowed; all of the kind, if empty.
    """

    name: str
    kind: str
    default: Any = REQUIRED
    options: tuple[Any, ...] = ()

    def checked(self, operator: str, value: Any) -> Any:
        """The value as calls hold it.

        Raises
        ------
        ValueError
            If it is not of the kind or not among the options.
        """
        value = _frozen(self.name, value)
        kind = self.kind.rstrip("?")
        if value is None and self.kind.endswith("?"):
            return None
        if kind in ("ints", "floats") and type(value) in (int, float):
            value = (value,)
        if not _KINDS[kind](value):
            raise ValueError(f"{operator}: the attribute {self.name} is {value!r}; {self.kind} is needed")
        if kind == "float":
            value = float(value)
        if self.options and value not in self.options:
            raise ValueError(f"{operator}: {unknown(f'value of {self.name}', value, map(str, self.options))}")
        return value


def checked_attrs(operator: str, attributes: tuple[Attribute, ...], given: Mapping[str, Any]) -> Attrs:
    """The attributes of a call, the defaults filled in.

    Raises
    ------
    ValueError
        For a missing, unknown or wrong attribute; names the operator and the attribute.
    """
    names = [a.name for a in attributes]
    for name in given:
        if name not in names:
            raise ValueError(unknown(f"attribute of {operator}", name, names))
    values = {}
    for attribute in attributes:
        value = given.get(attribute.name, attribute.default)
        if value is REQUIRED:
            raise ValueError(f"{operator}: the attribute {attribute.name} is missing")
        values[attribute.name] = attribute.checked(operator, value)
    return Attrs(values)
