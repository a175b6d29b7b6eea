"""The `DMatrix`: one table with its labels, weights, margins and groups, whatever it came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from boost import meta
from boost.frame import Categories, encode_frame, is_frame, recode
from boost.meta import DataError

if TYPE_CHECKING:
    from boost.binning import BinnedMatrix, SparseBinnedMatrix

__all__ = ["DMatrix", "DataError", "QuantileDMatrix"]

Float32s = NDArray[np.float32]
Entries = tuple[NDArray[np.int64], NDArray[np.int32], Float32s]
ColumnEntries = tuple[NDArray[np.int64], NDArray[np.uint32], Float32s]
# Values that are looked at in one piece: they stay in a cache.
PIECE = 1 << 18
# Whole numbers below this one have a float32 of their own.
MOST_CODES = 1 << 24
Table = TypeVar("Table", bound="DMatrix")


class DMatrix:
    """A table of float32 values in which NaN means "missing".

    Parameters
    ----------
    data : array_like of shape (rows, features), pandas DataFrame, or SciPy sparse matrix or array
        A row-major, writeable float32 array, and a CSR matrix of float32 values, are used in place: do not
        change them while the table is in use. All else is copied, once. Entries that are absent from a sparse
        matrix are missing, as in XGBoost; stored zeros are zeros. Columns of strings and categories become
        numbers by a dictionary of their sorted values, see `categories`.
    label : array_like of shape (rows,) or (rows, outputs), optional
    weight : array_like of shape (rows,), optional
        Not negative, not all zero. With groups, one weight for each group will do.
    base_margin : array_like of shape (rows,) or (rows, outputs), optional
        Margins to start from, in place of the base score.
    missing : float, optional
        A number that means "missing" besides NaN.
    silent : bool
        Has no effect: nothing is printed here.
    feature_names : sequence of str, optional
        Taken from a frame when absent.
    feature_types : sequence of str, optional
        "float", "int", "i" or "q" for each numerical feature, "c" for a categorical one. A column of numbers
        that is marked as categorical must hold codes: 0, 1, 2, ...
    nthread : int, optional
        Has no effect: a table is binned by the threads of the training run.
    group : array_like of int, optional
        Sizes of the groups, for ranking; their rows are neighbours.
    qid : array_like of shape (rows,), optional
        In place of `group`: equal numbers mark a group; the rows of a group must be neighbours.
    label_lower_bound, label_upper_bound : array_like of shape (rows,), optional
        For survival:aft: the label lies between them. An upper bound of infinity is a censored label.
    feature_weights : array_like of shape (features,), optional
        How likely a feature is to be drawn by colsample_bytree, bylevel and bynode, compared with the others.
    enable_categorical : bool
        False refuses tables with categorical columns.

    Attributes
    ----------
    label : float32 array of shape (rows,) or (rows, outputs), or None
    weight, label_lower_bound, label_upper_bound : float32 arrays of shape (rows,), or None
    base_margin : float64 array of shape (rows, outputs), or None
    feature_weights : float64 array of shape (features,), or None
    categories : dict of int to list
        For each column of strings or categories, by its number: the values, in the order of their codes.

    Raises
    ------
    DataError
        For an empty table, infinite values, duplicate or missing names, columns that are not numbers, and
        lengths that do not fit.
    """

    # The number of bins that a table was made for; any will do for a plain one.
    max_bin: int | None = None

    def __init__(
        self,
        data: Any,
        label: ArrayLike | None = None,
        *,
        weight: ArrayLike | None = None,
        base_margin: ArrayLike | None = None,
        missing: float | None = None,
        silent: bool = False,
        feature_names: Sequence[str] | None = None,
        feature_types: Sequence[str] | None = None,
        nthread: int | None = None,
        group: ArrayLike | None = None,
        qid: ArrayLike | None = None,
        label_lower_bound: ArrayLike | None = None,
        label_upper_bound: ArrayLike | None = None,
        feature_weights: ArrayLike | None = None,
        enable_categorical: bool = True,
    ) -> None:
        self.categories: Categories = {}
        self._dense = np.empty((0, 0), dtype=np.float32)
        self._by_row: Entries | None = None
        self._by_column: ColumnEntries | None = None
        self._binned: dict[int, BinnedMatrix | SparseBinnedMatrix] = {}
        names: Sequence[str] | None = None
        types: Sequence[str] | None = None
        absent = np.nan if missing is None else float(missing)
        if is_frame(data):
            values, names, types, self.categories = encode_frame(data, DataError)
            self._set_dense(_marked(values, absent, owned=True), names)
        elif hasattr(data, "tocsr"):
            self._set_sparse(data, absent)
        else:
            values = _to_float32(data)
            owned = not (isinstance(data, np.ndarray) and np.may_share_memory(values, data))
            self._set_dense(_marked(values, absent, owned=owned), names)
        if 0 in self._shape:
            raise DataError(f"data has no rows or no columns: its shape is {self._shape}")
        self._names = meta.check_names(feature_names if feature_names is not None else names, self._shape[1])
        self._types = meta.check_types(feature_types if feature_types is not None else types, self._shape[1])
        self._check_categorical(enable_categorical)
        self.label: Float32s | None = None
        self.weight: Float32s | None = None
        self.base_margin: NDArray[np.float64] | None = None
        self.label_lower_bound: Float32s | None = None
        self.label_upper_bound: Float32s | None = None
        self.feature_weights: NDArray[np.float64] | None = None
        self._bounds: NDArray[np.int64] | None = None
        self.set_info(
            label=label,
            weight=weight,
            base_margin=base_margin,
            group=group,
            qid=qid,
            label_lower_bound=label_lower_bound,
            label_upper_bound=label_upper_bound,
            feature_weights=feature_weights,
        )

    def set_info(
        self,
        *,
        label: ArrayLike | None = None,
        weight: ArrayLike | None = None,
        base_margin: ArrayLike | None = None,
        group: ArrayLike | None = None,
        qid: ArrayLike | None = None,
        label_lower_bound: ArrayLike | None = None,
        label_upper_bound: ArrayLike | None = None,
        feature_names: Sequence[str] | None = None,
        feature_types: Sequence[str] | None = None,
        feature_weights: ArrayLike | None = None,
    ) -> None:
        """Set what is given, and leave the rest; parameters as for `DMatrix`."""
        rows, columns = self._shape
        if feature_names is not None:
            self.feature_names = list(feature_names)
        if feature_types is not None:
            self.feature_types = list(feature_types)
        if group is not None or qid is not None:
            self._bounds = meta.check_groups(group, qid, rows)
        if label is not None:
            self.label = meta.check_label(label, rows)
        if weight is not None:
            self.weight = meta.check_weight(weight, rows, self._bounds)
            self._binned = {}  # cuts depend on weights
        if base_margin is not None:
            self.base_margin = meta.check_margin(base_margin, rows)
        lower, upper = self.label_lower_bound, self.label_upper_bound
        if label_lower_bound is not None:
            lower = meta.check_bound("label_lower_bound", label_lower_bound, rows)
        if label_upper_bound is not None:
            upper = meta.check_bound("label_upper_bound", label_upper_bound, rows)
        meta.check_bounds(lower, upper)
        self.label_lower_bound, self.label_upper_bound = lower, upper
        if feature_weights is not None:
            self.feature_weights = meta.check_feature_weights(feature_weights, columns)

    def set_label(self, label: ArrayLike) -> None:
        """Set the labels."""
        self.set_info(label=label)

    def set_weight(self, weight: ArrayLike) -> None:
        """Set the weights."""
        self.set_info(weight=weight)

    def set_base_margin(self, margin: ArrayLike) -> None:
        """Set the margins to start from."""
        self.set_info(base_margin=margin)

    def set_group(self, group: ArrayLike) -> None:
        """Set the sizes of the groups."""
        self.set_info(group=group)

    def get_label(self) -> Float32s:
        """Return the labels; an empty array when there are none."""
        return _or_empty(self.label)

    def get_weight(self) -> Float32s:
        """Return the weights of the rows; an empty array when there are none."""
        return _or_empty(self.weight)

    def get_base_margin(self) -> NDArray[np.float64]:
        """Return the base margins, of shape (rows,) or (rows, outputs); an empty array without them."""
        if self.base_margin is None:
            return np.empty(0)
        return self.base_margin[:, 0] if self.base_margin.shape[1] == 1 else self.base_margin

    def get_group(self) -> NDArray[np.int64]:
        """Return the sizes of the groups; an empty array when there are none."""
        return np.empty(0, dtype=np.int64) if self._bounds is None else np.diff(self._bounds)

    def get_float_info(self, field: str) -> NDArray:
        """Return "label", "weight", "base_margin", "label_lower_bound", "label_upper_bound" or
        "feature_weights"; an empty array when it is not set.
        """
        if field == "base_margin":
            return self.get_base_margin()
        known = "label", "weight", "label_lower_bound", "label_upper_bound", "feature_weights"
        if field not in known:
            raise DataError(f"field must be base_margin or among {known}, got {field!r}")
        return _or_empty(getattr(self, field))

    def set_float_info(self, field: str, data: ArrayLike) -> None:
        """Set one of the fields of `get_float_info`."""
        self.get_float_info(field)  # refuses other names
        values: dict[str, Any] = {field: data}
        self.set_info(**values)

    def get_uint_info(self, field: str) -> NDArray[np.int64]:
        """Return where the groups start, for the field "group_ptr"; an empty array when there are none."""
        if field != "group_ptr":
            raise DataError(f"field must be group_ptr, got {field!r}")
        return np.empty(0, dtype=np.int64) if self._bounds is None else self._bounds

    @property
    def feature_names(self) -> list[str] | None:
        """Names of the features, or None. May be set."""
        return self._names

    @feature_names.setter
    def feature_names(self, names: Sequence[str] | None) -> None:
        self._names = meta.check_names(names, self._shape[1])

    @property
    def feature_types(self) -> list[str] | None:
        """Types of the features, or None. May be set."""
        return self._types

    @feature_types.setter
    def feature_types(self, types: Sequence[str] | None) -> None:
        before, self._types = self._types, meta.check_types(types, self._shape[1])
        try:
            self._check_categorical(True)
        except DataError:
            self._types = before
            raise
        self._binned = {}

    @property
    def categorical(self) -> NDArray[np.bool_]:
        """Which features are categorical; bool, shape (features,)."""
        return np.array([t == "c" for t in self._types or [""] * self._shape[1]], dtype=bool)

    def num_row(self) -> int:
        """Number of rows."""
        return self._shape[0]

    def num_col(self) -> int:
        """Number of features."""
        return self._shape[1]

    def num_nonmissing(self) -> int:
        """Number of values that are present."""
        return self._present

    @property
    def is_sparse(self) -> bool:
        """Whether only the present entries are kept, see `by_row`."""
        return self._by_row is not None

    @property
    def density(self) -> float:
        """Share of the table that is kept: of the entries of a sparse one, 1 for a dense one."""
        return self._present / (self._shape[0] * self._shape[1]) if self.is_sparse else 1.0

    def group_bounds(self) -> NDArray[np.int64]:
        """Return where the groups start, and the number of rows at the end; int64, shape (groups + 1,)."""
        return np.array([0, self._shape[0]]) if self._bounds is None else self._bounds

    def by_row(self) -> Entries:
        """Return the present entries of a sparse table, row by row.

        Returns
        -------
        starts : int64 array of shape (rows + 1,)
        features : int32 array of shape (entries,), rising within a row
        values : float32 array of shape (entries,)
        """
        if self._by_row is None:
            raise TypeError("a dense table has no list of entries")
        return self._by_row

    def by_column(self) -> ColumnEntries:
        """Return the present entries of a sparse table, column by column.

        Returns
        -------
        starts : int64 array of shape (features + 1,)
        rows : uint32 array of shape (entries,), rising within a column
        values : float32 array of shape (entries,)
        """
        if self._by_column is None:
            from scipy.sparse import csr_matrix

            starts, features, values = self.by_row()
            matrix = csr_matrix((values, features, starts), shape=self._shape).tocsc()
            self._by_column = (
                matrix.indptr.astype(np.int64, copy=False),
                matrix.indices.astype(np.uint32),
                matrix.data,
            )
        return self._by_column

    def column(self, f: int) -> tuple[slice | NDArray[np.uint32], Float32s]:
        """Return rows and values of one column; the rows of a sparse column are those that are present."""
        if self._by_row is None:
            return slice(None), self._dense[:, f]
        starts, rows, values = self.by_column()
        inside = slice(starts[f], starts[f + 1])
        return rows[inside], values[inside]

    def dense_rows(self, begin: int, end: int) -> Float32s:
        """Return some rows as a row-major array, NaN where values are missing."""
        if self._by_row is None:
            return self._dense[begin:end]
        starts, features, values = self._by_row
        block = np.full((end - begin, self._shape[1]), np.nan, dtype=np.float32)
        at = np.repeat(np.arange(end - begin), np.diff(starts[begin : end + 1]))
        inside = slice(starts[begin], starts[end])
        block[at, features[inside]] = values[inside]
        return block

    def has_missing(self, features: NDArray[np.intp]) -> bool:
        """Whether any value of some columns is missing."""
        if self._by_row is not None:
            filled = np.diff(self.by_column()[0])[features]
            return bool((filled < self._shape[0]).any())
        if self._present == self._dense.size:
            return False
        step = max(1, PIECE // self._shape[1])
        pieces = (self._dense[b : b + step, features] for b in range(0, self._shape[0], step))
        return any(np.isnan(piece).any() for piece in pieces)

    def slice(self, rindex: ArrayLike, allow_groups: bool = False) -> DMatrix:
        """Return a table of some rows, with all that belongs to them.

        Parameters
        ----------
        rindex : array_like of int, shape (n,)
            The rows, in the order that they shall have.
        allow_groups : bool
            Whether a table with groups may be cut. Rows of one group must stay neighbours; a group keeps the
            rows of it that were chosen.

        Raises
        ------
        DataError
            For rows that do not exist, and for groups where they are not allowed or are torn apart.
        """
        index = np.asarray(rindex)
        rows = self._shape[0]
        if index.ndim != 1 or (index.size and index.dtype.kind not in "iu"):
            raise DataError(f"rindex must be row numbers, got an array of {index.dtype}, shape {index.shape}")
        if index.size == 0:
            raise DataError("rindex chooses no rows")
        if index.min() < 0 or index.max() >= rows:
            raise DataError(f"rindex must lie within 0 and {rows - 1}, got {index.min()} to {index.max()}")
        part = object.__new__(DMatrix)
        part.__dict__.update(self.__dict__)
        part._binned = {}
        part._bounds = None
        if self._bounds is not None:
            if not allow_groups:
                raise DataError("the table has groups: pass allow_groups=True to cut it")
            of_row = np.searchsorted(self._bounds, index, side="right")
            part._bounds = meta.check_groups(None, of_row, index.size)
        for name in ("label", "weight", "base_margin", "label_lower_bound", "label_upper_bound"):
            whole = getattr(self, name)
            setattr(part, name, None if whole is None else whole[index])
        part._shape = index.size, self._shape[1]
        if self._by_row is None:
            part._dense = self._dense[index]
            part._present = int(np.count_nonzero(~np.isnan(part._dense)))
            return part
        starts, features, values = self._by_row
        counts = np.diff(starts)[index]
        ends = np.concatenate(([0], np.cumsum(counts)))
        at = np.arange(ends[-1]) + np.repeat(starts[index] - ends[:-1], counts)
        part._by_row = ends, features[at], values[at]
        part._by_column = None
        part._present = int(ends[-1])
        return part

    def recoded(self: Table, categories: Mapping[int, list[Any]]) -> Table:
        """Return this table with its categories in another dictionary's codes; unknown values are missing.

        Raises
        ------
        DataError
            When a column is categorical on one side only.
        """
        if self.categories == dict(categories):
            return self
        given, wanted = sorted(self.categories), sorted(categories)
        # A column of strings of which none is present does not look like one.
        blank = [f for f in wanted if f not in given and np.isnan(self.column(f)[1]).all()]
        if sorted([*given, *blank]) != wanted:
            raise DataError(
                f"the model was trained with categories in columns {wanted}, the data has them in {given}"
            )
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__)
        other._set_dense(recode(self._dense, self.categories, categories), self._names)
        other.categories = dict(categories)
        if other._types is not None:
            other._types = ["c" if f in blank else t for f, t in enumerate(other._types)]
        other._binned = {}
        return other

    def _set_dense(self, values: Float32s, names: Sequence[str] | None) -> None:
        """Keep a table of values; refuse infinity."""
        self._dense = values
        self._shape = int(values.shape[0]), int(values.shape[1])
        self._present = 0
        step = max(1, PIECE // max(1, self._shape[1]))
        for begin in range(0, self._shape[0], step):
            piece = values[begin : begin + step]
            present = int(np.count_nonzero(np.isfinite(piece)))
            if present < piece.size and np.isinf(piece).any():
                row, column = np.argwhere(np.isinf(piece))[0]
                raise _infinite(int(begin + row), str(names[column] if names else column))
            self._present += present

    def _set_sparse(self, data: Any, absent: float) -> None:
        """Keep the present entries of a sparse matrix; refuse infinity."""
        if data.ndim != 2:
            raise DataError(f"a sparse matrix must have two dimensions, got shape {data.shape}")
        if data.dtype.kind not in "biuf":
            raise DataError(f"a sparse matrix must hold numbers, got dtype {data.dtype}")
        matrix = data.tocsr()
        if not matrix.has_canonical_format:
            matrix = matrix.copy() if matrix is data else matrix
            matrix.sum_duplicates()
        self._shape = int(matrix.shape[0]), int(matrix.shape[1])
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
        self._by_row = starts, features, values
        self._present = int(values.size)

    def _check_categorical(self, allowed: bool) -> None:
        """Raise `DataError` unless the columns marked as categorical hold categories, and no others."""
        marked = set(np.flatnonzero(self.categorical).tolist())
        for f in sorted(set(self.categories) - marked):
            raise DataError(
                f"column {self._name(f)} holds categories, feature_types says {(self._types or [''])[f]!r}: "
                'give "c" there'
            )
        for f in sorted(marked):
            if not allowed:
                raise DataError(
                    f"column {self._name(f)} is categorical: give enable_categorical=True, or numbers"
                )
            if f in self.categories:
                continue
            rows, values = self.column(f)
            bad = (values < 0) | (values >= MOST_CODES) | (values != np.floor(values))
            bad &= ~np.isnan(values)
            if bad.any():
                at = int(np.argmax(bad))
                row = at if isinstance(rows, slice) else int(rows[at])
                raise DataError(
                    f"column {self._name(f)} is marked as categorical: its values must be whole numbers "
                    f"from 0 to {MOST_CODES - 1}, got {values[at]:g} in row {row}"
                )

    def _name(self, f: int) -> str:
        return repr(self._names[f]) if self._names else str(f)


class QuantileDMatrix(DMatrix):
    """A `DMatrix` for one number of bins. It trains the same model as a `DMatrix` with that `max_bin`.

    Parameters
    ----------
    data, label, **options
        As for `DMatrix`.
    max_bin : int, optional
        Must be that of the training parameters. That of `ref` when absent, or else the default of the
        parameters.
    ref : DMatrix, optional
        Where this table is to evaluate a model, the training table: the two must have the same columns, and
        values become codes by the cuts and the categories of `ref`.
    """

    def __init__(
        self,
        data: Any,
        label: ArrayLike | None = None,
        *,
        max_bin: int | None = None,
        ref: DMatrix | None = None,
        **options: Any,
    ) -> None:
        super().__init__(data, label, **options)
        if max_bin is not None and (isinstance(max_bin, bool) or int(max_bin) != max_bin or max_bin < 2):
            raise DataError(f"max_bin must be an integer of at least 2, got {max_bin!r}")
        self.max_bin = None if max_bin is None else int(max_bin)
        self.ref = ref
        if ref is None:
            return
        if self.num_col() != ref.num_col():
            raise DataError(f"ref has {ref.num_col()} columns, the data has {self.num_col()}")
        if max_bin is None:
            self.max_bin = ref.max_bin
        elif ref.max_bin not in (None, max_bin):
            raise DataError(f"ref has max_bin={ref.max_bin}, got max_bin={max_bin}: give both the same")
        coded = self.recoded(ref.categories)
        self.__dict__.update(coded.__dict__)


def _or_empty(values: NDArray | None) -> NDArray:
    return np.empty(0, dtype=np.float32) if values is None else values


def _infinite(row: int, column: str) -> DataError:
    return DataError(
        f"data holds infinity, or a number too large for float32, in row {row}, column {column}: give finite "
        "numbers, or NaN for missing ones"
    )


def _marked(values: Float32s, absent: float, *, owned: bool) -> Float32s:
    """Return values with NaN in place of the number that means "missing"."""
    if np.isnan(absent):
        return values
    values = values if owned else values.copy()
    values[values == np.float32(absent)] = np.nan
    return values


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
        return np.require(array, dtype=np.float32, requirements=["C", "W"])
