"""Survival losses: Cox's proportional hazards, and accelerated failure time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from boost.errors import LabelError
from boost.objective.base import TINY, Floats, Objective, Round
from boost.objective.count import exp_margin, log_margin
from boost.objective.pointwise import BLOCK

if TYPE_CHECKING:
    from boost.data.dmatrix import DMatrix
    from boost.params import Params

LOWEST = -300.0  # smallest difference to the largest margin: the square of its exponential is a normal number
STEEPEST = 15.0  # AFT: bound of the gradient's absolute value, and of the hessian
NARROW = 1e-4  # AFT: a narrower interval, in units of the scale, is treated as a point
START_STEPS = 20


@dataclass(frozen=True, slots=True, eq=False)
class _Times:
    """The rows of a table in order of time: the part of Cox's likelihood that all rounds share.

    Attributes
    ----------
    order : int64 array of shape (rows,)
        Row numbers by increasing time.
    event : bool array of shape (rows,)
        In this order, whether an event was observed.
    row_weight : float64 array of shape (rows,)
        In this order.
    starts : int64 array of shape (distinct times,)
        Where the rows of each time start.
    time_of : int64 array of shape (rows,)
        The number of each row's time, in this order.
    events : float64 array of shape (distinct times,)
        The total weight of the events at each time.
    """

    order: NDArray[np.int64]
    event: NDArray[np.bool_]
    row_weight: Floats
    starts: NDArray[np.int64]
    time_of: NDArray[np.int64]
    events: Floats


class Cox(Objective):
    """Negative logarithm of Cox's partial likelihood, with Breslow's rule for ties. Start: hazard one.

    A label is the time of an event, or minus the time up to which none was seen (right-censored).
    Predictions are hazards relative to an unknown baseline. A weight w counts as w copies of the row, also in
    the sums over the rows at risk, where XGBoost counts each row once.

    References
    ----------
    D. Cox, "Regression Models and Life-Tables", Journal of the Royal Statistical Society B 1972.
    N. Breslow, discussion of that paper.
    """

    name = "survival:cox"
    metric = "cox-nloglik"
    allowed_labels = "other than 0: a time, or minus the time of censoring"

    def allows(self, label: Floats) -> NDArray[np.bool_]:
        """Return which labels are events or censored times: all but zero."""
        return label != 0

    def nothing_to_learn(self, data: DMatrix) -> str:
        """Return that there are no events, if there are none."""
        label, weight = data.label, self.row_weight(data)
        assert label is not None
        events = (label > 0) & (weight > 0) if weight.size else label > 0
        return "" if events.any() else "every label (of positive weight) is negative: censored"

    def start(self, data: DMatrix) -> Floats:
        """Return one: only differences of margins count."""
        self.check(data)
        return np.ones(1)

    def to_margin(self, score: Floats) -> Floats:
        """Return the logarithm of a positive hazard."""
        return log_margin(self.name, score)

    def transform(self, margin: Floats) -> Floats:
        """Return exp(margin)."""
        return exp_margin(margin)

    def _times(self, data: DMatrix) -> _Times:
        """Return the rows of a table in order of time."""
        assert data.label is not None
        label = data.label.astype(np.float64)
        time = np.abs(label)
        order = np.argsort(time, kind="stable")
        new = np.diff(time[order], prepend=-1.0) > 0
        starts = np.flatnonzero(new)
        weight = self.row_weight(data)
        weight = weight[order] if weight.size else np.ones(label.size)
        event = label[order] > 0
        events = np.add.reduceat(weight * event, starts)
        return _Times(order, event, weight, starts, np.cumsum(new) - 1, events)

    def gradient(self, margin: Floats, data: DMatrix, this_round: Round) -> tuple[Floats, Floats]:
        """Gradient h r - [event], hessian h r - h**2 s; O(rows) after a sort in the first round.

        h is the hazard of the row. r and s are sums over the times up to that of the row: r of the events
        divided by the total hazard at risk, s of the events divided by its square.
        """
        times: _Times = self.kept("times", data, ["label", "weight"], self._times)
        at = margin[times.order, 0]
        hazard = np.exp(np.maximum(at - at.max(), LOWEST))
        risk = np.cumsum((hazard * times.row_weight)[::-1])[::-1][times.starts]
        rate = np.divide(times.events, risk, out=np.zeros_like(risk), where=times.events > 0)
        square = np.divide(rate, risk, out=np.zeros_like(risk), where=times.events > 0)
        first = hazard * np.cumsum(rate)[times.time_of]
        # A row of weight w > 1 counts as w rows at risk, each of weight one.
        second = hazard * hazard * np.minimum(times.row_weight, 1.0) * np.cumsum(square)[times.time_of]
        grad, hess = np.empty_like(margin), np.empty_like(margin)
        grad[times.order, 0] = first - times.event
        hess[times.order, 0] = np.maximum(first - second, TINY)
        return grad, hess


class Aft(Objective):
    """Negative log-likelihood of log(time) = margin + scale * noise, for times known up to an interval.

    The interval is `label_lower_bound` to `label_upper_bound` of the table: equal ones for an event, infinity
    above for right-censored rows, zero below for left-censored ones. Derivatives are clipped to 15, as
    those of XGBoost. Predictions are times. Start: the constant of maximum likelihood, where XGBoost uses
    one half.

    References
    ----------
    A. Barnwal, H. Cho and T. Hocking, "Survival Regression with Accelerated Failure Time Model in XGBoost",
    Journal of Computational and Graphical Statistics 2022.
    """

    name = "survival:aft"
    metric = "aft-nloglik"
    file_params = (
        ("aft_loss_param", "aft_loss_distribution", "aft_loss_distribution"),
        ("aft_loss_param", "aft_loss_distribution_scale", "aft_loss_distribution_scale"),
    )

    def __init__(self, params: Params) -> None:
        super().__init__(params)
        self.distribution = str(params["aft_loss_distribution"])
        self.scale = float(params["aft_loss_distribution_scale"])

    def check(self, data: DMatrix) -> Floats:
        """Return the lower bounds as float64, or raise `LabelError`."""
        lower, upper = data.label_lower_bound, data.label_upper_bound
        if lower is None or upper is None:
            raise LabelError(
                f"{self.name} needs label_lower_bound and label_upper_bound in place of a label: "
                "give DMatrix both (the same value twice for an event)"
            )
        good = ((lower >= 0) | np.isneginf(lower)) & (lower <= upper) & (upper > 0)
        if not good.all():
            at = int(np.argmin(good))
            raise LabelError(
                f"{self.name} needs 0 <= label_lower_bound <= label_upper_bound, and a positive upper one, "
                f"got {lower[at]:g} and {upper[at]:g} in row {at}"
            )
        return lower.astype(np.float64)

    def nothing_to_learn(self, data: DMatrix) -> str:
        """Return that no row has a lower, or no row an upper bound, if so: the likelihood has no maximum."""
        lower, upper = data.label_lower_bound, data.label_upper_bound
        assert lower is not None and upper is not None
        begins, ends = (lower > 0).any(), np.isfinite(upper).any()
        if begins and ends:
            return ""
        every = "0 to a finite time" if ends else "from a time to infinity" if begins else "0 to infinity"
        return f"every interval is {every}"

    def _log_bounds(self, data: DMatrix) -> tuple[Floats, Floats]:
        """Return the logarithms of the bounds."""
        bounds = ["label_lower_bound", "label_upper_bound"]
        logs: tuple[Floats, Floats] = self.kept("logs", data, bounds, _logs)
        return logs

    def start(self, data: DMatrix) -> Floats:
        """Return the constant time of maximum likelihood, by Newton steps of at most one scale.

        Where there is no maximum (`nothing_to_learn`), it is the geometric mean of the finite bounds.
        """
        self.check(data)
        low, high = self._log_bounds(data)
        weight = self.row_weight(data)
        weight = weight if weight.size else np.ones(low.size)
        bounded = np.isfinite(low) | np.isfinite(high)
        left = np.where(np.isfinite(low), low, high)
        middle = np.where(bounded, (left + np.where(np.isfinite(high), high, left)) / 2, 0.0)
        total = float((weight * bounded).sum())
        at = float((middle * weight * bounded).sum()) / total if total > 0 else 0.0
        for _ in range(0 if self.nothing_to_learn(data) else START_STEPS):
            grad, hess = aft_derivatives(self.distribution, self.scale, np.full(low.size, at), low, high)
            step = float((grad * weight).sum()) / float((hess * weight).sum())
            at -= min(max(step, -self.scale), self.scale)
        return np.exp(np.array([at]))

    def to_margin(self, score: Floats) -> Floats:
        """Return the logarithm of a positive time."""
        return log_margin(self.name, score)

    def transform(self, margin: Floats) -> Floats:
        """Return exp(margin), the time."""
        return exp_margin(margin)

    def gradient(self, margin: Floats, data: DMatrix, this_round: Round) -> tuple[Floats, Floats]:
        """Return the derivatives of the rows in blocks; see `aft_derivatives` for the formulas.

        Where the likelihood has no maximum, the gradients are zero, so that the predictions stay.
        """
        low, high = self._log_bounds(data)
        grad, hess = self.gradient_buffers(margin.shape)
        if self.nothing_to_learn(data):
            grad[:], hess[:] = 0.0, 1.0
            return grad, hess

        def derive(first: int, last: int) -> None:
            for begin in range(first * BLOCK, min(last * BLOCK, low.size), BLOCK):
                rows = slice(begin, begin + BLOCK)
                grad[rows, 0], hess[rows, 0] = aft_derivatives(
                    self.distribution, self.scale, margin[rows, 0], low[rows], high[rows]
                )

        this_round.team.share(derive, -(-low.size // BLOCK), work=low.size * 200.0)
        return grad, hess


def _logs(data: DMatrix) -> tuple[Floats, Floats]:
    lower, upper = data.label_lower_bound, data.label_upper_bound
    assert lower is not None and upper is not None
    with np.errstate(divide="ignore"):
        return np.log(np.maximum(lower, 0.0, dtype=np.float64)), np.log(upper.astype(np.float64))


def aft_derivatives(
    distribution: str, scale: float, margin: Floats, low: Floats, high: Floats
) -> tuple[Floats, Floats]:
    """Return the derivatives of the negative log-likelihood of times in intervals.

    Parameters
    ----------
    distribution : {"normal", "logistic", "extreme"}
    scale : float
    margin, low, high : float64 arrays of shape (rows,)
        `low` and `high` are logarithms of times.

    Returns
    -------
    grad, hess : float64 arrays of shape (rows,)

    Notes
    -----
    With z = (log(time) - margin) / scale, F the distribution function, f its density, k = f' / f and
    S = F(z_high) - F(z_low): a = f(z_high) / S and b = f(z_low) / S give the gradient (a - b) / scale and the
    hessian ((a - b)**2 - a k(z_high) + b k(z_low)) / scale**2. An interval that is a point has the density in
    place of S: k / scale and -k' / scale**2. The quotients are computed from logarithms, and S as a
    difference in the nearer tail, so that they stay accurate where F rounds to zero or one.
    """
    from scipy.special import log_expit, log_ndtr

    limit = 30.0 if distribution == "extreme" else 500.0  # derivatives are clipped far before that

    def standard(time: Floats) -> Floats:
        z = (time - margin) / scale
        return np.where(np.isinf(z), z, np.clip(z, -limit, limit))

    def log_density(z: Floats) -> Floats:
        if distribution == "normal":
            return -0.5 * z * z - 0.5 * np.log(2 * np.pi)
        if distribution == "logistic":
            return log_expit(z) + log_expit(-z)
        return z - np.exp(z)

    def slope(z: Floats) -> Floats:
        if distribution == "normal":
            return -z
        return -np.tanh(z / 2) if distribution == "logistic" else 1.0 - np.exp(z)

    def curvature(z: Floats) -> Floats:
        if distribution == "normal":
            return np.ones_like(z)
        if distribution == "logistic":
            return 2.0 * np.exp(log_density(z))
        return np.exp(z)

    z_low, z_high = standard(low), standard(high)
    grad, hess = np.empty_like(margin), np.empty_like(margin)
    point = z_high - z_low < NARROW
    z = (z_low[point] + z_high[point]) / 2
    grad[point], hess[point] = slope(z), curvature(z)

    z_low, z_high = z_low[~point], z_high[~point]
    if distribution == "extreme":
        more, less = -np.exp(z_low), -np.exp(z_high)  # the logarithms of 1 - F
    else:
        tail = log_ndtr if distribution == "normal" else log_expit
        above = z_low > 0
        more = tail(np.where(above, -z_low, z_high))
        less = tail(np.where(above, -z_high, z_low))
    log_share = more + np.log(-np.expm1(less - more))

    def quotient(z: Floats) -> tuple[Floats, Floats]:
        inside = np.isfinite(z)
        z = np.where(inside, z, 0.0)
        with np.errstate(over="ignore"):  # in elements that are not selected
            q = np.where(inside, np.exp(log_density(z) - log_share), 0.0)
        return q, q * slope(z)

    (a, a_slope), (b, b_slope) = quotient(z_high), quotient(z_low)
    grad[~point] = a - b
    hess[~point] = (a - b) ** 2 - a_slope + b_slope
    grad /= scale
    hess /= scale * scale
    np.clip(grad, -STEEPEST, STEEPEST, out=grad)
    return grad, np.clip(hess, TINY, STEEPEST, out=hess)
