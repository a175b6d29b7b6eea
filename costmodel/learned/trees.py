"""`BoostedTreeCostModel`: boosted trees that rank programs by their features."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from costmodel.learned.labels import checked, log_speeds, relative_speeds

# Shared by all objectives: few rows and many correlated features, so trees sample both.
_SAMPLING = {"gamma": 1e-4, "min_child_weight": 1.0, "subsample": 0.7, "colsample_bytree": 0.3}
# objective of `boost` -> parameters that rank best with it
PARAMETERS: dict[str, dict[str, Any]] = {
    "reg:squarederror": {**_SAMPLING, "max_depth": 4, "eta": 0.1},
    # Each program is compared with all others of its group (above 16,000 pairs, with 512 of them): with
    # synthetic costs of 3,000 programs, comparing only the 512 best with all others gave 0.13 less of rank
    # correlation.
    "rank:pairwise": {
        **_SAMPLING,
        "lambdarank_pair_method": "mean",
        "lambdarank_num_pair_per_sample": 512,
        "max_depth": 4,
        "eta": 0.1,
    },
}
OBJECTIVE = "reg:squarederror"

# Number of members of the virtual ensemble that estimates the uncertainty.
MEMBERS = 10
# An update fits anew when there are so many times the rows of the last fit: until then most trees would be
# the same.
GROWTH = 1.5
# attribute of a model file
_VERSION = "features"


class BoostedTreeCostModel:
    """Boosted trees, trained on the logarithms of throughputs or on their order.

    Parameters
    ----------
    objective : str
        ``"reg:squarederror"`` for a regression of the logarithm of the throughput relative to the best
        program of the same task; ``"rank:pairwise"`` for the order of the programs of each task; or another
        objective of `boost.train`, whose labels are then the logarithms, or the relative throughputs if it
        ranks.
    rounds : int
        Number of trees of a fit.
    update_rounds : int
        Number of trees that an update adds.
    seed : int
        Of the training.
    **params
        Training parameters of `boost.train` that replace those of `PARAMETERS`.

    Attributes
    ----------
    booster : boost.Booster or None
        After `fit`.
    version : str
        Of the features that it was trained on, as `costmodel.feature_version` returns it; it is part of a
        model file. Empty where it was not set.

    Raises
    ------
    ValueError
        If a number of rounds is less than 1, or for a parameter that `boost` does not know or accept.
    """

    def __init__(
        self,
        *,
        objective: str = OBJECTIVE,
        rounds: int = 100,
        update_rounds: int = 15,
        seed: int = 0,
        **params: Any,
    ) -> None:
        if rounds < 1 or update_rounds < 1:
            raise ValueError(f"rounds {rounds} and update_rounds {update_rounds} must be at least 1")
        self.rounds = rounds
        self.update_rounds = update_rounds
        usual = PARAMETERS.get(objective, PARAMETERS["rank:pairwise" if _ranks(objective) else OBJECTIVE])
        self.params = {"objective": objective, **usual, "seed": seed, **params}
        from boost.params import resolve  # the package is loaded by the first model

        resolve(self.params, strict=True)
        self.booster: Any = None
        self.version = ""
        self._rows = 0

    @property
    def fitted(self) -> bool:
        return self.booster is not None

    def fit(self, features: np.ndarray, throughputs: np.ndarray, groups: np.ndarray | None = None) -> None:
        """Fit a new model; see `CostModel.fit`.

        Raises
        ------
        ValueError
            If the shapes do not fit, or a throughput is negative or not finite.
        """
        self.booster = self._train(self._table(*checked(features, throughputs, groups)), self.rounds)
        self._rows = len(features)

    def fit_labels(self, features: np.ndarray, labels: np.ndarray) -> None:
        """Fit a new model to labels in place of throughputs; only an objective of regression can.

        Parameters
        ----------
        features : ndarray of float32, shape (n, features)
        labels : ndarray of float64, shape (n,)
            Higher for faster programs.
        """
        import boost

        if _ranks(self.params["objective"]):
            raise ValueError(f"the objective {self.params['objective']!r} learns an order, not labels")
        self.booster = self._train(boost.DMatrix(np.asarray(features, np.float32), label=labels), self.rounds)
        self._rows = len(features)

    def update(self, features: np.ndarray, throughputs: np.ndarray, groups: np.ndarray | None = None) -> None:
        """Add trees to the model, or fit anew if it has none or the rows have become half as many again since
        the
        last fit.
        """
        features, throughputs, groups = checked(features, throughputs, groups)
        if self.booster is None or len(features) >= GROWTH * self._rows:
            self.fit(features, throughputs, groups)
        else:
            table = self._table(features, throughputs, groups)
            self.booster = self._train(table, self.update_rounds, self.booster)

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Return scores, higher for faster programs: with the default objective, estimates of the logarithm
        of
        the throughput relative to the best program.

        Raises
        ------
        ValueError
            Before the first fit.
        """
        return np.asarray(
            self._fitted().predict(np.asarray(features, np.float32), output_margin=True), np.float64
        )

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

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model in XGBoost's format, as JSON or UBJSON by the name's extension, with `version`.

        Raises
        ------
        ValueError
            Before the first fit.
        """
        self._fitted().set_attr(**{_VERSION: self.version})
        self.booster.save_model(path)

    def load(self, path: str | os.PathLike[str]) -> None:
        """Read a model that `save` wrote, with its `version`.

        Raises
        ------
        ValueError
            If the file is no model.
        """
        import boost

        self.booster = boost.Booster(model_file=path)
        self.version = self.booster.attr(_VERSION) or ""
        self._rows = 0

    def _fitted(self) -> Any:
        if self.booster is None:
            raise ValueError("the cost model has not been fitted: call fit with measured throughputs first")
        return self.booster

    def _table(self, features: np.ndarray, throughputs: np.ndarray, groups: np.ndarray) -> Any:
        import boost

        if not _ranks(self.params["objective"]):
            return boost.DMatrix(features, label=log_speeds(throughputs, groups))
        # the rows of a query group follow each other
        order = np.argsort(groups, kind="stable")
        sizes = np.unique(groups, return_counts=True)[1]
        labels = relative_speeds(throughputs, groups)[order]
        return boost.DMatrix(features[order], label=labels, group=sizes)

    def _train(self, table: Any, rounds: int, base: Any = None) -> Any:
        import boost

        return boost.train(self.params, table, num_boost_round=rounds, xgb_model=base)


def _ranks(objective: str) -> bool:
    return objective.startswith("rank:")
