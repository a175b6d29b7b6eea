"""What a model learns from the trials of a task: how well it predicts, what features and knobs matter."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import compiler
from compiler import Target
from compiler.backend import Hardware
from costmodel.features import KnobFeatures, features_of
from costmodel.learned import BoostedTreeCostModel, pairwise_accuracy, rank_correlation
from costmodel.records import Record
from costmodel.task import Task

FAMILY = "store"
OBJECTIVE = "reg:squarederror"
# programs that a model is fitted to: more take long to lower
ROWS = 512
# programs below which there is nothing to learn
FEWEST = 16
FOLDS = 5


@dataclass(frozen=True)
class Calibration:
    """Predictions of programs by a model that was not fitted to them, beside what was measured.

    Parameters
    ----------
    predicted, measured : ndarray of float64, shape (n,)
        Natural logarithms of calls per second.
    rank_correlation : float
    pairwise_accuracy : float
        Share of the pairs that the predictions order as measured, without those that differ by less than the
        noise.
    """

    predicted: np.ndarray
    measured: np.ndarray
    rank_correlation: float
    pairwise_accuracy: float


@dataclass(frozen=True)
class KnobEffect:
    """How the time of a program depends on one knob.

    Parameters
    ----------
    name : str
    values : tuple
        Those that were tried, in the order of the knob's options.
    trials : tuple of int
        Number of programs with each of them.
    speeds : tuple of float
        Predicted speed with each value, on average of the programs that were tried, the other knobs being as
        they are; relative to the least of them.
    """

    name: str
    values: tuple[Any, ...]
    trials: tuple[int, ...]
    speeds: tuple[float, ...]

    @property
    def range(self) -> float:
        """The greatest of the relative speeds: 1 for a knob without an effect."""
        return max(self.speeds)

    @property
    def best(self) -> Any:
        """The value of the greatest speed."""
        return self.values[self.speeds.index(self.range)]


@dataclass(frozen=True)
class Insight:
    """What models learn from the trials of a task.

    Parameters
    ----------
    programs : int
        Number of programs that they were fitted to.
    importance : dict of str to float
        Feature -> its share of the total gain, the most important first, without those that are not used.
    calibration : Calibration
    knobs : list of KnobEffect
        The one with the greatest effect first.
    """

    programs: int
    importance: dict[str, float]
    calibration: Calibration
    knobs: list[KnobEffect]


def insight(task: Task, records: Sequence[Record]) -> Insight | None:
    """Return what models learn from the trials of a task that ran; None if there are too few to learn from.

    Parameters
    ----------
    task : Task
    records : sequence of Record
        Of one machine. Of each configuration its fastest trial counts; of many configurations an even share.
    """
    unique: dict[int, Record] = {}
    for record in records:
        if record.ok:
            index = task.space.config(record.config).index
            if index not in unique or record.cost < unique[index].cost:
                unique[index] = record
    chosen = list(unique.items())
    if len(chosen) > ROWS:
        chosen = [chosen[i * len(chosen) // ROWS] for i in range(ROWS)]
    rows = [(index, row, r) for index, r in chosen if (row := _features(task, index, r)) is not None]
    if len(rows) < FEWEST or len({r.cost for _, _, r in rows}) < 2:
        return None
    features = np.stack([row for _, row, _ in rows])
    speeds = np.array([1.0 / r.cost for _, _, r in rows])
    stated = [r.noise for _, _, r in rows if r.noise is not None]
    noise = min(statistics.median(stated), 0.5) if stated else 0.0
    return Insight(
        len(rows),
        _importance(features, speeds),
        calibrate(features, speeds, noise),
        _knob_effects(task, np.array([index for index, _, _ in rows]), speeds),
    )


def hardware(record: Record) -> Hardware | None:
    """Return what the target of a record has; None if the record does not state it, or something else."""
    stated: Mapping[str, Any] = record.hardware
    names = ("vector_bits", "vector_registers", "threads")
    numbers = [stated.get(name) for name in names]
    caches = stated.get("caches")
    if not isinstance(caches, (list, tuple)) or not all(
        type(n) is int and n >= 0 for n in (*numbers, *caches)
    ):
        return None
    return Hardware(**dict(zip(names, numbers, strict=True)), caches=tuple(caches))  # type: ignore[arg-type]


def _features(task: Task, index: int, record: Record) -> np.ndarray | None:
    family = features_of(FAMILY, hardware(record) or Target.parse(task.target).hardware)
    try:
        schedule, args = task.instantiate(index)
        return family.extract(compiler.loop_nest(schedule, args))
    except Exception:  # of a user's template, which may have changed since
        return None


def _model() -> BoostedTreeCostModel:
    return BoostedTreeCostModel(objective=OBJECTIVE)


def _importance(features: np.ndarray, speeds: np.ndarray) -> dict[str, float]:
    model = _model()
    model.fit(features, speeds)
    gains = model.booster.get_score(importance_type="total_gain")
    names = features_of(FAMILY).names
    total = sum(gains.values()) or 1.0
    shares = {names[int(name[1:])]: gain / total for name, gain in gains.items()}
    return dict(sorted(shares.items(), key=lambda item: (-item[1], item[0])))


def calibrate(features: np.ndarray, speeds: np.ndarray, noise: float) -> Calibration:
    """Cross-validate: predict each program by a model of the others.

    Parameters
    ----------
    features : ndarray of float32, shape (n, features)
    speeds : ndarray of float64, shape (n,)
        Calls per second.
    noise : float
        Of the speeds, relative.
    """
    order = np.random.default_rng(0).permutation(len(speeds))
    predicted = np.empty(len(speeds))
    for held in np.array_split(order, FOLDS):
        others = np.setdiff1d(order, held)
        model = _model()
        model.fit(features[others], speeds[others])
        # the scores are relative to the best program of each fit
        predicted[held] = model.predict(features[held]) + np.log(speeds[others].max())
    return Calibration(
        predicted,
        np.log(speeds),
        rank_correlation(predicted, speeds),
        pairwise_accuracy(predicted, speeds, noise=noise),
    )


def _knob_effects(task: Task, indices: np.ndarray, speeds: np.ndarray) -> list[KnobEffect]:
    """The partial dependence of the logarithm of the speed on each knob, in a model of the knobs' values."""
    family = KnobFeatures(task.space)
    digits = np.array([task.space.digits(int(index)) for index in indices], np.intp)
    model = _model()
    model.fit(family.of_digits(digits), speeds)
    effects = []
    for position, knob in enumerate(task.space.knobs):
        tried, counts = np.unique(digits[:, position], return_counts=True)
        if len(tried) < 2:
            continue
        means = []
        for option in tried:
            changed = digits.copy()
            changed[:, position] = option
            means.append(float(np.mean(model.predict(family.of_digits(changed)))))
        relative = np.exp(np.array(means) - min(means))
        effects.append(
            KnobEffect(
                knob.name,
                tuple(knob.options[d] for d in tried),
                tuple(map(int, counts)),
                tuple(map(float, relative)),
            )
        )
    return sorted(effects, key=lambda e: (-e.range, e.name))
