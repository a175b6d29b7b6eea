"""Constraints on what a tree may learn: directions of features, and which features may meet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from boost.errors import ParameterError, nearest


def monotone_directions(
    given: dict[str | int, int] | list[int] | None, names: Sequence[str] | None, features: int
) -> NDArray[np.int8]:
    """Return the direction of each feature, 1, -1 or 0.

    Parameters
    ----------
    given : dict or list or None
        "monotone_constraints".
    names : sequence of str or None
        Of the features.
    features : int

    Returns
    -------
    int8 array of shape (features,), or (0,) when no feature has a direction

    Raises
    ------
    ParameterError
        For an unknown feature, and for more directions than features.
    """
    out = np.zeros(features, dtype=np.int8)
    if isinstance(given, dict):
        for feature, direction in given.items():
            out[_number("monotone_constraints", feature, names, features)] = direction
    elif given is not None:
        if len(given) > features:
            raise ParameterError(f"monotone_constraints has {len(given)} directions for {features} features")
        out[: len(given)] = given
    return out if out.any() else out[:0]


class InteractionConstraints:
    """Which features a node may use, given those that its ancestors were split by.

    Parameters
    ----------
    given : list of lists or None
        "interaction_constraints"; None allows everything.
    names : sequence of str or None
        Of the features.
    features : int

    Raises
    ------
    ParameterError
        For an unknown feature.
    """

    def __init__(
        self, given: list[list[str | int]] | None, names: Sequence[str] | None, features: int
    ) -> None:
        self.active = given is not None
        self._groups = np.zeros((len(given or ()), features), dtype=np.bool_)
        for k, group in enumerate(given or ()):
            for feature in group:
                self._groups[k, _number("interaction_constraints", feature, names, features)] = True

    def allowed(self, path: Sequence[int]) -> NDArray[np.bool_]:
        """Return which features may follow on a path; bool, shape (features,).

        The features of the groups that hold the whole path, and those of the path itself. All of them when
        the path is empty.
        """
        if not path:
            return np.ones(self._groups.shape[1], dtype=np.bool_)
        whole = np.all(self._groups[:, list(path)], axis=1)
        out: NDArray[np.bool_] = np.any(self._groups[whole], axis=0)
        out[list(path)] = True
        return out


def _number(parameter: str, feature: Any, names: Sequence[str] | None, features: int) -> int:
    if isinstance(feature, str):
        if names is None or feature not in names:
            known = names if names is not None else ()
            raise ParameterError(
                f"{parameter} names the feature {feature!r}, which the table does not have"
                f"{nearest(feature, known)}"
            )
        return list(names).index(feature)
    if not 0 <= feature < features:
        raise ParameterError(f"{parameter} holds feature {feature}, the table has 0 to {features - 1}")
    return int(feature)
