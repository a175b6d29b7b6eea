"""Importance, learning curves and trees: the artists on given and on new axes, without a display."""

from __future__ import annotations

import subprocess
import sys

import pytest

import boost
from boost import plot_importance, plot_metric, plot_tree
from boost.show.plots import canvas
from boost.show.words import short_number
from tests.boost.show.plots.axes import axes, labels
from tests.boost.small_models import X, Y, model_of

matplotlib = pytest.importorskip("matplotlib")


def test_importance() -> None:
    model = model_of("squared error")
    score = model.get_score("total_gain")
    ax = axes()
    assert plot_importance(model, ax=ax, importance_type="total_gain", max_num_features=3) is ax
    best = sorted(score, key=lambda name: score[name])[-3:]
    assert labels(ax) == best
    assert [bar.get_width() for bar in ax.patches] == [score[name] for name in best]
    assert ax.get_xlabel().startswith("total gain of the splits") and ax.get_title() == "Feature importance"
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
    best = evaluated.best_iteration
    score = evaluated.history["held"]["rmse"][best]
    marks = {f"best round: {best} ({score:.4g})"}
    assert {name for name in lines if not name.startswith("_")} == {"train", "held"} | marks
    assert [tuple(line.get_xydata()[0]) for line in ax.lines if line.get_marker() == "o"] == [(best, score)]
    assert ax.get_ylabel() == "rmse"
    only = plot_metric(evaluated.history, dataset_names=["held"], ax=axes())
    assert [line.get_label() for line in only.lines] == ["held"] and only.get_ylabel() == "mae"
    estimator = boost.BoostRegressor(n_estimators=3).fit(X, Y, eval_set=[(X, Y)], verbose=False)
    assert [line.get_label() for line in plot_metric(estimator).lines] == ["validation_0"]


def test_the_best_round_names_the_metric_that_stopped(evaluated: boost.Booster) -> None:
    other = [line.get_label() for line in plot_metric(evaluated, metric="mae").lines]
    best = evaluated.best_iteration
    assert any(str(name).startswith(f"best round by rmse: {best} (") for name in other)
    given = [line.get_label() for line in plot_metric(evaluated.history, metric="mae", best_round=3).lines]
    assert any(str(name).startswith("best round: 3 (") for name in given)


def test_the_metric_that_stopped_is_not_the_last_one() -> None:
    table, held = boost.DMatrix(X[:200], Y[:200]), boost.DMatrix(X[200:], Y[200:])
    stopping = boost.callback.EarlyStopping(rounds=3, metric_name="mae")
    params = {"eval_metric": ["mae", "rmse"], "max_depth": 3}
    model = boost.train(params, table, 40, evals=[(held, "a")], callbacks=[stopping], verbose_eval=False)
    lines = [str(line.get_label()) for line in plot_metric(model, metric="rmse").lines]
    assert any(name.startswith(f"best round by mae: {model.best_iteration} (") for name in lines)


def test_grid_and_numbers_of_the_axes() -> None:
    ax = plot_importance({"a": 1500.0, "b": 250000.0}, ax=axes())
    ax.figure.canvas.draw()
    assert [t.get_text() for t in ax.get_xticklabels()][:2] == ["0", "50k"]
    assert [t.get_text() for t in ax.texts] == ["1.5k", "250k"]
    assert ax.get_axisbelow() is True and not ax.spines["top"].get_visible()
    grid = ax.xaxis.get_gridlines()[0]
    assert grid.get_visible() and grid.get_color() == canvas.GRID
    assert not ax.yaxis.get_gridlines()[0].get_visible()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.25, "0.25"),
        (1000, "1k"),
        (-2500, "\N{MINUS SIGN}2.5k"),
        (3e6, "3M"),
        (0, "0"),
        (1e-5, "1e\N{MINUS SIGN}05"),
    ],
)
def test_short_numbers(value: float, text: str) -> None:
    assert short_number(value) == text


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


def test_tree_on_axes() -> None:
    ax = axes()
    assert plot_tree(model_of("categories"), tree_idx=1, ax=ax) is ax
    drawing = plot_tree(model_of("categories"), tree_idx=1)
    texts = [text.get_text() for text in ax.texts]
    assert len(texts) == len(drawing.boxes) + len(drawing.edges)
    ax.figure.canvas.draw()


def test_access_to_a_plot_function_loads_no_matplotlib() -> None:
    code = "import sys, boost; boost.plot_importance; sys.exit('matplotlib' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_without_matplotlib(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ValueError, match=r"plots need matplotlib: pip install 'espalier\[plot\]'"):
        plot_importance(model_of("squared error"))
    assert plot_tree(model_of("squared error")).svg.startswith("<svg")  # needs none
