"""How fast are our depthwise convolutions of MobileNet beside oneDNN's?

Run with ``python -m benchmarks.depthwise [layer ...]``; see `benchmarks.conv2d` for what is compared.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np

from benchmarks import onednn
from benchmarks.layers import MOBILENET, depthwise
from benchmarks.operators import report
from benchmarks.report import heading
from compiler.ops.conv2d import Convolution
from compiler.ops.depthwise import as_groups


def peers(name: str) -> dict[str, Callable[[], object]]:
    """PyTorch's ways for a layer."""
    task = depthwise(name)["direct"]
    data, weight = task.operator.inputs(np.random.default_rng(0), *task.shape)
    expected = task.operator.reference(data, weight, *task.shape)
    return onednn.ways(Convolution.of(*as_groups(*task.shape)), data, weight, expected)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("layers", nargs="*", default=list(MOBILENET))
    parser.add_argument("--rounds", type=int, default=15)
    given = parser.parse_args()
    heading("MobileNet depthwise convolutions, float32, batch 1", "numpy", "llvmlite", "torch")
    if not onednn.available():
        print(onednn.INSTALL)
        return
    report(
        "depthwise convolution and oneDNN",
        {name: depthwise(name) for name in given.layers},
        peers,
        rounds=given.rounds,
        set_threads=onednn.set_threads,
    )


if __name__ == "__main__":
    main()
