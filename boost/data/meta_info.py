"""The meta information of a table: labels, weights, margins, query groups, feature names and types."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from boost.data import validation
from boost.errors import DataError

Float32s = NDArray[np.float32]
# The fields that have an entry for each row.
BY_ROW = "label", "weight", "base_margin", "label_lower_bound", "label_upper_bound"
FLOAT_FIELDS = (*BY_ROW, "feature_weights")
UINT_FIELDS = "group", "group_ptr", "qid"


class MetaInfo:
    """Labels, weights, margins, label bounds and query groups of rows; names, types and weights of features.

    Parameters
    ----------
    shape : (rows, features)

    Attributes
    ----------
    label : float32 array of shape (rows,) or (rows, outputs), or None
    weight, label_lower_bound, label_upper_bound : float32 arrays of shape (rows,), or None
    base_margin : float64 array of shape (rows, outputs), or None
    feature_weights : float64 array of shape (features,), or None
    """

    def __init__(self, shape: tuple[int, int]) -> None:
        self._shape = shape
        self._names: list[str] | None = None
        self._types: list[str] | None = None
        self.label: Float32s | None = None
        self.weight: Float32s | None = None
        self.base_margin: NDArray[np.float64] | None = None
        self.label_lower_bound: Float32s | None = None
        self.label_upper_bound: Float32s | None = None
        self.feature_weights: NDArray[np.float64] | None = None
        self._bounds: NDArray[np.int64] | None = None
        self._group_weight: NDArray | None = None  # waits for the query groups

    def _weights_changed(self) -> None:
        """Called after the weights are set; a subclass discards what it derived from them."""

    def _types_changed(self) -> None:
        """Called after the feature types are set; a subclass raises `DataError` if they do not fit."""

    @property
    def feature_names(self) -> list[str] | None:
        """Names of the features, or None. May be set."""
        return self._names

    @feature_names.setter
    def feature_names(self, names: Sequence[str] | None) -> None:
        self._names = validation.check_names(names, self._shape[1])

    @property
    def feature_types(self) -> list[str] | None:
        """Types of the features, or None. May be set."""
        return self._types

    @feature_types.setter
    def feature_types(self, types: Sequence[str] | None) -> None:
        before, self._types = self._types, validation.check_types(types, self._shape[1])
        try:
            self._types_changed()
        except DataError:
            self._types = before
            raise

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
        """Set the fields that are given, and keep the others; parameters and errors as for `DMatrix`."""
        rows, columns = self._shape
        if feature_names is not None:
            self.feature_names = list(feature_names)
        if feature_types is not None:
            self.feature_types = list(feature_types)
        if group is not None or qid is not None:
            self._bounds = validation.check_groups(group, qid, rows)
            weight = self._group_weight if weight is None else weight
        if label is not None:
            self.label = validation.check_label(label, rows)
        if weight is not None:
            self._group_weight = self._before_groups(weight)
            if self._group_weight is None:
                self.weight = validation.check_weight(weight, rows, self._bounds)
                self._weights_changed()
        if base_margin is not None:
            self.base_margin = validation.check_margin(base_margin, rows)
        lower, upper = self.label_lower_bound, self.label_upper_bound
        if label_lower_bound is not None:
            lower = validation.check_bound("label_lower_bound", label_lower_bound, rows)
        if label_upper_bound is not None:
            upper = validation.check_bound("label_upper_bound", label_upper_bound, rows)
        validation.check_bounds(lower, upper)
        self.label_lower_bound, self.label_upper_bound = lower, upper
        if feature_weights is not None:
            self.feature_weights = validation.check_feature_weights(feature_weights, columns)

    def _before_groups(self, weight: ArrayLike) -> NDArray | None:
        """Return weights of query groups that are not given yet; None for all others."""
        given = np.asarray(weight)
        early = self._bounds is None and given.ndim == 1 and 1 < given.size < self._shape[0]
        return given if early else None

    def check_complete(self) -> None:
        """Raise `DataError` for weights of query groups in a table without such groups."""
        if getattr(self, "_group_weight", None) is not None:  # pickles of earlier versions lack it
            validation.check_weight(self._group_weight, self._shape[0], self._bounds)

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
        """Set the sizes of the query groups."""
        self.set_info(group=group)

    def get_label(self) -> Float32s:
        """Return the labels; an empty array when they are not set."""
        return _or_empty(self.label)

    def get_weight(self) -> Float32s:
        """Return the weights of the rows; an empty array when they are not set."""
        return _or_empty(self.weight)

    def get_base_margin(self) -> NDArray[np.float64]:
        """Return the base margins, shape (rows,) or (rows, outputs); an empty array when they are not set."""
        if self.base_margin is None:
            return np.empty(0)
        return self.base_margin[:, 0] if self.base_margin.shape[1] == 1 else self.base_margin

    def get_group(self) -> NDArray[np.int64]:
        """Return the sizes of the query groups; an empty array without groups."""
        return np.empty(0, dtype=np.int64) if self._bounds is None else np.diff(self._bounds)

    def get_float_info(self, field: str) -> NDArray:
        """Return one field, by its name; an empty array when it is not set.

        Parameters
        ----------
        field : {"label", "weight", "base_margin", "label_lower_bound", "label_upper_bound",
        "feature_weights"}
        """
        if field not in FLOAT_FIELDS:
            raise DataError(f"field must be one of {', '.join(map(repr, FLOAT_FIELDS))}, got {field!r}")
        return self.get_base_margin() if field == "base_margin" else _or_empty(getattr(self, field))

    def set_float_info(self, field: str, data: ArrayLike) -> None:
        """Set one of the fields of `get_float_info`."""
        self.get_float_info(field)  # raises for another name
        values: dict[str, Any] = {field: data}
        self.set_info(**values)

    def set_float_info_npy2d(self, field: str, data: ArrayLike) -> None:
        """Set one of the fields of `get_float_info`, under the name that XGBoost has for two dimensions."""
        self.set_float_info(field, data)

    def get_uint_info(self, field: str) -> NDArray[np.int64]:
        """Return the first rows of the query groups and the number of rows; an empty array without groups.

        Parameters
        ----------
        field : {"group_ptr"}
        """
        if field != "group_ptr":
            raise DataError(f"field must be 'group_ptr', got {field!r}")
        return np.empty(0, dtype=np.int64) if self._bounds is None else self._bounds

    def set_uint_info(self, field: str, data: ArrayLike) -> None:
        """Set the query groups.

        Parameters
        ----------
        field : {"group", "group_ptr", "qid"}
            The sizes of the groups, what `get_uint_info` returns, or the identifier of the group of each row.
        data : array_like of int
        """
        if field not in UINT_FIELDS:
            raise DataError(f"field must be one of {', '.join(map(repr, UINT_FIELDS))}, got {field!r}")
        if field == "qid":
            self.set_info(qid=data)
        else:
            self.set_info(group=np.diff(np.asarray(data)) if field == "group_ptr" else data)

    def group_bounds(self) -> NDArray[np.int64]:
        """Return the first row of each query group, and the number of rows; int64, shape (query groups + 1,).

        A table without groups is one group. Groups without rows are left out.
        """
        bounds = self._bounds
        if bounds is None:
            return np.array([0, self._shape[0]])
        filled = np.diff(bounds, prepend=-1) > 0
        return bounds if filled.all() else bounds[filled]

    def _take_info(self, whole: MetaInfo, index: NDArray, allow_groups: bool) -> None:
        """Set the fields to those of some rows of another table."""
        self._bounds = None
        if whole._bounds is not None:
            if not allow_groups:
                raise DataError("the table has query groups: pass allow_groups=True to slice it")
            of_row = np.searchsorted(whole._bounds, index, side="right")
            self._bounds = validation.check_groups(None, of_row, index.size)
        for name in BY_ROW:
            values = getattr(whole, name)
            setattr(self, name, None if values is None else values[index])


def _or_empty(values: NDArray | None) -> NDArray:
    return np.empty(0, dtype=np.float32) if values is None else values
