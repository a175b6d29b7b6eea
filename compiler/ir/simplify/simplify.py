"""Simplification of expressions and statements, given the ranges of their variables.

Index arithmetic, of the types of `compiler.ir.simplify.canonical.CANONICAL_TYPES`, is represented by sums
(`arithmetic`). Comparisons and divisions are decided by intervals (`bounds`), modular sets (`modular`) and
the conditions that hold (`facts`). Everything else is in the table of rewrite rules (`rules`).

On the way down the simplifier adds facts: the range of a loop's variable, the value of a let, and inside of a
branch its condition. A condition holds only where its branch runs. Both arms of a `select` run, so an arm is
simplified under the condition only if it reads no buffer, since a read may be outside of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from compiler.ir.dtype import integer_range, is_integer, lanes_of, scalar_of
from compiler.ir.expr import Binary, Broadcast, Call, Cast, Const, Expr, Load, Not, Ramp, Select, Var
from compiler.ir.function import PrimFunc
from compiler.ir.operators import COMPARISON, NEGATED
from compiler.ir.simplify.arithmetic import CANONICAL, DECISIONS, FALSE, SUMMED, TRUE, Arithmetic
from compiler.ir.simplify.bounds import (
    HIGHEST,
    LOWEST,
    UNKNOWN,
    Interval,
    fits,
)
from compiler.ir.simplify.canonical import Sum
from compiler.ir.simplify.rules import rewrite
from compiler.ir.stmt import Allocate, For, If, Let, Seq, Stmt, sequence
from compiler.ir.visit import Rewriter, children, contains_barrier, rebuild, walk


class Simplifier(Arithmetic, Rewriter):
    """Simplifies expressions and statements, given the ranges of their variables.

    Parameters
    ----------
    ranges : mapping of Var to (int, int)
        The closed interval of each variable; those of loop variables inside of a statement are added. A
        dynamic extent that is not given has the interval of its bounds.
    """

    def under(self, condition: Expr, holds: bool, node: Any) -> Any:
        """`node` simplified where `condition` holds, or does not."""
        if type(condition) is Const or lanes_of(condition.dtype) > 1:
            return self(node)
        return self.inside(lambda: self.learn(condition, holds), self, node)

    def learn(self, condition: Expr, holds: bool) -> None:
        """Add the fact that `condition` holds, or that it does not."""
        if type(condition) is Not:
            return self.learn(condition.a, not holds)
        self.truths = {**self.truths, condition: holds}
        if type(condition) is not Binary:
            return
        op, a, b = condition.op, condition.a, condition.b
        if op in ("and", "or"):
            if holds == (op == "and"):
                self.learn(a, holds)
                self.learn(b, holds)
        elif op in NEGATED and a.dtype in CANONICAL:
            self.truths[Binary(NEGATED[op], a, b, "bool")] = not holds
            op = op if holds else NEGATED[op]
            left, right = self.sum_of(a), self.sum_of(b)
            if self.is_exact_sum(left) and self.is_exact_sum(right):
                self.learn_sum(left - right, op)

    def _logic(self, node: Binary) -> Expr:
        a = self(node.a)
        b = self(node.b) if _loads(node.b) else self.under(a, node.op == "and", node.b)
        return self._by_rule(rebuild(node, (a, b)))

    # --- every expression ---------------------------------------------------------------------

    def __call__(self, node: Any) -> Any:
        if type(node) is Const:
            return node
        result = Rewriter.__call__(self, node)
        if self.truths and isinstance(result, Expr) and result.dtype == "bool" and result in self.truths:
            return TRUE if self.truths[result] else FALSE
        return result

    def _by_rule(self, node: Expr) -> Expr:
        """A node with simplified operands, rewritten by the rules."""
        result = rewrite(node, self)
        if result is None:
            return node
        # an operand is simplified already
        return result if any(result is operand for operand in children(node)) else self(result)

    def _operands_first(self, node: Expr) -> Expr:
        return self._by_rule(self.descend(node))

    def _binary(self, node: Binary) -> Expr:
        op, dtype = node.op, node.a.dtype
        if dtype in CANONICAL:
            if op in COMPARISON:
                return self.compared(node)
            if op in SUMMED:
                result = self.sum_of(node).expr()
                return node if result == node else result
        if op in ("and", "or"):
            return self._logic(node)
        if op in COMPARISON and is_integer(dtype):
            simple = self.descend(node)
            if type(simple) is not Binary:
                return simple
            (low, high), (least, most) = self.bounds(simple.a), self.bounds(simple.b)
            decision = DECISIONS[op](low - most, high - least)
            if decision is None:
                return self._by_rule(simple)
            literal = TRUE if decision else FALSE
            return literal if lanes_of(dtype) == 1 else Broadcast(literal, lanes_of(dtype))
        return self._operands_first(node)

    def _select(self, node: Select) -> Expr:
        condition = self(node.condition)
        a, b = (
            self(arm) if _loads(arm) else self.under(condition, holds, arm)
            for holds, arm in ((True, node.a), (False, node.b))
        )
        return self._by_rule(rebuild(node, (condition, a, b)))

    def _call(self, node: Call) -> Expr:
        if node.name != "if_then_else":
            return self.descend(node)
        condition = self(node.args[0])
        if condition in (TRUE, FALSE):
            return self(node.args[1 if condition == TRUE else 2])
        arms = (self.under(condition, True, node.args[1]), self.under(condition, False, node.args[2]))
        return self._by_rule(rebuild(node, (condition, *arms)))

    def _cast(self, node: Cast) -> Expr:
        value = self(node.value)
        if value.dtype == node.dtype:
            return value
        if type(value) is Broadcast:
            return Broadcast(self(Cast(value.value, scalar_of(node.dtype))), value.lanes)
        if type(value) is Const and type(value.value) is int and is_integer(node.dtype):
            low, high = integer_range(node.dtype)
            return Const((value.value - low) % (high - low + 1) + low, node.dtype)
        if type(value) is Cast and is_integer(value.dtype) and is_integer(node.dtype):
            inner = value.value
            if is_integer(inner.dtype) and fits(self.bounds(inner), value.dtype):
                return self(inner if inner.dtype == node.dtype else Cast(inner, node.dtype))
        return rebuild(node, (value,))

    def _load(self, node: Load) -> Expr:
        """A load of the same element in all lanes becomes a scalar load."""
        load = self.descend(node)
        if not any(type(i) is Broadcast for i in load.indices):
            return load
        if not all(type(i) is Broadcast or lanes_of(i.dtype) == 1 for i in load.indices):
            return load
        lanes = lanes_of(load.dtype)
        return Broadcast(
            Load(load.buffer, tuple(i.value if type(i) is Broadcast else i for i in load.indices)), lanes
        )

    # --- statements ---------------------------------------------------------------------------

    def _for(self, node: For) -> Stmt:
        extent = self(node.extent)
        if self.bounds(extent)[1] <= 0:
            return Seq(())
        # a loop with pragmas is kept for the pass that reads them; a barrier is legal only inside a loop over
        # threads
        if type(extent) is Const and extent.value == 1 and not node.pragmas and not _synchronizes(node):
            return self.named(node.var, Const(0, node.var.dtype), node.body)

        def learn() -> None:
            self.ranges[node.var] = (0, self.bounds(extent)[1] - 1)
            # an extent that is loaded may change in memory while the loop runs
            if type(extent) is not Const and node.var.dtype in CANONICAL and not _loads(extent):
                total = self.sum_of(extent)
                if self.is_exact_sum(total):
                    self.learn_sum(Sum({node.var: 1}, 0, total.dtype) - total, "<")

        body = self.inside(learn, self, node.body)
        return body if body == Seq(()) else rebuild(node, (extent, body))

    def _if(self, node: If) -> Stmt:
        condition = self(node.condition)
        if condition == TRUE:
            return self(node.then)
        otherwise = None if node.otherwise is None else self._branch(condition, False, node.otherwise)
        if condition == FALSE:
            return Seq(()) if otherwise is None else otherwise
        then = self._branch(condition, True, node.then)
        if otherwise is None:
            return then if then == Seq(()) else rebuild(node, (condition, then))
        return rebuild(node, (condition, then, otherwise))

    def _branch(self, condition: Expr, holds: bool, branch: Stmt) -> Stmt:
        """A branch simplified under its condition, which was evaluated before the branch."""
        if _loads(condition):
            return self(branch)  # its stores may change the value of the condition
        return self.under(condition, holds, branch)

    def named(self, var: Var, value: Expr, body: Stmt) -> Stmt:
        """`body` with a variable replaced by a literal or another variable."""

        def learn() -> None:
            self.values = {**self.values, var: value}
            self.ranges[var] = self.bounds(value)

        return self.inside(learn, self, body)

    def _let(self, node: Let) -> Stmt:
        value = self(node.value)
        if type(value) in (Const, Var):
            return self.named(node.var, value, node.body)

        def learn() -> None:
            if is_integer(node.var.dtype):
                self.ranges[node.var] = self.bounds(value)
                self.remainders = {**self.remainders, node.var: self.modular(value)}

        body = self.inside(learn, self, node.body)
        return body if body == Seq(()) else rebuild(node, (value, body))

    def _seq(self, node: Seq) -> Stmt:
        stmts = [self(stmt) for stmt in node.stmts]
        if all(a is b for a, b in zip(stmts, node.stmts, strict=True)):
            return node
        return sequence(stmts)

    def _allocate(self, node: Allocate) -> Stmt:
        body = self(node.body)
        return body if body == Seq(()) else rebuild(node, (body,))

    rules = {
        Var: lambda self, node: self.values.get(node, node),
        Binary: _binary,
        Not: _operands_first,
        Select: _select,
        Cast: _cast,
        Call: _call,
        Load: _load,
        Ramp: _operands_first,
        For: _for,
        If: _if,
        Let: _let,
        Seq: _seq,
        Allocate: _allocate,
    }


def _loads(expr: Expr) -> bool:
    """Whether an expression reads a buffer."""
    return any(type(node) is Load for node in walk(expr))


def _synchronizes(loop: For) -> bool:
    """Whether `loop` is over threads and contains a barrier."""
    return loop.kind.startswith("threadIdx") and contains_barrier(loop.body)


def simplify(node: Any, ranges: Mapping[Var, Interval] | None = None) -> Any:
    """Simplify an expression, a statement or a function.

    Parameters
    ----------
    node : Expr, Stmt or PrimFunc
    ranges : mapping of Var to (int, int), optional
        Closed intervals of variables that are free in `node`.

    Returns
    -------
    Expr, Stmt or PrimFunc
        With the same meaning; the same object if nothing in a statement changed.
    """
    if isinstance(node, PrimFunc):
        return node.with_body(Simplifier(ranges)(node.body))
    return Simplifier(ranges)(node)


__all__ = [
    "FALSE",
    "HIGHEST",
    "LOWEST",
    "TRUE",
    "UNKNOWN",
    "Interval",
    "Simplifier",
    "Sum",
    "fits",
    "simplify",
]
