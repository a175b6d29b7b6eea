"""Loop partition: conditions are removed from the main part of a loop."""

from __future__ import annotations

import numpy as np
import pytest

from compiler.ir.semantics.interpret import interpret
from compiler.ir.semantics.verify import verify
from compiler.ir.text import parse_function
from compiler.passes.loop_partition import GROWTH_LIMIT, HEAVY, RARE, loop_partition

# name -> (parameters, before, after)
GOLDEN = {
    "a tail that a split leaves": (
        "A: float32[100], C: float32[100]",
        """
        for i in range(4):
            for j in range(32):
                if i * 32 + j < 100:
                    C[i * 32 + j] = A[i * 32 + j]
        """,
        """
        for i in range(3):
            for j in range(32):
                C[i * 32 + j] = A[i * 32 + j]
        for j in range(4):
            C[j + 96] = A[j + 96]
        """,
    ),
    "two tails": (
        "A: float32[35], C: float32[35]",
        """
        for i in range(3):
            for j in range(2):
                for i1 in range(2):
                    for j1 in range(4):
                        if i * 2 + i1 < 5 and j * 4 + j1 < 7:
                            C[i * 14 + i1 * 7 + j * 4 + j1] = A[i * 14 + i1 * 7 + j * 4 + j1]
        """,
        """
        for i in range(2):
            for i1 in range(2):
                for j1 in range(4):
                    C[i * 14 + i1 * 7 + j1] = A[i * 14 + i1 * 7 + j1]
            for i1 in range(2):
                for j1 in range(3):
                    C[i * 14 + i1 * 7 + j1 + 4] = A[i * 14 + i1 * 7 + j1 + 4]
        for j1 in range(4):
            C[j1 + 28] = A[j1 + 28]
        for j1 in range(3):
            C[j1 + 32] = A[j1 + 32]
        """,
    ),
    "a margin around an image, in a parallel and a vector loop": (
        "A: float32[16], C: float32[36]",
        """
        for i in parallel(6):
            for j in vectorize(6):
                C[i * 6 + j] = if_then_else(i >= 1 and i < 5 and j >= 1 and j < 5, A[i * 4 + j - 5], 0.0)
        """,
        """
        for i in parallel(6):
            if i >= 1 and i < 5:
                C[i * 6] = 0.0
                for j in vectorize(4):
                    C[i * 6 + j + 1] = A[i * 4 + j - 4]
                C[i * 6 + 5] = 0.0
            elif i < 1:
                for j in vectorize(6):
                    C[j] = 0.0
            else:
                for j in vectorize(6):
                    C[j + 30] = 0.0
        """,
    ),
    "a condition that also depends on an inner loop": (
        "A: float32[8], C: float32[16]",
        """
        for i in range(6):
            for j in range(3):
                C[i + j] = if_then_else(i * 2 + j >= 3, A[i + j], 1.0)
        """,
        """
        for j in range(3):
            C[j] = 1.0
        C[1] = 1.0
        for j in range(2):
            C[j + 2] = A[j + 2]
        for i in range(4):
            for j in range(3):
                C[i + j + 2] = A[i + j + 2]
        """,
    ),
    "an else": (
        "A: float32[8], C: float32[8]",
        """
        for i in range(8):
            if i < 3:
                C[i] = A[i]
            else:
                C[i] = 0.0
        """,
        """
        for i in range(3):
            C[i] = A[i]
        for i in range(5):
            C[i + 3] = 0.0
        """,
    ),
    "the pragmas of the loop": (
        "A: float32[8], C: float32[8]",
        """
        for i in range(8, pragmas={"auto_unroll": 4}):
            if i <= 2:
                C[i] = A[i]
        """,
        """
        for i in range(3, pragmas={"auto_unroll": 4}):
            C[i] = A[i]
        """,
    ),
    "blocks": (
        "A: float32[8], C: float32[8]",
        """
        for b in bind(3, "blockIdx.x"):
            for t in bind(3, "threadIdx.x"):
                if b * 3 + t < 8:
                    C[b * 3 + t] = A[b * 3 + t]
        """,
        """
        for b in bind(3, "blockIdx.x"):
            if b < 2:
                for t in bind(3, "threadIdx.x"):
                    C[b * 3 + t] = A[b * 3 + t]
            else:
                for t in bind(3, "threadIdx.x"):
                    if t + 6 < 8:
                        C[t + 6] = A[t + 6]
        """,
    ),
    "a condition on a dynamic extent": (
        "n: size(1, 20), A: float32[n], C: float32[n]",
        """
        for i in range((n + 3) // 4):
            for j in range(4):
                if i * 4 + j < n:
                    C[i * 4 + j] = A[i * 4 + j]
        """,
        None,
    ),
}

# name -> a body that stays as it is
KEPT = {
    "no condition": "for i in range(8):\n    C[i] = A[i]",
    "a condition that loads": "for i in range(8):\n    if A[i] < 3.0:\n        C[i] = A[i]",
    "a condition on the loop outside and this one": (
        "for i in range(4):\n    for j in range(2):\n        if i < j * 3 + i % 3:\n            C[i] = A[j]"
    ),
    "an unrolled loop": "for i in unroll(8):\n    if i < 3:\n        C[i] = A[i]",
    "threads of a block": 'for i in bind(8, "threadIdx.x"):\n    if i < 3:\n        C[i] = A[i]',
    "a sum that may wrap around": "for i in range(8):\n    if i * 1000000000 < 5:\n        C[i] = A[i]",
    "an equality": "for i in range(8):\n    if i == 3:\n        C[i] = A[i]",
}


def program(parameters: str, body: str) -> str:
    lines = "\n".join("    " + line for line in body.strip("\n").splitlines())
    return f"def main({parameters}):\n{lines}"


def dedented(body: str) -> str:
    lines = body.strip("\n").splitlines()
    margin = min(len(line) - len(line.lstrip()) for line in lines if line.strip())
    return "\n".join(line[margin:] for line in lines).rstrip()


@pytest.mark.parametrize("name", [name for name, case in GOLDEN.items() if case[2] is not None])
def test_golden(name: str, becomes) -> None:
    parameters, before, after = GOLDEN[name]
    becomes(loop_partition, program(parameters, dedented(before)), program(parameters, dedented(after)))


@pytest.mark.parametrize("name", KEPT)
def test_kept(name: str) -> None:
    func = parse_function(program("A: float32[8], C: float32[8]", KEPT[name]))
    assert loop_partition(func) is func


def test_a_dynamic_extent() -> None:
    """The main part has no condition for any extent, and every extent gives the same result."""
    parameters, before, _ = GOLDEN["a condition on a dynamic extent"]
    func = parse_function(program(parameters, dedented(before)))
    after = loop_partition(func)
    verify(after)
    main, *rest = str(after).split("if ")
    assert "for i in range(" in main and "for j in range(4):" in main and rest
    for n in range(1, 21):
        a, results = np.arange(n, dtype="float32"), []
        for version in (func, after):
            c = np.full(n, -1, "float32")
            interpret(version, a, c)
            results.append(c)
        np.testing.assert_array_equal(*results)
        np.testing.assert_array_equal(results[0], a)


def test_a_body_beyond_the_growth_limit_is_not_copied() -> None:
    body = "for i in range(8):\n    for j in unroll({}):\n        if i < 5:\n            C[j] = A[i]"
    for extent, cut in ((GROWTH_LIMIT, True), (GROWTH_LIMIT + 1, False)):
        func = parse_function(program(f"A: float32[8], C: float32[{extent}]", body.format(extent)))
        assert (loop_partition(func) is not func) == cut


def test_unrolled_loops_around_cut_vector_loops_are_expanded() -> None:
    vectors = "for v in unroll(3):\n    for i in vectorize(4):\n"
    body = vectors + "        if v * 4 + i < 10:\n            C[v * 4 + i] = A[i]"
    func = parse_function(program("A: float32[4], C: float32[10]", body))
    after = str(loop_partition(func))
    assert "if" not in after and "unroll" not in after
    assert after.count("vectorize(4)") == 2 and after.count("vectorize(2)") == 1
    results = []
    for version in (func, loop_partition(func)):
        c = np.zeros(10, "float32")
        interpret(version, np.arange(4, dtype="float32"), c)
        results.append(c)
    np.testing.assert_array_equal(*results)


def test_a_condition_that_is_evaluated_rarely_is_kept() -> None:
    body = (
        "for i in range(8):\n    for j in range({}):\n        C[j] = A[i]\n    if i < 5:\n        C[0] = A[i]"
    )
    for extent, cut in ((RARE - 1, True), (RARE, False)):
        func = parse_function(program(f"A: float32[8], C: float32[{extent}]", body.format(extent)))
        assert (loop_partition(func) is not func) == cut


def test_a_fixed_cut_of_a_loop_of_dynamic_extent() -> None:
    """A condition holds in the first iteration alone, and with an extent of one there is no other."""
    body = (
        "for i in range((n + 1) // 2):\n    for j in range(2):\n        if i * 2 + j < n:\n"
        "            C[i * 2 + j] = if_then_else(i * 2 + j < 1, A[i * 2 + j], A[i * 2 + j] + 1.0)"
    )
    func = parse_function(program("n: size(1, 6), A: float32[n], C: float32[n]", body))
    after = loop_partition(func)
    assert after is not func
    verify(after)
    for n in range(1, 7):
        a, results = np.arange(n, dtype="float32"), []
        for version in (func, after):
            c = np.full(n, -1, "float32")
            interpret(version, a, c)
            results.append(c)
        np.testing.assert_array_equal(*results)


# sums of a tile, and stores of it of which the last one in the last tile is outside
TILES = """
def main(A: float32[1024], C: float32[31]):
    for t in {kind}(8):
        tile = allocate(float32[4], "local")
        for k in range(4):
{sums}
        for i in range(4):
            if t * 4 + i < 31:
                C[t * 4 + i] = tile[i]
"""


@pytest.mark.parametrize("kind", ["range", "parallel"])
def test_conditions_in_the_lesser_part_of_a_block(kind: str) -> None:
    """The sums of a tile are not copied for the sake of the condition around its stores."""
    sums = "\n".join(
        f"            tile[{n % 4}] = tile[{n % 4}] + A[t * 128 + k * 4 + {n % 4}]" for n in range(2 * HEAVY)
    )
    begin = "\n".join(f"        tile[{n}] = 0.0" for n in range(4))
    text = TILES.format(kind=kind, sums=sums).replace("        for k", f"{begin}\n        for k")
    before = parse_function(text.lstrip())
    after = loop_partition(before)
    verify(after)
    assert str(after).count("for t in") == str(after).count("for k in") == 1
    assert "if t < 7:" in str(after)
    assert "< 31" not in str(after)
    a = np.random.default_rng(0).standard_normal(1024, "float32")
    results = []
    for func in (before, after):
        results.append(np.zeros(31, "float32"))
        interpret(func, a, results[-1])
    np.testing.assert_array_equal(*results)
