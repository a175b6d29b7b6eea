"""From LLVM text to machine code."""

from __future__ import annotations

import re

import pytest

from compiler.backend import Target, build
from compiler.backend.llvm.codegen import generate
from compiler.backend.llvm.compile import emit_assembly, emit_object, optimise
from compiler.backend.llvm.machine import Machine, this_machine
from compiler.ir.expr import Buffer, Load, Var, const
from compiler.ir.function import PrimFunc
from compiler.ir.stmt import For, Store

i = Var("i")


def scale() -> PrimFunc:
    x = Buffer("x", (4096,))
    return PrimFunc("scale", (x,), For(i, const(4096), "serial", Store(x, (i,), Load(x, (i,)) * 3.0 + 1.0)))


def text_for(target: Machine) -> str:
    return emit_assembly(optimise(generate(scale(), target).text, target), target)


X86 = "llvm -mtriple=x86_64-unknown-linux-gnu -mcpu="


@pytest.mark.parametrize(
    ("target", "instruction"),
    [
        (X86 + "skylake-avx512", r"vfmadd\d+ps\t.*%zmm"),
        (X86 + "haswell", r"vfmadd\d+ps\t.*%ymm"),
        (X86 + "x86-64", r"mulps\t.*%xmm"),
        ("llvm -mtriple=aarch64-linux-gnu -mcpu=cortex-a72", r"fmla\tv"),
    ],
)
def test_each_target_has_its_instructions(target: str, instruction: str) -> None:
    assert re.search(instruction, text_for(Machine.parse(target)))


def test_object_code_is_of_the_target() -> None:
    target = Machine.parse("llvm -mtriple=aarch64-linux-gnu")
    code = emit_object(optimise(generate(scale(), target).text, target), target)
    assert code[:4] == b"\x7fELF"
    assert int.from_bytes(code[18:20], "little") == 183  # EM_AARCH64


def test_text_that_llvm_rejects() -> None:
    target = this_machine()
    with pytest.raises(ValueError, match="LLVM rejects the generated program"):
        optimise("define void @f() { ret i32 0 }", target)
    with pytest.raises(ValueError, match="LLVM rejects the generated program"):
        optimise("define nonsense", target)


def test_an_architecture_that_llvm_does_not_know() -> None:
    with pytest.raises(ValueError, match="LLVM does not know the target .*-mtriple=pdp11-dec-unix"):
        build(scale(), "llvm -mtriple=pdp11-dec-unix")


def test_a_target_may_be_text_or_parsed() -> None:
    assert build(scale(), Target.parse("llvm")).target == build(scale(), "llvm").target == str(Target.host())


def test_an_unknown_target() -> None:
    with pytest.raises(ValueError, match="unknown target kind 'lvm'; did you mean 'llvm'"):
        build(scale(), "lvm")
