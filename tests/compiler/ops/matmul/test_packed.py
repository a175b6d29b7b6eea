"""Matrix products: the default schedule and random ones against NumPy."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compiler.backend import Target
from compiler.driver import build
from compiler.ops import DENSE, MATMUL, Defaults, Knobs, Operator
from tests.compiler.backend.llvm.compiled import X86

SHAPES = [
    (1, 1, 1),
    (1, 7, 3),
    (7, 1, 5),
    (5, 4, 1),
    (7, 11, 13),
    (8, 32, 4),
    (16, 64, 8),
    (12, 48, 6),
    (3, 34, 9),
    (17, 67, 5),
    (31, 37, 11),
]


@pytest.mark.parametrize("shape", SHAPES)
def test_defaults(shape: tuple[int, int, int], check_operator: Callable) -> None:
    check_operator(MATMUL, Defaults(), *shape)


@pytest.mark.parametrize("transpose", ["NN", "NT", "TN", "TT"])
@pytest.mark.parametrize("batch", [0, 1, 3])
def test_transposed_and_batched(batch: int, transpose: str, check_operator: Callable) -> None:
    check_operator(MATMUL, Defaults(), 5, 18, 7, batch, transpose)


@pytest.mark.parametrize(
    "epilogue", ["relu", "bias", "residual", "bias+residual+relu6", "bias+sigmoid", "tanh", "gelu"]
)
def test_epilogues(epilogue: str, check_operator: Callable) -> None:
    check_operator(MATMUL, Defaults(), 5, 18, 7, 2, "NN", epilogue)


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 33, 7), (8, 16, 32)])
@pytest.mark.parametrize("epilogue", ["none", "bias+relu"])
def test_dense(shape: tuple[int, int, int], epilogue: str, check_operator: Callable) -> None:
    check_operator(DENSE, Defaults(), *shape, epilogue, how=("nest", "compiled", "bound"))


@pytest.mark.parametrize("dtype", ["float64", "float16", "int8", "uint8", "bfloat16"])
@pytest.mark.parametrize(
    ("transpose", "epilogue"), [("NN", "none"), ("TT", "bias+residual+relu6"), ("NT", "residual+relu")]
)
def test_other_types(dtype: str, transpose: str, epilogue: str, check_operator: Callable) -> None:
    values = MATMUL.shape(5, 18, 37, 2, transpose, epilogue, dtype)
    check_operator(MATMUL, Defaults(), *values, how=("definition", "compiled"))


def test_int8_sums_are_exact_in_int32() -> None:
    extreme = np.full((1, 1000), -128, "int8")
    shape = MATMUL.shape(1, 1, 1000, dtype="int8")
    assert MATMUL.reference(extreme, extreme.T, *shape) == 1000 * 128**2
    out = MATMUL.output(*shape)
    assert out.dtype == "int32"
    build(*MATMUL.schedule(Defaults(), *shape))(extreme, extreme.T.copy(), out)
    assert out == 1000 * 128**2


BYTES = ("int8", "uint8")
WITH_BYTE_PRODUCTS = ("cascadelake", "sapphirerapids", "x86-64-v3 -mattr=+avxvnni")


def product_of_bytes(op: Operator, knobs: Knobs, values: tuple, target: str | Target) -> None:
    """Compare with NumPy's product in int32, which wraps around too, of bytes of their whole range."""
    shape = op.shape(*values)
    module = build(*op.schedule(knobs, *shape, target=target), target=target)
    rng = np.random.default_rng(0)
    a, b = (
        rng.integers(np.iinfo(x.dtype).min, np.iinfo(x.dtype).max, x.shape, x.dtype, endpoint=True)
        for x in op.inputs(rng, *shape)
    )
    # sums of the most extreme products
    a.flat[: a.size // 3], b.flat[: b.size // 3] = np.iinfo(a.dtype).max, np.iinfo(b.dtype).min
    out = np.full_like(op.output(*shape), 7)
    module(a, b, out)
    transpose = op.tensors(*shape)[1].name == "weight"
    np.testing.assert_array_equal(out, a.astype("int32") @ (b.T if transpose else b).astype("int32"))


@pytest.mark.parametrize("cpu", [*WITH_BYTE_PRODUCTS, "x86-64-v4"])
@pytest.mark.parametrize("dtype", BYTES)
@pytest.mark.parametrize("op", [MATMUL, DENSE])
def test_products_of_bytes_are_exact(op: Operator, dtype: str, cpu: str) -> None:
    target = Target.parse(X86 + cpu)
    if not target.runs_here:
        pytest.skip(target.missing())
    for shape in [*SHAPES, (2, 3, 4), (6, 16, 8), (9, 35, 1101), (70, 130, 66)]:
        values = op.shape(*shape, dtype=dtype)
        product_of_bytes(op, Defaults(), values, target)


@pytest.mark.parametrize("cpu", WITH_BYTE_PRODUCTS)
@pytest.mark.parametrize("dtype", BYTES)
@pytest.mark.parametrize("transpose", ["NN", "NT", "TN", "TT"])
@pytest.mark.parametrize("shape", [(512, 512, 512), (37, 41, 43), (2, 64, 3)])
def test_default_products_of_bytes_use_the_instruction(
    shape: tuple, transpose: str, dtype: str, cpu: str
) -> None:
    values = MATMUL.shape(*shape, transpose=transpose, dtype=dtype)
    text = build(*MATMUL.schedule(Defaults(), *values, target=X86 + cpu), target=X86 + cpu).source("asm")
    assert "vpdpbusd" in text
    assert not re.search(r"\bvpmull|\bvpmadd", text)


@pytest.mark.parametrize("dtype", BYTES)
def test_the_sums_of_a_tile_of_bytes_stay_in_registers(dtype: str) -> None:
    """In the loop over k, each instruction adds to a register that no other one is copied from or to."""
    for cpu in WITH_BYTE_PRODUCTS:
        values = MATMUL.shape(512, 512, 512, dtype=dtype)
        text = build(*MATMUL.schedule(Defaults(), *values, target=X86 + cpu), target=X86 + cpu).source("asm")
        blocks = [block.splitlines() for block in re.split(r"(?m)^\.L\w+:$", text)]
        block = max(blocks, key=lambda block: sum("vpdpbusd" in line for line in block))
        inner = block[: next(at for at, line in enumerate(block) if line.startswith("\tj"))]
        sums = [line.rpartition(",")[2] for line in inner if "vpdpbusd" in line]
        assert len(sums) == len(set(sums)) >= 12
        assert not re.search(r"vmov\w+\s+%[xyz]mm\d+, |\bvpsub", "\n".join(inner))


@pytest.mark.parametrize("dtype", BYTES)
def test_other_cpus_multiply_bytes_without_it(dtype: str) -> None:
    values = MATMUL.shape(64, 64, 64, dtype=dtype)
    for cpu in ("x86-64-v4", "haswell", "cascadelake -mattr=-avx512vnni"):
        target = X86 + cpu
        assert "vpdpbusd" not in build(
            *MATMUL.schedule(Defaults(), *values, target=target), target=target
        ).source("asm")


@settings(max_examples=15)
@given(st.data())
def test_products_of_bytes_with_random_knobs(random_knobs: Callable, data: st.DataObject) -> None:
    size = st.sampled_from([1, 2, 3, 4, 7, 8, 16, 33])
    shape = tuple(data.draw(size) for _ in "MNK")
    values = MATMUL.shape(*shape, dtype=data.draw(st.sampled_from(BYTES)))
    targets = [Target.parse(X86 + cpu) for cpu in WITH_BYTE_PRODUCTS]
    here = [t for t in targets if t.runs_here] or [Target.host()]
    product_of_bytes(MATMUL, random_knobs(data.draw), values, data.draw(st.sampled_from(here)))


def test_float16_is_summed_in_float32() -> None:
    # in float16 a sum of ones stops at 2048
    ones = np.ones((1, 5000), "float16")
    shape = MATMUL.shape(1, 1, 5000, dtype="float16")
    out = MATMUL.output(*shape)
    build(*MATMUL.schedule(Defaults(), *shape))(ones, ones.T.copy(), out)
    assert out == 5000


def test_bfloat16_is_summed_in_float32() -> None:
    ones = np.full((1, 5000), 0x3F80, "uint16")
    shape = MATMUL.shape(1, 1, 5000, dtype="bfloat16")
    assert MATMUL.reference(ones, ones.T, *shape) == 5000
    out = MATMUL.output(*shape)
    assert out.dtype == "float32"
    build(*MATMUL.schedule(Defaults(), *shape))(ones, ones.T.copy(), out)
    assert out == 5000


@pytest.mark.slow
@settings(max_examples=40)
@given(st.data())
def test_random_knobs(check_operator: Callable, random_knobs: Callable, data: st.DataObject) -> None:
    size = st.sampled_from([1, 2, 3, 7, 8, 16, 33])
    shape = tuple(data.draw(size) for _ in "MNK")
    transpose = data.draw(st.sampled_from(["NN", "NT", "TN", "TT"]))
    check_operator(MATMUL, random_knobs(data.draw), *shape, 0, transpose, how=("lowered", "compiled"))


@given(st.data())
def test_the_requested_knobs_do_not_depend_on_their_values(
    recording_defaults: Callable, random_knobs: Callable, data: st.DataObject
) -> None:
    first, second = recording_defaults(), random_knobs(data.draw)
    MATMUL.schedule(first, 12, 16, 8)
    MATMUL.schedule(second, 12, 16, 8)
    assert first.requested == second.requested


def test_flops_and_shapes() -> None:
    assert MATMUL.flops(3, 4, 5) == 120
    assert MATMUL.flops(3, 4, 5, 6) == 720
    assert MATMUL.output(3, 4, 5).shape == (3, 4)
    assert MATMUL.output(3, 4, 5, 2).shape == (2, 3, 4)
    a, b = MATMUL.inputs(np.random.default_rng(0), 3, 4, 5)
    assert (a.shape, b.shape, a.dtype) == ((3, 5), (5, 4), np.dtype("float32"))
    np.testing.assert_array_equal(MATMUL.reference(a, b, 3, 4, 5), a @ b)
    a, b = MATMUL.inputs(np.random.default_rng(0), 3, 4, 5, 0, "TT")
    assert (a.shape, b.shape) == ((5, 3), (4, 5))
    np.testing.assert_array_equal(MATMUL.reference(a, b, 3, 4, 5, 0, "TT"), a.T @ b.T)
