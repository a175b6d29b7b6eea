"""A fingerprint of an array, by which a change of its bytes is found."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from boost.jit import kernel

FACTOR = np.uint64(0x9E3779B97F4A7C15)  # odd: a multiplication loses nothing
SHIFT = np.uint64(29)


@kernel("uint64(uint64[::1])", allocates=False)
def _mix(words):
    # Four sums side by side, because a multiplication waits for the one before.
    a = b = c = d = np.uint64(1)
    whole = words.size // 4 * 4
    for i in range(np.uint64(0), np.uint64(whole), np.uint64(4)):
        a = (a ^ words[i]) * FACTOR
        b = (b ^ words[i + np.uint64(1)]) * FACTOR
        c = (c ^ words[i + np.uint64(2)]) * FACTOR
        d = (d ^ words[i + np.uint64(3)]) * FACTOR
        a ^= a >> SHIFT
        b ^= b >> SHIFT
        c ^= c >> SHIFT
        d ^= d >> SHIFT
    for i in range(whole, words.size):
        a = (a ^ words[i]) * FACTOR
    return ((a * FACTOR ^ b) * FACTOR ^ c) * FACTOR ^ d


def fingerprint(array: NDArray) -> int:
    """Return 64 bits that change, all but certainly, when a byte of a contiguous array does. O(size)."""
    raw = array.reshape(-1).view(np.uint8)
    whole = raw.size // 8 * 8
    rest = int.from_bytes(raw[whole:].tobytes(), "little")
    return int(_mix(raw[:whole].view(np.uint64))) ^ rest
