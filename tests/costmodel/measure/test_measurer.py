from __future__ import annotations

import importlib.util
import sys

import pytest

from costmodel.measure.comparison import Comparison
from costmodel.measure.measurer import Measurer
from costmodel.measure.process import MeasureError
from costmodel.result import Reason
from costmodel.task import Task

# every mode but the first does in the worker what no candidate should
MODULE = """
import ctypes, os, signal, time
import numpy as np
from compiler import te
from costmodel.registry import register


def reference(a, n):
    if n == 5:
        raise RuntimeError("no reference for five")
    if n == 6:
        os.abort()
    if n == 7:
        time.sleep(60)
    if n == 8:
        np.empty(1 << 50, np.uint8)
    return a * 2


@register(reference=reference, flops=lambda n: n)
def troublesome(knobs, n):
    modes = ["fine", "segfault", "abort", "exit", "hang", "native hang", "raise", "illegal", "wrong", "print"]
    mode = knobs.choice("mode", modes)
    if mode == "segfault":
        ctypes.string_at(0)
    if mode == "abort":
        os.abort()
    if mode == "exit":
        os._exit(3)
    if mode == "hang":
        while True:
            pass
    if mode == "native hang":
        ctypes.CDLL(None).sleep(60)
    if mode == "raise":
        raise RuntimeError("this template has no such mode")
    if mode == "print":
        print("output of a candidate")
    factor = 3.0 if mode == "wrong" else 2.0
    A = te.placeholder((n,), "A")
    B = te.compute((n,), lambda i: A[i] * factor, "B")
    s = te.create_schedule(B.op)
    if mode == "illegal":
        return None, [A, B]
    return s, [A, B]


@register(reference=lambda a, n: (a // 3, a % 3), flops=lambda n: 2 * n, inputs=(-100, 100))
def divmod3(knobs, n):
    a = te.placeholder((n,), "a", "int32")
    quotient = te.compute((n,), lambda i: a[i] // 3, "quotient")
    wrong = knobs.choice("wrong", [False, True])
    rest = te.compute((n,), lambda i: a[i] % 3 + int(wrong), "rest")
    return te.create_schedule([quotient.op, rest.op]), [a, quotient, rest]
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder with a module that registers the operator, imported here too."""
    folder = tmp_path_factory.mktemp("operators")
    path = folder / "troublesome_operator.py"
    path.write_text(MODULE)
    spec = importlib.util.spec_from_file_location("troublesome_operator", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["troublesome_operator"] = module
    spec.loader.exec_module(module)
    return folder


@pytest.fixture(scope="module")
def measurer(home):
    made = Measurer(
        modules=("troublesome_operator",),
        paths=(str(home),),
        build_timeout=2.0,
        run_timeout=5.0,
        reference_timeout=2.0,
        min_repeat_ms=1.0,
    )
    with made:
        yield made


def measured(measurer, mode, n=32):
    task = Task("troublesome", [n])
    return measurer.measure(task, {"mode": mode})


def test_a_sound_candidate_is_measured(measurer):
    result = measured(measurer, "fine")
    assert result.ok and result.reason is Reason.OK and result.message == ""
    assert 1 <= len(result.costs) <= 3 and all(c > 0 for c in result.costs)
    assert min(result.costs) <= result.cost <= max(result.costs)
    assert 0 < result.build_seconds < result.total_seconds
    assert result.timestamp > 1.7e9


@pytest.mark.parametrize(
    "mode, reason, message",
    [
        ("segfault", Reason.CRASH, "in phase 'template' the worker was killed by SIGSEGV"),
        ("abort", Reason.CRASH, "killed by SIGABRT"),
        ("exit", Reason.CRASH, "exited with status 3"),
        ("hang", Reason.TIMEOUT, "phase 'template' was not done within 2 s"),
        ("native hang", Reason.TIMEOUT, "phase 'template' was not done within 2 s"),
        ("raise", Reason.TEMPLATE, "RuntimeError: this template has no such mode"),
        ("illegal", Reason.BUILD, "Error"),
        ("wrong", Reason.WRONG, "largest difference .*, tolerance"),
    ],
)
def test_what_goes_wrong_has_a_reason_and_ends_nothing(measurer, mode, reason, message):
    result = measured(measurer, mode)
    assert result.reason is reason
    assert pytest.importorskip("re").search(message, result.message)
    assert result.costs == () and result.cost == float("inf") and not result.ok
    assert measured(measurer, "fine").ok


def test_several_outputs_are_all_checked(measurer):
    task = Task("divmod3", [64])
    assert task.key == "divmod3(64) int32 llvm"
    assert measurer.measure(task).ok
    result = measurer.measure(task, {"wrong": True})
    assert (result.reason, result.message) == (Reason.WRONG, "largest difference 1, tolerance 0")


@pytest.mark.parametrize("dtype", ["float64", "float16", "int8"])
def test_other_types_are_measured(measurer, dtype):
    result = measurer.measure(Task("matmul", (16, 32, 8, 0, "NN", "none", dtype)))
    assert result.ok, result.message


def test_crash_costs_one_worker_and_an_exception_none(measurer):
    measured(measurer, "fine")
    before = measurer.restarts
    measured(measurer, "raise")
    measured(measurer, "wrong")
    assert measurer.restarts == before
    measured(measurer, "exit")
    assert measurer.restarts == before + 1


@pytest.mark.parametrize(
    "n, reason, message",
    [
        (5, Reason.REFERENCE, "reference failed: RuntimeError: no reference for five"),
        (6, Reason.CRASH, "in phase 'reference'"),
        (7, Reason.TIMEOUT, "phase 'reference'"),
        (8, Reason.REFERENCE, "MemoryError"),
    ],
)
def test_reference_that_goes_wrong(measurer, n, reason, message):
    result = measured(measurer, "fine", n)
    assert result.reason is reason
    assert message in result.message
    assert measured(measurer, "fine").ok


def test_what_a_candidate_prints_does_not_mix_with_the_replies(measurer):
    assert measured(measurer, "print").ok


def test_slow_program_is_called_once():
    with Measurer(budget_ms=0.001, min_repeat_ms=0.0) as measurer:
        result = measurer.measure(Task("matmul", (64, 64, 64)))
    assert result.ok and len(result.costs) == 1


def test_built_in_operators_are_right():
    with Measurer(min_repeat_ms=1.0) as measurer:
        for name, shape in (("matmul", (32, 48, 16)), ("conv2d", (1, 4, 10, 10, 8, 3, 1, 1))):
            result = measurer.measure(Task(name, shape))
            assert result.ok, result.message


def test_comparison_takes_turns_and_checks(measurer):
    task = Task("matmul", (32, 32, 32))
    configs = {"default": task.space.default, "other": task.space.at(5)}
    found = measurer.compare(task, configs, baseline=True, rounds=4, min_repeat_ms=0.1, pause_ms=0.0)
    assert [c.name for c in found[:3]] == ["default", "other", "NumPy, 1 thread"]
    assert all(len(c.costs) == 4 for c in found)
    low, high = found[0].quartiles
    assert low <= found[0].gflops <= high


def test_comparison_refuses_a_wrong_output(measurer):
    task = Task("troublesome", [32])
    configs = {"right": task.config({"mode": "fine"}), "wrong": task.config({"mode": "wrong"})}
    with pytest.raises(MeasureError, match="wrong answer: largest difference"):
        measurer.compare(task, configs, rounds=1)


def test_speed_and_quartiles_by_hand():
    found = Comparison("x", (1.0, 2.0, 4.0, 5.0, 8.0), flops=8 * 10**9)
    assert found.gflops == 2.0
    assert found.quartiles == (1.6, 4.0)
    assert Comparison("x", (2.0,), flops=2 * 10**9).quartiles == (1.0, 1.0)


def test_module_that_cannot_be_imported():
    with (
        Measurer(modules=("no_such_module_here",)) as measurer,
        pytest.raises(MeasureError, match="could not start: .*no_such_module_here"),
    ):
        measurer.measure(Task("matmul", (4, 4, 4)))


def test_closing_twice_is_harmless():
    measurer = Measurer()
    measurer.start()
    measurer.close()
    measurer.close()


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"run_timeout": 0.0}, "run_timeout must be positive, not 0"),
        ({"build_timeout": -1.0}, "build_timeout must be positive"),
        ({"repeat": 0}, "repeat 0 must be at least 1"),
    ],
)
def test_settings_that_make_no_sense(settings, message):
    with pytest.raises(ValueError, match=message):
        Measurer(**settings)


def test_an_operator_without_a_baseline_is_compared_alone(measurer):
    task = Task("divmod3", [32])
    compared = measurer.compare(task, {"default": task.space.default}, baseline=True, rounds=1)
    assert [c.name for c in compared] == ["default"]
