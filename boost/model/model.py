"""`Model`: objective, base score, forest and columns; it predicts, and holds no state of training."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from operator import index
from typing import Any

import numpy as np
from numpy.typing import NDArray

from boost.data.columns import align_columns
from boost.data.dmatrix import DMatrix, TableView
from boost.data.frames.dictionary import Categories
from boost.data.frames.frame import is_frame
from boost.encoding.encoding import ATTRIBUTE, Encoding
from boost.errors import DataError, ParameterError
from boost.forest.forest import Forest
from boost.forest.traverse import add_trees, leaf_nodes, rows_of
from boost.objective import Objective, make_objective
from boost.params import Params

Floats = NDArray[np.float64]
Range = tuple[int, int]


class Attributes(dict[str, str]):
    """Strings that are saved with a model. A call returns a plain copy, like XGBoost's ``attributes()``."""

    def __call__(self) -> dict[str, str]:
        return dict(self)

    def set(self, name: str, value: Any) -> None:
        """Set an attribute to the text of a value; None removes it."""
        if value is None:
            self.pop(name, None)
        else:
            self[name] = str(value)


class Model:
    """A trained model: all that predictions and model files need, and no state of training.

    Parameters
    ----------
    params : Params
    objective : Objective, optional
        By default, a new one of the kind that `params` name.

    Attributes
    ----------
    params : Params
        Immutable; replaced as a whole.
    objective : Objective
    base_score : float64 array of shape (n_outputs,)
        The prediction before the first tree; for multi:softprob, the margins.
    forest : Forest
    n_features : int
        0 before training.
    feature_names, feature_types : list of str, or None
    categories : dict of int to list
        Dictionaries of the categorical columns, see `boost.DMatrix`.
    attributes : Attributes
        Strings that are saved with the model.
    best_iteration, best_score : int and float, or None
        Set by early stopping.
    encoding : Encoding
        The columns that the model derives from those of a raw frame; kept among the attributes.
    """

    def __init__(self, params: Params, objective: Objective | None = None) -> None:
        self.params = params
        self.objective = make_objective(params) if objective is None else objective
        self.base_score = np.zeros(self.objective.n_outputs)
        self.forest = Forest(self.objective.n_outputs)
        self.n_features = 0
        self.feature_names: list[str] | None = None
        self.feature_types: list[str] | None = None
        self.categories: Categories = {}
        self.attributes = Attributes()

    @property
    def base_score(self) -> Floats:
        """The prediction before the first tree; float64, shape (n_outputs,)."""
        return self._base_score

    @base_score.setter
    def base_score(self, score: Floats) -> None:
        self._base_score = np.array(score, dtype=np.float64)
        self._base_score.setflags(write=False)
        self._start_margin: Floats | None = None

    @property
    def best_iteration(self) -> int | None:
        """The best round, which early stopping sets; kept among the attributes, as in XGBoost."""
        text = self.attributes.get("best_iteration")
        return None if text is None else int(text)

    @best_iteration.setter
    def best_iteration(self, iteration: int | None) -> None:
        self.attributes.set("best_iteration", iteration)

    @property
    def best_score(self) -> float | None:
        """The metric after the best round, which early stopping sets; kept among the attributes."""
        text = self.attributes.get("best_score")
        return None if text is None else float(text)

    @best_score.setter
    def best_score(self, score: float | None) -> None:
        self.attributes.set("best_score", score)

    @property
    def encoding(self) -> Encoding:
        """The columns that the model derives from those of a raw frame; an empty one by default."""
        text = self.attributes.get(ATTRIBUTE)
        if text is None:
            return Encoding()
        held: tuple[str, Encoding] | None = self.__dict__.get("_encoding")
        if held is None or held[0] != text:
            held = self._encoding = text, Encoding.from_json(text)
        return held[1]

    @encoding.setter
    def encoding(self, encoding: Encoding) -> None:
        self.attributes.set(ATTRIBUTE, encoding.to_json() if encoding.derived else None)

    def __setstate__(self, state: dict[str, Any]) -> None:
        best = {name: state.pop(name, None) for name in ("best_iteration", "best_score")}
        self.__dict__.update(state)
        for name, value in best.items():  # of earlier versions
            if value is not None:
                self.attributes.set(name, value)

    # Parts and copies

    def slice(self, begin: int, end: int, step: int = 1) -> Model:
        """Return a model of every `step`-th round from `begin` to ``end - 1``; the trees are shared."""
        other = copy.copy(self)
        other.forest = self.forest.slice(begin, end, step)
        other.attributes = Attributes(self.attributes)
        other.best_iteration = other.best_score = None
        return other

    def copy(self) -> Model:
        """Return an independent copy; the trees, which never change, are shared."""
        other = self.slice(0, self.forest.rounds)
        other.objective = copy.copy(self.objective)
        other.best_iteration, other.best_score = self.best_iteration, self.best_score
        return other

    def change_params(self, params: Params) -> None:
        """Replace the parameters, and with them the objective unless only the learning rate changes.

        Raises
        ------
        ParameterError
            For a change of the objective or of the trees of a round when there are trees.
        """
        before = self.params
        if self.forest.trees:
            for name in ("objective", "num_class", "num_parallel_tree", "multi_strategy"):
                if params[name] != before[name]:
                    raise ParameterError(
                        f"{name} cannot change from {before[name]!r} to {params[name]!r}: the model has trees"
                    )
        if not differ_in_eta_only(before, params):
            objective = make_objective(params)
            if objective.output_per_label:
                objective.set_outputs(self.objective.n_outputs)
            self.__dict__.update(objective=objective, params=params)  # both, or an interrupt leaves neither
        self.params = params

    # Tables

    def make_table(self, data: Any, missing: float | None = None, own: bool = False) -> DMatrix:
        """Return a `DMatrix` of an array, frame or sparse matrix.

        The columns of `encoding` are derived from those of a raw frame. The categorical columns of an array
        hold the codes of the model's dictionaries. The data may be used in place: unless `own` is true, the
        table is for use within one call.
        """
        if ATTRIBUTE in self.attributes and is_frame(data):
            data = self.encoding.transform(data)
        made = (DMatrix if own else TableView)(data, missing=missing)
        if self.categories and not is_frame(data):
            made.categories = dict(self.categories)
        return made

    def align(self, data: Any, validate_features: bool = True, own: bool = False) -> DMatrix:
        """Return a table in the model's order of columns and in its category codes.

        Parameters
        ----------
        data : DMatrix, array, frame or sparse matrix
        validate_features : bool
            Whether columns are matched by name, where both sides have names; by position otherwise.
        own : bool
            Whether the table must not change with the data, see `make_table`.

        Raises
        ------
        DataError
            A ValueError, for columns that the model does not have, for missing columns, and for data of a
            `DMatrix` that has changed.
        """
        if isinstance(data, DMatrix):
            data.check_values()
            self._refuse_raw(data)
        aligned = align_columns(
            data if isinstance(data, DMatrix) else self.make_table(data, own=own),
            self.n_features,
            self.feature_names,
            self.feature_types,
            self.categories,
            by_name=validate_features,
        )
        aligned.check_forest(self.forest)
        return aligned

    def _refuse_raw(self, data: DMatrix) -> None:
        """Raise `DataError` for a table of a raw frame: a `DMatrix` does not derive the model's columns."""
        names = data.feature_names
        if ATTRIBUTE in self.attributes and names and not self.encoding.is_encoded(names):
            derived = [name for column in self.encoding.derived for name in column.names]
            raise DataError(
                f"the model derives columns such as {derived[0]!r} from a raw frame, which this DMatrix was "
                "made of: give the frame itself (inplace_predict, an estimator), or "
                "DMatrix(booster.model.encoding.transform(frame))"
            )

    # Margins; tables are in the model's columns and codes, see `align`

    def trees_of(self, iteration_range: Range | None = (0, 0)) -> Range:
        """Return the range of the trees of a range of rounds; None, and zero as its end, mean all.

        Raises
        ------
        ValueError
            For rounds that the model does not have.
        """
        forest = self.forest
        first, last = (0, 0) if iteration_range is None else map(index, iteration_range)
        if first == last == 0:
            return 0, forest.trees
        last = last or forest.rounds
        if not 0 <= first <= last <= forest.rounds:
            raise ValueError(f"iteration_range must lie within (0, {forest.rounds}), got {iteration_range}")
        return forest.trees_of_rounds(first, last)

    def start_margin(self) -> Floats:
        """Return the margins of `base_score`; float64, shape (n_outputs,)."""
        if self._start_margin is None:
            self._start_margin = self.objective.to_margin(self._base_score)
        return self._start_margin

    def start_margins(self, table: DMatrix) -> Floats:
        """Return the margins before the first tree; float64, shape (rows, n_outputs).

        They are the table's base margins, or else those of `base_score`.

        Raises
        ------
        ValueError
            For base margins of another shape.
        """
        shape = (table.num_row(), self.objective.n_outputs)
        if table.base_margin is None:
            return np.tile(self.start_margin(), (shape[0], 1))
        if table.base_margin.shape != shape:
            raise ValueError(f"base_margin must have the shape {shape}, got {table.base_margin.shape}")
        return table.base_margin.copy()

    def margins(self, table: DMatrix, iteration_range: Range | None = (0, 0)) -> Floats:
        """Return the margins of a table; float64, shape (rows, n_outputs)."""
        margin = self.start_margins(table)
        first, last = self.trees_of(iteration_range)
        add_trees(self.forest, rows_of(table), margin, first, last, self.params.nthread)
        return margin

    def staged_margins(self, table: DMatrix) -> Iterator[Floats]:
        """Yield the margins after each round; float64, shape (rows, n_outputs).

        Each tree is traversed once. The same array is yielded, and changed, every time.
        """
        margin, rows = self.start_margins(table), rows_of(table)
        for i in range(self.forest.rounds):
            first, last = self.forest.trees_of_rounds(i, i + 1)
            add_trees(self.forest, rows, margin, first, last, self.params.nthread)
            yield margin

    def is_plain_array(self, data: Any) -> bool:
        """Return whether `data` is a row-major float32 array of the model's columns: it needs no `DMatrix`.

        This check takes a large part of the time of a prediction for one row.
        """
        return (
            type(data) is np.ndarray
            and data.dtype == np.float32
            and data.ndim == 2
            and data.flags.carray
            and data.shape[1] == self.n_features
            and len(data) > 0
        )

    def array_margins(self, x: NDArray[np.float32], iteration_range: Range | None = (0, 0)) -> Floats:
        """Return the margins of an array that `is_plain_array` accepts; float64, shape (rows, n_outputs).

        Raises
        ------
        DataError
            For infinite values.
        """
        margin = np.empty((len(x), self.objective.n_outputs))
        margin[:] = self.start_margin()
        first, last = self.trees_of(iteration_range)
        if add_trees(self.forest, lambda begin, end: x[begin:end], margin, first, last, self.params.nthread):
            DMatrix(x)  # raises, with the position
        return margin

    def leaves(self, table: DMatrix, iteration_range: Range | None = (0, 0)) -> NDArray[np.int32]:
        """Return the number of the leaf of each row in each tree; int32, shape (rows, trees)."""
        first, last = self.trees_of(iteration_range)
        return leaf_nodes(self.forest, table.dense_rows, table.num_row(), first, last, self.params.nthread)


def differ_in_eta_only(a: Params, b: Params) -> bool:
    """Return whether two records are equal except perhaps for the learning rate."""
    return {**vars(a), "eta": 0.0} == {**vars(b), "eta": 0.0}
