"""The kernels of summaries and cuts; `sketch.summary` and `sketch.cuts` say what they compute."""

from __future__ import annotations

import numpy as np

from sketch.jit import kernel
from sketch.radix import sort_floats

_ENTRIES = "float64[::1], float64[::1], float64[::1], float64[::1]"



@kernel()
def fill_exact(values, weights, value, rmin, rmax, wmin):
    """Write the entries of sorted values, and return their number. A value of no weight leaves no entry.

    Ranks are sums up to each value, not sums of sums: entries then fit together to the bit.
    """
    weighted = weights.size > 0
    size = -1
    below = 0.0
    last = np.float32(0.0)
    for i in range(values.size):
        w = weights[i] if weighted else 1.0
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


@kernel()
def sort_and_fill(values, weights, value, rmin, rmax, wmin):
    """Do the work of `summarise`."""
    bits = values.view(np.uint32)
    if weights.size == 0:
        ordered, _ = sort_floats(bits, np.empty(0, dtype=np.uint32))
        return fill_exact(ordered.view(np.float32), weights, value, rmin, rmax, wmin)
    ordered, order = sort_floats(bits, np.arange(values.size).astype(np.uint32))
    carried = np.empty(values.size)
    for i in range(values.size):
        carried[i] = weights[order[i]]
    return fill_exact(ordered.view(np.float32), carried, value, rmin, rmax, wmin)


@kernel(f"int64(float32[::1], float64[::1], {_ENTRIES})")
def summarise(values, weights, value, rmin, rmax, wmin):
    """Sort values, and write the entries of their exact summary; returns the number of entries.

    Parameters
    ----------
    values : (n,), finite
    weights : (n,), or (0,) for one each
    value, rmin, rmax, wmin : (n,), output
    """
    return sort_and_fill(values, weights, value, rmin, rmax, wmin)


@kernel(f"int64({_ENTRIES}, {_ENTRIES}, {_ENTRIES})")
def merge(value_a, rmin_a, rmax_a, wmin_a, value_b, rmin_b, rmax_b, wmin_b, value, rmin, rmax, wmin):
    """Write the union of two summaries, neither of them empty; returns the number of entries."""
    i = 0
    j = 0
    k = 0
    na = value_a.size
    nb = value_b.size
    while i < na or j < nb:
        in_a = j == nb or (i < na and value_a[i] <= value_b[j])
        in_b = i == na or (j < nb and value_b[j] <= value_a[i])
        low = 0.0
        high = 0.0
        own = 0.0
        if in_a:
            low += rmin_a[i]
            high += rmax_a[i]
            own += wmin_a[i]
        else:
            low += rmin_a[i - 1] + wmin_a[i - 1] if i > 0 else 0.0
            high += rmax_a[i] - wmin_a[i] if i < na else rmax_a[na - 1]
        if in_b:
            low += rmin_b[j]
            high += rmax_b[j]
            own += wmin_b[j]
        else:
            low += rmin_b[j - 1] + wmin_b[j - 1] if j > 0 else 0.0
            high += rmax_b[j] - wmin_b[j] if j < nb else rmax_b[nb - 1]
        value[k] = value_a[i] if in_a else value_b[j]
        rmin[k] = low
        rmax[k] = high
        wmin[k] = own
        i += in_a
        j += in_b
        k += 1
    return k


@kernel()
def find_ranks(rmin, rmax, wmin, step, first, last, out):
    """Write the positions of the entries nearest to the ranks ``k * step`` for k from first to last - 1.

    Positions that repeat are written once; returns how many there are. The query function of appendix A.4,
    for ranks that rise: O(size + last - first).
    """
    size = rmin.size
    count = 0
    if size == 0:
        return count
    i = 0
    top = (rmin[size - 1] + rmax[size - 1]) / 2
    for k in range(first, last):
        d = k * step
        while i + 1 < size and (rmin[i + 1] + rmax[i + 1]) / 2 <= d:
            i += 1
        found = i
        if i + 1 < size and d >= (rmin[0] + rmax[0]) / 2 and d < top:
            j = i + 1
            if not (2 * d < rmin[i] + wmin[i] + rmax[j] - wmin[j]):
                found = j
        if count == 0 or out[count - 1] != found:
            out[count] = found
            count += 1
    return count


@kernel(f"int64({_ENTRIES}, int64, {_ENTRIES})")
def prune(value, rmin, rmax, wmin, parts, value_out, rmin_out, rmax_out, wmin_out):
    """Write the entries at equal distances of rank; returns their number, at most ``parts + 1``."""
    kept = np.empty(parts + 1, dtype=np.int64)
    count = find_ranks(rmin, rmax, wmin, rmax[rmax.size - 1] / parts, 0, parts + 1, kept)
    for k in range(count):
        value_out[k] = value[kept[k]]
        rmin_out[k] = rmin[kept[k]]
        rmax_out[k] = rmax[kept[k]]
        wmin_out[k] = wmin[kept[k]]
    return count


@kernel()
def find_cuts(value, rmin, rmax, wmin, exact, max_bin, cuts):
    """Write the cuts of a column, see `column_cuts`; returns how many there are."""
    size = value.size
    if size < 2:
        return 0
    upper = np.empty(max_bin, dtype=np.int64)
    if exact and size <= max_bin:
        found = size - 1
        for k in range(found):
            upper[k] = k + 1
    else:
        found = find_ranks(rmin, rmax, wmin, rmax[size - 1] / max_bin, 1, max_bin, upper)
    count = 0
    for k in range(found):
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


@kernel(f"int64({_ENTRIES}, boolean, int64, float32[::1])")
def choose_cuts(value, rmin, rmax, wmin, exact, max_bin, cuts):
    """Do `find_cuts` for one column."""
    return find_cuts(value, rmin, rmax, wmin, exact, max_bin, cuts)


@kernel(
    "void(float32[::1], float64[::1], int64[::1], int64[::1], int64, int64, int64, float32[::1], int64[::1])"
)
def cut_columns(values, weights, begins, ends, first, last, max_bin, cuts, counts):
    """Choose the cuts of columns that are small enough to be summarised exactly.

    Parameters
    ----------
    values : (entries,), finite
    weights : (entries,), or (0,) for one each
    begins, ends : (columns,), each column's range in `values`
    first, last : the columns to do
    cuts : (entries,), output; the cuts of a column start where its values do, and are fewer
    counts : (columns,), output: how many cuts
    """
    longest = 0
    for f in range(first, last):
        longest = max(longest, ends[f] - begins[f])
    entries = np.empty((4, longest))
    for f in range(first, last):
        begin = begins[f]
        end = ends[f]
        w = weights[begin:end] if weights.size else weights
        size = sort_and_fill(values[begin:end], w, entries[0], entries[1], entries[2], entries[3])
        counts[f] = find_cuts(
            entries[0, :size],
            entries[1, :size],
            entries[2, :size],
            entries[3, :size],
            True,
            max_bin,
            cuts[begin:end],
        )
