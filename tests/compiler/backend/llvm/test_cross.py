"""Code for other machines: its vector instructions, and runs under qemu where that is installed."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from compiler.backend import build
from compiler.backend.llvm.codegen import generate
from compiler.backend.llvm.compile import emit_object, optimise
from compiler.backend.llvm.machine import Machine
from compiler.ir.dtype import vector_of
from compiler.ir.expr import Binary, Broadcast, Buffer, Call, Cast, Const, Expr, Load, Ramp, Var
from compiler.ir.function import PrimFunc
from compiler.ir.semantics.interpret import interpret
from compiler.ir.stmt import Allocate, For, Seq, Stmt, Store

AARCH64 = "llvm -mtriple=aarch64-linux-gnu -mcpu=cortex-a72"
ARM = "llvm -mtriple=armv7-linux-gnueabihf -mcpu=cortex-a15 -mattr=+neon"
i, k = Var("i"), Var("k")


def tile(dtype: str, lanes: int) -> PrimFunc:
    """out[0 .. 4, :] = sum over k of a[k, row] * b[k, :], with the sums in registers."""
    a, b, out = Buffer("a", (16, 4), dtype), Buffer("b", (16, lanes), dtype), Buffer("out", (4, lanes), dtype)
    acc = Buffer("acc", (4, lanes), dtype, "local")
    rows = [Ramp(Const(row * lanes), Const(1), lanes) for row in range(4)]
    zero = Broadcast(Const(0, dtype) if dtype[0] != "f" else Const(0.0, dtype), lanes)

    def step(row: int) -> Stmt:
        product = Broadcast(Load(a, (k * 4 + row,)), lanes) * Load(b, (Ramp(k * lanes, Const(1), lanes),))
        return Store(acc, (rows[row],), Load(acc, (rows[row],)) + product)

    body = Seq(
        (
            *(Store(acc, (row,), zero) for row in rows),
            For(k, Const(16), "serial", Seq(tuple(step(row) for row in range(4)))),
            *(Store(out, (row,), Load(acc, (row,))) for row in rows),
        )
    )
    return PrimFunc("tile", (a, b, out), Allocate(acc, body))


@pytest.mark.parametrize(
    ("target", "dtype", "lanes", "instruction"),
    [
        (AARCH64, "float32", 4, r"fmla\s+v\d+\.4s, v\d+\.4s, v\d+\.s\[\d\]"),
        (AARCH64, "float64", 2, r"fmla\s+v\d+\.2d"),
        (AARCH64, "int32", 4, r"mla\s+v\d+\.4s"),
        (AARCH64, "int16", 8, r"mla\s+v\d+\.8h"),
        (AARCH64 + " -mattr=+fullfp16", "float16", 8, r"fmla\s+v\d+\.8h"),
        (ARM, "float32", 4, r"v(fma|mla)\.f32\s+q\d+"),
        (ARM.replace("cortex-a15", "cortex-a9"), "float32", 4, r"v(mla|mul)\.f32\s+q\d+"),
        (ARM, "int32", 4, r"vmla\.i32\s+q\d+"),
    ],
)
def test_neon(target: str, dtype: str, lanes: int, instruction: str) -> None:
    assembly = build(tile(dtype, lanes), target).source("asm")
    assert len(re.findall(instruction, assembly)) >= 4
    # the sums stay in registers: a store of each row, and none in the loop
    loop = assembly[assembly.index("tile.compute:") :]
    assert len(re.findall(r"\bst[rp]\s+q|\bvst1", loop.split(".Lfunc_end")[0])) <= 4


def test_aarch64_and_arm_objects() -> None:
    for target, machine, bits in ((AARCH64, 183, 2), (ARM, 40, 1)):
        code = build(tile("float32", 4), target).object_code
        assert code[:4] == b"\x7fELF"
        assert code[4] == bits
        assert int.from_bytes(code[18:20], "little") == machine


# A standalone program without a C library: it calls the function and writes the last array to its output

_START = {
    "aarch64": """
.globl _start, write_out
_start: bl begin
        mov x8, #93
        svc #0
write_out: mov x2, x1
        mov x1, x0
        mov x0, #1
        mov x8, #64
        svc #0
        ret
""",
    "armv7": """
.arm
.globl _start, write_out
_start: bl begin
        mov r7, #1
        svc #0
write_out: push {r7, lr}
        mov r2, r1
        mov r1, r0
        mov r0, #1
        mov r7, #4
        svc #0
        pop {r7, pc}
""",
}
_PROGRAM = """
declare void @NAME(ptr, ptr)
declare void @write_out(ptr, WORD)
@slots = internal global [COUNT x i64] zeroinitializer, align 8
; what LLVM makes of loops that move or clear bytes
define ptr @memcpy(ptr %to, ptr %from, WORD %n) nounwind "no-builtins" {
entry:
  br label %test
test:
  %i = phi WORD [ 0, %entry ], [ %next, %move ]
  %more = icmp ult WORD %i, %n
  br i1 %more, label %move, label %done
move:
  %p = getelementptr i8, ptr %from, WORD %i
  %byte = load volatile i8, ptr %p
  %q = getelementptr i8, ptr %to, WORD %i
  store volatile i8 %byte, ptr %q
  %next = add WORD %i, 1
  br label %test
done:
  ret ptr %to
}
define i32 @begin() nounwind {
"""


def starter(func: PrimFunc, arrays: list[np.ndarray], target: Machine) -> str:
    """LLVM text of the program around `func`."""
    word = "i64" if target.architecture == "aarch64" else "i32"
    text = _PROGRAM.replace("WORD", word).replace("NAME", func.name).replace("COUNT", str(len(arrays)))
    data = ""
    for position, array in enumerate(arrays):
        elements = ", ".join(f"i8 {byte}" for byte in array.tobytes())
        data += f"@array.{position} = internal global [{array.nbytes} x i8] [{elements}], align 64\n"
        text += f"  %slot.{position} = getelementptr i64, ptr @slots, i64 {position}\n"
        text += f"  store ptr @array.{position}, ptr %slot.{position}\n"
    text += f"  call void @{func.name}(ptr @slots, ptr null)\n"
    text += (
        f"  call void @write_out(ptr @array.{len(arrays) - 1}, {word} {arrays[-1].nbytes})\n  ret i32 0\n}}\n"
    )
    return data + text


def run_elsewhere(func: PrimFunc, arrays: list[np.ndarray], spelled: str, folder: Path) -> np.ndarray:
    """The last array after a run under qemu."""
    target = Machine.parse(spelled)
    linker, emulator = {
        "aarch64": ("aarch64-linux-gnu-ld", "qemu-aarch64"),
        "armv7": ("arm-linux-gnueabihf-ld", "qemu-arm"),
    }[target.architecture]
    for tool, package in ((emulator, "qemu-user"), (linker, f"binutils-{linker.removesuffix('-ld')}")):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed (Debian: {package})")
    texts = {"function": generate(func, target).text, "start": starter(func, arrays, target)}
    for name, text in texts.items():
        (folder / f"{name}.o").write_bytes(emit_object(optimise(text, target), target))
    assembly = _START[target.architecture] + '.section .note.GNU-stack,"",%progbits\n'
    (folder / "start.s").write_text(assembly)
    for command in (
        [f"{linker.removesuffix('ld')}as", "-o", "system.o", "start.s"],
        [linker, "-static", "-o", "program", "system.o", "start.o", "function.o"],
    ):
        subprocess.run(command, cwd=folder, check=True)
    done = subprocess.run([emulator, "./program"], cwd=folder, check=True, capture_output=True, timeout=60)
    return np.frombuffer(done.stdout, arrays[-1].dtype).reshape(arrays[-1].shape)


@pytest.mark.parametrize("target", [AARCH64, ARM])
@pytest.mark.parametrize(("dtype", "lanes"), [("float32", 4), ("int32", 4), ("float32", 16), ("int8", 16)])
def test_results_under_emulation(target: str, dtype: str, lanes: int, tmp_path: Path) -> None:
    func = tile(dtype, lanes)
    rng = np.random.default_rng(0)
    arrays = [rng.integers(-5, 5, buffer.shape).astype(dtype) for buffer in func.params]
    got = run_elsewhere(func, arrays, target, tmp_path)
    interpret(func, *arrays)
    np.testing.assert_array_equal(got, arrays[-1])


@pytest.mark.parametrize("target", [AARCH64, ARM])
@pytest.mark.parametrize("name", ["exp", "log", "tanh", "erf"])
def test_mathematics_under_emulation(target: str, name: str, tmp_path: Path) -> None:
    x, y = Buffer("x", (64,)), Buffer("y", (64,))
    at = Ramp(i * 4, Const(1), 4)
    body = Store(y, (at,), Call(name, (Load(x, (at,)),), "float32x4"))
    func = PrimFunc("f", (x, y), For(i, Const(16), "serial", body))
    arrays = [np.linspace(0.1, 6, 64, dtype="f"), np.zeros(64, "f")]
    got = run_elsewhere(func, arrays, target, tmp_path)
    interpret(func, *arrays)
    np.testing.assert_allclose(got, arrays[1], rtol=3e-7, atol=0)


def test_halves_and_copies_under_emulation(tmp_path: Path) -> None:
    x, y = Buffer("x", (64,), "float16"), Buffer("y", (64,), "float32")
    at = Ramp(i * 8, Const(1), 8)
    value: Expr = Load(x, (at,))
    value = Cast(Binary("*", value, value, vector_of("float16", 8)), "float32x8")
    func = PrimFunc("f", (x, y), For(i, Const(8), "serial", Store(y, (at,), value)))
    arrays = [np.linspace(-300, 300, 64).astype("f2"), np.zeros(64, "f")]
    got = run_elsewhere(func, arrays, AARCH64, tmp_path)
    interpret(func, *arrays)
    np.testing.assert_array_equal(got, arrays[1])
