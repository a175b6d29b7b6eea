"""The `DMatrix`: one table with its labels, weights, margins and groups, whatever it came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from boost.frame import Categories, encode_frame, is_frame, recode

if TYPE_CHECKING:
    from boost.binning import BinnedMatrix

Float32s = NDArray[np.float32]
FEATURE_TYPES = ("float", "int", "i", "q", "c")


class DataError(ValueError):
    """A table, label or weight that cannot be used."""


class DMatrix:
    """A table of float32 values in which NaN means "missing".

    Parameters
    ----------
    data : array_like of shape (rows, features), pandas DataFrame, or SciPy sparse matrix
        A row-major float32 array is used in place: do not change it while the table is in use.
        Entries that are absent from a sparse matrix are missing, as in XGBoost; stored zeros are zeros.
        Columns of strings and categories become numbers by a dictionary of their sorted values, see
        `categories`.
    label : array_like of shape (rows,), optional
    weight : array_like of shape (rows,), optional
        Not negative, not all zero. With groups, one weight for each group will do.
    base_margin : array_like of shape (rows,) or (rows, outputs), optional
        Margins to start from, in place of the base score.
    group : array_like of int, optional
        Sizes of the groups, for ranking; their rows are neighbours.
    qid : array_like of shape (rows,), optional
        In place of `group`: equal numbers mark a group; the rows of a group must be neighbours.
    feature_names : sequence of str, optional
        Taken from a frame when absent.
    feature_types : sequence of str, optional
        "float", "int", "i" or "q" for each feature; only written to model files.
    missing : float
        A number that means "missing" besides NaN.

    Attributes
    ----------
    label, weight : float32 arrays of shape (rows,), or None
    base_margin : float64 array of shape (rows, outputs), or None
    categories : dict of int to list
        For each column of strings or categories, by its number: the values, in the order of their codes.

    Raises
    ------
    DataError
        For an empty table, infinite values, duplicate or missing names, columns that are not numbers, and
        lengths that do not fit.
    """

    def __init__(
        self,
        data: Any,
        label: ArrayLike | None = None,
        *,
        weight: ArrayLike | None = None,
        base_margin: ArrayLike | None = None,
        group: ArrayLike | None = None,
        qid: ArrayLike | None = None,
        feature_names: Sequence[str] | None = None,
        feature_types: Sequence[str] | None = None,
        missing: float = np.nan,
    ) -> None:
        self.categories: Categories = {}
        names: Sequence[str] | None = None
        types: Sequence[str] | None = None
        self._sparse: Any = None
        self._by_column: Any = None
        self._binned: dict[int, BinnedMatrix] = {}
        if is_frame(data):
            values, names, types, self.categories = encode_frame(data, DataError)
        elif hasattr(data, "tocsr"):
            self._sparse = _check_sparse(data)
            values = self._sparse.data
        else:
            values = _to_float32(data)
        numbers = values
        if not np.isnan(missing):
            numbers = values.copy()
            numbers[numbers == np.float32(missing)] = np.nan
        _refuse_infinite(numbers, names)
        if self._sparse is not None:
            self._sparse.data = numbers
            shape = self._sparse.shape
        else:
            self._dense = numbers
            shape = numbers.shape
        self._shape = (int(shape[0]), int(shape[1]))
        if 0 in self._shape:
            raise DataError(f"data has no rows or no columns: its shape is {self._shape}")
        self.feature_names = _check_names(feature_names, names, self._shape[1])
        self.feature_types = _check_types(feature_types, types, self._shape[1])
        rows = self._shape[0]
        self.label = None if label is None else _vector("label", label, rows)
        self._bounds = _check_groups(group, qid, rows)
        self.weight = None if weight is None else self._check_weight(weight)
        self.base_margin = None if base_margin is None else _check_margin(base_margin, rows)

    def num_row(self) -> int:
        """Number of rows."""
        return self._shape[0]

    def num_col(self) -> int:
        """Number of features."""
        return self._shape[1]

    def group_bounds(self) -> NDArray[np.int64]:
        """Return where the groups start, and the number of rows at the end; int64, shape (groups + 1,)."""
        return np.array([0, self._shape[0]]) if self._bounds is None else self._bounds

    def column(self, f: int) -> tuple[slice | NDArray[np.intp], Float32s]:
        """Return rows and values of one column; the rows of a sparse column are those that are present."""
        if self._sparse is None:
            return slice(None), self._dense[:, f]
        if self._by_column is None:
            self._by_column = self._sparse.tocsc()
        begin, end = self._by_column.indptr[f], self._by_column.indptr[f + 1]
        return self._by_column.indices[begin:end], self._by_column.data[begin:end]

    def dense_rows(self, begin: int, end: int) -> Float32s:
        """Return some rows as a row-major array, NaN where values are missing."""
        if self._sparse is None:
            return self._dense[begin:end]
        block = np.full((end - begin, self._shape[1]), np.nan, dtype=np.float32)
        indptr = self._sparse.indptr[begin : end + 1]
        at = np.repeat(np.arange(end - begin), np.diff(indptr))
        inside = slice(indptr[0], indptr[-1])
        block[at, self._sparse.indices[inside]] = self._sparse.data[inside]
        return block

    def recoded(self, categories: Mapping[int, list[Any]]) -> DMatrix:
        """Return this table with its categories in another dictionary's codes; unknown values are missing.

        Raises
        ------
        DataError
            When a column is categorical on one side only.
        """
        if self.categories == dict(categories):
            return self
        if set(self.categories) != set(categories):
            given, wanted = sorted(self.categories), sorted(categories)
            raise DataError(
                f"the model was trained with categories in columns {wanted}, the data has them in {given}"
            )
        other = object.__new__(DMatrix)
        other.__dict__.update(self.__dict__)
        other._dense = recode(self._dense, self.categories, categories)
        other.categories = dict(categories)
        other._binned = {}
        return other

    def _check_weight(self, weight: ArrayLike) -> Float32s:
        given = np.asarray(weight)
        bounds = self._bounds
        if bounds is not None and given.shape == (bounds.size - 1,):
            given = np.repeat(given, np.diff(bounds))
        w = _vector("weight", given, self._shape[0])
        if (w < 0).any():
            raise DataError(f"weight must not be negative, got {w.min():g} in row {int(w.argmin())}")
        if not (w > 0).any():
            raise DataError("weight is zero in every row: nothing to train on")
        return w


def _to_float32(data: Any) -> Float32s:
    array = np.asarray(data)
    if array.ndim != 2:
        raise DataError(
            f"data must have two dimensions (rows, features), got shape {array.shape}; "
            "a single feature is data.reshape(-1, 1)"
        )
    if array.dtype.kind not in "biuf":
        if array.dtype.kind == "c":
            raise DataError("complex data not supported: give real numbers")
        try:
            array = array.astype(np.float64)
        except (TypeError, ValueError) as problem:
            raise DataError(
                f"data of dtype {array.dtype} is not numeric ({problem}): give numbers, or a pandas "
                "DataFrame for columns of strings"
            ) from None
    with np.errstate(over="ignore"):  # what overflows is refused as infinite
        values = np.require(array, dtype=np.float32, requirements=["C", "W"])
    return values


def _check_sparse(data: Any) -> Any:
    if data.ndim != 2:
        raise DataError(f"a sparse matrix must have two dimensions, got shape {data.shape}")
    if data.dtype.kind not in "biuf":
        raise DataError(f"a sparse matrix must hold numbers, got dtype {data.dtype}")
    with np.errstate(over="ignore"):
        matrix = data.tocsr().astype(np.float32)
    if not matrix.has_canonical_format:
        matrix = matrix.copy() if matrix is data else matrix
        matrix.sum_duplicates()
    return matrix.copy() if matrix is data else matrix


def _refuse_infinite(values: Float32s, names: Sequence[str] | None) -> None:
    bad = np.isinf(values)
    if bad.any():
        at = np.argwhere(bad)[0]
        where = (
            f"row {at[0]}, column {names[at[1]] if names else at[1]}" if values.ndim == 2 else "the matrix"
        )
        raise DataError(
            f"data holds infinity, or a number too large for float32, in {where}: give finite numbers, "
            "or NaN for missing ones"
        )


def _check_names(given: Sequence[str] | None, found: Sequence[str] | None, columns: int) -> list[str] | None:
    if given is None and found is None:
        return None
    names = [str(n) for n in (given if given is not None else found or ())]
    if len(names) != columns:
        raise DataError(f"feature_names has {len(names)} names for {columns} columns")
    if len(set(names)) != len(names):
        twice = sorted({n for n in names if names.count(n) > 1})
        raise DataError(f"duplicate column names: {', '.join(twice)}")
    return names


def _check_types(given: Sequence[str] | None, found: Sequence[str] | None, columns: int) -> list[str] | None:
    if given is None and found is None:
        return None
    types = list(given if given is not None else found or ())
    if len(types) != columns:
        raise DataError(f"feature_types has {len(types)} entries for {columns} columns")
    for t in types:
        if t not in FEATURE_TYPES:
            raise DataError(f"feature_types must be among {FEATURE_TYPES}, got {t!r}")
    return types


def _vector(name: str, values: ArrayLike, rows: int) -> Float32s:
    try:
        array = np.asarray(values).astype(np.float64)
    except (TypeError, ValueError) as problem:
        raise DataError(f"{name} must be numbers ({problem})") from None
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.shape != (rows,):
        raise DataError(f"{name} must have one entry for each of the {rows} rows, got shape {array.shape}")
    with np.errstate(over="ignore"):
        single = array.astype(np.float32)
    bad = ~np.isfinite(single)
    if bad.any():
        at = int(np.argmax(bad))
        raise DataError(f"{name} must be finite (as float32), got {array[at]} in row {at}")
    return single


def _check_margin(base_margin: ArrayLike, rows: int) -> NDArray[np.float64]:
    margin = np.array(base_margin, dtype=np.float64)
    if margin.ndim == 1 and rows and margin.size % rows == 0:
        margin = margin.reshape(rows, -1)
    if margin.ndim != 2 or margin.shape[0] != rows:
        raise DataError(f"base_margin must have a row for each of the {rows} rows, got shape {margin.shape}")
    if not (np.abs(margin) <= np.finfo(np.float32).max).all():
        raise DataError("base_margin must be finite (as float32)")
    return margin


def _check_groups(group: ArrayLike | None, qid: ArrayLike | None, rows: int) -> NDArray[np.int64] | None:
    if group is not None and qid is not None:
        raise DataError("give group (sizes) or qid (one number a row), not both")
    if group is not None:
        sizes = np.asarray(group)
        given = sizes.tolist()[:10] if sizes.ndim == 1 else f"shape {sizes.shape}"
        if sizes.ndim != 1 or sizes.dtype.kind not in "iu" or (sizes < 0).any() or int(sizes.sum()) != rows:
            raise DataError(
                f"group must be sizes that add up to the {rows} rows, got {given} of sum {sizes.sum()}"
            )
        return np.concatenate(([0], np.cumsum(sizes[sizes > 0]))).astype(np.int64)
    if qid is None:
        return None
    marks = np.asarray(qid)
    if marks.shape != (rows,):
        raise DataError(f"qid must have one entry for each of the {rows} rows, got shape {marks.shape}")
    starts = np.flatnonzero(np.concatenate(([True], marks[1:] != marks[:-1])))
    if np.unique(marks[starts]).size != starts.size:
        raise DataError("rows of one qid must be neighbours: sort the table by qid")
    return np.concatenate((starts, [rows])).astype(np.int64)
