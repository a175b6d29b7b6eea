"""Strides, work and boxes, worked out by hand."""

from __future__ import annotations

from compiler import te
from compiler.ops.derive.access import box, coefficient, is_conditional, is_linear, iterations, stride, work
from compiler.te.tensor import reads_of


def made(element, shape=(4, 6)):
    A = te.placeholder((20, 30), "A")
    return te.compute(shape, lambda i, j: element(A, i, j), "B").op


def test_coefficients_of_linear_indices():
    op = made(lambda A, i, j: A[i * 3 + 2 - j + 6, (j + 1) * 2])
    (read,), (i, j) = reads_of(op.body), (a.var for a in op.axes)
    assert [coefficient(read.indices[0], v) for v in (i, j)] == [3, -1]
    assert [coefficient(read.indices[1], v) for v in (i, j)] == [0, 2]
    # A has rows of 30 elements
    assert stride(read, i) == 90 and stride(read, j) == -30 + 2
    assert is_linear(op)


def test_an_index_with_a_division_has_no_stride():
    op = made(lambda A, i, j: A[i // 2, j])
    (read,), (i, j) = reads_of(op.body), (a.var for a in op.axes)
    assert stride(read, i) is None and stride(read, j) == 1
    assert not is_linear(op)


def test_work_leaves_out_indices():
    assert work(made(lambda A, i, j: A[i * 2 + 1, j])) == 0
    assert work(made(lambda A, i, j: A[i, j] * 2.0 + 1.0)) == 2
    assert work(made(lambda A, i, j: te.exp(A[i, j]) / 2.0)) == 14


def test_conditions_and_iterations():
    op = made(lambda A, i, j: te.if_then_else(i < 2, A[i, j], 0.0))
    assert is_conditional(op) and iterations(op) == 24
    assert not is_conditional(made(lambda A, i, j: A[i, j]))


def test_the_box_of_a_read():
    op = made(lambda A, i, j: A[i * 2 + j, te.minimum(j, 5)])
    (read,), (i, j) = reads_of(op.body), (a.var for a in op.axes)
    # of an index with a minimum the whole extent: bound inference does not divide it
    assert box([read], {i: 3, j: 2}) == (6, 30)
    assert box([read], {i: 100, j: 1}) == (20, 30)


def test_the_box_of_several_reads():
    op = made(lambda A, i, j: A[i, j] + A[i + 2, j] + A[i + 1, 29 - j])
    reads, (i, j) = list(reads_of(op.body)), (a.var for a in op.axes)
    # rows i to i + 2; the columns of the last read move the other way
    assert box(reads, {i: 1, j: 1}) == (3, 30)
    assert box(reads[:2], {i: 4, j: 2}) == (6, 2)
