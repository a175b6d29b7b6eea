"""The plots, under the module name that XGBoost's users import."""

from boost.show.plot_tree import plot_tree, to_graphviz
from boost.show.plots.overview import plot_importance

__all__ = ["plot_importance", "plot_tree", "to_graphviz"]
