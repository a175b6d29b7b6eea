"""How fast are our convolutions of ResNet-18 beside oneDNN's?

Run with ``python -m benchmarks conv2d [layer ...]``. Ours read and write NCHW images, their weights are
packed before. oneDNN, through PyTorch, runs with NCHW, with channels last, and with weights and image in
its own layout; the fastest of the three counts. Both sides may use Winograd's transform. ``default`` is
what a user of `conv2d` has without a search, a direct convolution.

``ESPALIER_CPU=x86-64-v3 ONEDNN_MAX_CPU_ISA=AVX2 MKL_ENABLE_INSTRUCTIONS=AVX2`` in the environment holds both
sides to AVX2 on a machine that has more.
"""

from __future__ import annotations

from benchmarks.programs.layers import RESNET18, convolution
from benchmarks.programs.onednn import compare

if __name__ == "__main__":
    compare("ResNet-18 convolutions", __doc__, RESNET18, convolution)
