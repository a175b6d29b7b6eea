"""Comparisons of expressions: what Python answers by structure is refused where a condition is meant."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import compiler
from compiler import te
from compiler.ir.expr import Const, Expr, Not, Select, Var
from compiler.ir.stmt import If, Store
from compiler.te.tensor import Tensor

A = te.placeholder((8,), "A")
N = te.placeholder((8,), "N", "int32")
k = te.reduce_axis((0, 8), "k")
i, j = Var("i"), Var("j")

WITH_A_NUMBER: dict[str, Callable[[], object]] = {
    "index": lambda: i == 2,
    "index, differs": lambda: i != 2,
    "number first": lambda: 2 == i,  # noqa: SIM300
    "of NumPy": lambda: i == np.int64(2),
    "of NumPy first": lambda: np.int64(2) == i,
    "bool": lambda: (i < 2) == True,  # noqa: E712
    "axis": lambda: k == 2,
    "sum": lambda: i + j == 2,
    "product with a size": lambda: te.size_var("n") * i == 2,
    "element": lambda: A[i] == 0.5,
    "element at a literal": lambda: N[0] == 0,
    "cast": lambda: te.cast(A[i], "int32") == 1,
    "function": lambda: te.exp(A[i]) == 1.0,
    "in": lambda: i in (1, 2),
    "choice": lambda: te.if_then_else(i < 2, i, j) == 1,
    "negation": lambda: Not(i < 2) == 0,
}


@pytest.mark.parametrize("name", WITH_A_NUMBER)
def test_an_expression_is_not_compared_with_a_number(name: str) -> None:
    with pytest.raises(ValueError, match=r"answered at once, by structure.*te\.equal\(a, b\)"):
        WITH_A_NUMBER[name]()


def test_a_branch_of_python_on_an_index_is_refused() -> None:
    with pytest.raises(ValueError, match=r"te\.equal"):
        te.compute((8,), lambda i: Const(1.0, "float32") if i == 2 else A[i])


def _compute(element: Callable[[Expr], object]) -> Callable[[], object]:
    return lambda: te.compute((8,), element)


def _extern(ins: list, outs: list) -> If:
    return If(ins[0] == outs[0], Store(outs[0], (Const(0),), Const(1.0, "float32")))


A_BOOL: dict[str, Callable[[], object]] = {
    "if_then_else": _compute(lambda i: te.if_then_else(A[i] == A[i - 1], 1.0, A[i])),
    "if_then_else, is": _compute(lambda i: te.if_then_else(i is j, 1.0, A[i])),
    "if_then_else, in": _compute(lambda i: te.if_then_else(i in [j], 1.0, A[i])),
    "if_then_else, size": lambda: te.if_then_else(te.size_var("n") == 4, 1, 2),
    "if_then_else, of NumPy": lambda: te.if_then_else(np.bool_(i == j), 1, 2),
    "select": _compute(lambda i: te.select(i != j, 1.0, A[i])),
    "Select": _compute(lambda i: Select(A[i] == A[i], A[i], A[i])),  # type: ignore[arg-type]
    "all": lambda: te.all(i == j, i < 3),
    "all, alone": lambda: te.all(i == j),
    "any": lambda: te.any(i < 3, i == j),
    "any, alone": lambda: te.any(i == j),
    "and": lambda: te.all(i == j and i < 3),
    "or": lambda: te.all(i != j or i < 3),
    "not": lambda: te.all(not i == j),  # noqa: SIM201
    "where": lambda: te.sum(A[k.var], axis=k, where=k.var == j),
    "element": _compute(lambda i: A[i] == A[i]),
    "cast": lambda: te.cast(i == j, "int32"),
    "operand": lambda: A[i] + (i == j),
    "operand, first": lambda: (i == j) * A[i],
    "argument": lambda: te.maximum(A[i], i == j),
    "index": lambda: A[i == j],
    "extern": lambda: te.extern((8,), [A], _extern),
}


@pytest.mark.parametrize("name", A_BOOL)
def test_a_python_bool_is_no_condition(name: str) -> None:
    refused = r"(not the Python value (True|False): `==`|between expressions is answered at once).*te\.equal"
    with pytest.raises(ValueError, match=refused):
        A_BOOL[name]()


BETWEEN: dict[str, Callable[[], object]] = {
    "variables": lambda: i == j,
    "differ": lambda: i != j,
    "if": lambda: 1 if i == j else 2,
    "while": lambda: next(iter(lambda: i != j, False)),
    "elements": lambda: A[i] == A[j],
    "in a list": lambda: A[i] in [A[j], A[i]],
    "index of a list": lambda: [i, j].index(j),
    "of a tuple": lambda: (i, 1) == (j, 1),
    "conditions": lambda: (i < 2) == (j < 2),
    "with a literal": lambda: i == Const(2),
    "with a size": lambda: i == te.size_var("n"),
    "axis and variable": lambda: k == i,
    "of equal structure but for the last": lambda: A[i + j * 2] == A[i + j * 3],
    "-1 and -2": lambda: i + -1 == i + -2,
    "cast": lambda: te.cast(i, "int64") == te.cast(j, "int64"),
    "sorted": lambda: max([i, j]),
}


@pytest.mark.parametrize("name", BETWEEN)
def test_two_expressions_are_not_compared_by_a_program(name: str) -> None:
    with pytest.raises((ValueError, TypeError), match=r"between expressions is answered|no truth value"):
        BETWEEN[name]()


def test_expressions_are_keys_of_dictionaries_and_sets() -> None:
    keys = [i, j, i + j, j + i, A[i], A[j], i + -1, i + -2, te.cast(i, "int64"), Const(-1), Const(-2)]
    numbers = {key: number for number, key in enumerate(keys)}
    assert len(numbers) == len(set(keys)) == len(keys)
    assert [numbers[key] for key in keys] == list(range(len(keys)))
    assert numbers[i + j] == 2 and A[i] in numbers and i * j not in numbers
    assert len({(key, 1) for key in keys}) == len(keys)


def test_axes_and_extents_are_compared() -> None:
    n, m = te.size_var("n"), te.size_var("m")
    assert n != m and (n, 3) != (m, 3) and n + 1 != m + 1
    k2 = te.reduce_axis((0, 8), "k")
    assert k != k2 and [k, k2].index(k2) == 1


def test_chained_comparisons_and_truth_values_are_refused() -> None:
    for condition in (lambda: 0 < i < 3, lambda: i < 3 and j < 3, lambda: not i < 3):
        with pytest.raises(TypeError, match=r"no truth value"):
            condition()


def test_structure_is_still_compared() -> None:
    n = te.size_var("n")
    assert i == i
    assert i + 1 == i + 1 and {i + 1: "one"}[i + 1] == "one"
    assert A[i] == A[i] and hash(A[i]) == hash(A[i])
    assert n != 4 and n + 1 != 4 and (n, 3) != (4, 3)  # extents: which are numbers is asked of shapes
    assert i != None and i != "i"  # noqa: E711


def _run(c: Tensor, *arrays: np.ndarray) -> np.ndarray:
    s = te.create_schedule(c.op)
    s[c].vectorize(c.op.axis[0])
    out = np.zeros(8, c.dtype)
    compiler.build(s, [*c.op.inputs, c])(*arrays, out)
    return out


def test_equal_and_not_equal_are_evaluated() -> None:
    a, n = np.arange(8, dtype="float32") + 10, np.array([0, 2, 2, 5, 2, 0, 7, 1], "int32")
    at_two = te.compute((8,), lambda i: te.if_then_else(te.equal(i, 2), 1.0, A[i]))
    np.testing.assert_array_equal(_run(at_two, a), [10, 11, 1, 13, 14, 15, 16, 17])
    others = te.compute((8,), lambda i: te.select(te.not_equal(N[i], 2), A[i], 0.0))
    np.testing.assert_array_equal(_run(others, n, a), [10, 0, 0, 13, 0, 15, 16, 17])
    constant = te.compute((8,), lambda i: te.if_then_else(te.const(True, "bool"), A[i], 0.0))
    np.testing.assert_array_equal(_run(constant, a), a)
