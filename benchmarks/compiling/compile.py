"""How long does it take to compile a candidate, and which step takes the time?

Run with ``python -m benchmarks compile``. The figure to reach is under 100 ms at the median for a conv2d
candidate, from its configuration to a module that can be called. The second table is LLVM's report of
its passes. The peer is Numba, which compiles the plain loop nest of a convolution by the same LLVM.
"""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import compiler
from benchmarks.interleave import Spread
from benchmarks.report import heading, table
from compiler.backend.llvm.backend import BACKEND, package
from compiler.backend.llvm.codegen import generate
from compiler.backend.llvm.compile import emit_object, optimise, target_machine
from compiler.backend.llvm.machine import Machine
from costmodel import Task

TASKS = (
    ("matmul", (512, 512, 512)),
    ("conv2d", (1, 64, 56, 56, 64, 3, 1, 1)),
    ("conv2d", (1, 256, 14, 14, 256, 3, 1, 1)),
)


def candidates(task: Task, count: int, seed: int) -> list[int]:
    """Return random configurations that have a program."""
    rng = np.random.default_rng(seed)
    valid: list[int] = []
    while len(valid) < count:
        index = int(rng.integers(task.space.size))
        try:
            compiler.lower(*task.instantiate(index))
        except ValueError:
            continue
        valid.append(index)
    return valid


def steps(task: Task, index: int, target: Machine) -> tuple[dict[str, float], str]:
    """Return the seconds of each step, and the LLVM text."""
    clock = [time.perf_counter()]

    def lap() -> float:
        clock.append(time.perf_counter())
        return clock[-1] - clock[-2]

    taken: dict[str, float] = {}
    schedule, args = task.instantiate(index)
    func = compiler.lower(schedule, args)
    taken["schedule and lowering"] = lap()
    program = generate(func, target)
    taken["LLVM text"] = lap()
    module = optimise(program.text, target)
    taken["LLVM's passes"] = lap()
    code = emit_object(module, target)
    taken["machine code"] = lap()
    BACKEND.load(package(func, program, code, target))
    taken["linking"] = lap()
    taken["all"] = clock[-1] - clock[0]
    return taken, program.text


def passes(texts: list[str], target: Machine) -> list[tuple[str, float]]:
    """LLVM's passes by the seconds that they take for all `texts`, the longest first."""
    import llvmlite.binding as llvm

    seconds: dict[str, float] = {}
    for text in texts:
        machine, header = target_machine(target)
        module = llvm.parse_assembly(header + text, llvm.create_context())
        llvm.set_time_passes(True)
        optimise(text, target)
        emit_object(module, target)
        report = llvm.report_and_reset_timings()
        llvm.set_time_passes(False)
        for line in report.splitlines():
            fields = re.findall(r"([\d.]+) \(\s*[\d.]+%\)", line)
            name = line.rsplit(")", 1)[-1].strip()
            if fields and name not in ("", "Total"):
                name = re.sub(r" #\d+$", "", name)
                seconds[name] = seconds.get(name, 0.0) + float(fields[-1])
    return sorted(seconds.items(), key=lambda item: -item[1])


def numba_conv() -> Callable[[], Any] | None:
    """A fresh compilation of the plain loop nest of a convolution."""
    try:
        import numba
    except ImportError:
        return None

    def compile_once() -> Any:
        def conv(data: Any, weight: Any, out: Any) -> None:
            for co in range(out.shape[0]):
                for y in range(out.shape[1]):
                    for x in range(out.shape[2]):
                        total = np.float32(0)
                        for ci in range(data.shape[0]):
                            for ky in range(3):
                                for kx in range(3):
                                    total += data[ci, y + ky, x + kx] * weight[co, ci, ky, kx]
                        out[co, y, x] = total

        three, four = numba.float32[:, :, ::1], numba.float32[:, :, :, ::1]
        return numba.njit(numba.void(three, four, three))(conv)

    return compile_once


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--candidates", type=int, default=24)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    heading(f"From {options.candidates} candidates to machine code", "llvmlite", "numba")
    for operator, shape in TASKS:
        task = Task(operator, shape)
        target = Machine.parse(task.target)
        taken: dict[str, list[float]] = {}
        texts = []
        steps(task, candidates(task, 1, 99)[0], target)  # LLVM begins
        peer = numba_conv()
        if peer is not None:
            peer()
        for index in candidates(task, options.candidates, options.seed):
            each, text = steps(task, index, target)
            texts.append(text)
            for name, value in each.items():
                taken.setdefault(name, []).append(value)
            if peer is not None and operator == "conv2d" and len(texts) % 4 == 0:
                start = time.perf_counter()
                peer()
                taken.setdefault("Numba, the plain loop nest", []).append(time.perf_counter() - start)
        table(
            ("step", "median ms [quartiles]"),
            [(name, Spread.of(values).scaled(1e3).format(1)) for name, values in taken.items()],
            title=f"{task.key}: from the knobs of a random candidate to machine code",
        )
        spent = passes(texts[:8], target)
        whole = sum(value for _, value in spent)
        table(
            ("pass of LLVM, the ten longest", "ms a candidate", "share"),
            [(name, f"{1e3 * v / len(texts[:8]):.1f}", f"{v / whole:.0%}") for name, v in spent[:10]],
            title=f"{task.key}: passes of LLVM",
        )


if __name__ == "__main__":
    main()
