"""Random forests."""

from __future__ import annotations

from typing import Any


class Forest:
    """One round of many trees, in place of many rounds; put before an estimator."""

    # What is about rounds.
    without: tuple[str, ...] = (
        "num_parallel_tree",
        "early_stopping_rounds",
        "validation_fraction",
        "warm_start",
    )

    def get_xgb_params(self) -> dict[str, Any]:
        """Return the parameters as `train` takes them; functions are none."""
        params: dict[str, Any] = super().get_xgb_params()  # type: ignore[misc]
        return {**params, "num_parallel_tree": self.n_estimators}  # type: ignore[attr-defined]

    def get_num_boosting_rounds(self) -> int:
        """Return the number of rounds that `fit` trains: one."""
        return 1
