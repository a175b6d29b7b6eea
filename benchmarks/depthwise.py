"""How fast are our depthwise convolutions of MobileNet beside oneDNN's?

Run with ``python -m benchmarks.depthwise [layer ...]``; see `benchmarks.conv2d` for what is compared.
"""

from __future__ import annotations

from benchmarks.layers import MOBILENET, depthwise
from benchmarks.onednn import compare
from compiler.ops.conv.depthwise import convolution

if __name__ == "__main__":
    compare(
        "MobileNet depthwise convolutions",
        __doc__,
        MOBILENET,
        depthwise,
        convolution,
    )
