"""The `DMatrix`: a table of values, in memory, under XGBoost's names."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from boost.data.batches.data_iter import is_batches
from boost.data.frames.dictionary import CategoryIndex
from boost.data.table import Table
from boost.errors import DataError

Float32s = NDArray[np.float32]


class DataSplitMode(IntEnum):
    """How a table is divided among workers: only by rows here."""

    ROW = 0
    COL = 1


class DMatrix(Table):
    """A table of float32 values in which NaN means "missing".

    Parameters
    ----------
    data : array_like, frame, SciPy sparse matrix or array, of shape (rows, features), or name of a file
        A frame is a pandas or polars DataFrame or Series, a PyArrow Table or RecordBatch, or an object with
        one of the protocols ``__arrow_c_stream__`` and ``__dataframe__``. It is copied, so that its memory
        may be used for other values afterwards, with one exception, for the sake of memory: a row-major,
        writeable float32 array of more than 32 MB, and a CSR matrix of that size, are used in place. They
        must not change while the table is in use; a training and a prediction that find them changed raise.
        Entries that are absent from a sparse matrix are missing, as in XGBoost; stored zeros are zeros.
        Columns of strings and categories become numbers by a dictionary of their sorted values, see
        `categories`. Values that do not fit in memory are given in batches, see
        `QuantileDMatrix`; the batches of a `DataIter` that is given here are joined in memory. The name of a
        file is that of `save_binary`, or of a text file, such as ``"train.txt?format=libsvm"`` or
        ``"train.csv?format=csv&label_column=0"``, see `boost.data.files.text.read_text`.
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
    feature_types : sequence of str, or the result of `get_categories`, optional
        "float", "int", "i" or "q" for each numerical feature, "c" for a categorical one. A column of numbers
        that is marked as categorical must hold codes: 0, 1, 2, ... In place of types, the dictionaries of
        another table or a model, which this table is given, too.
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
    data_split_mode : DataSplitMode
        Must be that of rows.

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
        For a table without columns, infinite values, duplicate or missing names, columns that are neither
        numbers nor categories, and arrays whose length does not fit the table.

    Notes
    -----
    Labels, weights and all other fields may be set between two rounds of a training, and in its callbacks:
    each round uses what its tables hold then. New weights, or feature types, also make new bins; a table from
    batches, whose values are not kept, keeps its bins.
    """

    def __init__(
        self,
        data: Any,
        label: ArrayLike | None = None,
        weight: ArrayLike | None = None,
        base_margin: ArrayLike | None = None,
        missing: float | None = None,
        silent: bool = False,
        feature_names: Sequence[str] | None = None,
        feature_types: Sequence[str] | CategoryIndex | None = None,
        nthread: int | None = None,
        group: ArrayLike | None = None,
        qid: ArrayLike | None = None,
        label_lower_bound: ArrayLike | None = None,
        label_upper_bound: ArrayLike | None = None,
        feature_weights: ArrayLike | None = None,
        enable_categorical: bool = True,
        data_split_mode: int = DataSplitMode.ROW,
    ) -> None:
        if data_split_mode != DataSplitMode.ROW:
            raise DataError("a table is divided among workers by rows only: leave data_split_mode out")
        info: dict[str, Any] = {
            "weight": weight,
            "base_margin": base_margin,
            "group": group,
            "qid": qid,
            "label_lower_bound": label_lower_bound,
            "label_upper_bound": label_upper_bound,
            "feature_weights": feature_weights,
        }
        columns: dict[str, Any] = {"missing": missing, "enable_categorical": enable_categorical}
        if is_batches(data):
            from boost.data.batches.reader import join_batches

            data = join_batches(data, columns)
        super().__init__(
            data, label, feature_names=feature_names, feature_types=feature_types, **columns, **info
        )

    def data_split_mode(self) -> DataSplitMode:
        """How the table is divided among workers: by rows."""
        return DataSplitMode.ROW

    def get_quantile_cut(self) -> tuple[NDArray[np.uint64], Float32s]:
        """Return the bounds of the bins by which the table is, or would be, binned.

        The number of bins is that of the last training; without one, `max_bin`, or the default of the
        parameters.

        Returns
        -------
        indptr : uint64 array of shape (features + 1,)
            The first bound of each feature, and the number of bounds.
        values : float32 array of shape (bounds,)
            Increasing within a feature: bin i holds the values from bound i to below bound i + 1. The outer
            bounds are infinite. For a categorical feature: its codes.
        """
        from boost.data.binning import bin_table
        from boost.params import BY_NAME
        from boost.threads import Team

        bins = next(reversed(self._binned), self.max_bin or int(BY_NAME["max_bin"].default))
        with Team() as team:
            cuts = bin_table(self, bins, team).cuts
        bounds = [
            np.concatenate(([0.0], cuts.column(f)) if marked else ([-np.inf], cuts.column(f), [np.inf]))
            for f, marked in enumerate(self.categorical)
        ]
        ends = np.cumsum([0, *map(len, bounds)])
        return ends.astype(np.uint64), np.concatenate(bounds).astype(np.float32)


class TableView(DMatrix):
    """A table that uses the caller's data in place where it can: for use within one call."""

    owns_values = False
