"""Losses that are a sum over rows and outputs: one label and one margin each."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from boost.objective.base import Floats, Objective, Round, weighted_mean

if TYPE_CHECKING:
    from boost.data.dmatrix import DMatrix
    from boost.params import Params

# Numbers that are derived at once: temporaries stay in the cache, and NumPy's calls are long enough to run
# beside each other.
BLOCK = 1 << 16


class Pointwise(Objective):
    """A loss of one margin and one label at a time, with one output for each label column."""

    several = True
    cost = 20.0  # nanoseconds for each derivative

    def __init__(self, params: Params) -> None:
        super().__init__(params)
        self._pair = np.empty((0, 0)), np.empty((0, 0))

    @abstractmethod
    def derive(self, margin: Floats, label: NDArray[np.float32], grad: Floats, hess: Floats) -> None:
        """Write derivatives.

        Parameters
        ----------
        margin, label : arrays of shape (some,)
        grad, hess : float64 arrays of shape (some,), output
            `hess` holds ones when the loss writes to it for the first time, and later what it wrote.
        """

    def gradient(self, margin: Floats, data: DMatrix, when: Round) -> tuple[Floats, Floats]:
        """Derivatives of all rows, in blocks of a fixed size that are shared over the threads."""
        assert data.label is not None
        if self._pair[0].shape != margin.shape:
            self._pair = np.empty(margin.shape), np.ones(margin.shape)
        flat = np.ascontiguousarray(margin).reshape(-1)
        label = np.ascontiguousarray(data.label).reshape(-1)
        grad, hess = (array.reshape(-1) for array in self._pair)

        def derive(first: int, last: int) -> None:
            for block in range(first, last):
                part = slice(block * BLOCK, (block + 1) * BLOCK)
                self.derive(flat[part], label[part], grad[part], hess[part])

        when.team.share(derive, -(-flat.size // BLOCK), work=flat.size * self.cost)
        return self._pair

    def start(self, data: DMatrix) -> Floats:
        """Return the best constant of each output; shape (groups,)."""
        label = self.check(data).reshape(data.num_row(), -1)
        weight = self.row_weight(data)
        return np.array([self.constant(column, self.label_weight(column, weight)) for column in label.T])

    def label_weight(self, label: Floats, weight: Floats) -> Floats:
        """Return the weights of the rows in one output; an empty array means one each."""
        return weight

    def constant(self, label: Floats, weight: Floats) -> float:
        """Return the best constant prediction of one output: the mean, unless the loss knows better.

        Parameters
        ----------
        label : float64 array of shape (rows,)
        weight : float64 array of shape (rows,) or (0,)
        """
        return weighted_mean(label, weight)


class Scaled(Pointwise):
    """A loss that counts label 1 `scale_pos_weight` times."""

    file_params = (("reg_loss_param", "scale_pos_weight", "scale_pos_weight"),)

    def __init__(self, params: Params) -> None:
        super().__init__(params)
        self.factor = float(params["scale_pos_weight"])

    def label_weight(self, label: Floats, weight: Floats) -> Floats:
        """Return the weights of the rows, those of label 1 times the factor."""
        if self.factor == 1.0:
            return weight
        scaled = np.where(label == 1, self.factor, 1.0)
        return scaled if weight.size == 0 else scaled * weight
