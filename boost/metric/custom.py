"""Custom metrics: callables given by the user."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from boost.metric.base import Floats, Metric

if TYPE_CHECKING:
    from boost.data.dmatrix import DMatrix


class CustomMetric(Metric):
    """A callable as a metric, without checks of the labels."""

    __slots__ = ()

    def check(self, data: DMatrix, n_outputs: int) -> None:
        """Accept every table."""

    def named(self, prediction: Floats, data: DMatrix) -> list[tuple[str, float]]:
        """Return the names and the values that the callable returns."""
        given = prediction[:, 0] if prediction.ndim == 2 and prediction.shape[1] == 1 else prediction
        result: Any = self.function(given, data)
        try:
            return [
                (str(name), float(value))
                for name, value in (result if isinstance(result, list) else [result])
            ]
        except (TypeError, ValueError):
            raise ValueError(
                f"custom metric {self.name!r} must return a pair (name, value), or a list of pairs, "
                f"got {result!r}"
            ) from None

    def __call__(self, prediction: Floats, data: DMatrix) -> float:
        """Return the first value alone."""
        return self.named(prediction, data)[0][1]


def custom_metric(function: Callable[[Any, DMatrix], Any], maximize: bool = False) -> Metric:
    """Turn a callable into a metric.

    Parameters
    ----------
    function : callable
        ``function(prediction, data)`` returns a pair of a name and a number, or a list of pairs; predictions
        have shape (rows,), or (rows, outputs) for several outputs. `Metric.named` returns the pairs.
    maximize : bool
        Whether larger values are better.

    Raises
    ------
    ValueError
        For an object that is not callable; when evaluated, for a result that is not such a pair.
    """
    if not callable(function):
        raise ValueError(f"custom_metric must be a function of predictions and a DMatrix, got {function!r}")
    return CustomMetric(getattr(function, "__name__", type(function).__name__), maximize, function)
