"""The thread pool."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from compiler.backend import build
from compiler.backend.llvm.host.pool import launch_address
from compiler.ir.expr import Buffer, Load, Var, binary, const
from compiler.ir.function import PrimFunc
from compiler.ir.stmt import Allocate, For, If, Store, sequence
from compiler.runtime import Module, num_threads, set_num_threads

ROOT = Path(__file__).parents[5]
RANGE = ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p)


@pytest.fixture(autouse=True)
def four_threads() -> Iterator[None]:
    before = num_threads()
    set_num_threads(4)
    yield
    set_num_threads(before)


def launch(body: Callable[[int, int], None], extent: int) -> None:
    """A parallel region whose body is Python."""
    function = RANGE(lambda begin, end, closure: body(begin, end))
    kind = ctypes.CFUNCTYPE(None, RANGE, ctypes.c_void_p, ctypes.c_int64)
    kind(launch_address())(function, None, extent)


def ranges(extent: int) -> list[tuple[int, int]]:
    taken: list[tuple[int, int]] = []
    launch(lambda begin, end: taken.append((begin, end)), extent)
    return sorted(taken)


@pytest.fixture(scope="module")
def squares() -> Module:
    """out[i] = i * i + out[i], in 64 iterations."""
    out, i = Buffer("out", (64,), "int64"), Var("i")
    value = Load(out, (i,)) + i * i
    return build(PrimFunc("squares", (out,), For(i, const(64), "parallel", Store(out, (i,), value))))


def check(module: Module) -> bool:
    out = np.ones(64, np.int64)
    module(out)
    return np.array_equal(out, np.arange(64) ** 2 + 1)


# Regions


@pytest.mark.parametrize("extent", [1, 2, 3, 16, 17, 1000])
def test_the_range_is_partitioned_without_gaps(extent: int) -> None:
    taken = ranges(extent)
    assert taken[0][0] == 0
    assert taken[-1][1] == extent
    assert all(a[1] == b[0] for a, b in zip(taken, taken[1:], strict=False))


@pytest.mark.parametrize("extent", [0, -3])
def test_an_empty_range_runs_nothing(extent: int) -> None:
    assert ranges(extent) == []


def test_one_thread_runs_the_whole_range_in_one_call() -> None:
    set_num_threads(1)
    assert ranges(1000) == [(0, 1000)]


def test_a_single_iteration_runs_in_the_calling_thread() -> None:
    runners: list[int] = []
    launch(lambda begin, end: runners.append(threading.get_native_id()), 1)
    assert runners == [threading.get_native_id()]


@pytest.mark.parametrize("count", [1, 2, 4])
def test_the_set_number_of_threads_takes_part(count: int) -> None:
    set_num_threads(count)
    together = threading.Barrier(count, timeout=30)
    runners: set[int] = set()

    def body(begin: int, end: int) -> None:
        runners.add(threading.get_native_id())
        if begin == 0 or len(runners) <= count:
            together.wait()

    launch(body, count)
    assert len(runners) == count
    assert threading.get_native_id() in runners


def test_a_launch_inside_a_region_is_serial() -> None:
    inner: list[list[tuple[int, int]]] = []
    launch(lambda begin, end: inner.append(ranges(100)), 8)
    assert inner == [[(0, 100)]] * len(inner) and inner


def test_a_second_caller_does_not_wait_for_the_first() -> None:
    running, finish = threading.Event(), threading.Event()

    def hold(begin: int, end: int) -> None:
        running.set()
        assert finish.wait(30)

    first = threading.Thread(target=launch, args=(hold, 8))
    first.start()
    assert running.wait(30)
    assert ranges(100) == [(0, 100)]
    finish.set()
    first.join(30)
    assert not first.is_alive()
    assert len(ranges(100)) > 1


def test_sleeping_workers_are_woken(squares: Module) -> None:
    for _ in range(5):
        assert check(squares)
        time.sleep(0.02)  # longer than a worker spins before it sleeps
    time.sleep(0.02)
    assert all_take_part()


def test_many_regions_in_a_row(squares: Module) -> None:
    out = np.zeros(64, np.int64)
    for _ in range(20_000):
        squares(out)
    np.testing.assert_array_equal(out, 20_000 * np.arange(64) ** 2)


def test_the_number_of_threads_may_change_between_regions(squares: Module) -> None:
    for count in (1, 4, 2, 7, 1, 3) * 5:
        set_num_threads(count)
        assert num_threads() == count
        assert check(squares)


def test_python_threads_may_call_concurrently() -> None:
    """Each call has a separate workspace, and runs serially where the pool is busy."""
    a, b, scratch = Buffer("a", (256,), "int64"), Buffer("b", (256,), "int64"), Buffer("s", (256,), "int64")
    i, j = Var("i"), Var("j")
    body = Allocate(
        scratch,
        sequence(
            (
                For(i, const(256), "parallel", Store(scratch, (i,), Load(a, (i,)) * 3)),
                For(j, const(256), "parallel", Store(b, (j,), Load(scratch, (255 - j,)))),
            )
        ),
    )
    module = build(PrimFunc("f", (a, b), body))
    failures: list[int] = []

    def work(seed: int) -> None:
        values = np.random.default_rng(seed).integers(0, 2**40, 256)
        for _ in range(300):
            out = np.zeros_like(values)
            module(values, out)
            if not np.array_equal(out, values[::-1] * 3):
                failures.append(seed)

    workers = [threading.Thread(target=work, args=(seed,)) for seed in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert not any(worker.is_alive() for worker in workers)
    assert failures == []


# Fork and exit


def wait_for(child: int, seconds: float = 30) -> int:
    """The exit code of a child; one that hangs is ended and fails."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    os.kill(child, 9)
    os.waitpid(child, 0)
    pytest.fail("the child hung")


def in_child(body: Callable[[], bool]) -> int:
    child = os.fork()
    if child == 0:
        status = 1
        try:
            status = 0 if body() else 2
        finally:
            os._exit(status)
    return child


def all_take_part() -> bool:
    """Whether a region has four threads: each waits for the others."""
    together = threading.Barrier(4, timeout=20)
    launch(lambda begin, end: together.wait() and None, 4)
    return not together.broken


@pytest.mark.parametrize("pause", [0, 0.02])
def test_a_forked_child_has_a_separate_pool(squares: Module, pause: float) -> None:
    for _ in range(5):
        assert check(squares)
        time.sleep(pause)  # the workers spin, or sleep
        children = [in_child(lambda: all_take_part() and check(squares)) for _ in range(2)]
        assert check(squares)
        assert [wait_for(child) for child in children] == [0, 0]
        assert check(squares)


def test_a_fork_while_a_region_runs(squares: Module) -> None:
    running, finish = threading.Event(), threading.Event()

    def hold(begin: int, end: int) -> None:
        running.set()
        assert finish.wait(30)

    region = threading.Thread(target=launch, args=(hold, 8))
    region.start()
    assert running.wait(30)
    child = in_child(lambda: check(squares) and check(squares))
    finish.set()
    region.join(30)
    assert wait_for(child) == 0
    assert check(squares)


def run(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )


PROGRAM = """
import numpy as np
from compiler.ir.expr import Var, const
from compiler.ir.function import Buffer, PrimFunc
from compiler.ir.stmt import For, Store
from compiler.runtime import num_threads, set_num_threads
from compiler.backend import build
out, i = Buffer("out", (64,), "int64"), Var("i")
module = build(PrimFunc("f", (out,), For(i, const(64), "parallel", Store(out, (i,), i.astype("int64")))))
array = np.zeros(64, np.int64)
set_num_threads(4)
module(array)
assert (array == range(64)).all()
"""


def test_the_interpreter_exits_cleanly() -> None:
    for ending in ("", "import time; time.sleep(0.02)", "import sys; sys.exit(0)"):
        done = run(PROGRAM + ending)
        assert (done.returncode, done.stderr) == (0, "")


def test_the_interpreter_exits_while_a_daemon_thread_calls() -> None:
    code = """
import threading, time
def forever():
    while True:
        module(array)
threading.Thread(target=forever, daemon=True).start()
time.sleep(0.1)
"""
    done = run(PROGRAM + code)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_signal_reaches_the_interpreter() -> None:
    """A signal that is delivered to a worker would not interrupt the sleep of the main thread."""
    count = """
import os, signal, time
def blocked():
    found = 0
    for task in os.listdir("/proc/self/task"):
        for line in open(f"/proc/self/task/{task}/status"):
            if line.startswith("SigBlk"):
                found += int(line.split()[1], 16) >> (signal.SIGALRM - 1) & 1
    return found
import numpy
before = blocked()
"""
    code = """
assert blocked() == before + 3, (before, blocked())
class Rung(Exception): pass
def ring(*_): raise Rung
signal.signal(signal.SIGALRM, ring)
signal.setitimer(signal.ITIMER_REAL, 0.05)
try:
    time.sleep(20)
except Rung:
    print("rung")
"""
    if not os.path.isdir("/proc/self/task"):
        pytest.skip("needs Linux's /proc")
    done = run(count + PROGRAM + code)
    assert (done.stdout, done.returncode, done.stderr) == ("rung\n", 0, "")


def test_iterations_of_unequal_length_are_balanced() -> None:
    """A slow iteration does not delay the iterations of other threads."""
    held = threading.Event()
    out: list[int] = []

    def body(begin: int, end: int) -> None:
        out.extend(range(begin, end))
        if 0 in range(begin, end):
            assert held.wait(30)
        elif len(out) >= 12:
            held.set()

    launch(body, 16)
    assert sorted(out) == list(range(16))


def test_iterations_may_have_conditions() -> None:
    out, i = Buffer("out", (100,), "int64"), Var("i")
    body = If(binary("==", i % 2, 0), Store(out, (i,), i.astype("int64")))
    module = build(PrimFunc("f", (out,), For(i, const(100), "parallel", body)))
    got = np.zeros(100, np.int64)
    module(got)
    np.testing.assert_array_equal(got, np.where(np.arange(100) % 2, 0, np.arange(100)))
