"""`Numbers`: expressions with Python's arithmetic, for formulas that are written once for all."""

from __future__ import annotations

from typing import Any

from compiler.relay.language.expr import Expr, constant
from compiler.relay.language.op import op


class Numbers:
    """A tensor of floats as an expression; another operand is one, or a number.

    Parameters
    ----------
    expr : Expr
    dtype : str
    """

    def __init__(self, expr: Expr, dtype: str) -> None:
        self.expr, self.dtype = expr, dtype

    def call(self, name: str, *others: Any, **attributes: Any) -> Numbers:
        """The call of an operator."""
        return Numbers(op(name)(self.expr, *map(self._operand, others), **attributes), self.dtype)

    def compare(self, name: str, other: Any) -> Expr:
        """The call of a comparison."""
        return op(name)(self.expr, self._operand(other))

    def _operand(self, other: Any) -> Expr:
        return other.expr if isinstance(other, Numbers) else constant(float(other), dtype=self.dtype)

    def __add__(self, other: Any) -> Numbers:
        return self.call("add", other)

    def __mul__(self, other: Any) -> Numbers:
        return self.call("multiply", other)

    def __sub__(self, other: Any) -> Numbers:
        return self.call("subtract", other)

    def __truediv__(self, other: Any) -> Numbers:
        return self.call("divide", other)

    __radd__, __rmul__ = __add__, __mul__

    def __rsub__(self, other: Any) -> Numbers:
        return Numbers(self._operand(other), self.dtype) - self

    def __rtruediv__(self, other: Any) -> Numbers:
        return Numbers(self._operand(other), self.dtype) / self

    def __ge__(self, other: Any) -> Any:
        return self.compare("greater_equal", other)

    def __gt__(self, other: Any) -> Any:
        return self.compare("greater", other)

    def __le__(self, other: Any) -> Any:
        return self.compare("less_equal", other)

    def __lt__(self, other: Any) -> Any:
        return self.compare("less", other)


def function(name: str) -> Any:
    """An operator as a function of `Numbers`."""
    return lambda first, *others: first.call(name, *others)


def chosen(condition: Expr, yes: Numbers, no: Any) -> Numbers:
    """The elements of one or the other."""
    return Numbers(op("where")(condition, yes.expr, yes._operand(no)), yes.dtype)
