"""`BoostedTreeCostModel`: boosted trees that rank programs by their features."""

from __future__ import annotations

from typing import Any

import numpy as np

# Few rows and many correlated features: trees that sample both rank new programs
# better than AutoTVM's (depth 3, eta 0.3, no sampling), by about 0.03 of rank correlation. Each program is
# compared with all others (above 16,000, with 512 of them): with synthetic costs of 3,000 programs, comparing
# only the 512 best with all others gave 0.13 less.
PARAMETERS = {
    "objective": "rank:pairwise",
    "lambdarank_pair_method": "mean",
    "lambdarank_num_pair_per_sample": 512,
    "max_depth": 4,
    "eta": 0.1,
    "gamma": 1e-4,
    "min_child_weight": 1.0,
    "subsample": 0.7,
    "colsample_bytree": 0.3,
}


# Number of members of the virtual ensemble that estimates the uncertainty.
MEMBERS = 10


class BoostedTreeCostModel:
    """Boosted trees trained on the order of throughputs.

    Parameters
    ----------
    rounds : int
        Number of trees of a fit.
    update_rounds : int
        Number of trees that an update adds.
    seed : int
        Of the training.
    **params
        Training parameters of `boost.train` that replace those of `PARAMETERS`.

    Raises
    ------
    ValueError
        If a number of rounds is less than 1, or for a parameter that `boost` does not know or accept.
    """

    def __init__(self, *, rounds: int = 100, update_rounds: int = 20, seed: int = 0, **params: Any) -> None:
        if rounds < 1 or update_rounds < 1:
            raise ValueError(f"rounds {rounds} and update_rounds {update_rounds} must be at least 1")
        self.rounds = rounds
        self.update_rounds = update_rounds
        self.params = {**PARAMETERS, "seed": seed, **params}
        from boost.params import resolve  # the package is loaded by the first model

        resolve(self.params, strict=True)
        self.booster: Any = None

    @property
    def fitted(self) -> bool:
        return self.booster is not None

    def fit(self, features: np.ndarray, throughputs: np.ndarray) -> None:
        """Fit a new model, all programs being one query group of the ranking; see `CostModel.fit`.

        Raises
        ------
        ValueError
            If the shapes do not fit, or a throughput is negative or not finite.
        """
        self.booster = self._train(features, throughputs, self.rounds, None)

    def update(self, features: np.ndarray, throughputs: np.ndarray) -> None:
        """Add trees to the model; fit it if it has none."""
        if self.booster is None:
            self.fit(features, throughputs)
        else:
            self.booster = self._train(features, throughputs, self.update_rounds, self.booster)

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Return scores, higher for faster programs.

        Raises
        ------
        ValueError
            Before the first fit.
        """
        if self.booster is None:
            raise ValueError("the cost model has not been fitted: call fit with measured throughputs first")
        return np.asarray(self.booster.predict(np.asarray(features, np.float32), output_margin=True))

    def predict_uncertainty(self, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return scores, and their standard deviation over the second half of the rounds.

        The deviation is that of a virtual ensemble, see `boost.model.uncertainty`: it is large for programs
        that differ from the measured ones.

        Raises
        ------
        ValueError
            Before the first fit, and for a model of fewer than four rounds.
        """
        scores = self.predict(features)
        members = min(MEMBERS, self.booster.num_boosted_rounds() // 2)
        rows = np.asarray(features, np.float32)
        uncertainty = self.booster.predict_uncertainty(rows, members=members, output_margin=True)
        return scores, np.sqrt(uncertainty.knowledge)

    def _train(self, features: np.ndarray, throughputs: np.ndarray, rounds: int, base: Any) -> Any:
        import boost

        features = np.asarray(features, np.float32)
        throughputs = np.asarray(throughputs, np.float64)
        if features.ndim != 2 or throughputs.shape != (len(features),) or not len(features):
            raise ValueError(
                f"features of shape (n, f) and throughputs of shape (n,) are needed with n > 0, "
                f"not {features.shape} and {throughputs.shape}"
            )
        if not np.all(np.isfinite(throughputs)) or throughputs.min() < 0:
            raise ValueError("throughputs must be finite and not negative; zero means a failure")
        labels = throughputs / (throughputs.max() or 1.0)
        data = boost.DMatrix(features, label=labels, group=[len(labels)])
        return boost.train(self.params, data, num_boost_round=rounds, xgb_model=base)
