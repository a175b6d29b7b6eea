"""The `DMatrix`: one table with its labels, weights, margins and groups, whatever it came from."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from boost.data import check
from boost.data.frames.dictionary import Categories, recode
from boost.data.frames.frame import encode_frame, is_frame
from boost.data.info import Info
from boost.data.values import (
    ColumnEntries,
    DenseValues,
    Entries,
    Float32s,
    SparseValues,
    Values,
    array_values,
    sparse_values,
)
from boost.errors import DataError

if TYPE_CHECKING:
    from boost.data.binning import BinnedMatrix, SparseBinnedMatrix

__all__ = ["DMatrix", "DataError"]

# Whole numbers below this one have a float32 of their own.
MOST_CODES = 1 << 24
Table = TypeVar("Table", bound="DMatrix")


class DMatrix(Info):
    """A table of float32 values in which NaN means "missing".

    Parameters
    ----------
    data : array_like, frame, or SciPy sparse matrix or array, of shape (rows, features)
        A frame is a pandas or polars DataFrame, a PyArrow Table or RecordBatch, or an object with one of the
        protocols ``__arrow_c_stream__`` and ``__dataframe__``. A row-major, writeable float32 array, and a
        CSR matrix of float32 values, are used in place: do not change them while the table is in use. All
        else is copied, once. Entries that are absent from a sparse matrix are missing, as in XGBoost; stored
        zeros are zeros. Columns of strings and categories become numbers by a dictionary of their sorted
        values, see `categories`. What does not fit in memory comes in batches, see `QuantileDMatrix`.
    label : array_like of shape (rows,) or (rows, outputs), optional
    weight : array_like of shape (rows,), optional
        Not negative, not all zero. With groups, one weight for each group will do.
    base_margin : array_like of shape (rows,) or (rows, outputs), optional
        Margins to start from, in place of the base score.
    missing : float, optional
        A number that means "missing" besides NaN; not in columns of strings and categories.
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
        names: Sequence[str] | None = None
        types: Sequence[str] | None = None
        categories: Categories = {}
        absent = np.nan if missing is None else float(missing)
        values: Values
        if is_frame(data):
            array, names, types, categories = encode_frame(data, absent)
            values = DenseValues(array, names)
        elif hasattr(data, "tocsr"):
            values = sparse_values(data, absent)
        elif callable(data) or hasattr(data, "reset"):
            raise DataError("an iterator of batches makes a QuantileDMatrix, not a DMatrix")
        else:
            values = array_values(data, absent)
        self._fill(
            values,
            feature_names if feature_names is not None else names,
            feature_types if feature_types is not None else types,
            categories,
        )
        self._check_categorical(enable_categorical)
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

    def _fill(
        self,
        values: Values,
        names: Sequence[str] | None,
        types: Sequence[str] | None,
        categories: Categories,
    ) -> None:
        """Take values and columns."""
        if 0 in values.shape:
            raise DataError(f"data has no rows or no columns: its shape is {values.shape}")
        super().__init__(values.shape)
        self._values = values
        self._names = check.check_names(names, self._shape[1])
        self._types = check.check_types(types, self._shape[1])
        self.categories = categories
        self._binned: dict[int, BinnedMatrix | SparseBinnedMatrix] = {}

    def _weights_changed(self) -> None:
        self._binned = {}  # cuts depend on weights

    def _types_changed(self) -> None:
        self._check_categorical(True)
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
        return self._values.present

    @property
    def is_sparse(self) -> bool:
        """Whether only the present entries are kept, see `by_row`."""
        return isinstance(self._values, SparseValues)

    @property
    def density(self) -> float:
        """Share of the table that is kept: of the entries of a sparse one, 1 for a dense one."""
        return self._values.present / (self._shape[0] * self._shape[1]) if self.is_sparse else 1.0

    def by_row(self) -> Entries:
        """Return the present entries of a sparse table, row by row.

        Returns
        -------
        starts : int64 array of shape (rows + 1,)
        features : int32 array of shape (entries,), rising within a row
        values : float32 array of shape (entries,)
        """
        return self._sparse().by_row

    def by_column(self) -> ColumnEntries:
        """Return the present entries of a sparse table, column by column.

        Returns
        -------
        starts : int64 array of shape (features + 1,)
        rows : uint32 array of shape (entries,), rising within a column
        values : float32 array of shape (entries,)
        """
        return self._sparse().by_column()

    def _sparse(self) -> SparseValues:
        if not isinstance(self._values, SparseValues):
            raise TypeError("a dense table has no list of entries")
        return self._values

    def column(self, f: int) -> tuple[slice | NDArray[np.uint32], Float32s]:
        """Return rows and values of one column; the rows of a sparse column are those that are present."""
        return self._values.column(f)

    def dense_rows(self, begin: int, end: int) -> Float32s:
        """Return some rows as a row-major array, NaN where values are missing."""
        return self._values.dense_rows(begin, end)

    def has_missing(self, features: NDArray[np.intp]) -> bool:
        """Whether any value of some columns is missing."""
        return self._values.has_missing(features)

    def check_forest(self, forest: Any) -> None:
        """Raise `DataError` when trees ask what the table cannot answer; only one of bins alone cannot."""
        if hasattr(self._values, "check_forest"):
            self._values.check_forest(forest)

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
        part._shape = index.size, self._shape[1]
        part._take_info(self, index, allow_groups)
        part._values = self._values.take(index)
        return part

    def reordered(self: Table, features: NDArray[np.intp]) -> Table:
        """Return this table with its columns in another order, given by their numbers."""
        other = copy.copy(self)
        other._values = self._values.reordered(features)
        other._names = None if self._names is None else [self._names[f] for f in features]
        other._types = None if self._types is None else [self._types[f] for f in features]
        other.categories = {
            new: self.categories[old] for new, old in enumerate(features.tolist()) if old in self.categories
        }
        if self.feature_weights is not None:
            other.feature_weights = self.feature_weights[features]
        other._binned = {}
        return other

    def recoded(self: Table, categories: Mapping[int, list[Any]]) -> Table:
        """Return this table with its categories in another dictionary's codes; unknown values are missing.

        Raises
        ------
        DataError
            When a column is categorical on one side only.
        """
        if self.categories == dict(categories):
            return self
        # A column of strings of which none is present does not look like one.
        blank = []
        for f in sorted({*self.categories, *categories}):
            if f not in categories:
                raise DataError(f"column {self._name(f)} holds categories, but the model has numbers there")
            if f not in self.categories:
                if not np.isnan(self.column(f)[1]).all():
                    raise DataError(
                        f"column {self._name(f)} holds numbers, but the model has categories there: "
                        f"{categories[f][:3]}"
                    )
                blank.append(f)
        if not isinstance(self._values, DenseValues):
            raise DataError("only a dense table can be given other categories")
        other = copy.copy(self)
        other._values = DenseValues(recode(self._values.array, self.categories, categories))
        other.categories = dict(categories)
        if other._types is not None:
            other._types = ["c" if f in blank else t for f, t in enumerate(other._types)]
        other._binned = {}
        return other

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
