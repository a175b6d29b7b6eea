"""Plots: importance, a tree, and the graph of a tree."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import xgboost as xgb

rng = np.random.default_rng(0)
X = rng.integers(0, 20, (300, 4)) / 4.0
y = X[:, 0] * X[:, 1] + X[:, 2]
bst = xgb.train({"max_depth": 3}, xgb.DMatrix(X, y, feature_names=list("abcd")), 4, verbose_eval=False)


def described(axes):
    bars = [
        (label.get_text(), bar.get_width())
        for label, bar in zip(axes.get_yticklabels(), axes.patches, strict=True)
    ]
    return (axes.get_title(), axes.get_ylabel(), bars)


answers = {
    "default": described(xgb.plot_importance(bst)),
    "gain": described(
        xgb.plot_importance(
            bst,
            importance_type="gain",
            title="T",
            xlabel="x",
            ylabel=None,
            max_num_features=2,
            show_values=False,
        )
    ),
    "scores": described(xgb.plot_importance({"a": 3, "b": 1})),
    "model": described(xgb.plot_importance(xgb.XGBRegressor(n_estimators=3, max_depth=2).fit(X, y))),
}
figure, axes = plt.subplots()
answers["axes"] = xgb.plot_importance(bst, ax=axes, height=0.5, grid=False) is axes
graph = xgb.to_graphviz(bst, num_trees=2)
answers["graph"] = (type(graph).__name__, graph.source.count("->"))
graph = xgb.to_graphviz(bst, tree_idx=1, rankdir="LR", condition_node_params={"shape": "box"})
answers["options"] = graph.source.count("->")
answers["label"] = xgb.plot_importance(bst).get_xlabel()
differs = {"label": "the kind of importance is written, in XGBoost: Importance score"}
answers["dot"] = bst.get_dump(dump_format="dot")[0].count("->")
plt.close("all")
