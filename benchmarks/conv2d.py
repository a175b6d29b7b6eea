"""How fast are our convolutions of ResNet-18 beside oneDNN's?

Run with ``python -m benchmarks.conv2d [layer ...]``. Ours take and give NCHW images, their weights are
packed before. oneDNN, through PyTorch, runs with NCHW, with channels last, and with weights and image in
its own layout; the fastest of the three counts. Winograd's transform is among our ways, as it is among
oneDNN's.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np

from benchmarks import onednn
from benchmarks.layers import RESNET18, convolution
from benchmarks.operators import report
from benchmarks.report import heading
from compiler.ops.conv2d import Convolution


def peers(name: str) -> dict[str, Callable[[], object]]:
    """PyTorch's ways for a layer."""
    task = convolution(name)["direct"]
    data, weight = task.operator.inputs(np.random.default_rng(0), *task.shape)
    expected = task.operator.reference(data, weight, *task.shape)
    return onednn.ways(Convolution.of(*task.shape), data, weight, expected)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("layers", nargs="*", default=list(RESNET18))
    parser.add_argument("--rounds", type=int, default=15)
    given = parser.parse_args()
    heading("ResNet-18 convolutions, float32, batch 1", "numpy", "llvmlite", "torch")
    if not onednn.available():
        print(onednn.INSTALL)
        return
    report(
        "convolution and oneDNN",
        {name: convolution(name) for name in given.layers},
        peers,
        rounds=given.rounds,
        set_threads=onednn.set_threads,
    )


if __name__ == "__main__":
    main()
