"""Views: the memory of buffers with strides."""

from __future__ import annotations

from math import inf

import numpy as np

from compiler.ir.expr import Buffer, Var, upper_bound


def reach(buffer: Buffer) -> tuple[float, float]:
    """The first and the end of the positions in a buffer with strides; infinite where they are dynamic."""
    low, high = 0.0, 1.0
    for extent, stride in zip(buffer.shape, buffer.strides or (), strict=True):
        if isinstance(stride, Var):
            return -inf, inf
        last = stride * (upper_bound(extent) - 1)
        low, high = low + min(0, last), high + max(0, last)
    return low, high


def memory_of(
    name: str, buffer: Buffer, array: np.ndarray, sizes: dict[Var, tuple[int, Buffer]]
) -> tuple[np.ndarray, int]:
    """The memory that a view spans, and the position of its first element; adds the strides to `sizes`."""
    where = f"{name}, argument {buffer!r}"
    given = tuple(step // array.itemsize for step in array.strides)
    for axis, (stride, known) in enumerate(zip(given, buffer.strides or (), strict=True)):
        if array.shape[axis] <= 1 and isinstance(known, int):
            continue
        if isinstance(known, Var):
            known = sizes.setdefault(known, (stride, buffer))[0]
        if stride != known or array.strides[axis] % array.itemsize:
            raise ValueError(f"{where}: expected strides {buffer.strides}, not {given}")
    ends = [stride * (extent - 1) for stride, extent in zip(given, array.shape, strict=True)]
    low, high = sum(min(0, end) for end in ends), sum(max(0, end) for end in ends)
    first = array[(*(slice(-1, None) if end < 0 else slice(1) for end in ends), ...)]
    memory = np.lib.stride_tricks.as_strided(first, (high - low + 1,), (array.itemsize,))
    return memory, -low
