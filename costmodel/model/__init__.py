"""Models that score programs by their features, and measures of how well they do."""

from __future__ import annotations

from costmodel.model.estimator import SklearnCostModel
from costmodel.model.protocol import CostModel
from costmodel.model.quality import pairwise_accuracy, rank_correlation, top_recall
from costmodel.model.trees import BoostedTreeCostModel

__all__ = [
    "BoostedTreeCostModel",
    "CostModel",
    "SklearnCostModel",
    "pairwise_accuracy",
    "rank_correlation",
    "top_recall",
]
