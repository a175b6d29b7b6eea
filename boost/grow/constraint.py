"""Monotone constraints and interaction constraints of tree growing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from boost.errors import ParameterError, nearest

if TYPE_CHECKING:
    from boost.data.dmatrix import DMatrix
    from boost.params import Params


def check_constraints(data: DMatrix, params: Params, vector: bool) -> None:
    """Raise `ParameterError` for constraints that trees of this table cannot obey, before any work.

    Parameters
    ----------
    data : DMatrix
        The training table.
    params : Params
    vector : bool
        Whether leaves are vectors.

    Raises
    ------
    ParameterError
        For an unknown feature, more directions than features, a direction of a categorical feature, whose
        values have no order, and for directions and categorical features with leaves that are vectors.
    """
    names, features = data.feature_names, data.num_col()
    directions = monotone_directions(params["monotone_constraints"], names, features)
    InteractionConstraints(params["interaction_constraints"], names, features)
    categorical = data.categorical
    if vector and (directions.size or categorical.any()):
        what = "monotone_constraints" if directions.size else "categorical features"
        raise ParameterError(
            f"multi_strategy='multi_output_tree' does not go with {what}: use 'one_output_per_tree'"
        )
    if directions.size and (directions[categorical] != 0).any():
        f = int(np.flatnonzero(categorical & (directions != 0))[0])
        raise ParameterError(
            f"monotone_constraints gives the direction {directions[f]} to the feature "
            f"{repr(names[f]) if names else f}, which is categorical: its values have no order, give it 0"
        )


def monotone_directions(
    constraints: dict[str | int, int] | Sequence[int] | None, names: Sequence[str] | None, features: int
) -> NDArray[np.int8]:
    """Return the direction in which the prediction may change with each feature.

    Parameters
    ----------
    constraints : dict or sequence or None
        The parameter "monotone_constraints": directions by feature name or index, or of the first features
        in order. A feature without a direction is not constrained.
    names : sequence of str or None
        Feature names, None when the table has none.
    features : int
        Number of features of the table.

    Returns
    -------
    int8 array of shape (features,) or (0,)
        1 where the prediction may not decrease as the feature increases, -1 where it may not increase, 0
        without a constraint. Empty when no feature is constrained.

    Raises
    ------
    ParameterError
        For an unknown feature, and for more directions than features.
    """
    directions = np.zeros(features, dtype=np.int8)
    if isinstance(constraints, dict):
        for feature, direction in constraints.items():
            directions[_feature_index("monotone_constraints", feature, names, features)] = direction
    elif constraints is not None:
        if len(constraints) > features:
            raise ParameterError(
                f"monotone_constraints has {len(constraints)} directions for {features} features: give at "
                "most one direction for each feature"
            )
        directions[: len(constraints)] = constraints
    return directions if directions.any() else directions[:0]


class InteractionConstraints:
    """Features that a node may be split by, given the features that its ancestors are split by.

    Parameters
    ----------
    constraints : sequence of sequences or None
        The parameter "interaction_constraints": sets of features, by name or index, that may occur together
        on a path from the root to a leaf. None for no constraint.
    names : sequence of str or None
        Feature names, None when the table has none.
    features : int
        Number of features of the table.

    Attributes
    ----------
    active : bool
        Whether there are constraints.

    Raises
    ------
    ParameterError
        For an unknown feature.
    """

    def __init__(
        self,
        constraints: Sequence[Sequence[str | int]] | None,
        names: Sequence[str] | None,
        features: int,
    ) -> None:
        self.active = constraints is not None
        # Row k marks the features of the k-th set.
        self._members = np.zeros((len(constraints or ()), features), dtype=np.bool_)
        for k, feature_set in enumerate(constraints or ()):
            for feature in feature_set:
                index = _feature_index("interaction_constraints", feature, names, features)
                self._members[k, index] = True

    def allowed(self, path: Sequence[int]) -> NDArray[np.bool_]:
        """Return which features may split the node at the end of a path.

        Parameters
        ----------
        path : sequence of int
            Indices of the features that the ancestors of the node are split by; empty for the root.

        Returns
        -------
        bool array of shape (features,)
            True for the features of the path and for those of each set that contains the whole path; True
            for all features when the path is empty.
        """
        if not path:
            return np.ones(self._members.shape[1], dtype=np.bool_)
        contains_path = np.all(self._members[:, list(path)], axis=1)
        is_allowed: NDArray[np.bool_] = np.any(self._members[contains_path], axis=0)
        is_allowed[list(path)] = True
        return is_allowed


def _feature_index(parameter: str, feature: Any, names: Sequence[str] | None, features: int) -> int:
    """Return the index of a feature given by name or index; raise `ParameterError` for an unknown one."""
    if isinstance(feature, str):
        if names is None:
            raise ParameterError(
                f"{parameter} names the feature {feature!r}, which the table does not have: its features "
                f"have no names, give an index from 0 to {features - 1}"
            )
        if feature not in names:
            raise ParameterError(
                f"{parameter} names the feature {feature!r}, which the table does not have"
                f"{nearest(feature, names)}"
            )
        return list(names).index(feature)
    if not 0 <= feature < features:
        raise ParameterError(
            f"{parameter} holds the feature index {feature}: give an index from 0 to {features - 1}"
        )
    return int(feature)
