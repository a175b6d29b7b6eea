"""Overlap of views: whether arrays with strides share memory."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from compiler.runtime.dlpack import View

WORK = 10_000
"""Candidate solutions that the exact test of two views tries; beyond it, they count as overlapping."""


def extent_of_memory(given: View) -> tuple[int, int]:
    """The first address of a view, and the address behind its last byte."""
    itemsize = np.dtype(given.dtype).itemsize
    if prod(given.shape) == 0:
        return given.pointer, given.pointer
    if given.contiguous:
        return given.pointer, given.pointer + prod(given.shape) * itemsize
    ends = [step * (extent - 1) for step, extent in zip(given.strides, given.shape, strict=True)]
    low, high = sum(min(0, end) for end in ends), sum(max(0, end) for end in ends)
    return given.pointer + low, given.pointer + high + itemsize


def is_injective(given: View) -> bool:
    """Whether all elements of a view are known to be different memory."""
    span = np.dtype(given.dtype).itemsize - 1
    steps = [(abs(s), n) for s, n in zip(given.strides, given.shape, strict=True) if n > 1]
    for step, extent in sorted(steps):
        if step <= span:
            return False
        span += step * (extent - 1)
    return True


def are_disjoint(a: View, b: View) -> bool:
    """Whether two views are known to have no byte in common: the columns of one array, for example."""
    try:
        return not np.shares_memory(_Memory(a).array(), _Memory(b).array(), max_work=WORK)  # type: ignore[arg-type]
    except np.exceptions.TooHardError:
        return False


class _Memory:
    """The addresses of a view, as NumPy takes them; nothing is read from there."""

    def __init__(self, given: View) -> None:
        self.__array_interface__: dict[str, Any] = {
            "data": (given.pointer, True),
            "shape": given.shape,
            "strides": given.strides or None,
            "typestr": np.dtype(given.dtype).str,
            "version": 3,
        }

    def array(self) -> np.ndarray:
        """An array at these addresses."""
        return np.asarray(self)
