"""Explainers of the package shap for our models, made when they are needed."""

from __future__ import annotations

from typing import Any


def tree_explainer(booster: Any, data: Any = None, **options: Any) -> Any:
    """Return a ``shap.TreeExplainer`` of a model.

    ``shap.TreeExplainer(model)`` itself recognizes models by the classes of their libraries. This explainer
    is one of the same class, takes whatever `Booster.predict` takes (frames with categories and missing
    values, sparse matrices, a `DMatrix`), and returns ``shap.Explanation``, for all plots of shap:

    .. code-block:: python

       explainer = boost.tree_explainer(model)
       shap.plots.beeswarm(explainer(X))

    Without background rows, its values are those of ``pred_contribs``: exact Shapley values of the
    expectation along the paths of the trees.

    Parameters
    ----------
    booster : Booster or fitted estimator
    data : array or frame of shape (background rows, features), optional
        Explain by interventions on these rows, as shap does with `shap_trees`; not for models with splits on
        sets of categories.
    **options
        ``model_output`` ("raw", "probability" or "log_loss"), ``feature_perturbation`` and ``feature_names``,
        as in shap.

    Returns
    -------
    shap.TreeExplainer

    Raises
    ------
    ModelError
        A `ValueError`: for background rows and a model with splits on sets of categories.
    ImportError
        Without the package shap.
    """
    try:
        from boost.show.explainer import TreeExplainer
    except ImportError as error:
        raise ImportError("tree_explainer needs the package shap: pip install 'espalier[shap]'") from error
    return TreeExplainer(booster, data, **options)
