"""Checks at run time that each access is inside of its buffer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from compiler.ir.dtype import PACKED_TYPES, is_float, lanes_of
from compiler.ir.expr import (
    Buffer,
    Call,
    Cast,
    Const,
    Expr,
    Load,
    as_expr,
    binary,
    conjunction,
)
from compiler.ir.function import Invoke, PrimFunc
from compiler.ir.relocate import with_buffers
from compiler.ir.semantics.bounds import Accesses, Site
from compiler.ir.stmt import Copy, For, If, Let, Prefetch, Region, Seq, Stmt, Store, sequence
from compiler.ir.text.printer import print_expr


def check_bounds(func: PrimFunc) -> tuple[PrimFunc, tuple[str, ...]]:
    """Insert a check before each access that is not proved to be inside of its buffer.

    ::

        for i in range(64):                  for i in range(64):
            C[i] = A[I[i]]           ->          if I[i] < 0 or I[i] >= 3:
                                                     violations[0] = cast(I[i], "int64")
                                                     violations[1] = 3
                                                 C[i] = if_then_else(I[i] >= 0 and I[i] < 3, A[I[i]], 0.0)

    An element outside is read as zero, and not written.

    Parameters
    ----------
    func : PrimFunc
        A loop nest, before `vectorize`.

    Returns
    -------
    func : PrimFunc
        With one more parameter, ``violations``: for each check an index that was outside, and the extent. The
        caller fills it with -1. The same object if no check is needed.
    checks : tuple of str
        What each check is about, for an error message.

    Raises
    ------
    ValueError
        For an access of several lanes.
    """
    insert = _Insert(func)
    body = insert(func.body)
    if not insert.checks:
        return func, ()
    violations = Buffer("violations", (2 * len(insert.checks),), "int64")
    body = with_buffers(body, {insert.report: violations})
    return PrimFunc(func.name, (*func.params, violations), body), tuple(insert.checks)


class _Insert(Accesses):
    def __init__(self, func: PrimFunc) -> None:
        super().__init__()
        self.func = func
        self.report = Buffer("violations", (0,), "int64")  # replaced once the number of checks is known
        self.checks: list[str] = []
        self.sites: list[Site] = []  # of the access that is being checked
        self.before: list[Stmt] = []  # the checks of the statement that is being rewritten
        self.depth = 0  # number of conditions that hold for the whole statement

    def found(self, site: Site, node: Any) -> None:
        self.sites.append(site)

    def inside(self, site: Site) -> Expr:
        """The condition that an index is inside."""
        if lanes_of(site.index.dtype) > 1 or any(lanes_of(c.dtype) > 1 for c in site.path):
            raise ValueError(
                f"{self.func.name}: `{print_expr(site.index)}` is an index of several lanes; bounds are "
                "checked in programs that are not vectorized yet: build from the schedule"
            )
        extent = as_expr(site.extent)
        wide = site.index if site.index.dtype == extent.dtype else site.index.astype("int64")
        if site.index.dtype == "uint64":  # its largest values are negative in int64
            wide = site.index
        limit = Const(extent.value, wide.dtype) if type(extent) is Const else extent.astype(wide.dtype)
        below = binary("<", wide, limit)
        return below if wide.dtype == "uint64" else conjunction((binary(">=", wide, 0), below))

    def check(self, site: Site) -> Stmt:
        """The statement that reports an index, executed where it is outside."""
        number = len(self.checks)
        verb = "writes" if site.writes else "reads"
        index, extent = print_expr(site.index), as_expr(site.extent)
        self.checks.append(f"{verb} outside of {site.item.name}: the {site.what}, `{index}`,")
        return sequence(
            Store(self.report, (Const(2 * number + k),), value.astype("int64"))
            for k, value in enumerate((site.index, extent))
        )

    def guard(self, sites: Sequence[Site]) -> Expr:
        """The condition that an access is inside; adds its checks to those before the statement."""
        conditions = [self.inside(site) for site in sites]
        for site, condition in zip(sites, conditions, strict=True):
            made: Stmt = If(condition, Seq(()), self.check(site))
            for around in reversed(site.path[self.depth :]):
                made = If(around, made)
            self.before.append(made)
        return conjunction(conditions)

    def _load(self, node: Load) -> Expr:
        node = self.descend(node)
        self.access(node.buffer, node.indices, False, node)
        sites, self.sites = self.sites, []
        if not sites:
            return node
        inside = self.guard(sites)
        if node.dtype in PACKED_TYPES:
            zero: Expr = Cast(Const(0), node.dtype)
        else:
            zero = Const(0.0 if is_float(node.dtype) else node.dtype != "bool" and 0, node.dtype)
        return Call("if_then_else", (inside, node, zero), node.dtype)

    def statement(self, node: Any) -> Stmt:
        """A statement without others in it, after the checks of its expressions."""
        outside, self.before = self.before, []
        depth, self.depth = self.depth, len(self.path)
        made = self.descend(node)
        if isinstance(node, Store):
            self.access(node.buffer, made.indices, True, node)
        elif isinstance(node, Invoke):
            for region in made.operands:
                self.region(region)
        elif isinstance(node, Copy):
            self.region(made.target)
            self.region(made.source)
        sites, self.sites = self.sites, []
        if sites:
            condition = self.guard(sites)
            made = If(condition, made)
        checks, self.before, self.depth = self.before, outside, depth
        return sequence((*checks, made)) if checks else made

    def region(self, region: Region) -> None:
        """Check the first and the last position of a region."""
        first = last = region.offset
        for extent, stride in zip(region.extents, region.strides, strict=True):
            reach = binary("*", stride, extent - 1)
            first = binary("+", first, binary("min", reach, 0))
            last = binary("+", last, binary("max", reach, 0))
        for end in (first, last):
            self.access(region.buffer, (end,), True, region)

    def before_body(self, expr: Expr) -> tuple[list[Stmt], Expr]:
        """An expression that a statement evaluates before its body, and the checks before the statement."""
        outside, self.before = self.before, []
        depth, self.depth = self.depth, len(self.path)
        made = self(expr)
        checks, self.before, self.depth = self.before, outside, depth
        return checks, made

    def _for(self, node: For) -> Stmt:
        checks, extent = self.before_body(node.extent)
        made = Accesses._for(self, node if extent is node.extent else replace(node, extent=extent))
        return sequence((*checks, made)) if checks else made

    def _if(self, node: If) -> Stmt:
        checks, condition = self.before_body(node.condition)
        made = Accesses._if(self, node if condition is node.condition else replace(node, condition=condition))
        return sequence((*checks, made)) if checks else made

    def _let(self, node: Let) -> Stmt:
        checks, value = self.before_body(node.value)
        made = Accesses._let(self, node if value is node.value else replace(node, value=value))
        return sequence((*checks, made)) if checks else made

    rules = Accesses.rules | {
        Load: _load,
        Store: statement,
        Invoke: statement,
        Copy: statement,
        For: _for,
        If: _if,
        Let: _let,
        Prefetch: lambda self, node: node,
    }
