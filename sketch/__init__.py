"""Mergeable weighted quantile summaries, and the candidate cut points made from them."""

from __future__ import annotations

from sketch.cuts import Cuts, column_cuts
from sketch.quantile import WeightedQuantileSketch
from sketch.summary import Summary

__all__ = ["Cuts", "Summary", "WeightedQuantileSketch", "column_cuts"]
