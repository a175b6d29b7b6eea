"""Expressions of the loop IR, and the buffers that they read.

The grammar of expressions::

    expr := Var(name, dtype, bounds)              a variable; equal only to itself
          | Const(value, dtype)                   an integer, float or bool literal
          | Binary(op, a, b)                      op in ARITHMETIC, BITWISE, COMPARISON or LOGIC
          | Not(a)
          | Select(condition, a, b)               both arms may be evaluated
          | Cast(value, dtype)
          | Reinterpret(value, dtype)             the same bits as another type of as many bits
          | Load(buffer, indices)                 a buffer element; a vector index loads a vector
          | Call(name, args, dtype)               an intrinsic of INTRINSICS; `if_then_else` evaluates one arm
          | Ramp(base, stride, lanes)             the vector base, base + stride, ...
          | Broadcast(value, lanes)               a scalar in every lane

A buffer is indexed by one index per dimension, or by a single index: the row-major position.
Nodes are frozen and compare by structure; variables and buffers compare by identity.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from math import copysign, prod
from typing import Any, Union, cast

import numpy as np

from compiler.ir.compare import by_identity, by_structure, checked_number
from compiler.ir.dtype import (
    INDEX,
    PACKED_TYPES,
    bits_of,
    index_type,
    integer_range,
    is_float,
    lanes_of,
    promoted,
    scalar_of,
    vector_of,
)
from compiler.ir.node import Node
from compiler.ir.operators import ARITHMETIC, BITWISE, COMPARISON, LOGIC, LOGICAL, RESULTS, evaluated

Scalar = int | float | bool | np.generic
ExprLike = Union["Expr", Scalar]
_Operator = Callable[[Any, "ExprLike"], "Expr"]


def _operator(op: str) -> _Operator:
    return lambda self, other: binary(op, self, other)


def _reflected(op: str) -> _Operator:
    return lambda self, other: binary(op, other, self)


class Expr(Node):
    """Base of all expressions; defines Python's operators on them.

    ``==`` is True for the same structure, so that expressions are keys of dictionaries; otherwise it raises,
    but for extents and inside of the compiler. `equal` makes the comparison that a program evaluates.
    """

    __slots__ = ()
    dtype: str

    __add__, __radd__ = _operator("+"), _reflected("+")
    __sub__, __rsub__ = _operator("-"), _reflected("-")
    __mul__, __rmul__ = _operator("*"), _reflected("*")
    __truediv__, __rtruediv__ = _operator("/"), _reflected("/")
    __floordiv__, __rfloordiv__ = _operator("//"), _reflected("//")
    __mod__, __rmod__ = _operator("%"), _reflected("%")
    __and__, __rand__ = _operator("&"), _reflected("&")
    __or__, __ror__ = _operator("|"), _reflected("|")
    __xor__, __rxor__ = _operator("^"), _reflected("^")
    __lshift__, __rlshift__ = _operator("<<"), _reflected("<<")
    __rshift__, __rrshift__ = _operator(">>"), _reflected(">>")
    __lt__, __le__ = _operator("<"), _operator("<=")
    __gt__, __ge__ = _operator(">"), _operator(">=")

    # set by `compiler.ir.calls`
    __abs__: Callable[[], Expr]
    __pow__: Callable[[ExprLike], Expr]
    __rpow__: Callable[[ExprLike], Expr]

    def __neg__(self) -> Expr:
        if self.dtype.startswith("u"):  # -1 is no literal of the type, and the negation wraps around
            return binary("-", 0, self)
        return binary("*", self, -1)

    def __invert__(self) -> Expr:
        scalar = scalar_of(self.dtype)
        if scalar == "bool":
            return Not(self)
        return binary("^", self, integer_range(scalar)[1] if scalar.startswith("u") else -1)

    def __bool__(self) -> bool:
        raise TypeError(
            "an expression has no truth value while the program is being written; "
            "use te.all, te.any or te.if_then_else"
        )

    def astype(self, dtype: str) -> Expr:
        """This expression converted to `dtype`."""
        return self if self.dtype == dtype else Cast(self, dtype)


@dataclass(frozen=True, slots=True, eq=False)
class Var(Expr):
    """A variable: a loop variable, the name of a value in a `Let`, or a dynamic extent.

    Parameters
    ----------
    name : str
        For readers; need not be unique.
    dtype : str
    bounds : (int, int), optional
        The closed interval of a dynamic extent, a dimension of an argument that each call determines. Other
        variables have none.
    """

    name: str
    dtype: str = INDEX
    bounds: tuple[int, int] | None = None

    def __repr__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True, eq=False)
class Const(Expr):
    """A literal; equal to one of the same type and value, where 0.0 differs from -0.0 and NaN equals NaN."""

    value: int | float | bool
    dtype: str = INDEX

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if type(other) is not type(self) or other.dtype != self.dtype:
            return False
        a, b = self.value, other.value
        if a == b:
            return a != 0 or copysign(1, a) == copysign(1, b)
        return a != a and b != b

    def __hash__(self) -> int:
        value = self.value if self.value == self.value else None
        return hash((value, self.dtype, value == -1))  # apart from -2, whose hash Python gives -1 too


@dataclass(frozen=True, slots=True)
class Binary(Expr):
    """An arithmetic, bitwise, comparison or logical operation on two operands of one type."""

    op: str
    a: Expr
    b: Expr
    dtype: str = field(compare=False)

    @staticmethod
    def rebuilt(op: str, a: Expr, b: Expr, dtype: str) -> Expr:
        """The operation on other operands; two literals are folded, as in the index of an unrolled loop."""
        if type(b) is Const:
            if dtype == INDEX and ((op == "+" and b.value == 0) or (op in ("*", "//") and b.value == 1)):
                return a
            folded = fold(op, a, b) if type(a) is Const else None
            if folded is not None:
                return folded
        elif type(a) is Const and dtype == INDEX and (op, a.value) in (("+", 0), ("*", 1)):
            return b
        return Binary(op, a, b, dtype)


@dataclass(frozen=True, slots=True)
class Not(Expr):
    """Logical negation."""

    a: Expr

    @property
    def dtype(self) -> str:  # type: ignore[override]
        return self.a.dtype


@dataclass(frozen=True, slots=True)
class Select(Expr):
    """`a` where the condition holds, else `b`; both arms may be evaluated, whatever the condition."""

    condition: Expr
    a: Expr
    b: Expr

    @property
    def dtype(self) -> str:  # type: ignore[override]
        return self.a.dtype


@dataclass(frozen=True, slots=True)
class Cast(Expr):
    """A value converted to another type."""

    value: Expr
    dtype: str


@dataclass(frozen=True, slots=True)
class Reinterpret(Expr):
    """The bits of a value, read as another type of as many bits."""

    value: Expr
    dtype: str


@dataclass(frozen=True, slots=True, eq=False)
class Buffer:
    """An array, row-major unless it has strides; a buffer is equal only to itself.

    Parameters
    ----------
    name : str
        For readers; need not be unique.
    shape : tuple of int or Var
        Extents, outermost first. A parameter may have dynamic extents, which are variables with bounds; a
        buffer that the function allocates has their upper bounds instead.
    dtype : str
        A type of `compiler.ir.dtype.SCALAR_TYPES` or `PACKED_TYPES`. Elements of a packed type fill each byte
        from its lowest bits, in row-major order without gaps.
    scope : str
        The memory: ``"global"`` is main memory, ``"local"`` the registers and the stack of one thread,
        ``"shared"`` memory of all threads of a block, ``"warp"`` memory of the threads of a warp; or the
        memory of an accelerator (`is_scope`).
    strides : tuple of int or Var, optional
        Of a parameter that may be a view, in elements. It is accessed by the position relative to its first
        element: the sum of indices times strides.
    """

    name: str
    shape: tuple[int | Var, ...]
    dtype: str = "float32"
    scope: str = "global"
    strides: tuple[int | Var, ...] | None = None

    @property
    def sizes(self) -> tuple[Var, ...]:
        """The dynamic extents, then the dynamic strides, in order, each once."""
        return tuple(dict.fromkeys(n for n in (*self.shape, *(self.strides or ())) if isinstance(n, Var)))

    @property
    def size(self) -> int:
        """Number of elements; with dynamic extents, its upper bound."""
        return prod(upper_bound(extent) for extent in self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of `size` elements."""
        return -(-self.size * bits_of(self.dtype) // 8)

    def __repr__(self) -> str:
        return f"{self.name}: {self.dtype}[{', '.join(map(str, self.shape))}]"


def upper_bound(extent: int | Var) -> int:
    """The upper bound of an extent: the extent itself if it is an integer, else that of its bounds."""
    if isinstance(extent, Var):
        assert extent.bounds is not None, f"{extent.name} is an extent without bounds"
        return extent.bounds[1]
    return extent


@dataclass(frozen=True, slots=True)
class Load(Expr):
    """An element of a buffer, or several when the last index is a vector."""

    buffer: Buffer
    indices: tuple[Expr, ...]

    @property
    def dtype(self) -> str:  # type: ignore[override]
        lanes = max(lanes_of(i.dtype) for i in self.indices) if self.indices else 1
        return vector_of(self.buffer.dtype, lanes)


@dataclass(frozen=True, slots=True)
class Call(Expr):
    """An intrinsic of `INTRINSICS` applied to arguments."""

    name: str
    args: tuple[Expr, ...]
    dtype: str


@dataclass(frozen=True, slots=True)
class Ramp(Expr):
    """The vector ``base + stride * (0, 1, ..., lanes - 1)``."""

    base: Expr
    stride: Expr
    lanes: int

    @property
    def dtype(self) -> str:  # type: ignore[override]
        return vector_of(self.base.dtype, self.lanes)


@dataclass(frozen=True, slots=True)
class Broadcast(Expr):
    """A vector with the same scalar in every lane."""

    value: Expr
    lanes: int

    @property
    def dtype(self) -> str:  # type: ignore[override]
        return vector_of(self.value.dtype, self.lanes)


by_identity(Var)
for _node in (Binary, Not, Select, Cast, Reinterpret, Load, Call, Ramp, Broadcast):
    by_structure(_node)
_NODES = frozenset((Var, Const, Binary, Select, Cast, Load, Call))
"""Nodes that are themselves in an expression: an axis of the tensor language is not, nor is a number."""


def const(value: Scalar, dtype: str | None = None) -> Const:
    """The literal of a number: by default float32, bool, int32, or int64 for what int32 does not hold.

    Raises
    ------
    ValueError
        If `value` is not a number, or an integer `dtype` does not hold it.
    """
    if isinstance(value, np.generic):
        dtype = dtype or str(value.dtype)
        value = float(value) if dtype == "bfloat16" else value.item()
    if isinstance(value, bool):
        dtype = dtype or "bool"
    elif isinstance(value, int):
        dtype = dtype or index_type(max(value, -1 - value))
    elif isinstance(value, float):
        dtype = dtype or "float32"
    else:
        raise ValueError(f"a number was expected in an expression, not {type(value).__name__}: {value!r}")
    scalar = scalar_of(dtype)
    if is_float(scalar):
        return Const(float(value), scalar)
    if scalar == "bool":
        return Const(bool(value), scalar)
    if isinstance(value, float) and not value.is_integer():
        raise ValueError(f"{value!r} is not an integer, so it cannot be a literal of type {scalar}")
    low, high = integer_range(scalar)
    if not low <= int(value) <= high:
        raise ValueError(f"{value!r} does not fit {scalar} ({low} to {high})")
    return Const(int(value), scalar)


def as_expr(value: ExprLike, dtype: str | None = None) -> Expr:
    """`value` as an expression; a number becomes a literal of `dtype`."""
    if type(value) in _NODES:
        return cast(Expr, value)
    as_scalar = getattr(value, "as_expr", None)  # an axis of the tensor language converts to its variable
    if as_scalar is not None:
        return as_scalar()
    return value if isinstance(value, Expr) else const(checked_number(value), dtype)


def matched(a: ExprLike, b: ExprLike) -> tuple[Expr, Expr]:
    """Both operands as expressions of one type.

    A Python number takes the type of the other operand, the narrower of two integers or floats is widened,
    and an integer beside a float is converted to the float type. A scalar beside a vector is repeated.
    """
    if not isinstance(a, Expr) and not hasattr(a, "as_expr"):
        b = as_expr(b)
        a = _literal_like(a, b.dtype)
    elif not isinstance(b, Expr) and not hasattr(b, "as_expr"):
        a = as_expr(a)
        b = _literal_like(b, a.dtype)
    a, b = as_expr(a), as_expr(b)
    if lanes_of(a.dtype) != lanes_of(b.dtype):
        if lanes_of(a.dtype) == 1:
            a = Broadcast(a, lanes_of(b.dtype))
        elif lanes_of(b.dtype) == 1:
            b = Broadcast(b, lanes_of(a.dtype))
        else:
            raise ValueError(f"operands have {a.dtype} and {b.dtype}: the numbers of lanes differ")
    if a.dtype != b.dtype:
        wide = promoted(scalar_of(a.dtype), scalar_of(b.dtype))
        if is_float(wide) and not is_float(a.dtype) and not is_float(b.dtype):
            raise ValueError(f"operands have {a.dtype} and {b.dtype}: no integer type holds both, cast one")
        wide = vector_of(wide, lanes_of(a.dtype))
        a, b = a.astype(wide), b.astype(wide)
    return a, b


def _literal_like(value: Scalar | Expr, dtype: str) -> Expr:
    """A number as a literal of the type of the other operand; a float beside an integer stays a float."""
    if isinstance(value, Expr):
        return value
    number, scalar = checked_number(value), scalar_of(dtype)
    if isinstance(number, (float, np.floating)) and not is_float(scalar):
        scalar = "float32"
    if scalar == "bool":
        scalar = INDEX
    return const(number.item() if isinstance(number, np.generic) else number, scalar)


def binary(op: str, a: ExprLike, b: ExprLike) -> Expr:
    """``a op b`` with operands converted to one type; folds two literals, and an index plus zero.

    Raises
    ------
    ValueError
        For an unknown operator, types that the operator does not accept or that cannot be converted to one
        type, or a division by the literal zero.
    """
    if type(a) in _NODES and type(b) in _NODES:
        left, right = cast(Expr, a), cast(Expr, b)
        result = RESULTS.get((op, left.dtype)) if left.dtype == right.dtype else None
        if result is not None:  # nothing to convert or to refuse, as for most operations
            return _made(op, left, right, result)
    a, b = matched(a, b)
    dtype = a.dtype
    if scalar_of(dtype) == "bool":
        op = LOGICAL.get(op, op)
    if scalar_of(dtype) in PACKED_TYPES:
        raise ValueError(f"`{op}` takes numbers of whole bytes, not {dtype}: cast it first, as to int32")
    if op in COMPARISON or op in LOGIC:
        dtype = vector_of("bool", lanes_of(dtype))
        if op in LOGIC and scalar_of(a.dtype) != "bool":
            raise ValueError(f"`{op}` takes conditions, not {a.dtype}")
    elif op not in ARITHMETIC + BITWISE:
        known = ARITHMETIC + BITWISE + COMPARISON + LOGIC
        raise ValueError(f"unknown operator {op!r}; known: {', '.join(known)}")
    elif scalar_of(dtype) == "bool":
        raise ValueError(f"`{op}` takes numbers, not {dtype}: cast the condition, or use te.all and te.any")
    elif op in ("//", "%", *BITWISE) and is_float(dtype):
        instead = ": te.fmod(x, y) is the remainder of floats" if op == "%" else ""
        instead = ": write te.floor(x / y)" if op == "//" else instead
        raise ValueError(f"`{op}` takes integers, not {dtype}{instead}")
    elif op == "/" and not is_float(dtype):
        raise ValueError(f"`/` takes floats, not {dtype}: write `//` for the floor division, or cast")
    return _made(op, a, b, dtype)


def _made(op: str, a: Expr, b: Expr, dtype: str) -> Expr:
    """``a op b`` of checked operands and the type `dtype`."""
    if isinstance(b, Const):
        if op == "+" and b.value == 0 and dtype == INDEX:
            return a
        if op in ("//", "%") and b.value == 0:
            raise ValueError(f"division by zero: {a.value if isinstance(a, Const) else '...'} {op} 0")
        folded = fold(op, a, b) if isinstance(a, Const) else None
        if folded is not None:
            return folded
    return Binary(op, a, b, dtype)


def fold(op: str, a: Const, b: Const) -> Const | None:
    """The literal ``a op b``, or None where it is computed at run time (see `evaluated`)."""
    value = evaluated(op, a.dtype, a.value, b.value)
    return None if value is None else Const(value, "bool" if type(value) is bool else a.dtype)


def minimum(a: ExprLike, b: ExprLike) -> Expr:
    """The smaller of two values; NaN if either is NaN. A literal comes second: it takes one instruction."""
    return binary("min", *_literal_second(a, b))


def maximum(a: ExprLike, b: ExprLike) -> Expr:
    """The larger of two values; NaN if either is NaN. A literal comes second, as in `minimum`."""
    return binary("max", *_literal_second(a, b))


def _literal_second(a: ExprLike, b: ExprLike) -> tuple[ExprLike, ExprLike]:
    swap = isinstance(b, Expr) and is_float(b.dtype) and (not isinstance(a, Expr) or type(a) is Const)
    return (b, a) if swap else (a, b)


def equal(a: ExprLike, b: ExprLike) -> Expr:
    """The condition that two values are equal (``==`` on expressions compares their structure)."""
    return binary("==", a, b)


def not_equal(a: ExprLike, b: ExprLike) -> Expr:
    """The condition that two values differ (``!=`` on expressions compares their structure)."""
    return binary("!=", a, b)


def conjunction(conditions: Iterable[Expr]) -> Expr:
    """The condition that all hold; true for none."""
    result: Expr = Const(True, "bool")
    for condition in map(as_expr, conditions):
        if condition == Const(True, "bool"):
            continue
        result = condition if result == Const(True, "bool") else binary("and", result, condition)
    return result
