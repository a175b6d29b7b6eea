"""Common-subexpression elimination: a value that a store evaluates twice is bound by a let."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from compiler.ir.expr import Binary, Call, Expr, Load, Var
from compiler.ir.function import PrimFunc
from compiler.ir.node import schema_of
from compiler.ir.semantics.access import is_pure
from compiler.ir.stmt import Let, Stmt, Store
from compiler.ir.visit import Rewriter, children, walk


def common_subexpressions(func: PrimFunc) -> PrimFunc:
    """Bind the values that one store evaluates more than once by a let, where they are costly.

    ::

        C[i] = exp(A[i]) / (1.0 + exp(A[i]))     ->      value = exp(A[i])
                                                         C[i] = value / (1.0 + value)

    Costly are intrinsics, divisions and remainders. Indices are not changed, since LLVM eliminates common
    subexpressions of addresses. An expression that only an arm of ``if_then_else`` evaluates is bound if it
    can be evaluated without an error.
    """
    return func.with_body(_Name()(func.body)) if any(_is_costly(n) for n in walk(func.body)) else func


class _Name(Rewriter):
    def _store(self, node: Store) -> Stmt:
        if not any(_is_costly(n) for n in walk(node.value)):
            return node
        number = _numbered(node.value)
        counts: Counter[int] = Counter()
        safe: dict[int, Expr] = {}
        for expr, always in _evaluated(node.value, True):
            if _is_costly(expr):
                counts[number[id(expr)]] += 1
                if always or is_pure(expr):
                    safe.setdefault(number[id(expr)], expr)
        shared = [safe[value] for value, count in counts.items() if count > 1 and value in safe]
        # the largest first, so that its subexpressions are not bound too
        for expr in sorted(shared, key=lambda e: -sum(1 for _ in walk(e))):
            var = Var("value", expr.dtype)
            named = _Replace(expr, var)
            body = named(node)
            if named.count > 1:
                return Let(var, expr, self(body))
        return node

    rules = {Store: _store}


def _numbered(root: Expr) -> dict[int, int]:
    """The number of each expression in `root` by its identity; equal expressions have the same number."""
    numbers: dict[int, int] = {}
    known: dict[tuple[Any, ...], int] = {}
    pending: list[tuple[Any, bool]] = [(root, False)]
    while pending:
        node, complete = pending.pop()
        below = () if type(node) is Load else children(node)
        if below and not complete:
            pending += [(node, True), *((child, False) for child in below)]
            continue
        key: tuple[Any, ...] = (node,)
        if below:
            parts = schema_of(type(node)).fields
            own = [getattr(node, part.name) for part in parts if part.role == "attribute"]
            key = (type(node), *own, *(numbers[id(child)] for child in below))
        numbers[id(node)] = known.setdefault(key, len(known))
    return numbers


def _is_costly(node: object) -> bool:
    if type(node) is Binary:
        return node.op in ("/", "//", "%")
    return type(node) is Call and node.name != "if_then_else"


def _evaluated(expr: Expr, always: bool) -> Iterator[tuple[Expr, bool]]:
    """The subexpressions of `expr` outside of indices, each with whether it is evaluated unconditionally."""
    pending: list[tuple[Any, bool]] = [(expr, always)]
    while pending:
        expr, always = pending.pop()
        yield expr, always
        if type(expr) is not Load:
            guarded = type(expr) is Call and expr.name == "if_then_else"
            below = [(c, always and not (guarded and at > 0)) for at, c in enumerate(children(expr))]
            pending += below[::-1]


class _Replace(Rewriter):
    """Replaces an expression by a variable, and counts the replacements."""

    def __init__(self, expr: Expr, var: Var) -> None:
        self.expr, self.var, self.count = expr, var, 0

    def __call__(self, node: Any) -> Any:
        if type(node) is type(self.expr) and node == self.expr:
            self.count += 1
            return self.var
        return super().__call__(node)
