"""How close do our convolutions come to the limits of this CPU?

Run with ``python -m benchmarks roofline``. The peak is that of a loop of independent fused multiply-adds,
the bandwidth that of a copy that is much larger than the caches; both are programs of this compiler,
measured in the same run on one thread. Each layer is plotted at its operations per byte of its image,
weights and result (Williams, Waterman and Patterson, Roofline, Communications of the ACM 52(4)). A plot is
written to ``espalier-bench/roofline.png``. The operations are counted by the definition of the convolution.
Winograd's transform does fewer, so it may be above the roof.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

import compiler
from benchmarks.interleave import interleave
from benchmarks.programs.job import Job
from benchmarks.programs.known import best_known
from benchmarks.programs.layers import MOBILENET, RESNET18, convolution, depthwise
from benchmarks.report import heading, table
from compiler import te
from compiler.runtime import set_num_threads

ACCUMULATORS, LANES, STEPS = 20, 16, 20_000
COPIED = 1 << 24


def peak_program():
    """Return a module of ``2 * ACCUMULATORS * LANES * STEPS`` operations on registers, and its arrays."""
    x = te.placeholder((ACCUMULATORS, LANES), "x")
    k = te.reduce_axis((0, STEPS), "k")
    # the factor of each sum is loop-invariant, so the loop consists of multiply-adds alone
    y = te.compute((ACCUMULATORS, LANES), lambda i, j: te.sum(x[i, j] * x[0, j], axis=k), "y")
    s = te.create_schedule(y.op)
    local = s.cache_write(y, "local")
    i, j = local.op.axis
    s[local].reorder(k, i, j)
    s[local].unroll(i)
    s[local].vectorize(j)
    s[y].vectorize(y.op.axis[1])
    return compiler.build(s, [x, y]), [np.ones((ACCUMULATORS, LANES), np.float32) for _ in "xy"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("espalier-bench") / "roofline.png")
    parser.add_argument("--rounds", type=int, default=11)
    given = parser.parse_args()
    heading("layers below this CPU's roof, one thread", "numpy", "llvmlite", "matplotlib")
    set_num_threads(1)
    peak, arrays = peak_program()
    source, target = np.ones(COPIED, np.float32), np.empty(COPIED, np.float32)
    layers = {**{n: convolution(n) for n in RESNET18}, **{n: depthwise(n) for n in MOBILENET}}
    ways = {"peak": lambda: peak(*arrays), "copy": lambda: np.copyto(target, source)}
    work: dict[str, tuple[float, float]] = {}
    for name, tasks in layers.items():
        _, task, config = best_known(tasks)
        job = Job.of(task)
        ways[name] = job.program(config)
        work[name] = (task.flops, sum(a.nbytes for a in (*job.arrays, *job.outputs)))
    times = interleave(ways, rounds=given.rounds, min_seconds=0.01)
    roof = times["peak"].rate(2 * ACCUMULATORS * LANES * STEPS / 1e9).median
    width = times["copy"].rate(2 * source.nbytes / 1e9).median
    print(
        f"peak {roof:.1f} GFLOP/s, copy {width:.1f} GB/s: level from {roof / width:.1f} operations a byte on"
    )
    rows, points = [], {}
    for name, (flops, nbytes) in work.items():
        speed = times[name].rate(flops / 1e9)
        limit = min(roof, width * flops / nbytes)
        points[name] = (flops / nbytes, speed.median)
        rows.append((name, f"{flops / nbytes:.1f}", speed.format(1), f"{100 * speed.median / limit:.0f} %"))
    table(("layer", "operations a byte", "GFLOP/s [quartiles]", "of the roof"), rows, threads=1)
    draw(points, roof, width, given.output)
    print(f"plot: {given.output}")


def draw(points: dict[str, tuple[float, float]], roof: float, width: float, path: Path) -> None:
    """Draw each layer at its intensity and speed below the roof."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot as plt

    figure, ax = plt.subplots(figsize=(8, 5), layout="constrained")
    span = np.geomspace(0.5, 2 * max(x for x, _ in points.values()), 200)
    ax.loglog(
        span, np.minimum(roof, width * span), color="black", label=f"{roof:.0f} GFLOP/s, {width:.0f} GB/s"
    )
    for prefix, label in (("C", "ResNet-18"), ("D", "MobileNet, depthwise")):
        chosen = {n: p for n, p in points.items() if n.startswith(prefix)}
        ax.plot(*zip(*chosen.values(), strict=True), "o", label=label)
        for name, point in chosen.items():
            ax.annotate(name, point, textcoords="offset points", xytext=(4, 4), fontsize=8)
    ax.set(xlabel="operations a byte", ylabel="GFLOP/s", title="Layers below the roof, one thread")
    ax.legend()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)
    plt.close(figure)


if __name__ == "__main__":
    main()
