"""Vectorization: the iterations of a loop become the lanes of vectors."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

from compiler.errors import ScheduleWarning
from compiler.ir.address import in_type, shifted, widened
from compiler.ir.dtype import integer_range, is_integer, lanes_of, scalar_of, vector_of
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
    conjunction,
)
from compiler.ir.foreign import is_of_target
from compiler.ir.function import Invoke, PrimFunc
from compiler.ir.recursion import recursive
from compiler.ir.semantics.access import is_pure, mentions, reads
from compiler.ir.simplify.canonical import CANONICAL_TYPES
from compiler.ir.simplify.ranges import RangeRewriter
from compiler.ir.simplify.simplify import FALSE, Interval, Simplifier, fits, simplify
from compiler.ir.stmt import (
    THREAD_TAGS,
    Allocate,
    Barrier,
    Copy,
    For,
    If,
    Let,
    Prefetch,
    Region,
    Seq,
    Stmt,
    Store,
    Token,
)
from compiler.ir.visit import Rewriter, substitute
from compiler.passes.code_size import LANE_LIMIT


def vectorize(func: PrimFunc) -> PrimFunc:
    """Turn the loops marked ``vectorize`` into vector statements.

    ::

        for j in vectorize(16):                      C[ramp(i * 16, 1, 16)] =
            C[i * 16 + j] = A[i * 16 + j] * x   ->       A[ramp(i * 16, 1, 16)] * broadcast(x, 16)

    An ``if_then_else`` becomes a masked choice. An ``if`` whose condition depends on the lane becomes a
    vector statement where the condition holds in all lanes, and a scalar loop elsewhere::

        for j in vectorize(16):                      if i * 16 + 15 < n:
            if i * 16 + j < n:                           C[ramp(i * 16, 1, 16)] = broadcast(x, 16)
                C[i * 16 + j] = x            ->      else:
                                                         for j in range(16):
                                                             if i * 16 + j < n:
                                                                 C[i * 16 + j] = x

    A buffer allocated inside has elements for every lane. A statement without a vector form, such as a loop
    whose extent differs between the lanes, is executed lane by lane; a loop whose iterations all store to the
    same element becomes serial. So does a loop of more than `LANE_LIMIT` iterations, with a
    `ScheduleWarning`.
    """
    return func.with_body(_Vectorize(func)(func.body))


class _Vectorize(RangeRewriter):
    def __init__(self, func: PrimFunc) -> None:
        super().__init__(func)
        self.name = func.name

    def _for(self, node: For) -> Stmt:
        inner = self.loop(node)
        if inner.kind != "vectorize":
            return inner
        if type(inner.extent) is Const and int(inner.extent.value) > LANE_LIMIT:
            warnings.warn(
                f"{self.name}: the vectorized loop over {node.var.name!r} has {inner.extent.value} "
                f"iterations, more than {LANE_LIMIT} lanes, which would take very long to compile: it stays "
                "a loop; split it, and vectorize the inner loop",
                ScheduleWarning,
                stacklevel=2,
            )
        elif type(inner.extent) is Const:
            try:
                with self.inside(inner):
                    return _Widen(inner.var, int(inner.extent.value), self.ranges)(inner.body)
            except (_NoVectorError, _OneElementError):
                pass
        return For(inner.var, inner.extent, "serial", inner.body)

    rules = RangeRewriter.rules | {For: _for}


class _NoVectorError(Exception):
    """A statement has no vector form."""


class _OneElementError(Exception):
    """All iterations store to the same element, or synchronize, so they must run in order."""


class _Widen(Rewriter):
    """The body of a loop for all its iterations, as lanes."""

    def __init__(self, var: Var, lanes: int, ranges: Mapping[Var, Interval]) -> None:
        self.var, self.lanes, self.ranges = var, lanes, ranges
        self.lets: dict[Var, Var] = {}  # scalar -> vector
        self.expanded: dict[Buffer, Buffer] = {}  # allocated in the loop -> with elements for every lane

    def __call__(self, node: Any) -> Any:
        if not isinstance(node, Stmt):
            return super().__call__(node)
        try:
            return super().__call__(node)
        except _NoVectorError:
            if self.lets or isinstance(node, (Seq, Allocate)):
                raise  # the variable of a let is a vector, so there are no scalar lanes
            return For(self.var, self.extent, "serial", _Lane(self)(node))

    def _broadcast(self, expr: Expr) -> Expr:
        lanes = lanes_of(expr.dtype)
        if lanes == self.lanes:
            return expr
        if lanes != 1:
            raise _NoVectorError
        return Broadcast(expr, self.lanes)

    def _together(self, *exprs: Expr) -> tuple[Expr, ...]:
        """Unchanged if all are scalars, otherwise all with the lanes of the loop."""
        if all(lanes_of(e.dtype) == 1 for e in exprs):
            return exprs
        return tuple(self._broadcast(e) for e in exprs)

    def _variable(self, node: Var) -> Expr:
        if node is not self.var:
            return self.lets.get(node, node)
        return Ramp(Const(0, node.dtype), Const(1, node.dtype), self.lanes)

    def _binary(self, node: Binary) -> Expr:
        a, b = self(node.a), self(node.b)
        if node.op in ("+", "-", "*") and (type(a) is Ramp or type(b) is Ramp):
            ramp = _ramp(node.op, a, b)
            if ramp is not None:
                return ramp
        a, b = self._together(a, b)
        return (
            node
            if a is node.a and b is node.b
            else Binary(node.op, a, b, vector_of(node.dtype, lanes_of(a.dtype)))
        )

    def _select(self, node: Select) -> Expr:
        return Select(*self._together(self(node.condition), self(node.a), self(node.b)))

    def _not(self, node: Not) -> Expr:
        return Not(self(node.a))

    def _cast(self, node: Cast | Reinterpret) -> Expr:
        value = self(node.value)
        if type(node) is Cast and type(value) is Ramp and is_integer(node.dtype):
            # no lane wraps around in either type, so the cast of the ramp is a ramp
            values = Simplifier(self.ranges).bounds(value)
            if fits(values, scalar_of(value.dtype)) and fits(values, node.dtype):
                return Ramp(in_type(value.base, node.dtype), in_type(value.stride, node.dtype), value.lanes)
        return type(node)(value, vector_of(node.dtype, lanes_of(value.dtype)))

    def _call(self, node: Call) -> Expr:
        args = tuple(self(arg) for arg in node.args)
        if args == node.args:
            return node
        if is_of_target(node.name):  # an instruction of other vectors, or of none
            raise _NoVectorError
        if node.name == "if_then_else":
            if lanes_of(args[0].dtype) > 1:
                args = tuple(self._broadcast(arg) for arg in args)
            else:
                args = (args[0], *self._together(*args[1:]))
        else:
            args = self._together(*args)
        return Call(node.name, args, vector_of(node.dtype, lanes_of(args[-1].dtype)))

    def _no_vector_of_vectors(self, node: Expr) -> Expr:
        inner = self.descend(node)
        if inner is not node:
            raise _NoVectorError
        return node

    def _load(self, node: Load) -> Expr:
        indices = tuple(self(index) for index in node.indices)
        if node.buffer in self.expanded and any(lanes_of(i.dtype) > 1 for i in node.indices):
            raise _NoVectorError  # lanes of an inner loop
        if any(lanes_of(i.dtype) not in (1, self.lanes) for i in indices) and indices != node.indices:
            raise _NoVectorError
        if node.buffer in self.expanded:
            return Load(self.expanded[node.buffer], (self.each_lane(indices, self.expanded[node.buffer]),))
        return Load(node.buffer, indices)

    def _store(self, node: Store) -> Stmt:
        indices = tuple(self(index) for index in node.indices)
        value = self(node.value)
        if node.buffer in self.expanded and any(lanes_of(i.dtype) > 1 for i in node.indices):
            raise _NoVectorError
        if node.buffer in self.expanded:
            new = self.expanded[node.buffer]
            return Store(new, (self.each_lane(indices, new),), self._broadcast(value))
        if indices == node.indices and lanes_of(value.dtype) == 1 and node.buffer not in reads(value):
            return Store(node.buffer, indices, value)  # every iteration stores the same
        if indices == node.indices:
            raise _OneElementError
        if len(indices) != 1 or lanes_of(indices[0].dtype) != self.lanes:
            raise _NoVectorError
        return Store(node.buffer, indices, self._broadcast(value))

    def each_lane(self, indices: tuple[Expr, ...], buffer: Buffer) -> Expr:
        """The index in `buffer`, for all lanes, of an element of a buffer allocated in the loop."""
        if len(indices) != 1 or lanes_of(indices[0].dtype) not in (1, self.lanes):
            raise _NoVectorError
        index = indices[0]
        scaled = times(index, self.lanes, buffer)
        dtype = scalar_of(scaled.dtype)
        lane = Ramp(Const(0, dtype), Const(1, dtype), self.lanes)
        together = _ramp("+", scaled, lane)
        return together if together is not None else Binary("+", scaled, lane, lane.dtype)

    def _for(self, node: For) -> Stmt:
        extent = self(node.extent)
        if lanes_of(extent.dtype) > 1 or node.kind in ("parallel", *THREAD_TAGS):
            raise _NoVectorError
        return For(node.var, extent, node.kind, self(node.body), node.pragmas)

    def _if(self, node: If) -> Stmt:
        condition = self(node.condition)
        if lanes_of(condition.dtype) == 1:
            return If(condition, self(node.then), None if node.otherwise is None else self(node.otherwise))
        if not self.is_convex(node.condition) or self.lets:
            raise _NoVectorError
        ends = [substitute(node.condition, {self.var: Const(i, self.var.dtype)}) for i in (0, self.lanes - 1)]
        everywhere = simplify(conjunction(ends), self.ranges)
        if everywhere == FALSE:
            raise _NoVectorError
        return If(everywhere, self(node.then), For(self.var, self.extent, "serial", _Lane(self)(node)))

    @recursive
    def is_convex(self, condition: Expr) -> bool:
        """Whether `condition` is known to hold in all lanes if it holds in the first and the last."""
        if not mentions(condition, (self.var,)):
            return is_pure(condition)
        if type(condition) is not Binary:
            return False
        if condition.op == "and":
            return self.is_convex(condition.a) and self.is_convex(condition.b)
        if condition.op not in ("<", "<=", ">", ">=", "==") or condition.a.dtype not in CANONICAL_TYPES:
            return False
        simplifier = Simplifier(self.ranges)
        sums = [simplifier.sum_of(side) for side in (condition.a, condition.b)]
        linear = all(
            atom is self.var or (is_pure(atom) and not mentions(atom, (self.var,)))
            for total in sums
            for atom in total.terms
        )
        return linear and all(fits(simplifier.sum_bounds(total)) for total in sums)

    def _allocate(self, node: Allocate) -> Stmt:
        old = node.buffer
        if len(old.shape) != 1:
            raise _NoVectorError
        self.expanded[old] = Buffer(old.name, (old.size * self.lanes,), old.dtype, old.scope)
        body = self(node.body)
        return Allocate(self.expanded.pop(old), body, node.pragmas)

    def _let(self, node: Let) -> Stmt:
        value = self(node.value)
        if lanes_of(value.dtype) == lanes_of(node.var.dtype):
            return Let(node.var, value, self(node.body))
        self.lets[node.var] = Var(node.var.name, value.dtype)
        body = self(node.body)
        return Let(self.lets.pop(node.var), value, body)

    def _prefetch(self, node: Prefetch) -> Stmt:
        return substitute(node, {self.var: Const(0, self.var.dtype)})  # its cache line has the neighbours too

    def _each_by_itself(self, node: Stmt) -> Stmt:
        raise _NoVectorError

    def _in_order(self, node: Stmt) -> Stmt:
        raise _OneElementError

    @property
    def extent(self) -> Const:
        return Const(self.lanes, self.var.dtype)

    rules = {
        Var: _variable,
        Binary: _binary,
        Select: _select,
        Not: _not,
        Cast: _cast,
        Reinterpret: _cast,
        Call: _call,
        Ramp: _no_vector_of_vectors,
        Broadcast: _no_vector_of_vectors,
        Load: _load,
        Store: _store,
        For: _for,
        If: _if,
        Allocate: _allocate,
        Let: _let,
        Prefetch: _prefetch,
        Copy: _each_by_itself,
        Invoke: _each_by_itself,
        Barrier: _in_order,
        Token: _in_order,
    }


class _Lane(Rewriter):
    """A statement of one lane, which accesses its elements in the buffers with elements for all lanes."""

    def __init__(self, wide: _Widen) -> None:
        self.wide = wide

    def element(self, index: Expr, buffer: Buffer) -> Expr:
        scaled = times(index, self.wide.lanes, buffer)
        return shifted(scaled, self.wide.var)

    def _load(self, node: Load) -> Expr:
        inner = self.descend(node)
        expanded = self.wide.expanded.get(node.buffer)
        return inner if expanded is None else Load(expanded, (self.element(inner.indices[0], expanded),))

    def _store(self, node: Store) -> Stmt:
        inner = self.descend(node)
        expanded = self.wide.expanded.get(node.buffer)
        return (
            inner
            if expanded is None
            else Store(expanded, (self.element(inner.indices[0], expanded),), inner.value)
        )

    def _region(self, node: Region) -> Region:
        if node.buffer in self.wide.expanded:
            raise _OneElementError  # the elements of a lane are not contiguous
        return node

    rules = {Load: _load, Store: _store, Region: _region}


def times(index: Expr, factor: int, buffer: Buffer) -> Expr:
    """An index, or a vector of indices, times an integer, in a type that holds a position in `buffer`."""
    index = widened(index, buffer.size)
    number = Const(factor, scalar_of(index.dtype))
    scaled = _ramp("*", index, number) if type(index) is Ramp else None
    return binary("*", index, number) if scaled is None else scaled


def _negated(value: Expr) -> Expr:
    """The negative of an integer, which wraps around in an unsigned type."""
    if type(value) is not Const:
        return binary("-", Const(0, value.dtype), value)
    low, high = integer_range(value.dtype)
    return Const((-int(value.value) - low) % (high - low + 1) + low, value.dtype)


def _ramp(op: str, a: Expr, b: Expr) -> Expr | None:
    """``a op b`` as a ramp, if one operand is a ramp and the other a scalar or, but for ``*``, a ramp."""
    if type(a) is Ramp and lanes_of(b.dtype) == 1:
        if op == "*":
            return Ramp(binary("*", a.base, b), binary("*", a.stride, b), a.lanes)
        return Ramp(binary(op, a.base, b), a.stride, a.lanes)
    if type(b) is Ramp and lanes_of(a.dtype) == 1:
        if op == "*":
            return Ramp(binary("*", b.base, a), binary("*", b.stride, a), b.lanes)
        stride = b.stride if op == "+" else _negated(b.stride)
        return Ramp(binary(op, a, b.base), stride, b.lanes)
    if type(a) is Ramp and type(b) is Ramp and op != "*" and a.lanes == b.lanes:
        return Ramp(binary(op, a.base, b.base), binary(op, a.stride, b.stride), a.lanes)
    return None
