"""How much faster are fused operators than the same kernels one by one, in the patterns of the TVM paper?

Convolution or depthwise convolution with batch normalization and ReLU, and a cell of an LSTM (arXiv
1802.04799, figure 4). Both programs go through the same passes, so that batch normalization is a product
and a sum with constants in both; they differ in whether operators are grouped into one kernel.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from typing import cast

import numpy as np

from benchmarks.interleave import interleave
from benchmarks.models.passes import normalized, weight
from benchmarks.report import heading, table
from compiler.relay import Executable, Function, IRModule, TensorType, Tuple, TupleGetItem, Var, build, op
from compiler.relay.execute.settings import FUSE

QUESTION = "Fused operators against one kernel for each"


def convolution(channels: int, size: int, filters: int, kernel: int, groups: int = 1) -> IRModule:
    """A convolution of images with batch normalization and ReLU."""
    rng = np.random.default_rng(0)
    x = Var("x", TensorType((1, channels, size, size)))
    filters_of = weight(rng, filters, channels // groups, kernel, kernel)
    made = op("nn.conv2d")(x, filters_of, padding=(kernel // 2,) * 4, groups=groups)
    return IRModule.from_expr(Function((x,), normalized(rng, made, filters)))


def cell(size: int, batch: int = 1) -> IRModule:
    """A cell of an LSTM: ``fn (x, h, c) { (h, c) }``."""
    rng = np.random.default_rng(0)
    x, h, c = (Var(name, TensorType((batch, size))) for name in "xhc")
    given, carried = (op("nn.dense")(v, weight(rng, 4 * size, size)) for v in (x, h))
    gates = op("split")(
        op("add")(op("add")(given, carried), weight(rng, 4 * size)), indices_or_sections=4, axis=1
    )
    i, f, g, o = (TupleGetItem(gates, number) for number in range(4))
    kept = op("multiply")(op("sigmoid")(f), c)
    state = op("add")(kept, op("multiply")(op("sigmoid")(i), op("tanh")(g)))
    return IRModule.from_expr(
        Function((x, h, c), Tuple((op("multiply")(op("sigmoid")(o), op("tanh")(state)), state)))
    )


CASES: dict[str, Callable[[], IRModule]] = {
    "conv + BN + ReLU, 1x1, 128 to 256, 28x28": partial(convolution, 128, 28, 256, 1),
    "conv + BN + ReLU, 3x3, 64 to 64, 56x56": partial(convolution, 64, 56, 64, 3),
    "conv + BN + ReLU, 3x3, 16 to 32, 112x112": partial(convolution, 16, 112, 32, 3),
    "depthwise + BN + ReLU, 3x3, 512, 14x14": partial(convolution, 512, 14, 512, 3, 512),
    "depthwise + BN + ReLU, 3x3, 64, 112x112": partial(convolution, 64, 112, 64, 3, 64),
    "LSTM cell, state 128": partial(cell, 128),
    "LSTM cell, state 64, batch 16": partial(cell, 64, 16),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    heading(QUESTION)
    rows, ratios = [], []
    for name, make in CASES.items():
        module = make()
        rng = np.random.default_rng(1)
        arrays = [
            rng.standard_normal(cast(TensorType, p.annotation).dims).astype("float32")
            for p in module.main.params
        ]
        fused, apart = build(module, cache=False), build(module, without=(FUSE,), cache=False)
        results = fused(*arrays), apart(*arrays)
        for a, b in zip(*((r if isinstance(r, tuple) else (r,)) for r in results), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)
        ways = {"fused": partial(fused, *arrays), "apart": partial(apart, *arrays)}
        times = interleave(ways, rounds=options.rounds, min_seconds=0.01)
        ratio = times["fused"].speedup_over(times["apart"])
        ratios.append(ratio.median)
        shown = (times[way].spread.scaled(1e3).format(4) for way in ways)
        rows.append(
            [
                name,
                *shown,
                f"{len(cast(Executable, fused).calls)} for {len(cast(Executable, apart).calls)}",
                ratio.format(2),
            ]
        )
        print(" | ".join(rows[-1]), flush=True)
    mean = ["geometric mean", "", "", "", f"{np.exp(np.mean(np.log(ratios))):.2f}"]
    table(("pattern", "fused, ms", "apart, ms", "kernels", "times as fast"), [*rows, mean], threads=1)


if __name__ == "__main__":
    main()
