"""Comparisons linear in a loop variable, and the iterations at which they begin or cease to hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeGuard

from compiler.ir.dtype import INDEX
from compiler.ir.expr import Binary, Expr, binary
from compiler.ir.simplify.simplify import TRUE, Simplifier, Sum, fits, simplify
from compiler.ir.visit import Rewriter


def is_bound(condition: Expr) -> TypeGuard[Binary]:
    """Whether `condition` is ``<``, ``<=``, ``>`` or ``>=`` of two values of the type `INDEX`."""
    return type(condition) is Binary and condition.op in ("<", "<=", ">", ">=") and condition.a.dtype == INDEX


def below_zero(condition: Binary, simplifier: Simplifier) -> Sum | None:
    """The sum that is negative where a comparison holds; None if a side may wrap around."""
    a, b = simplifier.sum_of(condition.a), simplifier.sum_of(condition.b)
    if not (fits(simplifier.sum_bounds(a)) and fits(simplifier.sum_bounds(b))):
        return None
    below = (a + b.scaled(-1)).scaled(1 if condition.op in ("<", "<=") else -1)
    return below + Sum({}, -1 if condition.op in ("<=", ">=") else 0)


@dataclass(frozen=True, slots=True)
class Bound:
    """The condition ``step * i + fixed + number < 0``, solved for i by `first_false` and `first_true`."""

    fixed: Sum
    number: int

    def first_false(self, step: int) -> Expr:
        """The first i at which the condition is false, for a positive coefficient `step`."""
        return self._divided(-1, step - 1 - self.number, step)

    def first_true(self, step: int) -> Expr:
        """The first i at which the condition is true, for a coefficient ``-step`` with ``step > 0``."""
        return self._divided(1, self.number + step, step)

    def _divided(self, sign: int, number: int, step: int) -> Expr:
        return simplify(binary("//", (self.fixed.scaled(sign) + Sum({}, number)).expr(), step))


def assuming(node: Any, condition: Expr) -> Any:
    """`node` with `condition` replaced by true."""
    return _Assume(condition)(node)


class _Assume(Rewriter):
    def __init__(self, condition: Expr) -> None:
        self.condition = condition

    def _binary(self, node: Binary) -> Expr:
        return TRUE if node == self.condition else self.descend(node)

    rules = {Binary: _binary}
