"""The callbacks of training, under the module name that XGBoost's users import."""

from boost.training.callback import (
    EarlyStopping,
    EvaluationMonitor,
    LearningRateScheduler,
    ProgressMonitor,
    TrainingCallback,
    TrainingCheckPoint,
)

__all__ = [
    "EarlyStopping",
    "EvaluationMonitor",
    "LearningRateScheduler",
    "ProgressMonitor",
    "TrainingCallback",
    "TrainingCheckPoint",
]
