"""Compiled data-flow programs against the interpreter, their memory, and each refusal of an argument."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import compiler.relay.operator  # noqa: F401  the rows
from compiler.backend import registry
from compiler.relay.execute.build import build
from compiler.relay.execute.executable import Executable
from compiler.relay.interpret import evaluate
from compiler.relay.language.expr import Constant, Function, Tuple, Var, constant
from compiler.relay.language.module import IRModule
from compiler.relay.language.op import op
from compiler.relay.language.types import TensorType, TupleType
from tests.compiler.backend.toy import Toy
from tests.compiler.relay.random_graphs import random_inputs, random_module


def leaves(value: Any) -> list[np.ndarray]:
    return [a for part in value for a in leaves(part)] if isinstance(value, tuple) else [value]


def same(program: Any, module: IRModule, *arrays: Any, rtol: float = 1e-5) -> None:
    found, expected = leaves(program(*arrays)), leaves(evaluate(module, *arrays))
    assert len(found) == len(expected)
    for a, b in zip(found, expected, strict=True):
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol * max(1e-30, float(np.abs(b).max(initial=0))))


def network() -> IRModule:
    """Two residual layers with equal structure, an operator without code, and views."""
    rng = np.random.default_rng(0)
    x = Var("x", TensorType((8, 32)))
    value: Any = x
    for _ in range(2):
        weight = Constant(rng.standard_normal((32, 32)).astype("float32") * 0.2)
        bias = Constant(rng.standard_normal(32).astype("float32"))
        value = op("add")(value, op("tanh")(op("add")(op("nn.dense")(value, weight), bias)))
    ordered = op("sort")(op("reshape")(value, newshape=(16, 16)), axis=-1)
    results = (op("sum")(op("exp")(ordered), axis=-1), value, op("reshape")(value, newshape=(-1,)), x)
    return IRModule.from_expr(Function((x,), Tuple(results)))


@pytest.fixture(scope="module")
def built() -> tuple[Executable, IRModule]:
    module = network()
    program = build(module)
    assert isinstance(program, Executable)
    return program, module


X = np.random.default_rng(1).standard_normal((8, 32)).astype("float32")


def test_it_computes_what_the_interpreter_computes(built: Any) -> None:
    same(*built, X)
    same(*built, X[::-1])  # not contiguous


def test_equal_groups_share_a_kernel(built: Any) -> None:
    program, _ = built
    heavy = [call.kernel for call in program.calls if "dense" in call.name]
    assert len(heavy) == 2 and len(set(heavy)) == 1
    assert [call.kernel for call in program.calls if call.name == "sort"] == [-1]


def test_weights_are_bound_once(built: Any) -> None:
    """No call of a product has an operand that is the weight as it was given, (32, 32): it is packed."""
    program, _ = built
    for call in program.calls:
        if "dense" in call.name:
            arrays = [place for place in call.operands if place.kind == "array"]
            assert arrays and all(place.shape != (32, 32) for place in arrays)


def test_results_are_new_arrays(built: Any) -> None:
    program, _ = built
    first = program(X)
    kept = [array.copy() for array in first]
    second = program(X + 1)
    for a, b, c in zip(first, second, kept, strict=True):
        assert not np.shares_memory(a, b)
        np.testing.assert_array_equal(a, c)
    assert not np.shares_memory(first[3], X)
    assert not np.shares_memory(first[1], first[2])


def test_a_chain_is_computed_in_place() -> None:
    """Groups of one operator, each of which overwrites its input: the arena holds one tensor."""
    x = Var("x", TensorType((64, 64)))
    value: Any = x
    for name in ("exp", "sin", "tanh", "sin", "tanh"):
        value = op("stop_fusion")(op(name)(value))
    module = IRModule.from_expr(Function((x,), op("sum")(op("reverse")(value, axis=(0,)), axis=1)))
    program = build(module)
    array = np.random.default_rng(0).standard_normal((64, 64)).astype("float32")
    same(program, module, array)
    size = 64 * 64 * 4
    assert program.plan.tensors >= 6 * size  # reverse is not elementwise, and needs another one
    assert program.plan.peak <= 2 * size


def test_what_is_still_read_is_not_overwritten() -> None:
    x = Var("x", TensorType((16, 16)))
    a = op("stop_fusion")(op("exp")(x))
    b = op("stop_fusion")(op("sin")(a))
    module = IRModule.from_expr(Function((x,), op("add")(op("transpose")(a), op("transpose")(b))))
    array = np.random.default_rng(0).standard_normal((16, 16)).astype("float32")
    same(build(module), module, array)


def test_tuples_in_and_out() -> None:
    t = Var("t", TupleType((TensorType((3,)), TupleType((TensorType((3,)), TensorType((), "int32"))))))
    from compiler.relay.language.expr import TupleGetItem

    inner = TupleGetItem(t, 1)
    total = op("add")(TupleGetItem(t, 0), TupleGetItem(inner, 0))
    module = IRModule.from_expr(
        Function((t,), Tuple((total, Tuple((op("add")(TupleGetItem(inner, 1), constant(1)), total)))))
    )
    given = (np.float32([1, 2, 3]), (np.float32([4, 5, 6]), np.int32(7)))
    program = build(module)
    same(program, module, given)
    with pytest.raises(ValueError, match=r"the input 't.1' is 1 values; a tuple of 2 is needed"):
        program((given[0], (given[1][0],)))


def test_empty_tensors_and_unread_parameters() -> None:
    x, y = Var("x", TensorType((0, 4))), Var("y", TensorType((3,)))
    body = Tuple((op("sum")(op("exp")(x), axis=0), op("zeros_like")(y), op("exp")(x)))
    module = IRModule.from_expr(Function((x, y), body))
    same(build(module), module, np.zeros((0, 4), "float32"), np.ones(3, "float32"))


@pytest.mark.parametrize("seed", range(4))
def test_random_graphs(seed: int) -> None:
    rng = np.random.default_rng(seed)
    module = random_module(rng, 14, "float64", flat=True)
    same(build(module, level=seed % 4), module, *random_inputs(rng), rtol=1e-12)


REFUSED = {
    "dtype": (X.astype("float64"), r"the input 'x' has the dtype float64; float32 is needed"),
    "shape": (X[:3], r"the input 'x' has the shape \(3, 32\); the shape \(8, 32\) is needed"),
    "rank": (X[None], r"the input 'x' has the rank 3; the shape \(8, 32\) is needed"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_wrong_arguments(built: Any, what: str) -> None:
    array, message = REFUSED[what]
    with pytest.raises(ValueError, match=message):
        built[0](array)


def test_wrong_names_and_counts(built: Any) -> None:
    program, _ = built
    np.testing.assert_array_equal(program.run({"x": X})[1], program(X)[1])
    with pytest.raises(ValueError, match=r"the program takes 1 argument\(s\) \(x: Tensor"):
        program()
    with pytest.raises(ValueError, match=r"unknown input 'y' \(known: x\)"):
        program.run({"y": X})
    with pytest.raises(ValueError, match=r"the input 'x' is missing; needed are 'x'"):
        program.run({})
    with pytest.raises(ValueError, match="level is 7; 0, 1, 2 or 3 is needed"):
        build(network(), level=7)
    with pytest.raises(ValueError, match="repeat is 0; at least 1 is needed"):
        program.profile(X, repeat=0)


def test_targets_that_are_no_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry._loaded, "toy", Toy())
    with pytest.raises(ValueError, match="a target of kind 'llvm' is needed, not toy"):
        build(network(), target="toy")


def test_threads_may_call_at_once(built: Any) -> None:
    program, _ = built
    inputs = [X + i for i in range(8)]
    expected = [program(x) for x in inputs]
    wrong: list[int] = []

    def work(i: int) -> None:
        for _ in range(20):
            found = program(inputs[i])
            if any((a != b).any() for a, b in zip(found, expected[i], strict=True)):
                wrong.append(i)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(len(inputs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_profile(built: Any, tmp_path: Path) -> None:
    program, _ = built
    profile = program.profile(X, repeat=2)
    assert [row.name for row in profile.rows] == [call.name for call in program.calls]
    dense = next(row for row in profile.rows if "dense" in row.name)
    # a product and a sum for each of 8 * 32 * 32, then bias, tanh, residual
    assert dense.flops == 8 * 32 * (2 * 32 + 3)
    assert str(profile).splitlines()[0].split() == [
        "kernel",
        "calls",
        "us",
        "share",
        "GFLOP/s",
        "GB/s",
        "from",
    ]
    lines = [line.split() for line in str(profile).splitlines()]
    assert sum(int(line[1]) for line in lines[1:-1]) == int(lines[-1][1]) == len(program.calls)
    profile.save_trace(tmp_path / "trace.json")
    events = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    assert [event["name"] for event in events] == [call.name for call in program.calls]
    ends = [event["ts"] + event["dur"] for event in events]
    assert all(e["ph"] == "X" and e["dur"] >= 0 for e in events)
    assert all(later["ts"] >= end - 1e-6 for end, later in zip(ends, events[1:], strict=False))


def test_progress() -> None:
    seen: list[tuple[int, int, str]] = []
    build(network(), progress=lambda *step: seen.append(step), cache=False)
    assert [done for done, _, _ in seen] == list(range(1, len(seen) + 1))
    assert {total for _, total, _ in seen} == {len(seen)}


def test_small_kernels_use_one_thread() -> None:
    """To begin a parallel loop takes longer than all of their work."""
    for size, parallel in ((64, False), (1024, True)):
        x = Var("x", TensorType((size, size)))
        program = build(IRModule.from_expr(Function((x,), op("exp")(x))), cache=False)
        (kernel,) = program._data.kernels
        assert kernel.main.details["is_parallel"] is parallel
