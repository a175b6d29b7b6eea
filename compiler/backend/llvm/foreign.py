"""Foreign calls (`compiler.ir.foreign`) as LLVM instructions, and the CPU features that intrinsics need."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from compiler.backend.llvm.machine import Machine
from compiler.backend.llvm.writer import Frame, llvm_type, mangled
from compiler.ir.dtype import lanes_of, scalar_of
from compiler.ir.expr import Call
from compiler.ir.foreign import PORTABLE, C, is_of_target
from compiler.ir.function import PrimFunc

InLane = Callable[[str, int, int, Callable[[], str]], str]

SYMBOL = "espalier.extern."
"""Prefix of the symbols of C functions: only those that are given are called, no others of the process."""

# beginning of an intrinsic's name -> the features that it needs, the longest beginning that fits
_AVX512 = ("avx512f", "avx512bw", "avx512dq", "avx512vl")
_FEATURES: dict[str, tuple[str, ...]] = {
    "llvm.x86.sse.": (),
    "llvm.x86.sse2.": (),
    "llvm.x86.sse3.": ("sse3",),
    "llvm.x86.ssse3.": ("ssse3",),
    "llvm.x86.sse41.": ("sse4.1",),
    "llvm.x86.sse42.": ("sse4.2",),
    "llvm.x86.sse42.crc32.": ("crc32",),
    "llvm.x86.avx.": ("avx",),
    "llvm.x86.avx2.": ("avx2",),
    "llvm.x86.fma.": ("fma",),
    "llvm.x86.bmi.bextr.": ("bmi",),
    "llvm.x86.bmi.bzhi.": ("bmi2",),
    "llvm.x86.bmi.pdep.": ("bmi2",),
    "llvm.x86.bmi.pext.": ("bmi2",),
    "llvm.x86.aesni.": ("aes",),
    "llvm.x86.pclmulqdq": ("pclmul",),
    "llvm.x86.avx512.": _AVX512,
    "llvm.x86.avx512.vpdp": (*_AVX512, "avx512vnni"),
    "llvm.x86.avx512.vpmadd52": (*_AVX512, "avx512ifma"),
    "llvm.x86.avx512bf16.": (*_AVX512, "avx512bf16"),
}


def check(func: PrimFunc, calls: Sequence[Call], machine: Machine) -> None:
    """Refuse an intrinsic whose instruction the machine does not have: LLVM would end the process.

    Raises
    ------
    ValueError
        It names the intrinsic, the feature and the machine.
    """
    for name in sorted({node.name for node in calls if is_of_target(node.name)}):
        known = max((start for start in _FEATURES if name.startswith(start)), key=len, default=None)
        if known is None:
            families = ", ".join(f"{start}*" for start in _FEATURES)
            raise ValueError(
                f"{func.name}: the intrinsic {name} is not supported for {machine}; known: {families}"
            )
        lacking = sorted(set(_FEATURES[known]) - set(machine.needs or ()))
        if not machine.is_x86 or lacking:
            what = f"the CPU feature {', '.join(lacking)}" if machine.is_x86 else "an x86 CPU"
            raise ValueError(f"{func.name}: the intrinsic {name} needs {what}, which {machine} does not have")


def externs_of(func: PrimFunc, calls: Sequence[Call]) -> list[list[str]]:
    """The C functions among foreign calls: name, type of the result, types of the arguments.

    Raises
    ------
    ValueError
        If a name is called with different types.
    """
    known: dict[str, list[str]] = {}
    for node in calls:
        if node.name.startswith(C):
            types = [node.name[len(C) :], scalar_of(node.dtype), *(scalar_of(arg.dtype) for arg in node.args)]
            if known.setdefault(node.name, types) != types:
                raise ValueError(
                    f"{func.name}: the C function {types[0]} is called with different types: "
                    f"{known[node.name][1:]} and {types[1:]}"
                )
    return sorted(known.values())


def intrinsic(frame: Frame, node: Call, args: list[str]) -> str:
    """A call of an intrinsic."""
    kind = _own_type(node.dtype)
    name = f"{node.name}.{mangled(node.dtype)}" if node.name in PORTABLE else node.name
    given = []
    for arg, text in zip(node.args, args, strict=True):
        here, there = llvm_type(arg.dtype), _own_type(arg.dtype)
        text = text if here == there else frame.emit(f"bitcast {here} {text} to {there}")
        given.append(f"{there} {text}")
    types = ", ".join(_own_type(arg.dtype) for arg in node.args)
    frame.declare(f"declare {kind} @{name}({types})")
    result = frame.emit(f"call {kind} @{name}({', '.join(given)})")
    here = llvm_type(node.dtype)
    return result if here == kind else frame.emit(f"bitcast {kind} {result} to {here}")


def _own_type(dtype: str) -> str:
    """LLVM's own type of `dtype`: a bfloat16 is held as an integer elsewhere."""
    kind = llvm_type(dtype)
    return kind.replace("i16", "bfloat") if scalar_of(dtype) == "bfloat16" else kind


def each_lane(frame: Frame, node: Call, args: list[str], in_lane: InLane) -> str:
    """A call of a C function for each lane.

    Parameters
    ----------
    frame : Frame
    node : Call
    args : list of str
        The values of its arguments.
    in_lane : callable
        ``(dtype, lane, lanes, write) -> value``: the result of `write`, which writes the call for one lane,
        if the lane is active.
    """
    lanes, scalar = lanes_of(node.dtype), scalar_of(node.dtype)
    result = f"{_extension(scalar)}{llvm_type(scalar)}"
    symbol = f"@{SYMBOL}{node.name[len(C) :]}"
    kinds = ", ".join(_extended(arg.dtype) for arg in node.args)
    frame.declare(f"declare {result} {symbol}({kinds}) nounwind willreturn memory(none)")

    def call(lane: int) -> str:
        given = []
        for arg, text in zip(node.args, args, strict=True):
            if lanes > 1:
                text = frame.emit(f"extractelement {llvm_type(arg.dtype)} {text}, i64 {lane}")
            given.append(f"{_extended(arg.dtype)} {text}")
        return frame.emit(f"call {result} {symbol}({', '.join(given)})")

    if lanes == 1:
        return in_lane(scalar, 0, 1, lambda: call(0))
    kind, vector = llvm_type(node.dtype), "poison"
    for lane in range(lanes):
        value = in_lane(scalar, lane, lanes, partial(call, lane))
        vector = frame.emit(f"insertelement {kind} {vector}, {llvm_type(scalar)} {value}, i64 {lane}")
    return vector


def _extension(dtype: str) -> str:
    """C passes narrow integers in registers of 32 bits: how the rest of them is filled."""
    scalar = scalar_of(dtype)
    if scalar not in ("int8", "int16", "uint8", "uint16"):
        return ""
    return "zeroext " if scalar.startswith("u") else "signext "


def _extended(dtype: str) -> str:
    """A narrow integer as a parameter."""
    return f"{llvm_type(scalar_of(dtype))} {_extension(dtype)}".rstrip()
