"""`Baseline`: the usual NumPy implementation of an operator, with which tuned programs are compared."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from compiler import ops
from compiler.ops.array.elementwise import BINARY, UNARY
from compiler.ops.epilogue import Epilogue
from compiler.ops.operator import Operator

Arrays = Sequence[np.ndarray]
Shape = tuple[Any, ...]


@dataclass(frozen=True)
class Baseline:
    """An operator implemented with NumPy.

    Parameters
    ----------
    label : str
        Name in tables.
    run : callable
        ``run(inputs, outputs, shape)`` writes the outputs in place.
    """

    label: str
    run: Callable[[Arrays, Arrays, Shape], None]


def matmul(inputs: Arrays, outputs: Arrays, shape: Shape) -> None:
    """Compute ``A @ B`` by NumPy's BLAS, and the epilogue."""
    M, N, K, batch, transpose, epilogue, dtype = shape
    _product(inputs, outputs, transpose, epilogue)


def dense(inputs: Arrays, outputs: Arrays, shape: Shape) -> None:
    """Compute ``data @ weight.T`` by NumPy's BLAS, and the epilogue."""
    M, N, K, epilogue, dtype = shape
    _product(inputs, outputs, "NT", epilogue)


def _product(inputs: Arrays, outputs: Arrays, transpose: str, epilogue: str) -> None:
    (output,) = outputs
    a, b = (x if t == "N" else x.swapaxes(-1, -2) for x, t in zip(inputs, transpose, strict=False))
    # int8 and float16 operands are multiplied in the type of the output
    np.matmul(a, b, out=output, dtype=output.dtype)
    if epilogue != "none":
        output[...] = Epilogue.parse(epilogue).reference(output, inputs[2:], output.shape[-1:])


def unary(inputs: Arrays, outputs: Arrays, shape: Shape) -> None:
    """Apply NumPy's function to every element."""
    outputs[0][...] = UNARY[shape[1]][1](inputs[0])


def binary(inputs: Arrays, outputs: Arrays, shape: Shape) -> None:
    """Apply NumPy's function to every pair of elements, without a temporary array."""
    BINARY[shape[2]][1](*inputs, out=outputs[0])  # type: ignore[call-arg]  # they are universal functions


def cumsum(inputs: Arrays, outputs: Arrays, shape: Shape) -> None:
    """Add up along the axis, without a temporary array."""
    np.cumsum(inputs[0], axis=shape[1], out=outputs[0])


def transpose(inputs: Arrays, outputs: Arrays, shape: Shape) -> None:
    """Copy a transposed view."""
    np.copyto(outputs[0], inputs[0].transpose(shape[1]))


def from_reference(operator: Operator) -> Callable[[Arrays, Arrays, Shape], None]:
    """Return the reference as a baseline, for operators that NumPy has no faster way to compute.

    For a convolution it copies the patches of each image and multiplies them by the weights with NumPy's
    BLAS. The copy is part of the measured time, since the matrix product needs it.
    """

    def run(inputs: Arrays, outputs: Arrays, shape: Shape) -> None:
        for output, result in zip(outputs, operator.references(inputs, *shape), strict=True):
            output[...] = result

    return run


BASELINES: dict[str, Baseline] = {
    "matmul": Baseline("NumPy", matmul),
    "dense": Baseline("NumPy", dense),
    "unary": Baseline("NumPy", unary),
    "binary": Baseline("NumPy", binary),
    "cumsum": Baseline("NumPy", cumsum),
    "transpose": Baseline("NumPy", transpose),
    **{
        operator.name: Baseline("NumPy", from_reference(operator))
        for operator in (ops.REDUCTION, ops.SOFTMAX, ops.ARGMAX, ops.CONV2D_TRANSPOSE)
    },
    **{
        operator.name: Baseline("NumPy im2col", from_reference(operator))
        for operator in (ops.CONV2D, ops.CONV2D_WINOGRAD, ops.DEPTHWISE_CONV2D, ops.POOL2D)
    },
}
"""Operator name to NumPy's usual way to compute it."""


@lru_cache(maxsize=1)
def _controller() -> Any:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def blas_threads() -> int:
    """Return the number of threads that NumPy's BLAS uses by default; 1 if there is no BLAS."""
    libraries = [lib for lib in _controller().info() if lib["user_api"] == "blas"]
    return max((int(lib["num_threads"]) for lib in libraries), default=1)


def limit_blas(threads: int) -> AbstractContextManager[Any]:
    """Return a context in which NumPy's BLAS uses that many threads."""
    return _controller().limit(limits=threads, user_api="blas")
