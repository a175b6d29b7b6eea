"""Matrix products: the default schedule and random ones against NumPy."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compiler.backend import Target
from compiler.driver import build, lower
from compiler.ops import DENSE, MATMUL, Defaults, Knobs, Operator
from tests.compiler.backend.llvm.compiled import NEON, X86

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
WITH_PAIR_PRODUCTS = ("x86-64-v2", "x86-64-v3", "x86-64-v4")


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


@pytest.mark.parametrize("cpu", [*WITH_BYTE_PRODUCTS, *WITH_PAIR_PRODUCTS])
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


@pytest.mark.parametrize("cpu", WITH_PAIR_PRODUCTS)
@pytest.mark.parametrize("transpose", ["NT", "TN"])
def test_default_products_of_bytes_use_pairs_of_int16(transpose: str, cpu: str) -> None:
    values = MATMUL.shape(37, 41, 43, transpose=transpose, dtype="int8")
    text = build(*MATMUL.schedule(Defaults(), *values, target=X86 + cpu), target=X86 + cpu).source("asm")
    assert len(re.findall(r"\bv?pmaddwd\b", text)) >= 6
    assert not re.search(r"\bv?pmulld\b", text)


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


@settings(max_examples=settings().max_examples // 10)
@given(st.data())
def test_products_of_bytes_with_random_knobs(random_knobs: Callable, data: st.DataObject) -> None:
    size = st.sampled_from([1, 2, 3, 4, 7, 8, 16, 33])
    shape = tuple(data.draw(size) for _ in "MNK")
    values = MATMUL.shape(*shape, dtype=data.draw(st.sampled_from(BYTES)))
    targets = [Target.parse(X86 + cpu) for cpu in (*WITH_BYTE_PRODUCTS, *WITH_PAIR_PRODUCTS)]
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
@settings(max_examples=settings().max_examples // 5)
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


class Chosen(Defaults):
    """The defaults, and a record of them."""

    def __init__(self) -> None:
        super().__init__()
        self.values: dict = {}

    def choice(self, name: str, options: Sequence, **request: Any) -> Any:
        self.values[name] = super().choice(name, options, **request)
        return self.values[name]


def chosen(target: str, *values: Any, **named: Any) -> dict:
    """The default values of the knobs."""
    knobs = Chosen()
    MATMUL.schedule(knobs, *MATMUL.shape(*values, **named), target=target)
    return knobs.values


MACHINES = [X86 + "x86-64-v3", X86 + "x86-64-v4", NEON]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("target", MACHINES)
def test_the_default_hot_loops_do_not_spill(target: str, dtype: str) -> None:
    for shape in [(512, 512, 512), (100, 127, 64), (1000, 1000, 1000), (4, 1000, 100), (300, 8, 50)]:
        knobs = Chosen()
        values = MATMUL.shape(*shape, dtype=dtype)
        text = build(*MATMUL.schedule(knobs, *values, target=target), target=target).source("asm")
        blocks = re.split(r"(?m)^\.L\w+:.*$", text)
        fused = r"\t(?:vfmadd\w+|fmla)\t"
        hot = max(blocks, key=lambda block: len(re.findall(fused, block)))
        rows, columns = knobs.values["tile"]
        steps = rows * columns // Target.parse(target).lanes(dtype) * knobs.values["unroll_k"]
        inner = re.split(r"\n\t(?:j|b\.|cb)\w+\t", hot)[0]
        assert len(re.findall(fused, inner)) >= steps
        assert not re.search(r"\(%rsp\)|\[sp", inner), (shape, knobs.values["tile"])


def test_default_tiles_follow_the_registers() -> None:
    avx2, avx512, neon = (chosen(target, 512, 512, 512)["tile"] for target in MACHINES)
    assert avx2 == (6, 16)
    assert avx512 == (6, 64)
    assert neon == (6, 16)
    # the vectors of float64 have half as many lanes
    assert chosen(MACHINES[1], 512, 256, 512, dtype="float64")["tile"] == (6, 32)


@pytest.mark.parametrize("target", MACHINES)
def test_operands_are_packed_where_it_pays(target: str) -> None:
    square = chosen(target, 512, 512, 512)
    assert (square["pack_left"], square["pack_right"]) == ("none", "panel")
    # a matrix that a few rows are multiplied by is read once, so a copy would cost more than it saves
    assert chosen(target, 4, 1000, 1000)["pack_right"] == "none"
    # a transposed operand has no contiguous vectors
    assert chosen(target, 4, 1000, 1000, transpose="NT")["pack_right"] == "panel"
    assert chosen(target, 512, 512, 512, transpose="TN")["pack_left"] == "block"
    # narrow floats are converted when they are packed
    assert chosen(target, 512, 512, 512, dtype="float16")["pack_left"] == "block"


def test_a_constant_weight_is_packed_before_the_calls() -> None:
    schedule, tensors = DENSE.schedule(Defaults(), 64, 100, 80)
    bound = build(schedule, tensors, constants=[tensors[1]])
    rng = np.random.default_rng(0)
    data, weight = rng.standard_normal((64, 80), "f"), rng.standard_normal((100, 80), "f")
    module, out = bound.bind(weight), np.empty((64, 100), "f")
    module(data, out)
    np.testing.assert_allclose(out, data @ weight.T, rtol=1e-4, atol=1e-4)
    assert "packed_right" not in str(lower(*MATMUL.schedule(Defaults(), 2, 100, 80)))


def test_a_long_sum_is_divided_where_its_panel_would_not_stay_in_the_cache() -> None:
    # of 1 MiB in the second-level cache, half holds 4096 steps of a panel of 16 or 24 floats or more
    for target in MACHINES:
        short, long = chosen(target, 64, 64, 1024)["k_block"], chosen(target, 64, 64, 10**6)["k_block"]
        assert short == 1024
        assert long <= 4096


VECTORS = [(1, 37, 19), (37, 1, 19), (1, 1, 40), (1, 5, 1), (1, 130, 70), (130, 1, 70)]


@pytest.mark.parametrize("transpose", ["NN", "NT", "TN", "TT"])
@pytest.mark.parametrize("shape", VECTORS)
def test_products_of_a_vector(shape: tuple, transpose: str, check_operator: Callable) -> None:
    check_operator(MATMUL, Defaults(), *shape, 0, transpose, how=("nest", "compiled"))


@pytest.mark.parametrize("transpose", ["NN", "NT", "TN"])
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "int8", "uint8"])
def test_batches_of_products_of_a_vector(transpose: str, dtype: str, check_operator: Callable) -> None:
    for shape in ((1, 20, 37), (20, 1, 37)):
        values = MATMUL.shape(*shape, 3, transpose, "bias+relu" if dtype != "int8" else "none", dtype)
        check_operator(MATMUL, Defaults(), *values, how=("definition", "compiled"))


def test_a_product_of_a_vector_copies_no_matrix() -> None:
    for shape, transpose in (((1, 64, 64), "NN"), ((1, 64, 64), "NT"), ((64, 1, 64), "NN")):
        values = MATMUL.shape(*shape, transpose=transpose)
        for target in MACHINES:
            program = str(lower(*MATMUL.schedule(Defaults(), *values, target=target), target=target))
            assert "packed" not in program


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
