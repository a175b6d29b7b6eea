"""Random programs of the loop IR, for every test that holds for all of them.

The programs pass the verifier and stay inside of their buffers, so they print, parse and run.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import strategies as st

from compiler.ir.expr import (
    COMPARISON,
    LOGIC,
    SCALAR_TYPES,
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
    is_float,
    vector_of,
)
from compiler.ir.function import SCOPES, Buffer, PrimFunc
from compiler.ir.stmt import LOOP_KINDS, Allocate, For, If, Seq, Stmt, Store

# among them names that clash, that Python or the text reserves, and that are no identifiers
NAMES = ("A", "A_1", "i", "i", "i.outer", "x", "min", "for", "range", "float32", "2d", "", "\u00e9", "A")
INTEGERS = tuple(t for t in SCALAR_TYPES if t != "bool" and not is_float(t))
FLOATS = tuple(t for t in SCALAR_TYPES if is_float(t))
FUNCTIONS = ("exp", "log", "sqrt", "tanh", "abs", "floor", "ceil")


class _Writer:
    """Draws pieces of a program, given what is in scope."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        self.vars: list[Var] = []
        self.buffers: list[Buffer] = []

    def pick(self, *options):
        return self.draw(st.sampled_from(options))

    def new_buffer(self, scope: str, dtype: str | None = None) -> Buffer:
        shape = tuple(self.draw(st.lists(st.integers(1, 4), max_size=3)))
        return Buffer(self.pick(*NAMES), shape, dtype or self.pick("float32", "int32", *SCALAR_TYPES), scope)

    # statements

    def stmt(self, depth: int) -> Stmt:
        kinds = ("store", "loop", "branch", "seq", "allocate") if depth else ("store", "store", "empty")
        return getattr(self, self.pick(*kinds))(depth - 1)

    def empty(self, depth: int) -> Stmt:
        return Seq(())

    def seq(self, depth: int) -> Stmt:
        return Seq(tuple(self.stmt(depth) for _ in range(self.pick(0, 1, 2, 2, 3))))

    def store(self, depth: int) -> Stmt:
        buffer, lanes = self.pick(*self.buffers), self.pick(1, 1, 2, 4)
        if not buffer.shape:
            lanes = 1
        return Store(buffer, self.indices(buffer, lanes), self.expr(buffer.dtype, lanes, 3))

    def branch(self, depth: int) -> Stmt:
        otherwise = self.stmt(depth) if self.draw(st.booleans()) else None
        return If(self.expr("bool", 1, 2), self.stmt(depth), otherwise)

    def loop(self, depth: int) -> Stmt:
        kind, dtype = self.pick(*LOOP_KINDS), self.pick("int32", "int32", *INTEGERS)
        extent: Expr = Const(self.pick(0, 1, 2, 3), dtype)
        if kind != "vectorize" and self.draw(st.booleans()):
            extent = Binary("%", self.expr(dtype, 1, 1), Const(4, dtype), dtype)
        var = Var(self.pick(*NAMES), dtype)
        self.vars.append(var)
        body = self.stmt(depth)
        self.vars.pop()
        return For(var, extent, kind, body)

    def allocate(self, depth: int) -> Stmt:
        buffer = self.new_buffer(self.pick(*SCOPES))
        self.buffers.append(buffer)
        body = self.stmt(depth)
        self.buffers.pop()
        return Allocate(buffer, body)

    # expressions

    def indices(self, buffer: Buffer, lanes: int) -> tuple[Expr, ...]:
        """Indices inside of the shape, one of them a vector if `lanes` is more than one."""
        shape = (buffer.size,) if self.pick(False, False, True) else buffer.shape
        wide = self.pick(*range(len(shape))) if lanes > 1 else -1
        result = []
        for axis, extent in enumerate(shape):
            dtype, count = self.pick("int32", "int32", *INTEGERS), lanes if axis == wide else 1
            index = self.expr(dtype, count, 1)
            bound = self.repeat(Const(extent, dtype), count)
            result.append(Binary("%", index, bound, index.dtype))
        return tuple(result)

    def repeat(self, value: Expr, lanes: int) -> Expr:
        return value if lanes == 1 else Broadcast(value, lanes)

    def expr(self, dtype: str, lanes: int, depth: int) -> Expr:
        loads = [b for b in self.buffers if b.dtype == dtype and (b.shape or lanes == 1)]
        variables = [v for v in self.vars if v.dtype == dtype]
        kinds = ["literal"] + ["load"] * bool(loads and depth) + ["variable"] * 3 * bool(variables)
        if depth:
            kinds += ["select", "cast", "if_then_else"]
            kinds += ["compare", "logic", "not_"] if dtype == "bool" else ["arithmetic", "arithmetic"]
            kinds += ["function"] * is_float(dtype) + ["ramp"] * (dtype in INTEGERS and lanes > 1)
        kind = self.pick(*kinds)
        if kind == "load":
            buffer = self.pick(*loads)
            return Load(buffer, self.indices(buffer, lanes))
        if kind == "variable":
            return self.repeat(self.pick(*variables), lanes)
        return getattr(self, kind)(dtype, lanes, depth - 1)

    def literal(self, dtype: str, lanes: int, depth: int) -> Expr:
        if dtype == "bool":
            values: st.SearchStrategy = st.booleans()
        elif is_float(dtype):
            special = st.sampled_from(
                [0.0, -0.0, 1.0, -1.5, 0.1, 1e30, float("inf"), float("-inf"), float("nan")]
            )
            values = special | st.floats()
        else:
            info = np.iinfo(dtype)
            values = st.integers(max(info.min, -3), 4) | st.integers(int(info.min), int(info.max))
        return self.repeat(Const(self.draw(values), dtype), lanes)

    def select(self, dtype: str, lanes: int, depth: int) -> Expr:
        condition = self.expr("bool", self.pick(1, lanes), depth)
        return Select(condition, self.expr(dtype, lanes, depth), self.expr(dtype, lanes, depth))

    def if_then_else(self, dtype: str, lanes: int, depth: int) -> Expr:
        condition = self.expr("bool", self.pick(1, lanes), depth)
        args = (condition, self.expr(dtype, lanes, depth), self.expr(dtype, lanes, depth))
        return Call("if_then_else", args, vector_of(dtype, lanes))

    def cast(self, dtype: str, lanes: int, depth: int) -> Expr:
        return Cast(self.expr(self.pick(*SCALAR_TYPES), lanes, depth), vector_of(dtype, lanes))

    def function(self, dtype: str, lanes: int, depth: int) -> Expr:
        if self.pick(False, False, True):
            args: tuple[Expr, ...] = (self.expr(dtype, lanes, depth), self.expr(dtype, lanes, depth))
            return Call("pow", args, vector_of(dtype, lanes))
        return Call(self.pick(*FUNCTIONS), (self.expr(dtype, lanes, depth),), vector_of(dtype, lanes))

    def ramp(self, dtype: str, lanes: int, depth: int) -> Expr:
        return Ramp(self.expr(dtype, 1, depth), self.expr(dtype, 1, depth), lanes)

    def arithmetic(self, dtype: str, lanes: int, depth: int) -> Expr:
        op = self.pick("+", "-", "*", "min", "max", *(("/",) if is_float(dtype) else ("//", "%")))
        b = self.expr(dtype, lanes, depth)
        if op in ("//", "%"):
            negative = [] if dtype.startswith("u") else [-1, -2, -3]
            b = self.repeat(Const(self.pick(1, 2, 3, 7, *negative), dtype), lanes)
        return Binary(op, self.expr(dtype, lanes, depth), b, vector_of(dtype, lanes))

    def compare(self, dtype: str, lanes: int, depth: int) -> Expr:
        operand = self.pick(*SCALAR_TYPES)
        a, b = self.expr(operand, lanes, depth), self.expr(operand, lanes, depth)
        return Binary(self.pick(*COMPARISON), a, b, vector_of("bool", lanes))

    def logic(self, dtype: str, lanes: int, depth: int) -> Expr:
        a, b = self.expr("bool", lanes, depth), self.expr("bool", lanes, depth)
        return Binary(self.pick(*LOGIC), a, b, vector_of("bool", lanes))

    def not_(self, dtype: str, lanes: int, depth: int) -> Expr:
        return Not(self.expr("bool", lanes, depth))


@st.composite
def _functions(draw: st.DrawFn) -> PrimFunc:
    writer = _Writer(draw)
    scopes = draw(st.lists(st.sampled_from(("global", "global", *SCOPES)), min_size=1, max_size=3))
    writer.buffers = [writer.new_buffer(scope) for scope in scopes]
    params = tuple(writer.buffers)
    return PrimFunc(draw(st.sampled_from(["main", "exp", "f_1"])), params, writer.stmt(3))


@st.composite
def _vector_values(draw: st.DrawFn) -> tuple[tuple[Buffer, ...], Expr]:
    writer = _Writer(draw)
    writer.buffers = [Buffer("A", (2, 3), "float32"), Buffer("B", (5,), "int32"), Buffer("M", (4,), "bool")]
    params = tuple(writer.buffers)
    return params, writer.expr(draw(st.sampled_from(SCALAR_TYPES)), draw(st.sampled_from([2, 4])), 3)


@pytest.fixture(scope="session")
def functions() -> st.SearchStrategy[PrimFunc]:
    """Functions of all nodes, types and scopes."""
    return _functions()


@pytest.fixture(scope="session")
def vector_values() -> st.SearchStrategy[tuple[tuple[Buffer, ...], Expr]]:
    """Expressions of several lanes, with the buffers that they read."""
    return _vector_values()


def _random_arrays(params: tuple[Buffer, ...], seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    arrays = []
    for buffer in params:
        dtype = np.dtype(buffer.dtype)
        if dtype.kind == "f":
            array = rng.normal(scale=10, size=buffer.shape).astype(dtype)
            special = rng.choice([np.nan, np.inf, -np.inf, 0.0, -0.0], size=buffer.shape).astype(dtype)
            array = np.where(rng.random(buffer.shape) < 0.2, special, array)
        elif dtype.kind == "b":
            array = rng.random(buffer.shape) < 0.5
        else:
            info = np.iinfo(dtype)
            array = rng.integers(info.min, info.max, buffer.shape, dtype, endpoint=True)
        arrays.append(np.asarray(array, dtype).reshape(buffer.shape))
    return arrays


@pytest.fixture(scope="session")
def random_arrays():
    """``(params, seed) -> list of ndarray``: inputs with the awkward values of each type."""
    return _random_arrays
