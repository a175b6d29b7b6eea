"""How fast are our depthwise convolutions of MobileNet beside oneDNN's?

Run with ``python -m benchmarks depthwise [layer ...]``; see `conv2d.py` for what is compared.
"""

from __future__ import annotations

from benchmarks.programs.layers import MOBILENET, depthwise
from benchmarks.programs.onednn import compare
from compiler.ops.conv.depthwise import convolution

if __name__ == "__main__":
    compare(
        "MobileNet depthwise convolutions",
        __doc__,
        MOBILENET,
        depthwise,
        convolution,
    )
