"""Long chains, long sums, nested conditions: programs deeper than Python's stack, through every step."""

from __future__ import annotations

import copy
import pickle
import sys
import threading
from collections.abc import Callable

import numpy as np
import pytest

from compiler import build, loop_nest, lower, te
from compiler.backend.llvm.codegen import PART, generate
from compiler.backend.llvm.machine import this_machine
from compiler.errors import ScheduleError
from compiler.ir.expr import Binary, Const, Expr, Var
from compiler.ir.function import PrimFunc
from compiler.ir.recursion import LEVELS, Recursive, counted, on_new_stack, recursive
from compiler.ir.semantics.equal import structural_equal
from compiler.ir.semantics.interpret import interpret
from compiler.ir.semantics.verify import verify
from compiler.ir.text.parser import ParseError, parse_function
from compiler.ir.visit import walk
from compiler.schedule.schedule import Schedule
from compiler.te.tensor import Tensor
from costmodel.features import extract

DEPTH = 1200
A = np.arange(1, 9, dtype="float32")


def through_all_steps(func: PrimFunc, inputs: list[np.ndarray], expected: np.ndarray) -> None:
    """Everything that is done with a function of any depth."""
    verify(func)
    assert str(func)
    hash(func.body)
    assert func == pickle.loads(pickle.dumps(func)) or structural_equal(
        func, pickle.loads(pickle.dumps(func))
    )
    assert structural_equal(func, copy.deepcopy(func))
    assert copy.copy(func.body) == func.body
    generate(func, this_machine())
    for run in (lambda *arrays: interpret(func, *arrays), build(func)):
        out = np.zeros_like(expected)
        run(*inputs, out)
        np.testing.assert_allclose(out, expected, rtol=1e-5)


def chain(length: int) -> tuple[Tensor, Tensor]:
    first = x = te.placeholder((8,), "A")
    for k in range(length):
        x = _plus(x, 1.0, f"B{k}")
    return first, x


def _plus(x: Tensor, number: float, name: str) -> Tensor:
    return te.compute((8,), lambda i: x[i] + number, name)


def _largest(x: Tensor, name: str) -> Tensor:
    r = te.reduce_axis((0, 8), "r")
    return te.compute((8,), lambda i: te.max(x[r] - te.cast(i, "float32"), axis=r), name)


def _square(x: Tensor, name: str) -> Tensor:
    return te.compute((8,), lambda i: x[i] * x[i] + 1.0, name)


def intermediate(s: Schedule) -> list[Tensor]:
    return [stage.tensors[0] for stage in s.stages if stage.computed and not stage.output]


@pytest.mark.parametrize("placed", ["root", "inlined", "every third is inlined", "in the loop"])
def test_a_chain_of_computes(placed: str) -> None:
    first, last = chain(DEPTH // 2)
    s = te.create_schedule(last.op)
    for k, tensor in enumerate(intermediate(s)):
        if placed == "inlined" or (placed.startswith("every") and k % 3 == 0):
            s[tensor].compute_inline()
        if placed == "in the loop":
            s[tensor].compute_at(s[last], last.op.axis[0])
    nest = loop_nest(s, [first, last])
    func = lower(s, [first, last])
    through_all_steps(func, [A], A + DEPTH // 2)
    assert structural_equal(nest, pickle.loads(pickle.dumps(nest)))
    assert extract(nest).shape == extract(func).shape
    replayed = te.create_schedule(last.op).replay(s.steps)
    assert structural_equal(lower(replayed, [first, last]), func)


def test_the_text_of_a_chain_parses() -> None:
    first, last = chain(DEPTH // 2)
    nest = loop_nest(te.create_schedule(last.op), [first, last])
    assert structural_equal(parse_function(str(nest)), nest)


def _sum(x: Expr, k: int) -> Expr:
    return x + float(k % 3)


def _extreme(x: Expr, k: int) -> Expr:
    return te.maximum(float(k % 7), x * 1.0) if k % 2 else 8.0 - x


def _root(x: Expr, k: int) -> Expr:
    return te.sqrt(x) / (1.0 + k % 5)


NUMPY: dict[Callable, Callable] = {
    _sum: lambda x, k: x + np.float32(k % 3),
    _extreme: lambda x, k: np.maximum(np.float32(k % 7), x) if k % 2 else np.float32(8) - x,
    _root: lambda x, k: np.sqrt(x) / np.float32(1 + k % 5),
}


@pytest.mark.parametrize("vectorized", [False, True])
@pytest.mark.parametrize("step", NUMPY)
def test_one_deep_expression(step: Callable[[Expr, int], Expr], vectorized: bool) -> None:
    first, expected = te.placeholder((8,), "A"), A.copy()

    def element(i: Expr) -> Expr:
        value = first[i]
        for k in range(DEPTH):
            value = step(value, k)
        return value

    for k in range(DEPTH):
        expected = NUMPY[step](expected, k)
    out = te.compute((8,), element, "out")
    s = te.create_schedule(out.op)
    if vectorized:
        s[out].vectorize(out.op.axis[0])
    through_all_steps(lower(s, [first, out]), [A], expected)


@pytest.mark.parametrize("choose", [te.if_then_else, te.select])
def test_nested_conditions(choose: Callable[..., Expr]) -> None:
    first = te.placeholder((8,), "A")

    def element(i: Expr) -> Expr:
        value = first[i]
        for k in range(DEPTH // 2):
            value = choose(first[i] > float(k % 9), first[i] + float(k), value)
        return value

    expected = A.copy()
    for k in range(DEPTH // 2):
        expected = np.where(k % 9 < A, A + k, expected)
    out = te.compute((8,), element, "out")
    through_all_steps(lower(te.create_schedule(out.op), [first, out]), [A], expected)


def test_deep_index_arithmetic() -> None:
    first = te.placeholder((8,), "A", "int32")

    def element(i: Expr) -> Expr:
        value = i
        for k in range(DEPTH):
            value = (value + k) % (9 + k % 3) if k % 2 else te.minimum(value, 8)
        return first[value % 8]

    at = np.arange(8)
    for k in range(DEPTH):
        at = (at + k) % (9 + k % 3) if k % 2 else np.minimum(at, 8)
    out = te.compute((8,), element, "out")
    func = lower(te.create_schedule(out.op), [first, out])
    through_all_steps(func, [A.astype("int32")], A.astype("int32")[at % 8])


def test_a_wide_program_and_a_chain_of_reductions() -> None:
    first = te.placeholder((8,), "A")
    parts = [_plus(first, float(k), f"B{k}") for k in range(200)]

    def total(i: Expr) -> Expr:
        value = parts[0][i]
        for part in parts[1:]:
            value = value + part[i]
        return value

    x = te.compute((8,), total, "total")
    for k in range(50):
        x = _largest(x, f"C{k}")
    sums = A * 200 + 200 * 199 / 2
    for _ in range(50):
        sums = sums.max() - np.arange(8, dtype="float32")
    through_all_steps(lower(te.create_schedule(x.op), [first, x]), [A], sums)


def test_many_loops_and_a_long_trace() -> None:
    first = te.placeholder((8,), "A")
    out = te.compute((8,), lambda i: first[i] + 1.0, "out")
    s = te.create_schedule(out.op)
    axis = out.op.axis[0]
    for _ in range(300):
        axis, inner = s[out].split(axis, 1)
        s[out].unroll(inner)
    func = lower(te.create_schedule(out.op).replay(s.steps), [first, out])
    through_all_steps(func, [A], A + 1)


def test_a_long_program_is_compiled_in_parts() -> None:
    """LLVM takes more than linear time for one function; a parallel loop stays parallel."""
    first, last = chain(3 * PART)
    s = te.create_schedule(last.op)
    s[last].parallel(last.op.axis[0])
    module = build(lower(s, [first, last]))
    text = module.source("llvm")
    assert text.count("define hidden void @main.part.") == 3
    assert "@main.parallel.0" in text
    out = np.zeros(8, "float32")
    module(A, out)
    np.testing.assert_array_equal(out, A + 3 * PART)


def test_inlining_what_is_read_twice_again_and_again_is_refused() -> None:
    x = te.placeholder((8,), "A")
    first = x
    for k in range(40):
        x = _square(x, f"B{k}")
    s = te.create_schedule(x.op)
    for tensor in intermediate(s):
        s[tensor].compute_inline()
    with pytest.raises(ScheduleError, match=r"B\d+: with the stages that are inlined in it, .* at the root"):
        lower(s, [first, x])


@pytest.mark.parametrize(
    "deep",
    ["(" * 5000 + "1.0" + ")" * 5000, "1.0" + " + 1.0" * 20000, "-" * 20000 + "1.0", "not " * 9000 + "True"],
)
def test_text_that_is_too_deep_is_an_error(deep: str) -> None:
    with pytest.raises(ParseError, match="line"):
        parse_function(f"def f(C: float32[4]):\n    C[0] = {deep}")


def test_deep_nodes_are_equal_and_have_one_hash() -> None:
    def made(last: float) -> Expr:
        value: Expr = Const(1.0, "float32")
        for k in range(3 * sys.getrecursionlimit()):
            value = Binary("+", value, Const(float(k % 5), "float32"), "float32")
        return Binary("+", value, Const(last, "float32"), "float32")

    a, b, c = made(1.0), made(1.0), made(2.0)
    assert a == b
    assert hash(a) == hash(b)
    assert a != c
    assert sum(1 for _ in walk(a)) == sum(1 for _ in walk(pickle.loads(pickle.dumps(a))))


def test_the_hash_of_a_shallow_node_is_that_of_its_fields() -> None:
    node = Binary("+", Const(1), Const(2), "int32")
    assert hash(node) == hash(("+", Const(1), Const(2)))


def test_an_exception_and_the_context_cross_stacks() -> None:
    class Down(Recursive):
        @counted
        def to(self, depth: int) -> int:
            if depth < 0:
                raise KeyError("below")
            return depth and 1 + self.to(depth - 1)

        @counted
        def fall(self, depth: int) -> int:
            return self.fall(depth - 1) if depth else self.to(-1)

    assert Down().to(10 * LEVELS) == 10 * LEVELS
    down = Down()
    with pytest.raises(KeyError, match="below"):
        down.fall(5 * LEVELS)
    assert down.level == 0
    with np.errstate(divide="raise"):
        assert on_new_stack(np.geterr)["divide"] == "raise"
    threads = threading.active_count()

    @recursive
    def count(depth: int) -> int:
        return depth and 1 + count(depth - 1)

    assert count(5 * sys.getrecursionlimit()) == 5 * sys.getrecursionlimit()
    assert threading.active_count() == threads


def test_a_recursion_without_end_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("compiler.ir.recursion.STACKS", 20)

    class Down(Recursive):
        @counted
        def forever(self, depth: int) -> int:
            return self.forever(depth + 1)

    with pytest.raises(RecursionError, match="a traversal has more than"):
        Down().forever(0)


def test_shared_nodes_stay_shared_in_a_pickle() -> None:
    x: Expr = Var("x", "float32")
    shared = x
    for _ in range(40):
        shared = shared + shared
    restored = pickle.loads(pickle.dumps(shared))
    assert restored.a is restored.b  # 2^40 operations as a tree
