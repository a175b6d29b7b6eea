"""The layers of the operator benchmarks: those of the TVM paper (arXiv 1802.04799, table 2)."""

from __future__ import annotations

from typing import Any

from costmodel import Task

# name -> height and width, input channels, output channels, kernel, stride
RESNET18 = {
    "C1": (224, 3, 64, 7, 2),
    "C2": (56, 64, 64, 3, 1),
    "C3": (56, 64, 64, 1, 1),
    "C4": (56, 64, 128, 3, 2),
    "C5": (56, 64, 128, 1, 2),
    "C6": (28, 128, 128, 3, 1),
    "C7": (28, 128, 256, 3, 2),
    "C8": (28, 128, 256, 1, 2),
    "C9": (14, 256, 256, 3, 1),
    "C10": (14, 256, 512, 3, 2),
    "C11": (14, 256, 512, 1, 2),
    "C12": (7, 512, 512, 3, 1),
}

# name -> height and width, channels, kernel, stride
MOBILENET = {
    "D1": (112, 32, 3, 1),
    "D2": (112, 64, 3, 2),
    "D3": (56, 128, 3, 1),
    "D4": (56, 128, 3, 2),
    "D5": (28, 256, 3, 1),
    "D6": (28, 256, 3, 2),
    "D7": (14, 512, 3, 1),
    "D8": (14, 512, 3, 2),
    "D9": (7, 1024, 3, 1),
}


def convolution(name: str, **options: str) -> dict[str, Task]:
    """Return the ways to compute a ResNet-18 layer, batch 1: directly and, if possible, by Winograd's
    transform.
    """
    size, ci, co, kernel, stride = RESNET18[name]
    shape: dict[str, Any] = {"N": 1, "CI": ci, "H": size, "W": size, "CO": co, **options}
    ways = {"direct": Task("conv2d", {**shape, "kernel": kernel, "stride": stride, "pad": kernel // 2})}
    if (kernel, stride) == (3, 1):
        for tile in ("F2", "F4"):
            ways[f"Winograd {tile}"] = Task("conv2d_winograd", {**shape, "tile": tile})
    return ways


def depthwise(name: str, **options: str) -> dict[str, Task]:
    """Return the ways to compute a MobileNet depthwise layer, batch 1."""
    size, channels, kernel, stride = MOBILENET[name]
    shape: dict[str, Any] = {
        "N": 1,
        "C": channels,
        "H": size,
        "W": size,
        "kernel": kernel,
        "stride": stride,
        "pad": kernel // 2,
    }
    return {"direct": Task("depthwise_conv2d", {**shape, **options})}


def matmul(M: int, N: int = 0, K: int = 0, *, dtype: str = "float32") -> dict[str, Task]:
    """Return a matrix product, a square one by default."""
    return {"packed": Task("matmul", {"M": M, "N": N or M, "K": K or M, "dtype": dtype})}
