"""Loop partition: boundary conditions are removed from the main part of a loop."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod

from compiler.ir.dtype import INDEX
from compiler.ir.expr import Binary, Call, Const, Expr, Var, binary
from compiler.ir.function import PrimFunc
from compiler.ir.node import Node
from compiler.ir.recursion import recursive
from compiler.ir.semantics.access import expanded_stores, mentions
from compiler.ir.simplify.condition import Bound, assuming, below_zero, is_bound
from compiler.ir.simplify.ranges import RangeRewriter, iterations
from compiler.ir.simplify.simplify import Interval, Simplifier, Sum, fits, simplify
from compiler.ir.stmt import Allocate, For, If, Seq, Stmt, Store, sequence, unnested
from compiler.ir.visit import children, substitute, walk

GROWTH_LIMIT = 2048
"""Stores, with unrolled loops expanded, that copies of loop bodies may add to a function."""

RARE = 64
"""A loop is cut only for conditions that are evaluated at least once for this number of stores."""

HEAVY = 16
"""Stores of the rest of a block, from which on a branch in it costs less than a copy of the block."""

DYNAMIC_CUTS = 4
"""The maximum number of cuts of one loop at values that depend on dynamic extents."""

# kinds whose parts become consecutive loops, and kinds whose parts become branches in one loop, since
# starting such a loop is costly
_SEQUENTIAL = ("serial", "vectorize")
_BRANCHING = ("parallel", "blockIdx.x", "blockIdx.y", "blockIdx.z")


def loop_partition(func: PrimFunc) -> PrimFunc:
    """Cut loops where a condition in the body begins or ceases to hold for all iterations of the inner loops.

    ::

        for i in range(4):                        for i in range(3):
            for j in range(32):                       for j in range(32):
                if i * 32 + j < 100:      ->              C[i * 32 + j] = A[i * 32 + j]
                    C[i * 32 + j] = ...           for j in range(4):
                                                      C[96 + j] = A[96 + j]

    This considers the conditions of ``if`` and ``if_then_else`` that compare int32 sums linear in the loop
    variable, whose other terms depend only on inner loops and dynamic extents. Parts of a parallel loop stay
    in one loop, as branches around the whole body; vector loops are shortened. Where the conditions are in
    the lesser part of a long block, that part alone is copied, as branches in the loop. Loops marked
    ``unroll`` are not cut, since their conditions are known after unrolling; they are unrolled here if their
    iteration decides where an inner vector loop is cut.

    This is the pass of the same name in TVM, applied to all conditions and not only to marked ones.
    """
    if not any(map(_is_conditional, walk(func.body))):
        return func
    return func.with_body(_Partition(func)(func.body))


@dataclass(frozen=True, slots=True)
class _Part:
    """The iterations ``begin .. end - 1`` of a loop, and their body."""

    begin: Expr
    end: Expr
    body: Stmt
    known: frozenset[Expr] = frozenset()  # conditions at which it was cut already


class _Partition(RangeRewriter):
    def __init__(self, func: PrimFunc) -> None:
        super().__init__(func)
        self.budget = GROWTH_LIMIT
        # the loops between the one that is cut and the statement that is looked at
        self.between: dict[Var, Interval] = {}
        self.plain: dict[int, Node] = {}  # stores without conditions, by identity

    def _for(self, node: For) -> Stmt:
        if _unrolls_vectors(node) and expanded_stores(node) <= GROWTH_LIMIT:
            numbers = (Const(i, node.var.dtype) for i in range(node.extent.value))  # type: ignore[attr-defined]
            return sequence(self(self.simplify(substitute(node.body, {node.var: i}))) for i in numbers)
        parts, budget = [_whole(node, node.body)], self.budget
        if node.kind in _SEQUENTIAL + _BRANCHING and node.var.dtype == INDEX:
            parts = self.cut(node, parts[0])
        if len(parts) == 1:
            return self.loop(node)
        self.budget, budget = budget, self.budget
        minimum = _stores(node.body, self.ranges | {node.var: iterations(node, self.ranges)}) / RARE
        if node.kind != "vectorize" and self.is_small(node, node.body, minimum):
            body = self.pieces(node, node.body, minimum)
            return self.loop(For(node.var, node.extent, node.kind, body, node.pragmas))
        self.budget = budget
        if node.kind in _BRANCHING:
            return For(node.var, node.extent, node.kind, self.branches(node, parts, self), node.pragmas)
        return sequence(self.part(node, part) for part in parts)

    rules = RangeRewriter.rules | {For: _for}

    # parts

    def cut(self, loop: For, part: _Part, minimum: float | None = None) -> list[_Part]:
        """`part` of a loop, cut at the boundaries of conditions that are evaluated `minimum` times.

        By default that is once for `RARE` stores of the part.
        """
        found = self.boundary(loop, part, minimum)
        if found is None:
            return [part]
        self.budget -= expanded_stores(part.body)
        at, condition, before, behind = found
        known = part.known | {condition}
        first = self.cut(loop, _Part(part.begin, at, before, known), minimum)
        return first + self.cut(loop, _Part(at, part.end, behind, known), minimum)

    def span(self, part: _Part) -> Interval:
        simplifier = self.simplifier()
        return simplifier.bounds(part.begin)[0], simplifier.bounds(part.end)[1] - 1

    def boundary(self, loop: For, part: _Part, minimum: float | None) -> tuple[Expr, Expr, Stmt, Stmt] | None:
        """A value at which to cut, the condition, and the bodies before and after; None without a cut."""
        low, high = self.span(part)
        if low >= high:
            return None
        ranges = self.ranges | self.between | {loop.var: (low, high)}
        arms = _arms(part.body) if loop.kind in _BRANCHING else [part.body]
        times = prod(int(high) + 1 for _, high in self.between.values())
        found = [condition for arm in arms for condition in _conditions(arm, ranges, self.plain, times)]
        if not found or expanded_stores(part.body) > self.budget:
            return None
        minimum = _stores(part.body, ranges) / RARE if minimum is None else minimum
        for condition, inner, times in found:
            if times < minimum:
                continue
            for at, holds_before in self.ends(condition, loop.var, inner):
                if type(at) is Const and type(part.begin) is Const and type(part.end) is Const:
                    if low < at.value <= high:
                        return at, condition, part.body, part.body
                elif loop.kind == "serial" and condition not in part.known and len(part.known) < DYNAMIC_CUTS:
                    clipped = self.simplify(binary("max", part.begin, binary("min", at, part.end)))
                    # the bounds of a dynamic extent do not prove the condition, so it is replaced by true
                    assumed = assuming(part.body, condition)
                    before, behind = (assumed, part.body) if holds_before else (part.body, assumed)
                    return clipped, condition, before, behind
        return None

    def ends(
        self, condition: Binary, var: Var, ranges: Mapping[Var, Interval]
    ) -> Iterator[tuple[Expr, bool]]:
        """The values of `var` at which `condition` ceases (True) or begins (False) to hold in inner loops."""
        simplifier = Simplifier(ranges)
        below = below_zero(condition, simplifier)
        step = 0 if below is None else below.terms.get(var, 0)
        if below is None or step == 0:
            return
        fixed, low, high = Sum({}, 0), float(below.constant), float(below.constant)
        for atom, coefficient in below.terms.items():
            if atom is var:
                continue
            if all(type(n) is not Var or n in self.sizes for n in walk(atom)):
                fixed = fixed + Sum({atom: coefficient}, 0)
            elif mentions(atom, self.ranges.keys() | {var}):
                return  # depends on an outer loop, which is cut by itself
            else:
                span = simplifier.bounds(atom)
                low += coefficient * span[0 if coefficient > 0 else 1]
                high += coefficient * span[1 if coefficient > 0 else 0]
        if not fits((low, high)):
            return
        certain, possible = Bound(fixed, int(high)), Bound(fixed, int(low))
        if step > 0:
            yield certain.first_false(step), True
            if not fixed.terms:
                yield possible.first_false(step), True
        else:
            yield certain.first_true(-step), False
            if not fixed.terms:
                yield possible.first_true(-step), False

    # loops

    def part(self, loop: For, part: _Part) -> Stmt:
        """A loop from zero over the iterations of `part`."""
        simplifier = self.simplifier()
        count = simplifier(binary("-", part.end, part.begin))
        if count == Const(1):
            return self(self.simplify(substitute(part.body, {loop.var: part.begin})))
        shifted = part.body
        if part.begin != Const(0):
            shifted = substitute(shifted, {loop.var: binary("+", loop.var, part.begin)})
        with self.within(loop.var, (0, simplifier.bounds(count)[1] - 1)):
            body = self(self.simplify(shifted))
        return self.simplify(For(loop.var, count, loop.kind, body, loop.pragmas))

    def branches(self, loop: For, parts: list[_Part], rewrite: Callable[[Stmt], Stmt]) -> Stmt:
        """The parts, simplified and rewritten, as branches, of which the longest is tested first."""
        parts = sorted(parts, key=lambda part: self.span(part)[0] - self.span(part)[1])
        body: Stmt | None = None
        for part in reversed(parts):
            low, high = self.span(part)
            alone = substitute(part.body, {loop.var: part.begin}) if low == high else part.body
            with self.within(loop.var, (low, high)):
                inner = rewrite(simplify(alone, self.ranges | self.between))
            if body is None:
                body = inner
                continue
            whole = iterations(loop, self.ranges)[1]
            # an end that depends on dynamic extents or outer loops is tested, whatever its bounds are
            tests = [binary(">=", loop.var, part.begin)] if part.begin != Const(0, loop.var.dtype) else []
            tests += [binary("<", loop.var, part.end)] if high < whole or part.end != loop.extent else []
            if not tests:  # it has all iterations, and the other parts have none
                body = inner
                continue
            condition = tests[0] if len(tests) == 1 else binary("and", *tests)
            body = If(condition, inner, body)
        assert body is not None
        return body

    # blocks

    def is_small(self, loop: For, block: Stmt, minimum: float) -> bool:
        """Whether the statements with conditions are the lesser part of a block: only they are copied then.

        The rest of the block is long enough that a branch in each iteration costs nothing.
        """
        _, stmts = unnested(block)
        whole = small = 0
        for stmt in stmts:
            size, budget = expanded_stores(stmt), self.budget
            if len(self.cut(loop, _whole(loop, stmt), minimum)) > 1 and not self.is_long(loop, stmt, minimum):
                small += size
            self.budget = budget
            whole += size
        return whole - small >= max(HEAVY, small)

    def is_long(self, loop: For, stmt: Stmt, minimum: float) -> bool:
        """Whether a statement is a serial loop around a block of which a lesser part has conditions."""
        if type(stmt) is not For or stmt.kind != "serial":
            return False
        with self.relaxed(stmt):
            return self.is_small(loop, stmt.body, minimum)

    @contextmanager
    def relaxed(self, inner: For) -> Iterator[None]:
        """A context inside of a loop in which a loop around it is cut for all iterations of `inner`."""
        self.between[inner.var] = iterations(inner, self.ranges | self.between)
        try:
            yield
        finally:
            del self.between[inner.var]

    def pieces(self, loop: For, stmt: Stmt, minimum: float) -> Stmt:
        """A statement in a loop with branches around the parts that have conditions."""
        if type(stmt) is Seq:
            return sequence(self.pieces(loop, part, minimum) for part in stmt.stmts)
        if type(stmt) is Allocate:
            return Allocate(stmt.buffer, self.pieces(loop, stmt.body, minimum), stmt.pragmas)
        if type(stmt) is For and self.is_long(loop, stmt, minimum):
            with self.relaxed(stmt):
                body = self.pieces(loop, stmt.body, minimum)
            return For(stmt.var, stmt.extent, stmt.kind, body, stmt.pragmas)
        parts = self.cut(loop, _whole(loop, stmt), minimum)
        return stmt if len(parts) == 1 else self.branches(loop, parts, lambda arm: arm)


def _whole(loop: For, body: Stmt) -> _Part:
    return _Part(Const(0, loop.var.dtype), loop.extent, body)


def _unrolls_vectors(loop: For) -> bool:
    """Whether a loop is marked ``unroll`` and its iteration decides where an inner vector loop is cut."""
    if loop.kind != "unroll" or type(loop.extent) is not Const:
        return False
    vectors = [n for n in walk(loop.body) if isinstance(n, For) and n.kind == "vectorize"]
    return any(
        mentions(condition, (loop.var,)) and mentions(condition, (vector.var,))
        for vector in vectors
        for condition, _, _ in _conditions(vector.body, {}, {})
    )


def _arms(body: Stmt | None) -> list[Stmt]:
    """The branches of an ``if`` around a whole body: such a loop is partitioned already."""
    arms, pending = [], [body]
    while pending:
        arm = pending.pop()
        if isinstance(arm, If):
            pending += (arm.otherwise, arm.then)
        elif arm is not None:
            arms.append(arm)
    return arms


def _conditions(
    node: Node, ranges: dict[Var, Interval], plain: dict[int, Node], times: int = 1
) -> Iterator[tuple[Binary, dict[Var, Interval], int]]:
    """The comparisons of int32 in `node`, each with the ranges around it, and how often it is evaluated.

    Stores in which there are none are added to `plain`.
    """
    pending = [(node, ranges, times)]
    while pending:
        node, ranges, times = pending.pop()
        if type(node) is For:
            values = iterations(node, ranges)
            pending.append((node.body, ranges | {node.var: values}, times * (int(values[1]) + 1)))
            continue
        if type(node) is Store:
            if id(node) not in plain and not any(map(_is_conditional, walk(node))):
                plain[id(node)] = node
            if id(node) in plain:
                continue
        below: tuple[Node, ...] = children(node)
        if _is_conditional(node):
            for condition in _comparisons(below[0]):  # type: ignore[arg-type]
                yield condition, ranges, times
            below = below[1:] if type(node) is If else below
        pending += [(child, ranges, times) for child in reversed(below)]


def _is_conditional(node: Node) -> bool:
    return type(node) is If or (type(node) is Call and node.name == "if_then_else")


def _comparisons(condition: Expr) -> Iterator[Binary]:
    pending = [condition]
    while pending:
        part = pending.pop()
        if type(part) is Binary and part.op in ("and", "or"):
            pending += (part.b, part.a)
        elif is_bound(part):
            yield part


@recursive
def _stores(node: Node, ranges: dict[Var, Interval]) -> int:
    """The maximum number of stores that `node` executes."""
    if type(node) is Store:
        return 1
    if type(node) is For:
        values = iterations(node, ranges)
        return (int(values[1]) + 1) * _stores(node.body, ranges | {node.var: values})
    return sum(_stores(child, ranges) for child in children(node) if isinstance(child, Stmt))
