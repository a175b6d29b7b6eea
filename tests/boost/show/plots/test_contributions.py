"""Contributions: what is drawn of each row and feature, of categories, and of many classes."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.text import Text

import boost
from boost import plot_contributions
from boost.show.plots.canvas import MOST_PANELS, NEUTRAL, PALETTE
from tests.boost.show.plots.axes import axes, labels
from tests.boost.small_models import CLASS, FRAME, KINDS, X, Y, model_of, table_of


def test_contributions_of_a_model_without_splits() -> None:
    for rows, kind in ((1, "waterfall"), (20, "beeswarm"), (20, "bar")):
        ax = plot_contributions(model_of("no split"), X[:rows], kind=kind)
        assert not ax.patches and labels(ax) == []


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
    with pytest.raises(ValueError, match="the model has 3 outputs, a panel for each: choose one"):
        plot_contributions(estimator, X, ax=axes())
    with pytest.raises(ValueError, match="output must lie within 0 and 2, got 3"):
        plot_contributions(estimator, X, output=3)
    with pytest.raises(ValueError, match="kind must be one of .* got 'bars'; did you mean 'bar'"):
        plot_contributions(estimator, X, output=0, kind="bars")
    words = plot_contributions(estimator, X, output=2).get_xlabel()
    assert words == "contribution to the log score of class 2"


def test_all_classes_on_one_page() -> None:
    estimator = boost.BoostClassifier(n_estimators=3, max_depth=2).fit(X, np.array(["a", "b", "c"])[CLASS])
    panels = plot_contributions(estimator, X)
    assert [panel.get_title() for panel in panels] == ["a", "b", "c"]
    phi = estimator.get_booster().predict(X, pred_contribs=True)
    order = [
        f for f in np.argsort(-np.abs(phi[:, :, :-1]).mean(axis=(0, 1))) if np.abs(phi[:, :, f]).max() > 0
    ]
    for k, panel in enumerate(panels):
        points = np.concatenate([c.get_offsets() for c in panel.collections])
        np.testing.assert_allclose(np.sort(points[:, 0]), np.sort(phi[:, k, order], axis=None))
    figure = axes().figure
    figure.clear()
    bars = plot_contributions(estimator, X, kind="bar", ax=figure)
    assert [text.get_text() for text in bars.get_legend().get_texts()] == ["a", "b", "c"]
    total = sum(bar.get_width() for bar in bars.patches)
    assert total == pytest.approx(np.abs(phi[:, :, :-1]).mean(axis=0).sum())
    row = plot_contributions(estimator, X[:1], max_num_features=2)
    assert len(row) == 3


def test_more_classes_than_panels() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 2)).astype(np.float32)
    many = boost.BoostClassifier(n_estimators=1, max_depth=2).fit(x, np.arange(400) % 15)
    panels = plot_contributions(many, x)
    assert len(panels) == MOST_PANELS
    assert (
        panels[0].figure.get_suptitle() == f"the {MOST_PANELS} of 15 outputs with the largest contributions"
    )
    bars = plot_contributions(many, x, kind="bar", ax=axes())
    assert bars.get_legend().get_texts()[-1].get_text() == "8 others"


def test_categories_have_colours_and_names() -> None:
    ax = plot_contributions(model_of("categories"), FRAME, ax=axes())
    place = labels(ax).index("shop & bar")
    points = next(
        c
        for c in ax.collections
        if np.allclose(np.round(c.get_offsets()[:, 1]), place) and len(c.get_offsets()) == 300
    )
    colours = [to_hex(c) for c in points.get_facecolors()]
    by_category = {
        name: {c for c, v in zip(colours, FRAME["shop & bar"], strict=True) if v == name} for name in "xwvu"
    }
    assert all(len(found) == 1 for found in by_category.values())
    named = [found.pop() for found in by_category.values()]
    assert len({c for c in named if c != NEUTRAL}) >= 3 and set(named) <= {*PALETTE, NEUTRAL}
    words = [a.get_text() for box in ax.artists for a in box.findobj(Text) if a.get_text()]
    assert {"x", "w"} & set(words)


@pytest.mark.parametrize("target", [None, "price"])
def test_the_axis_says_what_the_margin_is(target: str | None) -> None:
    words = plot_contributions(model_of("logistic"), X, target=target).get_xlabel()
    assert words == "contribution to the log odds" + (" of price" if target else "")
    row = plot_contributions(model_of("logistic"), X[:1])
    margin = model_of("logistic").predict(X[:1])[0]
    assert row.get_legend().get_texts()[1].get_text().endswith(f"(probability {margin:.2f})")


def test_the_number_that_means_missing_to_an_estimator() -> None:
    marked = np.where(np.isnan(X), -99, X)
    estimator = boost.BoostRegressor(n_estimators=3, missing=-99).fit(marked, Y)
    same = boost.BoostRegressor(n_estimators=3).fit(X, Y)
    a = plot_contributions(estimator, marked[:40], kind="bar")
    b = plot_contributions(same, X[:40], kind="bar")
    assert [bar.get_width() for bar in a.patches] == [bar.get_width() for bar in b.patches]
