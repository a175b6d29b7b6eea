"""Callbacks of training, under the name that XGBoost's users import."""

from boost.training.callback import (
    Callbacks,
    EarlyStopping,
    EvaluationMonitor,
    LearningRateScheduler,
    TrainingCallback,
    TrainingCheckPoint,
)

__all__ = [
    "Callbacks",
    "EarlyStopping",
    "EvaluationMonitor",
    "LearningRateScheduler",
    "TrainingCallback",
    "TrainingCheckPoint",
]
