"""Random forests as estimators."""

from __future__ import annotations

from typing import Any


class RandomForest:
    """Mixin that trains one round of many trees in place of many rounds; a base before an estimator."""

    # Parameters that concern rounds.
    omitted: tuple[str, ...] = (
        "num_parallel_tree",
        "preset",
        "early_stopping_rounds",
        "validation_fraction",
        "warm_start",
    )

    def get_xgb_params(self) -> dict[str, Any]:
        """Return the parameters of `train`; functions are left out."""
        params: dict[str, Any] = super().get_xgb_params()  # type: ignore[misc]
        return {**params, "num_parallel_tree": self._value("n_estimators")}  # type: ignore[attr-defined]

    def get_num_boosting_rounds(self) -> int:
        """Return the number of rounds that `fit` trains: one."""
        return 1
