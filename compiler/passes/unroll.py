"""Unrolling: short loops are replaced by their iterations."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from operator import is_
from typing import Any

from compiler.errors import ScheduleWarning
from compiler.ir.expr import Call, Const, Expr, Var
from compiler.ir.function import PrimFunc
from compiler.ir.node import DESCEND
from compiler.ir.recursion import counted, recursive
from compiler.ir.simplify.ranges import RangeRewriter
from compiler.ir.stmt import For, If, Seq, Stmt, Store, sequence
from compiler.ir.visit import children, rebuild
from compiler.passes.code_size import PRAGMA, code_size, excess

STATEMENT_LIMIT = 1024
"""The default maximum of stores, after unrolling, of a loop marked ``unroll``."""


SHARE = 1 / 96
"""The share of the stores of the longest loop of a block that a later loop must exceed to be unrolled."""

SHORT = 16
"""Stores of an unrolled loop, up to which it is unrolled in any case."""


def unroll(func: PrimFunc, limit: int = STATEMENT_LIMIT) -> PrimFunc:
    """Unroll the loops marked ``unroll``.

    ::

        for i in unroll(2):     ->    C[0] = A[0]
            C[i] = A[i]               C[1] = A[1]

    A loop that would have more than `limit` stores stays a loop with its mark, which is a hint for the
    target. In a loop with the pragma ``auto_unroll``, serial loops are unrolled too, the innermost first, if
    each has no more stores than the value of the pragma.

    A loop that follows a much longer one in a block stays a loop: the code for what takes a hundredth of the
    time, as the storing of a tile after its sums, takes as long to compile as that of the sums.

    A function whose unrolled loops together make more code than `compiler.passes.code_size` allows is given a
    smaller limit, with a `ScheduleWarning`: the time to compile it would have no reasonable bound.
    """
    allowed = _allowed(func, limit)
    unrolling = _Unroll(func, limit, allowed)
    return func.with_body(unrolling(func.body)) if unrolling.kinds else func


def _allowed(func: PrimFunc, limit: int) -> int:
    """The limit of stores of a loop, halved until the whole function is not too large."""
    # without a limit first: most functions are far from too large, and one look at them is enough
    if not excess(code_size(func.body)):
        return limit
    whole = code_size(func.body, limit=limit)
    allowed, size = limit, whole
    while excess(size) and allowed > 1:
        allowed //= 2
        size = code_size(func.body, limit=allowed)
    if size.operations < whole.operations:
        warnings.warn(
            f"{func.name}: its unrolled loops make {excess(whole)}, which would take very long to compile: "
            f"loops marked 'unroll' stay loops where they would have more than {allowed} stores; the largest "
            f"part is in the loops {', '.join(map(str, whole.loops))}",
            ScheduleWarning,
            stacklevel=3,
        )
    return allowed


class _Unroll(RangeRewriter):
    """Writes the copies of each statement with the numbers of all iterations around it at once.

    Expressions that are equal in several copies, because they do not depend on all of the loops, are one
    object there: the code generator then writes them once.
    """

    def __init__(self, func: PrimFunc, limit: int, allowed: int) -> None:
        super().__init__(func)
        self.limit, self.allowed = limit, allowed
        self.kinds: dict[int, str] = {}  # of loops by identity, where it changes: "unroll", or "serial"
        self.stores(func.body, 0)
        unrolled = (n.var for n in _loops(func.body) if self.kinds.get(id(n)) == "unroll")
        self.slot = {var: slot for slot, var in enumerate(dict.fromkeys(unrolled))}
        self.numbers: list[int | None] = [None] * len(self.slot)  # of the iterations around, by slot
        # by the identity of expressions: their slots, those with conditions, and copies by their numbers too
        self.slots: dict[int, tuple[int, ...]] = {}
        self.conditional: set[int] = set()
        self.copies: dict[tuple[int | None, ...], Expr] = {}

    def brief(self, block: Seq) -> None:
        """Decide that loops that follow a longer one stay loops."""
        work = [_work(stmt) for stmt in block.stmts]
        longest = work.index(max(work)) if work else 0
        for stmt, own in zip(block.stmts[longest + 1 :], work[longest + 1 :], strict=True):
            if own <= SHARE * work[longest]:
                while isinstance(stmt, If) and stmt.otherwise is None:
                    stmt = stmt.then
                if type(stmt) is For and stmt.kind == "unroll" and own > SHORT:
                    self.kinds[id(stmt)] = "serial"

    @counted
    def stores(self, stmt: Stmt, most: int) -> int:
        """The stores of a statement after unrolling, whose loops are decided; the pragma allows `most`."""
        if type(stmt) is Store:
            return 1
        if type(stmt) is Seq:
            self.brief(stmt)
        if type(stmt) is not For:
            return sum(self.stores(child, most) for child in children(stmt) if isinstance(child, Stmt))
        most = int(dict(stmt.pragmas).get(PRAGMA, most)) if stmt.pragmas else most
        stores = self.stores(stmt.body, most)
        limit = self.limit if stmt.kind == "unroll" else most if stmt.kind == "serial" else 0
        if limit == 0 or type(stmt.extent) is not Const or id(stmt) in self.kinds:
            return stores
        whole = int(stmt.extent.value) * stores
        if stmt.kind == "unroll" and whole > self.allowed < self.limit:  # else the target would unroll it
            self.kinds[id(stmt)] = "serial"
        elif whole <= limit:
            self.kinds[id(stmt)] = "unroll"
            return whole
        return stores

    def __call__(self, node: Any) -> Any:
        return super().__call__(node) if isinstance(node, Stmt) else self.copy(node)

    def copy(self, expr: Any) -> Any:
        """An expression with the numbers of the iterations."""
        node = id(expr)
        slots = self.slots.get(node)
        if slots is None:
            slots = self.used(expr)
        if not slots:
            return expr
        numbers, key = self.numbers, (node, *[self.numbers[slot] for slot in slots])
        copy = self.copies.get(key)
        if copy is None:
            if type(expr) is Var:
                number = numbers[slots[0]]
                copy = expr if number is None else Const(number, expr.dtype)
            else:
                copy = self.rebuilt(expr)
            if node not in self.conditional:  # what is decided depends on the ranges of the loops around, too
                self.copies[key] = copy
        return copy

    @counted
    def rebuilt(self, expr: Any) -> Any:
        """An expression whose operands have the numbers of the iterations; its conditions are decided."""
        if not _is_conditional(expr):
            return DESCEND[type(expr)](self.copy, expr)
        condition = self.simplify(self.copy(expr.args[0]))
        if type(condition) is Const:
            return self.copy(expr.args[1 if condition.value else 2])
        return rebuild(expr, (condition, self.copy(expr.args[1]), self.copy(expr.args[2])))

    def used(self, expr: Expr) -> tuple[int, ...]:
        """The slots of the unrolled loops whose variables an expression uses."""
        pending: list[Any] = [expr]
        slots = self.slots
        while pending:
            node = pending[-1]
            if id(node) not in slots:
                below = children(node)
                missing = [child for child in below if id(child) not in slots]
                if missing:
                    pending += missing
                    continue
                if type(node) is Var:
                    slots[id(node)] = (self.slot[node],) if node in self.slot else ()
                else:
                    slots[id(node)] = tuple(dict.fromkeys(s for child in below for s in slots[id(child)]))
                    if _is_conditional(node) or any(id(child) in self.conditional for child in below):
                        self.conditional.add(id(node))
            pending.pop()
        return slots[id(expr)]

    def _for(self, node: For) -> Stmt:
        kind = self.kinds.get(id(node))
        if kind != "unroll":
            if kind == "serial":
                pragmas = (*node.pragmas, ("unroll", False))
                return For(node.var, node.extent, "serial", self.loop(node).body, pragmas)
            return self.loop(node)
        copies, slot = [], self.slot[node.var]
        for i in range(int(node.extent.value)):  # type: ignore[attr-defined]
            self.numbers[slot] = i
            copies.append(self(node.body))
        self.numbers[slot] = None
        return sequence(copies)

    # with the loop variables replaced by literals, conditions are often decided

    def _if(self, node: If) -> Stmt:
        if self.numbers.count(None) == len(self.numbers):
            return self.descend(node)
        condition = self.simplify(self.copy(node.condition))
        if type(condition) is Const:
            arm = node.then if condition.value else node.otherwise
            return Seq(()) if arm is None else self(arm)
        arms = (node.then,) if node.otherwise is None else (node.then, node.otherwise)
        return rebuild(node, (condition, *map(self, arms)))

    def _seq(self, node: Seq) -> Stmt:
        new = [self(stmt) for stmt in node.stmts]
        return node if all(map(is_, new, node.stmts)) else sequence(new)

    def _store(self, node: Store) -> Stmt:
        return DESCEND[Store](self.copy, node)

    rules = {For: _for, If: _if, Seq: _seq, Store: _store}


@recursive
def _work(stmt: Stmt) -> float:
    """How many stores a statement executes, if each of its conditions holds."""
    if type(stmt) is Store:
        return 1
    times = stmt.extent.value if type(stmt) is For and type(stmt.extent) is Const else 1
    return times * sum(_work(child) for child in children(stmt) if isinstance(child, Stmt))


def _is_conditional(node: Any) -> bool:
    return type(node) is Call and node.name == "if_then_else"


def _loops(body: Stmt) -> Iterator[For]:
    pending = [body]
    while pending:
        stmt = pending.pop()
        if type(stmt) is For:
            yield stmt
        if type(stmt) is not Store:
            pending += (child for child in children(stmt) if isinstance(child, Stmt))
