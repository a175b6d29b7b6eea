"""Trees from candidates that are proposed anew for each tree, or for each of its nodes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from boost.data.binning import bin_by_cuts, category_cuts
from boost.data.dmatrix import DMatrix
from boost.data.sorted_columns import share_features, sort_columns
from boost.forest.grown import Grown
from boost.grow.exact import ExactGrower, between
from boost.grow.hist import HistGrower
from boost.grow.kernels.candidates import propose
from boost.grow.kernels.histogram import round_gradients
from boost.params import Params
from boost.threads import Team
from sketch import Cuts

# Nanoseconds that one entry takes.
ENTRY_WORK = 4
Floats = NDArray[np.float64]


class ApproxGrower:
    """Grow trees from proposals at equal parts of the hessian (XGBoost paper, arXiv 1603.02754, section 3.2).

    Because the columns are sorted, proposing takes one pass over them, and the parts are as equal as the
    values allow: no sketch is needed. "global" proposes once for a tree, which then grows from histograms;
    "local" proposes in each node, which then needs fewer candidates, and grows by the scan of `ExactGrower`.

    Parameters
    ----------
    data : DMatrix
        The training table.
    params : Params
        The checked parameters. A numerical feature has at most
        ``max_bin - 1`` candidates.
    team : Team

    Raises
    ------
    ParameterError
        For what `ExactGrower` refuses, when proposals are local.
    """

    def __init__(self, data: DMatrix, params: Params, team: Team) -> None:
        self.data, self.params, self.team = data, params, team
        self.local: ExactGrower | None = None
        if params["approx_proposal"] == "local":
            self.local = ExactGrower(data, params, team, candidates=params["max_bin"])
            return
        self.categories = category_cuts(data)
        self.columns = sort_columns(data, team)
        self._pairs = np.empty((data.num_row(), 2))

    def grow(self, grad: Floats, hess: Floats, weight: Floats, rng: np.random.Generator) -> Grown:
        """Grow one tree; see `Grower.grow`."""
        if self.local is not None:
            self.local.params = self.params
            return self.local.grow(grad, hess, weight, rng)
        binned = bin_by_cuts(self.data, self.propose(grad, hess, weight), self.team)
        return HistGrower(self.data, self.params, self.team, binned).grow(grad, hess, weight, rng)

    def propose(self, grad: Floats, hess: Floats, weight: Floats) -> Cuts:
        """Return the candidates of one tree; see `Grower.grow` for the parameters."""
        if grad.ndim > 1:
            grad, hess = grad.sum(axis=1), hess.sum(axis=1)
        round_gradients(grad, hess, weight, self._pairs, self.team)
        columns, most = self.columns, self.params["max_bin"]
        cuts: list[NDArray[np.float32]] = [np.empty(0, dtype=np.float32)] * columns.features

        def work(first: int, last: int) -> None:
            gaps = np.empty((most, 2), dtype=np.int64)
            for f in range(first, last):
                begin, end = int(columns.indptr[f]), int(columns.indptr[f + 1])
                count = propose(columns.padded, self._pairs, begin, end, most, gaps)
                cuts[f] = between(gaps[:count, 0], gaps[:count, 1])

        share_features(self.team, work, np.diff(columns.indptr), ENTRY_WORK)
        for f, own in self.categories.items():
            cuts[f] = own
        return Cuts.from_columns(cuts)
