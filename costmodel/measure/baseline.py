"""What a NumPy user would write for an operator: the peer that tuned programs are compared with."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import lru_cache
from typing import Any

import numpy as np

from compiler.ops.conv.conv2d import reference
from compiler.ops.epilogue import Epilogue


def matmul(arrays: list[np.ndarray], output: np.ndarray, shape: tuple[Any, ...]) -> None:
    """``A @ B`` by NumPy's BLAS, and the steps that follow."""
    M, N, K, batch, transpose, epilogue = shape
    a, b = (x if t == "N" else x.swapaxes(-1, -2) for x, t in zip(arrays, transpose, strict=False))
    np.matmul(a, b, out=output)
    if epilogue != "none":
        output[...] = Epilogue.parse(epilogue).reference(output, arrays[2:], (N,))


def conv2d(arrays: list[np.ndarray], output: np.ndarray, shape: tuple[Any, ...]) -> None:
    """A convolution as im2col and one matrix multiplication for each image and group by NumPy's BLAS.

    Building the columns is part of the work, as it is for anyone who computes a convolution so.
    """
    output[...] = reference(arrays, *shape)


# operator -> (what it is called in a table, the function)
BASELINES: dict[str, tuple[str, Callable[[list[np.ndarray], np.ndarray, tuple[Any, ...]], None]]] = {
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
