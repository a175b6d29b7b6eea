"""The kernels of summaries and cuts; `sketch.summary` and `sketch.cuts` define what they compute."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sketch.jit import kernel
from sketch.radix import SortRoom, sort_floats, sort_room

Floats = NDArray[np.float64]


class Entries(NamedTuple):
    """The entries of a summary; see `sketch.Summary`."""

    value: Floats
    rmin: Floats
    rmax: Floats
    wmin: Floats


class Room(NamedTuple):
    """What summaries are made in: arrays for at least as many values as a column has.

    Attributes
    ----------
    sort : SortRoom
    values : float32 array
        The keys of `sort`, as floats.
    weights : float64 array, or (0,) without weights
        Those of the sorted values.
    """

    sort: SortRoom
    values: NDArray[np.float32]
    weights: Floats


def make_room(size: int, weighted: bool) -> Room:
    """Return room for so many values."""
    sort = sort_room(size, weighted)
    return Room(sort, sort.keys.view(np.float32), np.empty(size if weighted else 0))


def make_entries(size: int) -> Entries:
    """Return room for so many entries."""
    return Entries(*np.empty((4, size)))


@kernel(allocates=False)
def sort_and_fill(bits, weights, room, entries):
    """Sort values, and write the entries of their exact summary; see `summarise`.

    A value of no weight leaves no entry. Ranks are sums up to each value, not sums of sums: entries then fit
    together to the bit.
    """
    weighted = weights.size > 0
    sort_floats(bits, room.sort, weighted)
    values, order, held = room.values, room.sort.order, room.weights
    count = bits.size
    if weighted:
        for i in range(count):
            held[i] = weights[order[i]]
    value, rmin, rmax, wmin = entries.value, entries.rmin, entries.rmax, entries.wmin
    size = -1
    below = 0.0
    last = np.float32(0.0)
    for i in range(count):
        w = held[i] if weighted else 1.0
        if w == 0.0:
            continue
        x = values[i]
        if size < 0 or x != last:
            size += 1
            value[size] = x
            rmin[size] = below
            last = x
        below += w
        rmax[size] = below
    for k in range(size + 1):
        wmin[k] = rmax[k] - rmin[k]
    return size + 1


@kernel(lazy=True, allocates=False)
def summarise(bits, weights, room, entries):
    """Sort values, and write the entries of their exact summary; returns the number of entries.

    Parameters
    ----------
    bits : uint32 array of shape (n,)
        Of finite float32 values.
    weights : (n,), or (0,) for one each
    room : Room
    entries : Entries
        Output, of at least n entries.
    """
    return sort_and_fill(bits, weights, room, entries)


@kernel(lazy=True, allocates=False)
def merge(a, b, out):
    """Write the union of two summaries, neither of them empty; returns the number of entries.

    Parameters
    ----------
    a, b, out : Entries
    """
    i = 0
    j = 0
    k = 0
    na = a.value.size
    nb = b.value.size
    while i < na or j < nb:
        in_a = j == nb or (i < na and a.value[i] <= b.value[j])
        in_b = i == na or (j < nb and b.value[j] <= a.value[i])
        low = 0.0
        high = 0.0
        least = 0.0
        if in_a:
            low += a.rmin[i]
            high += a.rmax[i]
            least += a.wmin[i]
        else:
            low += a.rmin[i - 1] + a.wmin[i - 1] if i > 0 else 0.0
            high += a.rmax[i] - a.wmin[i] if i < na else a.rmax[na - 1]
        if in_b:
            low += b.rmin[j]
            high += b.rmax[j]
            least += b.wmin[j]
        else:
            low += b.rmin[j - 1] + b.wmin[j - 1] if j > 0 else 0.0
            high += b.rmax[j] - b.wmin[j] if j < nb else b.rmax[nb - 1]
        out.value[k] = a.value[i] if in_a else b.value[j]
        out.rmin[k] = low
        out.rmax[k] = high
        out.wmin[k] = least
        i += in_a
        j += in_b
        k += 1
    return k


@kernel(allocates=False)
def find_ranks(entries, size, step, first, last, out):
    """Write the positions of the entries nearest to the ranks ``k * step`` for k from first to last - 1.

    Positions that repeat are written once; returns how many there are. The query function of appendix A.4,
    for ranks that rise: O(size + last - first).
    """
    rmin, rmax, wmin = entries.rmin, entries.rmax, entries.wmin
    count = 0
    if size == 0:
        return count
    i = np.int64(0)
    top = (rmin[size - 1] + rmax[size - 1]) / 2
    for k in range(first, last):
        d = k * step
        while i + 1 < size and (rmin[i + 1] + rmax[i + 1]) / 2 <= d:
            i += 1
        nearest = i
        if i + 1 < size and d >= (rmin[0] + rmax[0]) / 2 and d < top:
            j = i + 1
            if not (2 * d < rmin[i] + wmin[i] + rmax[j] - wmin[j]):
                nearest = j
        if count == 0 or out[count - 1] != nearest:
            out[count] = nearest
            count += 1
    return count


@kernel(lazy=True, allocates=False)
def prune(entries, parts, kept, out):
    """Write the entries at equal distances of rank; returns their number, at most ``parts + 1``.

    Parameters
    ----------
    entries, out : Entries
    parts : int
    kept : (parts + 1,), overwritten
    """
    size = entries.value.size
    count = find_ranks(entries, size, entries.rmax[size - 1] / parts, 0, parts + 1, kept)
    for k in range(count):
        out.value[k] = entries.value[kept[k]]
        out.rmin[k] = entries.rmin[kept[k]]
        out.rmax[k] = entries.rmax[kept[k]]
        out.wmin[k] = entries.wmin[kept[k]]
    return count


@kernel(lazy=True, allocates=False)
def choose_cuts(entries, size, exact, max_bin, upper, cuts):
    """Write the cuts of a column, see `sketch.cuts.column_cuts`; returns how many there are.

    Parameters
    ----------
    entries : Entries
    size : how many of them
    exact : whether the summary is exact
    max_bin : int
    upper : (max_bin,), overwritten
    cuts : (min(size, max_bin),), output
    """
    value = entries.value
    if size < 2:
        return 0
    if exact and size <= max_bin:
        candidates = size - 1
        for k in range(candidates):
            upper[k] = k + 1
    else:
        candidates = find_ranks(entries, size, entries.rmax[size - 1] / max_bin, 1, max_bin, upper)
    count = 0
    for k in range(candidates):
        at = upper[k]
        if at == 0:
            continue  # nothing lies below the smallest value
        cut = np.float32(value[at])
        if exact:
            low = value[at - 1]
            middle = np.float32(low + (value[at] - low) / 2)
            # Two neighbours may be so close that their middle rounds down to the lower one.
            if middle > np.float32(low):
                cut = middle
        if count == 0 or cut > cuts[count - 1]:
            cuts[count] = cut
            count += 1
    return count


class Columns(NamedTuple):
    """Columns of values.

    Attributes
    ----------
    bits : uint32 array of shape (entries,)
        Of finite float32 values.
    weights : (entries,), or (0,) for one each
    begins, ends : (columns,)
        Each column's range in `bits`.
    """

    bits: NDArray[np.uint32]
    weights: Floats
    begins: NDArray[np.int64]
    ends: NDArray[np.int64]


@kernel(lazy=True, allocates=False)
def _cut_columns(columns, room, entries, max_bin, upper, cuts, counts):
    for f in range(columns.begins.size):
        begin = columns.begins[f]
        end = columns.ends[f]
        w = columns.weights[begin:end] if columns.weights.size else columns.weights
        size = sort_and_fill(columns.bits[begin:end], w, room, entries)
        counts[f] = choose_cuts(entries, size, True, max_bin, upper, cuts[begin:end])


def cut_columns(columns: Columns, max_bin: int, cuts: NDArray[np.float32], counts: NDArray[np.int64]) -> None:
    """Choose the cuts of columns that are small enough to be summarised exactly.

    Parameters
    ----------
    columns : Columns
    max_bin : int
    cuts : (entries,), output; the cuts of a column start where its values do, and are fewer
    counts : (columns,), output: how many cuts
    """
    longest = int((columns.ends - columns.begins).max(initial=0))
    room, upper = make_room(longest, columns.weights.size > 0), np.empty(max_bin, dtype=np.int64)
    _cut_columns(columns, room, make_entries(longest), max_bin, upper, cuts, counts)
