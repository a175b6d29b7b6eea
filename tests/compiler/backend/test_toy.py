"""The interface of a back end, with a back end for tests whose device has separate memories: see `toy`."""

from __future__ import annotations

import gc
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import numpy as np
import pytest

import compiler
from compiler import te
from compiler.backend import Target, TargetError, device, pipeline, register, registry
from compiler.ir.text import parse_function
from compiler.runtime import Device, DeviceError, Module
from compiler.schedule import Schedule, ScheduleError
from compiler.te.tensor import Tensor
from tests.compiler.backend.toy import Toy
from tests.compiler.backend.toy import device as toy_device

BX, TX = te.thread_axis("blockIdx.x"), te.thread_axis("threadIdx.x")
ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def toy() -> Iterator[None]:
    register(Toy())
    yield
    del registry._loaded["toy"]
    toy_device.cache_clear()


def reversed_twice(rows: int = 4, columns: int = 16) -> tuple[Schedule, list[Tensor]]:
    """Two kernels with an array between them: B[i, j] = A[i, j] * 2 turned around, then turned back + 1."""
    A = te.placeholder((rows, columns), "A")
    T = te.compute((rows, columns), lambda i, j: A[i, columns - 1 - j] * 2.0, "T")
    B = te.compute((rows, columns), lambda i, j: T[i, columns - 1 - j] + 1.0, "B")
    s = te.create_schedule(B.op)
    for tensor in (T, B):
        i, j = tensor.op.axis
        s[tensor].bind(i, BX)
        s[tensor].bind(j, TX)
    return s, [A, B]


def arrays(rows: int = 4, columns: int = 16) -> tuple[np.ndarray, np.ndarray]:
    a = np.random.default_rng(0).random((rows, columns), np.float32)
    return a, np.zeros_like(a)


def launches(module: Module) -> list[tuple[str, dict[str, int]]]:
    return module._executable.launcher.launched  # type: ignore[union-attr]


# Targets


def test_options_belong_to_the_back_end() -> None:
    target = Target.parse("toy -shared=512")
    assert str(target) == "toy -memory=4096 -shared=512 -threads=64"
    assert Target.parse(str(target)) == target
    assert target.hardware.memories == {"global": 4096, "shared": 512, "local": None}
    assert (target.hardware.threads, target.vector_bits, target.lanes("float32")) == (64, 0, 1)
    assert target.runs_here


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("toy -mcpu=haswell", "unknown target option '-mcpu'.*known: -memory, -shared, -threads"),
        ("toy -memory=much", "-memory=much is not a number of bytes or threads"),
        ("toi", r"unknown target kind 'toi'; did you mean 'toy'\? \(known: llvm, toy, host\)"),
    ],
)
def test_invalid_targets_are_refused(text: str, message: str) -> None:
    with pytest.raises(TargetError, match=message):
        Target.parse(text)


def test_passes_belong_to_the_back_end() -> None:
    assert [step.__name__ for step in pipeline("toy")] == [
        "flatten",
        "simplify",
        "thread_sync",
        "remove_no_op",
    ]
    stages: list[str] = []
    compiler.lower(*reversed_twice(), target="toy", dump=lambda name, _: stages.append(name))
    assert stages == ["loop_nest", "flatten", "simplify", "thread_sync", "remove_no_op"]


# Programs


def test_two_kernels_on_device_arrays() -> None:
    module = compiler.build(*reversed_twice(), target="toy")
    a, b = arrays()
    on = device("toy")
    x, y = on.array(a), on.empty((4, 16))
    used = on.used
    module(x, y)
    np.testing.assert_array_equal(y.numpy(), a * 2 + 1)
    assert on.used == used == a.nbytes * 2
    assert launches(module) == [(f"main_{n}", {"blockIdx.x": 4, "threadIdx.x": 16}) for n in range(2)]
    assert module.workspace_bytes == a.nbytes
    del x, y
    gc.collect()
    assert on.used == 0


def test_numpy_arrays_are_copied_to_the_device_and_back() -> None:
    module = compiler.build(*reversed_twice(), target="toy")
    a, b = arrays()
    module(a, b)
    np.testing.assert_array_equal(b, a * 2 + 1)
    b[:] = 0
    mixed = device("toy").array(a)
    module(mixed, b)
    np.testing.assert_array_equal(b, a * 2 + 1)


def test_the_sources() -> None:
    module = compiler.build(*reversed_twice(2, 4), target="toy")
    assert module.source() == dedent(
        """\
        def main_0(A: float32[2, 4], T: float32[8]):
            for i in bind(2, "blockIdx.x"):
                for j in bind(4, "threadIdx.x"):
                    T[i * 4 + j] = A[i * 4 - j + 3] * 2.0

        def main_1(B: float32[2, 4], T: float32[8]):
            for i in bind(2, "blockIdx.x"):
                for j in bind(4, "threadIdx.x"):
                    B[i * 4 + j] = T[i * 4 - j + 3] + 1.0"""
    )
    assert 'allocate(float32[8], "global")' in module.source("program")
    with pytest.raises(ValueError, match="unknown source of a module 'llvm'.*known: toy, program"):
        module.source("llvm")


def test_a_saved_module_runs_in_another_process(tmp_path: Path) -> None:
    path = tmp_path / "m"
    built = compiler.build(*reversed_twice(), target="toy")
    built.save(path)
    loaded = compiler.load_module(path)
    assert repr(loaded) == repr(built)
    assert loaded.source() == built.source()
    a, b = arrays()
    x, y = device("toy").array(a), device("toy").empty((4, 16))
    loaded(x, y)
    np.testing.assert_array_equal(y.numpy(), a * 2 + 1)
    code = (
        "import sys, numpy as np, compiler\n"
        f"sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "from toy import Toy\n"
        "compiler.backend.register(Toy())\n"
        f"module = compiler.load_module({str(path)!r})\n"
        "a, b = np.ones((4, 16), 'f'), np.zeros((4, 16), 'f')\n"
        "module(a, b)\n"
        "assert (b == 3).all()\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=60)


def test_a_file_whose_details_are_wrong(tmp_path: Path) -> None:
    from dataclasses import replace

    module = compiler.build(*reversed_twice(), target="toy")
    replace(module._artifact, details={"device": "first"}).save(tmp_path / "m")
    with pytest.raises(compiler.runtime.ModuleFileError, match="invalid header: device is 'first'"):
        compiler.load_module(tmp_path / "m")


def test_dynamic_extents_are_scalars_of_a_launch() -> None:
    n = te.size_var("n", (1, 9))
    A = te.placeholder((n, 8), "A")
    B = te.compute((n, 8), lambda i, j: A[i, j] * 3.0, "B")
    s = te.create_schedule(B.op)
    s[B].bind(B.op.axis[0], BX)
    s[B].bind(B.op.axis[1], TX)
    module = compiler.build(s, [A, B], target="toy")
    for rows in (1, 5):
        a, b = arrays(rows, 8)
        module(a, b)
        np.testing.assert_array_equal(b, a * 3)
    assert launches(module)[-1] == ("main_0", {"blockIdx.x": 5, "threadIdx.x": 8})
    with pytest.raises(ValueError, match="'A', has the dynamic extent 'n' = 10; it must be 1 to 9"):
        module(*arrays(10, 8))


def test_shared_memory_is_synchronised() -> None:
    A = te.placeholder((4, 8), "A")
    T = te.compute((4, 8), lambda i, j: A[i, j] + 1.0, "T")
    B = te.compute((4, 8), lambda i, j: T[i, 7 - j], "B")
    s = te.create_schedule(B.op)
    s[B].bind(B.op.axis[0], BX)
    s[B].bind(B.op.axis[1], TX)
    s[T].set_scope("shared")
    s[T].compute_at(s[B], B.op.axis[0])
    s[T].bind(T.op.axis[1], TX)
    module = compiler.build(s, [A, B], target="toy")
    a, b = arrays(4, 8)
    module(a, b)
    np.testing.assert_array_equal(b, a[:, ::-1] + 1)
    assert len(launches(module)) == 1
    with pytest.raises(
        TargetError, match=r"T: float32\[.*8\] takes 32 bytes of 'shared' memory.*-shared=16.*has 16"
    ):
        compiler.build(s, [A, B], target="toy -shared=16")


def test_constants_are_bound_on_a_device() -> None:
    s, (A, B) = reversed_twice()
    bound = compiler.build(s, [A, B], target="toy", constants=[A]).bind(arrays()[0])
    b = arrays()[1]
    bound(b)
    np.testing.assert_array_equal(b, arrays()[0] * 2 + 1)


def test_a_module_is_timed() -> None:
    module = compiler.build(*reversed_twice(2, 4), target="toy")
    a, b = arrays(2, 4)
    timing = module.time_evaluator(number=2, repeat=3)(a, b)
    assert len(timing.results) == 3
    assert len(launches(module)) == 2 * (1 + 2 * 3)


# Refusals


def test_too_many_threads() -> None:
    with pytest.raises(TargetError, match="main_0 has 16 threads in a block, and toy .*-threads=8 has 8"):
        compiler.build(*reversed_twice(), target="toy -threads=8")


def test_a_stage_that_is_not_bound() -> None:
    A = te.placeholder((4,), "A")
    B = te.compute((4,), lambda i: A[i], "B")
    s = te.create_schedule(B.op)
    with pytest.raises(ScheduleError, match=r"`B\[i\] = A\[i\]` is outside of all loops that are bound"):
        compiler.build(s, [A, B], target="toy")
    s[B].parallel(B.op.axis[0])
    with pytest.raises(
        ScheduleError, match="the loop over 'i' is of kind 'parallel' outside of the loops over threads"
    ):
        compiler.build(s, [A, B], target="toy")


def test_arrays_on_another_device() -> None:
    module = compiler.build(*reversed_twice(), target="toy")
    on_cpu = compiler.build(*unbound(), target="llvm")
    a, b = arrays()
    other = device("toy:1")
    message = r"main: argument 1, 'A', is on toy:1; this module runs on toy:0, so copy it there"
    with pytest.raises(ValueError, match=message):
        module(other.array(a), b)
    with pytest.raises(ValueError, match=r"'A', is on toy:1; this module runs on the CPU, so copy it there"):
        on_cpu(other.array(a), b)
    with pytest.raises(ValueError, match="must be a NumPy array .*, or an array on toy:0, not list"):
        module(a.tolist(), b)


def unbound() -> tuple[Schedule, list[Tensor]]:
    A = te.placeholder((4, 16), "A")
    B = te.compute((4, 16), lambda i, j: A[i, j], "B")
    return te.create_schedule(B.op), [A, B]


def test_an_argument_that_is_wrong() -> None:
    module = compiler.build(*reversed_twice(), target="toy")
    on = device("toy")
    a = on.array(arrays()[0])
    with pytest.raises(ValueError, match=r"'B', has shape \(4, 8\); \(4, 16\) is needed"):
        module(a, on.empty((4, 8)))
    with pytest.raises(ValueError, match="'B', has dtype int32; float32 is needed"):
        module(a, on.empty((4, 16), "int32"))
    with pytest.raises(ValueError, match="the output 'B' shares memory with the argument 'A'"):
        module(a, a)
    assert launches(module) == []


def test_the_temporary_does_not_fit() -> None:
    """The arrays fit the memory of 4096 bytes, but not together with the array between the kernels."""
    module = compiler.build(*reversed_twice(4, 128), target="toy -threads=128")
    on = device("toy")
    x, y = on.empty((4, 128)), on.empty((4, 100))
    with pytest.raises(DeviceError, match="toy:0 has 4096 bytes of memory, of which .* are free: 2048 bytes"):
        module(x, np.zeros((4, 128), "f"))
    del y
    assert on.used == x.nbytes


def test_devices() -> None:
    assert device("toy") is device("toy:0")
    assert repr(device("toy:1")) == "toy:1"
    with pytest.raises(ValueError, match="there is no toy:2; this machine has 2"):
        device("toy:2")
    with pytest.raises(ValueError, match="a device is named like 'toy:0', not 'toy:x'"):
        device("toy:x")
    with pytest.raises(ValueError, match="a CPU has no memory apart from this process's"):
        device("llvm:0")
    with pytest.raises(TargetError, match="unknown target kind 'tay'; did you mean 'toy'"):
        device("tay:0")


def small() -> Device:
    return toy_device(0, 100)


def test_memory_is_counted_and_freed() -> None:
    on = small()
    first, second = on.empty((10,)), on.empty((10,), "int8")
    assert on.used == 50
    with pytest.raises(
        DeviceError, match="toy:0 has 100 bytes of memory, of which 50 are free: 52 bytes do not fit"
    ):
        on.empty((13,))
    del first
    assert on.used == 10
    with pytest.raises(DeviceError, match="no piece of 80 bytes is free"):
        on.empty((20,))  # 90 are free, in two pieces
    assert on.used == 10
    del second
    assert on.empty((25,)).nbytes == 100
    assert on.used == 0


# Loops of the host, and memories


def test_the_host_repeats_a_launch() -> None:
    module = compiler.backend.build(
        parse_function(
            """\
def main(n: size(1, 9), A: float32[n]):
    for k in range(n - 1):
        for tx in bind(n - 1 - k, "threadIdx.x"):
            A[k + 1 + tx] = A[k + 1 + tx] + float32(1.0)"""
        ),
        "toy",
    )
    a = np.zeros(5, "f")
    module(a)
    np.testing.assert_array_equal(a, [0, 1, 2, 3, 4])
    assert [extents["threadIdx.x"] for _, extents in launches(module)] == [4, 3, 2, 1]
    module(np.zeros(1, "f"))
    assert len(launches(module)) == 4  # without iterations there is no launch


def test_an_extent_of_zero_is_not_launched() -> None:
    text = (
        'def main(n: size(0, 9), A: float32[n]):\n    for tx in bind(n, "threadIdx.x"):\n        A[tx] = 1.0'
    )
    module = compiler.backend.build(parse_function(text), "toy")
    module(np.zeros(0, "f"))
    assert launches(module) == []


def test_a_memory_that_the_target_does_not_have() -> None:
    text = """\
def main(A: float32[4]):
    t = allocate(float32[4], "vta.acc")
    for tx in bind(4, "threadIdx.x"):
        t[tx] = A[tx]
        A[tx] = t[tx]"""
    message = r"t: float32\[4\] is in 'vta.acc' memory, which toy .* does not have \(it has: global, shared"
    with pytest.raises(TargetError, match=message):
        compiler.backend.build(parse_function(text), "toy")


def test_a_call_that_fails_frees_its_temporaries() -> None:
    module = compiler.build(*reversed_twice(), target="toy")
    on = device("toy")
    x, y = on.empty((4, 16)), on.empty((4, 16))

    def fail(*arguments: object) -> None:
        raise RuntimeError("lost")

    module._executable.launcher.launch = fail  # type: ignore[union-attr]
    with pytest.raises(RuntimeError, match="lost"):
        module(x, y)
    assert on.used == x.nbytes + y.nbytes
