# ruff: noqa: E501  (a line of a program may be longer than one of ours)
"""Vectorization: loops become vector statements, or stay serial."""

from __future__ import annotations

from textwrap import indent

import numpy as np
import pytest

from compiler.ir.semantics.interpret import interpret
from compiler.ir.semantics.verify import verify
from compiler.ir.text import parse_function
from compiler.passes.vectorize import vectorize

# name -> (before, after)
GOLDEN = {
    "side by side": (
        "for i in range(2):\n    for j in vectorize(4):\n        C[i * 4 + j] = A[i * 4 + j] * x[i]",
        "for i in range(2):\n    C[ramp(i * 4, 1, 4)] = A[ramp(i * 4, 1, 4)] * broadcast(x[i], 4)",
    ),
    "a stride": (
        "for j in vectorize(4):\n    C[j * 2 + 1] = A[7 - j]",
        "C[ramp(1, 2, 4)] = A[ramp(7, -1, 4)]",
    ),
    "a stride that is a variable": (
        "for i in range(2):\n    for j in vectorize(4):\n        C[j * (i + 1)] = A[i + j]",
        "for i in range(2):\n    C[ramp(0 * (i + 1), 1 * (i + 1), 4)] = A[ramp(i, 1, 4)]",
    ),
    "the sum of two strides": (
        "for j in vectorize(4):\n    C[j + j] = A[j * 3 - j]",
        "C[ramp(0, 2, 4)] = A[ramp(0, 2, 4)]",
    ),
    "one value for all": ("for j in vectorize(4):\n    C[j] = x[0]", "C[ramp(0, 1, 4)] = broadcast(x[0], 4)"),
    "the index itself": (
        'for j in vectorize(4):\n    C[j] = cast(j, "float32")',
        'C[ramp(0, 1, 4)] = cast(ramp(0, 1, 4), "float32x4")',
    ),
    "elements far apart": (
        "for j in vectorize(8):\n    C[j] = A[j // 4 + j % 4]",
        "C[ramp(0, 1, 8)] = A[ramp(0, 1, 8) // broadcast(4, 8) + ramp(0, 1, 8) % broadcast(4, 8)]",
    ),
    "a loop inside": (
        "for j in vectorize(4):\n    C[j] = 0.0\n    for k in range(3):\n        C[j] = C[j] + A[k + j]",
        "C[ramp(0, 1, 4)] = broadcast(0.0, 4)\nfor k in range(3):\n"
        "    C[ramp(0, 1, 4)] = C[ramp(0, 1, 4)] + A[ramp(k, 1, 4)]",
    ),
    "a branch that all lanes take": (
        "for i in range(2):\n    for j in vectorize(4):\n        if i < 1:\n            C[j] = A[j]\n"
        "        else:\n            C[j + 4] = A[j]",
        "for i in range(2):\n    if i < 1:\n        C[ramp(0, 1, 4)] = A[ramp(0, 1, 4)]\n"
        "    else:\n        C[ramp(4, 1, 4)] = A[ramp(0, 1, 4)]",
    ),
    "a choice that all lanes make": (
        "for i in range(2):\n    for j in vectorize(4):\n        C[j] = if_then_else(i < 1, A[i + j], 0.0)",
        "for i in range(2):\n    C[ramp(0, 1, 4)] = if_then_else(i < 1, A[ramp(i, 1, 4)], broadcast(0.0, 4))",
    ),
    "a choice for each lane of loads that run anyway": (
        "for j in vectorize(4):\n    C[j] = select(not j < 2, A[j], x[0])",
        "C[ramp(0, 1, 4)] = "
        "select(not ramp(0, 1, 4) < broadcast(2, 4), A[ramp(0, 1, 4)], broadcast(x[0], 4))",
    ),
    "intrinsics": (
        "for j in vectorize(4):\n    C[j] = pow(abs(A[j]), x[0]) + sqrt(x[1])",
        "C[ramp(0, 1, 4)] = pow(abs(A[ramp(0, 1, 4)]), broadcast(x[0], 4)) + broadcast(sqrt(x[1]), 4)",
    ),
    "a counter of another type": (
        "for j in vectorize(int64(4)):\n    C[j * int64(2)] = A[int64(7) - j]",
        "C[ramp(int64(0), int64(2), 4)] = A[ramp(int64(7), int64(-1), 4)]",
    ),
    "a choice for each lane": (
        "for j in vectorize(4):\n    C[j] = if_then_else(j < 3, A[j + 5], x[0])",
        "C[ramp(0, 1, 4)] = "
        "if_then_else(ramp(0, 1, 4) < broadcast(3, 4), A[ramp(5, 1, 4)], broadcast(x[0], 4))",
    ),
    "a buffer for each lane": (
        'for j in vectorize(4):\n    t = allocate(float32[2], "local")\n    t[0] = A[j]\n'
        "    for k in range(2):\n        t[1] = t[k] + x[k]\n    C[j] = t[1]",
        't = allocate(float32[8], "local")\nt[ramp(0, 1, 4)] = A[ramp(0, 1, 4)]\nfor k in range(2):\n'
        "    t[ramp(4, 1, 4)] = t[ramp(k * 4, 1, 4)] + broadcast(x[k], 4)\nC[ramp(0, 1, 4)] = t[ramp(4, 1, 4)]",
    ),
    "an element of that buffer for each lane": (
        'for j in vectorize(4):\n    t = allocate(float32[8], "local")\n    t[7 - j] = A[j]\n    C[j] = t[7 - j]',
        't = allocate(float32[32], "local")\nt[ramp(28, -3, 4)] = A[ramp(0, 1, 4)]\n'
        "C[ramp(0, 1, 4)] = t[ramp(28, -3, 4)]",
    ),
    "a scalar tail": (
        "for i in range(2):\n    for j in vectorize(4):\n        if i * 4 + j < 7:\n            C[i * 4 + j] = A[j]",
        "for i in range(2):\n    if i < 1:\n        C[ramp(i * 4, 1, 4)] = A[ramp(0, 1, 4)]\n    else:\n"
        "        for j in range(4):\n            if i * 4 + j < 7:\n                C[i * 4 + j] = A[j]",
    ),
    "both ends": (
        "for i in range(3):\n    for j in vectorize(4):\n        if i * 4 + j >= 2 and i * 4 + j < 9:\n"
        "            C[i * 4 + j - 2] = A[j]",
        "for i in range(3):\n    if i >= 1 and i < 2:\n"
        "        C[ramp(i * 4 - 2, 1, 4)] = A[ramp(0, 1, 4)]\n    else:\n"
        "        for j in range(4):\n            if i * 4 + j >= 2 and i * 4 + j < 9:\n"
        "                C[i * 4 + j - 2] = A[j]",
    ),
    "a let of a vector": (
        "for j in vectorize(4):\n    value = A[j] * x[0]\n    C[j] = value + value",
        "value = A[ramp(0, 1, 4)] * broadcast(x[0], 4)\nC[ramp(0, 1, 4)] = value + value",
    ),
    "a value that all lanes share": (
        "for j in vectorize(4):\n    value = x[0] * x[1]\n    C[j] = value",
        "value = x[0] * x[1]\nC[ramp(0, 1, 4)] = broadcast(value, 4)",
    ),
    "a prefetch": (
        "for j in vectorize(4):\n    prefetch(A[j])\n    C[j] = A[j]",
        "prefetch(A[0])\nC[ramp(0, 1, 4)] = A[ramp(0, 1, 4)]",
    ),
    "one statement lane by lane": (
        "for j in vectorize(4):\n    C[j] = A[j]\n    for k in range(j):\n        C[j] = C[j] + A[k]\n"
        "    C[j + 4] = A[j]",
        "C[ramp(0, 1, 4)] = A[ramp(0, 1, 4)]\nfor j in range(4):\n    for k in range(j):\n"
        "        C[j] = C[j] + A[k]\nC[ramp(4, 1, 4)] = A[ramp(0, 1, 4)]",
    ),
    "a buffer for each lane, lane by lane": (
        'for j in vectorize(4):\n    t = allocate(float32[1], "local")\n    t[0] = A[j]\n    for k in range(j):\n'
        "        t[0] = t[0] + A[k]\n    C[j] = t[0]",
        't = allocate(float32[4], "local")\nt[ramp(0, 1, 4)] = A[ramp(0, 1, 4)]\nfor j in range(4):\n'
        "    for k in range(j):\n        t[j] = t[j] + A[k]\nC[ramp(0, 1, 4)] = t[ramp(0, 1, 4)]",
    ),
    "an extreme": (
        "for j in vectorize(4):\n    C[j] = max(A[j], 0.0)",
        "C[ramp(0, 1, 4)] = max(A[ramp(0, 1, 4)], broadcast(0.0, 4))",
    ),
}

# name -> a loop that is run serially
SERIAL = {
    "a branch whose condition is not convex": "for j in vectorize(4):\n    if j % 3 < 2:\n        C[j] = A[j]",
    "a branch on a load": "for j in vectorize(4):\n    if A[j] < 2.0:\n        C[j] = A[j]",
    "a branch that not all lanes take": "for j in vectorize(4):\n    if j < 3:\n        C[j] = A[j]",
    "one element for all lanes": "for j in vectorize(4):\n    C[0] = C[0] + A[j]",
    "threads inside": "for j in vectorize(4):\n    for k in parallel(2):\n        C[j * 2 + k] = A[k]",
    "a number of iterations for each lane": (
        "for j in vectorize(4):\n    for k in range(j):\n        C[j] = C[j] + A[k]"
    ),
}


def program(body: str) -> str:
    lines = "\n".join("    " + line for line in body.splitlines())
    return f"def main(A: float32[8], x: float32[2], C: float32[8]):\n{lines}"


def outcome(func) -> np.ndarray:
    rng = np.random.default_rng(0)
    c = np.full(8, 9, "float32")
    interpret(func, rng.standard_normal(8, "float32"), rng.standard_normal(2, "float32"), c)
    return c


@pytest.mark.parametrize("name", GOLDEN)
def test_golden(name: str) -> None:
    before, after = GOLDEN[name]
    func = vectorize(parse_function(program(before)))
    verify(func)
    assert str(func) == program(after)


@pytest.mark.parametrize("name", SERIAL)
def test_run_serially(name: str) -> None:
    func = vectorize(parse_function(program(SERIAL[name])))
    assert str(func) == program(SERIAL[name].replace("vectorize", "range"))


@pytest.mark.parametrize("name", GOLDEN)
def test_same_result(name: str) -> None:
    before = parse_function(program(GOLDEN[name][0]))
    np.testing.assert_array_equal(outcome(vectorize(before)), outcome(before))


def test_a_vector_loop_inside_of_a_vector_loop() -> None:
    """Vectors have one dimension: the loop outside is run serially."""
    before = "for i in vectorize({}):\n    for j in vectorize(4):\n        C[i * 4 + j] = A[i * 4 + j]"
    after = "for i in range({}):\n    C[ramp(i * 4, 1, 4)] = A[ramp(i * 4, 1, 4)]"
    for extent in (2, 4):
        func = vectorize(parse_function(program(before.format(extent))))
        assert str(func) == program(after.format(extent))


def test_lanes_of_nested_vector_loops_are_distinct() -> None:
    """Equal numbers of lanes, each loop with a separate buffer."""
    body = (
        "for i in vectorize(4):\n    for j in vectorize(4):\n"
        '        t = allocate(float32[1], "global")\n        t[0] = 0.0\n'
        "        for r in range(2):\n            t[0] = t[0] + A[i * 4 + j + r]\n"
        "        C[i * 4 + j] = t[0]"
    )
    func = parse_function(f"def main(A: float32[17], C: float32[16]):\n{indent(body, '    ')}")
    after = vectorize(func)
    verify(after)
    a, results = np.arange(17, dtype="float32"), []
    for version in (func, after):
        c = np.zeros(16, "float32")
        interpret(version, a, c)
        results.append(c)
    np.testing.assert_array_equal(*results)
    np.testing.assert_array_equal(results[0], a[:16] + a[1:])


def test_a_vector_store_whose_value_alone_varies_with_the_outer_loop() -> None:
    text = "for i in vectorize(4):\n    for j in vectorize(4):\n        C[j] = A[i] + x[0]"
    before = parse_function(program(text))
    func = vectorize(before)
    assert "for i in range(4):" in str(func)
    np.testing.assert_array_equal(outcome(func), outcome(before))


def test_nothing_to_vectorize_gives_the_same_object() -> None:
    func = parse_function(program("for i in range(4):\n    if i < 2:\n        C[i] = A[i]"))
    assert vectorize(func) is func


@pytest.mark.parametrize("dtype", ["int8", "uint16", "int64", "float16", "float64"])
def test_types(dtype: str) -> None:
    text = f"""
        def main(A: {dtype}[4], C: {dtype}[4], B: bool[4]):
            for j in vectorize(4):
                C[j] = select(A[j] < {dtype}(2), A[j] * A[0], {dtype}(1))
                B[j] = A[j] < A[3] and not A[j] == A[1]
        """
    before = parse_function(text)
    after = vectorize(before)
    verify(after)
    results = []
    for func in (before, after):
        c, b = np.zeros(4, dtype), np.zeros(4, bool)
        interpret(func, np.array([3, 1, 2, 5], dtype), c, b)
        results.append((c, b))
    np.testing.assert_array_equal(results[0][0], results[1][0])
    np.testing.assert_array_equal(results[0][1], results[1][1])
    assert results[0][1].tolist() == [True, False, True, False]


@pytest.mark.parametrize("dtype", ["int64", "uint32"])
def test_the_cast_of_a_ramp_that_does_not_wrap_is_a_ramp(dtype: str) -> None:
    """So the rows that a gathered index of a wide type names are read as vectors."""
    func = parse_function(
        f"""
        def main(T: float32[40, 16], I: {dtype}[8], C: float32[8, 16]):
            for i in range(8):
                for j in vectorize(16):
                    C[i * 16 + j] = T[cast(I[i], "int64") * int64(16) + cast(j, "int64")]
        """
    )
    assert "T[ramp(" in str(vectorize(func))
    picked = np.array([3, 0, 39, 7, 7, 21, 1, 38], dtype)
    table, out = np.random.default_rng(0).random((40, 16), dtype="float32"), np.zeros((8, 16), "float32")
    interpret(vectorize(func), table, picked, out)
    np.testing.assert_array_equal(out, table[picked])


@pytest.mark.parametrize(
    ("value", "narrow"),
    [("j * 20", "uint8"), ("j * 200", "int8"), ("i * 1000000000 + j", "int32"), ("0 - j", "uint64")],
)
def test_the_cast_of_a_ramp_that_may_wrap_is_lane_by_lane(value: str, narrow: str) -> None:
    func = parse_function(
        f"""
        def main(C: int64[32]):
            for i in range(2):
                for j in vectorize(16):
                    C[i * 16 + j] = cast(cast({value} + i * 1500000000, "{narrow}"), "int64")
        """
    )
    after = vectorize(func)
    verify(after)
    results = np.zeros((2, 32), "int64")
    interpret(func, results[0])
    interpret(after, results[1])
    np.testing.assert_array_equal(*results)
