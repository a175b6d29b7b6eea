from __future__ import annotations

import importlib.util
import os
import re
import signal
import sys
import threading
import time

import pytest

from costmodel.measure.comparison import Comparison
from costmodel.measure.measurer import Measurer
from costmodel.measure.process import MeasureError
from costmodel.result import Reason
from costmodel.task import Task

# every mode but the first is a way to fail
MODULE = """
import ctypes, os, signal, time
from pathlib import Path
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
    modes += ["memory", "native memory", "patient"]
    mode = knobs.choice("mode", modes)
    if mode == "memory":
        chunks = []
        while True:
            chunks.append(np.empty(1 << 24))
    if mode == "native memory":
        os.write(2, b"LLVM ERROR: out of memory")
        os.abort()
    if mode == "patient":
        folder = Path(__file__).parent
        (folder / "started").touch()
        while not (folder / "killed").exists():
            time.sleep(0.01)
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
def folder(tmp_path_factory):
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
def measurer(folder):
    made = Measurer(
        modules=("troublesome_operator",),
        paths=(str(folder),),
        build_timeout=2.0,
        run_timeout=5.0,
        reference_timeout=2.0,
        min_repeat_ms=1.0,
        builders=2,
        memory_bytes=3 << 30,
    )
    with made:
        yield made


def measured(measurer, mode, n=32):
    task = Task("troublesome", [n])
    return measurer.measure(task, {"mode": mode})


def test_a_valid_candidate_is_measured(measurer):
    result = measured(measurer, "fine")
    assert result.ok and result.reason is Reason.OK and result.message == ""
    assert len(result.costs) >= 2 and all(c > 0 for c in result.costs)
    assert result.noise >= 0
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
        ("memory", Reason.MEMORY, "MemoryError"),
        ("native memory", Reason.MEMORY, "killed by SIGABRT: .*out of memory"),
    ],
)
def test_failures_have_a_reason_and_do_not_end_the_measurer(measurer, mode, reason, message):
    result = measured(measurer, mode)
    assert result.reason is reason
    assert re.search(message, result.message)
    assert result.costs == () and result.cost == float("inf") and not result.ok
    assert measured(measurer, "fine").ok


def test_an_exception_has_its_traceback(measurer):
    result = measured(measurer, "raise")
    assert result.message == "RuntimeError: this template has no such mode"
    assert 'raise RuntimeError("this template has no such mode")' in result.detail


def test_a_batch_is_compiled_side_by_side_and_comes_in_order(measurer):
    task = Task("troublesome", [32])
    modes = ["fine", "exit", "wrong", "raise", "print", "segfault", "illegal", "memory", "fine"]
    results = list(measurer.measure_many(task, [{"mode": mode} for mode in modes]))
    assert [r.reason.name for r in results] == [
        "OK", "CRASH", "WRONG", "TEMPLATE", "OK", "CRASH", "BUILD", "MEMORY", "OK",
    ]  # fmt: skip
    assert all(r.build_seconds > 0 and r.total_seconds > r.build_seconds for r in results if r.ok)
    assert measurer._pool is not None and len(measurer._pool.pids) <= 2


def test_results_come_one_by_one_and_a_reader_may_stop(measurer):
    task = Task("troublesome", [32])
    results = measurer.measure_many(task, [{"mode": m} for m in ("fine", "print", "fine", "print")])
    assert next(results).ok
    results.close()
    assert [r.ok for r in measurer.measure_many(task, [{"mode": "fine"}, {"mode": "print"}])] == [True, True]


def test_a_configuration_of_another_space_is_refused_at_once(measurer):
    with pytest.raises(ValueError, match="mode"):
        measurer.measure_many(Task("troublesome", [32]), [{"mode": "no such mode"}])


def test_a_target_that_cannot_run_here_is_refused(measurer):
    elsewhere = "llvm -mtriple=riscv64-linux-gnu -mcpu=generic-rv64"
    with pytest.raises(ValueError, match="cannot run on this machine"):
        measurer.check(elsewhere)


@pytest.mark.parametrize("side_by_side", [False, True], ids=["runner", "builder"])
def test_a_worker_killed_from_outside_is_replaced_and_the_candidate_is_not_blamed(
    measurer, folder, side_by_side
):
    for name in ("started", "killed"):
        (folder / name).unlink(missing_ok=True)
    modes = ["patient", "fine"] if side_by_side else ["patient"]
    if side_by_side:
        measured(measurer, "fine")  # the reference is known: only the candidate's own time counts

    def kill():
        while not (folder / "started").exists():
            time.sleep(0.01)
        pids = measurer._pool.pids if side_by_side else [measurer._process.pid]
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        (folder / "killed").touch()

    thread = threading.Thread(target=kill)
    thread.start()
    results = list(measurer.measure_many(Task("troublesome", [32]), [{"mode": m} for m in modes]))
    thread.join()
    assert [r.reason for r in results] == [Reason.OK] * len(modes)


def test_the_fastest_so_far_is_measured_again():
    with Measurer(min_repeat_ms=1.0, builders=0) as measurer:
        task = Task("matmul", (64, 64, 64))
        first = measurer.measure(task)
        assert first.ok and first.measured >= 2
        measurer._best[task.key] = 1e-12
        assert measurer.measure(task).measured == 1


class Scripted(Measurer):
    """A measurer whose process replies what the test says, at once."""

    def __init__(self, *costs: float) -> None:
        super().__init__(builders=0)
        self.costs = list(costs)
        self.asked: list[str] = []

    def start(self) -> None:
        pass

    def _request(self, request):
        self.asked.append(request["do"])
        if request["do"] == "calibrate":
            return {"done": "ok", "usual": 1.0}
        if request["do"] == "probe":
            return {"done": "ok", "costs": [1.0], "drift": 1.0, "noise": 0.0}
        return {"done": "ok", "costs": [self.costs.pop(0)], "drift": 1.25, "noise": 0.02}


def test_a_best_that_measures_slower_again_is_found_out_before_it_is_reported():
    measurer = Scripted(1.0, 1.01, 1.2, 0.6, 1.01, 1.0, 1.1)
    task = Task("matmul", (64, 64, 64))
    found = list(measurer.measure_many(task, [0, 1, 2, 3]))
    # the third one measured 40 % too fast at first; the others were no surprise
    assert [r.cost for r in found] == pytest.approx([1.005, 1.2, 1.005, 1.1])
    assert [r.measured for r in found] == [2, 1, 3, 1]
    assert measurer.asked.count("repeat") == 3
    assert measurer.context()["drift"] == 1.25 and found[0].drift == 1.25


def test_the_noise_is_stated():
    with Measurer(min_repeat_ms=1.0, builders=0) as measurer:
        assert measurer.context()["noise"] is None
        result = measurer.measure(Task("matmul", (64, 64, 64)))
        context = measurer.context()
    assert 0 <= context["noise"] <= result.noise + 1e-12 or context["drift"] != 1.0
    assert context["drift"] > 0 and context["machine"] == measurer.machine
    assert len(context["run_cpus"]) <= measurer.threads


def test_an_operator_that_the_worker_cannot_make_ends_the_search(measurer):
    from dataclasses import replace

    from compiler import ops

    stranger = replace(ops.operator("transpose"), name="stranger")
    with pytest.raises(MeasureError, match="cannot make the task 'stranger': .*unknown operator 'stranger'"):
        list(measurer.measure_many(Task(stranger, ((4, 6), (1, 0))), [0]))
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
    assert measured(measurer, "fine").ok


@pytest.mark.parametrize(
    "n, reason, message",
    [
        (5, Reason.REFERENCE, "reference failed: RuntimeError: no reference for five"),
        (6, Reason.CRASH, "in phase 'reference'"),
        (7, Reason.TIMEOUT, "phase 'reference'"),
        (8, Reason.REFERENCE, "MemoryError"),
    ],
)
def test_a_reference_that_fails(measurer, n, reason, message):
    result = measured(measurer, "fine", n)
    assert result.reason is reason
    assert message in result.message
    assert measured(measurer, "fine").ok


def test_output_of_a_candidate_does_not_mix_with_the_replies(measurer):
    assert measured(measurer, "print").ok


def test_slow_program_is_called_once():
    with Measurer(budget_ms=0.001, min_repeat_ms=0.0) as measurer:
        result = measurer.measure(Task("matmul", (64, 64, 64)))
    assert result.ok and 1 <= len(result.costs) <= result.measured


def test_built_in_operators_pass_the_check():
    with Measurer(min_repeat_ms=1.0) as measurer:
        for name, shape in (("matmul", (32, 48, 16)), ("conv2d", (1, 4, 10, 10, 8, 3, 1, 1))):
            result = measurer.measure(Task(name, shape))
            assert result.ok, result.message


def test_comparison_is_interleaved_and_checked(measurer):
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
        pytest.raises(MeasureError, match="could not start: .*no_such_module_here(.|\\n)*Traceback"),
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
        ({"builders": -1}, "builders -1 must not be negative"),
    ],
)
def test_invalid_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        Measurer(**settings)


def test_an_operator_without_a_baseline_is_compared_alone(measurer):
    task = Task("divmod3", [32])
    compared = measurer.compare(task, {"default": task.space.default}, baseline=True, rounds=1)
    assert [c.name for c in compared] == ["default"]
