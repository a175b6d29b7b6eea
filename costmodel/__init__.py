"""Search for fast programs, with boosted trees as the learned cost model.

The walk: a `Task` has a space of configurations; an explorer proposes some by the model's scores; a batch is
selected, measured in a worker process, and recorded; the model is fitted again; the best record is built.
"""

from __future__ import annotations

from costmodel.explore import AnnealingExplorer, Explorer, RandomExplorer
from costmodel.features import extract, feature_names
from costmodel.measure.finals import Finals, run_finals
from costmodel.measure.measurer import Comparison, MeasureError, Measurer, MeasureResult, Reason
from costmodel.model import BoostedTreeCostModel, CostModel, rank_correlation
from costmodel.records import Record, RecordWarning
from costmodel.space import Config, ConfigSpace
from costmodel.task import Operator, Task, register
from costmodel.tune import Progress, TuneResult, tune

__all__ = [
    "AnnealingExplorer",
    "BoostedTreeCostModel",
    "Comparison",
    "Config",
    "ConfigSpace",
    "CostModel",
    "Explorer",
    "Finals",
    "MeasureError",
    "MeasureResult",
    "Measurer",
    "Operator",
    "Progress",
    "RandomExplorer",
    "Reason",
    "Record",
    "RecordWarning",
    "Task",
    "TuneResult",
    "extract",
    "feature_names",
    "rank_correlation",
    "register",
    "run_finals",
    "tune",
]
