"""Accesses that may be outside of their buffers, and those that are proved to be.

`Accesses` traverses a program with what is known at each access: the ranges of the variables, and the
conditions under which it is executed. An index is proved inside by its interval. Where it is not, it is
proved outside (`proof`) if its whole interval is outside, or if there are values of the variables for which
the program reaches the access and the interpreter's value of the index is outside. It is not proved where it
depends on data whether the access is executed. For all that is not proved there are checks at run time
(`compiler.passes.check_bounds`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, islice, product
from math import prod
from typing import Any

import numpy as np

from compiler.ir.dtype import is_integer, lanes_of
from compiler.ir.expr import Binary, Call, Const, Expr, Load, Not, Select, Var, as_expr, upper_bound
from compiler.ir.semantics.evaluate import Evaluator
from compiler.ir.simplify.simplify import FALSE, TRUE, Interval, Simplifier, fits, simplify
from compiler.ir.stmt import For, If, Let, Prefetch, Stmt, Store
from compiler.ir.text.printer import print_expr
from compiler.ir.visit import Rewriter, rebuild, substitute, walk

POINTS = 600
"""Maximum number of values of the variables that are tried, for each index that is not proved inside."""


@dataclass(frozen=True, slots=True)
class Site:
    """One index of an access that is not proved to be inside.

    Attributes
    ----------
    item : Buffer or Tensor
        What is accessed; it has a name and a shape.
    writes : bool
    axis : int
        The axis of the index; -1 for the row-major position.
    index : Expr
    extent : int or Expr
    interval : (int, int)
        Contains all values of the index.
    path : tuple of Expr
        The conditions that hold where the access is executed.
    ranges : mapping of Var to (int, int)
        Those of the variables.
    """

    item: Any
    writes: bool
    axis: int
    index: Expr
    extent: Any
    interval: Interval
    path: tuple[Expr, ...]
    ranges: Mapping[Var, Interval]

    @property
    def what(self) -> str:
        """The index in words: what it is an index of, and what is valid."""
        where = "position" if self.axis < 0 else f"index of axis {self.axis}"
        return f"{where} of {self.item.name} {_shape(self.item.shape)}"


class Accesses(Rewriter):
    """Traverses a program with the facts that hold at each access; `found` gets those not proved inside.

    The arms of a `Select`, and the operands of ``and`` and ``or``, are all evaluated. With `guarding`, those
    with an access that is inside only under their conditions become an ``if_then_else``, which evaluates one
    arm. In a program where this changes nothing, the result is the same object.

    Parameters
    ----------
    ranges : mapping of Var to (int, int)
        The closed intervals of the free variables.
    guarding : bool
    """

    def __init__(self, ranges: Mapping[Var, Interval] | None = None, guarding: bool = False) -> None:
        self.guarding = guarding
        self.known = Simplifier(ranges)
        self.bare = Simplifier(ranges) if guarding else self.known  # without the conditions of selects
        self.path: tuple[Expr, ...] = ()
        self.choices: list[bool] = []  # for each select around: whether it must become an if_then_else

    def found(self, site: Site, node: Any) -> None:
        """Called for each index that is not proved to be inside."""

    # what is known

    def assume(self, condition: Expr, holds: bool, node: Any, evaluated: bool = False) -> Any:
        """`node` rewritten where a condition holds, or does not; `evaluated` if it may be elsewhere too."""
        if lanes_of(condition.dtype) > 1:
            self.path, before = (*self.path, condition), self.path
            node = self(node)
            self.path = before
            return node
        self.path, before = (*self.path, condition if holds else Not(condition)), self.path
        run: Callable[[Any], Any] = self
        if self.bare is not self.known and not evaluated:
            run = self._learning(self.bare, condition, holds, run)
        node = self._learning(self.known, condition, holds, run)(node)
        self.path = before
        return node

    @staticmethod
    def _learning(
        facts: Simplifier, condition: Expr, holds: bool, run: Callable[[Any], Any]
    ) -> Callable[[Any], Any]:
        return lambda node: facts.inside(lambda: facts.learn(condition, holds), run, node)

    def over(self, var: Var, low: Any, extent: Any, run: Callable[[], Any]) -> Any:
        """The result of `run` while `var` has the values ``low .. low + extent - 1``."""
        first, count = as_expr(low, var.dtype), as_expr(extent, var.dtype)
        least, most = self.known.bounds(first)[0], self.known.bounds(first)[1]
        most += self.known.bounds(count)[1] - 1
        dynamic = [
            condition
            for condition, number in (
                (Binary("<=", first, var, "bool"), first),
                (Binary("<", var, Binary("+", first, count, var.dtype), "bool"), count),
            )
            if type(number) is not Const or type(first) is not Const
        ]

        def learn(facts: Simplifier) -> None:
            facts.ranges[var] = (least, most)
            if is_integer(var.dtype) and var.dtype in ("int32", "int64"):
                for condition in dynamic:
                    facts.learn(condition, True)

        def inner(_: None) -> Any:
            if self.bare is self.known:
                return run()
            return self.bare.inside(lambda: learn(self.bare), lambda _: run(), None)

        self.path, before = (*self.path, *dynamic), self.path
        result = self.known.inside(lambda: learn(self.known), inner, None)
        self.path = before
        return result

    # accesses

    def access(self, item: Any, indices: tuple[Expr, ...], writes: bool, node: Any) -> None:
        """Check the indices of an access, which are expressions that have been traversed."""
        if getattr(item, "strides", None) is not None:
            return  # a position in memory of unknown strides, whose index is checked where it is written
        shape = item.shape
        by_axis = len(indices) == len(shape)
        extents = shape if by_axis else (prod(map(upper_bound, shape)),)
        for axis, (index, extent) in enumerate(zip(indices, extents, strict=True)):
            if self._is_inside(self.known, index, extent):
                if self.choices and not self._is_inside(self.bare, index, extent):
                    self.choices = [True] * len(self.choices)
                continue
            self.choices = [True] * len(self.choices)
            low, high = self._interval(self.known, index)
            if low > high:
                continue  # where no values of the variables fulfil the conditions, nothing is executed
            ranges = self.known.ranges
            site = Site(
                item, writes, axis if by_axis else -1, index, extent, (low, high), self.path, dict(ranges)
            )
            self.found(site, node)

    def _is_inside(self, facts: Simplifier, index: Expr, extent: Any) -> bool:
        low, high = self._interval(facts, index)
        if low > high:
            return True
        if low < 0:
            return False
        if type(extent) is int:
            return high < extent
        size = extent if extent.dtype == index.dtype else as_expr(extent).astype(index.dtype)
        if high < facts.bounds(size)[0]:
            return True
        return lanes_of(index.dtype) == 1 and facts.proves(Binary("<", index, size, "bool"))

    @staticmethod
    def _interval(facts: Simplifier, index: Expr) -> Interval:
        kind = type(index)
        if kind is Const or kind is Var and index not in facts.values:
            return facts.bounds(index)
        if index.dtype in ("int32", "int64"):
            reach = facts.sum_bounds(facts.sum_of(index))
            if fits(reach, index.dtype):
                low, high = facts.bounds(index)
                return max(low, reach[0]), min(high, reach[1])
        return facts.bounds(facts(index))

    # expressions

    def _load(self, node: Load) -> Expr:
        node = self.descend(node)
        self.access(node.buffer, node.indices, False, node)
        return node

    def _choice(self, node: Any, condition: Expr, arms: tuple[tuple[bool, Expr], ...]) -> tuple[bool, list]:
        """The arms of a choice that evaluates all of them, and whether it must not."""
        if not self.guarding:
            return False, [self(arm) for _, arm in arms]
        self.choices.append(False)
        made = [self.assume(condition, holds, arm, evaluated=True) for holds, arm in arms]
        return self.choices.pop(), made

    def _select(self, node: Select) -> Expr:
        if not reads(node):
            return node
        condition = self(node.condition)
        unsafe, arms = self._choice(node, condition, ((True, node.a), (False, node.b)))
        if unsafe:
            return Call("if_then_else", (condition, *arms), node.dtype)
        return rebuild(node, (condition, *arms))

    def _logic(self, node: Binary) -> Expr:
        if node.op not in ("and", "or"):
            return self.descend(node)
        if not reads(node):
            return node
        a = self(node.a)
        unsafe, (b,) = self._choice(node, a, ((node.op == "and", node.b),))
        if not unsafe:
            return rebuild(node, (a, b))
        arms = (b, FALSE) if node.op == "and" else (TRUE, b)
        return Call("if_then_else", (a, *arms), node.dtype)

    def _call(self, node: Call) -> Expr:
        if node.name != "if_then_else":
            return self.descend(node)
        if not reads(node):
            return node
        condition = self(node.args[0])
        arms = (self.assume(condition, holds, node.args[1 + (not holds)]) for holds in (True, False))
        return rebuild(node, (condition, *arms))

    # statements

    def _for(self, node: For) -> Stmt:
        extent = self(node.extent)
        if self.known.bounds(extent)[1] <= 0:
            return node
        body = self.over(node.var, 0, extent, lambda: self(node.body))
        return rebuild(node, (extent, body))

    def _if(self, node: If) -> Stmt:
        condition = self(node.condition)
        then = self.assume(condition, True, node.then)
        if node.otherwise is None:
            return rebuild(node, (condition, then))
        return rebuild(node, (condition, then, self.assume(condition, False, node.otherwise)))

    def _let(self, node: Let) -> Stmt:
        value = self(node.value)
        if not is_integer(node.var.dtype) or lanes_of(node.var.dtype) > 1:
            return rebuild(node, (value, self(node.body)))

        def learn() -> None:
            self.known.ranges[node.var] = self.known.bounds(self.known(value))

        self.path, before = (*self.path, Binary("==", node.var, value, "bool")), self.path
        body = self.known.inside(learn, self, node.body)
        self.path = before
        return rebuild(node, (value, body))

    def _store(self, node: Store) -> Stmt:
        node = self.descend(node)
        self.access(node.buffer, node.indices, True, node)
        return node

    rules: Any = {
        Load: _load,
        Select: _select,
        Binary: _logic,
        Call: _call,
        For: _for,
        If: _if,
        Let: _let,
        Store: _store,
        Prefetch: lambda self, node: node,  # its index may be outside
    }


class Refusing(Accesses):
    """Raises an error for the first index that is proved to be outside.

    Parameters
    ----------
    refuse : callable
        Called with the message; it raises.
    ranges, guarding
        Those of `Accesses`.
    """

    def __init__(
        self,
        refuse: Callable[[str], Any],
        ranges: Mapping[Var, Interval] | None = None,
        guarding: bool = False,
    ) -> None:
        super().__init__(ranges, guarding)
        self.refuse = refuse

    def found(self, site: Site, node: Any) -> None:
        """Raise the error, if there is a proof."""
        example = proof(site)
        if example is not None:
            self.refuse(message(site, example))


def message(site: Site, example: str = "") -> str:
    """An access outside of its buffer in words; `example` is the result of `proof`."""
    low, high = (int(end) for end in site.interval)
    values = str(low) if low == high else f"{low} .. {high}"
    most = as_expr(site.extent)
    valid = f"0 .. {most.value - 1}" if type(most) is Const else f"0 .. {print_expr(most)} - 1"
    return (
        f"{'writes' if site.writes else 'reads'} outside of {site.item.name}: the "
        f"{site.what} is `{print_expr(site.index)}`, which is {values}{example}; valid are {valid}"
    )


def is_always_outside(site: Site) -> bool:
    """Whether a site is outside of its buffer whenever it is executed."""
    if reads(*site.path):
        return False  # it depends on data whether it is executed
    if any(simplify(condition, site.ranges) == FALSE for condition in site.path):
        return False
    return site.interval[1] < 0 or site.interval[0] >= upper_bound_of(site.extent)


def proof(site: Site) -> str | None:
    """An example in words of an execution of a site outside of its buffer; None if that is not proved."""
    if is_always_outside(site):
        return ""
    if reads(site.index, *site.path):
        return None
    sizes = [var for var in _variables([site.index, as_expr(site.extent), *site.path]) if var.bounds]
    example = None
    # the extents of arguments are independent: outside for some of them may be what no call has
    for ends in product(*(dict.fromkeys(size.bounds or ()) for size in sizes)):
        example = _witness(site, dict(zip(sizes, ends, strict=True)))
        if example is None:
            return None
    return example


def upper_bound_of(extent: Any) -> int | float:
    """The largest value of an extent."""
    return Simplifier().bounds(as_expr(extent))[1]


def _witness(site: Site, sizes: dict[Var, int]) -> str | None:
    fixed: dict[Var, Expr] = {var: Const(value, var.dtype) for var, value in sizes.items()}
    parts = (site.index, as_expr(site.extent), *site.path)
    index, extent, *path = (substitute(part, fixed) for part in parts)
    free = [var for var in _variables([index, *path]) if var not in sizes]
    facts = Simplifier(site.ranges)
    for condition in path:
        facts.learn(condition, True)
    ranges = [facts.ranges.get(var, (-1, -2)) for var in free]
    if any(low > high for low, high in ranges) or any(lanes_of(var.dtype) > 1 for var in free):
        return None
    evaluator = Evaluator({})
    evaluator.cells |= {var: [0] for var in free}
    try:
        value, most, *conditions = (evaluator.expr(part) for part in (index, extent, *path))
    except ValueError:
        return None
    with np.errstate(all="ignore"):
        for point in _points(ranges):
            for var, number in zip(free, point, strict=True):
                evaluator.cells[var][0] = number
            if all(np.all(condition()) for condition in conditions):
                got = value()
                low, high = int(np.min(got)), int(np.max(got))
                if low < 0 or high >= most():
                    where = ", ".join(f"{v.name} = {n}" for v, n in zip(free, point, strict=True))
                    return f" ({low if low < 0 else high} at {where})" if where else ""
    return None


def _points(ranges: list[Interval]) -> Iterator[tuple[int, ...]]:
    """Values of the variables within their ranges: the corners first."""
    ends = [tuple(dict.fromkeys((int(high), int(low)))) for low, high in ranges]
    inner = [range(int(low), int(high) + 1) for low, high in ranges]
    every = _lattice(inner) if len(ranges) <= 2 else ()
    return islice(chain(product(*ends), every), POINTS)


def _lattice(ranges: list[range]) -> Iterator[tuple[int, ...]]:
    """Every point, one after another: `itertools.product` would hold the ranges as lists."""
    if not ranges:
        yield ()
        return
    for first in ranges[0]:
        for rest in _lattice(ranges[1:]):
            yield first, *rest


def reads(*parts: Any) -> bool:
    """Whether expressions read buffers or tensors."""
    return any(hasattr(node, "indices") for part in parts for node in walk(part))


def _variables(parts: Iterable[Expr]) -> list[Var]:
    return list(dict.fromkeys(node for part in parts for node in walk(part) if type(node) is Var))


def _shape(shape: tuple) -> str:
    return f"[{', '.join(map(str, shape))}]"
