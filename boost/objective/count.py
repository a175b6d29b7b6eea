"""Losses of counts and positive amounts, with a log link: the margin is the logarithm of the mean."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from boost.objective.base import TINY, Floats, weighted_mean
from boost.objective.pointwise import Pointwise
from boost.params import Params

SMALLEST_MEAN = 1e-6  # base score for labels that are all zero
MAX_DELTA_STEP = 0.7


class LogLink(Pointwise):
    """A loss whose prediction is exp(margin). Start: the mean."""

    def constant(self, label: Floats, weight: Floats) -> float:
        """Return the weighted mean, at least `SMALLEST_MEAN`."""
        return max(weighted_mean(label, weight), SMALLEST_MEAN)

    def to_margin(self, score: Floats) -> Floats:
        """Return the logarithm of a positive prediction."""
        return log_margin(self.name, score)

    def transform(self, margin: Floats) -> Floats:
        """Return exp(margin)."""
        return exp_margin(margin)


def log_margin(name: str, score: Floats) -> Floats:
    """Return log(score), or raise ValueError when it is not positive."""
    if not (score > 0).all():
        raise ValueError(f"base_score of {name} must be above 0, got {score.min():g}")
    return np.log(score)


def exp_margin(margin: Floats) -> Floats:
    """Return exp(margin); infinity where it is too large."""
    with np.errstate(over="ignore"):
        return np.exp(margin)


class Poisson(LogLink):
    """Negative log-likelihood of the Poisson distribution.

    The hessian is evaluated at margin + max_delta_step (0.7 by default), where it is larger: this limits the
    first steps.
    """

    name = "count:poisson"
    metric = "poisson-nloglik"
    allowed_labels = "of at least 0"
    file_params = (("poisson_regression_param", "max_delta_step", "max_delta_step"),)

    def __init__(self, params: Params) -> None:
        given = params["max_delta_step"]
        self.step = MAX_DELTA_STEP if given is None else float(given)
        super().__init__(params.replace(max_delta_step=self.step))

    def allows(self, label: Floats) -> NDArray[np.bool_]:
        """Return which labels are not negative."""
        return label >= 0

    def derive(self, margin: Floats, label: NDArray[np.float32], grad: Floats, hess: Floats) -> None:
        """Gradient exp(margin) - label, hessian exp(margin + max_delta_step)."""
        with np.errstate(over="ignore"):
            np.exp(margin, out=grad)
            np.multiply(grad, np.exp(self.step), out=hess)
        np.maximum(hess, TINY, out=hess)
        grad -= label

    def moments(self, prediction: Floats) -> tuple[Floats, Floats]:
        """Return the mean, which is also the variance."""
        return prediction, prediction


class Gamma(LogLink):
    """Half the deviance of the gamma distribution: log(mean) + label / mean, up to a constant."""

    name = "reg:gamma"
    metric = "gamma-deviance"
    allowed_labels = "above 0"
    file_params = (("reg_loss_param", "scale_pos_weight", "scale_pos_weight"),)  # XGBoost requires it

    def allows(self, label: Floats) -> NDArray[np.bool_]:
        """Return which labels are positive."""
        return label > 0

    def derive(self, margin: Floats, label: NDArray[np.float32], grad: Floats, hess: Floats) -> None:
        """Gradient 1 - label / mean, hessian label / mean."""
        with np.errstate(over="ignore"):
            np.multiply(np.exp(-margin), label, out=hess)
        np.subtract(1.0, hess, out=grad)
        np.maximum(hess, TINY, out=hess)


class Tweedie(LogLink):
    """Negative log-likelihood of the Tweedie distribution of variance power r, between Poisson and gamma."""

    name = "reg:tweedie"
    allowed_labels = "of at least 0"
    file_params = (("tweedie_regression_param", "tweedie_variance_power", "tweedie_variance_power"),)
    cost = 30.0

    def __init__(self, params: Params) -> None:
        super().__init__(params)
        self.power = float(params["tweedie_variance_power"])
        self.metric = f"tweedie-nloglik@{self.power:g}"

    def allows(self, label: Floats) -> NDArray[np.bool_]:
        """Return which labels are not negative."""
        return label >= 0

    def derive(self, margin: Floats, label: NDArray[np.float32], grad: Floats, hess: Floats) -> None:
        """Gradient b - a, hessian (2 - r) b - (1 - r) a: a = label mean**(1 - r), b = mean**(2 - r)."""
        with np.errstate(over="ignore"):
            a = np.exp((1.0 - self.power) * margin)
            a *= label
            b = np.exp((2.0 - self.power) * margin)
        np.subtract(b, a, out=grad)
        b *= 2.0 - self.power
        a *= self.power - 1.0
        np.add(a, b, out=hess)
        np.maximum(hess, TINY, out=hess)
