"""How fast are programs whose schedules are derived from the computation alone?

Run with ``python -m benchmarks derived [case ...] [--trials 64 256]``. Each computation is compared with the
template that is written for it, and with PyTorch: the default of its derived space, and the best program of
a search of so many trials, found by the final comparison.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from benchmarks.interleave import interleave_threads
from benchmarks.programs.job import Job
from benchmarks.programs.layers import convolution, matmul
from benchmarks.report import heading, table
from benchmarks.search import workloads
from costmodel import Measurer, Task, run_finals, tune
from costmodel.measure.finals import DEFAULT

Call = Callable[[], object]

CASES = {
    "matmul 512": ("product of matrices", (512, 512, 512)),
    "C2": ("convolution of images", (64, 64, 56)),
    "layer norm 128 x 768": ("layer normalization", (128, 768)),
    "layer norm 128 x 4096": ("layer normalization", (128, 4096)),
    "attention 8 x 128 x 64": ("attention", (8, 128, 64)),
    "attention 8 x 512 x 64": ("attention", (8, 512, 64)),
    "conv3d 32, 32, 8 x 28 x 28": ("convolution of volumes", (32, 32, 8, 28)),
}


def peers(name: str, task: Task) -> dict[str, Call]:
    """The programs to compare with: the template of the compiler, and PyTorch where it is installed."""
    found: dict[str, Call] = {}
    hand = {"matmul 512": lambda: matmul(512)["packed"], "C2": lambda: convolution("C2")["direct"]}
    if name in hand:
        other = hand[name]()
        found["template"] = Job.of(other).program(other.space.default)
    arrays = task.operator.inputs(np.random.default_rng(0), *task.shape)
    call = _torch(name, arrays)
    if call is not None:
        expected = task.operator.reference(*arrays, *task.shape)
        np.testing.assert_allclose(call().numpy(), expected, rtol=1e-2, atol=1e-2)  # type: ignore[attr-defined]
        found["PyTorch"] = call
    return found


def _torch(name: str, arrays: list[np.ndarray]) -> Call | None:
    try:
        import torch
        from torch.nn import functional
    except ImportError:
        return None
    torch.set_num_threads(1)
    given: list[Any] = [torch.from_numpy(a) for a in arrays]

    def run(function: Callable[..., object]) -> Call:
        def call() -> object:
            with torch.inference_mode():
                return function()

        return call

    kind = name.split()[0]
    if kind == "matmul":
        return run(lambda: torch.matmul(*given))
    if kind == "C2":
        return run(lambda: functional.conv2d(given[0], given[1], padding=1))
    if kind == "conv3d":
        return run(lambda: functional.conv3d(given[0], given[1], padding=1))
    if kind == "layer":
        x, gain, bias = given
        return run(lambda: functional.layer_norm(x, (x.shape[1],), gain, bias, 1e-5))
    return run(lambda: functional.scaled_dot_product_attention(*(t[None] for t in given))[0])


def searched(task: Task, trials: list[int], seed: int) -> dict[str, Call]:
    """The best programs after each number of trials of one search."""
    if not trials:
        return {}
    with TemporaryDirectory() as folder, Measurer(modules=[workloads.__name__]) as measurer:
        path = Path(folder) / "records.jsonl"
        result = tune(task, max(trials), measurer=measurer, records=path, seed=seed, finals=False)
        finals = run_finals(task, {f"{n} trials": result.records[:n] for n in trials}, measurer)
    found = {name: config for name, config in finals.configs.items() if name != DEFAULT}
    for name, config in found.items():
        changed = {k: v for k, v in config.items() if v != task.space.default[k]}
        print(f"{name}:", ", ".join(f"{k}={v}" for k, v in changed.items()) or "the default", flush=True)
    return {name: Job.of(task).program(config) for name, config in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", nargs="*", default=list(CASES), help=f"of {', '.join(CASES)}")
    parser.add_argument("--trials", nargs="*", type=int, default=[64, 256])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    heading("derived schedules, float32", "numpy", "llvmlite", "torch")
    rows = []
    for name in given.cases:
        operator, shape = CASES[name]
        task = Task(operator, shape)
        ways = {
            "default": Job.of(task).program(task.space.default),
            **searched(task, given.trials, given.seed),
        }
        others = peers(name, task)
        times = interleave_threads(
            {k: (call, 1) for k, call in {**ways, **others}.items()}, rounds=given.rounds
        )
        for peer in others:
            ratios = [times[way].speedup_over(times[peer]).format() for way in ways]
            ratios += [""] * (1 + len(given.trials) - len(ratios))
            rows.append((f"{name} / {peer}", times[peer].rate(task.flops / 1e9).format(1), *ratios))
            print(*rows[-1], flush=True)
    columns = (
        "computation / peer",
        "peer, GFLOP/s",
        "default / peer",
        *(f"{n} trials / peer" for n in given.trials),
    )
    table(
        columns, rows, title="derived schedules beside templates and PyTorch: ratios [quartiles]", threads=1
    )


if __name__ == "__main__":
    main()
