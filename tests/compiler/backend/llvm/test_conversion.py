"""Conversions between types in compiled code, on CPUs with and without instructions for halves."""

from __future__ import annotations

import numpy as np
import pytest

from compiler.backend import Target, build
from compiler.backend.llvm.machine import this_machine
from compiler.ir.dtype import vector_of
from compiler.ir.expr import Binary, Buffer, Cast, Const, Expr, Load, Ramp, Var
from compiler.ir.function import PrimFunc
from compiler.ir.stmt import For, Store

i = Var("i")
HALVES = np.arange(2**16, dtype=np.uint16).view(np.float16)
# instructions for half arithmetic, for conversions alone, and none
TARGETS = ["llvm"]
if this_machine().is_x86:
    TARGETS += [
        f"llvm -mcpu={cpu}" for cpu in ("haswell", "x86-64") if Target.parse(f"llvm -mcpu={cpu}").runs_here
    ]

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")


def convert(x: np.ndarray, dtype: str, lanes: int, target: str) -> np.ndarray:
    a, b = Buffer("a", x.shape, str(x.dtype)), Buffer("b", x.shape, dtype)
    at: Expr = i if lanes == 1 else Ramp(i * lanes, Const(1), lanes)
    body = Store(b, (at,), Cast(Load(a, (at,)), vector_of(dtype, lanes)))
    y = np.zeros(x.shape, dtype)
    build(PrimFunc("f", (a, b), For(i, Const(x.size // lanes), "serial", body)), target)(x, y)
    return y


def same(got: np.ndarray, expected: np.ndarray) -> None:
    np.testing.assert_array_equal(got, expected)
    np.testing.assert_array_equal(np.signbit(got), np.signbit(expected))


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("lanes", [1, 16])
class TestHalves:
    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    def test_every_half_is_a_wider_float(self, dtype: str, lanes: int, target: str) -> None:
        same(convert(HALVES, dtype, lanes, target), HALVES.astype(dtype))

    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    def test_a_wider_float_is_rounded_once(self, dtype: str, lanes: int, target: str) -> None:
        kind = np.dtype(dtype).type
        finite = HALVES[np.isfinite(HALVES)].astype(dtype)
        ties = (finite + np.nextafter(finite.astype("f2"), np.float16(np.inf)).astype(dtype)) / 2
        ties = ties[np.isfinite(ties)]
        edges = [ties, np.nextafter(ties, kind(np.inf)), np.nextafter(ties, kind(-np.inf))]
        special = np.array(
            [0, -0.0, np.inf, -np.inf, np.nan, 65519.999, 65520, 1e300, 1e-300, 2.0**-25], dtype
        )
        x = np.concatenate([*edges, *[special] * 16])
        x = x[: x.size // 16 * 16]
        same(convert(x, "float16", lanes, target), x.astype("f2"))

    @pytest.mark.parametrize("dtype", ["int8", "uint8", "int32", "uint64", "bool"])
    def test_a_half_is_a_whole_number(self, dtype: str, lanes: int, target: str) -> None:
        if dtype == "bool":
            expected = HALVES != 0
        else:
            info = np.iinfo(dtype)
            whole = np.nan_to_num(np.trunc(HALVES.astype("f8")), posinf=1e30, neginf=-1e30)
            expected = np.array([int(min(max(v, info.min), info.max)) for v in whole.tolist()], dtype)
        np.testing.assert_array_equal(convert(HALVES, dtype, lanes, target), expected)

    @pytest.mark.parametrize("dtype", ["int8", "uint16", "int32", "uint32", "int64", "uint64", "bool"])
    def test_a_whole_number_is_a_half(self, dtype: str, lanes: int, target: str) -> None:
        numbers = np.concatenate([np.arange(-70000, 70000), 2 ** np.arange(63), -(2 ** np.arange(63))])
        numbers = numbers[: numbers.size // 16 * 16]
        x = (numbers != 0) if dtype == "bool" else numbers.astype(dtype)
        same(convert(x, "float16", lanes, target), x.astype("f8").astype("f2"))

    @pytest.mark.parametrize("op", ["+", "-", "*", "/", "min", "max"])
    def test_arithmetic_is_rounded_to_a_half(self, op: str, lanes: int, target: str) -> None:
        rng = np.random.default_rng(0)
        x, y = rng.choice(HALVES, 4096), rng.choice(HALVES, 4096)
        a, b, c = (Buffer(name, (4096,), "float16") for name in "abc")
        at: Expr = i if lanes == 1 else Ramp(i * lanes, Const(1), lanes)
        value = Binary(op, Load(a, (at,)), Load(b, (at,)), vector_of("float16", lanes))
        got = np.zeros(4096, "f2")
        body = For(i, Const(4096 // lanes), "serial", Store(c, (at,), value))
        build(PrimFunc("f", (a, b, c), body), target)(x, y, got)
        operations = {"+": np.add, "-": np.subtract, "*": np.multiply, "/": np.divide}
        operations |= {"min": np.minimum, "max": np.maximum}
        np.testing.assert_array_equal(got, operations[op](x, y))


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "int32", "uint32", "int64", "uint64"])
@pytest.mark.parametrize("source", ["float32", "float64"])
def test_a_value_out_of_range_becomes_the_nearest_integer(source: str, dtype: str, target: str) -> None:
    info = np.iinfo(dtype)
    x = np.array([np.nan, np.inf, -np.inf, 1e30, -1e30, 0.9, -0.9, 1.5, -1.5, 127.9, 128, 255.5, 256], source)
    expected = [0 if v != v else int(min(max(v, float(info.min)), float(info.max))) for v in x.tolist()]
    expected = [min(v, int(info.max)) for v in expected]
    np.testing.assert_array_equal(convert(x, dtype, 1, target), np.array(expected, dtype))
