"""Every operator and conversion has one value for all operands, in each way in which it is computed.

Each table holds all pairs of the extreme values of a type. The same results are required from NumPy or exact
arithmetic, the interpreter on scalars and on vectors, the simplifier on literals, and compiled scalar and
vector code, with both operands in memory and with either of them a literal.
"""

from __future__ import annotations

import operator
import os
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import pytest

from compiler.backend import build, pipeline
from compiler.ir.calls import call
from compiler.ir.dtype import PACKED_TYPES, SCALAR_TYPES, bits_of, integer_range, is_float
from compiler.ir.expr import Binary, Buffer, Call, Cast, Const, Expr, Load, Var
from compiler.ir.function import PrimFunc
from compiler.ir.operators import ARITHMETIC, BITWISE, COMPARISON, LOGIC
from compiler.ir.semantics.interpret import interpret
from compiler.ir.simplify.simplify import simplify
from compiler.ir.stmt import For, Seq, Stmt, Store
from compiler.passes import run

TYPES = tuple(t for t in SCALAR_TYPES if t != "bfloat16")  # which NumPy has not
INTEGERS = tuple(t for t in TYPES if t != "bool" and not is_float(t))
FLOATS = tuple(t for t in TYPES if is_float(t))
LANES = 8
# the share of the pairs of literals, which are folded one by one
FOLDED = 1.0 if os.environ.get("ESPALIER_NIGHTLY") else 0.4


def values_of(dtype: str) -> list:
    """The extreme values of a type, and counts around its width."""
    if dtype == "bool":
        return [False, True]
    if is_float(dtype):
        info = np.finfo(dtype)
        finite = [0.0, -0.0, 1.0, -1.0, 0.5, -2.5, 3.5, 1e9, -1e9, 127.9, 128.0, 255.5, 65504.0, 65520.0]
        finite += [2.0**31, -(2.0**31), 2.0**32, 2.0**63, -(2.0**63), 2.0**64, 1e20, -0.9]
        finite += [float(info.max), float(info.min), float(info.tiny), float(info.smallest_subnormal)]
        with np.errstate(over="ignore"):
            return [*map(np.dtype(dtype).type, finite), *map(float, ("inf", "-inf", "nan"))]
    low, high = integer_range(dtype)
    bits = bits_of(dtype)
    numbers = [low, low + 1, high, high - 1, high // 2, 0, 1, 2, 3, 5, 7, -1, -2, -3, -7, -bits]
    numbers += [bits - 2, bits - 1, bits, bits + 1, 2 * bits, 31, 32, 33, 64]
    return sorted({n for n in numbers if low <= n <= high})


def exact(op: str, dtype: str, x: int, y: int) -> int | bool:
    """The value of an operator on two integers, by the rules that the documentation states."""
    if op in COMPARISON:
        tests = dict(zip(COMPARISON, ("lt", "le", "gt", "ge", "eq", "ne"), strict=True))
        return getattr(operator, tests[op])(x, y)
    bits = bits_of(dtype)
    out = not 0 <= y < bits  # of the counts of a shift
    value = {
        "+": lambda: x + y,
        "-": lambda: x - y,
        "*": lambda: x * y,
        "//": lambda: x // y if y else 0,
        "%": lambda: x % y if y else 0,
        "min": lambda: min(x, y),
        "max": lambda: max(x, y),
        "&": lambda: x & y,
        "|": lambda: x | y,
        "^": lambda: x ^ y,
        "<<": lambda: 0 if out else x << y,
        ">>": lambda: (-1 if x < 0 else 0) if out else x >> y,
    }[op]()
    low, high = integer_range(dtype)
    return (value - low) % (high - low + 1) + low


def of_floats(op: str, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """NumPy's values."""
    functions = {"+": np.add, "-": np.subtract, "*": np.multiply, "/": np.true_divide}
    functions |= {"<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal}
    functions |= {"==": np.equal, "!=": np.not_equal}
    with np.errstate(all="ignore"):
        if op in ("min", "max"):
            choose = np.less if op == "min" else np.greater
            return np.where(choose(b, a) | (b != b), b, a)
        return functions[op](a, b)


def expected(op: str, dtype: str, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    if is_float(dtype):
        return of_floats(op, a, b)
    if dtype == "bool":
        return {"and": np.logical_and, "or": np.logical_or, "==": np.equal, "!=": np.not_equal}[op](a, b)
    return np.array([exact(op, dtype, int(x), int(y)) for x, y in zip(a, b, strict=True)])


def operators_of(dtype: str) -> tuple[str, ...]:
    if dtype == "bool":
        return (*LOGIC, "==", "!=")
    if is_float(dtype):
        return tuple(op for op in ARITHMETIC if op not in ("//", "%")) + COMPARISON
    return tuple(op for op in ARITHMETIC if op != "/") + BITWISE + COMPARISON


def rows(out: Buffer, count: int, values: Sequence[Callable[[Expr], Expr]], kind: str) -> Stmt:
    """One loop for each row of `out`, whose element at i is a function of i; of literals `count` is one."""
    stmts: list[Stmt] = []
    for row, value in enumerate(values):
        i, j = Var("i"), Var("j")
        at = Binary("+", Binary("*", i, Const(LANES), "int32"), j, "int32")
        store = Store(out, (Const(row), at), value(at))
        stmts.append(For(i, Const(count // LANES), "serial", For(j, Const(LANES), kind, store)))
    return Seq(tuple(stmts))


def computed(params: Sequence[Buffer], arrays: Sequence[np.ndarray], values: Sequence, dtype: str) -> dict:
    """The table of `values`, in each way."""
    count = arrays[0].size
    results = {}
    for kind in ("serial", "vectorize"):
        out = Buffer("out", (len(values), count), dtype)
        func = PrimFunc("main", (*params, out), rows(out, count, values, kind))
        lowered = run(func, pipeline())
        for way, call_ in (
            (f"interpreted after the passes, {kind}", partial(interpret, lowered)),
            (f"compiled, {kind}", build(lowered)),
        ):
            result = results[way] = np.full((len(values), count), 77).astype(dtype)
            call_(*arrays, result)
    return results


def pairs(dtype: str) -> tuple[np.ndarray, np.ndarray]:
    """All pairs of extreme values, repeated up to a multiple of the lanes."""
    values = np.array(values_of(dtype), dtype)
    a, b = (part.ravel() for part in np.meshgrid(values, values, indexing="ij"))
    size = -(-a.size // LANES) * LANES
    return np.resize(a, size), np.resize(b, size)


def check(results: dict, want: np.ndarray, names: Sequence[str]) -> None:
    for way, table in results.items():
        for row, name in enumerate(names):
            np.testing.assert_array_equal(table[row], want[row], err_msg=f"{name}, {way}")


@pytest.mark.parametrize("dtype", ["bool", *INTEGERS, *FLOATS])
def test_operators_agree_on_extreme_values(dtype: str) -> None:
    a, b = pairs(dtype)
    params = Buffer("a", (a.size,), dtype), Buffer("b", (b.size,), dtype)
    for is_condition in (False, True):
        out = "bool" if is_condition else dtype
        names, values, want = [], [], []
        for op in operators_of(dtype):
            if (op in COMPARISON + LOGIC) != is_condition:
                continue
            names.append(op)
            want.append(expected(op, dtype, a, b))
            values.append(lambda i, op=op, t=out: Binary(op, Load(params[0], (i,)), Load(params[1], (i,)), t))
        if names:
            check(computed(params, (a, b), values, out), np.array(want), names)


@pytest.mark.parametrize("dtype", INTEGERS)
def test_operators_agree_where_one_operand_is_a_literal(dtype: str) -> None:
    low, high = integer_range(dtype)
    bits = bits_of(dtype)
    a = np.array(values_of(dtype), dtype)
    a = np.resize(a, -(-a.size // LANES) * LANES)
    param = Buffer("a", (a.size,), dtype)
    names, values, want = [], [], []
    for op in ("//", "%", "<<", ">>"):
        for number in (low, high, -bits, -1, 0, 1, 4, 7, bits - 1, bits):
            if not low <= number <= high:
                continue
            literal, full = Const(number, dtype), np.full_like(a, number)
            names.append(f"x {op} {number!r}")
            values.append(lambda i, op=op, n=literal: Binary(op, Load(param, (i,)), n, dtype))
            want.append(expected(op, dtype, a, full))
            if op in ("<<", ">>") and number in (low, high, 1):
                names.append(f"{number!r} {op} x")
                values.append(lambda i, op=op, n=literal: Binary(op, n, Load(param, (i,)), dtype))
                want.append(expected(op, dtype, full, a))
    check(computed((param,), (a,), values, dtype), np.array(want), names)


@pytest.mark.parametrize("dtype", ["bool", *INTEGERS, *FLOATS])
def test_literals_are_folded_to_the_same_values(dtype: str) -> None:
    a, b = pairs(dtype)
    some = np.random.default_rng(0).permutation(a.size)[: max(8, int(FOLDED * a.size))]
    a, b = a[some], b[some]
    for op in operators_of(dtype):
        condition = op in COMPARISON + LOGIC
        want = expected(op, dtype, a, b)
        out = Buffer("out", (a.size,), "bool" if condition else dtype)
        for made in (Binary, Binary.rebuilt):
            stores = []
            for place, (x, y) in enumerate(zip(a.tolist(), b.tolist(), strict=True)):
                value = made(op, Const(x, dtype), Const(y, dtype), out.dtype)
                simple = simplify(value)
                if made is Binary.rebuilt and is_corner(dtype, op, y):
                    assert type(value) is Const, (op, x, y)
                stores.append(Store(out, (Const(place),), simple))
            result = np.empty(a.size, out.dtype)
            interpret(PrimFunc("main", (out,), Seq(tuple(stores))), result)
            np.testing.assert_array_equal(result, want, err_msg=op)


def is_corner(dtype: str, op: str, y: int) -> bool:
    """Whether it is a division of integers by zero, or a shift by a count outside of the type."""
    return dtype in INTEGERS and (op in ("//", "%") and y == 0 or op in ("<<", ">>") and y >= bits_of(dtype))


@pytest.mark.parametrize("op", ["-", "*", "//", "%", "min", "&", "<<", ">>"])
@pytest.mark.parametrize("dtype", ["int32", "uint8"])
def test_arithmetic_on_loop_variables_agrees(op: str, dtype: str) -> None:
    """Index arithmetic has code of its own: in 64 bits, where intervals prove that nothing wraps."""
    numbers = [n for n in (-40, -32, -8, -1, 0, 1, 3, 4, 8, 31, 32, 64) if n >= integer_range(dtype)[0]]
    extents = (8, 5)
    shape = (2 * len(numbers) + 2, *extents)
    out = Buffer("out", shape, dtype)
    for kind in ("serial", "vectorize"):
        i, j = Var("i", dtype), Var("j", dtype)
        shifted = Binary("-", j, Const(3, dtype), dtype)
        forms = [Binary(op, i, j, dtype), Binary(op, j, shifted, dtype)]
        for number in numbers:
            literal = Const(number, dtype)
            forms += [Binary(op, shifted, literal, dtype), Binary(op, literal, shifted, dtype)]
        body = Seq(tuple(Store(out, (Const(row, dtype), j, i), form) for row, form in enumerate(forms)))
        loop = For(j, Const(8, dtype), kind, body)
        func = PrimFunc("main", (out,), For(i, Const(5, dtype), "serial", loop))
        want = np.empty(shape, dtype)
        for x in range(5):
            for y in range(8):
                low = exact("-", dtype, y, 3)
                of = [exact(op, dtype, x, y), exact(op, dtype, y, low)]
                for number in numbers:
                    of += [exact(op, dtype, low, number), exact(op, dtype, number, low)]
                want[:, y, x] = of
        lowered = run(func, pipeline())
        for run_it in (partial(interpret, func), partial(interpret, lowered), build(lowered)):
            got = np.full(shape, 77, dtype)
            run_it(got)
            np.testing.assert_array_equal(got, want, err_msg=f"{op} {kind}")


def converted(values: np.ndarray, target: str) -> np.ndarray:
    """The cast by its definition: to the nearest integer of the type, NaN to zero, integers by their bits."""
    if target == "bool":
        return values != 0
    if is_float(target):
        with np.errstate(all="ignore"):
            return values.astype(target)
    low, high = integer_range(target)
    result = []
    for value in values.tolist():
        if values.dtype.kind == "f":
            inside = 0 if value != value else min(max(value, low), high)
            result.append(min(max(int(inside), low), high))
        else:
            result.append((int(value) - low) % (high - low + 1) + low)
    return np.array(result)


@pytest.mark.parametrize("source", TYPES)
def test_conversions_agree_on_extreme_values(source: str) -> None:
    numbers = values_of(source)
    a = np.resize(np.array(numbers, source), -(-len(numbers) // LANES) * LANES)
    param = Buffer("a", (a.size,), source)
    for target in TYPES:
        values = [lambda i: Cast(Load(param, (i,)), target)]  # noqa: B023  (computed at once)
        check(computed((param,), (a,), values, target), np.array([converted(a, target)]), [target])
        for number in numbers:
            literal = Const(number.item() if isinstance(number, np.generic) else number, source)
            simple = simplify(Cast(literal, target))
            out = Buffer("out", (), target)
            got = np.empty((), target)
            interpret(PrimFunc("main", (out,), Store(out, (), simple)), got)
            np.testing.assert_array_equal(got, converted(np.array([number], source), target)[0])


@pytest.mark.parametrize("target", PACKED_TYPES)
@pytest.mark.parametrize("source", ["int32", "uint8", "float32", "float64"])
def test_conversions_to_packed_types_agree(source: str, target: str) -> None:
    numbers = values_of(source)
    a = np.resize(np.array(numbers, source), -(-len(numbers) // LANES) * LANES)
    param, packed, out = (
        Buffer("a", (a.size,), source),
        Buffer("p", (a.size,), target),
        Buffer("out", (a.size,), "int32"),
    )
    i, j = Var("i"), Var("j")
    body = Seq(
        (
            For(i, Const(a.size), "serial", Store(packed, (i,), Cast(Load(param, (i,)), target))),
            For(j, Const(a.size), "serial", Store(out, (j,), Cast(Load(packed, (j,)), "int32"))),
        )
    )
    func = PrimFunc("main", (param, packed, out), body)
    want = converted(a, target)
    lowered = run(func, pipeline())
    for run_it in (partial(interpret, func), partial(interpret, lowered), build(lowered)):
        got = np.empty(a.size, "int32")
        run_it(a, np.zeros(a.size * bits_of(target) // 8, "uint8"), got)
        np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", ["abs", "floor", "ceil", "round", "trunc", "sqrt", "isnan"])
def test_exact_functions_agree_on_extreme_values(name: str, dtype: str) -> None:
    numbers = values_of(dtype)
    a = np.resize(np.array(numbers, dtype), -(-len(numbers) // LANES) * LANES)
    param = Buffer("a", (a.size,), dtype)
    with np.errstate(all="ignore"):
        want = {"round": np.rint}.get(name, getattr(np, name))(a)
    out = "bool" if name == "isnan" else dtype
    check(computed((param,), (a,), [lambda i: call(name, Load(param, (i,)))], out), np.array([want]), [name])


@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize("name", ["abs", "popcount"])
def test_functions_of_integers_agree_on_extreme_values(name: str, dtype: str) -> None:
    numbers = values_of(dtype)
    a = np.resize(np.array(numbers, dtype), -(-len(numbers) // LANES) * LANES)
    param = Buffer("a", (a.size,), dtype)
    mask = 2 ** bits_of(dtype) - 1
    with np.errstate(all="ignore"):
        want = np.abs(a) if name == "abs" else np.array([(int(v) & mask).bit_count() for v in a])
    values = [lambda i: call(name, Load(param, (i,)))]
    check(computed((param,), (a,), values, dtype), np.array([want]), [name])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_powers_of_negative_numbers_agree(dtype: str) -> None:
    bases = np.array([-8.0, -1.0, -0.0, 0.0, 1.0, 2.0, np.inf, -np.inf, np.nan], dtype)
    exponents = np.array([0.5, -0.5, 0.0, 1.0, 2.0, 3.0, -1.0, np.inf, -np.inf, np.nan], dtype)
    a, b = (part.ravel() for part in np.meshgrid(bases, exponents, indexing="ij"))
    size = -(-a.size // LANES) * LANES
    a, b = np.resize(a, size), np.resize(b, size)
    params = Buffer("a", (size,), dtype), Buffer("b", (size,), dtype)
    with np.errstate(all="ignore"):
        want = np.power(a, b)
    values = [lambda i: Call("pow", (Load(params[0], (i,)), Load(params[1], (i,))), dtype)]
    for way, table in computed(params, (a, b), values, dtype).items():
        np.testing.assert_allclose(table[0], want, rtol=1e-6, err_msg=way)
