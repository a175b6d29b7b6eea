"""Models that score programs by their features, and measures of how well they do."""

from __future__ import annotations

from costmodel.learned.estimator import SklearnCostModel
from costmodel.learned.protocol import CostModel
from costmodel.learned.quality import pairwise_accuracy, rank_correlation, top_recall
from costmodel.learned.trees import BoostedTreeCostModel

__all__ = [
    "BoostedTreeCostModel",
    "CostModel",
    "SklearnCostModel",
    "pairwise_accuracy",
    "rank_correlation",
    "top_recall",
]
