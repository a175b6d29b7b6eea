"""Search for fast programs, with boosted trees as the learned cost model.

A `Task` has a space of configurations; an explorer proposes some of them by the model's scores; a batch is
selected, measured in a worker process, and recorded; the model is fitted again; the best record is built.
"""

from __future__ import annotations

from compiler.ops.operator import Operator
from costmodel.budget import tune_all
from costmodel.build import build, ranked
from costmodel.explore import (
    AnnealingExplorer,
    Explorer,
    GeneticExplorer,
    GridExplorer,
    IrreversibleExplorer,
    RandomExplorer,
)
from costmodel.extract import extract_tasks
from costmodel.features import (
    Features,
    KnobFeatures,
    LoopFeatures,
    StoreFeatures,
    extract,
    feature_names,
    feature_version,
)
from costmodel.history import HistoryBest, HistoryWarning, apply_history_best
from costmodel.learned import (
    BoostedTreeCostModel,
    CostModel,
    SklearnCostModel,
    pairwise_accuracy,
    rank_correlation,
    top_recall,
)
from costmodel.measure.cluster import DaskMeasurer
from costmodel.measure.comparison import Comparison
from costmodel.measure.finals import Finals, run_finals
from costmodel.measure.measurer import Measurer
from costmodel.measure.process import MeasureError
from costmodel.measure.protocol import Runner
from costmodel.records import Record, RecordWarning
from costmodel.registry import register
from costmodel.result import MeasureResult, Reason, common_failure
from costmodel.space import Config, ConfigSpace
from costmodel.task import Task
from costmodel.tune import tune
from costmodel.tuning.progress import Progress, TaskShare, TotalProgress
from costmodel.tuning.result import TotalResult, TuneResult
from costmodel.tuning.stop import StopTuning, TuningError

__all__ = [
    "AnnealingExplorer",
    "BoostedTreeCostModel",
    "Comparison",
    "Config",
    "ConfigSpace",
    "CostModel",
    "DaskMeasurer",
    "Explorer",
    "Features",
    "Finals",
    "GeneticExplorer",
    "GridExplorer",
    "HistoryBest",
    "HistoryWarning",
    "IrreversibleExplorer",
    "KnobFeatures",
    "LoopFeatures",
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
    "StopTuning",
    "SklearnCostModel",
    "StoreFeatures",
    "Task",
    "TaskShare",
    "TotalProgress",
    "TotalResult",
    "TuneResult",
    "TuningError",
    "apply_history_best",
    "common_failure",
    "build",
    "extract",
    "extract_tasks",
    "feature_names",
    "feature_version",
    "pairwise_accuracy",
    "rank_correlation",
    "ranked",
    "register",
    "run_finals",
    "top_recall",
    "tune",
    "tune_all",
]
