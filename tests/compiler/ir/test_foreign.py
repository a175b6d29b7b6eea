"""Calls of C functions and of LLVM's intrinsics: interpreter, scalar and vector code, text, and refusals."""

from __future__ import annotations

import ctypes
import math
import threading
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

import compiler
from compiler import te
from compiler.backend.llvm.machine import Machine
from compiler.ir.foreign import LIBRARY, PORTABLE
from compiler.ir.semantics.bfloat16 import narrowed
from compiler.ir.semantics.equal import structural_equal
from compiler.ir.semantics.interpret import interpret
from compiler.ir.semantics.verify import VerifyError, verify
from compiler.ir.text import ParseError, parse_function
from compiler.runtime import ModuleFileError
from tests.compiler.backend.llvm.compiled import X86, interesting


def stages(function, x: np.ndarray, *, lanes: int = 1):
    A = te.placeholder(x.shape, "A", str(x.dtype))
    C = te.compute(x.shape, lambda i: function(A[i]), "C")
    s = te.create_schedule(C.op)
    s[C].vectorize(s[C].split(C.op.axis[0], lanes)[1])
    return s, [A, C]


def run(function, x: np.ndarray, externs: Mapping[str, Any] | None = None) -> np.ndarray:
    """By the interpreter, by scalar code and by vector code, which agree."""
    results = []
    for lanes in (1, 8):
        s, args = stages(function, x, lanes=lanes)
        nest = compiler.lower(s, args)
        verify(nest)
        assert structural_equal(parse_function(nest.text()), nest)
        for way in ("interpret", "build"):
            out = np.zeros(x.shape, args[1].dtype)
            if way == "interpret":
                interpret(nest, x, out, externs=externs)
            else:
                compiler.build(s, args, externs=externs)(x, out)
            results.append(out)
    for other in results[1:]:
        np.testing.assert_array_equal(other, results[0])
    return results[0]


FLOATS = np.array([0.0, -0.0, 0.5, -1.5, 2.5, 1e30, -1e-30, np.inf, -np.inf, np.nan, 3, 7, -2, 0.1, 9, 1])


@pytest.mark.parametrize("name", LIBRARY)
def test_functions_of_the_c_library_are_known(name: str) -> None:
    dtype, arity = LIBRARY[name]
    got = run(lambda v: te.call_extern(dtype, name, *[v] * arity), FLOATS.astype(dtype))
    library = getattr(ctypes.CDLL("libm.so.6"), name)
    kind = ctypes.c_float if dtype == "float32" else ctypes.c_double
    library.restype, library.argtypes = kind, [kind] * arity
    np.testing.assert_array_equal(got, [library(*[v] * arity) for v in FLOATS.astype(dtype).tolist()])


def test_functions_in_python_of_ctypes_and_by_address() -> None:
    kind = ctypes.CFUNCTYPE(ctypes.c_float, ctypes.c_float, ctypes.c_int32)
    native = kind(lambda x, n: x * n + 1)
    x = np.arange(16, dtype=np.float32)
    address = ctypes.cast(native, ctypes.c_void_p).value
    for given in (lambda x, n: x * n + 1, native, address):
        got = run(lambda v: te.call_extern("float32", "f", v, 3), x, {"f": given})
        np.testing.assert_array_equal(got, x * 3 + 1)


def test_a_library_is_given_as_a_whole() -> None:
    x = np.arange(16, dtype=np.int32) - 8
    s, args = stages(lambda v: te.call_extern("int32", "toupper", v + 100), x)
    out = np.zeros(16, np.int32)
    compiler.build(s, args, externs=ctypes.CDLL("libc.so.6"))(x, out)
    np.testing.assert_array_equal(out, [ord(chr(v).upper()) for v in x + 100])


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"])
def test_integers_of_every_width_are_passed_as_c_passes_them(dtype: str) -> None:
    kind = getattr(ctypes, f"c_{dtype}")
    seen: list[int] = []
    function = ctypes.CFUNCTYPE(kind, kind)(lambda v: seen.append(v) or v)
    x = interesting(dtype, 16, 0)
    np.testing.assert_array_equal(run(lambda v: te.call_extern(dtype, "f", v), x, {"f": function}), x)
    assert set(seen) == set(x.tolist())
    low = run(lambda v: te.cast(te.call_extern(dtype, "f", v), "float64"), x, {"f": function})
    np.testing.assert_array_equal(low, x.astype(float))


@pytest.mark.parametrize("lanes", [1, 8])
def test_a_function_is_called_only_for_elements_that_need_it(lanes: int) -> None:
    seen: list[float] = []
    x = np.arange(16, dtype=np.float32) - 8
    function = lambda v: te.if_then_else(v > 3, te.call_extern("float32", "f", v), 0)  # noqa: E731
    s, args = stages(function, x, lanes=lanes)
    out = np.zeros(16, np.float32)
    compiler.build(s, args, externs={"f": lambda v: seen.append(v) or v})(x, out)
    assert sorted(set(seen)) == [4, 5, 6, 7]
    np.testing.assert_array_equal(out, np.where(x > 3, x, 0))


def test_calls_from_the_threads_of_a_parallel_loop() -> None:
    x = np.arange(64, dtype=np.float32)
    A = te.placeholder((64,), "A")
    C = te.compute((64,), lambda i: te.call_extern("float32", "f", A[i]), "C")
    s = te.create_schedule(C.op)
    s[C].parallel(C.op.axis[0])
    out, seen = np.zeros(64, np.float32), set()
    function = {"f": lambda v: seen.add(threading.get_ident()) or v + 1}
    compiler.build(s, [A, C], externs=function)(x, out)
    np.testing.assert_array_equal(out, x + 1)
    assert seen


INTRINSICS = {
    "float32": [n for n, (takes, _) in PORTABLE.items() if takes == "a float"],
    "float64": [n for n, (takes, _) in PORTABLE.items() if takes == "a float"],
    "int16": [n for n, (takes, _) in PORTABLE.items() if takes == "an integer"],
    "uint8": [n for n, (takes, _) in PORTABLE.items() if takes == "an integer" and n != "llvm.bswap"],
    "int64": [n for n, (takes, _) in PORTABLE.items() if takes == "an integer"],
}


@pytest.mark.parametrize(("dtype", "name"), [(d, n) for d, names in INTRINSICS.items() for n in names])
def test_intrinsics_for_every_target(dtype: str, name: str) -> None:
    x = FLOATS.astype(dtype) if dtype.startswith("float") else interesting(dtype, 64, 0)
    arity = PORTABLE[name][1]
    others = (lambda v: v, lambda v: v * v, lambda v: 3 - v)
    got = run(lambda v: te.call_intrin(dtype, name, *(f(v) for f in others[:arity])), x)
    assert got.dtype == dtype


def test_a_fused_product_is_rounded_once() -> None:
    x = np.float32(1) + np.float32(2) ** -np.arange(1, 17, dtype=np.float32)
    got = run(lambda v: te.call_intrin("float32", "llvm.fma.f32", v, v, -1.0), x)
    np.testing.assert_array_equal(got, (x.astype(float) ** 2 - 1).astype(np.float32))


def bits_under(x: int, mask: int) -> int:
    picked = [b for b, m in zip(f"{x & 2**32 - 1:032b}", f"{mask & 2**32 - 1:032b}", strict=True) if m == "1"]
    return int("0" + "".join(picked), 2)


PEXT = "llvm.x86.bmi.pext.32"


def test_an_intrinsic_of_a_cpu() -> None:
    x = interesting("int32", 64, 0)
    s, args = stages(lambda v: te.call_intrin("int32", PEXT, v, 0x0F3A5), x, lanes=8)
    assert "pext" in compiler.build(s, args, X86 + "haswell").source("asm")
    with pytest.raises(
        ValueError, match=rf"the intrinsic {PEXT} needs the CPU feature bmi2, which llvm .*nehalem"
    ):
        compiler.build(s, args, X86 + "nehalem")
    with pytest.raises(ValueError, match=rf"{PEXT} has no meaning in the interpreter"):
        interpret(compiler.lower(s, args), x, np.zeros_like(x))
    out = np.zeros_like(x)
    interpret(compiler.lower(s, args), x, out, externs={PEXT: bits_under})
    np.testing.assert_array_equal(out, [bits_under(int(v), 0x0F3A5) for v in x])
    if not Machine.parse("llvm").missing() and "bmi2" in (Machine.parse("llvm").needs or ()):
        run(lambda v: te.call_intrin("int32", PEXT, v, 0x0F3A5), x, {PEXT: bits_under})


def test_products_of_pairs_of_bfloat16() -> None:
    name = "llvm.x86.avx512bf16.dpbf16ps.512"
    text = f"""
    def main(A: bfloat16[32], B: bfloat16[32], C: float32[16]):
        a = A[ramp(0, 1, 32)]
        C[ramp(0, 1, 16)] = call_intrin("float32x16", "{name}", C[ramp(0, 1, 16)], a, B[ramp(0, 1, 32)])
    """
    func = parse_function(text)
    verify(func)
    assert "vdpbf16ps" in compiler.build(func, target=X86 + "sapphirerapids").source("asm")
    with pytest.raises(ValueError, match="needs the CPU feature avx512bf16"):
        compiler.build(func, target=X86 + "icelake-server")
    if "avx512bf16" in (Machine.parse("llvm").needs or ()):
        a, b = (np.random.default_rng(n).integers(-9, 9, 32).astype(np.float32) for n in range(2))
        c = np.arange(16, dtype=np.float32)
        compiler.build(func)(narrowed(a), narrowed(b), c)
        np.testing.assert_array_equal(c, np.arange(16) + (a * b).reshape(16, 2).sum(1))


def test_an_intrinsic_of_another_kind_of_cpu() -> None:
    s, args = stages(lambda v: te.call_intrin("int32", PEXT, v, 1), np.zeros(8, np.int32))
    with pytest.raises(ValueError, match="needs an x86 CPU"):
        compiler.build(s, args, "llvm -mtriple=aarch64-linux-gnu -mcpu=cortex-a72")
    s, args = stages(
        lambda v: te.call_intrin("int32", "llvm.x86.tbm.bextri.u32", v, 1), np.zeros(8, np.int32)
    )
    with pytest.raises(ValueError, match="is not supported for .*; known: llvm.x86.sse"):
        compiler.build(s, args)


def test_a_function_that_is_not_given(tmp_path) -> None:
    x = np.arange(16, dtype=np.float32)
    s, args = stages(lambda v: te.call_extern("float32", "mine", v), x)
    message = (
        r"calls the C function mine\(float32\) -> float32, which is not given: externs=\{'mine': function\}"
    )
    with pytest.raises(ValueError, match=message):
        compiler.build(s, args)
    with pytest.raises(ValueError, match=message):
        interpret(compiler.lower(s, args), x, np.zeros_like(x))
    module = compiler.build(s, args, externs={"mine": lambda v: v + 1})
    module.save(tmp_path / "m")
    with pytest.raises(ModuleFileError, match=message):
        compiler.load_module(tmp_path / "m")
    out = np.zeros_like(x)
    compiler.load_module(tmp_path / "m", externs={"mine": lambda v: v + 2})(x, out)
    np.testing.assert_array_equal(out, x + 2)
    with pytest.raises(ValueError, match=r"mine\(float32\) -> float32 is given as str; a function is needed"):
        compiler.build(s, args, externs={"mine": "mine"})


def test_a_symbol_of_the_process_is_not_called_unless_it_is_given() -> None:
    text = """
    def main(A: int32[1]):
        A[0] = call_extern("int32", "getpid")
    """
    with pytest.raises(ValueError, match="the C function getpid"):
        compiler.build(parse_function(text))
    out = np.zeros(1, np.int32)
    compiler.build(parse_function(text), externs={"getpid": lambda: 17})(out)
    assert out[0] == 17


def test_a_function_of_the_c_library_can_be_replaced() -> None:
    x = np.arange(8, dtype=np.float32)
    got = run(lambda v: te.call_extern("float32", "erfcf", v), x, {"erfcf": lambda v: -v})
    np.testing.assert_array_equal(got, -x)


REFUSED = {
    "a name": (lambda: te.call_extern("float32", "a b", 1.0), "named by an identifier, not 'a b'"),
    "a half": (lambda: te.call_extern("float16", "f", 1), "f: C has no type float16 here"),
    "a bool": (lambda: te.call_extern("float32", "f", te.const(True)), "f: C has no type bool here"),
    "types of the library": (
        lambda: te.call_extern("float32", "sin", 1.0),
        r"sin takes 1 float64 and returns float64, not \(float32\) -> float32",
    ),
    "arguments of the library": (lambda: te.call_extern("float32", "powf", 1.0), "powf takes 2 float32"),
    "an unknown intrinsic": (
        lambda: te.call_intrin("int32", "llvm.ctpap", 1),
        "unknown intrinsic of LLVM 'llvm.ctpap'; did you mean 'llvm.ctpop'",
    ),
    "an intrinsic with effects": (lambda: te.call_intrin("int32", "llvm.trap"), "unknown intrinsic of LLVM"),
    "a float for integers": (
        lambda: te.call_intrin("float32", "llvm.ctpop", 1.0),
        "takes 1 argument.*an integer",
    ),
    "two types": (
        lambda: te.call_intrin("float32", "llvm.maxnum", 1.0, 1),
        "each a float of the result's type",
    ),
    "bytes of a byte": (
        lambda: te.call_intrin("int8", "llvm.bswap", te.const(1, "int8")),
        "is not defined for int8",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    make, message = REFUSED[name]
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ('call_extern("float32")', 'call_extern."float32", "name", arguments.'),
        ('call_extern("float32", f, 1.0)', "the name of a function in quotes"),
        ('call_intrin("float32", "f", 1.0)', "the name of an intrinsic of LLVM"),
        ('call_extern("float31", "f", 1.0)', "a type in quotes"),
    ],
)
def test_texts_that_are_refused(call: str, message: str) -> None:
    with pytest.raises(ParseError, match=message):
        parse_function(f"def main(A: float32[1]):\n    A[0] = {call}")


def test_the_verifier_checks_a_call() -> None:
    text = 'def main(A: float32[1]):\n    A[0] = call_extern("float32", "sin", A[0])'
    with pytest.raises(VerifyError, match="sin takes 1 float64"):
        verify(parse_function(text))
    with pytest.raises(VerifyError, match="unknown intrinsic of LLVM"):
        verify(
            parse_function(
                text.replace('call_extern("float32", "sin"', 'call_intrin("float32", "llvm.memcpy"')
            )
        )


def test_a_name_with_two_signatures_is_refused() -> None:
    x = np.zeros(8, np.float32)
    s, args = stages(lambda v: te.call_extern("float32", "f", v) + te.call_extern("float32", "f", v, v), x)
    with pytest.raises(ValueError, match="the C function f is called with different types"):
        compiler.build(s, args, externs={"f": math.sin})
