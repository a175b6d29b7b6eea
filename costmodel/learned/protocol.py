"""`CostModel`: the interface of a model, trained on measurements, that ranks programs by their features."""

from __future__ import annotations

from typing import Protocol

import numpy as np


class CostModel(Protocol):
    """A model that scores programs by their features; a faster program should have a higher score."""

    @property
    def fitted(self) -> bool:
        """Whether it can predict."""

    def fit(self, features: np.ndarray, throughputs: np.ndarray, groups: np.ndarray | None = None) -> None:
        """Fit a new model.

        Parameters
        ----------
        features : ndarray of float32, shape (n, features)
        throughputs : ndarray of float64, shape (n,)
            Calls (or operations) per second; zero for a program that failed.
        groups : ndarray of int, shape (n,), optional
            The task of each program. Only throughputs of one task are compared. By default all programs are
            of one task.
        """

    def update(self, features: np.ndarray, throughputs: np.ndarray, groups: np.ndarray | None = None) -> None:
        """Refine the fitted model, given all measurements so far; the parameters are those of `fit`."""

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Return scores, higher for faster programs, shape (n,)."""

    def predict_uncertainty(self, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the scores of `predict` and a standard deviation of each, shapes (n,).

        Only a search whose acquisition needs the deviations calls it.
        """
