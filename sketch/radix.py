"""Kernels that sort float32 values by their bits, digit by digit: there is no comparison to mispredict."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sketch.jit import kernel

# At most SMALL keys are sorted by insertion.
SMALL, MIDDLE = 48, 1 << 12
SIGN = np.uint32(1 << 31)
# Bits of a digit, for fewer keys and for more than MIDDLE.
NARROW, WIDE = 8, 11


class SortBuffers(NamedTuple):
    """Work arrays of `sort_floats`, for at least as many values as are sorted.

    Attributes
    ----------
    keys, keys_to : uint32 arrays
        `keys` holds the bits of the sorted values afterwards, with 0 in place of -0.
    order, order_to : uint32 arrays
        `order` holds the original positions of the sorted values afterwards, if they are requested. Equal
        values keep their order.
    place : uint32 array of shape (4, 2**11)
        For each pass and digit: the number of keys, then the position of the next one.
    """

    keys: NDArray[np.uint32]
    keys_to: NDArray[np.uint32]
    order: NDArray[np.uint32]
    order_to: NDArray[np.uint32]
    place: NDArray[np.uint32]


def make_sort_buffers(size: int, ordered: bool) -> SortBuffers:
    """Allocate work arrays for `size` values; `ordered` when their original positions are requested too."""
    keys = np.empty((2, size), dtype=np.uint32)
    order = np.empty((2, size if ordered else 0), dtype=np.uint32)
    return SortBuffers(keys[0], keys[1], order[0], order[1], np.empty((4, 1 << WIDE), dtype=np.uint32))


@kernel(allocates=False)
def insertion_sort(keys, order, size, ordered):
    """Sort the first `size` keys by insertion, and `order` with them when `ordered`."""
    for i in range(1, size):
        key = keys[i]
        held = order[i] if ordered else np.uint32(0)
        j = i
        while j > 0 and keys[j - 1] > key:
            keys[j] = keys[j - 1]
            if ordered:
                order[j] = order[j - 1]
            j -= 1
        keys[j] = key
        if ordered:
            order[j] = held


@kernel(allocates=False)
def radix_sort(buffers, size, ordered, digit):
    """Sort the first `size` keys by digits of `digit` bits, and `order` with them when `ordered`."""
    place = buffers.place
    passes = (32 + digit - 1) // digit
    digits = 1 << digit
    mask = np.uint32(digits - 1)
    for p in range(passes):
        for d in range(digits):
            place[p, d] = 0
    here, to = buffers.keys, buffers.keys_to
    order, order_to = buffers.order, buffers.order_to
    for i in range(size):
        key = here[i]
        for p in range(passes):
            place[p, (key >> np.uint32(p * digit)) & mask] += np.uint32(1)
    for p in range(passes):
        count = place[p]
        shift = np.uint32(p * digit)
        if count[(here[0] >> shift) & mask] == size:
            continue  # all have the same digit
        total = np.uint32(0)
        for d in range(digits):
            below = total
            total = np.uint32(total + count[d])
            count[d] = below
        if ordered:
            for i in range(size):
                key = here[i]
                d = (key >> shift) & mask
                to[count[d]] = key
                order_to[count[d]] = order[i]
                count[d] += np.uint32(1)
        else:
            for i in range(size):
                key = here[i]
                d = (key >> shift) & mask
                to[count[d]] = key
                count[d] += np.uint32(1)
        here, to = to, here
        order, order_to = order_to, order
    for i in range(size):
        buffers.keys[i] = here[i]
        if ordered:
            buffers.order[i] = order[i]


@kernel(lazy=True, allocates=False)
def sort_floats(bits, buffers, ordered):
    """Sort float32 values, given as their bits.

    Parameters
    ----------
    bits : uint32 array of shape (n,)
        The bits of numbers that are not NaN; not changed.
    buffers : SortBuffers
        `keys`, and `order` when `ordered`, are output.
    ordered : bool
        Whether the original positions of the sorted values are requested.
    """
    keys, order = buffers.keys, buffers.order
    size = bits.size
    for i in range(size):
        b = bits[i]
        b = np.uint32(0) if b == SIGN else b
        keys[i] = ~b if b >= SIGN else b | SIGN
        if ordered:
            order[i] = i
    if size <= SMALL:
        insertion_sort(keys, order, size, ordered)
    else:
        radix_sort(buffers, size, ordered, NARROW if size <= MIDDLE else WIDE)
    for i in range(size):
        key = keys[i]
        keys[i] = key ^ SIGN if key >= SIGN else ~key
