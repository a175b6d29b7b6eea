"""Native calls of compiled code, and calls by way of Python, which do the same."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
import pytest

from compiler.backend import build
from compiler.backend.llvm.host import dispatch
from compiler.ir.expr import Buffer, Load, Var, const
from compiler.ir.function import PrimFunc
from compiler.ir.stmt import For, Store
from compiler.runtime import Module

i = Var("i")


def scale() -> Module:
    n, m = Var("n", bounds=(2, 9)), Var("m", bounds=(1, 9))
    a, f, b = Buffer("A", (n, m)), Buffer("factor", ()), Buffer("B", (m, n))
    body = For(i, n * m, "serial", Store(b, (i,), Load(a, (i,)) * Load(f, (const(0),))))
    return build(PrimFunc("scale", (a, f, b), body))


@pytest.fixture(scope="module", params=["native", "python"])
def module(request: pytest.FixtureRequest) -> Module:
    if request.param == "native":
        return scale()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dispatch, "_layout_is_known", lambda: False)
        return scale()


def test_native_calls_work_in_this_process() -> None:
    assert dispatch._layout_is_known()
    assert scale()._call.__name__ == "scale"


def arrays(n: int = 3, m: int = 4) -> list[np.ndarray]:
    return [np.arange(n * m, dtype="f").reshape(n, m), np.array(2, "f"), np.zeros((m, n), "f")]


def test_calls_of_several_sizes(module: Module) -> None:
    for n, m in ((3, 4), (2, 1), (9, 9)):
        a, f, b = arrays(n, m)
        assert module(a, f, b) is None
        np.testing.assert_array_equal(b.ravel(), a.ravel() * 2)


def with_(position: int, change: Callable[[np.ndarray], object]) -> list:
    given: list = arrays()
    given[position] = change(given[position])
    return given


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (arrays()[:2], r"scale takes 3 array\(s\)"),
        (with_(0, lambda a: a.astype("f8")), "argument 1, 'A', has dtype float64"),
        (with_(0, lambda a: a.astype(">f4")), "argument 1, 'A', has dtype >f4"),
        (with_(1, lambda a: a.reshape(1)), r"argument 2, 'factor', has shape \(1,\); \(\) is needed"),
        (with_(0, lambda a: a.ravel()), r"argument 1, 'A', has shape \(12,\); \(n, m\) is needed"),
        (arrays(1, 4), "argument 1, 'A', has the dynamic extent 'n' = 1; it must be 2 to 9"),
        (arrays(3, 10), "argument 1, 'A', has the dynamic extent 'm' = 10; it must be 1 to 9"),
        (with_(2, lambda a: a.T.copy()), "the dynamic extent 'm' = 3, but it is 4 by argument 1, 'A'"),
        (with_(0, lambda a: np.asfortranarray(a)), "argument 1, 'A', is not C-contiguous"),
        (with_(0, lambda a: np.zeros(49, "u1")[1:].view("f").reshape(3, 4)), "'A', is not aligned"),
        (with_(2, lambda a: np.broadcast_to(np.zeros(1, "f"), (4, 3))), "'B', is not C-contiguous"),
        (with_(1, lambda a: None), "argument 2, 'factor', must be a NumPy array .*, not NoneType"),
        (with_(1, lambda a: 2.0), "argument 2, 'factor', must be a NumPy array .*, not float"),
    ],
)
def test_wrong_arguments_are_refused(module: Module, given: list, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        module(*given)


def test_a_read_only_output_is_refused(module: Module) -> None:
    given = arrays()
    given[2].flags.writeable = False
    with pytest.raises(ValueError, match="'B', is written to, but the array is read-only"):
        module(*given)


def test_an_output_inside_of_an_input_is_refused(module: Module) -> None:
    memory = np.zeros(24, "f")
    for start in (0, 1, 11):
        with pytest.raises(ValueError, match="the output 'B' shares memory with the argument 'A'"):
            module(memory[:12].reshape(3, 4), np.array(1, "f"), memory[start : start + 12].reshape(4, 3))
    module(memory[:12].reshape(3, 4), np.array(1, "f"), memory[12:].reshape(4, 3))


def test_a_dtype_that_is_equal_but_another_object(module: Module) -> None:
    given = arrays()
    given[0] = given[0].view(np.dtype("f4", metadata={"unit": "m"}))
    module(*given)
    np.testing.assert_array_equal(given[2].ravel(), given[0].ravel() * 2)


def test_reference_counts_are_unchanged_after_calls(module: Module) -> None:
    import sys

    given = arrays()
    before = [sys.getrefcount(array) for array in given]
    for _ in range(100):
        module(*given)
    assert [sys.getrefcount(array) for array in given] == before


def test_keywords_are_refused(module: Module) -> None:
    with pytest.raises(TypeError):
        module(*arrays()[:2], B=arrays()[2])


def test_several_threads_may_call_concurrently(module: Module) -> None:
    wrong: list[int] = []
    start = threading.Barrier(4)

    def work(n: int) -> None:
        start.wait(30)
        for m in range(200):
            a, f, b = arrays(n, m % 9 + 1)
            module(a, f, b)
            if not np.array_equal(b.ravel(), a.ravel() * 2):
                wrong.append(n)

    workers = [threading.Thread(target=work, args=(n,)) for n in (2, 3, 5, 9)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert wrong == []
