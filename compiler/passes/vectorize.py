"""Vectorization: the iterations of a loop become the lanes of vectors."""

from __future__ import annotations

from compiler.ir.expr import (
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
    lanes_of,
    vector_of,
)
from compiler.ir.function import PrimFunc
from compiler.ir.stmt import Allocate, For, If, Stmt, Store
from compiler.ir.visit import Rewriter


def vectorize(func: PrimFunc) -> PrimFunc:
    """Turn the loops marked ``vectorize`` into vector statements.

    ::

        for j in vectorize(16):
            C[i * 16 + j] = A[i * 16 + j] * x
                 ->
        C[ramp(i * 16, 1, 16)] = A[ramp(i * 16, 1, 16)] * broadcast(x, 16)

    A loop whose lanes would take different branches, or write one element, is run
    serially instead; the target may still vectorize it with masks.
    """
    return func.with_body(_Vectorize()(func.body))


class _Vectorize(Rewriter):
    def _for(self, node: For) -> Stmt:
        inner = self.descend(node)
        if inner.kind != "vectorize":
            return inner
        if type(inner.extent) is Const:
            try:
                return _Widen(inner.var, int(inner.extent.value))(inner.body)
            except _NoVectorError:
                pass
        return For(inner.var, inner.extent, "serial", inner.body)

    rules = {For: _for}


class _NoVectorError(Exception):
    """The loop has no form as vector statements."""


class _Widen(Rewriter):
    """The body of a loop for all its iterations at once."""

    def __init__(self, var: Var, lanes: int) -> None:
        self.var, self.lanes = var, lanes

    def _broadcast(self, expr: Expr) -> Expr:
        lanes = lanes_of(expr.dtype)
        if lanes == self.lanes:
            return expr
        if lanes != 1:
            raise _NoVectorError
        return Broadcast(expr, self.lanes)

    def _together(self, *exprs: Expr) -> tuple[Expr, ...]:
        """All scalar as they are, or all as wide as the loop."""
        if all(lanes_of(e.dtype) == 1 for e in exprs):
            return exprs
        return tuple(self._broadcast(e) for e in exprs)

    def _variable(self, node: Var) -> Expr:
        if node is not self.var:
            return node
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

    def _cast(self, node: Cast) -> Expr:
        value = self(node.value)
        return Cast(value, vector_of(node.dtype, lanes_of(value.dtype)))

    def _call(self, node: Call) -> Expr:
        args = tuple(self(arg) for arg in node.args)
        if node.name == "if_then_else":
            if lanes_of(args[0].dtype) > 1:
                raise _NoVectorError
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
        if any(lanes_of(i.dtype) not in (1, self.lanes) for i in indices) and indices != node.indices:
            raise _NoVectorError
        return Load(node.buffer, indices)

    def _store(self, node: Store) -> Stmt:
        indices = tuple(self(index) for index in node.indices)
        value = self(node.value)
        if len(indices) != 1 or lanes_of(indices[0].dtype) != self.lanes or indices[0] == node.indices[0]:
            raise _NoVectorError  # every iteration writes the same element
        return Store(node.buffer, indices, self._broadcast(value))

    def _for(self, node: For) -> Stmt:
        extent = self(node.extent)
        if lanes_of(extent.dtype) > 1 or node.kind == "parallel":
            raise _NoVectorError
        return For(node.var, extent, node.kind, self(node.body))

    def _if(self, node: If) -> Stmt:
        condition = self(node.condition)
        if lanes_of(condition.dtype) > 1:
            raise _NoVectorError
        return If(condition, self(node.then), None if node.otherwise is None else self(node.otherwise))

    def _allocate(self, node: Allocate) -> Stmt:
        raise _NoVectorError

    rules = {
        Var: _variable,
        Binary: _binary,
        Select: _select,
        Not: _not,
        Cast: _cast,
        Call: _call,
        Ramp: _no_vector_of_vectors,
        Broadcast: _no_vector_of_vectors,
        Load: _load,
        Store: _store,
        For: _for,
        If: _if,
        Allocate: _allocate,
    }


def _ramp(op: str, a: Expr, b: Expr) -> Expr | None:
    """``a op b`` as a ramp, where one side is a ramp and the other the same in every lane."""
    if type(a) is Ramp and lanes_of(b.dtype) == 1:
        if op == "*":
            return Ramp(binary("*", a.base, b), binary("*", a.stride, b), a.lanes)
        return Ramp(binary(op, a.base, b), a.stride, a.lanes)
    if type(b) is Ramp and lanes_of(a.dtype) == 1:
        if op == "*":
            return Ramp(binary("*", b.base, a), binary("*", b.stride, a), b.lanes)
        stride = b.stride if op == "+" else binary("*", b.stride, -1)
        return Ramp(binary(op, a, b.base), stride, b.lanes)
    if type(a) is Ramp and type(b) is Ramp and op != "*" and a.lanes == b.lanes:
        return Ramp(binary(op, a.base, b.base), binary(op, a.stride, b.stride), a.lanes)
    return None
