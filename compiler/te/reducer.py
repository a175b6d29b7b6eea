"""Reducers: the operations that combine the terms of a reduction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

import numpy as np

from compiler.ir.calls import call
from compiler.ir.dtype import PACKED_TYPES, integer_range, is_float
from compiler.ir.expr import Const, Expr, Not, Select, Var, as_expr, binary, const, equal
from compiler.ir.node import ATTRIBUTE, Node
from compiler.te.axis import IterVar


@dataclass(frozen=True, slots=True, eq=False)
class Reducer:
    """An associative and commutative operation with an identity element; a schedule may combine in any order.

    Parameters
    ----------
    name : str
    fcombine : callable
        ``(x, y) -> expression`` for reductions of one value; for those of several, `x`, `y` and the
        result are tuples.
    fidentity : callable
        ``(*dtypes) -> number``, or a tuple of numbers, one per value: the identity element.
    """

    name: str
    fcombine: Callable[[Any, Any], Any]
    fidentity: Callable[..., Any]

    def combine(self, a: tuple[Expr, ...], b: tuple[Expr, ...]) -> tuple[Expr, ...]:
        """The combination of two partial results."""
        result = self.fcombine(*((a[0], b[0]) if len(a) == 1 else (a, b)))
        return tuple(as_expr(value) for value in (result if isinstance(result, (tuple, list)) else (result,)))

    def initial(self, dtypes: Sequence[str]) -> tuple[Const, ...]:
        """The identity element, as literals of the types."""
        values = self.fidentity(*dtypes)
        values = values if isinstance(values, (tuple, list)) else (values,)
        if len(values) != len(dtypes):
            raise ValueError(
                f"te.{self.name}: fidentity returns {len(values)} value(s) for the {len(dtypes)} reduced"
            )
        return tuple(
            const(value.value if isinstance(value, Const) else value, dtype)
            for value, dtype in zip(values, dtypes, strict=True)
        )

    def over(self, expr: Any, axis: IterVar | Sequence[IterVar], where: Expr | None = None) -> Reduce:
        """The reduction of `expr` over `axis`.

        Parameters
        ----------
        expr : Expr, or tuple of Expr
        axis : IterVar, or sequence of IterVar
        where : Expr, optional
            Terms for which it is false are excluded.

        Raises
        ------
        ValueError
            If `axis` is empty, has an axis twice or one that is not a reduce axis, a value is not a number,
            `where` is not a condition, or the functions of the reducer return other types than they are
            given.
        """
        axes = (axis,) if isinstance(axis, IterVar) else tuple(axis)
        if not axes:
            raise ValueError(f"te.{self.name} needs at least one reduce axis")
        for a in axes:
            if not isinstance(a, IterVar) or a.kind != "reduce":
                raise ValueError(f"te.{self.name} reduces over axes made by te.reduce_axis, not over {a!r}")
        if len(set(axes)) != len(axes):
            raise ValueError(f"te.{self.name} names an axis twice: {', '.join(a.name for a in axes)}")
        sources = tuple(as_expr(e) for e in (expr if isinstance(expr, (tuple, list)) else (expr,)))
        for source in sources:
            if source.dtype == "bool":
                raise ValueError(f"te.{self.name} takes numbers, not conditions: cast them first")
            if source.dtype in PACKED_TYPES:
                raise ValueError(
                    f"te.{self.name} takes numbers of whole bytes, not {source.dtype}: cast them first"
                )
        if where is not None and as_expr(where).dtype != "bool":
            raise ValueError(f"te.{self.name}: `where` is a condition, not {as_expr(where).dtype}")
        self._check(tuple(source.dtype for source in sources))
        return Reduce(Reduction(self, axes, None if where is None else as_expr(where)), sources)

    def _check(self, dtypes: tuple[str, ...]) -> None:
        """Call the functions once, so that an error in them is raised where the reduction is written."""
        self.initial(dtypes)
        x, y = (tuple(Var(name, dtype) for dtype in dtypes) for name in "xy")
        given = tuple(value.dtype for value in self.combine(x, y))
        if given != dtypes:
            raise ValueError(
                f"te.{self.name}: fcombine returns ({', '.join(given)}) for values of ({', '.join(dtypes)}); "
                "the types must be the same"
            )


@dataclass(frozen=True, slots=True, eq=False)
class Reduction(Node):
    """The reducer of an operation, with the axes and the condition of its terms.

    Parameters
    ----------
    reducer : Reducer
    axes : tuple of IterVar
        The axes that are reduced over.
    condition : Expr, optional
        Terms for which it is false are excluded.
    """

    reducer: Reducer
    axes: tuple[IterVar, ...] = field(metadata=ATTRIBUTE)
    condition: Expr | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Reduce(Expr):
    """A reduction of `sources`, which must be the whole element that a function of `compute` returns."""

    reduction: Reduction
    sources: tuple[Expr, ...]

    @property
    def dtype(self) -> str:  # type: ignore[override]
        return self.sources[0].dtype

    def __iter__(self) -> NoReturn:
        raise TypeError(
            f"te.{self.reduction.reducer.name} is the whole element of a tensor: return it from the function "
            "of te.compute, which gives a tensor for each of its values"
        )


def lowest(dtype: str) -> float:
    """The smallest value of a type; minus infinity for a float type."""
    return -np.inf if is_float(dtype) else integer_range(dtype)[0]


def highest(dtype: str) -> float:
    """The largest value of a type; infinity for a float type."""
    return np.inf if is_float(dtype) else integer_range(dtype)[1]


def _arg(better: str) -> Callable[[Any, Any], tuple[Expr, Expr]]:
    def combine(x: tuple[Expr, Expr], y: tuple[Expr, Expr]) -> tuple[Expr, Expr]:
        # of equal values the one with the smallest index wins, so that the result does not depend on the
        # order
        first = binary("<", y[0], x[0])
        if not is_float(y[1].dtype):
            wins = binary(better, y[1], x[1])
            chosen = binary("or", wins, binary("and", equal(y[1], x[1]), first))
            return Select(chosen, y[0], x[0]), Select(wins, y[1], x[1])
        # NaN is better than every number, and as good as any other NaN
        x_is_no_worse = binary("or", binary(f"{better}=", x[1], y[1]), call("isnan", x[1]))
        y_is_no_worse = binary("or", binary(f"{better}=", y[1], x[1]), call("isnan", y[1]))
        chosen = binary("and", y_is_no_worse, binary("or", Not(x_is_no_worse), first))
        return Select(chosen, y[0], x[0]), binary("max" if better == ">" else "min", x[1], y[1])

    return combine


def _elementwise(op: str) -> Callable[[Any, Any], Expr]:
    return lambda x, y: binary(op, x, y)


SUM = Reducer("sum", _elementwise("+"), lambda dtype: 0)
PROD = Reducer("prod", _elementwise("*"), lambda dtype: 1)
MAX = Reducer("max", _elementwise("max"), lowest)
MIN = Reducer("min", _elementwise("min"), highest)
ARGMAX = Reducer("argmax", _arg(">"), lambda index, value: (highest(index), lowest(value)))
ARGMIN = Reducer("argmin", _arg("<"), lambda index, value: (highest(index), highest(value)))
