"""How much memory does a model take: the arena against all tensors, the process against onnxruntime's?

Each library has a process of its own, which loads a model of `benchmarks/models/zoo.py` from the folder
`--models` and runs it a few times with one thread. Ours takes the compiled program from the cache on disk,
as the second run of a script does; the first run, which compiles it, is given too. "Resident" is the size
of the process after the calls less that before the library is imported; "largest" is the greatest size less
the same.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.models.zoo import MODELS, Real, file_of

# what is measured here is imported by the measured process alone, so that its memory counts

QUESTION = "Memory of real models: arena, and processes against onnxruntime's"
CHILD = "from benchmarks.models.footprint import child; child({way!r}, {name!r}, {path!r})"
CALLS = 3


def resident(field: str = "VmRSS") -> float:
    """The resident size of this process, in MB; with ``"VmHWM"`` the greatest so far."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) / 1024
    return float("nan")


def child(way: str, name: str, path: str) -> None:
    """Run a model in this process; prints how much larger it is then, and at its largest, and the plan."""
    (model,) = (m for m in MODELS if m.name == name)
    feed = model.inputs(np.random.default_rng(0))
    before = resident()
    arena = tensors = 0
    if way == "ours":
        from compiler.relay import InferenceSession, SessionOptions

        session = InferenceSession(path, SessionOptions(1))
        for _ in range(CALLS):
            session.run(None, feed)
        plan = getattr(next(iter(session._programs.values())), "plan", None)
        arena, tensors = (plan.peak, plan.tensors) if plan is not None else (0, 0)
    else:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.log_severity_level = 1, 3
        peer = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        for _ in range(CALLS):
            peer.run(None, feed)
    print(resident() - before, resident("VmHWM") - before, arena, tensors)


def run(way: str, model: Real, path: Path, cache: str) -> list[float]:
    """The four numbers of `child`, from a process of its own."""
    code = CHILD.format(way=way, name=model.name, path=str(path))
    environment = {**os.environ, "ESPALIER_CACHE": cache, "ESPALIER_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    return [float(word) for word in done.stdout.split()]


def measure(model: Real, path: Path, rounds: int) -> list[str]:
    """A row of the table."""
    from benchmarks.interleave import Spread

    with tempfile.TemporaryDirectory() as cache:
        first = run("ours", model, path, cache)
        ours, theirs = [], []
        for _ in range(rounds):
            ours.append(run("ours", model, path, cache))
            theirs.append(run("onnxruntime", model, path, cache))
    _, _, arena, tensors = first
    return [
        model.name,
        f"{arena / 2**20:.1f}",
        f"{arena / tensors:.2f}" if tensors else "-",
        *(f"{Spread.of([row[0] for row in rows]).median:.0f}" for rows in (ours, theirs)),
        Spread.of([a[0] / b[0] for a, b in zip(ours, theirs, strict=True)]).format(2),
        Spread.of([a[1] / b[1] for a, b in zip(ours, theirs, strict=True)]).format(2),
        f"{first[1]:.0f}",
    ]


def main() -> None:
    from benchmarks.report import heading, table

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=Path, default=Path.home() / ".cache" / "espalier" / "models")
    parser.add_argument("--only", default="", help="parts of models' names, with commas between")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    heading(QUESTION, "onnxruntime")
    rows = []
    for model in MODELS:
        path = file_of(model, options.models)
        if any(part in model.name for part in options.only.split(",")) and path.is_file():
            rows.append(measure(model, path, options.rounds))
            print(" | ".join(rows[-1]), flush=True)
    columns = (
        "model",
        "arena, MB",
        "arena / tensors",
        "resident, MB",
        "onnxruntime, MB",
        "ours / onnxruntime",
        "largest, ours / onnxruntime",
        "largest while compiling, MB",
    )
    table(columns, rows, threads=1)
    for name, column in (("arena / tensors", 2), ("resident, ours / onnxruntime", 5)):
        ratios = [float(row[column].split()[0]) for row in rows if row[column] != "-"]
        if ratios:
            print(f"geometric mean of {name}: {np.exp(np.mean(np.log(ratios))):.2f}")


if __name__ == "__main__":
    main()
