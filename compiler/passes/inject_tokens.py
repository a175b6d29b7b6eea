"""Dependency tokens between the pipeline stages of an accelerator."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from compiler.errors import ScheduleError
from compiler.ir.expr import Buffer
from compiler.ir.function import PrimFunc
from compiler.ir.scope import SCOPES
from compiler.ir.semantics.access import accesses
from compiler.ir.simplify.ranges import RangeRewriter
from compiler.ir.stmt import Allocate, For, Stmt, Token, sequence, unnested
from compiler.ir.visit import children, rebuild, walk

PRAGMA = "pipeline_stage"


def inject_tokens(func: PrimFunc) -> PrimFunc:
    """Synchronize the stages of a pipeline by tokens, exactly where one stage depends on another.

    A loop with the pragma ``pipeline_stage`` is executed by the stage that it names. The stages run
    concurrently, each executing its statements in order. ::

        for k in range(4):                                      push("compute", "load")
            for i in range(16, pragmas={"pipeline_stage":       for k in range(4):
                    "load"}):                                       pop("compute", "load")
                t[i] = A[k * 16 + i]                                for i in range(16): t[i] = ...
            for i in range(16, pragmas={"pipeline_stage":   ->      push("load", "compute")
                    "compute"}):                                    pop("load", "compute")
                c[i] = c[i] + t[i]                                  for i in range(16): c[i] = ...
                                                                    push("compute", "load")
                                                                pop("compute", "load")

    A statement that reads what an earlier statement of another stage wrote, or overwrites what it read or
    wrote, pops a token that the earlier one pushes. If the earlier statement is of the previous iteration,
    tokens for the first iteration are pushed before the loop, and the last ones are popped after it. Accesses
    to parts of a buffer that do not overlap are independent, so each virtual thread waits only for its own
    data (arXiv 1802.04799, section 4.4).
    """
    if not any(_stage(n) for n in walk(func.body)) or any(type(n) is Token for n in walk(func.body)):
        return func  # no pipeline, or one with tokens already
    return func.with_body(_Tokens(func)(func.body))


def _stage(node: object) -> str | None:
    return str(dict(node.pragmas)[PRAGMA]) if isinstance(node, For) and PRAGMA in dict(node.pragmas) else None


Pair = tuple[str, str]


@dataclass(frozen=True, slots=True)
class _Touch:
    """A read or write of elements ``low .. high`` of a buffer (row-major positions)."""

    buffer: Buffer
    writes: bool
    low: float
    high: float

    def conflicts(self, other: _Touch) -> bool:
        apart = self.high < other.low or other.high < self.low
        return self.buffer is other.buffer and (self.writes or other.writes) and not apart


@dataclass
class _Unit:
    """A statement of a block, with the accesses of each stage, and the pairs of stages with tokens in it."""

    stmt: Stmt
    touches: dict[str, list[_Touch]]
    inside: set[Pair]

    def must_precede(self, source: str, later: _Unit, target: str) -> bool:
        """Whether stage `target` must wait in `later` for stage `source` here."""
        return any(
            a.conflicts(b) for a in self.touches.get(source, ()) for b in later.touches.get(target, ())
        )


class _Tokens(RangeRewriter):
    """Inserts the tokens of each block, the innermost first."""

    def __call__(self, node: Any) -> Any:
        return self.block(node, None) if isinstance(node, Stmt) else node

    def block(self, node: Stmt, loop: For | None) -> Stmt:
        """A block with its tokens; if it is the body of `loop`, that loop with its tokens."""
        allocations, stmts = unnested(node)
        units = [self.unit(stmt) for stmt in stmts]
        stages = sorted({stage for unit in units for stage in unit.touches})
        before: list[list[Stmt]] = [[] for _ in units]
        behind: list[list[Stmt]] = [[] for _ in units]
        first: list[Stmt] = []
        last: list[Stmt] = []
        for pair in ((a, b) for a in stages for b in stages if a != b):
            tokens = _within(units, pair)
            carried = _around(units, pair, tokens) if loop is not None else []
            for _, v in carried:
                first.append(Token("push", *pair))
                last.append(Token("pop", *pair))
                before[v].append(Token("pop", *pair))
            for u, v in tokens:
                behind[u].append(Token("push", *pair))
                before[v].append(Token("pop", *pair))
            for u, _ in carried:
                behind[u].append(Token("push", *pair))
        changed = first or any(before) or any(behind)
        same = all(unit.stmt is stmt for unit, stmt in zip(units, stmts, strict=True))
        if changed or not same:
            node = sequence(
                part
                for unit, ahead, after in zip(units, before, behind, strict=True)
                for part in (*ahead, unit.stmt, *after)
            )
            for allocation in reversed(allocations):
                node = Allocate(allocation.buffer, node, allocation.pragmas)
        if loop is None:
            return node
        whole = rebuild(loop, (loop.extent, node))
        return sequence((*first, whole, *last)) if first else whole

    def unit(self, stmt: Stmt) -> _Unit:
        stage = _stage(stmt)
        if stage is not None:
            return _Unit(stmt, {stage: list(self.touched(stmt))}, set())
        if not any(_stage(n) for n in walk(stmt)):
            for access in accesses(stmt):
                if access.buffer.scope not in SCOPES:
                    raise ScheduleError(
                        f"{access.buffer.name} is in {access.buffer.scope} memory, but the loop that uses it "
                        f"names no stage; give it the pragma {PRAGMA!r}"
                    )
            return _Unit(stmt, {}, set())
        touches: dict[str, list[_Touch]] = {}
        self.gather(stmt, touches)
        if isinstance(stmt, For):
            with self.inside(stmt):
                new = self.block(stmt.body, stmt)
        else:
            new = rebuild(stmt, tuple(self(child) for child in children(stmt)))
        inside = {(n.source, n.target) for n in walk(new) if type(n) is Token}
        return _Unit(new, touches, inside)

    def gather(self, node: Stmt, touches: dict[str, list[_Touch]]) -> None:
        """Add the accesses of each stage in `node` to `touches`."""
        stage = _stage(node)
        if stage is not None:
            touches.setdefault(stage, []).extend(self.touched(node))
            return
        with self.inside(node):
            for child in children(node):
                if isinstance(child, Stmt):
                    self.gather(child, touches)

    def touched(self, node: Stmt) -> Iterator[_Touch]:
        below = [child for child in children(node) if isinstance(child, Stmt)]
        if not below:
            for access in accesses(node):
                yield _Touch(access.buffer, access.writes, *access.span(self.simplifier()))
        with self.inside(node):
            for child in below:
                yield from self.touched(child)


def _within(units: list[_Unit], pair: Pair) -> list[tuple[int, int]]:
    """Tokens ``(u, v)``, pushed after unit u and popped before unit v, ordered by both."""
    tokens: list[tuple[int, int]] = []
    for v, later in enumerate(units):
        needed = [u for u in range(v) if units[u].must_precede(pair[0], later, pair[1])]
        if not needed or any(u >= needed[-1] for u, _ in tokens):
            continue  # an earlier pop waits for that unit or a later one
        # a loop in between with tokens of this pair must not pop this one
        v = next((w for w in range(needed[-1] + 1, v) if pair in units[w].inside), v)
        tokens.append((needed[-1], v))
    return tokens


def _around(units: list[_Unit], pair: Pair, tokens: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Tokens between iterations: pushed after unit u, popped before unit v of the next iteration."""
    carried: list[tuple[int, int]] = []
    for v, later in enumerate(units):
        needed = [u for u, unit in enumerate(units) if unit.must_precede(pair[0], later, pair[1])]
        if not needed or any(w <= v for _, w in tokens) or any(u >= needed[-1] for u, _ in tokens + carried):
            continue
        carried.append((needed[-1], v))
    busy = [w for w, unit in enumerate(units) if pair in unit.inside]
    # The j-th pop of an iteration pops the j-th token pushed. So the tokens between iterations must all be
    # popped before, and pushed after, the tokens within the iteration; otherwise a single one replaces them.
    ordered = all(v <= w for _, v in carried for _, w in tokens) and all(
        u >= w for u, _ in carried for w, _ in tokens
    )
    if carried and (busy or not ordered):
        last = max(u for u, unit in enumerate(units) if pair[0] in unit.touches)
        start = min(v for v, unit in enumerate(units) if pair[1] in unit.touches)
        carried = [(max([last, *busy]), min([start, *busy]))]
    return carried
