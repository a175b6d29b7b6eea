"""What a NumPy user would write for an operator: the peer that tuned programs are compared with."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import lru_cache
from typing import Any

import numpy as np


def matmul(arrays: list[np.ndarray], output: np.ndarray, shape: tuple[int, ...]) -> None:
    """``A @ B`` by NumPy's BLAS."""
    np.matmul(arrays[0], arrays[1], out=output)


def conv2d(arrays: list[np.ndarray], output: np.ndarray, shape: tuple[int, ...]) -> None:
    """A convolution (NCHW) as im2col and one matrix multiplication by NumPy's BLAS.

    Building the columns is part of the work, as it is for anyone who computes a convolution so.
    """
    data, weight = arrays
    n, channels, height, width, filters, kernel, stride, pad = shape
    rows, columns = output.shape[2:]
    if pad:
        padded = np.zeros((n, channels, height + 2 * pad, width + 2 * pad), data.dtype)
        padded[:, :, pad : pad + height, pad : pad + width] = data
        data = padded
    windows = np.empty((n, channels, kernel, kernel, rows, columns), data.dtype)
    for i in range(kernel):
        for j in range(kernel):
            windows[:, :, i, j] = data[
                :, :, i : i + stride * (rows - 1) + 1 : stride, j : j + stride * (columns - 1) + 1 : stride
            ]
    flat = windows.reshape(n, channels * kernel * kernel, rows * columns)
    np.matmul(
        weight.reshape(filters, channels * kernel * kernel),
        flat,
        out=output.reshape(n, filters, rows * columns),
    )


# operator -> (what it is called in a table, the function)
BASELINES: dict[str, tuple[str, Callable[[list[np.ndarray], np.ndarray, tuple[int, ...]], None]]] = {
    "matmul": ("NumPy", matmul),
    "conv2d": ("NumPy im2col", conv2d),
}


@lru_cache(maxsize=1)
def _controller() -> Any:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def blas_threads() -> int:
    """How many threads NumPy's BLAS uses unless told; 1 when it has none."""
    libraries = [lib for lib in _controller().info() if lib["user_api"] == "blas"]
    return max((int(lib["num_threads"]) for lib in libraries), default=1)


def limit_blas(threads: int) -> AbstractContextManager[Any]:
    """A context in which NumPy's BLAS uses that many threads."""
    return _controller().limit(limits=threads, user_api="blas")
