"""The values of a table: dense, or the present entries of a sparse one; made from arrays and matrices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from boost.errors import DataError

Float32s = NDArray[np.float32]
Entries = tuple[NDArray[np.int64], NDArray[np.int32], Float32s]
ColumnEntries = tuple[NDArray[np.int64], NDArray[np.uint32], Float32s]
# Values that are looked at in one piece: they stay in a cache.
PIECE = 1 << 18


class Values(Protocol):
    """The values of a table.

    Attributes
    ----------
    shape : (rows, features)
    present : int
        Number of values that are not missing.
    """

    shape: tuple[int, int]
    present: int

    def column(self, f: int) -> tuple[slice | NDArray[np.uint32], Float32s]:
        """Return rows and values of one column; the rows of a sparse column are those that are present."""

    def dense_rows(self, begin: int, end: int) -> Float32s:
        """Return some rows as a row-major array, NaN where values are missing."""

    def has_missing(self, features: NDArray[np.intp]) -> bool:
        """Whether any value of some columns is missing."""

    def take(self, rows: NDArray) -> Values:
        """Return the values of some rows."""

    def reordered(self, features: NDArray[np.intp]) -> Values:
        """Return the values with the columns in another order."""


class DenseValues:
    """A row-major float32 array in which NaN means "missing".

    Parameters
    ----------
    array : float32 array of shape (rows, features), C-contiguous
    names : sequence of str, optional
        Of the columns, for messages.

    Raises
    ------
    DataError
        For infinity.
    """

    def __init__(self, array: Float32s, names: Sequence[str] | None = None) -> None:
        self.array = array
        self.shape = int(array.shape[0]), int(array.shape[1])
        self.present = 0
        step = max(1, PIECE // max(1, self.shape[1]))
        for begin in range(0, self.shape[0], step):
            piece = array[begin : begin + step]
            present = int(np.count_nonzero(np.isfinite(piece)))
            if present < piece.size and np.isinf(piece).any():
                row, column = np.argwhere(np.isinf(piece))[0]
                raise _infinite(int(begin + row), str(names[column] if names else column))
            self.present += present

    def column(self, f: int) -> tuple[slice, Float32s]:
        """Return all rows, and the values of one column."""
        return slice(None), self.array[:, f]

    def dense_rows(self, begin: int, end: int) -> Float32s:
        """Return some rows."""
        return self.array[begin:end]

    def has_missing(self, features: NDArray[np.intp]) -> bool:
        """Whether any value of some columns is missing."""
        if self.present == self.array.size:
            return False
        step = max(1, PIECE // self.shape[1])
        pieces = (self.array[b : b + step, features] for b in range(0, self.shape[0], step))
        return any(np.isnan(piece).any() for piece in pieces)

    def take(self, rows: NDArray) -> DenseValues:
        """Return the values of some rows."""
        return DenseValues(self.array[rows])

    def reordered(self, features: NDArray[np.intp]) -> DenseValues:
        """Return the values with the columns in another order."""
        return DenseValues(np.ascontiguousarray(self.array[:, features]))


class SparseValues:
    """The present entries of a table, row by row; all others are missing.

    Parameters
    ----------
    by_row : starts, features, values
        int64 of shape (rows + 1,), where the entries of a row start; int32 of shape (entries,), rising within
        a row; float32 of shape (entries,), none missing.
    shape : (rows, features)
    """

    def __init__(self, by_row: Entries, shape: tuple[int, int]) -> None:
        self.by_row = by_row
        self.shape = shape
        self.present = int(by_row[2].size)
        self._by_column: ColumnEntries | None = None

    def by_column(self) -> ColumnEntries:
        """Return the entries column by column: starts of the columns, rows (rising within one), values."""
        if self._by_column is None:
            from scipy.sparse import csr_matrix

            starts, features, values = self.by_row
            matrix = csr_matrix((values, features, starts), shape=self.shape).tocsc()
            self._by_column = (
                matrix.indptr.astype(np.int64, copy=False),
                matrix.indices.astype(np.uint32),
                matrix.data,
            )
        return self._by_column

    def column(self, f: int) -> tuple[NDArray[np.uint32], Float32s]:
        """Return rows and values of the entries of one column."""
        starts, rows, values = self.by_column()
        inside = slice(starts[f], starts[f + 1])
        return rows[inside], values[inside]

    def dense_rows(self, begin: int, end: int) -> Float32s:
        """Return some rows as a row-major array, NaN where values are missing."""
        starts, features, values = self.by_row
        block = np.full((end - begin, self.shape[1]), np.nan, dtype=np.float32)
        at = np.repeat(np.arange(end - begin), np.diff(starts[begin : end + 1]))
        inside = slice(starts[begin], starts[end])
        block[at, features[inside]] = values[inside]
        return block

    def has_missing(self, features: NDArray[np.intp]) -> bool:
        """Whether any value of some columns is missing."""
        filled = np.diff(self.by_column()[0])[features]
        return bool((filled < self.shape[0]).any())

    def take(self, rows: NDArray) -> SparseValues:
        """Return the values of some rows."""
        starts, features, values = self.by_row
        counts = np.diff(starts)[rows]
        ends = np.concatenate(([0], np.cumsum(counts)))
        at = np.arange(ends[-1]) + np.repeat(starts[rows] - ends[:-1], counts)
        return SparseValues((ends, features[at], values[at]), (rows.size, self.shape[1]))

    def reordered(self, features: NDArray[np.intp]) -> SparseValues:
        """Return the values with the columns in another order."""
        starts, _, values = self.by_row
        new = np.argsort(features).astype(np.int32)[self.by_row[1]]
        order = np.lexsort((new, np.repeat(np.arange(self.shape[0]), np.diff(starts))))
        return SparseValues((starts, new[order], values[order]), self.shape)


def array_values(data: Any, absent: float) -> DenseValues:
    """Make values from an array, or whatever NumPy takes for one. Rows of float32 are used in place.

    Parameters
    ----------
    data : array_like of shape (rows, features)
        Numbers of any type, layout and byte order; objects that are numbers, None among them for a missing
        one. What a masked array hides is missing.
    absent : float
        The number that means "missing" besides NaN.

    Raises
    ------
    DataError
        For another number of dimensions, and for what is no real number.
    """
    try:
        array = np.asanyarray(data)
    except (TypeError, ValueError) as problem:
        raise DataError(
            f"data is no table ({problem}): give numbers in two dimensions, rows of one length"
        ) from None
    if array.dtype.names is not None:
        raise DataError(
            f"data is a structured array with the fields {', '.join(array.dtype.names)}: give "
            "pandas.DataFrame(data) for columns of types of their own, or "
            "numpy.lib.recfunctions.structured_to_unstructured(data) for plain numbers"
        )
    if array.ndim == 0 and array.dtype.kind in "OSU":
        raise DataError(
            f"a {type(data).__name__} is no table: give an array, a frame, an Arrow table or a sparse matrix"
        )
    if array.ndim != 2:
        raise DataError(
            f"data must have two dimensions (rows, features), got shape {array.shape}; "
            "a single feature is data.reshape(-1, 1)"
        )
    if array.dtype.kind not in "biuf":
        array = _from_objects(array)
    hidden = np.ma.getmaskarray(array) if isinstance(array, np.ma.MaskedArray) else None
    with np.errstate(over="ignore"):  # what overflows is refused as infinite
        values = np.require(np.asarray(array), dtype=np.float32, requirements=["C", "W"])
    mark = not np.isnan(absent)
    if (mark or hidden is not None) and np.may_share_memory(values, array):
        values = values.copy()
    if hidden is not None:
        values[hidden] = np.nan
    if mark:
        values[values == np.float32(absent)] = np.nan
    return DenseValues(values)


def _from_objects(array: NDArray) -> NDArray[np.float64]:
    """Return objects as numbers; raise `DataError` where they are none."""
    kind = array.dtype.kind
    if kind == "c":
        raise DataError("complex data not supported: give real numbers")
    if kind in "mM":
        raise DataError(f"data holds dates or durations ({array.dtype}): turn them into numbers first")
    texts = kind in "SUT" or any(isinstance(v, (str, bytes)) for v in array.ravel())
    if not texts:
        try:
            return array.astype(np.float64)
        except (TypeError, ValueError) as problem:
            raise DataError(f"data of dtype {array.dtype} is not numeric ({problem}): give numbers") from None
    raise DataError(
        f"data of dtype {array.dtype} holds strings, which are not numeric: give numbers, or a DataFrame for "
        "columns of strings"
    )


def sparse_values(data: Any, absent: float) -> SparseValues:
    """Make values from a SciPy sparse matrix or array of any format; CSR of float32 is used in place.

    Entries of one place are summed, as SciPy does.

    Parameters
    ----------
    data : sparse matrix or array of shape (rows, features)
    absent : float
        The number that means "missing" besides NaN and absent entries.

    Raises
    ------
    DataError
        For another number of dimensions, for what is no real number, and for infinity.
    """
    if data.ndim != 2:
        raise DataError(f"a sparse matrix must have two dimensions, got shape {data.shape}")
    if data.dtype.kind not in "biuf":
        raise DataError(f"a sparse matrix must hold real numbers, got dtype {data.dtype}")
    if data.shape[1] > np.iinfo(np.int32).max:
        raise DataError(f"a sparse matrix must have less than 2**31 columns, got {data.shape[1]}")
    matrix = data.tocsr()
    if not matrix.has_canonical_format:
        matrix = matrix.copy() if matrix is data else matrix
        matrix.sum_duplicates()
    starts = matrix.indptr.astype(np.int64, copy=False)
    features = matrix.indices[: starts[-1]].astype(np.int32, copy=False)
    with np.errstate(over="ignore"):  # what overflows is refused as infinite
        values = matrix.data[: starts[-1]].astype(np.float32, copy=False)
    gone = np.isnan(values) if np.isnan(absent) else np.isnan(values) | (values == np.float32(absent))
    if gone.any():
        before = np.concatenate(([0], np.cumsum(~gone)))
        starts, features, values = before[starts], features[~gone], values[~gone]
    if np.isinf(values).any():
        at = int(np.argmax(np.isinf(values)))
        raise _infinite(int(np.searchsorted(starts, at, side="right")) - 1, str(features[at]))
    return SparseValues((starts, features, values), (int(matrix.shape[0]), int(matrix.shape[1])))


def _infinite(row: int, column: str) -> DataError:
    return DataError(
        f"data holds infinity, or a number too large for float32, in row {row}, column {column}: give finite "
        "numbers, or NaN for missing ones"
    )
