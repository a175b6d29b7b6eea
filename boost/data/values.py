"""Storage of the feature values of a table, dense or sparse, made from arrays and sparse matrices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from boost.errors import DataError

Float32s = NDArray[np.float32]
Entries = tuple[NDArray[np.int64], NDArray[np.int32], Float32s]
ColumnEntries = tuple[NDArray[np.int64], NDArray[np.uint32], Float32s]
# Values that are examined at a time, so that they stay in the cache.
BLOCK = 1 << 18
# The largest data that is copied for the sake of a caller who may use its memory again.
COPIED_BYTES = 1 << 25


class Values(Protocol):
    """The feature values of a table.

    Attributes
    ----------
    shape : (rows, features)
    present : int
        Number of values that are not missing.
    """

    shape: tuple[int, int]
    present: int

    def column(self, f: int) -> tuple[slice | NDArray[np.uint32], Float32s]:
        """Return the rows and the values of one column; of a sparse table, those of the present entries."""

    def dense_rows(self, begin: int, end: int) -> Float32s:
        """Return rows ``begin`` to ``end - 1`` as a row-major array, NaN where values are missing."""

    def has_missing(self, features: NDArray[np.intp]) -> bool:
        """Whether any value of these columns is missing."""

    def take(self, rows: NDArray) -> Values:
        """Return the values of some rows."""

    def reordered(self, features: NDArray[np.intp]) -> Values:
        """Return the values with the columns in another order, given by their current indices."""

    def check_forest(self, forest: Any) -> None:
        """Raise `DataError` for a split that these values cannot decide."""

    def check(self) -> None:
        """Raise `DataError` when the caller has changed an array that is used in place."""


class Borrowed:
    """Arrays of the caller that are used in place, with a fingerprint by which a change is found.

    Parameters
    ----------
    arrays : sequence of contiguous arrays
    """

    def __init__(self, arrays: Sequence[NDArray]) -> None:
        self._arrays = [a for a in arrays if a.size]
        self._fingerprints = self._compute()

    def _compute(self) -> list[int]:
        from boost.data.fingerprint import fingerprint

        return [fingerprint(a) for a in self._arrays]

    def check(self) -> None:
        """Raise `DataError` when an array has changed."""
        if self._compute() != self._fingerprints:
            size = sum(a.nbytes for a in self._arrays) / 2**20
            raise DataError(
                "the data of a DMatrix has been changed since the table was made: arrays as large as this "
                f"({size:.0f} MB, more than {COPIED_BYTES >> 20} MB) are used in place; give DMatrix a copy, "
                "or make a new DMatrix after the change"
            )


class DenseValues:
    """A row-major float32 array in which NaN means "missing".

    Parameters
    ----------
    array : float32 array of shape (rows, features), C-contiguous
    names : sequence of str, optional
        Of the columns, for messages.
    borrowed : bool
        Whether the caller may change the array.

    Raises
    ------
    DataError
        For an infinite value.
    """

    _borrowed: Borrowed | None = None

    def __init__(self, array: Float32s, names: Sequence[str] | None = None, borrowed: bool = False) -> None:
        self.array = array
        if borrowed:
            self._borrowed = Borrowed([array])
        self.shape = int(array.shape[0]), int(array.shape[1])
        self.present = 0
        step = max(1, BLOCK // max(1, self.shape[1]))
        for begin in range(0, self.shape[0], step):
            block = array[begin : begin + step]
            present = int(np.count_nonzero(np.isfinite(block)))
            if present < block.size and np.isinf(block).any():
                row, column = np.argwhere(np.isinf(block))[0]
                raise _infinite(int(begin + row), str(names[column] if names else column))
            self.present += present

    def column(self, f: int) -> tuple[slice, Float32s]:
        """Return the slice of all rows, and the values of one column."""
        return slice(None), self.array[:, f]

    def dense_rows(self, begin: int, end: int) -> Float32s:
        """Return rows ``begin`` to ``end - 1``."""
        return self.array[begin:end]

    def has_missing(self, features: NDArray[np.intp]) -> bool:
        """Whether any value of these columns is missing."""
        if self.present == self.array.size:
            return False
        step = max(1, BLOCK // self.shape[1])
        blocks = (self.array[b : b + step, features] for b in range(0, self.shape[0], step))
        return any(np.isnan(block).any() for block in blocks)

    def take(self, rows: NDArray) -> DenseValues:
        """Return the values of some rows."""
        return DenseValues(self.array[rows])

    def reordered(self, features: NDArray[np.intp]) -> DenseValues:
        """Return the values with the columns in another order, given by their current indices."""
        return DenseValues(np.ascontiguousarray(self.array[:, features]))

    def check_forest(self, forest: Any) -> None:
        """Do nothing: stored values can decide every split."""

    def check(self) -> None:
        """Raise `DataError` when the caller has changed an array that is used in place."""
        if self._borrowed is not None:
            self._borrowed.check()


class SparseValues:
    """The present entries of a table in CSR layout; all other values are missing.

    Parameters
    ----------
    by_row : (starts, features, values)
        int64 array of shape (rows + 1,), the first entry of each row; int32 array of shape (entries,),
        increasing within a row; float32 array of shape (entries,), without NaN.
    shape : (rows, features)
    borrowed : bool
        Whether the caller may change the arrays.
    """

    _borrowed: Borrowed | None = None

    def __init__(self, by_row: Entries, shape: tuple[int, int], borrowed: bool = False) -> None:
        self.by_row = by_row
        if borrowed:
            self._borrowed = Borrowed(by_row)
        self.shape = shape
        self.present = int(by_row[2].size)
        self._by_column: ColumnEntries | None = None

    def by_column(self) -> ColumnEntries:
        """Return the entries in CSC layout: starts of the columns, rows (increasing in a column), values."""
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
        """Return the rows and the values of the entries of one column."""
        starts, rows, values = self.by_column()
        inside = slice(starts[f], starts[f + 1])
        return rows[inside], values[inside]

    def dense_rows(self, begin: int, end: int) -> Float32s:
        """Return rows ``begin`` to ``end - 1`` as a row-major array, NaN where values are missing."""
        starts, features, values = self.by_row
        block = np.full((end - begin, self.shape[1]), np.nan, dtype=np.float32)
        at = np.repeat(np.arange(end - begin), np.diff(starts[begin : end + 1]))
        inside = slice(starts[begin], starts[end])
        block[at, features[inside]] = values[inside]
        return block

    def has_missing(self, features: NDArray[np.intp]) -> bool:
        """Whether any value of these columns is missing."""
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
        """Return the values with the columns in another order, given by their current indices."""
        starts, _, values = self.by_row
        new = np.argsort(features).astype(np.int32)[self.by_row[1]]
        order = np.lexsort((new, np.repeat(np.arange(self.shape[0]), np.diff(starts))))
        return SparseValues((starts, new[order], values[order]), self.shape)

    def check_forest(self, forest: Any) -> None:
        """Do nothing: stored values can decide every split."""

    def check(self) -> None:
        """Raise `DataError` when the caller has changed an array that is used in place."""
        if self._borrowed is not None:
            self._borrowed.check()


def array_values(data: Any, absent: float, own: bool) -> DenseValues:
    """Return the values of an array_like; a row-major float32 array may be used in place.

    Parameters
    ----------
    data : array_like of shape (rows, features)
        Numbers of any type, layout and byte order, or objects that are numbers or None for a missing value.
        The masked elements of a masked array are missing.
    absent : float
        The number that means "missing" besides NaN.
    own : bool
        Whether the caller may change the data afterwards: it is copied, or a change of it is found.

    Raises
    ------
    DataError
        For another number of dimensions, and for values that are not real numbers.
    """
    try:
        array = np.asanyarray(data)
    except (TypeError, ValueError) as problem:
        raise DataError(
            f"data is not a table ({problem}): give a two-dimensional array, with rows of one length"
        ) from None
    if array.dtype.names is not None:
        raise DataError(
            f"data is a structured array with the fields {', '.join(array.dtype.names)}: give "
            "pandas.DataFrame(data) to keep the type of each field, or "
            "numpy.lib.recfunctions.structured_to_unstructured(data) for plain numbers"
        )
    if array.ndim == 0 and array.dtype.kind in "OSU":
        raise DataError(
            f"data is a {type(data).__name__}, not a table: give an array, a frame, an Arrow table or a "
            "sparse matrix"
        )
    if array.ndim != 2:
        raise DataError(
            f"data must have two dimensions (rows, features), got shape {array.shape}; "
            "for a single feature, give data.reshape(-1, 1)"
        )
    if array.dtype.kind not in "biuf":
        array = _from_objects(array)
    masked = np.ma.getmaskarray(array) if isinstance(array, np.ma.MaskedArray) else None
    with np.errstate(over="ignore"):  # overflow becomes infinity, which is refused
        values = np.require(np.asarray(array), dtype=np.float32, requirements=["C", "W"])
    with_marker = not np.isnan(absent)
    # A list has no memory to share with its array.
    shared = not isinstance(data, (list, tuple)) and np.may_share_memory(values, array)
    if shared and (with_marker or masked is not None or (own and values.nbytes <= COPIED_BYTES)):
        values, shared = values.copy(), False
    if masked is not None:
        values[masked] = np.nan
    if with_marker:
        values[values == np.float32(absent)] = np.nan
    return DenseValues(values, borrowed=own and shared)


def _from_objects(array: NDArray) -> NDArray[np.float64]:
    """Return an array of objects as numbers; raise `DataError` for objects that are not numbers."""
    kind = array.dtype.kind
    if kind == "c":
        raise DataError("complex data is not supported: give real numbers")
    if kind in "mM":
        raise DataError(f"data holds dates or durations ({array.dtype}): convert them to numbers first")
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


def sparse_values(data: Any, absent: float, own: bool) -> SparseValues:
    """Return the values of a SciPy sparse matrix or array of any format; CSR may be used in place.

    Duplicate entries are summed, as in SciPy.

    Parameters
    ----------
    data : sparse matrix or array of shape (rows, features)
    absent : float
        The number that means "missing" besides NaN and absent entries.
    own : bool
        As for `array_values`.

    Raises
    ------
    DataError
        For another number of dimensions, for values that are not real numbers, and for infinity.
    """
    if data.ndim != 2:
        raise DataError(f"a sparse matrix must have two dimensions, got shape {data.shape}")
    if data.dtype.kind not in "biuf":
        raise DataError(f"a sparse matrix must hold real numbers, got dtype {data.dtype}")
    if data.shape[1] > np.iinfo(np.int32).max:
        raise DataError(f"a sparse matrix must have fewer than 2**31 columns, got {data.shape[1]}")
    matrix = data.tocsr()
    if not matrix.has_canonical_format:
        matrix = matrix.copy() if matrix is data else matrix
        matrix.sum_duplicates()
    starts = matrix.indptr.astype(np.int64, copy=False)
    features = matrix.indices[: starts[-1]].astype(np.int32, copy=False)
    with np.errstate(over="ignore"):  # overflow becomes infinity, which is refused
        values = matrix.data[: starts[-1]].astype(np.float32, copy=False)
    missing = np.isnan(values) if np.isnan(absent) else np.isnan(values) | (values == np.float32(absent))
    if missing.any():
        before = np.concatenate(([0], np.cumsum(~missing)))
        starts, features, values = before[starts], features[~missing], values[~missing]
    given = (matrix.indptr, matrix.indices, matrix.data) if matrix is data else ()
    entries: Entries = starts, features, values
    shared = any(np.may_share_memory(a, b) for a, b in zip(entries, given, strict=False))
    if own and shared and sum(a.nbytes for a in entries) <= COPIED_BYTES:
        starts, features, values = (a.copy() for a in entries)
        shared = False
    if np.isinf(values).any():
        at = int(np.argmax(np.isinf(values)))
        raise _infinite(int(np.searchsorted(starts, at, side="right")) - 1, str(features[at]))
    shape = int(matrix.shape[0]), int(matrix.shape[1])
    return SparseValues((starts, features, values), shape, borrowed=own and shared)


def _infinite(row: int, column: str) -> DataError:
    return DataError(
        f"data holds infinity, or a number too large for float32, in row {row}, column {column}: give finite "
        "numbers, and NaN for missing values"
    )
