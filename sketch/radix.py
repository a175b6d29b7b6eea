"""Kernels that sort float32 values by their bits, digit by digit: no comparison is guessed wrongly."""

from __future__ import annotations

import numpy as np

from sketch.jit import kernel

SMALL, MIDDLE = 48, 1 << 12
SIGN = np.uint32(1 << 31)


@kernel()
def insertion_sort(keys, order):
    """Sort a few keys, and their order with them."""
    for i in range(1, keys.size):
        key = keys[i]
        held = order[i] if order.size else np.uint32(0)
        j = i
        while j > 0 and keys[j - 1] > key:
            keys[j] = keys[j - 1]
            if order.size:
                order[j] = order[j - 1]
            j -= 1
        keys[j] = key
        if order.size:
            order[j] = held


@kernel()
def radix_sort(keys, order, digit):
    """Sort keys from their lowest `digit` bits to their highest, and their order with them."""
    passes = (32 + digit - 1) // digit
    mask = np.uint32((1 << digit) - 1)
    place = np.zeros((passes, 1 << digit), dtype=np.uint32)
    for i in range(keys.size):
        key = keys[i]
        for p in range(passes):
            place[p, (key >> np.uint32(p * digit)) & mask] += np.uint32(1)
    to = np.empty_like(keys)
    order_to = np.empty_like(order)
    here = keys
    order_here = order
    for p in range(passes):
        count = place[p]
        shift = np.uint32(p * digit)
        if keys.size and count[(keys[0] >> shift) & mask] == keys.size:
            continue  # all have the same digit
        total = np.uint32(0)
        for d in range(count.size):
            below = total
            total = np.uint32(total + count[d])
            count[d] = below
        if order.size:
            for i in range(keys.size):
                key = here[i]
                d = (key >> shift) & mask
                to[count[d]] = key
                order_to[count[d]] = order_here[i]
                count[d] += np.uint32(1)
        else:
            for i in range(keys.size):
                key = here[i]
                d = (key >> shift) & mask
                to[count[d]] = key
                count[d] += np.uint32(1)
        here, to = to, here
        order_here, order_to = order_to, order_here
    return here, order_here


@kernel()
def sort_floats(bits, order):
    """Sort float32 values, given and returned as the bits of them; -0 becomes 0.

    Parameters
    ----------
    bits : uint32 array of shape (n,)
        Of numbers that are not NaN. Left as it is.
    order : uint32 array of shape (n,) or (0,)
        Carried along: equal values keep theirs in the order that it had. Left as it is.

    Returns
    -------
    (uint32, uint32) arrays
    """
    keys = np.empty(bits.size, dtype=np.uint32)
    for i in range(bits.size):
        b = bits[i]
        b = np.uint32(0) if b == SIGN else b
        keys[i] = ~b if b >= SIGN else b | SIGN
    carried = order.copy()
    if keys.size <= SMALL:
        insertion_sort(keys, carried)
    else:
        keys, carried = radix_sort(keys, carried, 8 if keys.size <= MIDDLE else 11)
    for i in range(keys.size):
        key = keys[i]
        keys[i] = key ^ SIGN if key >= SIGN else ~key
    return keys, carried
