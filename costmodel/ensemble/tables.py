"""`Tables`: the parameters of a scorer, and `Packed`: the nodes of its trees in few words."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from compiler.ir.expr import Buffer, Expr, Load, Var, as_expr, const
from costmodel.ensemble.layout import Ints, Layout
from costmodel.ensemble.statements import read

MOST_ROWS = 1 << 24


class Tables:
    """The parameters of a scorer: rows, the tables of its ensemble, and margins.

    Parameters
    ----------
    layout : Layout
    integers : mapping of str to int32 array
        Tables by name, in addition to "ranges", "sets", "bits" and "trees"; one array in a call.
    values : float64 array
        The values of leaves, in the scorer's order.

    Attributes
    ----------
    rows : Var
        Number of rows of a call.
    params : tuple of Buffer
        Rows (float32, NaN where missing), integers, thresholds, values, and margins (float64, read and
        written).
    arrays : tuple of array
        The arguments between rows and margins.
    """

    def __init__(self, layout: Layout, integers: Mapping[str, Ints], values: NDArray[np.float64]) -> None:
        own = {name: getattr(layout, name) for name in ("ranges", "sets", "bits", "trees")}
        self._places: dict[str, tuple[int, int]] = {}
        parts, first = [], 0
        for name, table in {**own, **integers}.items():
            self._places[name] = first, table.shape[1] if table.ndim > 1 else 1
            parts.append(table.ravel())
            first += table.size
        blob = np.append(np.concatenate(parts), 0).astype(np.int32)  # no array is empty
        self.arrays = blob, np.append(layout.thresholds, np.float32(0)), np.append(values, 0.0)
        self.layout = layout
        self.rows = Var("rows", "int32", (1, most_rows(layout.features, layout.outputs)))
        self.x = Buffer("x", (self.rows, max(1, layout.features)))
        self.integers, self.limits, self.values = (
            Buffer(name, array.shape, str(array.dtype))
            for name, array in zip(("integers", "thresholds", "values"), self.arrays, strict=True)
        )
        self.margin = Buffer("margin", (self.rows, layout.outputs), "float64")
        self.params = self.x, self.integers, self.limits, self.values, self.margin

    def __call__(self, name: str, row: Expr | int, field: int = 0) -> Load:
        """Return an element of a table of integers."""
        first, width = self._places[name]
        return read(self.integers, as_expr(row) * const(width) + const(first + field))


def most_rows(features: int, outputs: int) -> int:
    """Return the most rows of a call: positions of elements are numbers of 32 bits."""
    return max(1, min(MOST_ROWS, (2**31 - 1) // max(1, features, outputs)))


class Packed:
    """Fields of nodes in few words of 32 bits: one gather reads a word of many nodes.

    Parameters
    ----------
    fields : mapping of str to int32 array
        None is negative.

    Attributes
    ----------
    words : int32 array of shape (nodes, words)
    """

    def __init__(self, fields: Mapping[str, Ints]) -> None:
        self._places: dict[str, tuple[int, int, int]] = {}
        words: list[NDArray[np.int64]] = []
        used = 32
        for name, values in fields.items():
            bits = max(1, int(values.max(initial=0)).bit_length())
            if used + bits > 31:
                words.append(np.zeros(values.size, np.int64))
                used = 0
            words[-1] |= values.astype(np.int64) << used
            self._places[name] = len(words) - 1, used, bits
            used += bits
        self.words = np.column_stack(words).astype(np.int32)

    def field(self, name: str, word: Callable[[int], Expr]) -> Expr:
        """Return a field, by a function that returns a word of its node."""
        number, shift, bits = self._places[name]
        value = word(number) >> const(shift) if shift else word(number)
        above = any(n == number and s > shift for n, s, _ in self._places.values())
        return value & const((1 << bits) - 1) if above else value


def pack_nodes(layout: Layout) -> Packed:
    """Return the nodes for rows that walk down: no code is above that of a leaf, where they stay."""
    code, column, step, _ = layout.nodes.T
    highest = max([1, *((1 << layout.ranges[:, 2]) - 1).tolist()])  # thresholds of a column, and one more
    return Packed({"step": step, "column": column, "code": np.minimum(code, highest)})
