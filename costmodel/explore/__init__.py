"""Explorers: they propose the configurations to measure next, from scores; none of them measures."""

from costmodel.explore.annealing import AnnealingExplorer
from costmodel.explore.explorer import Explorer, Score
from costmodel.explore.random import RandomExplorer

__all__ = ["AnnealingExplorer", "Explorer", "RandomExplorer", "Score"]
