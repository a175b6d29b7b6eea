"""Callbacks of a training: early stopping, learning rate schedules, checkpoints and progress.

Names and hooks are XGBoost's. `boost.train` implements ``early_stopping_rounds`` and ``verbose_eval`` by
callbacks: there is no other mechanism.
"""

from __future__ import annotations

import numbers
import os
import sys
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from boost.params import Params

__all__ = [
    "EarlyStopping",
    "EvaluationMonitor",
    "LearningRateScheduler",
    "ProgressMonitor",
    "TrainingCallback",
    "TrainingCheckPoint",
]

# With these, the names of custom metrics begin that are maximised by default, as in XGBoost.
MAXIMIZED = ("auc", "ndcg", "map", "pre")
# {table: {metric: [value of each round]}}; in `cv`, a value is a pair (mean, standard deviation).
History = dict[str, dict[str, list[Any]]]


class TrainingCallback:
    """Base class; a hook that is not overridden does nothing.

    The model is a `boost.Booster`, or in `boost.cv` a `Folds` with the same methods.
    """

    def before_training(self, model: Any) -> Any:
        """Called once, before the first round; returns the model."""
        return model

    def after_training(self, model: Any) -> Any:
        """Called once, after the last round; returns the model that `train` returns."""
        return model

    def before_iteration(self, model: Any, epoch: int, evals_log: History) -> bool:
        """Called before each round; True ends the training."""
        return False

    def after_iteration(self, model: Any, epoch: int, evals_log: History) -> bool:
        """Called after each round and its metrics; True ends the training."""
        return False


class Callbacks:
    """The callbacks of one training, called in their order.

    Raises
    ------
    ValueError
        For anything that is not a `TrainingCallback`.
    """

    def __init__(self, callbacks: Sequence[TrainingCallback]) -> None:
        for callback in callbacks:
            if not isinstance(callback, TrainingCallback):
                raise ValueError(
                    f"callbacks must be instances of boost.callback.TrainingCallback, got {callback!r}"
                )
        self.callbacks = list(callbacks)

    def before_training(self, model: Any) -> Any:
        """Call the hook of each callback; returns the model."""
        for callback in self.callbacks:
            model = _checked(callback, "before_training", callback.before_training(model))
        return model

    def after_training(self, model: Any) -> Any:
        """Call the hook of each callback; returns the model."""
        for callback in self.callbacks:
            model = _checked(callback, "after_training", callback.after_training(model))
        return model

    def before_iteration(self, model: Any, epoch: int, evals_log: History) -> bool:
        """Call the hook of each callback; returns whether one of them ends the training."""
        # A list, so that all callbacks are called even after one has returned True.
        return any([c.before_iteration(model, epoch, evals_log) for c in self.callbacks])

    def after_iteration(self, model: Any, epoch: int, evals_log: History) -> bool:
        """Call the hook of each callback; returns whether one of them ends the training."""
        return any([c.after_iteration(model, epoch, evals_log) for c in self.callbacks])


def check_count(name: str, value: Any, least: int) -> int:
    """Return an integer argument, Python's or NumPy's; raise ValueError for others and below `least`."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < least:
        raise ValueError(f"{name} must be an integer of at least {least}, got {value!r}")
    return int(value)


def _checked(callback: TrainingCallback, hook: str, model: Any) -> Any:
    if model is None:
        raise ValueError(f"{type(callback).__name__}.{hook} must return the model, got None")
    return model


class LearningRateScheduler(TrainingCallback):
    """Set the learning rate before each round.

    Parameters
    ----------
    learning_rates : callable or sequence of float
        A function from the number of the round to its rate, or the rates of the rounds.

    Raises
    ------
    ValueError
        In training, when a sequence has fewer rates than there are rounds.
    """

    def __init__(self, learning_rates: Callable[[int], float] | Sequence[float]) -> None:
        if not callable(learning_rates):
            rates = [float(rate) for rate in learning_rates]
            self._rate: Callable[[int], float] = lambda epoch: _entry(rates, epoch)
        else:
            self._rate = learning_rates

    def before_iteration(self, model: Any, epoch: int, evals_log: History) -> bool:
        """Set the learning rate of this round."""
        model.set_param("learning_rate", self._rate(epoch))
        return False


def _entry(rates: list[float], epoch: int) -> float:
    if epoch >= len(rates):
        raise ValueError(f"LearningRateScheduler has {len(rates)} rates, none for round {epoch}")
    return rates[epoch]


class EarlyStopping(TrainingCallback):
    """Stop when a metric has not improved for some rounds.

    Parameters
    ----------
    rounds : int
        Number of rounds without an improvement after which the training stops.
    metric_name : str, optional
        By default, the last metric of the table.
    data_name : str, optional
        By default, the last table of ``evals``.
    maximize : bool, optional
        Whether more is better; by default, the metric defines it, and custom metrics are minimised, unless
        their names begin with that of a metric of ranking or of an area ("ndcg", "map", "pre", "auc"), as in
        XGBoost.
    save_best : bool
        Whether the model keeps only the rounds up to the best one. Otherwise it keeps all of them, and
        predicts with all of them by default; ``iteration_range=(0, best_iteration + 1)`` selects the best.
    min_delta : float
        Smallest improvement that counts.

    Raises
    ------
    ValueError
        For numbers out of range; in training, for a table or a metric that is not evaluated.
    """

    def __init__(
        self,
        *,
        rounds: int,
        metric_name: str | None = None,
        data_name: str | None = None,
        maximize: bool | None = None,
        save_best: bool = False,
        min_delta: float = 0.0,
    ) -> None:
        if not min_delta >= 0:
            raise ValueError(f"min_delta must not be negative, got {min_delta!r}")
        self.rounds = check_count("early_stopping_rounds", rounds, 1)
        self.metric_name = metric_name
        self.data_name = data_name
        self.maximize = maximize
        self.save_best = save_best
        self.min_delta = min_delta
        self._best: float | None = None
        self._best_epoch = 0
        self._up = False
        self._weights: Any = None

    def before_training(self, model: Any) -> Any:
        """Reset the state of an earlier training."""
        self._best = self._weights = None
        return model

    def after_iteration(self, model: Any, epoch: int, evals_log: History) -> bool:
        """Compare the newest value with the best one."""
        value = self._newest(evals_log, model)
        signed = -value if self._up else value
        if self._best is None or signed < self._best - self.min_delta or self._best != self._best:
            self._best, self._best_epoch = signed, epoch
            model.best_iteration, model.best_score = epoch, value
            self._weights = model.tree_weights()
            return False
        return epoch - self._best_epoch >= self.rounds

    def after_training(self, model: Any) -> Any:
        """Remove the rounds after the best one, if `save_best`."""
        if self.save_best and self._best is not None:
            model.keep_rounds(self._best_epoch + 1, self._weights)
        return model

    def _newest(self, evals_log: History, model: Any) -> float:
        if not evals_log:
            raise ValueError("early stopping needs an evaluation table: give evals")
        table = self.data_name if self.data_name is not None else list(evals_log)[-1]
        if table not in evals_log:
            raise ValueError(f"data_name is {table!r}, but evals has the tables {list(evals_log)}")
        values = evals_log[table]
        if not values:
            raise ValueError("early stopping needs a metric: give eval_metric or custom_metric")
        metric = self.metric_name if self.metric_name is not None else list(values)[-1]
        if metric not in values:
            raise ValueError(f"metric_name is {metric!r}, but the metrics are {list(values)}")
        if self._best is None:
            self._up = _is_maximized(metric, model.params) if self.maximize is None else self.maximize
        newest = values[metric][-1]
        return float(newest[0] if isinstance(newest, tuple) else newest)


def _is_maximized(metric: str, params: Params) -> bool:
    from boost.metric import make_metric

    try:
        return make_metric(metric, params).maximize
    except ValueError:  # a custom metric
        return metric.startswith(MAXIMIZED)


class TrainingCheckPoint(TrainingCallback):
    """Save the model every `interval` rounds as ``<directory>/<name>_<round>.json``.

    A training that continues from such a file (``xgb_model``) for the remaining rounds gives the same model
    as an uninterrupted one.

    Parameters
    ----------
    directory : path
        Must exist.
    name : str
    as_pickle : bool
        Must be False: loading a pickle can execute arbitrary code.
    interval : int
        Rounds between two files.

    Raises
    ------
    ValueError
        For a directory that does not exist, a pickle, and an interval below 1.
    """

    def __init__(
        self, directory: Any, name: str = "model", as_pickle: bool = False, interval: int = 100
    ) -> None:
        if as_pickle:
            raise ValueError("models are saved as JSON, never as a pickle: leave as_pickle out")
        if not os.path.isdir(directory):
            raise ValueError(f"directory must be a folder that exists, got {os.fspath(directory)!r}")
        self._path = os.path.join(os.fspath(directory), name)
        self._interval = check_count("interval", interval, 1)
        self._rounds = 0

    def before_training(self, model: Any) -> Any:
        """Reset the count of rounds."""
        self._rounds = 0
        return model

    def after_iteration(self, model: Any, epoch: int, evals_log: History) -> bool:
        """Save the model after every `interval` rounds."""
        self._rounds += 1
        if self._rounds % self._interval == 0:
            model.save_model(f"{self._path}_{epoch}.json")
        return False


class EvaluationMonitor(TrainingCallback):
    """Print the metrics of every round, or of every n-th and the last.

    Parameters
    ----------
    rank : int
        Only rank 0 prints; accepted for scripts written for several workers.
    period : int
        Rounds between two lines.
    show_stdv : bool
        Whether to print standard deviations too, in `boost.cv`.
    logger : callable, optional
        Called with each line; by default, it is printed.

    Raises
    ------
    ValueError
        For a period below 1.
    """

    def __init__(
        self,
        rank: int = 0,
        period: int = 1,
        show_stdv: bool = False,
        logger: Callable[[str], Any] | None = None,
    ) -> None:
        if period < 1:
            raise ValueError(f"period must be at least 1, got {period!r}")
        self._rank, self._period, self._show_stdv = rank, period, show_stdv
        self._logger = logger
        self._rounds = 0
        self._pending: str | None = None

    def before_training(self, model: Any) -> Any:
        """Reset the count of rounds."""
        self._rounds, self._pending = 0, None
        return model

    def after_iteration(self, model: Any, epoch: int, evals_log: History) -> bool:
        """Print the line of this round, or keep it for the end."""
        if not evals_log or self._rank != 0:
            return False
        line = "\t".join([f"[{epoch}]", *metric_texts(evals_log, self._show_stdv)])
        if self._rounds % self._period == 0:
            self._print(line)
            self._pending = None
        else:
            self._pending = line
        self._rounds += 1
        return False

    def after_training(self, model: Any) -> Any:
        """Print the line of the last round, if it was not printed."""
        if self._pending is not None:
            self._print(self._pending)
        return model

    def _print(self, line: str) -> None:
        # Read here, because sys.stdout may have been replaced.
        print(line, file=sys.stdout) if self._logger is None else self._logger(line)


def metric_texts(evals_log: History, show_stdv: bool = False) -> list[str]:
    """Return the newest values as ``table-metric:value``."""
    out = []
    for table, metrics in evals_log.items():
        for metric, values in metrics.items():
            newest = values[-1]
            mean, deviation = newest if isinstance(newest, tuple) else (newest, None)
            text = f"{table}-{metric}:{mean:.5f}"
            out.append(f"{text}+{deviation:.5f}" if show_stdv and deviation is not None else text)
    return out


class ProgressMonitor(TrainingCallback):
    """Show a progress bar with the remaining time and the newest metrics, on a terminal only.

    Parameters
    ----------
    rounds : int, optional
        Number of rounds of the training. Without it, the bar shows the completed rounds and the elapsed time.
    interval : float
        Least seconds between two updates.
    console : rich.console.Console, optional
        By default, one on standard error.
    """

    def __init__(self, rounds: int | None = None, interval: float = 0.1, console: Any = None) -> None:
        self._total = rounds
        self._interval = interval
        self._console = console
        self._bar: Any = None
        self._done, self._drawn = 0, 0.0

    def before_training(self, model: Any) -> Any:
        """Show the empty bar."""
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        self._done, self._drawn = 0, 0.0
        console = Console(stderr=True) if self._console is None else self._console
        if not console.is_terminal:
            return model
        clock = TimeElapsedColumn() if self._total is None else TimeRemainingColumn()
        columns = (BarColumn(), MofNCompleteColumn(), clock, TextColumn("{task.description}"))
        # No refreshing thread, because the process may fork.
        self._bar = Progress(*columns, console=console, auto_refresh=False)
        self._bar.start()
        self._task = self._bar.add_task("", total=self._total)
        return model

    def after_iteration(self, model: Any, epoch: int, evals_log: History) -> bool:
        """Update the bar, if `interval` seconds have passed since the last update."""
        self._done += 1
        if self._bar is not None and time.monotonic() - self._drawn >= self._interval:
            self._draw(evals_log)
        self._log = evals_log
        return False

    def after_training(self, model: Any) -> Any:
        """Draw the final state, and close the bar."""
        if self._bar is not None:
            if self._done:
                self._draw(self._log)
            self._bar.stop()
            self._bar = None
        return model

    def _draw(self, evals_log: History) -> None:
        self._drawn = time.monotonic()
        text = "  ".join(metric_texts(evals_log))
        self._bar.update(self._task, completed=self._done, description=text, refresh=True)
