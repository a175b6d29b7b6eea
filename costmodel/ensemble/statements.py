"""Short spellings of the statements that scorers are made of."""

from __future__ import annotations

from collections.abc import Callable

from compiler.ir.expr import Buffer, Expr, Load, Var, as_expr, const
from compiler.ir.stmt import For, Let, Stmt


def read(buffer: Buffer, *indices: Expr | int) -> Load:
    """Return an element of a buffer."""
    return Load(buffer, tuple(map(as_expr, indices)))


def loop(extent: Expr | int, body: Callable[[Var], Stmt], kind: str = "serial") -> For:
    """Return a loop whose body is made from its variable."""
    var = Var("i")
    return For(var, as_expr(extent), kind, body(var))


def vector(lanes: int, body: Callable[[Var], Stmt]) -> For:
    """Return a loop whose iterations are the lanes of vectors."""
    return loop(lanes, body, "vectorize")


def vectors(extent: int, lanes: int, body: Callable[[Expr], Stmt]) -> For:
    """Return a loop over a multiple of `lanes` elements, as unrolled vectors."""
    return loop(
        extent // lanes, lambda part: vector(lanes, lambda i: body(part * const(lanes) + i)), "unroll"
    )


def let(values: tuple[Expr, ...], body: Callable[..., Stmt]) -> Stmt:
    """Return the statement that ``body(*variables)`` makes of variables of these values."""
    names = tuple(Var("v", value.dtype) for value in values)
    made = body(*names)
    for name, value in zip(reversed(names), reversed(values), strict=True):
        made = Let(name, value, made)
    return made
