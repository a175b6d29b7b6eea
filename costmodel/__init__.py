"""Search for fast programs, with boosted trees as the learned cost model.

A `Task` has a space of configurations; an explorer proposes some of them by the model's scores; a batch is
selected, measured in a worker process, and recorded; the model is fitted again; the best record is built.
"""

from __future__ import annotations

from compiler.ops.operator import Operator
from costmodel.explore import (
    AnnealingExplorer,
    Explorer,
    GeneticExplorer,
    GridExplorer,
    IrreversibleExplorer,
    RandomExplorer,
)
from costmodel.features import extract, feature_names
from costmodel.measure.cluster import DaskMeasurer
from costmodel.measure.comparison import Comparison
from costmodel.measure.finals import Finals, run_finals
from costmodel.measure.measurer import Measurer
from costmodel.measure.process import MeasureError
from costmodel.measure.protocol import Runner
from costmodel.model import BoostedTreeCostModel, CostModel, rank_correlation
from costmodel.records import Record, RecordWarning
from costmodel.registry import register
from costmodel.result import MeasureResult, Reason, common_failure
from costmodel.space import Config, ConfigSpace
from costmodel.task import Task
from costmodel.tune import tune
from costmodel.tuning.progress import Progress
from costmodel.tuning.result import TuneResult

__all__ = [
    "AnnealingExplorer",
    "BoostedTreeCostModel",
    "Comparison",
    "Config",
    "ConfigSpace",
    "CostModel",
    "DaskMeasurer",
    "Explorer",
    "Finals",
    "GeneticExplorer",
    "GridExplorer",
    "IrreversibleExplorer",
    "MeasureError",
    "MeasureResult",
    "Measurer",
    "Operator",
    "Progress",
    "RandomExplorer",
    "Reason",
    "Record",
    "RecordWarning",
    "Runner",
    "Task",
    "TuneResult",
    "common_failure",
    "extract",
    "feature_names",
    "rank_correlation",
    "register",
    "run_finals",
    "tune",
]
