"""The `DMatrix`: the feature values of a table with its labels, weights, margins and query groups."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from boost.data import validation
from boost.data.frames.dictionary import Categories, recode
from boost.data.frames.frame import encode_frame, is_frame
from boost.data.meta_info import MetaInfo, State
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
    from boost.data.binned_matrix import BinnedMatrix, SparseBinnedMatrix

# Integers below this one are exact in float32.
MOST_CODES = 1 << 24
Table = TypeVar("Table", bound="DMatrix")


class DMatrix(MetaInfo):
    """A table of float32 values in which NaN means "missing".

    Parameters
    ----------
    data : array_like, frame, or SciPy sparse matrix or array, of shape (rows, features)
        A frame is a pandas or polars DataFrame, a PyArrow Table or RecordBatch, or an object with one of the
        protocols ``__arrow_c_stream__`` and ``__dataframe__``. It is copied, so that its memory may be used
        for other values afterwards, with one exception, for the sake of memory: a row-major, writeable
        float32 array of more than 32 MB, and a CSR matrix of that size, are used in place. They must not
        change while the table is in use; a training and a prediction that find them changed raise. Entries
        that are absent from a sparse matrix are missing, as in XGBoost; stored zeros are zeros. Columns of
        strings and categories become numbers by a dictionary of their sorted values, see `categories`. Values
        that do not fit in memory are given in batches, see `QuantileDMatrix`.
    label : array_like of shape (rows,) or (rows, outputs), optional
    weight : array_like of shape (rows,), optional
        Not negative, not all zero. With query groups, one weight for each group is accepted, too.
    base_margin : array_like of shape (rows,) or (rows, outputs), optional
        Margins to start from, in place of the base score.
    missing : float, optional
        A number that means "missing" besides NaN, in columns of numbers.
    silent : bool
        Has no effect: nothing is printed.
    feature_names : sequence of str, optional
        Taken from a frame when absent.
    feature_types : sequence of str, optional
        "float", "int", "i" or "q" for each numerical feature, "c" for a categorical one. A column of numbers
        that is marked as categorical must hold codes: 0, 1, 2, ...
    nthread : int, optional
        Has no effect: a table is binned by the threads of the training run.
    group : array_like of int, optional
        Sizes of the query groups, for ranking; the rows of a group are consecutive.
    qid : array_like of shape (rows,), optional
        In place of `group`: the identifier of the query group of each row. Rows of a group must be
        consecutive.
    label_lower_bound, label_upper_bound : array_like of shape (rows,), optional
        For survival:aft, the interval of the label; an upper bound of infinity means right-censored.
    feature_weights : array_like of shape (features,), optional
        Relative probabilities with which colsample_bytree, bylevel and bynode draw the features.
    enable_categorical : bool
        Whether categorical columns are allowed.

    Attributes
    ----------
    label : float32 array of shape (rows,) or (rows, outputs), or None
    weight, label_lower_bound, label_upper_bound : float32 arrays of shape (rows,), or None
    base_margin : float64 array of shape (rows, outputs), or None
    feature_weights : float64 array of shape (features,), or None
        These are read-only arrays; assign another one, or None, to change a field. It is checked and copied.
    categories : dict of int to list
        For the index of each column of strings or categories: the values, in the order of their codes.

    Raises
    ------
    DataError
        For an empty table, infinite values, duplicate or missing names, columns that are neither numbers nor
        categories, and arrays whose length does not fit the table.

    Notes
    -----
    Labels, weights and all other fields may be set between two rounds of a training, and in its callbacks:
    each round uses what its tables hold then. New weights, or feature types, also make new bins; a table from
    batches, whose values are not kept, keeps its bins.
    """

    # Of a `QuantileDMatrix`: the only number of bins it can be used with, and the table whose cuts it uses.
    max_bin: int | None = None
    ref: DMatrix | None = None
    # Whether the values stay as they are when the caller changes the data.
    owns_values = True

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
            values = sparse_values(data, absent, self.owns_values)
        elif callable(data) or hasattr(data, "reset"):
            raise DataError("a DMatrix cannot be made from batches: give them to QuantileDMatrix")
        else:
            values = array_values(data, absent, self.owns_values)
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
        """Set the values and the columns; raise `DataError` for an empty table."""
        if 0 in values.shape:
            raise DataError(f"data has no rows or no columns: its shape is {values.shape}")
        super().__init__(values.shape)
        self._values = values
        self._names = validation.check_names(names, self._shape[1])
        self._types = validation.check_types(types, self._shape[1])
        self.categories = categories
        # For each number of bins: the bins, and the state of what they were made from.
        self._binned: dict[int, tuple[State, BinnedMatrix | SparseBinnedMatrix]] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_binned": {}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__({**state, "_binned": {}})

    def _types_changed(self) -> None:
        self._check_categorical(True)

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
        """Whether only the present entries are stored, see `by_row`."""
        return isinstance(self._values, SparseValues)

    @property
    def density(self) -> float:
        """Fraction of the values that is stored: 1 for a dense table."""
        return self._values.present / (self._shape[0] * self._shape[1]) if self.is_sparse else 1.0

    def by_row(self) -> Entries:
        """Return the present entries of a sparse table in CSR layout.

        Returns
        -------
        starts : int64 array of shape (rows + 1,)
        features : int32 array of shape (entries,), increasing within a row
        values : float32 array of shape (entries,)

        Raises
        ------
        TypeError
            For a dense table.
        """
        return self._sparse().by_row

    def by_column(self) -> ColumnEntries:
        """Return the present entries of a sparse table in CSC layout.

        Returns
        -------
        starts : int64 array of shape (features + 1,)
        rows : uint32 array of shape (entries,), increasing within a column
        values : float32 array of shape (entries,)

        Raises
        ------
        TypeError
            For a dense table.
        """
        return self._sparse().by_column()

    def _sparse(self) -> SparseValues:
        if not isinstance(self._values, SparseValues):
            raise TypeError("the table is dense: it has rows and columns, but no sparse entries")
        return self._values

    def column(self, f: int) -> tuple[slice | NDArray[np.uint32], Float32s]:
        """Return the rows and the values of one column; of a sparse table, those of the present entries."""
        return self._values.column(f)

    def dense_rows(self, begin: int, end: int) -> Float32s:
        """Return rows ``begin`` to ``end - 1`` as a row-major array, NaN where values are missing."""
        return self._values.dense_rows(begin, end)

    def has_missing(self, features: NDArray[np.intp]) -> bool:
        """Whether any value of these columns is missing."""
        return self._values.has_missing(features)

    def check_values(self) -> None:
        """Raise `DataError` when an array that the table uses in place has been changed."""
        self._values.check()

    def check_forest(self, forest: Any) -> None:
        """Raise `DataError` when the table cannot decide the splits of a forest.

        A table of values can decide all splits, a table from batches only those at its cuts.

        Parameters
        ----------
        forest : Forest
        """
        self._values.check_forest(forest)

    def slice(self, rindex: ArrayLike, allow_groups: bool = False) -> DMatrix:
        """Return a table of some rows, with their labels and other meta information.

        Parameters
        ----------
        rindex : array_like of int, shape (n,)
            The rows, in their order in the new table.
        allow_groups : bool
            Whether a table with query groups may be sliced. The chosen rows of a group form a group of the
            new table, and must be consecutive there.

        Raises
        ------
        DataError
            For rows that do not exist, and for query groups when they are not allowed or not consecutive.
        """
        index = np.asarray(rindex)
        rows = self._shape[0]
        if index.ndim != 1 or (index.size and index.dtype.kind not in "iu"):
            raise DataError(
                f"rindex must be a list of row numbers, got an array of {index.dtype}, shape {index.shape}"
            )
        if index.size == 0:
            raise DataError("rindex is empty: a table needs at least one row, got no rows")
        if index.min() < 0 or index.max() >= rows:
            raise DataError(f"rindex must lie within 0 and {rows - 1}, got {index.min()} to {index.max()}")
        self.check_values()
        part = object.__new__(DMatrix)
        part.__dict__.update(self.__dict__)
        part._binned = {}
        part._shape = index.size, self._shape[1]
        part._take_info(self, index, allow_groups)
        part._values = self._values.take(index)
        return part

    def reordered(self: Table, features: NDArray[np.intp]) -> Table:
        """Return this table with its columns in another order.

        Parameters
        ----------
        features : int array of shape (features,)
            The index of each new column in this table.
        """
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
        """Return this table with the codes of other dictionaries; values that they lack become missing.

        Parameters
        ----------
        categories : mapping of int to list
            The new dictionaries, those of a model.

        Raises
        ------
        DataError
            For a column that has a dictionary in only one of the table and the model.
        """
        if self.categories == dict(categories):
            return self
        # A column of strings that are all missing looks like a column of numbers.
        blank = []
        for f in sorted({*self.categories, *categories}):
            if f not in categories:
                raise DataError(f"column {self._name(f)} holds categories, but holds numbers in the model")
            if f not in self.categories:
                if not np.isnan(self.column(f)[1]).all():
                    raise DataError(
                        f"column {self._name(f)} holds numbers, but holds categories in the model: "
                        f"{categories[f][:3]}"
                    )
                blank.append(f)
        if not isinstance(self._values, DenseValues):
            raise DataError(
                "the categories of a sparse or binned table cannot be changed: give a dense table"
            )
        other = copy.copy(self)
        other._values = DenseValues(recode(self._values.array, self.categories, categories))
        other.categories = dict(categories)
        if other._types is not None:
            other._types = ["c" if f in blank else t for f, t in enumerate(other._types)]
        other._binned = {}
        return other

    def _check_categorical(self, allowed: bool) -> None:
        """Raise `DataError` unless exactly the columns marked as categorical hold categories or codes."""
        marked = set(np.flatnonzero(self.categorical).tolist())
        for f in sorted(set(self.categories) - marked):
            raise DataError(
                f"column {self._name(f)} holds categories, but its feature type is "
                f"{(self._types or [''])[f]!r}: it must be 'c'"
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
                    f"column {self._name(f)} is marked as categorical: its values must be integers "
                    f"from 0 to {MOST_CODES - 1}, got {values[at]:g} in row {row}"
                )

    def _name(self, f: int) -> str:
        return repr(self._names[f]) if self._names else str(f)


class TableView(DMatrix):
    """A table that uses the caller's data in place where it can: for use within one call."""

    owns_values = False
