"""The kernels of summaries and cuts; `sketch.summary` and `sketch.cuts` define what they compute."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sketch.jit import kernel
from sketch.radix import SortBuffers, make_sort_buffers, sort_floats

Floats = NDArray[np.float64]


class Entries(NamedTuple):
    """The entries of a summary: four float64 arrays of one shape, with the meaning of `sketch.Summary`."""

    value: Floats
    rmin: Floats
    rmax: Floats
    wmin: Floats


class SummaryBuffers(NamedTuple):
    """Work arrays of `summarise`, for at least as many values as a column has.

    Attributes
    ----------
    sort : SortBuffers
    values : float32 array
        The memory of ``sort.keys``, as floats: the sorted values.
    weights : float64 array, or (0,) without weights
        The weights of the sorted values.
    """

    sort: SortBuffers
    values: NDArray[np.float32]
    weights: Floats


def make_buffers(size: int, weighted: bool) -> SummaryBuffers:
    """Allocate work arrays for `size` values, with or without weights."""
    sort = make_sort_buffers(size, weighted)
    return SummaryBuffers(sort, sort.keys.view(np.float32), np.empty(size if weighted else 0))


def make_entries(size: int) -> Entries:
    """Allocate arrays for `size` entries."""
    return Entries(*np.empty((4, size)))


@kernel(allocates=False)
def sort_and_fill(bits, weights, buffers, entries):
    """Sort values, and write the entries of their exact summary; parameters and result as of `summarise`.

    A value of zero weight gets no entry. Ranks are running sums over the sorted values, not sums of the sums
    of equal values, so that ``rmax[k] == rmin[k + 1]`` holds bit for bit.
    """
    weighted = weights.size > 0
    sort_floats(bits, buffers.sort, weighted)
    values, order, sorted_weights = buffers.values, buffers.sort.order, buffers.weights
    count = bits.size
    if weighted:
        for i in range(count):
            sorted_weights[i] = weights[order[i]]
    value, rmin, rmax, wmin = entries.value, entries.rmin, entries.rmax, entries.wmin
    size = -1
    below = 0.0
    last = np.float32(0.0)
    for i in range(count):
        w = sorted_weights[i] if weighted else 1.0
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
def summarise(bits, weights, buffers, entries):
    """Sort values, and write the entries of their exact summary; returns the number of entries.

    Parameters
    ----------
    bits : uint32 array of shape (n,)
        The bits of finite float32 values.
    weights : float64 array of shape (n,), or (0,) for one each
    buffers : SummaryBuffers
        For at least n values.
    entries : Entries
        Output; arrays of at least n entries.
    """
    return sort_and_fill(bits, weights, buffers, entries)


@kernel(lazy=True, allocates=False)
def merge(a, b, out):
    """Write the union of two summaries, neither of them empty; returns the number of entries.

    Parameters
    ----------
    a, b : Entries
    out : Entries
        Output; arrays of at least as many entries as both have together.
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

    Repeated positions are written once; returns the number of positions. The query function of appendix A.4
    (see `sketch.summary`), for increasing ranks: O(size + last - first).
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
    entries : Entries
    parts : int
    kept : int64 array of shape (parts + 1,), overwritten
    out : Entries
        Output; arrays of at least ``parts + 1`` entries.
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
    """Write the cuts of a column, see `sketch.cuts.column_cuts`; returns their number.

    Parameters
    ----------
    entries : Entries
    size : int
        The number of entries in use.
    exact : bool
        Whether the summary is exact.
    max_bin : int
    upper : int64 array of shape (max_bin,), overwritten
    cuts : float32 array of shape (min(size, max_bin),), output
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
            continue  # no value is below the smallest one
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
    """Columns of values in one array.

    Attributes
    ----------
    bits : uint32 array of shape (entries,)
        The bits of finite float32 values.
    weights : float64 array of shape (entries,), or (0,) for one each
    begins, ends : int64 arrays of shape (columns,)
        The range of each column in `bits`.
    """

    bits: NDArray[np.uint32]
    weights: Floats
    begins: NDArray[np.int64]
    ends: NDArray[np.int64]


@kernel(lazy=True, allocates=False)
def _cut_columns(columns, buffers, entries, max_bin, upper, cuts, counts):
    for f in range(columns.begins.size):
        begin = columns.begins[f]
        end = columns.ends[f]
        w = columns.weights[begin:end] if columns.weights.size else columns.weights
        size = sort_and_fill(columns.bits[begin:end], w, buffers, entries)
        counts[f] = choose_cuts(entries, size, True, max_bin, upper, cuts[begin:end])


def cut_columns(columns: Columns, max_bin: int, cuts: NDArray[np.float32], counts: NDArray[np.int64]) -> None:
    """Choose the cuts of columns that are small enough to be summarised exactly.

    Parameters
    ----------
    columns : Columns
    max_bin : int
    cuts : float32 array of shape (entries,), output
        The cuts of column f start at ``begins[f]``; a column has fewer cuts than values.
    counts : int64 array of shape (columns,), output
        The number of cuts of each column.
    """
    longest = int((columns.ends - columns.begins).max(initial=0))
    buffers, upper = make_buffers(longest, columns.weights.size > 0), np.empty(max_bin, dtype=np.int64)
    _cut_columns(columns, buffers, make_entries(longest), max_bin, upper, cuts, counts)
