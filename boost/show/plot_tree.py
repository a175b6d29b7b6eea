"""Plots of one tree: an SVG drawing, and a graph of the package ``graphviz``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from boost.model.model import Model
from boost.show.drawing import TreeDrawing
from boost.show.dump import MISSING, OTHER, DotStyle, dot
from boost.show.names import names_of
from boost.show.plots.canvas import PlotError, model_of


def plot_tree(
    booster: Any,
    *,
    tree_idx: int = 0,
    rankdir: str | None = None,
    with_stats: bool = False,
    max_depth: int | None = None,
    fmap: Any = "",
    ax: Any = None,
    num_trees: int | None = None,
) -> Any:
    """Draw a tree.

    Parameters
    ----------
    booster : Booster or fitted estimator
    tree_idx : int
        The number of the tree; with several outputs, each round has a tree for each of them.
    rankdir : {"TB", "LR"}, optional
        Whether the root is at the top (the default) or on the left.
    with_stats : bool
        Whether to show the gain of the splits and the sum of the hessians of each node.
    max_depth : int, optional
        Draw no node below this depth.
    fmap : path
        A feature map, as for `Booster.get_dump`.
    ax : Axes, optional
    num_trees : int, optional
        Another name of `tree_idx`, for scripts of XGBoost before version 3.

    Returns
    -------
    TreeDrawing
        An SVG, which a notebook shows and ``save("tree.svg")`` writes; it needs neither Graphviz nor
        Matplotlib. With `ax`, the tree is drawn there, and the axes are returned.

    Raises
    ------
    PlotError
        A `ValueError`, for a tree that does not exist.
    """
    model = model_of(booster)
    drawing = TreeDrawing(
        model.forest[_tree_number(model, tree_idx if num_trees is None else num_trees)],
        names_of(model, fmap),
        with_stats=with_stats,
        rankdir=rankdir or "TB",
        max_depth=max_depth,
    )
    return drawing if ax is None else drawing.draw(ax)


def _tree_number(model: Model, given: Any) -> int:
    """Return the number of a tree, or raise `PlotError`."""
    trees = model.forest.trees
    if isinstance(given, bool) or not isinstance(given, (int, np.integer)) or not 0 <= given < trees:
        raise PlotError(f"tree_idx must lie within 0 and {trees - 1}, got {given!r}")
    return int(given)


def to_graphviz(
    booster: Any,
    *,
    fmap: Any = "",
    num_trees: int | None = None,
    rankdir: str | None = None,
    yes_color: str | None = None,
    no_color: str | None = None,
    condition_node_params: Mapping[str, Any] | None = None,
    leaf_node_params: Mapping[str, Any] | None = None,
    with_stats: bool = False,
    tree_idx: int = 0,
    **graph_attrs: Any,
) -> Any:
    """Return a tree as a graph of the package ``graphviz``, which a notebook shows.

    `plot_tree` needs no other package, and `Booster.get_dump` returns the text of the graph.

    Parameters
    ----------
    booster : Booster or fitted estimator
    fmap, num_trees, rankdir, with_stats, tree_idx
        As for `plot_tree`.
    yes_color, no_color : str, optional
        As in XGBoost, the colour of an edge that missing values take, and of the other one.
    condition_node_params, leaf_node_params : dict, optional
        Graphviz's attributes of the nodes of splits, and of leaves.
    **graph_attrs
        Graphviz's attributes of the graph.

    Returns
    -------
    graphviz.Source

    Raises
    ------
    PlotError
        A `ValueError`, for a tree that does not exist, and without the package ``graphviz``.
    """
    model = model_of(booster)
    if rankdir is not None:
        graph_attrs = {"rankdir": rankdir, **graph_attrs}
    style = DotStyle(
        graph=graph_attrs,
        split=condition_node_params or {},
        leaf=leaf_node_params or {},
        missing=yes_color or MISSING,
        other=no_color or OTHER,
        by_name=True,
    )
    tree = model.forest[_tree_number(model, tree_idx if num_trees is None else num_trees)]
    try:
        from graphviz import Source
    except ImportError:
        raise PlotError(
            "to_graphviz needs the package graphviz: pip install graphviz, or use plot_tree, which does not"
        ) from None
    return Source(dot(tree, names_of(model, fmap), with_stats, style))
