"""Metrics against scikit-learn and SciPy, and by hand; names and mistakes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics as sk

from boost import DMatrix
from boost.metric import custom_metric, make_metric

RNG = np.random.default_rng(0)
Y = RNG.integers(0, 2, size=50)
P = RNG.random(50).round(1) * 0.98 + 0.01
W = RNG.random(50)


def table(label: Any, **info: Any) -> DMatrix:
    return DMatrix(np.zeros((len(label), 1)), label, **info)


@pytest.mark.parametrize("weight", [None, W], ids=["even", "weighted"])
@pytest.mark.parametrize(
    ("name", "peer"),
    [
        ("rmse", lambda w: sk.root_mean_squared_error(Y, P, sample_weight=w)),
        ("rmsle", lambda w: sk.root_mean_squared_log_error(Y, P, sample_weight=w)),
        ("mae", lambda w: sk.mean_absolute_error(Y, P, sample_weight=w)),
        ("logloss", lambda w: sk.log_loss(Y, P, sample_weight=w)),
        ("auc", lambda w: sk.roc_auc_score(Y, P, sample_weight=w)),
        ("error", lambda w: 1 - sk.accuracy_score(Y, P > 0.5, sample_weight=w)),
        ("quantile", lambda w: sk.mean_pinball_loss(Y, P, alpha=0.3, sample_weight=w)),
        ("pre@7", lambda w: np.mean(Y[np.argsort(-P, kind="stable")[:7]])),
    ],
)
def test_single_output(name: str, peer: Callable[[Any], float], weight: np.ndarray | None) -> None:
    if name == "pre@7" and weight is not None:
        weight = np.full(50, 3.0)
    metric = make_metric(name, {"quantile_alpha": [0.3]})
    assert metric(P[:, np.newaxis], table(Y, weight=weight)) == pytest.approx(peer(weight), rel=1e-5)


def test_positive_numbers() -> None:
    y, p = RNG.gamma(2, 2, 50).astype(np.float32), RNG.gamma(2, 2, 50)
    for name, want in (
        ("mape", sk.mean_absolute_percentage_error(y, p)),
        ("gamma-deviance", sk.mean_gamma_deviance(y, p)),
        ("gamma-nloglik", -np.mean(stats.gamma.logpdf(y, a=1, scale=p))),
    ):
        assert make_metric(name)(p[:, np.newaxis], table(y)) == pytest.approx(want, rel=1e-4)
    counts = RNG.poisson(3, 50)
    want = -np.mean(stats.poisson.logpmf(counts, p))
    assert make_metric("poisson-nloglik")(p[:, np.newaxis], table(counts)) == pytest.approx(want)


def test_expectile_by_hand() -> None:
    # Errors -1 and 2; at level 0.8 a prediction that is too low costs 0.8, one too high 0.2.
    data = table([0.0, 2.0])
    prediction = np.array([[1.0, 1.0], [0.0, 0.0]])
    metric = make_metric("expectile", {"expectile_alpha": [0.8, 0.5]})
    metric.check(data, 2)
    assert metric(prediction, data) == pytest.approx((0.2 * 1 + 0.8 * 4 + 0.5 * 1 + 0.5 * 4) / 4)


@pytest.mark.parametrize(
    ("name", "distribution"),
    [("normal", stats.norm), ("logistic", stats.logistic), ("extreme", stats.gumbel_l)],
)
def test_aft_by_the_definition(name: str, distribution: Any) -> None:
    margin, scale = np.array([0.3, -0.2, 1.0, 0.5]), 1.7
    data = table([0.0] * 4)
    data.label = None
    data.label_lower_bound = np.array([2.0, 1.5, 0.0, 1.0], np.float32)
    data.label_upper_bound = np.array([2.0, np.inf, 3.0, 4.0], np.float32)
    noise = [distribution(loc=m, scale=scale) for m in margin]
    want = -np.mean(
        [
            np.log(noise[0].pdf(np.log(2)) / 2),
            noise[1].logsf(np.log(1.5)),
            noise[2].logcdf(np.log(3)),
            np.log(noise[3].cdf(np.log(4)) - noise[3].cdf(0)),
        ]
    )
    params = {"aft_loss_distribution": name, "aft_loss_distribution_scale": scale}
    metric = make_metric("aft-nloglik", params)
    metric.check(data, 1)
    assert metric(np.exp(margin)[:, np.newaxis], data) == pytest.approx(want)
    # A prediction that is impossibly far off has a finite loss.
    assert metric(np.full((4, 1), 1e-300), data) <= -np.log(1e-12)


def test_multi_output() -> None:
    p = RNG.dirichlet(np.ones(3), size=50)
    y = RNG.integers(0, 3, size=50)
    for weight in (None, W):
        data = table(y, weight=weight)
        want = sk.log_loss(y, p, sample_weight=weight)
        assert make_metric("mlogloss")(p, data) == pytest.approx(want, rel=1e-6)
        wrong = p.argmax(axis=1) != y
        assert make_metric("merror")(p, data) == pytest.approx(np.average(wrong, weights=weight), rel=1e-6)
        want = sk.roc_auc_score(y, p, multi_class="ovr", average="weighted", sample_weight=weight)
        assert make_metric("auc")(p, data) == pytest.approx(want, rel=1e-5)
    assert np.isnan(make_metric("auc")(p, table(np.minimum(y, 1))))


def test_multi_label() -> None:
    p, y = RNG.random((50, 3)).round(1), RNG.integers(0, 2, (50, 3))
    data = table(Y)
    data.label = y.astype(np.float32)
    metric = make_metric("auc")
    metric.check(data, 3)
    assert metric(p, data) == pytest.approx(sk.roc_auc_score(y, p, average="macro"))


def test_ndcg() -> None:
    # Group 1: the order 0, 3, 1 of labels; gains 0, 7, 1. Group 2 has no gain at all.
    data = table([0, 3, 1, 0, 0], group=[3, 2])
    score = np.array([[3.0], [2.0], [1.0], [0.0], [1.0]])
    gained = 7 / np.log2(3) + 1 / 2
    ideal = 7 + 1 / np.log2(3)
    assert make_metric("ndcg")(score, data) == pytest.approx((gained / ideal + 1) / 2)
    assert make_metric("ndcg-")(score, data) == pytest.approx(gained / ideal / 2)
    assert make_metric("ndcg@1")(score, data) == pytest.approx((0 + 1) / 2)
    linear = (3 / np.log2(3) + 1 / 2) / (3 + 1 / np.log2(3))
    assert make_metric("ndcg-", {"ndcg_exp_gain": False})(score, data) == pytest.approx(linear / 2)
    heavy = table([0, 3, 1, 0, 0], group=[3, 2], weight=[3, 1])
    assert make_metric("ndcg")(score, heavy) == pytest.approx((3 * gained / ideal + 1) / 4)


def test_ndcg_against_scikit_learn() -> None:
    y, score = RNG.integers(0, 5, 60), RNG.permutation(60)
    for k in (1, 7, 60):
        want = sk.ndcg_score([2.0**y - 1], [score], k=k)
        assert make_metric(f"ndcg@{k}")(score[:, np.newaxis], table(y)) == pytest.approx(want)


def test_average_precision() -> None:
    # Ones in places 1 and 3: precisions 1 and 2/3.
    data = table([1, 0, 1, 0, 0], group=[3, 2])
    score = np.array([[3.0], [2.0], [1.0], [1.0], [0.0]])
    assert make_metric("map")(score, data) == pytest.approx(((1 + 2 / 3) / 2 + 1) / 2)
    assert make_metric("map-")(score, data) == pytest.approx((1 + 2 / 3) / 4)
    assert make_metric("map@2")(score, data) == pytest.approx((1 / 2 + 1) / 2)
    assert make_metric("pre@2")(score, data) == pytest.approx((1 / 2 + 0) / 2)
    score, y = RNG.permutation(50), Y.copy()
    want = sk.average_precision_score(y, score)
    assert make_metric("map")(score[:, np.newaxis].astype(float), table(y)) == pytest.approx(want)


def test_aucpr_between_two_thresholds() -> None:
    # All rows tied: the precision is the share of ones at any recall.
    assert make_metric("aucpr")(np.zeros((4, 1)), table([1, 0, 0, 0])) == pytest.approx(0.25)
    # One step of the ones alone, then one of zeros alone: the precision is 1 throughout.
    assert make_metric("aucpr")(np.array([[1.0], [1.0], [0.0]]), table([1, 1, 0])) == pytest.approx(1)


def pairs_in_order(score: np.ndarray, y: np.ndarray) -> float:
    right = total = 0.0
    for i in range(y.size):
        for j in range(y.size):
            if y[i] > y[j]:
                total += 1
                right += 1.0 if score[i] > score[j] else 0.5 if score[i] == score[j] else 0.0
    return right / total if total else np.nan


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4)), min_size=1, max_size=8), min_size=2)
)
def test_auc_in_groups_is_the_share_of_pairs_in_order(groups: list[list[tuple[int, int]]]) -> None:
    rows = np.array([row for g in groups for row in g], np.float64)
    data = table(rows[:, 0], group=[len(g) for g in groups])
    by_group = [pairs_in_order(*np.array(g, np.float64).T[::-1]) for g in groups]
    value = make_metric("auc")(rows[:, 1:], data)
    if np.isnan(by_group).all():
        assert np.isnan(value)
    else:
        assert value == pytest.approx(np.nanmean(by_group))


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_weights_are_repeated_rows(data: Any) -> None:
    n = data.draw(st.integers(2, 12))
    y = np.array(data.draw(st.lists(st.integers(0, 1), min_size=n, max_size=n)))
    p = np.array(data.draw(st.lists(st.integers(1, 4), min_size=n, max_size=n))) / 5
    w = np.array(data.draw(st.lists(st.integers(1, 3), min_size=n, max_size=n)))
    for name in ("rmse", "logloss", "error", "auc", "aucpr", "quantile", "poisson-nloglik"):
        weighted = make_metric(name)(p[:, np.newaxis], table(y, weight=w))
        repeated = make_metric(name)(np.repeat(p, w)[:, np.newaxis], table(np.repeat(y, w)))
        assert weighted == pytest.approx(repeated, rel=1e-9, nan_ok=True)


def test_auc_of_one_class_is_nan() -> None:
    for name in ("auc", "aucpr"):
        assert np.isnan(make_metric(name)(np.zeros((2, 1)), table([1, 1])))
    assert np.isnan(make_metric("cox-nloglik")(np.ones((2, 1)), table([-1, -2])))


def test_direction_of_each_metric() -> None:
    up = {"auc", "aucpr", "pre", "pre@3", "ndcg", "ndcg@3-", "map", "map@2", "interval-regression-accuracy"}
    down = {"rmse", "rmsle", "mae", "mape", "mphe", "quantile", "expectile", "logloss", "error", "error@0.2"}
    down |= {"merror", "mlogloss", "poisson-nloglik", "gamma-nloglik", "gamma-deviance"}
    down |= {"tweedie-nloglik@1.5", "cox-nloglik", "aft-nloglik"}
    assert {n for n in up | down if make_metric(n).maximize} == up
    assert all(make_metric(n).name == n for n in up | down)
    assert make_metric("tweedie-nloglik", {"tweedie_variance_power": 1.2}).name == "tweedie-nloglik@1.2"


@pytest.mark.parametrize(
    ("name", "match"),
    [
        ("lograss", "unknown eval_metric 'lograss'; did you mean 'logloss'?"),
        ("ndgc@3", "unknown eval_metric 'ndgc@3'; did you mean 'ndcg'?"),
        ("ndcg@0", "'ndcg@0': '@' must be followed by a number of rows of at least 1"),
        ("map@x", "'map@x': '@' must be followed by a number of rows of at least 1"),
        ("error@", "'error@': '@' must be followed by a threshold"),
        ("tweedie-nloglik@2", "'@' must be followed by a variance power between 1 and 2"),
        ("rmse@3", "'rmse@3': rmse has no parameter after '@'"),
        ("rmse-", "unknown eval_metric 'rmse-'; did you mean 'rmse'?"),
    ],
)
def test_unknown_and_malformed_names(name: str, match: str) -> None:
    with pytest.raises(ValueError, match=match.replace("?", r"\?")):
        make_metric(name)


NUMBERS = DMatrix([[1.0], [2.0]], [0.5, 2.0])
LOW = DMatrix([[1.0], [2.0]], [0.0, -1.0])


@pytest.mark.parametrize(
    ("name", "data", "n_outputs", "match"),
    [
        ("rmse", DMatrix([[1.0]]), 1, "metric 'rmse' needs labels: give"),
        ("rmse", NUMBERS, 3, "is for models of one output, not of 3"),
        ("quantile", NUMBERS, 3, "is for models of 1 levels, not of 3"),
        ("merror", NUMBERS, 1, "is for models of several outputs, not of 1"),
        ("ndcg", NUMBERS, 2, "is for models of one output, not of 2"),
        ("auc", NUMBERS, 1, "needs labels from 0 to 1 in .*, got 2.0 in row 1"),
        (
            "aucpr",
            DMatrix(np.zeros((3, 1)), [0, 1, 2], group=[1, 2]),
            1,
            "labels 0 and 1 in .*, got 2.0 in row 2",
        ),
        ("mlogloss", NUMBERS, 3, "needs labels 0 to 2 in .*, got 0.5 in row 0"),
        ("auc", NUMBERS, 3, "needs labels 0 to 2 in"),
        ("map", NUMBERS, 1, "needs labels 0 and 1 in .*, got 0.5 in row 0"),
        ("ndcg", LOW, 1, r"needs labels from 0 to 31, for gains of 2\*\*label - 1 in .*, got -1.0 in row 1"),
        ("poisson-nloglik", LOW, 1, "needs labels of at least 0"),
        ("rmsle", LOW, 1, "needs labels above -1"),
        ("mape", LOW, 1, "needs labels other than 0 in .* row 0"),
        ("aft-nloglik", NUMBERS, 1, "needs label_lower_bound and label_upper_bound"),
    ],
)
def test_tables_that_do_not_fit(name: str, data: DMatrix, n_outputs: int, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        make_metric(name).check(data, n_outputs)


def test_custom() -> None:
    def share_above(prediction: np.ndarray, data: DMatrix) -> tuple[str, float]:
        assert prediction.shape == (2,)
        return "above", float(np.mean(prediction > data.label))

    metric = custom_metric(share_above, maximize=True)
    metric.check(NUMBERS, 1)
    prediction = np.array([[1.0], [1.0]])
    assert metric.maximize and metric.name == "share_above"
    assert metric.named(prediction, NUMBERS) == [("above", 0.5)]
    assert metric(prediction, NUMBERS) == 0.5
    assert make_metric("mae").named(prediction, NUMBERS) == [("mae", 0.75)]
    several = custom_metric(lambda p, d: ("columns", p.shape[1]))
    assert several(np.zeros((2, 3)), NUMBERS) == 3.0
    with pytest.raises(ValueError, match=r"'<lambda>' must return a pair .*, or a list of pairs, got 3"):
        custom_metric(lambda p, d: 3)(prediction, NUMBERS)
    with pytest.raises(ValueError, match="custom_metric must be a function"):
        custom_metric("rmse")  # type: ignore[arg-type]
