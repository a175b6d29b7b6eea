"""Plots: the artists on given and on new axes, without a display."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import boost
from boost.show.plot import plot_contributions, plot_importance, plot_metric
from boost.show.plot_tree import plot_tree
from tests.boost.small_models import CLASS, FRAME, KINDS, X, Y, model_of, table_of

matplotlib = pytest.importorskip("matplotlib")


@pytest.fixture(autouse=True)
def no_display() -> Iterator[None]:
    matplotlib.use("Agg")
    yield
    from matplotlib import pyplot

    pyplot.close("all")


def axes() -> Any:
    from matplotlib.figure import Figure

    return Figure().add_subplot()


def labels(ax: Any) -> list[str]:
    return [label.get_text() for label in ax.get_yticklabels()]


def test_importance() -> None:
    model = model_of("squared error")
    score = model.get_score("total_gain")
    ax = axes()
    assert plot_importance(model, ax=ax, importance_type="total_gain", max_num_features=3) is ax
    best = sorted(score, key=lambda name: score[name])[-3:]
    assert labels(ax) == best
    assert [bar.get_width() for bar in ax.patches] == [score[name] for name in best]
    assert ax.get_xlabel() == "total gain" and ax.get_title() == "Feature importance"
    chosen = plot_importance({"a": 2.0, "$b$": 1.0}, title=None, xlabel="x", show_values=False, color="red")
    assert labels(chosen) == [r"\$b\$", "a"] and chosen.get_title() == "" and chosen.get_xlabel() == "x"
    assert not chosen.texts
    with pytest.raises(ValueError, match="no importance to plot"):
        plot_importance(model_of("no split"))
    with pytest.raises(ValueError, match="max_num_features must be an integer of at least 1, got 0"):
        plot_importance(model, max_num_features=0)
    with pytest.raises(ValueError, match="xlim must be a pair"):
        plot_importance(model, xlim=3)
    with pytest.raises(ValueError, match="importance must be one of .* did you mean 'gain'"):
        plot_importance(model, importance_type="gian")


@pytest.fixture(scope="module")
def evaluated() -> boost.Booster:
    table, held = boost.DMatrix(X[:200], Y[:200]), boost.DMatrix(X[200:], Y[200:])
    return boost.train(
        {"eval_metric": ["mae", "rmse"], "max_depth": 3},
        table,
        40,
        evals=[(table, "train"), (held, "held")],
        early_stopping_rounds=3,
        verbose_eval=False,
    )


def test_metric(evaluated: boost.Booster) -> None:
    ax = plot_metric(evaluated, metric="rmse")
    lines = {line.get_label(): line.get_ydata() for line in ax.lines}
    assert list(lines["train"]) == evaluated.history["train"]["rmse"]
    assert list(lines["held"]) == evaluated.history["held"]["rmse"]
    assert lines.keys() == {"train", "held", "best round"}
    assert ax.get_ylabel() == "rmse"
    only = plot_metric(evaluated.history, dataset_names=["held"], ax=axes())
    assert [line.get_label() for line in only.lines] == ["held"] and only.get_ylabel() == "mae"
    estimator = boost.BoostRegressor(n_estimators=3).fit(X, Y, eval_set=[(X, Y)], verbose=False)
    assert [line.get_label() for line in plot_metric(estimator).lines] == ["validation_0"]


def test_unknown_metrics_and_tables(evaluated: boost.Booster) -> None:
    with pytest.raises(ValueError, match="no metric was recorded: train with evals"):
        plot_metric(model_of("squared error"))
    with pytest.raises(ValueError, match="no metric is called 'rsme'; did you mean 'rmse'"):
        plot_metric(evaluated, metric="rsme")
    with pytest.raises(ValueError, match="no table is called 'test'"):
        plot_metric(evaluated, dataset_names=["test"])
    assert evaluated[:2].history == {}  # the history does not describe a part of the model


def test_a_model_keeps_its_history() -> None:
    history: dict[str, dict[str, list[float]]] = {}
    table = boost.DMatrix(X, Y)
    first = boost.train({}, table, 3, evals=[(table, "a")], evals_result=history, verbose_eval=False)
    boost.train({}, table, 2, evals=[(table, "b")], evals_result=history, verbose_eval=False)
    assert list(first.history) == ["a"] and len(first.history["a"]["rmse"]) == 3


def test_contributions_of_a_model_without_splits() -> None:
    for rows, kind in ((1, "waterfall"), (20, "beeswarm"), (20, "bar")):
        ax = plot_contributions(model_of("no split"), X[:rows], kind=kind)
        assert not ax.patches and labels(ax) == []


def test_tree_on_axes() -> None:
    ax = axes()
    assert plot_tree(model_of("categories"), tree_idx=1, ax=ax) is ax
    drawing = plot_tree(model_of("categories"), tree_idx=1)
    texts = [text.get_text() for text in ax.texts]
    assert len(texts) == len(drawing.boxes) + len(drawing.edges)
    ax.figure.canvas.draw()


def test_waterfall() -> None:
    model = model_of("categories")
    row = FRAME.iloc[[3]]
    ax = plot_contributions(model, row, max_num_features=2)
    phi = model.predict(row, pred_contribs=True)[0]
    order = np.argsort(-np.abs(phi[:-1]))
    shown = labels(ax)
    assert shown[0] == "1 others" and len(shown) == 3
    best = list(FRAME)[order[0]]
    value = row[best].iloc[0]
    assert shown[-1] == f"{best} = {value if isinstance(value, (str, int)) else f'{value:.6g}'}"
    ends = [bar.get_x() + bar.get_width() for bar in ax.patches]
    assert ends[-1] == pytest.approx(model.predict(row)[0])
    assert ax.patches[0].get_x() == pytest.approx(phi[-1])
    with pytest.raises(ValueError, match="a waterfall shows one row, the data has 300"):
        plot_contributions(model, FRAME, kind="waterfall")


def test_missing_values_are_labelled() -> None:
    x = np.full((1, 5), np.nan, dtype=np.float32)
    assert any(
        label.endswith("= missing") for label in labels(plot_contributions(model_of("squared error"), x))
    )


@pytest.mark.parametrize("kind", ["beeswarm", "bar"])
@pytest.mark.parametrize("name", [name for name in KINDS if name != "no split"])
def test_many_rows(name: str, kind: str) -> None:
    model, ax = model_of(name), axes()
    output = 0 if model.forest.n_outputs > 1 else None
    plot_contributions(model, table_of(name), kind=kind, output=output, ax=ax, title="t")
    phi = model.predict(table_of(name), pred_contribs=True, strict_shape=True)[:, 0, :-1]
    mean = np.abs(phi).mean(axis=0)
    names = model.feature_names or [f"f{i}" for i in range(model.num_features())]
    order = [f for f in np.argsort(-mean, kind="stable") if mean[f] > 0]
    assert labels(ax) == [names[f] for f in order[::-1]]
    if kind == "bar":
        np.testing.assert_allclose([bar.get_width() for bar in ax.patches], mean[order[::-1]])
    else:
        points = np.concatenate([c.get_offsets() for c in ax.collections])
        assert len(points) == len(order) * len(phi)
        np.testing.assert_allclose(np.sort(points[:, 0]), np.sort(phi[:, order], axis=None))
        near = np.abs(points[:, 1] - np.round(points[:, 1]))
        assert near.max() <= 0.4 + 1e-9
    ax.figure.canvas.draw()


def test_contributions_of_estimators_and_outputs() -> None:
    estimator = boost.BoostClassifier(n_estimators=3, max_depth=2).fit(X, CLASS)
    with pytest.raises(ValueError, match="the model has 3 outputs: choose one with output=0 to 2"):
        plot_contributions(estimator, X)
    with pytest.raises(ValueError, match="output must lie within 0 and 2, got 3"):
        plot_contributions(estimator, X, output=3)
    with pytest.raises(ValueError, match="kind must be one of .* got 'bars'; did you mean 'bar'"):
        plot_contributions(estimator, X, output=0, kind="bars")
    assert plot_contributions(estimator, X, output=2).get_xlabel() == "contribution to the margin"


def test_the_number_that_means_missing_to_an_estimator() -> None:
    marked = np.where(np.isnan(X), -99, X)
    estimator = boost.BoostRegressor(n_estimators=3, missing=-99).fit(marked, Y)
    same = boost.BoostRegressor(n_estimators=3).fit(X, Y)
    a = plot_contributions(estimator, marked[:40], kind="bar")
    b = plot_contributions(same, X[:40], kind="bar")
    assert [bar.get_width() for bar in a.patches] == [bar.get_width() for bar in b.patches]


def test_access_to_a_plot_function_loads_no_matplotlib() -> None:
    code = "import sys, boost; boost.plot_importance; sys.exit('matplotlib' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_without_matplotlib(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ValueError, match=r"plots need matplotlib: pip install 'espalier\[plot\]'"):
        plot_importance(model_of("squared error"))
    assert plot_tree(model_of("squared error")).svg.startswith("<svg")  # needs none
