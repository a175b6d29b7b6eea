"""The `Table`: feature values with their columns, labels, weights, margins and query groups."""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from boost.data import validation
from boost.data.frames.dictionary import Categories, CategoryIndex, are_equal, check_same_types, recode
from boost.data.frames.frame import as_frame, encode_frame, is_frame
from boost.data.meta_info import FLOAT_FIELDS, MetaInfo, State
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
Kind = TypeVar("Kind", bound="Table")


class Source(NamedTuple):
    """What data of any kind holds.

    Attributes
    ----------
    values : Values
    columns : dict
        What is known of the columns: "names", "types" and "categories".
    info : dict
        The fields of `Table.set_info` that the data holds.
    """

    values: Values
    columns: dict[str, Any]
    info: dict[str, Any]


class Table(MetaInfo):
    """A table of float32 values in which NaN means "missing": a `boost.DMatrix` without batches and cuts.

    Parameters
    ----------
    data : array_like, frame, SciPy sparse matrix or array, or name of a file
    label : array_like, optional
    missing, feature_names, feature_types, enable_categorical
        As for `boost.DMatrix`.
    **info
        The fields of `set_info`.

    Attributes
    ----------
    categories : dict of int to list
        For the index of each column of strings or categories: the values, in the order of their codes.

    Raises
    ------
    DataError
        As `boost.DMatrix`.
    """

    # Of a `QuantileDMatrix`: the only number of bins it can be used with, and the table whose cuts it uses.
    max_bin: int | None = None
    ref: Table | None = None
    # The table whose bins this one has, whatever their weights.
    binned_as: Table | None = None
    # Whether the values stay as they are when the caller changes the data.
    owns_values = True

    def __init__(
        self,
        data: Any,
        label: ArrayLike | None = None,
        *,
        missing: float | None = None,
        feature_names: Sequence[str] | None = None,
        feature_types: Sequence[str] | CategoryIndex | None = None,
        enable_categorical: bool = True,
        **info: Any,
    ) -> None:
        values, columns, held = read(data, np.nan if missing is None else float(missing), self.owns_values)
        index = None
        if isinstance(feature_types, CategoryIndex):
            index, feature_types = feature_types, None
        self._fill(
            values,
            feature_names if feature_names is not None else columns.get("names"),
            feature_types if feature_types is not None else columns.get("types"),
            columns.get("categories", {}),
        )
        self._check_categorical(enable_categorical)
        given = {name: value for name, value in {"label": label, **info}.items() if value is not None}
        self.set_info(**{**held, **given})
        if index is not None:
            self.__dict__.update(self.recoded(index.categories).__dict__)

    def _fill(
        self,
        values: Values,
        names: Sequence[str] | None,
        types: Sequence[str] | None,
        categories: Categories,
    ) -> None:
        """Set the values and the columns; raise `DataError` for a table without columns."""
        if values.shape[1] == 0:
            raise DataError(f"data has no columns: its shape is {values.shape}")
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

    def get_data(self) -> Any:
        """Return the present values as a SciPy CSR matrix of float32, shape (rows, features)."""
        from scipy.sparse import csr_matrix

        if self.is_sparse:
            starts, features, values = self.by_row()
        else:
            array = self.dense_rows(0, self._shape[0])
            present = ~np.isnan(array)
            starts = np.concatenate(([0], np.cumsum(present.sum(axis=1))))
            features, values = np.nonzero(present)[1].astype(np.int32), array[present]
        return csr_matrix((values, features, starts), shape=self._shape, copy=self.is_sparse)

    def get_categories(self, export_to_arrow: bool = False) -> CategoryIndex:
        """Return the dictionaries of the categorical features, for the ``feature_types`` of another table.

        Parameters
        ----------
        export_to_arrow : bool
            Accepted for compatibility with XGBoost: ``to_arrow`` is always available.
        """
        return CategoryIndex(self.categories, self._shape[1], self._names)

    def save_binary(self, fname: Any, silent: bool = True) -> None:
        """Write the table with its meta information to a file, which ``DMatrix(fname)`` reads.

        Parameters
        ----------
        fname : path
        silent : bool
            Has no effect: nothing is printed.

        Raises
        ------
        DataError
            For a table from batches, which holds no values.
        """
        from boost.data.files.binary import write_table

        info = {name: getattr(self, name) for name in FLOAT_FIELDS if getattr(self, name) is not None}
        if self._bounds is not None:
            info["group"] = np.diff(self._bounds)
        categories = sorted(self.categories.items())
        columns = {"names": self._names, "types": self._types, "categories": categories}
        write_table(os.path.expanduser(fname), self._values, info, columns)

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

    def slice(self: Kind, rindex: ArrayLike, allow_groups: bool = False) -> Kind:
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
        index = index.astype(np.int64)
        if index.size and (index.min() < 0 or index.max() >= rows):
            raise DataError(f"rindex must lie within 0 and {rows - 1}, got {index.min()} to {index.max()}")
        self.check_values()
        part = object.__new__(type(self))
        part.__dict__.update(self.__dict__)
        part._binned, part.binned_as = {}, None
        part._shape = index.size, self._shape[1]
        part._take_info(self, index, allow_groups)
        part._values = self._values.take(index)
        return part

    def reweighted(self: Kind, weight: NDArray[np.float64]) -> Kind:
        """Return this table with other weights, and with the bins of this one.

        Parameters
        ----------
        weight : float64 array of shape (rows,)
            Zero for rows that a training leaves out; they still reach its leaves.
        """
        other = copy.copy(self)
        other._binned = {}
        other.binned_as = self
        other.set_info(weight=weight)
        return other

    def reordered(self: Kind, features: NDArray[np.intp]) -> Kind:
        """Return this table with its columns in another order.

        Parameters
        ----------
        features : int array of shape (features,)
            The index of each new column in this table.
        """
        other = copy.copy(self)
        other._values = self._values.reordered(features)
        other.binned_as = None
        other._names = None if self._names is None else [self._names[f] for f in features]
        other._types = None if self._types is None else [self._types[f] for f in features]
        other.categories = {
            new: self.categories[old] for new, old in enumerate(features.tolist()) if old in self.categories
        }
        if self.feature_weights is not None:
            other.feature_weights = self.feature_weights[features]
        other._binned = {}
        return other

    def recoded(self: Kind, categories: Mapping[int, list[Any]]) -> Kind:
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
        if are_equal(self.categories, categories):
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
            else:
                check_same_types(self.categories[f], categories[f], self._name(f))
        if not isinstance(self._values, DenseValues):
            raise DataError(
                "the categories of a sparse or binned table cannot be changed: give a dense table"
            )
        other = copy.copy(self)
        other.binned_as = None
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


def read(data: Any, absent: float, own: bool) -> Source:
    """Return what data of any kind holds.

    Parameters
    ----------
    data : as for `boost.DMatrix`, or a Source
    absent : float
        The number that means "missing" besides NaN.
    own : bool
        See `boost.data.values.array_values`.
    """
    if isinstance(data, Source):
        return data
    if isinstance(data, (str, os.PathLike)):
        return _read_file(os.path.expanduser(data))
    data = as_frame(data)
    if is_frame(data):
        array, names, types, categories = encode_frame(data, absent)
        columns = {"names": names, "types": types, "categories": categories}
        return Source(DenseValues(array, names), columns, {})
    if hasattr(data, "tocsr"):
        return Source(sparse_values(data, absent, own), {}, {})
    return Source(array_values(data, absent, own), {}, {})


def _read_file(name: str) -> Source:
    if os.path.isfile(name):
        from boost.data.files.binary import is_binary, read_table

        if is_binary(name):
            values, info, columns = read_table(name)
            categories = {f: list(v) for f, v in columns["categories"]}
            return Source(values, {**columns, "categories": categories}, info)
    from boost.data.files.text import read_text

    text, info = read_text(name)
    return Source(text, {}, info)
