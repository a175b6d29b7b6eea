"""shap's explainers of our models: values of pred_contribs, categories, missing values, background rows."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import boost
from tests.boost.small_models import CLASS, FRAME, KINDS, X, Y, model_of, table_of

shap = pytest.importorskip("shap")
CATEGORICAL = ("categories", "single categories")


@pytest.mark.parametrize("kind", [k for k in KINDS if k != "sparse"])
def test_the_values_are_those_of_pred_contribs(kind: str) -> None:
    model, rows = model_of(kind), table_of(kind)
    want = model.predict(rows, pred_contribs=True, strict_shape=True)
    explainer = boost.tree_explainer(model)
    assert isinstance(explainer, shap.TreeExplainer)
    explanation = explainer(rows)
    assert isinstance(explanation, shap.Explanation)
    values = explanation.values.reshape(len(want), want.shape[2] - 1, -1)
    np.testing.assert_allclose(values, np.moveaxis(want[:, :, :-1], 1, 2), atol=1e-6)
    np.testing.assert_allclose(explanation.base_values.reshape(len(want), -1), want[:, :, -1], atol=1e-6)
    assert explanation.feature_names == (model.feature_names or [f"f{i}" for i in range(want.shape[2] - 1)])


@pytest.mark.parametrize("kind", [k for k in KINDS if k not in ("sparse", "no split", *CATEGORICAL)])
def test_shap_computes_the_same_from_the_trees(kind: str) -> None:
    """shap's own code, on the trees that it is given, finds the values of ours."""
    model, rows = model_of(kind), table_of(kind)
    want = model.predict(rows, pred_contribs=True, strict_shape=True)
    for make in (shap.TreeExplainer, shap.Explainer):
        explainer = make(boost.shap_trees(model))
        values = explainer.shap_values(rows).reshape(len(want), want.shape[2] - 1, -1)
        np.testing.assert_allclose(values, np.moveaxis(want[:, :, :-1], 1, 2), atol=1e-6)
        np.testing.assert_allclose(np.ravel(explainer.expected_value), want[0, :, -1], atol=1e-6)
    margins = model.predict(rows, output_margin=True, strict_shape=True)
    np.testing.assert_allclose(explainer.model.predict(rows).reshape(margins.shape), margins, atol=1e-6)


def test_values_at_thresholds_go_to_the_same_side() -> None:
    model = model_of("squared error")
    limits = np.concatenate([t.condition[t.left >= 0] for t in (model.model.forest[k] for k in range(4))])
    rows = np.tile(limits.astype(np.float32)[:, None], (1, 5))
    found = shap.TreeExplainer(boost.shap_trees(model)).model.predict(rows)
    np.testing.assert_allclose(found, model.predict(rows, output_margin=True), atol=1e-6)


def test_categories_are_shown_by_name() -> None:
    explanation = boost.tree_explainer(model_of("categories"))(FRAME)
    assert explanation.data[:, 0].tolist() == FRAME["shop & bar"].tolist()
    missing = FRAME["town"].isna().to_numpy()
    assert [str(v) for v in explanation.data[~missing, 2]] == [str(v) for v in FRAME["town"][~missing]]
    assert all(np.isnan(v) for v in explanation.data[missing, 2])
    with pytest.raises(ValueError, match="shap's trees have no splits on sets of categories, .*'shop & bar'"):
        shap.TreeExplainer(boost.shap_trees(model_of("categories")))


def test_background_rows_and_probabilities() -> None:
    model = model_of("logistic")
    filled = np.nan_to_num(X)
    explainer = boost.tree_explainer(model, filled[:50], model_output="probability")
    explanation = explainer(filled[50:80])
    total = explanation.values.sum(axis=1) + explanation.base_values
    np.testing.assert_allclose(total, model.predict(filled[50:80]), atol=1e-5)
    with pytest.raises(ValueError, match="model_output='probability' needs background rows"):
        boost.tree_explainer(model, model_output="probability")


def test_estimators_interactions_and_single_rows() -> None:
    estimator = boost.BoostClassifier(n_estimators=3, max_depth=2, missing=-99).fit(
        np.nan_to_num(X, nan=-99), CLASS
    )
    marked = np.nan_to_num(X, nan=-99)
    booster = estimator.get_booster()
    explainer = boost.tree_explainer(estimator)
    want = booster.predict(X, pred_contribs=True)
    np.testing.assert_allclose(explainer.shap_values(marked), np.moveaxis(want[:, :, :-1], 1, 2), atol=1e-6)
    np.testing.assert_allclose(explainer.shap_values(marked[3]), want[3, :, :-1].T, atol=1e-6)
    pairs = booster.predict(X[:20], pred_interactions=True)[:, :, :-1, :-1]
    found = explainer(marked[:20], interactions=True)
    np.testing.assert_allclose(found.values, np.moveaxis(pairs, 1, -1), atol=1e-6)
    first = booster[:1].predict(X, pred_contribs=True)[:, :, :-1]
    np.testing.assert_allclose(
        explainer.shap_values(marked, tree_limit=3), np.moveaxis(first, 1, 2), atol=1e-6
    )


def test_the_rounds_of_an_estimator_that_stopped_early(tmp_path: Path) -> None:
    booster = boost.train({}, boost.DMatrix(X, Y), 9)
    booster.set_attr(best_iteration=4, best_score=0.5)
    booster.save_model(tmp_path / "m.json")
    estimator = boost.XGBRegressor()
    estimator.load_model(tmp_path / "m.json")
    assert estimator.best_iteration < estimator.get_booster().num_boosted_rounds() - 1
    explanation = boost.tree_explainer(estimator)(X)
    total = explanation.values.sum(axis=1) + explanation.base_values
    np.testing.assert_allclose(total, estimator.predict(X), atol=1e-5)
    trees = shap.TreeExplainer(boost.shap_trees(estimator))
    np.testing.assert_allclose(trees.shap_values(X), explanation.values, atol=1e-6)


def test_plots_of_shap_take_the_explanation() -> None:
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    explanation = boost.tree_explainer(model_of("categories"))(FRAME)
    shap.plots.waterfall(explanation[0], show=False)
    shap.plots.bar(explanation, show=False)
    matplotlib.pyplot.close("all")


def test_access_loads_no_shap() -> None:
    code = "import sys, boost; boost.tree_explainer, boost.shap_trees; sys.exit('shap' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_without_shap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "shap", None)
    monkeypatch.delitem(sys.modules, "boost.show.explainer", raising=False)
    with pytest.raises(ImportError, match="tree_explainer needs the package shap: pip install"):
        boost.tree_explainer(model_of("squared error"))
