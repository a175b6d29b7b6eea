"""Mathematical functions of compiled code: accuracy, special values, and that they are vector code."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest

from compiler.backend import build
from compiler.ir.dtype import vector_of
from compiler.ir.expr import Buffer, Call, Const, Load, Ramp, Var
from compiler.ir.function import PrimFunc
from compiler.ir.stmt import For, Store
from compiler.runtime import Module

i = Var("i")
HALVES = np.arange(2**16, dtype=np.uint16).view(np.float16)
REFERENCE = {"exp": np.exp, "log": np.log, "tanh": np.tanh, "sin": np.sin, "cos": np.cos}
REFERENCE |= {name: getattr(np, name) for name in ("exp2", "expm1", "log2", "log10", "log1p", "cbrt")}
REFERENCE["erf"] = np.vectorize(math.erf, otypes=[float])


def module(name: str, size: int, dtype: str, lanes: int = 1, target: str = "llvm") -> Module:
    x, y = Buffer("x", (size,), dtype), Buffer("y", (size,), dtype)
    at = i if lanes == 1 else Ramp(i * lanes, Const(1), lanes)
    value = Call(name, (Load(x, (at,)),), vector_of(dtype, lanes))
    return build(
        PrimFunc("f", (x, y), For(i, Const(size // lanes), "serial", Store(y, (at,), value))), target
    )


def apply(name: str, x: np.ndarray, lanes: int = 1, target: str = "llvm") -> np.ndarray:
    y = np.zeros_like(x)
    module(name, x.size, str(x.dtype), lanes, target)(x, y)
    return y


def arguments(dtype: str, low: float, high: float) -> np.ndarray:
    """Numbers of all magnitudes and special values, padded to a multiple of 16."""
    rng = np.random.default_rng(0)
    kind = np.dtype(dtype)
    bits = rng.integers(0, 2 ** (8 * kind.itemsize), 20_000, dtype=f"u{kind.itemsize}").view(kind)
    near = rng.uniform(low, high, 40_000).astype(kind)
    ends = np.array([0, -0.0, np.inf, -np.inf, np.nan, 1, -1, low, high, np.finfo(kind).tiny] * 8, kind)
    whole = np.concatenate([bits, near, np.nextafter(ends, kind.type(0)), ends])
    return whole[: whole.size // 16 * 16]


def ulps(got: np.ndarray, exact: np.ndarray) -> float:
    """The greatest error in units in the last place; infinity where a special value is wrong."""
    with np.errstate(over="ignore", invalid="ignore"):
        rounded = exact.astype(got.dtype)
        finite = np.isfinite(rounded)
        if not np.array_equal(got[~finite], rounded[~finite], equal_nan=True):
            return math.inf
        unit = np.spacing(np.abs(rounded[finite])).astype(exact.dtype)
        return float(np.max(np.abs(got[finite].astype(exact.dtype) - exact[finite]) / unit))


@pytest.mark.parametrize(
    ("name", "dtype", "low", "high", "limit"),
    [
        ("exp", "float32", -105, 90, 1.1),
        ("exp", "float64", -750, 711, 1.1),
        ("exp2", "float32", -152, 130, 1.2),
        ("exp2", "float64", -1080, 1026, 1.2),
        ("expm1", "float32", -20, 90, 1.7),
        ("expm1", "float64", -40, 711, 2.2),
        ("expm1", "float32", -0.5, 0.5, 1.7),
        ("expm1", "float64", -0.5, 0.5, 2.2),
        ("log", "float32", 0, 3, 0.9),
        ("log2", "float32", 0, 3, 1.9),
        ("log10", "float32", 0, 3, 1.9),
        ("log1p", "float32", -1.1, 3, 1.9),
        ("log1p", "float32", -0.01, 0.01, 1.9),
        ("cbrt", "float32", -3, 3, 0.6),
        ("tanh", "float32", -10, 10, 1.4),
        ("tanh", "float64", -20, 20, 1.4),
        ("sin", "float32", -8192, 8192, 1.6),
        ("cos", "float32", -8192, 8192, 1.6),
        ("erf", "float32", -4.5, 4.5, 1.2),
    ],
)
def test_accuracy(name: str, dtype: str, low: float, high: float, limit: float) -> None:
    x = arguments(dtype, low, high)
    wide = np.float64 if dtype == "float32" else np.longdouble
    with np.errstate(all="ignore"):
        exact = REFERENCE[name](x.astype(wide))
    scalar, vector = apply(name, x), apply(name, x, 16)
    assert ulps(scalar, exact) <= limit
    number = ~np.isnan(scalar)
    np.testing.assert_array_equal(
        vector[number].view(f"u{x.itemsize}"), scalar[number].view(f"u{x.itemsize}")
    )
    assert np.isnan(vector[~number]).all()


TWO = {"atan2": np.arctan2, "copysign": np.copysign, "fmod": np.fmod, "hypot": np.hypot, "pow": np.power}


@pytest.mark.parametrize("lanes", [1, 16])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("name", TWO)
def test_functions_of_two_floats(name: str, dtype: str, lanes: int) -> None:
    x = arguments(dtype, -4, 4)
    y = np.random.default_rng(1).permutation(x)
    pairs = np.array([0, -0.0, np.inf, -np.inf, np.nan, 1, -1, 2], dtype)
    x, y = np.concatenate([np.repeat(pairs, 8), x]), np.concatenate([np.tile(pairs, 8), y])
    at = i if lanes == 1 else Ramp(i * lanes, Const(1), lanes)
    a, b, c = (Buffer(n, (x.size,), dtype) for n in "abc")
    value = Call(name, (Load(a, (at,)), Load(b, (at,))), vector_of(dtype, lanes))
    got = np.zeros_like(x)
    build(PrimFunc("f", (a, b, c), For(i, Const(x.size // lanes), "serial", Store(c, (at,), value))))(
        x, y, got
    )
    with np.errstate(all="ignore"):
        exact = TWO[name](*(v.astype(np.longdouble if dtype == "float64" else np.float64) for v in (x, y)))
    assert ulps(got, exact) <= {"copysign": 0, "fmod": 0, "hypot": 0.6}.get(name, 1.5) + (dtype == "float64")
    zero = (got == 0) & (exact == 0)
    np.testing.assert_array_equal(np.signbit(got[zero]), np.signbit(exact[zero]))


KEEP_ZERO = [
    "sin",
    "tanh",
    "erf",
    "round",
    "trunc",
    "expm1",
    "log1p",
    "cbrt",
    "tan",
    "sinh",
    "asin",
    "asinh",
    "atan",
]


@pytest.mark.parametrize("name", [*KEEP_ZERO, "atanh"])
def test_the_sign_of_zero_is_kept(name: str) -> None:
    for dtype in ("float16", "float32", "float64"):
        assert list(np.signbit(apply(name, np.array([0.0, -0.0], dtype)))) == [False, True]


@pytest.mark.parametrize("lanes", [1, 16])
@pytest.mark.parametrize(
    "name", ["exp", "log", "tanh", "sin", "cos", "erf", "expm1", "log10", "cbrt", "acos"]
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_half_is_computed_as_a_float_and_rounded(name: str, lanes: int) -> None:
    np.testing.assert_array_equal(
        apply(name, HALVES, lanes), apply(name, HALVES.astype("f4"), lanes).astype("f2")
    )


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("lanes", [1, 16])
def test_rounding(dtype: str, lanes: int) -> None:
    x = np.array(
        [0.5, 1.5, 2.5, -0.5, -1.5, 2.4, -2.6, 1e4, np.inf, -np.inf, np.nan, 0, 3, -7, 0.49, 9], dtype
    )
    for name, reference in (("round", np.rint), ("trunc", np.trunc), ("floor", np.floor), ("ceil", np.ceil)):
        np.testing.assert_array_equal(apply(name, x, lanes), reference(x))


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint32", "int64", "uint64"])
@pytest.mark.parametrize("lanes", [1, 16])
def test_counts_of_bits(dtype: str, lanes: int) -> None:
    info = np.iinfo(dtype)
    x = np.random.default_rng(0).integers(info.min, info.max, 64, dtype, endpoint=True)
    x[:3] = info.min, info.max, 0
    bits = [f"{int(v) & (2**info.bits - 1):0{info.bits}b}" for v in x]
    np.testing.assert_array_equal(apply("popcount", x, lanes), [b.count("1") for b in bits])
    np.testing.assert_array_equal(apply("clz", x, lanes), [len(b) - len(b.lstrip("0")) for b in bits])
    np.testing.assert_array_equal(apply("ctz", x, lanes), [len(b) - len(b.rstrip("0")) for b in bits])


OF_LIBRARY = {"acos": 0.9, "asin": 0.9, "atan": 9, "tan": 9, "sinh": 9, "cosh": 9, "asinh": 9, "atanh": 0.9}


@pytest.mark.parametrize("lanes", [1, 8])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", [*OF_LIBRARY, "acosh"])
def test_inverse_and_hyperbolic_functions(name: str, dtype: str, lanes: int) -> None:
    limit = OF_LIBRARY.get(name, 0)
    x = np.random.default_rng(0).uniform(-limit if limit else 1, limit or 9, 64).astype(dtype)
    x[:4] = np.inf, -np.inf, np.nan, 2
    renamed = {"a" + name: "arc" + name for name in ("cos", "sin", "tan", "sinh", "tanh", "cosh")}
    with np.errstate(all="ignore"):
        exact = getattr(np, renamed.get(name, name))(x.astype(np.longdouble))
    assert ulps(apply(name, x, lanes), exact) <= 2.5


@pytest.mark.parametrize("name", ["sin", "cos", "erf", "log", "pow"])
def test_functions_of_the_c_library(name: str) -> None:
    x = np.random.default_rng(0).uniform(0.1, 5, 64)
    if name == "pow":
        a, b, y = Buffer("a", (64,), "float64"), Buffer("b", (64,), "float64"), Buffer("y", (64,), "float64")
        value = Call("pow", (Load(a, (i,)), Load(b, (i,))), "float64")
        got = np.zeros(64)
        build(PrimFunc("f", (a, b, y), For(i, Const(64), "serial", Store(y, (i,), value))))(
            x, x[::-1].copy(), got
        )
        np.testing.assert_allclose(got, x ** x[::-1], rtol=1e-14)
    else:
        np.testing.assert_allclose(apply(name, x, 8), REFERENCE[name](x), rtol=1e-14)


@pytest.mark.parametrize("target", ["skylake-avx512", "haswell", "x86-64"])
@pytest.mark.parametrize(
    "name",
    [
        "exp",
        "log",
        "tanh",
        "erf",
        "round",
        "trunc",
        "floor",
        "sqrt",
        "exp2",
        "expm1",
        "log2",
        "log1p",
        "cbrt",
    ],
)
def test_no_lane_is_computed_by_a_call(name: str, target: str) -> None:
    if target == "x86-64" and name in ("round", "trunc", "floor"):
        pytest.skip("an SSE2 machine has no instruction that rounds")
    assembly = module(name, 64, "float32", 16, f"llvm -mtriple=x86_64-linux-gnu -mcpu={target}").source("asm")
    calls = set(re.findall(r"call[ql]?\s+(\S+)", assembly)) - {"f.compute"}
    assert not calls
    register = {"skylake-avx512": "%zmm", "haswell": "%ymm", "x86-64": "%xmm"}[target]
    assert register in assembly


@pytest.mark.parametrize("triple", ["aarch64-linux-gnu", "armv7-linux-gnueabihf"])
@pytest.mark.parametrize("name", ["exp", "log", "tanh", "erf", "exp2", "expm1", "log10", "log1p"])
def test_another_machine_needs_no_library(name: str, triple: str) -> None:
    assembly = module(name, 64, "float32", 4, f"llvm -mtriple={triple} -mattr=+neon").source("asm")
    calls = set(re.findall(r"\bblx?\s+(\S+)", assembly)) - {"f.compute"}
    assert not calls
