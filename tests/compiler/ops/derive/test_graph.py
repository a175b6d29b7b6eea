"""What is inlined at every read, and what is left as it is."""

from __future__ import annotations

import pytest

from compiler import te
from compiler.ops.derive.graph import Graph
from compiler.te.tensor import Placeholder
from tests.compiler.ops.derive.computations import attention, conv2d, cumsum, layer_norm, stencil


def kept(computation):
    tensors, _ = computation
    graph = Graph.of([t for t in tensors if not isinstance(t.op, Placeholder)])
    return graph, [op.name for op in graph.ops]


def test_the_padding_of_a_convolution_is_a_choice():
    _, names = kept(conv2d(1, 5, 11, 13, 9, 3, 1, 1))
    assert names == ["P", "Y"]


def test_functions_that_are_read_twice_are_a_choice_and_scales_are_inlined():
    _, names = kept(attention(2, 21, 10))
    assert names == ["S", "top", "power", "total", "weight", "out"]


def test_a_division_that_every_column_would_repeat_is_a_choice():
    _, names = kept(layer_norm(7, 77))
    assert "scale" in names and "square" in names


def test_a_cheap_element_that_is_read_by_one_operation_thrice_is_inlined_only_if_cheap():
    _, names = kept(stencil(17, 39))
    assert "Y" in names and "P" in names


def test_a_transpose_is_inlined_in_a_product():
    A, B = te.placeholder((8, 9), "A"), te.placeholder((8, 7), "B")
    T = te.compute((9, 8), lambda i, j: A[j, i], "T")
    k = te.reduce_axis((0, 8), "k")
    C = te.compute((9, 7), lambda i, j: te.sum(T[i, k] * B[k, j], axis=k), "C")
    graph, names = kept(([A, B, C], None))
    assert names == ["C"] and graph.ops[0].inputs == (A, B)


def test_recurrences_and_their_steps_are_opaque():
    graph, names = kept(cumsum(9, 35))
    opaque = {op.name for op in graph.opaque}
    assert opaque == {"update", "scan"}
    assert "out" in names


def test_dynamic_extents_are_opaque():
    n = te.size_var("n")
    A = te.placeholder((n,), "A")
    graph, _ = kept(([A, te.compute((n,), lambda i: A[i] + 1.0, "B")], None))
    assert len(graph.opaque) == 1


def test_reads_outside_are_refused():
    A = te.placeholder((4,), "A")
    B = te.compute((4,), lambda i: A[i + 1], "B")
    with pytest.raises(ValueError, match="A"):
        Graph.of([B])
