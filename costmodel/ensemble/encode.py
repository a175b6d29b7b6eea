"""Values to codes: the statements that compute columns of a `Layout` for the lanes of a vector."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from compiler.ir.expr import Buffer, Call, Cast, Expr, Select, as_expr, binary, const
from compiler.ir.stmt import Allocate, Seq, Stmt, Store
from costmodel.ensemble.statements import loop, read, vector
from costmodel.ensemble.tables import Tables


@dataclass(frozen=True)
class Lanes:
    """What the lanes of a vector are: rows of one column, or columns of one row.

    Attributes
    ----------
    count : int
    column : callable
        From a lane to its column among those of its kind.
    value : callable
        From a lane and a feature to the value.
    save : callable
        From a lane and its code to the statement that stores it.
    infinite : callable
        From a lane to the buffer and the index of what becomes 1 for an infinite value.
    shared : Expr, optional
        The column of all lanes, if they have the same.
    """

    count: int
    column: Callable[[Expr], Expr]
    value: Callable[[Expr, Expr], Expr]
    save: Callable[[Expr, Expr], Stmt]
    infinite: Callable[[Expr], tuple[Buffer, Expr]]
    shared: Expr | None = None


def code_of_number(tables: Tables, lanes: Lanes) -> Stmt:
    """Return the statement that counts the thresholds that each value reaches, by bisection."""
    shared = lanes.shared
    halvings = int(tables.layout.ranges[:, 2].max()) if shared is None else tables("ranges", shared, 2)
    code = Buffer("code", (lanes.count,), "int32", "local")

    def field(i: Expr, number: int) -> Expr:
        return tables("ranges", lanes.column(i), number)

    def halve(h: Expr, x: Buffer) -> Stmt:
        step = const(1) << (as_expr(halvings) - const(1) - h)

        def of_lane(i: Expr) -> Stmt:
            at = read(code, i) + step - const(1)
            if shared is not None:
                reached = read(tables.limits, field(i, 1) + at) <= read(x, i)
            else:  # a column of fewer thresholds takes part in the last halvings only
                inside = step < (const(1) << field(i, 2))
                limit = read(tables.limits, field(i, 1) + Select(inside, at, const(0)))
                reached = binary("and", inside, limit <= read(x, i))
            return Store(code, (i,), read(code, i) + Select(reached, step, const(0)))

        return vector(lanes.count, of_lane)

    def count(x: Buffer) -> Stmt:
        begin = vector(lanes.count, lambda i: Store(code, (i,), const(0)))
        end = vector(
            lanes.count, lambda i: lanes.save(i, Select(_missing(read(x, i)), field(i, 3), read(code, i)))
        )
        return Allocate(code, Seq((begin, loop(halvings, lambda h: halve(h, x)), end)))

    return _with_values(lanes, lambda i: field(i, 0), count)


def code_of_set(tables: Tables, lanes: Lanes) -> Stmt:
    """Return the statement that stores 1 where a value is a category of its column's set, else 0.

    A value that is no category is in no set, and a fraction is truncated, as in XGBoost.
    """

    def field(i: Expr, number: int) -> Expr:
        return tables("sets", lanes.column(i), number)

    def look_up(x: Buffer) -> Stmt:
        def of_lane(i: Expr) -> Stmt:
            value = read(x, i)
            known = binary("and", value >= const(0.0), value < Cast(field(i, 2), "float32"))
            category = Cast(Select(known, value, const(0.0)), "int32")
            word = tables("bits", field(i, 1) + (category >> const(5)))
            inside = Select(known, (word >> (category & const(31))) & const(1), const(0))
            return lanes.save(i, Select(_missing(value), field(i, 3), inside))

        return vector(lanes.count, of_lane)

    return _with_values(lanes, lambda i: field(i, 0), look_up)


def _with_values(lanes: Lanes, feature: Callable[[Expr], Expr], body: Callable[[Buffer], Stmt]) -> Stmt:
    """Return a statement on the values of the lanes, after noting which are infinite."""
    x = Buffer("value", (lanes.count,), "float32", "local")
    largest = const(float(np.finfo(np.float32).max))

    def note(i: Expr) -> Stmt:
        buffer, at = lanes.infinite(i)
        infinite = binary(">", Call("abs", (read(x, i),), "float32"), largest)
        return Store(buffer, (at,), Select(infinite, const(1), read(buffer, at)))

    fetch = vector(lanes.count, lambda i: Store(x, (i,), lanes.value(i, feature(i))))
    return Allocate(x, Seq((fetch, vector(lanes.count, note), body(x))))


def _missing(value: Expr) -> Expr:
    return binary("!=", value, value)
