"""How fast are our convolutions of ResNet-18 beside oneDNN's?

Run with ``python -m benchmarks conv2d [layer ...]``. Ours read and write NCHW images, their weights are
packed before. oneDNN, through PyTorch, runs with NCHW, with channels last, and with weights and image in
its own layout; the fastest of the three counts. Both sides may use Winograd's transform.
"""

from __future__ import annotations

from benchmarks.programs.layers import RESNET18, convolution
from benchmarks.programs.onednn import compare

if __name__ == "__main__":
    compare("ResNet-18 convolutions", __doc__, RESNET18, convolution)
