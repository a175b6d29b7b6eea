"""The model before its first new round: from a table, or from an earlier model."""

from __future__ import annotations

import numpy as np

from boost.config import warn
from boost.data.dmatrix import DMatrix
from boost.errors import DataError, ParameterError
from boost.forest.forest import Forest
from boost.model.model import Attributes, Model
from boost.objective import Objective
from boost.params import MULTI, Params


def start(model: Model, data: DMatrix, custom: bool = False) -> None:
    """Give a new model the columns of a table, an empty forest and a base score.

    Parameters
    ----------
    model : Model
    data : DMatrix
    custom : bool
        Whether gradients come from the caller: labels are then not checked.

    Raises
    ------
    DataError
        For a table without rows.
    LabelError
        For labels that the objective does not allow.
    ParameterError
        For a base score of another number of outputs.
    """
    objective, params = model.objective, model.params
    _fit_objective(objective, data, custom)
    outputs = objective.n_outputs
    model.feature_names, model.feature_types = data.feature_names, data.feature_types
    model.categories = dict(data.categories)
    model.forest = Forest(outputs, params.num_parallel_tree, has_vector_leaves(params, outputs))
    given = params.base_score
    if given is not None:
        if np.size(given) not in (1, outputs):
            raise ParameterError(f"base_score has {np.size(given)} numbers for {outputs} outputs")
        score = np.resize(np.asarray(given, dtype=np.float64), outputs)
        objective.to_margin(score)  # raises when it is out of range
    elif custom:
        score = np.full(outputs, 0.5)
    else:
        score = objective.start(data)
        if data.base_margin is not None:
            score = objective.neutral()
    # In the precision of a model file: a saved model must predict the same.
    model.base_score = score.astype(np.float32).astype(np.float64)
    # Last, because a model without features is a new one: an interrupted start is made again.
    model.n_features = data.num_col()


def resume(model: Model, earlier: Model, data: DMatrix, custom: bool = False) -> None:
    """Give a new model the trees, base score, columns and attributes of an earlier one, which stays as it is.

    Parameters
    ----------
    model, earlier : Model
    data : DMatrix
        The table of the rounds to come.
    custom : bool
        As for `start`.

    Raises
    ------
    DataError
        For a table without rows.
    LabelError
        For labels that the objective does not allow.
    ValueError
        When the parameters of the two models do not agree in the objective or in the trees of a round.
    """
    objective, params, forest = model.objective, model.params, earlier.forest
    _fit_objective(objective, data, custom)
    before, outputs = earlier.objective, objective.n_outputs
    if before.name != objective.name or before.n_outputs != outputs:
        raise ValueError(
            f"xgb_model was trained with {before.name} of {before.n_outputs} outputs, but params give "
            f"{objective.name} of {outputs}"
        )
    if (forest.parallel, forest.vector) != (params.num_parallel_tree, has_vector_leaves(params, outputs)):
        raise ValueError(
            f"xgb_model was trained with num_parallel_tree={forest.parallel} and multi_strategy="
            f"{earlier.params.multi_strategy!r}, but params give {params.num_parallel_tree} and "
            f"{params.multi_strategy!r}"
        )
    objective.restore(before.file_entry())
    model.base_score, model.forest = earlier.base_score.copy(), forest.copy()
    model.n_features, model.categories = earlier.n_features, dict(earlier.categories)
    model.feature_names, model.feature_types = earlier.feature_names, earlier.feature_types
    model.attributes = Attributes(earlier.attributes)
    model.best_iteration = model.best_score = None


def has_vector_leaves(params: Params, outputs: int) -> bool:
    """Return whether the trees of a model of `outputs` outputs have leaves with a value for each."""
    return params.multi_strategy == "multi_output_tree" and outputs > 1


def _fit_objective(objective: Objective, data: DMatrix, custom: bool) -> None:
    if data.num_row() == 0:
        raise DataError("the training table has no rows: training needs at least one")
    objective.fit_outputs(data)
    classes = objective.params.num_class
    if classes and objective.name not in MULTI:
        if not (custom and objective.output_per_label):
            only = " and ".join(MULTI)
            warn(f"parameter 'num_class' is not used with {objective.name}: it is for {only} only")
        else:
            objective.set_outputs(classes)
    if not custom:
        objective.check(data)
        reason = objective.nothing_to_learn(data)
        if reason:
            warn(f"{objective.name} has nothing to learn, the predictions are constant: {reason}")
