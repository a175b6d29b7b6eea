"""Copy injection: a loop nest that copies memory becomes one strided copy with padding."""

from __future__ import annotations

from collections.abc import Sequence

from compiler.errors import ScheduleError
from compiler.ir.address import position
from compiler.ir.expr import Binary, Call, Const, Expr, Load, Var
from compiler.ir.function import PrimFunc
from compiler.ir.semantics.access import mentions
from compiler.ir.simplify.ranges import RangeRewriter
from compiler.ir.simplify.simplify import Interval, Simplifier, Sum
from compiler.ir.stmt import Copy, For, If, Region, Stmt, Store
from compiler.ir.text import print_stmt
from compiler.ir.visit import conjuncts, walk

PRAGMA = "dma_copy"


def inject_copy(func: PrimFunc) -> PrimFunc:
    """Turn the loop nests with the pragma ``dma_copy`` into `Copy` statements.

    ::

        for i in range(4, pragmas={"dma_copy": True}):
            for j in range(16):
                t[i * 16 + j] = if_then_else(j >= 1 and j < 15, A[i * 14 + j - 1], 0.0)
                ->
        copy(region(t, 0, (4, 16), (16, 1)), region(A, 0, (4, 14), (14, 1)),
            before=(0, 1), after=(0, 1), fill=0.0)

    Loops that are contiguous in both buffers are fused. Other pragmas of the loop are kept on a loop of one
    iteration around the copy.

    Raises
    ------
    ScheduleError
        If the nest is not a copy. A copy is a nest of loops of fixed extent around one store. The value is an
        element, or an ``if_then_else`` of an element and a loop-invariant value; the indices are linear in
        the loop variables, and each condition bounds one loop.
    """
    if not any(type(n) is For and dict(n.pragmas).get(PRAGMA) for n in walk(func.body)):
        return func
    return func.with_body(_Inject(func)(func.body))


class _Inject(RangeRewriter):
    def _for(self, node: For) -> Stmt:
        if dict(node.pragmas).get(PRAGMA):
            copy = _copy(node, self.ranges)
            others = tuple(p for p in node.pragmas if p[0] != PRAGMA)
            return For(node.var, Const(1, node.var.dtype), "serial", copy, others) if others else copy
        return self.loop(node)

    rules = RangeRewriter.rules | {For: _for}


class _Dimension:
    """One loop of a copy.

    Attributes
    ----------
    extent : int
        Number of iterations; a fused dimension has the product.
    target, source : int
        Strides in elements.
    low, high : int
        The iterations ``low .. high - 1`` copy; the others are padding.
    """

    def __init__(self, loop: For, target: int, source: int) -> None:
        self.extent = int(loop.extent.value)  # type: ignore[attr-defined]
        self.target, self.source = target, source
        self.low, self.high = 0, self.extent


def _copy(nest: For, ranges: dict[Var, Interval]) -> Stmt:
    def wrong(what: str) -> ScheduleError:
        text = print_stmt(nest).splitlines()
        return ScheduleError(f"dma_copy of `{text[0].strip()}` with `{text[-1].strip()}`: {what}")

    loops: list[For] = []
    stmt: Stmt = nest
    inside = dict(ranges)
    while isinstance(stmt, For):
        if type(stmt.extent) is not Const or stmt.kind not in ("serial", "vectorize", "unroll"):
            raise wrong(f"the loop {stmt.var.name!r} is {stmt.kind}, or its extent is not fixed")
        loops.append(stmt)
        inside[stmt.var] = (0, int(stmt.extent.value) - 1)
        stmt = stmt.body
    if not isinstance(stmt, Store):
        what = (
            "a condition; give it a value elsewhere, by if_then_else" if isinstance(stmt, If) else "no store"
        )
        raise wrong(f"in its loops is {what}")
    value, fill, conditions = stmt.value, None, []
    if type(value) is Call and value.name == "if_then_else":
        conditions, fill = conjuncts(value.args[0]), value.args[2]
        value = value.args[1]
    variables = [loop.var for loop in loops]
    if type(value) is not Load or (fill is not None and mentions(fill, variables)):
        raise wrong(
            "the stored value is neither an element of a buffer, nor an if_then_else of an element and a "
            "loop-invariant value"
        )
    simplifier = Simplifier(inside)
    sums = [simplifier.sum_of(position(x.buffer, x.indices)) for x in (stmt, value)]
    for total in sums:
        if any(atom not in variables and mentions(atom, variables) for atom in total.terms):
            raise wrong("an index is not linear in the loops")
    dims = [_Dimension(loop, *(total.terms.get(loop.var, 0) for total in sums)) for loop in loops]
    for condition in conditions:
        if not _bounded(condition, variables, dims, simplifier):
            raise wrong("a condition does not bound one loop by fixed numbers")
    fixed = [
        Sum({a: c for a, c in total.terms.items() if a not in variables}, total.constant) for total in sums
    ]
    shift = sum(dim.source * dim.low for dim in dims)
    joined = _joined(dims)
    return Copy(
        _region(stmt, fixed[0], [(d.extent, d.target) for d in joined]),
        _region(value, fixed[1] + Sum({}, shift), [(d.high - d.low, d.source) for d in joined]),
        tuple(Const(d.low) for d in joined),
        tuple(Const(d.extent - d.high) for d in joined),
        Const(0, stmt.buffer.dtype) if fill is None else fill,
    )


def _region(access: Store | Load, offset: Sum, dims: Sequence[tuple[int, int]]) -> Region:
    extents, strides = zip(*dims, strict=True)
    return Region(access.buffer, offset.expr(), extents, tuple(map(Const, strides)))


def _bounded(condition: Expr, variables: list[Var], dims: list[_Dimension], simplifier: Simplifier) -> bool:
    """Narrow the loop that `condition` bounds; False if it does not bound one loop by a literal."""
    if type(condition) is not Binary or condition.op not in ("<", "<=", ">", ">="):
        return False
    sign = 1 if condition.op in ("<", "<=") else -1
    below = (simplifier.sum_of(condition.a) + simplifier.sum_of(condition.b).scaled(-1)).scaled(sign)
    below = below + Sum({}, -1 if condition.op in ("<=", ">=") else 0)  # the condition is: below < 0
    if len(below.terms) != 1:
        return False
    ((var, step),) = below.terms.items()
    if var not in variables:
        return False
    dim = dims[variables.index(var)]
    if step > 0:
        dim.high = max(dim.low, min(dim.high, (step - 1 - below.constant) // step))
    else:
        dim.low = min(dim.high, max(dim.low, below.constant // -step + 1))
    return True


def _joined(dims: list[_Dimension]) -> list[_Dimension]:
    """Fuse nested loops without padding that are contiguous in both buffers."""
    result = [dims[0]]
    for inner in dims[1:]:
        outer = result[-1]
        whole = all(d.low == 0 and d.high == d.extent for d in (outer, inner))
        if (
            whole
            and outer.target == inner.target * inner.extent
            and outer.source == inner.source * inner.extent
        ):
            outer.extent *= inner.extent
            outer.high = outer.extent
            outer.target, outer.source = inner.target, inner.source
        else:
            result.append(inner)
    return result
