"""Explorers: they propose the configurations to measure next, from scores; none of them measures."""

from costmodel.explore.annealing import AnnealingExplorer
from costmodel.explore.explorer import Explorer, Score
from costmodel.explore.genetic import GeneticExplorer
from costmodel.explore.grid import GridExplorer
from costmodel.explore.irreversible import IrreversibleExplorer
from costmodel.explore.random import RandomExplorer

__all__ = [
    "AnnealingExplorer",
    "Explorer",
    "GeneticExplorer",
    "GridExplorer",
    "IrreversibleExplorer",
    "RandomExplorer",
    "Score",
]
