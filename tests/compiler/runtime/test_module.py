"""Calls of compiled modules."""

from __future__ import annotations

import gc
import os
import threading
import weakref
from pathlib import Path

import numpy as np
import pytest

from compiler.backend import Target, build
from compiler.ir.expr import Buffer, Load, Var, const
from compiler.ir.function import PrimFunc
from compiler.ir.stmt import Allocate, For, Seq, Store
from compiler.runtime import Module

i = Var("i")


def add() -> PrimFunc:
    a, b, c = Buffer("A", (4, 6)), Buffer("B", (4, 6)), Buffer("C", (4, 6))
    return PrimFunc(
        "add", (a, b, c), For(i, const(24), "serial", Store(c, (i,), Load(a, (i,)) + Load(b, (i,))))
    )


@pytest.fixture(scope="module")
def module() -> Module:
    return build(add())


def arrays() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.random((4, 6), np.float32), rng.random((4, 6), np.float32), np.zeros((4, 6), np.float32)


def test_a_call_writes_its_output_in_place(module: Module) -> None:
    a, b, c = arrays()
    assert module(a, b, c) is None
    np.testing.assert_array_equal(c, a + b)


def test_inputs_may_be_read_only_and_the_same(module: Module) -> None:
    a, _, c = arrays()
    a.flags.writeable = False
    module(a, a, c)
    np.testing.assert_array_equal(c, a + a)


def test_a_contiguous_view_is_accepted(module: Module) -> None:
    whole = np.zeros((3, 4, 6), np.float32)
    whole[:2] = 1
    module(whole[0], whole[1], whole[2])
    np.testing.assert_array_equal(whole[2], np.full((4, 6), 2))


def test_scalars_and_empty_arrays() -> None:
    x, y, e = Buffer("x", (), "float64"), Buffer("y", (), "float64"), Buffer("e", (0, 3))
    body = Seq(
        (
            Store(y, (const(0),), Load(x, (const(0),)) * 2.0),
            For(i, const(0), "serial", Store(e, (i,), const(1.0))),
        )
    )
    y_array = np.array(0.0)
    build(PrimFunc("f", (x, y, e), body))(np.array(1.5), y_array, np.zeros((0, 3), "f"))
    assert y_array == 3.0


def test_no_parameters_at_all() -> None:
    scratch = Buffer("s", (4,))
    build(PrimFunc("f", (), Allocate(scratch, Store(scratch, (const(0),), const(1.0)))))()


class Odd(np.ndarray):
    pass


def misaligned() -> np.ndarray:
    return np.zeros(97, np.uint8)[1:].view(np.float32).reshape(4, 6)


def read_only() -> np.ndarray:
    c = arrays()[2]
    c.flags.writeable = False
    return c


A, B, C = arrays()
REFUSED = [
    ((A, B), r"add takes 3 array\(s\) \(A: float32\[4, 6\], B: float32\[4, 6\], C: float32\[4, 6\]\), not 2"),
    ((A, B, C, C), r"add takes 3 array\(s\) .*, not 4"),
    (
        (A.tolist(), B, C),
        r"argument 1, 'A', must be a NumPy array A: float32\[4, 6\], or another .*__dlpack__, not list",
    ),
    ((A, None, C), "argument 2, 'B', must be a NumPy array .*, not NoneType"),
    (
        (A.astype("f8"), B, C),
        r"argument 1, 'A', has dtype float64; float32 is needed \(array.astype\('float32'\)\)",
    ),
    ((A, B.astype(">f4"), C), "argument 2, 'B', has dtype >f4; float32 is needed"),
    ((A, B, C.astype("i4")), "argument 3, 'C', has dtype int32; float32 is needed"),
    ((A.T, B, C), r"argument 1, 'A', has shape \(6, 4\); \(4, 6\) is needed"),
    ((A, B[:2], C), r"argument 2, 'B', has shape \(2, 6\); \(4, 6\) is needed"),
    ((A, B.ravel(), C), r"argument 2, 'B', has shape \(24,\); \(4, 6\) is needed"),
    (
        (A, np.asfortranarray(B), C),
        "argument 2, 'B', is not C-contiguous; numpy.ascontiguousarray makes it so",
    ),
    ((A, B, np.zeros((4, 12), "f")[:, ::2]), "argument 3, 'C', is not C-contiguous"),
    ((A, misaligned(), C), "argument 2, 'B', is not aligned to its elements"),
    ((A, B, misaligned()), "argument 3, 'C', is not aligned to its elements"),
    ((A, B, read_only()), "argument 3, 'C', is written to, but the array is read-only"),
    ((A, B, A), "add: the output 'C' shares memory with the argument 'A'"),
    ((A, B, B), "the output 'C' shares memory with the argument 'B'"),
]


@pytest.mark.parametrize(("given", "message"), REFUSED)
def test_wrong_arguments_are_refused(module: Module, given: tuple, message: str) -> None:
    for call in (module, module.time_evaluator()):
        with pytest.raises(ValueError, match=message):
            call(*given)
    assert not C.any()


def test_an_output_that_overlaps_in_part(module: Module) -> None:
    whole = np.zeros((7, 6), np.float32)
    with pytest.raises(ValueError, match="the output 'C' shares memory with the argument 'B'"):
        module(A, whole[:4], whole[3:])


def test_a_subclass_of_array_is_an_array(module: Module) -> None:
    a, b, c = arrays()
    module(a.view(Odd), b, c)
    np.testing.assert_array_equal(c, a + b)


# What a module shows


def test_sources(module: Module) -> None:
    assert "define void @add(ptr" in module.source("llvm") == module.source()
    assert "add.compute:" in module.source("asm")
    with pytest.raises(
        ValueError, match=r"unknown source of a module 'as'; did you mean 'asm'\? \(known: llvm, asm\)"
    ):
        module.source("as")


def test_text(module: Module) -> None:
    assert module.name == "add"
    assert [buffer.name for buffer in module.params] == ["A", "B", "C"]
    assert repr(module).startswith(
        "Module('add', A: float32[4, 6], B: float32[4, 6], C: float32[4, 6], target='llvm "
    )


def test_a_module_for_another_machine_shows_its_source_only() -> None:
    arm = build(add(), "llvm -mtriple=aarch64-linux-gnu -mcpu=cortex-a72")
    assert "aarch64" in arm.source("llvm")
    assert "fadd\tv" in arm.source("asm")
    for call in (arm, arm.time_evaluator()):
        with pytest.raises(
            ValueError, match="add was built for llvm -mcpu=cortex-a72 .*, which this machine cannot"
        ):
            call(*arrays())


def test_a_module_for_an_older_cpu_of_this_kind_can_be_called() -> None:
    if not Target.host().option("-mtriple").startswith("x86_64"):
        pytest.skip("the name of the older CPU is one of x86")
    a, b, c = arrays()
    build(add(), "llvm -mcpu=x86-64")(a, b, c)
    np.testing.assert_array_equal(c, a + b)


# Memory


def reverse(size: int) -> Module:
    a, b, s = Buffer("a", (size,), "int64"), Buffer("b", (size,), "int64"), Buffer("s", (size,), "int64")
    body = Seq(
        (
            For(i, const(size), "serial", Store(s, (i,), Load(a, (i,)))),
            For(i, const(size), "serial", Store(b, (i,), Load(s, (size - 1 - i,)))),
        )
    )
    return build(PrimFunc("reverse", (a, b), Allocate(s, body)))


def test_calls_with_a_workspace() -> None:
    module = reverse(1000)
    assert module.workspace_bytes >= 8000
    a, b = np.arange(1000), np.zeros(1000, np.int64)
    for _ in range(10):
        module(a, b)
    np.testing.assert_array_equal(b, a[::-1])


def test_concurrent_calls_have_separate_workspaces() -> None:
    module = reverse(20_000)
    wrong: list[int] = []
    start = threading.Barrier(4)

    def work(seed: int) -> None:
        a, b = np.random.default_rng(seed).integers(0, 2**60, 20_000), np.zeros(20_000, np.int64)
        start.wait(30)
        for _ in range(200):
            module(a, b)
            if not np.array_equal(b, a[::-1]):
                wrong.append(seed)

    workers = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert wrong == []


def test_a_module_that_is_dropped_is_freed() -> None:
    module = reverse(16)
    code = weakref.ref(module._executable._library._owner)
    del module
    gc.collect()
    assert code() is None


@pytest.mark.skipif(not os.path.exists("/proc/self/maps"), reason="needs Linux's /proc")
def test_the_code_of_dropped_modules_is_unmapped() -> None:
    def executable() -> int:
        return sum(" r-xp " in line for line in Path("/proc/self/maps").read_text().splitlines())

    for _ in range(5):
        build(add())
    gc.collect()
    before = executable()
    for _ in range(50):
        build(add())
    gc.collect()
    dropped = executable()
    kept = [build(add()) for _ in range(50)]
    assert dropped - before < 25
    a, b, c = arrays()
    kept[0](a, b, c)
    np.testing.assert_array_equal(c, a + b)


def test_modules_may_be_built_by_several_threads() -> None:
    results: list[bool] = []

    def work() -> None:
        for _ in range(5):
            a, b, c = arrays()
            build(add())(a, b, c)
            results.append(np.array_equal(c, a + b))

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert results == [True] * 20
