"""How long do real models take, and to import and compile, against onnxruntime and OpenVINO?

The models are those of `benchmarks/models/zoo.py`, in the folder `--models`; ``--download`` fetches those
that are not there. Every output is compared with onnxruntime's before anything is timed. Compilation runs
from the file to the first output: ours for the first time, ours again from the cache on disk, and
OpenVINO's.

onnxruntime chooses its kernels by the CPU alone, so it cannot be held to AVX2 on a CPU that has AVX-512;
OpenVINO takes its limit from ``ONEDNN_MAX_CPU_ISA`` for most of its kernels.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.interleave import Spread, interleave
from benchmarks.models.zoo import MODELS, Real, file_of, path_of
from benchmarks.report import heading, table

QUESTION = "Milliseconds of real models, and seconds to import and compile them"


def difference(ours: list[np.ndarray], theirs: list[np.ndarray]) -> float:
    """The largest difference relative to the scale of an output."""
    worst = 0.0
    for a, b in zip(ours, theirs, strict=True):
        if b.size:
            scale = max(float(np.abs(b.astype(float)).max()), 1e-12)
            worst = max(worst, float(np.abs(a.astype(float) - b.astype(float)).max()) / scale)
    return worst


def onnxruntime_way(
    path: Path, feed: dict[str, Any], threads: int, *, optimized: bool = True
) -> Callable[[], Any]:
    """A call of onnxruntime."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    if not optimized:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads, options.log_severity_level = threads, 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return lambda: session.run(None, feed)


def openvino_way(path: Path, feed: dict[str, Any], threads: int) -> Callable[[], Any] | None:
    """A call of OpenVINO with the shapes of the inputs fixed; None if it is not installed or refuses."""
    try:
        import openvino
    except ImportError:
        return None
    settings = {
        "INFERENCE_NUM_THREADS": threads,
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "f32",
    }
    core = openvino.Core()
    try:
        model = core.read_model(str(path))
        with contextlib.suppress(RuntimeError):  # an input that the model ignores
            model.reshape({name: list(np.shape(array)) for name, array in feed.items()})
        request = core.compile_model(model, "CPU", settings).create_infer_request()
    except RuntimeError as error:
        print(f"OpenVINO refuses {path.name}: {str(error).strip().splitlines()[-1]}", flush=True)
        return None
    request.infer(feed)
    return lambda: request.infer(feed)


def our_way(path: Path, feed: dict[str, Any], threads: int, level: int) -> tuple[Any, Callable[[], Any]]:
    """A session, whose program is compiled, and a call of it."""
    from compiler.relay import InferenceSession, SessionOptions

    session = InferenceSession(path, SessionOptions(threads, level))
    session.run(None, feed)
    return session, lambda: session.run(None, feed)


def seconds(make: Callable[[], Any]) -> tuple[float, Any]:
    """How long a call takes, and what it returns."""
    began = time.perf_counter()
    result = make()
    return time.perf_counter() - began, result


def measure(model: Real, folder: Path, options: argparse.Namespace) -> list[str]:
    """A row of the table."""
    path = path_of(model, folder)
    feed = model.inputs(np.random.default_rng(0))
    threads = options.threads
    theirs = onnxruntime_way(path, feed, threads)
    expected = theirs()
    plain = onnxruntime_way(path, feed, threads, optimized=False)()
    with tempfile.TemporaryDirectory() as cache:
        os.environ["ESPALIER_CACHE"] = cache
        compile_ours, (session, ours) = seconds(lambda: our_way(path, feed, threads, options.level))
        again, _ = seconds(lambda: our_way(path, feed, threads, options.level))
    error = difference(ours(), expected)
    ways = {"ours": ours, "onnxruntime": theirs}
    compile_peer, third = float("nan"), None
    if not options.no_openvino:
        compile_peer, third = seconds(lambda: openvino_way(path, feed, threads))
        if third is not None:
            ways["OpenVINO"] = third
    times = interleave(ways, rounds=options.rounds, min_seconds=0.02)
    ratio = Spread.of(
        [a / b for a, b in zip(times["ours"].seconds, times["onnxruntime"].seconds, strict=True)]
    )
    peer = times.get("OpenVINO")
    arena, total = _memory(session)
    return [
        model.name,
        times["ours"].spread.scaled(1e3).format(2),
        f"{times['onnxruntime'].spread.median * 1e3:.2f}",
        f"{peer.spread.median * 1e3:.2f}" if peer else "-",
        ratio.format(2),
        f"{times['ours'].spread.median / peer.spread.median:.2f}" if peer else "-",
        f"{error:.0e}",
        f"{difference(plain, expected):.0e}",
        f"{compile_ours:.2f}",
        f"{again:.2f}",
        f"{compile_peer:.2f}" if third is not None else "-",
        f"{arena / total:.2f}" if total else "-",
    ]


def _memory(session: Any) -> tuple[int, int]:
    """Bytes of the arena, and of all tensors in it, of the program of a session."""
    program = next(iter(session._programs.values()))
    plan = getattr(program, "plan", None)
    return (plan.peak, plan.tensors) if plan is not None else (0, 0)


COLUMNS = (
    "model",
    "ours, ms",
    "onnxruntime",
    "OpenVINO",
    "ours / onnxruntime",
    "ours / OpenVINO",
    "difference",
    "of onnxruntime unoptimized",
    "compile, s",
    "again, s",
    "OpenVINO compile, s",
    "arena / tensors",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=Path, default=Path.home() / ".cache" / "espalier" / "models")
    parser.add_argument("--only", default="", help="parts of models' names, with commas between")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--level", type=int, default=3)
    parser.add_argument("--records", type=Path, help="records of a search, whose best are used")
    parser.add_argument("--no-openvino", action="store_true")
    parser.add_argument("--download", action="store_true", help="fetch the wheels of models that are missing")
    options = parser.parse_args()
    _import()
    heading(QUESTION, "onnxruntime", "openvino")
    rows = []
    for model in MODELS:
        if any(part in model.name for part in options.only.split(",")):
            if not options.download and not file_of(model, options.models).is_file():
                print(f"{model.name}: not in {options.models}", flush=True)
                continue
            rows.append(_row(model, options))
            print(f"{model.name}: {' | '.join(rows[-1][1:])}", flush=True)
    table(COLUMNS, rows, threads=options.threads)
    for name, column in (("onnxruntime", 4), ("OpenVINO", 5)):
        ratios = [float(row[column].split()[0]) for row in rows if row[column] != "-"]
        if ratios:
            print(f"geometric mean of ours / {name}: {np.exp(np.mean(np.log(ratios))):.2f} of {len(ratios)}")


def _import() -> None:
    """Import the libraries, so that no model's compilation has that in it."""
    import compiler.relay  # noqa: F401

    with contextlib.suppress(ImportError):
        import openvino  # noqa: F401


def _row(model: Real, options: argparse.Namespace) -> list[str]:
    if options.records is None:
        return measure(model, options.models, options)
    from costmodel import apply_history_best

    with apply_history_best(options.records):
        return measure(model, options.models, options)


if __name__ == "__main__":
    main()
