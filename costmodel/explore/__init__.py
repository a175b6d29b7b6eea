"""Explorers: where in a space to look next. They propose from scores; none measures."""

from costmodel.explore.annealing import AnnealingExplorer
from costmodel.explore.explorer import Explorer, Score
from costmodel.explore.random import RandomExplorer

__all__ = ["AnnealingExplorer", "Explorer", "RandomExplorer", "Score"]
