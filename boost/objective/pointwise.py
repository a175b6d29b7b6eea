"""Losses that are a sum over rows and outputs, each of one label and one margin."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from boost.objective.base import Floats, Objective, Round, weighted_mean

if TYPE_CHECKING:
    from boost.data.dmatrix import DMatrix
    from boost.params import Params

# Derivatives in a block: temporaries stay in the cache, and computing outweighs the calls to NumPy.
BLOCK = 1 << 16


class Pointwise(Objective):
    """A loss of one margin and one label at a time, with one output per label column."""

    output_per_label = True
    cost = 20.0  # nanoseconds for each derivative

    @abstractmethod
    def derive(self, margin: Floats, label: NDArray[np.float32], grad: Floats, hess: Floats) -> None:
        """Write the derivatives of a block of margins.

        Parameters
        ----------
        margin, label : arrays of shape (block,)
        grad, hess : float64 arrays of shape (block,), output
            `hess` holds ones in the first round, and afterwards the values of the last round: a loss of
            constant hessian needs to write it at most once.
        """

    def gradient(self, margin: Floats, data: DMatrix, this_round: Round) -> tuple[Floats, Floats]:
        """Return the derivatives of all rows, computed by the threads in blocks of a fixed size."""
        assert data.label is not None
        gpairs = self.gradient_buffers(margin.shape)
        flat = np.ascontiguousarray(margin).reshape(-1)
        label = np.ascontiguousarray(data.label).reshape(-1)
        grad, hess = (array.reshape(-1) for array in gpairs)

        def derive(first: int, last: int) -> None:
            for block in range(first, last):
                rows = slice(block * BLOCK, (block + 1) * BLOCK)
                self.derive(flat[rows], label[rows], grad[rows], hess[rows])

        this_round.team.share(derive, -(-flat.size // BLOCK), work=flat.size * self.cost)
        return gpairs

    def start(self, data: DMatrix) -> Floats:
        """Return the best constant of each output; shape (n_outputs,)."""
        label = self.check(data).reshape(data.num_row(), -1)
        weight = self.row_weight(data)
        return np.array([self.constant(column, self.label_weight(column, weight)) for column in label.T])

    def label_weight(self, label: Floats, weight: Floats) -> Floats:
        """Return the weights of the rows in one output; an empty array means one each."""
        return weight

    def constant(self, label: Floats, weight: Floats) -> float:
        """Return the best constant prediction of one output; by default the mean.

        Parameters
        ----------
        label : float64 array of shape (rows,)
        weight : float64 array of shape (rows,) or (0,)
        """
        return weighted_mean(label, weight)


class Scaled(Pointwise):
    """A loss in which rows of label 1 have `scale_pos_weight` times their weight."""

    file_params = (("reg_loss_param", "scale_pos_weight", "scale_pos_weight"),)

    def __init__(self, params: Params) -> None:
        super().__init__(params)
        self.factor = float(params["scale_pos_weight"])

    def label_weight(self, label: Floats, weight: Floats) -> Floats:
        """Return the weights of the rows, those of label 1 multiplied by the factor."""
        if self.factor == 1.0:
            return weight
        scaled = np.where(label == 1, self.factor, 1.0)
        return scaled if weight.size == 0 else scaled * weight
