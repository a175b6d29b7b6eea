"""bfloat16 in compiled code: the same bytes as the interpreter's, scalar and vector, on every CPU."""

from __future__ import annotations

import re

import numpy as np
import pytest

import compiler
from compiler import te
from compiler.ir.dtype import SCALAR_TYPES, is_float
from compiler.ir.semantics.bfloat16 import narrowed, widened
from compiler.ir.semantics.interpret import interpret
from compiler.runtime import empty
from tests.compiler.backend.llvm.compiled import X86, interesting

# one of each exponent and sign, the special values, and those next to them
BITS = np.arange(0, 2**16, 61, dtype=np.uint16)
EDGES = np.array([0, 1, 2, 0x7F, 0x80, 0x81, 0x3F80, 0x7F7F, 0x7F80, 0x7F81, 0x7FC0, 0x7FFF], np.uint16)
BITS = np.unique(np.concatenate([BITS, EDGES, EDGES | 0x8000]))[: 68 * 16]
SPECIAL = np.array([0, -0.0, 1, -1, np.inf, -np.inf, np.nan, 3e38, 1e-39, -1e-40, 2.0**-126], np.float32)


def numbers() -> np.ndarray:
    """All but NaN, padded to whole vectors."""
    x = BITS[~np.isnan(widened(BITS))]
    return np.concatenate([x, x[: -x.size % 16]])


def run(function, x: np.ndarray, source: str, target: str = "llvm") -> np.ndarray:
    """An elementwise function by the interpreter, by scalar and by vector code, with the same bytes."""
    A = te.placeholder(x.shape, "A", source)
    C = te.compute(x.shape, lambda i: function(A[i]), "C")
    results = []
    for lanes in (1, 16):
        s = te.create_schedule(C.op)
        s[C].vectorize(s[C].split(C.op.axis[0], lanes)[1])
        for call in (
            compiler.build(s, [A, C], target),
            lambda *a, s=s: interpret(compiler.lower(s, [A, C]), *a),
        ):
            out = empty(x.shape, C.dtype)
            call(x, out)
            results.append(out.view(f"u{out.itemsize}"))
    for other in results[1:]:
        np.testing.assert_array_equal(other, results[0])
    return results[0].view(np.uint16 if C.dtype == "bfloat16" else C.dtype)


def values(dtype: str) -> np.ndarray:
    if dtype == "bfloat16":
        return BITS
    if not is_float(dtype):
        return interesting(dtype, 1024, 0)
    kind = np.dtype(dtype)
    bits = np.random.default_rng(0).integers(0, 2 ** (8 * kind.itemsize), 992, dtype=f"u{kind.itemsize}")
    with np.errstate(all="ignore"):
        ties = (widened(BITS[:-1:2]).view(np.uint32) + np.uint32(0x8000)).view(np.float32).astype(kind)
        ends = np.concatenate([SPECIAL.astype(kind), ties])
    whole = np.concatenate([bits.view(kind), ends, np.nextafter(ends[~np.isnan(ends)], kind.type(0))])
    return whole[: whole.size // 16 * 16].copy()


@pytest.mark.parametrize("source", SCALAR_TYPES)
def test_casts_to_bfloat16(source: str) -> None:
    x = values(source)
    if source != "bfloat16":
        x = x[~np.isnan(x)] if is_float(source) else x
        x = x[: x.size // 16 * 16].copy()
    run(lambda v: te.cast(v, "bfloat16"), x, source)


@pytest.mark.parametrize("target", [t for t in SCALAR_TYPES if t != "bfloat16"])
def test_casts_from_bfloat16(target: str) -> None:
    x = numbers()
    got = run(lambda v: te.cast(v, target), x, "bfloat16")
    with np.errstate(all="ignore"):
        if is_float(target):
            np.testing.assert_array_equal(got, widened(x).astype(target))


FUNCTIONS = {
    "sum": lambda v: v + te.const(3.0, "bfloat16"),
    "product": lambda v: v * v,
    "quotient": lambda v: 1 / v,
    "difference": lambda v: v - te.cast(1e-3, "bfloat16"),
    "chain": lambda v: (v * v - v) * 0.1 + v,
    "minimum": lambda v: te.minimum(v, -v),
    "maximum": lambda v: te.maximum(v, 2),
    "absolute": abs,
    "negative": lambda v: -v,
    "square root": lambda v: te.sqrt(te.abs(v)),
    "floor": te.floor,
    "condition": lambda v: te.select(v < 1, v, te.min_value("bfloat16")),
    "branch": lambda v: te.if_then_else(te.isnan(v), 0, v),
    "unequal": lambda v: te.cast(te.not_equal(v, v), "bfloat16"),
    "bits": lambda v: te.reinterpret(te.reinterpret(v, "uint16") ^ 1, "bfloat16"),
    "with a float": lambda v: v * te.const(0.1, "float32"),
    "with a half": lambda v: v + te.const(0.1, "float16"),
    "with a double": lambda v: v + te.const(0.1, "float64"),
    "with an integer": lambda v: v + te.const(300, "int32"),
    "sign": te.sign,
    "next": lambda v: te.nextafter(v, 0),
}


@pytest.mark.parametrize("cpu", ["", f"{X86}x86-64-v3", f"{X86}x86-64"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_arithmetic(name: str, cpu: str) -> None:
    run(FUNCTIONS[name], numbers(), "bfloat16", cpu or "llvm")


def test_types_of_mixed_operands() -> None:
    x = te.placeholder((1,), "A", "bfloat16")[0]
    for other in ("bool", "int8", "uint64", "bfloat16"):
        assert (x + te.cast(1, other)).dtype == "bfloat16"
    assert (x + te.cast(1, "float16")).dtype == (x + te.cast(1, "float32")).dtype == "float32"
    assert (x + te.cast(1, "float64")).dtype == "float64"
    assert (x + 1).dtype == (x * 0.5).dtype == "bfloat16"


def test_nan_stays_nan() -> None:
    nan = np.arange(0x7F81, 0x8000, 2, np.uint16)
    for function in (lambda v: v + v, lambda v: te.cast(te.cast(v, "float64"), "bfloat16"), abs):
        assert np.isnan(widened(run(function, nan[:48], "bfloat16"))).all()


def test_a_copy_keeps_every_bit() -> None:
    np.testing.assert_array_equal(run(lambda v: v, EDGES[-12:].repeat(4), "bfloat16"), EDGES.repeat(4))


@pytest.mark.parametrize("name", ["exp", "log", "tanh", "log2", "cbrt", "tan"])
def test_functions_are_those_of_float_rounded(name: str) -> None:
    x, function = numbers(), getattr(te, name)
    A, B = te.placeholder(x.shape, "A", "bfloat16"), te.placeholder(x.shape, "B", "float32")
    C = te.compute(x.shape, lambda i: function(A[i]), "C")
    D = te.compute(x.shape, lambda i: function(B[i]), "D")
    half, single = empty(x.shape, "bfloat16"), np.empty(x.shape, np.float32)
    compiler.build(te.create_schedule(C.op), [A, C])(x, half)
    compiler.build(te.create_schedule(D.op), [B, D])(widened(x), single)
    np.testing.assert_array_equal(widened(half.view(np.uint16)), widened(narrowed(single)))


def test_a_reduction_in_float() -> None:
    A, B = (te.placeholder((32, 64), n, "bfloat16") for n in "AB")
    k = te.reduce_axis((0, 64))
    C = te.compute((32,), lambda i: te.sum(te.cast(A[i, k], "float32") * B[i, k], axis=k), "C")
    rng = np.random.default_rng(0)
    a, b = (narrowed(rng.integers(-8, 8, (32, 64)).astype(np.float32)) for _ in range(2))
    got = np.empty(32, np.float32)
    compiler.build(te.create_schedule(C.op), [A, B, C])(a, b, got)
    np.testing.assert_array_equal(got, (widened(a) * widened(b)).sum(1))


def test_the_text_parses_back() -> None:
    from compiler.ir.semantics.equal import structural_equal
    from compiler.ir.text import parse_function

    A = te.placeholder((8,), "A", "bfloat16")
    C = te.compute((8,), lambda i: te.select(A[i] < 0.5, te.const(0.1, "bfloat16"), A[i]), "C")
    nest = compiler.loop_nest(te.create_schedule(C.op), [A, C])
    assert "bfloat16(0.1)" in nest.text()
    assert structural_equal(parse_function(nest.text()), nest)


def test_arrays_of_ml_dtypes_and_their_bits() -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes")
    A = te.placeholder((16,), "A", "bfloat16")
    C = te.compute((16,), lambda i: A[i] * 2, "C")
    module = compiler.build(te.create_schedule(C.op), [A, C])
    a, c = np.arange(16).astype(ml_dtypes.bfloat16), empty((16,), "bfloat16")
    assert c.dtype == ml_dtypes.bfloat16
    module(a, c)
    np.testing.assert_array_equal(c.astype(np.float32), 2 * np.arange(16))
    bits = np.zeros(16, np.uint16)
    module(a.view(np.uint16), bits)
    np.testing.assert_array_equal(bits, c.view(np.uint16))
    for wrong in (np.zeros(16, np.int16), np.zeros(16, np.float16), np.zeros(16, np.float32)):
        with pytest.raises(ValueError, match=r"'A', has dtype (u?int|float)\d+; bfloat16 is needed"):
            module(wrong, bits)


def test_no_lane_is_converted_by_a_call() -> None:
    A = te.placeholder((64,), "A", "bfloat16")
    C = te.compute((64,), lambda i: A[i] * 2 + 1, "C")
    s = te.create_schedule(C.op)
    s[C].vectorize(s[C].split(C.op.axis[0], 16)[1])
    for cpu in ("skylake-avx512", "haswell", "x86-64"):
        assembly = compiler.build(s, [A, C], X86 + cpu).source("asm")
        assert set(re.findall(r"call[ql]?\s+(\S+)", assembly)) <= {"main.compute"}


def test_the_instruction_of_a_cpu_that_has_one() -> None:
    A = te.placeholder((64,), "A")
    C = te.compute((64,), lambda i: te.cast(A[i], "bfloat16"), "C")
    s = te.create_schedule(C.op)
    s[C].vectorize(s[C].split(C.op.axis[0], 16)[1])
    for cpu, has in (("sapphirerapids", True), ("znver4", True), ("icelake-server", False)):
        assert ("vcvtneps2bf16" in compiler.build(s, [A, C], X86 + cpu).source("asm")) == has
