"""Equality of expressions by structure, and the refusal of comparisons that a program should evaluate."""

from __future__ import annotations

import sys
from dataclasses import fields
from operator import eq
from typing import Any, TypeVar

import numpy as np

from compiler.ir.node import CHILDREN, DESCEND, Node
from compiler.ir.recursion import on_new_stack

_NUMBERS = (int, float, np.generic)

Class = TypeVar("Class", bound=type)


def by_structure(cls: Class) -> Class:
    """Class decorator: nodes are equal if they have the same class and equal fields.

    Like the comparison and the hash that a dataclass generates, and as fast, but of nodes of any depth. A
    comparison that a program should evaluate is refused instead of answered by structure (`_differ`).
    """
    names = [f.name for f in fields(cls) if f.compare]
    a, b = (f"({' '.join(f'{node}.{name},' for name in names)})" for node in ("self", "other"))
    hashed = f"""
def __hash__(self):
    try:
        return hash({a})
    except RecursionError:
        return on_new_stack(hash, self)
"""
    return _compared(cls, f"self.__class__ is other.__class__ and {a} == {b}", hashed)


def by_identity(cls: Class) -> Class:
    """Class decorator: a node is equal only to itself; other comparisons are refused as there."""
    return _compared(cls, "self is other")


def _compared(cls: Class, same: str, hashed: str = "") -> Class:
    names: dict[str, Any] = {
        "Node": Node,
        "_OURS": _OURS,
        "__name__": __name__,
        "_caller": sys._getframe,
        "_differ": _differ,
        "eq": eq,
        "on_new_stack": on_new_stack,
    }
    text = f"""
def __eq__(self, other):
    try:
        same = {same}
    except RecursionError:
        same = on_new_stack(eq, self, other)
    if same:
        return True
    if _OURS.get(_caller(1).f_globals.get("__name__")) and isinstance(other, Node):
        return False
    return _differ(self, other, _caller(1).f_globals.get("__name__"))
"""
    exec(text + hashed, names)  # text made of the names of the fields alone
    given = cls.__hash__
    cls.__eq__ = names["__eq__"]  # type: ignore[assignment]
    cls.__hash__ = names.get("__hash__", given)  # type: ignore[assignment]
    return cls


_OURS: dict[str | None, bool] = {}
"""Name of a module -> whether it belongs to the packages that compare expressions by structure."""


def _differ(node: Any, other: object, module: str | None) -> Any:
    """The comparison of a node with an object that does not have its structure.

    The compiler compares structures. Whoever writes a program means the values, for which the answer would be
    False at every element, so a comparison from another module is refused. Dictionaries and sets compare too,
    but only keys of equal hashes.
    """
    if isinstance(other, _NUMBERS):
        if _varies(node):
            raise ValueError(_REFUSED.format("an expression and ", repr(other)))
        return NotImplemented
    if not isinstance(other, Node):
        return NotImplemented
    ours = _OURS[module] = (module or "").partition(".")[0] in ("compiler", "costmodel")
    are_axes = hasattr(node, "as_expr") and hasattr(other, "as_expr")
    expressions = hasattr(node, "dtype") and hasattr(other, "dtype")
    if ours or are_axes or not expressions or not (_varies(node) or _varies(other)):
        return False
    if hash(node) == hash(other):
        return False
    raise ValueError(_REFUSED.format("expressions", ""))


_REFUSED = (
    "`==` and `!=` between {}{} is answered at once, by structure, with the same answer for every element; "
    "te.equal(a, b) and te.not_equal(a, b) make a condition that the program evaluates"
)


def _varies(node: Any) -> bool:
    """Whether the value of an expression differs between the elements of a tensor.

    Extents of tensors do not: code compares them with numbers.
    """
    pending = [node]
    while pending:
        part = pending.pop()
        if hasattr(part, "bounds"):
            if part.bounds is None:
                return True
        elif hasattr(part, "indices") or hasattr(part, "var"):
            return True
        else:
            pending += CHILDREN[type(part)](part)
    return False


def checked_number(value: Any) -> Any:
    """`value`, unless it is a Python bool, which can be the result of comparing expressions by structure.

    Raises
    ------
    ValueError
        If it is a bool.
    """
    if isinstance(value, (bool, np.bool_)):
        raise ValueError(
            f"an expression was expected, not the Python value {bool(value)}: `==`, `!=`, `in`, `is` and "
            "`not` on expressions are answered at once, by their structure; write te.equal(a, b) or "
            f'te.not_equal(a, b), and te.const({bool(value)}, "bool") for a constant condition'
        )
    return value


# a bool among the children of a node, as in ``Select(i == j, a, b)``, is refused where the node is visited
for _kind in (bool, np.bool_):
    CHILDREN[_kind] = checked_number
    DESCEND[_kind] = lambda rewrite, node: checked_number(node)
