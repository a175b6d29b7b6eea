"""Trees from split candidates that are proposed for each tree, or for each of its nodes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from boost.data.binning import bin_by_cuts, category_cuts
from boost.data.dmatrix import DMatrix
from boost.data.sorted_columns import share_features, sort_columns
from boost.forest.grown_tree import GrownTree
from boost.grow.exact import ExactGrower, thresholds
from boost.grow.hist import HistGrower
from boost.grow.kernels.candidates import GAP_HIGH, GAP_LOW, propose
from boost.grow.kernels.rounding import round_gradients
from boost.params import Params
from boost.threads import Team
from sketch import Cuts

# Nanoseconds per entry.
ENTRY_WORK = 4
Floats = NDArray[np.float64]


class ApproxGrower:
    """Grow trees from candidates at equal fractions of the hessian (XGBoost paper, 1603.02754, section 3.2).

    A single pass over sorted columns proposes candidates at fractions as equal as the values allow, without a
    sketch. "global" proposes once for a tree, which is then grown from histograms. "local" proposes in each
    node, which needs fewer candidates, and grows by the scan of `ExactGrower`.

    Parameters
    ----------
    data : DMatrix
        The training table.
    params : Params
        The checked parameters. A numerical feature has at most ``max_bin - 1`` candidates.
    team : Team

    Raises
    ------
    ParameterError
        With local proposals, for settings that `ExactGrower` does not support.
    """

    made_from = frozenset(("feature_weights", "_names", "_types"))

    def __init__(self, data: DMatrix, params: Params, team: Team) -> None:
        self.data, self.params, self.team = data, params, team
        self.local: ExactGrower | None = None
        if params["approx_proposal"] == "local":
            self.local = ExactGrower(data, params, team, candidates=params["max_bin"])
            return
        self.categories = category_cuts(data)
        self.columns = sort_columns(data, team)
        self._gpairs = np.empty((data.num_row(), 2))

    def grow(self, grad: Floats, hess: Floats, weight: Floats, rng: np.random.Generator) -> GrownTree:
        """Grow one tree; the interface of `boost.grow.Grower`."""
        if self.local is not None:
            self.local.params = self.params
            return self.local.grow(grad, hess, weight, rng)
        binned = bin_by_cuts(self.data, self.propose(grad, hess, weight), self.team)
        return HistGrower(self.data, self.params, self.team, binned).grow(grad, hess, weight, rng)

    def propose(self, grad: Floats, hess: Floats, weight: Floats) -> Cuts:
        """Return the candidates of one tree; the parameters are those of `boost.grow.Grower.grow`."""
        if grad.ndim > 1:
            grad, hess = grad.sum(axis=1), hess.sum(axis=1)
        round_gradients(grad, hess, weight, self._gpairs, self.team)
        columns, most = self.columns, self.params["max_bin"]
        cuts: list[NDArray[np.float32]] = [np.empty(0, dtype=np.float32)] * columns.features

        def propose_cuts(first: int, last: int) -> None:
            gaps = np.empty((most, 2), dtype=np.int64)
            for f in range(first, last):
                begin, end = int(columns.indptr[f]), int(columns.indptr[f + 1])
                count = propose(columns.padded, self._gpairs, begin, end, most, gaps)
                cuts[f] = thresholds(gaps[:count, GAP_LOW], gaps[:count, GAP_HIGH])

        share_features(self.team, propose_cuts, np.diff(columns.indptr), ENTRY_WORK)
        for f, codes in self.categories.items():
            cuts[f] = codes
        return Cuts.from_columns(cuts)
