"""Equality of expressions by structure, and the refusal of comparisons that a program should evaluate."""

from __future__ import annotations

from dataclasses import fields
from operator import eq
from typing import Any, TypeVar

import numpy as np

from compiler.ir.node import CHILDREN, DESCEND
from compiler.ir.recursion import on_new_stack

_NUMBERS = (int, float, np.generic)

Class = TypeVar("Class", bound=type)


def by_structure(cls: Class) -> Class:
    """Class decorator: nodes are equal if they have the same class and equal fields.

    Like the comparison and the hash that a dataclass generates, and as fast; but of nodes of any depth, and a
    comparison with a number, which could only be False, raises where the node varies while the program runs.
    """
    names = [f.name for f in fields(cls) if f.compare]
    a, b = (f"({' '.join(f'{node}.{name},' for name in names)})" for node in ("self", "other"))
    text = (
        "def __hash__(self):\n"
        f"    try:\n        return hash({a})\n"
        "    except RecursionError:\n        return on_new_stack(hash, self)\n"
    )
    return _compared(cls, f"{a} == {b}", "self.__class__ is other.__class__", text)


def by_identity(cls: Class) -> Class:
    """Class decorator: a node is equal only to itself; comparisons with numbers raise as there."""
    return _compared(cls, "True", "self is other")


def _compared(cls: Class, result: str, same: str, hashed: str = "") -> Class:
    names: dict[str, Any] = {"_of_others": _of_others, "on_new_stack": on_new_stack, "eq": eq}
    text = (
        "def __eq__(self, other):\n"
        f"    if {same}:\n"
        f"        try:\n            return {result}\n"
        "        except RecursionError:\n            return on_new_stack(eq, self, other)\n"
        "    return _of_others(self, other)\n"
    )
    exec(text + hashed, names)  # text made of the names of the fields alone
    given = cls.__hash__
    cls.__eq__ = names["__eq__"]  # type: ignore[assignment]
    cls.__hash__ = names.get("__hash__", given)  # type: ignore[assignment]
    return cls


def _of_others(node: Any, other: object) -> Any:
    """The comparison of a node with an object of another class."""
    if isinstance(other, _NUMBERS) and hasattr(node, "dtype") and _varies(node):
        raise ValueError(
            f"`==` and `!=` between an expression and {other!r} is answered at once, by structure, with "
            "the same answer for every element; te.equal(a, b) and te.not_equal(a, b) make a condition that "
            "the program evaluates"
        )
    return NotImplemented


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
