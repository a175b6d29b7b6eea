"""Gathers through indices of every integer type, under each primitive that computes with the index."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import compiler
from compiler import te
from compiler.ir.semantics.interpret import interpret
from compiler.lowering.nest import loop_nest
from compiler.schedule import Schedule
from compiler.te.tensor import Tensor

INDEX_TYPES = ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64")
ROWS = 120  # times 16 lanes is beyond int8 and uint8


def _inline(s: Schedule, table: Tensor, out: Tensor) -> None:
    s[table].compute_inline()
    s[out].vectorize(s[out].split(out.op.axis[0], 16)[1])


def _in_the_lanes(s: Schedule, table: Tensor, out: Tensor) -> None:
    lane = s[out].split(out.op.axis[0], 16)[1]
    s[table].compute_at(s[out], lane)
    s[out].vectorize(lane)


def _in_the_outer_loop(s: Schedule, table: Tensor, out: Tensor) -> None:
    outer, lane = s[out].split(out.op.axis[0], 16)
    s[table].compute_at(s[out], outer)
    s[out].vectorize(lane)


def _layout(s: Schedule, table: Tensor, out: Tensor) -> None:
    s[table].transform_layout(lambda t: [t % 8, t // 8])
    s[out].vectorize(s[out].split(out.op.axis[0], 16)[1])


def _caches(s: Schedule, table: Tensor, out: Tensor) -> None:
    s.cache_read(table, "local", [out])
    s.cache_write(out, "local")


def _threads(s: Schedule, table: Tensor, out: Tensor) -> None:
    outer, inner = s[out].split(out.op.axis[0], 16)
    s[table].compute_at(s[out], inner)
    s[out].bind(inner, te.thread_axis("vthread"))


def _prefetch(s: Schedule, table: Tensor, out: Tensor) -> None:
    s[out].prefetch(table, out.op.axis[0], 3)


def _unrolled(s: Schedule, table: Tensor, out: Tensor) -> None:
    s[out].unroll(s[out].split(out.op.axis[0], 4)[1])


SCHEDULES = (*(_inline, _in_the_lanes, _in_the_outer_loop, _layout, _caches, _threads, _prefetch, _unrolled),)


def check(s: Schedule, args: list[Tensor], expected: np.ndarray, *arrays: np.ndarray) -> None:
    """Equal results of the interpreter, before and after the passes, and of compiled code."""
    for run in (
        lambda *given: interpret(loop_nest(s, args), *given),
        lambda *given: interpret(compiler.lower(s, args, target="llvm"), *given),
        compiler.build(s, args),
    ):
        out = np.zeros_like(expected)
        run(*arrays, out)
        np.testing.assert_array_equal(out, expected)


def _indices(dtype: str) -> np.ndarray:
    return np.concatenate([[0, ROWS - 1], np.random.default_rng(0).integers(0, ROWS, 62)]).astype(dtype)


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("dtype", INDEX_TYPES)
def test_of_a_computed_table(dtype: str, schedule: Callable) -> None:
    a, index = te.placeholder((ROWS,), "a", "int32"), te.placeholder((64,), "index", dtype)
    table = te.compute((ROWS,), lambda t: a[t] * 2 + a[(t + 1) % ROWS] + t * 1000, "table")
    out = te.compute((64,), lambda i: table[index[i]], "out")
    s = te.create_schedule(out.op)
    schedule(s, table, out)
    values, where = np.arange(ROWS, dtype="int32"), _indices(dtype)
    expected = (values * 2 + np.roll(values, -1) + np.arange(ROWS, dtype="int32") * 1000)[where]
    check(s, [a, index, out], expected, values, where)


@pytest.mark.parametrize("dtype", INDEX_TYPES)
def test_under_rfactor(dtype: str) -> None:
    a, index = te.placeholder((ROWS,), "a", "int32"), te.placeholder((64,), "index", dtype)
    table = te.compute((ROWS,), lambda t: a[t] * 3 + t, "table")
    k = te.reduce_axis((0, 16), "k")
    out = te.compute((4,), lambda i: te.sum(table[index[i * 16 + k.var]], axis=k), "out")
    s = te.create_schedule(out.op)
    s[table].compute_inline()
    s.rfactor(out, s[out].split(k, 4)[1], 1)
    values, where = np.arange(ROWS, dtype="int32"), _indices(dtype)
    check(s, [a, index, out], (values * 4)[where].reshape(4, 16).sum(1, dtype="int32"), values, where)


@pytest.mark.parametrize("lanes", [1, 8])
@pytest.mark.parametrize("dtype", INDEX_TYPES)
def test_of_rows_and_of_packed_elements(dtype: str, lanes: int) -> None:
    rows, index = te.placeholder((ROWS, 8), "rows", "uint4"), te.placeholder((64,), "index", dtype)
    out = te.compute((64, 8), lambda i, j: rows[index[i], j].astype("int32"), "out")
    s = te.create_schedule(out.op)
    if lanes > 1:
        s[out].vectorize(s[out].split(out.op.axis[0], lanes)[1])
    data = np.random.default_rng(1).integers(0, 256, (ROWS, 4)).astype("uint8")
    where = _indices(dtype)
    elements = np.stack([data & 15, data >> 4], 2).reshape(ROWS, 8).astype("int32")
    check(s, [rows, index, out], elements[where], data, where)
