"""How much faster is a convolution with fused bias and ReLU than the three operators one after another?

Run with ``python -m benchmarks fusion [layer ...]``. The three separate programs are ours too; the
convolution has the same configuration in both, bias and ReLU have their default schedules. The last column
is the upper limit, bias and ReLU without cost: the time of the three programs divided by that of the
convolution alone.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np

from benchmarks.interleave import Timing, interleave_threads
from benchmarks.programs.known import best_known
from benchmarks.programs.layers import MOBILENET, RESNET18, convolution, depthwise
from benchmarks.report import cores, heading, table
from costmodel import Task
from costmodel.measure.worker.program import Compiled, Program


def programs(plain: Task, fused: Task, config: dict) -> dict[str, Callable[[], object]]:
    """Return the fused program, the three separate ones and the first of them alone, on the same arrays."""
    rng = np.random.default_rng(0)
    data, weight, bias = fused.operator.inputs(rng, *fused.shape)
    out = fused.operator.output(*fused.shape)
    one = Program(Compiled.of(fused, *fused.instantiate(config)), [data, weight, bias], [out])
    sums, shifted, last = (np.empty_like(out) for _ in range(3))
    channels = bias.reshape(-1, 1, 1)
    add = Task("binary", {"a": out.shape, "b": channels.shape})
    relu = Task("unary", {"shape": out.shape})
    separate = (
        Program(Compiled.of(plain, *plain.instantiate(config)), [data, weight], [sums]),
        Program(Compiled.of(add, *add.instantiate()), [sums, channels], [shifted]),
        Program(Compiled.of(relu, *relu.instantiate()), [shifted], [last]),
    )

    def three() -> None:
        for program in separate:
            program()

    one()
    three()
    if not np.allclose(out, last, rtol=1e-4, atol=1e-3):
        raise SystemExit(f"{fused.key}: the fused and the separate programs differ")
    return {"fused": one, "separate": three, "alone": separate[0]}


def main() -> None:
    layers = {**{n: convolution for n in RESNET18}, **{n: depthwise for n in MOBILENET}}
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("layers", nargs="*", default=list(layers))
    parser.add_argument("--rounds", type=int, default=15)
    given = parser.parse_args()
    heading("convolution + bias + ReLU: fused and separate", "numpy", "llvmlite")
    for threads in dict.fromkeys((1, cores())):
        rows, ratios, limits = [], [], []
        for name in given.layers:
            way, plain, config = best_known(layers[name](name))
            fused = layers[name](name, epilogue="bias+relu")[way]
            ways = programs(plain, fused, config.plain())
            times = interleave_threads(
                {label: (call, threads) for label, call in ways.items()}, rounds=given.rounds
            )
            ratio, limit = (times[label].speedup_over(times["separate"]) for label in ("fused", "alone"))
            ratios.append(ratio.median)
            limits.append(limit.median)
            shown = ratio.format(2), limit.format(2)
            rows.append((name, way, _ms(times["fused"]), _ms(times["separate"]), *shown))
        means = (f"{float(np.exp(np.mean(np.log(values)))):.2f}" for values in (ratios, limits))
        table(
            ("layer", "by", "fused, ms", "separate, ms", "times as fast", "at most"),
            [*rows, ("geometric mean", "", "", "", *means)],
            title="ms and ratios [quartiles]",
            threads=threads,
        )


def _ms(timing: Timing) -> str:
    return timing.spread.scaled(1e3).format(3)


if __name__ == "__main__":
    main()
