"""Conditions that a loop's variable is compared by: where they begin and cease to hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeGuard

from compiler.ir.dtype import INDEX
from compiler.ir.expr import Binary, Expr, binary
from compiler.ir.simplify.simplify import TRUE, Simplifier, Sum, fits, simplify
from compiler.ir.visit import Rewriter


def is_bound(condition: Expr) -> TypeGuard[Binary]:
    """Whether `condition` compares the order of two numbers of the type of an index."""
    return type(condition) is Binary and condition.op in ("<", "<=", ">", ">=") and condition.a.dtype == INDEX


def below_zero(condition: Binary, simplifier: Simplifier) -> Sum | None:
    """The sum that is below zero where a comparison holds, or None where 32 bits may not hold a side."""
    a, b = simplifier.sum_of(condition.a), simplifier.sum_of(condition.b)
    if not (fits(simplifier.sum_bounds(a)) and fits(simplifier.sum_bounds(b))):
        return None
    below = (a + b.scaled(-1)).scaled(1 if condition.op in ("<", "<=") else -1)
    return below + Sum({}, -1 if condition.op in ("<=", ">=") else 0)


@dataclass(frozen=True, slots=True)
class Bound:
    """``step * i + fixed + number < 0`` solved for i."""

    fixed: Sum
    number: int

    def over(self, step: int) -> Expr:
        """The first i for which it fails, where the left side grows by `step`."""
        return self._divided(-1, step - 1 - self.number, step)

    def past(self, step: int) -> Expr:
        """The first i for which it holds, where the left side falls by `step`."""
        return self._divided(1, self.number + step, step)

    def _divided(self, sign: int, number: int, step: int) -> Expr:
        return simplify(binary("//", (self.fixed.scaled(sign) + Sum({}, number)).expr(), step))


def given(node: Any, condition: Expr) -> Any:
    """`node` where `condition` is known to hold."""
    return _Given(condition)(node)


class _Given(Rewriter):
    def __init__(self, condition: Expr) -> None:
        self.condition = condition

    def _binary(self, node: Binary) -> Expr:
        return TRUE if node == self.condition else self.descend(node)

    rules = {Binary: _binary}
