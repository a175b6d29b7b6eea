"""Host and device parts: what is launched, with what, and programs that have no such parts."""

from __future__ import annotations

from textwrap import dedent

import pytest

from compiler.errors import ScheduleError
from compiler.ir.expr import Var, const
from compiler.ir.text import parse_function
from compiler.passes.split_device import HostProgram, Launch, Repeat, Temporary, split_device


def split(text: str) -> HostProgram:
    return split_device(parse_function(text))


TWO = """\
def main(A: float32[64], C: float32[64]):
    t = allocate(float32[64], "global")
    for bx in bind(2, "blockIdx.x"):
        for tx in bind(32, "threadIdx.x"):
            t[bx * 32 + tx] = A[bx * 32 + tx]
    for by in bind(64, "blockIdx.y"):
        C[by] = t[63 - by]"""


def test_each_outermost_loop_over_threads_is_a_device_function() -> None:
    program = split(TWO)
    assert [buffer.name for buffer in program.params] == ["A", "C"]
    assert program.stored == {1}
    assert program.temporary_bytes == 256
    (temporary,) = program.steps
    assert isinstance(temporary, Temporary)
    assert temporary.buffer.name == "t"
    assert all(isinstance(step, Launch) for step in temporary.steps)
    first, second = program.functions
    assert [first.name, second.name] == ["main_0", "main_1"]
    assert [buffer.name for buffer in first.params] == ["A", "t"]
    assert [buffer.name for buffer in second.params] == ["C", "t"]
    assert first.extents == (("blockIdx.x", const(2)), ("threadIdx.x", const(32)))
    assert second.extents == (("blockIdx.y", const(64)),)
    assert (first.scalars, second.scalars) == ((), ())
    assert str(second) == dedent(
        """\
        def main_1(C: float32[64], t: float32[64]):
            for by in bind(64, "blockIdx.y"):
                C[by] = t[63 - by]"""
    )


def test_loops_and_sizes_around_a_launch_are_scalars() -> None:
    program = split(
        """\
def main(n: size(1, 64), A: float32[n, 8], C: float32[n, 8]):
    for k in range(n):
        for bx in bind(n - k, "blockIdx.x"):
            for tx in bind(8, "threadIdx.x"):
                C[bx * 8 + tx] = A[k * 8 + tx]"""
    )
    (repeat,) = program.steps
    assert isinstance(repeat, Repeat)
    assert isinstance(repeat.extent, Var)
    (function,) = program.functions
    assert [var.name for var in function.scalars] == ["n", "k"]
    assert str(function.extents[0][1]) == str(repeat.extent - repeat.var)
    assert program.temporary_bytes == 0


def test_shared_and_local_memory_belong_to_the_device() -> None:
    (function,) = split(
        """\
def main(A: float32[8], C: float32[8]):
    t = allocate(float32[8], "shared")
    u = allocate(float16[4], "shared")
    v = allocate(float32[2], "local")
    for tx in bind(8, "threadIdx.x"):
        t[tx] = A[tx]
        C[tx] = t[7 - tx]"""
    ).functions
    assert [buffer.name for buffer in function.params] == ["A", "C"]
    assert function.shared_bytes == 32 + 8


def test_a_let_of_the_host_is_substituted_in_the_launches() -> None:
    (function,) = split(
        """\
def main(n: size(1, 64), A: float32[n]):
    m = n - 1
    for tx in bind(m, "threadIdx.x"):
        A[m - tx] = 1.0"""
    ).functions
    assert [var.name for var in function.scalars] == ["n"]
    assert "m" not in str(function).split(":", 1)[1].replace("main", "")


BLOCKS = 'for i in bind(2, "blockIdx.x"):\n        '


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("A[0] = 1.0", r"`A\[0\] = 1.0` is outside of all loops that are bound to blockIdx or threadIdx"),
        (
            "for i in parallel(8):\n        A[i] = 1.0",
            "the loop over 'i' is of kind 'parallel' outside of the loops over threads; .*: bind it",
        ),
        (
            'for i in range(cast(A[0], "int32")):\n        A[i] = 1.0',
            "the host must know the extent of a loop around launches, and cannot read it from the device",
        ),
        (
            "for i in vectorize(8):\n        A[i] = 1.0",
            "the loop over 'i' is of kind 'vectorize' outside of the loops over threads; .*: bind it",
        ),
        (
            'for i in bind(8, "blockIdx.x"):\n        t = allocate(float32[4], "global")\n        t[0] = 1.0',
            r"t: float32\[4\] is allocated in global memory inside of a loop over blocks or threads",
        ),
        (
            BLOCKS + 'for j in bind(4, "threadIdx.x"):\n            A[j] = 1.0\n'
            '        for j in bind(8, "threadIdx.x"):\n            A[j] = 2.0',
            "two loops of one launch are bound to threadIdx.x with the extents 4 and 8; split them",
        ),
        (
            BLOCKS + 'for j in bind(i + 1, "threadIdx.x"):\n            A[j] = 1.0',
            r"'j' is bound to threadIdx.x, and its extent i \+ 1 is not known at the launch",
        ),
        (
            't = allocate(float32[4], "shared")\n    for i in bind(2, "threadIdx.x"):\n        t[i] = 1.0\n'
            '    for j in bind(2, "threadIdx.x"):\n        A[j] = t[j]',
            "is outside of all loops that are bound",
        ),
    ],
)
def test_programs_that_cannot_be_split(body: str, message: str) -> None:
    with pytest.raises(ScheduleError, match=message):
        split(f"def main(A: float32[8]):\n    {body}")
