"""The values of expressions: the part of the interpreter below statements.

`compiler.ir.semantics.interpret` specifies what each node means.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NoReturn

import numpy as np

from compiler.ir.dtype import PACKED_TYPES, integer_range, is_float, lanes_of, scalar_of
from compiler.ir.expr import (
    Binary,
    Broadcast,
    Buffer,
    Call,
    Cast,
    Const,
    Expr,
    Load,
    Not,
    Ramp,
    Reinterpret,
    Select,
    Var,
    binary,
)
from compiler.ir.foreign import is_foreign
from compiler.ir.operators import COMPARISON, whole
from compiler.ir.recursion import LEVELS, Recursive, on_new_stack
from compiler.ir.semantics.bfloat16 import rounded, truncated, widened
from compiler.ir.semantics.foreign import Externs, foreign_function
from compiler.ir.semantics.functions import Apply, function_of
from compiler.ir.text.printer import print_expr

# A scalar integer or bool is a Python number, a scalar float a NumPy scalar, a vector a NumPy array.
Value = Any
Evaluate = Callable[[], Value]
Address = Callable[[], tuple[Value, ...]]


class Evaluator(Recursive):
    """Turns each expression, once, into a closure that evaluates it.

    Parameters
    ----------
    arrays : dict of Buffer to ndarray
        The elements of each buffer; those of packed types unpacked, one per array element.
    externs : mapping or ctypes.CDLL, optional
        C functions, and meanings of intrinsics, by name.
    """

    def __init__(self, arrays: dict[Buffer, np.ndarray], externs: Externs | None = None) -> None:
        self.arrays = arrays
        self.externs: Externs = {} if externs is None else externs
        self.starts: dict[Buffer, int] = {}  # with strides -> the position of its first element in the array
        self.cells: dict[Var, list[Value]] = {}  # a list of one: the current value of a variable

    # elements of buffers

    def array(self, buffer: Buffer, indices: tuple[Expr, ...]) -> np.ndarray:
        """The array of a buffer, flat where the single index is a row-major position."""
        if buffer in self.arrays and len(indices) == self.arrays[buffer].ndim:  # with strides: its memory
            return self.arrays[buffer]
        return self.flat(buffer)

    def flat(self, buffer: Buffer) -> np.ndarray:
        """The elements of a buffer by row-major position."""
        if buffer not in self.arrays:
            raise ValueError(f"buffer {buffer!r} is neither a parameter nor used inside of its allocation")
        if not self.arrays[buffer].flags.c_contiguous:
            raise ValueError(f"{buffer!r} is used by row-major position, so its array must be C-contiguous")
        return self.arrays[buffer].reshape(-1)

    def address(self, buffer: Buffer, indices: tuple[Expr, ...]) -> Address:
        """A closure that returns the index of an element, or of several; raises where it is out of bounds."""
        shape = self.array(buffer, indices).shape
        if len(indices) != len(shape):
            raise ValueError(
                f"{buffer!r} takes {len(buffer.shape)} indices or one position, not {len(indices)}"
            )
        refuse = partial(out_of_bounds, buffer, self.arrays[buffer].shape)
        evaluate = tuple(map(self.expr, indices))
        if buffer in self.starts:
            return self.strided(buffer, evaluate[0], shape[0])
        if any(lanes_of(index.dtype) > 1 for index in indices):

            def vector() -> tuple[Value, ...]:
                where = tuple([f() for f in evaluate])
                for i, n in zip(where, shape, strict=True):
                    if np.min(i) < 0 or np.max(i) >= n:
                        bad = zip(*np.broadcast_arrays(*where), strict=True)
                        refuse(next(x for x in bad if not _inside(x, shape)))
                return where

            return self.slices(indices, shape, vector)
        if len(shape) == 1:
            (index,), (extent,) = evaluate, shape

            def element() -> tuple[Value, ...]:
                i = index()
                return (i,) if 0 <= i < extent else refuse((i,))

            return element

        def elements() -> tuple[Value, ...]:
            where = tuple([f() for f in evaluate])
            return where if _inside(where, shape) else refuse(where)

        return elements

    def strided(self, buffer: Buffer, evaluate: Evaluate, extent: int) -> Address:
        """A closure for a buffer with strides: indices in its memory, from positions."""
        start = self.starts[buffer]

        def place() -> tuple[Value, ...]:
            at = evaluate()
            if np.min(at) + start < 0 or np.max(at) + start >= extent:
                out_of_bounds(buffer, self.arrays[buffer].shape, (np.ravel(at)[0],))
            return (at + start,)

        return place

    def slices(self, indices: tuple[Expr, ...], shape: tuple[int, ...], general: Address) -> Address:
        """`general`, or a faster closure of slices where the only vector index is an ascending ramp."""
        vectors = [axis for axis, index in enumerate(indices) if lanes_of(index.dtype) > 1]
        axis, ramp = vectors[0], indices[vectors[0]]
        if len(vectors) > 1 or not isinstance(ramp, Ramp) or not isinstance(ramp.stride, Const):
            return general
        stride, extent = int(ramp.stride.value), shape[axis]
        if stride < 1 or extent - 1 > np.iinfo(scalar_of(ramp.dtype)).max:  # or else the ramp could wrap
            return general
        last = stride * (ramp.lanes - 1)
        starts = [self.expr(ramp.base if index is ramp else index) for index in indices]
        limits = (*shape[:axis], extent - last, *shape[axis + 1 :])

        def sliced() -> tuple[Value, ...]:
            where = [f() for f in starts]
            if not _inside(where, limits):
                return general()  # raises for the lane that is out of bounds
            where[axis] = slice(where[axis], where[axis] + last + 1, stride)
            return tuple(where)

        return sliced

    # expressions

    def expr(self, expr: Expr) -> Evaluate:
        """A closure that evaluates an expression."""
        level = self.level
        if level == LEVELS:
            return partial(on_new_stack, self.deeper(self.expr, expr))
        self.level = level + 1
        evaluate = self._expr(expr)
        self.level = level
        return evaluate

    def _expr(self, expr: Expr) -> Evaluate:
        rule = self.expr_rules.get(type(expr))
        if rule is None:
            raise ValueError(f"an expression cannot be a {type(expr).__name__}")
        return rule(self, expr)

    def _var(self, var: Var) -> Evaluate:
        if var not in self.cells:
            raise ValueError(f"variable {var!r} is used outside of its loop or let")
        cell = self.cells[var]
        return lambda: cell[0]

    def _const(self, node: Const) -> Evaluate:
        value: Value
        if is_float(node.dtype):
            with np.errstate(over="ignore"):  # a literal may round to infinity
                number = np.float64 if node.dtype == "bfloat16" else np.dtype(node.dtype).type
                value = _in_type(node.dtype)(number(node.value))
        else:
            value = bool(node.value) if node.dtype == "bool" else _range(node.dtype)[2](int(node.value))
        return lambda: value

    def _binary(self, node: Binary) -> Evaluate:
        a, b = self.expr(node.a), self.expr(node.b)
        scalar, vector = scalar_of(node.a.dtype), lanes_of(node.a.dtype) > 1
        number = "float" if is_float(scalar) else "bool" if scalar == "bool" else "integer"
        operation = _OPERATIONS.get((node.op, number))
        if number == "integer" and not vector and node.op not in COMPARISON:
            operation = whole(node.op, scalar)
        if operation is None:
            raise ValueError(f"`{print_expr(node)}`: no operator {node.op!r} on {node.a.dtype}")
        if scalar == "bfloat16" and node.op not in COMPARISON:
            exact = operation
            operation = lambda x, y: rounded(exact(x, y))  # noqa: E731
        if node.op in ("min", "max") and vector:
            choose = operator.lt if node.op == "min" else operator.gt

            def extremum() -> Value:
                x, y = a(), b()
                return np.where(choose(y, x) | (y != y), y, x)

            return extremum
        if number != "integer" or vector or node.op in COMPARISON:
            return lambda: operation(a(), b())
        low, high, wrap = _range(scalar)

        def wrapped() -> int:
            value = operation(a(), b())
            return value if low <= value <= high else wrap(value)

        return wrapped

    def _not(self, node: Not) -> Evaluate:
        a = self.expr(node.a)
        return (lambda: np.logical_not(a())) if lanes_of(node.dtype) > 1 else (lambda: not a())

    def _select(self, node: Select) -> Evaluate:
        condition, a, b = self.expr(node.condition), self.expr(node.a), self.expr(node.b)
        if lanes_of(node.condition.dtype) > 1:
            return lambda: np.where(condition(), a(), b())

        def select() -> Value:
            holds, x, y = condition(), a(), b()
            return x if holds else y

        return select

    def _cast(self, node: Cast) -> Evaluate:
        value, convert = self.expr(node.value), _conversion(node.value.dtype, node.dtype)
        return lambda: convert(value())

    def _reinterpret(self, node: Reinterpret) -> Evaluate:
        value, source, target = self.expr(node.value), number_of(node.value.dtype), number_of(node.dtype)
        bits = truncated if scalar_of(node.value.dtype) == "bfloat16" else lambda x: np.asarray(x, source)
        if scalar_of(node.dtype) == "bfloat16":
            return lambda: widened(np.asarray(bits(value())).view(np.uint16))
        if lanes_of(node.dtype) > 1 or is_float(node.dtype):
            return lambda: np.asarray(bits(value())).view(target)[()]
        return lambda: np.asarray(bits(value())).view(target).item()

    def _load(self, node: Load) -> Evaluate:
        array, address = self.array(node.buffer, node.indices), self.address(node.buffer, node.indices)
        if node.buffer.dtype == "bfloat16":
            return lambda: widened(array[address()])
        if is_float(node.buffer.dtype) or lanes_of(node.dtype) > 1:
            return lambda: array[address()]
        return lambda: array[address()].item()

    def _call(self, node: Call) -> Evaluate:
        if node.name == "if_then_else":
            return self._if_then_else(node)
        function: Apply | None
        if is_foreign(node.name):
            function = foreign_function(node, self.externs)
        else:
            function = function_of(node.name, node.args[0].dtype)
        if function is None:
            raise ValueError(f"`{print_expr(node)}`: unknown intrinsic {node.name!r}")
        args = tuple(map(self.expr, node.args))
        if scalar_of(node.dtype) == "bfloat16":
            return lambda: rounded(function(*[arg() for arg in args]))
        if node.dtype == "bool":
            return lambda: bool(function(*[arg() for arg in args]))
        return lambda: function(*[arg() for arg in args])

    def _if_then_else(self, node: Call) -> Evaluate:
        if lanes_of(node.args[0].dtype) > 1:
            # a lane evaluates only its chosen arm, so each lane is evaluated as a scalar expression
            lanes = [self.expr(_lane(node, k)) for k in range(lanes_of(node.dtype))]
            number = number_of(node.dtype)
            return lambda: np.array([lane() for lane in lanes], number)
        condition, a, b = map(self.expr, node.args)
        return lambda: a() if condition() else b()

    def _ramp(self, node: Ramp) -> Evaluate:
        base, stride = self.expr(node.base), self.expr(node.stride)
        if node.lanes == 1:
            return base
        number = np.dtype(scalar_of(node.dtype)).type
        steps = np.arange(node.lanes).astype(number)
        return lambda: number(base()) + steps * number(stride())

    def _broadcast(self, node: Broadcast) -> Evaluate:
        value, lanes, number = self.expr(node.value), node.lanes, number_of(node.value.dtype)
        return value if lanes == 1 else lambda: np.full(lanes, value(), number)

    def _one(self, node: _Lane) -> Evaluate:
        vector, k = self.expr(node.vector), node.k
        return (lambda: vector()[k]) if is_float(node.dtype) else (lambda: vector()[k].item())

    expr_rules: dict[type, Callable[[Any, Any], Evaluate]] = {
        Var: _var,
        Const: _const,
        Binary: _binary,
        Not: _not,
        Select: _select,
        Cast: _cast,
        Reinterpret: _reinterpret,
        Load: _load,
        Call: _call,
        Ramp: _ramp,
        Broadcast: _broadcast,
    }


@dataclass(frozen=True, slots=True)
class _Lane(Expr):
    """One lane of a vector variable."""

    vector: Var
    k: int

    @property
    def dtype(self) -> str:  # type: ignore[override]
        return scalar_of(self.vector.dtype)


Evaluator.expr_rules[_Lane] = Evaluator._one


def number_of(dtype: str) -> type[np.generic]:
    """The NumPy type of a lane; a packed value is held in a byte, and a bfloat16 in a float32."""
    scalar = scalar_of(dtype)
    if scalar == "bfloat16":
        return np.float32
    if scalar in PACKED_TYPES:
        return np.uint8 if scalar.startswith("u") else np.int8
    return np.dtype(scalar).type


def _in_type(dtype: str) -> Callable[[Value], Value]:
    """A function that rounds a float to a type that NumPy does not have."""
    return rounded if scalar_of(dtype) == "bfloat16" else lambda value: value


def _inside(where: Sequence[Value], shape: tuple[int, ...]) -> bool:
    for i, n in zip(where, shape, strict=True):  # noqa: SIM110  (this is the innermost loop of all)
        if not 0 <= i < n:
            return False
    return True


def out_of_bounds(buffer: Buffer, shape: tuple[int, ...], where: tuple[Value, ...]) -> NoReturn:
    """Raise the error for an index outside of `shape`."""
    index = ", ".join(str(int(i)) for i in where)
    raise IndexError(f"{buffer.name}[{index}] is out of bounds: the shape of {buffer.name} is {shape}")


def _range(dtype: str) -> tuple[int, int, Callable[[int], int]]:
    """The smallest and the largest integer of a type, and a function that wraps any integer into it."""
    low, high = integer_range(dtype)
    return low, high, lambda value: (value - low) % (high - low + 1) + low


def _conversion(source: str, target: str) -> Callable[[Value], Value]:
    """A function that converts a value of type `source` to type `target`, lane by lane."""
    to, vector = scalar_of(target), lanes_of(target) > 1
    if to == "bool":
        return (lambda value: value != 0) if vector else (lambda value: bool(value != 0))
    number: Any = number_of(to)
    if to == "bfloat16":
        given: Any = number_of(source)
        return lambda value: rounded(np.asarray(value, given))
    if is_float(to):
        if vector:
            return lambda value: value.astype(number)
        # from the NumPy scalar of the source type, so that a wide integer is rounded once
        wide: Any = number_of(source)
        return lambda value: wide(value).astype(number)
    low, high, wrap = _range(to)
    if not is_float(source) and vector and to in PACKED_TYPES:
        mask = high - low
        return lambda value: ((value.astype(np.int64) - low & mask) + low).astype(number)
    if not is_float(source):
        return (lambda value: value.astype(number)) if vector else (lambda value: wrap(int(value)))

    def saturate(value: Any) -> int:
        if value != value:
            return 0
        return high if value >= high else low if value <= low else int(value)

    return (lambda value: np.array([saturate(v) for v in value], number)) if vector else saturate


def _lane(expr: Expr, k: int) -> Any:
    """The scalar expression of lane `k` of a vector; a scalar has the same value in every lane."""
    return expr if lanes_of(expr.dtype) == 1 else _LANES[type(expr)](expr, k)


_LANES: dict[type, Callable[[Any, int], Expr]] = {
    Var: _Lane,
    Binary: lambda n, k: Binary(n.op, _lane(n.a, k), _lane(n.b, k), scalar_of(n.dtype)),
    Not: lambda n, k: Not(_lane(n.a, k)),
    Select: lambda n, k: Select(_lane(n.condition, k), _lane(n.a, k), _lane(n.b, k)),
    Cast: lambda n, k: Cast(_lane(n.value, k), scalar_of(n.dtype)),
    Reinterpret: lambda n, k: Reinterpret(_lane(n.value, k), scalar_of(n.dtype)),
    Load: lambda n, k: Load(n.buffer, tuple(_lane(i, k) for i in n.indices)),
    Call: lambda n, k: Call(n.name, tuple(_lane(a, k) for a in n.args), scalar_of(n.dtype)),
    Ramp: lambda n, k: binary("+", n.base, binary("*", n.stride, Const(k, n.base.dtype))),
    Broadcast: lambda n, k: n.value,
}

_COMPARE = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
_COMPARE |= {"==": operator.eq, "!=": operator.ne}
_NUMBER = {"+": operator.add, "-": operator.sub, "*": operator.mul}
_NUMBER |= {
    "min": lambda a, b: b if b < a or b != b else a,
    "max": lambda a, b: b if b > a or b != b else a,
}

# (operator, kind of number) -> the operation; on scalar integers it is `whole`, with which NumPy agrees
_OPERATIONS: dict[tuple[str, str], Callable[[Value, Value], Value]] = {
    **{(op, number): f for op, f in _COMPARE.items() for number in ("integer", "float", "bool")},
    **{(op, number): f for op, f in _NUMBER.items() for number in ("integer", "float")},
    ("//", "integer"): operator.floordiv,
    ("%", "integer"): operator.mod,
    ("&", "integer"): operator.and_,
    ("|", "integer"): operator.or_,
    ("^", "integer"): operator.xor,
    ("<<", "integer"): operator.lshift,
    (">>", "integer"): operator.rshift,
    ("/", "float"): operator.truediv,
    ("and", "bool"): operator.and_,
    ("or", "bool"): operator.or_,
}
