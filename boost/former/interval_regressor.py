"""`boost.interval_regressor` of version 0.1."""

from boost.estimator.interval import BoostIntervalRegressor

__all__ = ["BoostIntervalRegressor"]
