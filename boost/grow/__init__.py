"""Growers: one tree from the gradients of a round."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from boost.forest.grown_tree import GrownTree
from boost.grow.constraint import check_constraints

if TYPE_CHECKING:
    from boost.data.dmatrix import DMatrix
    from boost.params import Params
    from boost.threads import Team

__all__ = ["Grower", "GrownTree", "make_grower"]

Floats = NDArray[np.float64]


class Grower(Protocol):
    """Grows the trees of one training run.

    Attributes
    ----------
    params : Params
        The trainer replaces it when the learning rate changes.
    made_from : frozenset of str
        The fields of the table, of `boost.data.meta_info.FIELDS`: when one of them is set, the trainer makes
        another grower.
    """

    params: Params
    made_from: frozenset[str]

    def grow(self, grad: Floats, hess: Floats, weight: Floats, rng: np.random.Generator) -> GrownTree:
        """Grow one tree.

        Parameters
        ----------
        grad, hess : float64 arrays of shape (rows,), or (rows, outputs) for leaf vectors
            Without row weights.
        weight : float64 array of shape (rows,) or (0,)
            Weights of the rows; zero for a row that is not sampled, but still assigned to its leaf. An empty
            array means one each.
        rng : numpy.random.Generator
            For the sampling of columns.
        """
        ...


def make_grower(data: DMatrix, params: Params, team: Team, vector: bool = False) -> Grower:
    """Return the grower for `tree_method`, after `boost.grow.constraint.check_constraints`.

    Parameters
    ----------
    data : DMatrix
        The training table, in the model's category codes.
    params : Params
        The checked parameters.
    team : Team
    vector : bool
        Whether the leaves of the trees are vectors.
    """
    check_constraints(data, params, vector)
    method = params["tree_method"]
    if method == "exact":
        from boost.grow.exact import ExactGrower

        return ExactGrower(data, params, team)
    if method == "approx":
        from boost.grow.approx import ApproxGrower

        return ApproxGrower(data, params, team)
    from boost.grow.hist import HistGrower

    return HistGrower(data, params, team)
