"""The meta information of a table: labels, weights, margins, query groups, feature names and types."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Generic, TypeVar, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from boost.data import validation
from boost.errors import DataError

Float32s = NDArray[np.float32]
Floats = NDArray[np.float64]
Field = TypeVar("Field")
# The fields that have an entry for each row.
BY_ROW = "label", "weight", "base_margin", "label_lower_bound", "label_upper_bound"
FLOAT_FIELDS = (*BY_ROW, "feature_weights")
UINT_FIELDS = "group", "group_ptr", "qid"
# All fields, by the attributes that hold them.
FIELDS = (*FLOAT_FIELDS, "_bounds", "_names", "_types")


class State(tuple[Any, ...]):
    """The values of some fields at one time: what is derived from them is kept together with their state.

    A field is never changed in place, only replaced. So two states are equal when they hold the same objects.
    """

    __slots__ = ()
    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, State) and all(a is b for a, b in zip(self, other, strict=True))

    def __ne__(self, other: object) -> bool:
        return not self == other


class _Array(Generic[Field]):
    """A field that is a read-only array, or None; an array that is assigned is checked and copied."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, table: None, owner: type) -> _Array[Field]: ...
    @overload
    def __get__(self, table: MetaInfo, owner: type) -> Field: ...
    def __get__(self, table: MetaInfo | None, owner: type) -> Any:
        return self if table is None else table.__dict__[self._name]

    def __set__(self, table: MetaInfo, values: Any) -> None:
        if values is None:
            table.__dict__[self._name] = None
        else:
            table.set_info(**{self._name: values})


class MetaInfo:
    """Labels, weights, margins, label bounds and query groups of rows; names, types and weights of features.

    Each of them may be set at any time, also between the rounds of a training, and holds from then on. Arrays
    are copied when they are set, and those of the attributes are read-only.

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

    label = _Array["Float32s | None"]()
    weight = _Array["Float32s | None"]()
    base_margin = _Array["Floats | None"]()
    label_lower_bound = _Array["Float32s | None"]()
    label_upper_bound = _Array["Float32s | None"]()
    feature_weights = _Array["Floats | None"]()

    def __init__(self, shape: tuple[int, int]) -> None:
        self._shape = shape
        self._names: list[str] | None = None
        self._types: list[str] | None = None
        self._bounds: NDArray[np.int64] | None = None
        self.__dict__.update(dict.fromkeys(FLOAT_FIELDS))
        self._group_weight: NDArray | None = None  # waits for the query groups

    def state(self, *fields: str) -> State:
        """Return the state of some fields, of `FIELDS`, or of all."""
        return State(self.__dict__[name] for name in fields or FIELDS)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update({"_group_weight": None, **state})
        for name in FIELDS:
            self._hold(name, self.__dict__[name])

    def _hold(self, name: str, values: Any) -> None:
        """Set a field to an array that nobody else writes to, or to a list."""
        if isinstance(values, np.ndarray):
            values.setflags(write=False)
        self.__dict__[name] = values

    def _types_changed(self) -> None:
        """Called after the feature types are set; a subclass raises `DataError` if they do not fit."""

    @property
    def feature_names(self) -> list[str] | None:
        """Names of the features, or None; a copy. May be set."""
        return None if self._names is None else list(self._names)

    @feature_names.setter
    def feature_names(self, names: Sequence[str] | None) -> None:
        self._names = validation.check_names(names, self._shape[1])

    @property
    def feature_types(self) -> list[str] | None:
        """Types of the features, or None; a copy. May be set."""
        return None if self._types is None else list(self._types)

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
            self._hold("_bounds", validation.check_groups(group, qid, rows))
            weight = self._group_weight if weight is None else weight
        if label is not None:
            self._hold("label", validation.check_label(label, rows))
        if weight is not None:
            self._group_weight = self._before_groups(weight)
            if self._group_weight is None:
                self._hold("weight", validation.check_weight(weight, rows, self._bounds))
        if base_margin is not None:
            self._hold("base_margin", validation.check_margin(base_margin, rows))
        lower, upper = self.label_lower_bound, self.label_upper_bound
        if label_lower_bound is not None:
            lower = validation.check_bound("label_lower_bound", label_lower_bound, rows)
        if label_upper_bound is not None:
            upper = validation.check_bound("label_upper_bound", label_upper_bound, rows)
        validation.check_bounds(lower, upper)
        self._hold("label_lower_bound", lower)
        self._hold("label_upper_bound", upper)
        if feature_weights is not None:
            self._hold("feature_weights", validation.check_feature_weights(feature_weights, columns))

    def _before_groups(self, weight: ArrayLike) -> NDArray | None:
        """Return weights of query groups that are not given yet; None for all others."""
        given = np.array(weight)
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
        """Return a copy of the labels; an empty array when they are not set."""
        return _copy(self.label)

    def get_weight(self) -> Float32s:
        """Return a copy of the weights of the rows; an empty array when they are not set."""
        return _copy(self.weight)

    def get_base_margin(self) -> NDArray[np.float64]:
        """Return a copy of the base margins, of shape (rows,) or (rows, outputs); empty without them."""
        if self.base_margin is None:
            return np.empty(0)
        margin = self.base_margin.copy()
        return margin[:, 0] if margin.shape[1] == 1 else margin

    def get_group(self) -> NDArray[np.int64]:
        """Return the sizes of the query groups; an empty array without groups."""
        return np.empty(0, dtype=np.int64) if self._bounds is None else np.diff(self._bounds)

    def get_float_info(self, field: str) -> NDArray:
        """Return a copy of one field, by its name; an empty array when it is not set.

        Parameters
        ----------
        field : {"label", "weight", "base_margin", "label_lower_bound", "label_upper_bound",
        "feature_weights"}
        """
        if field not in FLOAT_FIELDS:
            raise DataError(f"field must be one of {', '.join(map(repr, FLOAT_FIELDS))}, got {field!r}")
        return self.get_base_margin() if field == "base_margin" else _copy(getattr(self, field))

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
        return np.empty(0, dtype=np.int64) if self._bounds is None else self._bounds.copy()

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
        return bounds[np.diff(bounds, prepend=-1) > 0]

    def _take_info(self, whole: MetaInfo, index: NDArray, allow_groups: bool) -> None:
        """Set the fields to those of some rows of another table."""
        self._hold("_bounds", None)
        if whole._bounds is not None:
            if not allow_groups:
                raise DataError("the table has query groups: pass allow_groups=True to slice it")
            of_row = np.searchsorted(whole._bounds, index, side="right")
            self._hold("_bounds", validation.check_groups(None, of_row, index.size))
        for name in BY_ROW:
            values = getattr(whole, name)
            self._hold(name, None if values is None else values[index])


def _copy(values: NDArray | None) -> NDArray:
    return np.empty(0, dtype=np.float32) if values is None else values.copy()
