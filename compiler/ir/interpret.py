"""The definition of the language: runs any function, on NumPy arrays, in the order of its text.

What a node means where NumPy, Python and hardware could disagree:

- Integers wrap around in their type. ``//`` and ``%`` round to minus infinity, and raise
  `ZeroDivisionError` for a zero divisor, in any lane.
- Floats follow IEEE 754 and are rounded to their type after each operation. They never raise.
- ``min(a, b)`` is ``a if a < b else b`` and ``max(a, b)`` is ``a if a > b else b``: the result is `b`
  where either is NaN, and also where the two are equal.
- A cast of a float to an integer rounds to zero, and a value out of range becomes the nearest of the
  type, NaN zero. A cast of an integer to a narrower one keeps the low bits. A cast to bool is ``!= 0``.
- ``and``, ``or`` and ``select`` evaluate all operands. Only ``if_then_else``, for each lane by itself,
  and ``if`` guard what they do not choose.
- The value of a store is evaluated before any lane is stored; of lanes that store to the same
  element, the last one stays.
- An index outside of the shape, negative ones too, raises `IndexError`, and so does a row-major position
  that is not less than the number of elements.
- Loops of all kinds run in order.
- What was never stored in an allocated buffer is NaN in floats, ``0xAB`` in each byte of integers, and
  True in bools, anew each time that the allocation is entered.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import numpy as np

from compiler.ir.expr import (
    COMPARISON,
    Binary,
    Broadcast,
    Call,
    Cast,
    Const,
    Expr,
    Load,
    Not,
    Ramp,
    Select,
    Var,
    binary,
    is_float,
    lanes_of,
    scalar_of,
)
from compiler.ir.function import Buffer, PrimFunc
from compiler.ir.stmt import Allocate, For, If, Seq, Stmt, Store
from compiler.ir.text import print_expr

# A scalar integer or bool is a Python number, a scalar float a NumPy scalar, a vector a NumPy array.
Value = Any
Evaluate = Callable[[], Value]
Run = Callable[[], None]
Address = Callable[[], tuple[Value, ...]]


def interpret(func: PrimFunc, *arrays: np.ndarray) -> None:
    """Run `func` on one array for each parameter; what it stores is stored in them.

    Parameters
    ----------
    func : PrimFunc
        Any function, before or after any pass.
    *arrays : ndarray
        Of the shapes and dtypes of the parameters. Those that the function uses by row-major
        position must be C-contiguous; the others may have any strides.

    Raises
    ------
    ValueError
        If the arrays do not fit the parameters, or the function has an unknown operation.
    IndexError
        If an index is outside of its buffer; names the buffer, the index and the shape.
    ZeroDivisionError
        If an integer is divided by zero; names the expression.
    """
    if len(arrays) != len(func.params):
        raise ValueError(f"{func.name} takes {len(func.params)} array(s), not {len(arrays)}")
    for buffer, array in zip(func.params, arrays, strict=True):
        _check_array(func, buffer, array)
    closures = _Closures(dict(zip(func.params, arrays, strict=True)))
    run = closures.stmt(func.body)
    for buffer, array in zip(func.params, arrays, strict=True):
        if buffer in closures.stored and not array.flags.writeable:
            raise ValueError(
                f"{func.name}, argument {buffer!r}: the function stores to it, but the array is read-only"
            )
    with np.errstate(all="ignore"):
        run()


def _check_array(func: PrimFunc, buffer: Buffer, array: np.ndarray) -> None:
    where = f"{func.name}, argument {buffer!r}"
    if not isinstance(array, np.ndarray):
        raise ValueError(f"{where}: expected a NumPy array, not {type(array).__name__}")
    if array.dtype != np.dtype(buffer.dtype):
        raise ValueError(f"{where}: expected dtype {buffer.dtype}, not {array.dtype}")
    if array.shape != buffer.shape:
        raise ValueError(f"{where}: expected shape {buffer.shape}, not {array.shape}")


class _Closures:
    """Turns each node, once, into a closure that runs it."""

    def __init__(self, arrays: dict[Buffer, np.ndarray]) -> None:
        self.arrays = arrays
        self.cells: dict[Var, list[int]] = {}
        self.stored: set[Buffer] = set()

    # statements

    def stmt(self, stmt: Stmt) -> Run:
        rule = self.stmt_rules.get(type(stmt))
        if rule is None:
            raise ValueError(f"a statement cannot be a {type(stmt).__name__}")
        return rule(self, stmt)

    def _for(self, loop: For) -> Run:
        extent, cell = self.expr(loop.extent), [0]
        self.cells[loop.var] = cell
        body = self.stmt(loop.body)
        del self.cells[loop.var]

        def run() -> None:
            for cell[0] in range(extent()):  # the loop counts in the cell that the variable reads
                body()

        return run

    def _store(self, store: Store) -> Run:
        self.stored.add(store.buffer)
        array = self.array(store.buffer, store.indices)
        address, value = self.address(store.buffer, store.indices), self.expr(store.value)

        def run() -> None:
            where = address()
            array[where] = value()

        return run

    def _if(self, branch: If) -> Run:
        condition, then = self.expr(branch.condition), self.stmt(branch.then)
        otherwise = None if branch.otherwise is None else self.stmt(branch.otherwise)

        def run() -> None:
            if condition():
                then()
            elif otherwise is not None:
                otherwise()

        return run

    def _seq(self, seq: Seq) -> Run:
        stmts = tuple(map(self.stmt, seq.stmts))

        def run() -> None:
            for stmt in stmts:
                stmt()

        return run

    def _allocate(self, allocate: Allocate) -> Run:
        buffer = allocate.buffer
        array = np.empty(buffer.shape, buffer.dtype)
        self.arrays[buffer] = array
        body = self.stmt(allocate.body)
        del self.arrays[buffer]
        unset: Value = np.nan if is_float(buffer.dtype) else True
        if buffer.dtype != "bool" and not is_float(buffer.dtype):
            unset = np.frombuffer(b"\xab" * array.itemsize, buffer.dtype)[0]

        def run() -> None:
            array.fill(unset)
            body()

        return run

    stmt_rules: dict[type, Callable[[Any, Any], Run]] = {
        For: _for,
        Store: _store,
        If: _if,
        Seq: _seq,
        Allocate: _allocate,
    }

    # elements of buffers

    def array(self, buffer: Buffer, indices: tuple[Expr, ...]) -> np.ndarray:
        """The array of a buffer, flat where one index is given for all dimensions."""
        if buffer not in self.arrays:
            raise ValueError(f"buffer {buffer!r} is used outside of its allocation, and is no parameter")
        array = self.arrays[buffer]
        if len(indices) == array.ndim:
            return array
        if not array.flags.c_contiguous:
            raise ValueError(f"{buffer!r} is used by row-major position, so its array must be C-contiguous")
        return array.reshape(-1)

    def address(self, buffer: Buffer, indices: tuple[Expr, ...]) -> Address:
        """A closure for the index of an element, or of several, inside of the shape for sure."""
        shape = buffer.shape if len(indices) == len(buffer.shape) else (buffer.size,)
        if len(indices) != len(shape):
            raise ValueError(
                f"{buffer!r} takes {len(buffer.shape)} indices or one position, not {len(indices)}"
            )
        evaluate = tuple(map(self.expr, indices))
        if any(lanes_of(index.dtype) > 1 for index in indices):

            def vector() -> tuple[Value, ...]:
                where = tuple([f() for f in evaluate])
                for i, n in zip(where, shape, strict=True):
                    if np.min(i) < 0 or np.max(i) >= n:
                        bad = zip(*np.broadcast_arrays(*where), strict=True)
                        _out_of_bounds(buffer, next(x for x in bad if not _inside(x, shape)))
                return where

            return self.slices(indices, shape, vector)
        if len(shape) == 1:
            (index,), (extent,) = evaluate, shape

            def element() -> tuple[Value, ...]:
                i = index()
                return (i,) if 0 <= i < extent else _out_of_bounds(buffer, (i,))

            return element

        def elements() -> tuple[Value, ...]:
            where = tuple([f() for f in evaluate])
            return where if _inside(where, shape) else _out_of_bounds(buffer, where)

        return elements

    def slices(self, indices: tuple[Expr, ...], shape: tuple[int, ...], general: Address) -> Address:
        """`general`, or the same faster where the one vector among the indices is an ascending ramp."""
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
                return general()  # names the lane that is outside
            where[axis] = slice(where[axis], where[axis] + last + 1, stride)
            return tuple(where)

        return sliced

    # expressions

    def expr(self, expr: Expr) -> Evaluate:
        rule = self.expr_rules.get(type(expr))
        if rule is None:
            raise ValueError(f"an expression cannot be a {type(expr).__name__}")
        return rule(self, expr)

    def _var(self, var: Var) -> Evaluate:
        if var not in self.cells:
            raise ValueError(f"variable {var!r} is used outside of its loop")
        cell = self.cells[var]
        return lambda: cell[0]

    def _const(self, node: Const) -> Evaluate:
        value: Value
        if is_float(node.dtype):
            with np.errstate(over="ignore"):  # a literal may round to infinity
                value = np.dtype(node.dtype).type(node.value)
        else:
            value = bool(node.value) if node.dtype == "bool" else _range(node.dtype)[2](int(node.value))
        return lambda: value

    def _binary(self, node: Binary) -> Evaluate:
        a, b = self.expr(node.a), self.expr(node.b)
        scalar, vector = scalar_of(node.a.dtype), lanes_of(node.a.dtype) > 1
        number = "float" if is_float(scalar) else "bool" if scalar == "bool" else "integer"
        operation = _OPERATIONS.get((node.op, number))
        if operation is None:
            raise ValueError(f"`{print_expr(node)}`: no operator {node.op!r} on {node.a.dtype}")
        if node.op in ("min", "max") and vector:
            choose = operator.lt if node.op == "min" else operator.gt

            def extremum() -> Value:
                x, y = a(), b()
                return np.where(choose(x, y), x, y)

            return extremum
        if number == "integer" and node.op in ("//", "%"):
            return _division(node, operation, a, b)
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

    def _load(self, node: Load) -> Evaluate:
        array, address = self.array(node.buffer, node.indices), self.address(node.buffer, node.indices)
        if is_float(node.buffer.dtype) or lanes_of(node.dtype) > 1:
            return lambda: array[address()]
        return lambda: array[address()].item()

    def _call(self, node: Call) -> Evaluate:
        if node.name == "if_then_else":
            return self._if_then_else(node)
        function = _FUNCTIONS.get(node.name)
        if function is None:
            raise ValueError(f"`{print_expr(node)}`: unknown intrinsic {node.name!r}")
        args = tuple(map(self.expr, node.args))
        if node.name == "abs" and not is_float(node.dtype) and lanes_of(node.dtype) == 1:
            wrap = _range(node.dtype)[2]
            return lambda: wrap(abs(args[0]()))
        return lambda: function(*[arg() for arg in args])

    def _if_then_else(self, node: Call) -> Evaluate:
        if lanes_of(node.args[0].dtype) > 1:
            # a lane must not be evaluated where another is chosen, so each is an expression of its own
            lanes = [self.expr(_lane(node, k)) for k in range(lanes_of(node.dtype))]
            dtype = scalar_of(node.dtype)
            return lambda: np.array([lane() for lane in lanes], dtype)
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
        value, lanes, dtype = self.expr(node.value), node.lanes, scalar_of(node.dtype)
        return value if lanes == 1 else lambda: np.full(lanes, value(), dtype)

    expr_rules: dict[type, Callable[[Any, Any], Evaluate]] = {
        Var: _var,
        Const: _const,
        Binary: _binary,
        Not: _not,
        Select: _select,
        Cast: _cast,
        Load: _load,
        Call: _call,
        Ramp: _ramp,
        Broadcast: _broadcast,
    }


def _inside(where: Sequence[Value], shape: tuple[int, ...]) -> bool:
    for i, n in zip(where, shape, strict=True):  # noqa: SIM110  (this is the innermost loop of all)
        if not 0 <= i < n:
            return False
    return True


def _out_of_bounds(buffer: Buffer, where: tuple[Value, ...]) -> NoReturn:
    index = ", ".join(str(int(i)) for i in where)
    raise IndexError(f"{buffer.name}[{index}] is out of bounds: the shape of {buffer.name} is {buffer.shape}")


def _range(dtype: str) -> tuple[int, int, Callable[[int], int]]:
    """The least and the greatest integer of a type, and what wraps any other into it."""
    info = np.iinfo(dtype)
    low, high = int(info.min), int(info.max)
    return low, high, lambda value: (value - low) % (high - low + 1) + low


def _division(node: Binary, operation: Callable[[Value, Value], Value], a: Evaluate, b: Evaluate) -> Evaluate:
    vector = lanes_of(node.dtype) > 1
    low, high, wrap = _range(scalar_of(node.dtype))

    def divide() -> Value:
        x, y = a(), b()
        if not (y.all() if vector else y):
            raise ZeroDivisionError(f"`{print_expr(node)}` divides by zero")
        value = operation(x, y)
        # the least integer divided by -1 is out of range; a vector has wrapped by itself
        return value if vector or low <= value <= high else wrap(value)

    return divide


def _conversion(source: str, target: str) -> Callable[[Value], Value]:
    """What converts a value of type `source` to type `target`, lane by lane."""
    to, vector = scalar_of(target), lanes_of(target) > 1
    if to == "bool":
        return (lambda value: value != 0) if vector else (lambda value: bool(value != 0))
    number = np.dtype(to).type
    if is_float(to):
        if vector:
            return lambda value: value.astype(number)
        # through the NumPy scalar of the source, so that a wide integer is rounded once
        wide = np.dtype(scalar_of(source)).type
        return lambda value: wide(value).astype(number)
    low, high, wrap = _range(to)
    if not is_float(source):
        return (lambda value: value.astype(number)) if vector else (lambda value: wrap(int(value)))

    def saturate(value: Any) -> int:
        if value != value:
            return 0
        return high if value >= high else low if value <= low else int(value)

    return (lambda value: np.array([saturate(v) for v in value], number)) if vector else saturate


def _lane(expr: Expr, k: int) -> Any:
    """The scalar expression of lane `k` of a vector; a scalar is itself in every lane."""
    return expr if lanes_of(expr.dtype) == 1 else _LANES[type(expr)](expr, k)


_LANES: dict[type, Callable[[Any, int], Expr]] = {
    Binary: lambda n, k: Binary(n.op, _lane(n.a, k), _lane(n.b, k), scalar_of(n.dtype)),
    Not: lambda n, k: Not(_lane(n.a, k)),
    Select: lambda n, k: Select(_lane(n.condition, k), _lane(n.a, k), _lane(n.b, k)),
    Cast: lambda n, k: Cast(_lane(n.value, k), scalar_of(n.dtype)),
    Load: lambda n, k: Load(n.buffer, tuple(_lane(i, k) for i in n.indices)),
    Call: lambda n, k: Call(n.name, tuple(_lane(a, k) for a in n.args), scalar_of(n.dtype)),
    Ramp: lambda n, k: binary("+", n.base, binary("*", n.stride, Const(k, n.base.dtype))),
    Broadcast: lambda n, k: n.value,
}

_COMPARE = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
_COMPARE |= {"==": operator.eq, "!=": operator.ne}
_NUMBER = {"+": operator.add, "-": operator.sub, "*": operator.mul}
_NUMBER |= {"min": lambda a, b: a if a < b else b, "max": lambda a, b: a if a > b else b}

# (operator, kind of number) -> what it does
_OPERATIONS: dict[tuple[str, str], Callable[[Value, Value], Value]] = {
    **{(op, number): f for op, f in _COMPARE.items() for number in ("integer", "float", "bool")},
    **{(op, number): f for op, f in _NUMBER.items() for number in ("integer", "float")},
    ("//", "integer"): operator.floordiv,
    ("%", "integer"): operator.mod,
    ("/", "float"): operator.truediv,
    ("and", "bool"): operator.and_,
    ("or", "bool"): operator.or_,
}

_FUNCTIONS: dict[str, Callable[..., Value]] = {
    "exp": np.exp,
    "log": np.log,
    "sqrt": np.sqrt,
    "tanh": np.tanh,
    "abs": np.abs,
    "floor": np.floor,
    "ceil": np.ceil,
    "pow": np.power,
}
