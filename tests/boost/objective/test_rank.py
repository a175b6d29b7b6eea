"""Ranking losses: sums over pairs against their definition and XGBoost, and the quality of models."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

import boost
from boost import DMatrix
from boost.objective import LabelError, Round, make_objective
from boost.objective.rank import Ranking
from boost.params import resolve
from boost.threads import Team

RANKERS = ("rank:pairwise", "rank:ndcg", "rank:map")
SIZES = [5, 1, 12, 40, 4]
ROWS = sum(SIZES)
BOUNDS = np.concatenate(([0], np.cumsum(SIZES)))
RNG = np.random.default_rng(0)
MARGIN = RNG.normal(size=ROWS).round(1)
GRADES = RNG.integers(0, 4, ROWS).astype(np.float64)
GRADES[-4:] = 2  # a group of equal labels
GROUP_WEIGHT = [1, 2, 3, 1, 0.5]


def label_of(name: str) -> np.ndarray:
    return (GRADES > 1).astype(np.float64) if name == "rank:map" else GRADES


def make(name: str, **params: Any) -> Ranking:
    objective = make_objective(resolve({"objective": name, **params}))
    assert isinstance(objective, Ranking)
    return objective


def derivatives(
    objective: Ranking, margin: np.ndarray, data: DMatrix, iteration: int = 0, threads: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    with Team(threads) as team:
        grad, hess = objective.gradient(margin[:, np.newaxis], data, Round(7, iteration, team))
    return grad[:, 0].copy(), hess[:, 0].copy()


def metric_of(name: str, y: np.ndarray, top: int, exponential: bool) -> float:
    """The metric of labels in ranked order; the ideal DCG is that of the first `top` places."""
    if name == "rank:pairwise":
        return 0.0
    place = np.arange(y.size) + 1.0
    if name == "rank:map":
        precision = np.cumsum(y) / place
        return float((precision * y).sum() / max(1.0, y.sum()))
    gain = 2.0**y - 1 if exponential else y
    ideal = (np.sort(gain)[::-1] / np.log2(place + 1))[:top].sum()
    return float((gain / np.log2(place + 1)).sum() / ideal) if ideal else 0.0


def oracle(name: str, margin: np.ndarray, label: np.ndarray, **given: Any) -> tuple[np.ndarray, np.ndarray]:
    """Sums over pairs; the change of the metric is computed by swapping the two rows."""
    params = resolve({"objective": name, **given})
    topk = params["lambdarank_pair_method"] == "topk"
    top = (params["lambdarank_num_pair_per_sample"] or 32) if topk else ROWS
    grad, hess = np.zeros(label.size), np.zeros(label.size)
    for begin, end in zip(BOUNDS[:-1], BOUNDS[1:], strict=True):
        order = begin + np.argsort(-margin[begin:end], kind="stable")
        s, y = margin[order], label[order]
        g, h, total = np.zeros(y.size), np.zeros(y.size), 0.0
        before = metric_of(name, y, top, params["ndcg_exp_gain"])
        for i in range(min(top, y.size)):
            for j in range(i + 1, y.size):
                if y[i] == y[j]:
                    continue
                high, low = (i, j) if y[i] > y[j] else (j, i)
                swapped = y.copy()
                swapped[[i, j]] = y[[j, i]]
                change = abs(metric_of(name, swapped, top, params["ndcg_exp_gain"]) - before)
                weight = 1.0 if name == "rank:pairwise" else change
                if params["lambdarank_score_normalization"] and s[0] != s[-1]:
                    weight /= abs(s[i] - s[j]) + 0.01
                if not topk:
                    others = [np.count_nonzero(y != y[k]) for k in (i, j)]
                    scale = (
                        1 if params["lambdarank_normalization"] else params["lambdarank_num_pair_per_sample"]
                    )
                    weight *= scale * (1 / others[0] + 1 / others[1])
                wrong = 1 / (1 + np.exp(s[high] - s[low]))
                g[high] -= weight * wrong
                g[low] += weight * wrong
                h[[high, low]] += 2 * weight * wrong * (1 - wrong)
                total += 2 * weight * wrong
        if topk and params["lambdarank_normalization"] and total:
            g, h = (a * np.log2(1 + total) / total for a in (g, h))
        grad[order], hess[order] = g, h
    return grad, np.maximum(hess, 1e-16)


CHOICES: list[dict[str, Any]] = [
    {},
    {"lambdarank_num_pair_per_sample": 3},
    {"lambdarank_num_pair_per_sample": 100, "ndcg_exp_gain": False},
    {"lambdarank_normalization": False, "lambdarank_score_normalization": False},
    {"lambdarank_pair_method": "mean", "lambdarank_num_pair_per_sample": 39},
    {
        "lambdarank_pair_method": "mean",
        "lambdarank_num_pair_per_sample": 39,
        "lambdarank_normalization": False,
        "lambdarank_score_normalization": False,
    },
]


@pytest.mark.parametrize("params", CHOICES, ids=str)
@pytest.mark.parametrize("name", RANKERS)
def test_by_the_definition(name: str, params: dict[str, Any]) -> None:
    label = label_of(name)
    data = DMatrix(np.zeros((ROWS, 1)), label, group=SIZES)
    for margin in (MARGIN, np.zeros(ROWS)):
        grad, hess = derivatives(make(name, **params), margin, data)
        want_grad, want_hess = oracle(name, margin, label, **params)
        np.testing.assert_allclose(grad, want_grad, rtol=1e-10, atol=1e-13)
        np.testing.assert_allclose(hess, want_hess, rtol=1e-10, atol=1e-13)
        for begin, end in zip(BOUNDS[:-1], BOUNDS[1:], strict=True):
            assert grad[begin:end].sum() == pytest.approx(0, abs=1e-12)
        assert (hess[-4:] == 1e-16).all() and (grad[-4:] == 0).all()


@pytest.mark.parametrize("weight", [None, GROUP_WEIGHT], ids=["even", "weighted"])
@pytest.mark.parametrize("params", CHOICES[:4], ids=str)
@pytest.mark.parametrize("name", RANKERS)
def test_leaves_of_xgboost(name: str, params: dict[str, Any], weight: list[float] | None) -> None:
    """The leaves of a tree that isolates nearly every row reveal XGBoost's gradients and hessians."""
    xgb = pytest.importorskip("xgboost")
    label = label_of(name)
    data = DMatrix(np.zeros((ROWS, 1)), label, group=SIZES, weight=weight)
    objective = make(name, **params)
    grad, hess = derivatives(objective, MARGIN, data)
    row_weight = objective.row_weight(data) if weight else 1.0
    grad, hess = grad * row_weight, hess * row_weight
    theirs = xgb.DMatrix(
        np.arange(ROWS, dtype=np.float32)[:, np.newaxis],
        label,
        group=SIZES,
        weight=weight,
        base_margin=MARGIN,
    )
    fixed = {"eta": 1, "lambda": 0, "min_child_weight": 0, "max_depth": 12, "tree_method": "exact"}
    booster = xgb.train({"objective": name, "base_score": 0, **fixed, **params}, theirs, 1)
    nodes = booster.trees_to_dataframe().set_index("Node")
    leaf = booster.predict(theirs, pred_leaf=True)
    assert np.unique(leaf).size > ROWS / 2
    for node in np.unique(leaf):
        g, h = grad[leaf == node].sum(), hess[leaf == node].sum()
        assert h == pytest.approx(nodes.loc[node, "Cover"], rel=1e-5, abs=1e-9)
        if h > 1e-6:
            assert -g / h == pytest.approx(nodes.loc[node, "Gain"], rel=1e-5, abs=1e-5)


@pytest.mark.parametrize(
    "params",
    [{}, {"lambdarank_num_pair_per_sample": 6}, {"lambdarank_bias_norm": 0.5}],
    ids=str,
)
@pytest.mark.parametrize("name", RANKERS)
def test_bias_of_positions_as_xgboost(name: str, params: dict[str, Any]) -> None:
    xgb = pytest.importorskip("xgboost")
    given = {"lambdarank_unbiased": True, **params}
    label, x = label_of(name), RNG.normal(size=(ROWS, 3))
    data, theirs = DMatrix(x, label, group=SIZES), xgb.DMatrix(x, label, group=SIZES, base_margin=MARGIN)
    objective = make(name, **given)
    booster = xgb.Booster({"objective": name, "base_score": 0, "eta": 0.1, **given}, [theirs])
    margin = MARGIN.astype(np.float32)
    for iteration in range(3):
        derivatives(objective, margin.astype(np.float64), data, iteration)
        booster.update(theirs, iteration)
        margin = booster.predict(theirs, output_margin=True)
        entry = json.loads(booster.save_raw("json"))["learner"]["objective"]
        np.testing.assert_allclose(objective.relevant_bias, entry["ti+"], rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(objective.irrelevant_bias, entry["tj-"], rtol=1e-4, atol=1e-6)
    ours = objective.file_entry()
    assert ours["ti+"] == objective.relevant_bias.tolist()
    assert len(ours["ti+"]) == params.get("lambdarank_num_pair_per_sample", 32)


def test_bias_is_restored() -> None:
    data = DMatrix(np.zeros((ROWS, 1)), GRADES, group=SIZES)
    one = make("rank:ndcg", lambdarank_unbiased=True)
    derivatives(one, MARGIN, data)
    other = make("rank:ndcg", lambdarank_unbiased=True)
    other.restore(json.loads(json.dumps(one.file_entry())))
    fresh = derivatives(make("rank:ndcg", lambdarank_unbiased=True), -MARGIN, data)
    want = derivatives(one, -MARGIN, data)
    np.testing.assert_array_equal(derivatives(other, -MARGIN, data), want)
    assert not np.array_equal(fresh, want)


@pytest.mark.parametrize("unbiased", [False, True])
@pytest.mark.parametrize("name", RANKERS)
def test_drawn_pairs_are_right_on_average(name: str, unbiased: bool) -> None:
    rng = np.random.default_rng(1)
    label = rng.integers(0, 2 if name == "rank:map" else 4, 60).astype(np.float64)
    margin = rng.normal(size=60)
    data = DMatrix(np.zeros((60, 1)), label)
    given = {"lambdarank_pair_method": "mean", "lambdarank_unbiased": unbiased}
    objective, draws = make(name, **given), []
    for iteration in range(3000):
        if unbiased:  # the first round's estimates, every round
            objective.restore({"ti+": [1.0] * 32, "tj-": np.linspace(1, 2, 32).tolist()})
        draws.append(derivatives(objective, margin, data, iteration))
    drawn = np.array(draws)
    all_pairs = make(name, **given, lambdarank_num_pair_per_sample=59)
    if unbiased:
        all_pairs.restore({"ti+": [1.0] * 32, "tj-": np.linspace(1, 2, 32).tolist()})
    want = np.array(derivatives(all_pairs, margin, data))
    error = drawn.std(axis=0) / np.sqrt(len(drawn))
    assert (np.abs(drawn.mean(axis=0) - want) <= 5 * error + 1e-12).all()
    assert (drawn.std(axis=0) > 0).all()
    assert not np.array_equal(drawn[0], drawn[1])


def test_more_partners_vary_less() -> None:
    rng = np.random.default_rng(1)
    data = DMatrix(np.zeros((400, 1)), rng.normal(size=400))
    margin = rng.normal(size=400)
    spread = []
    for k in (1, 4):
        objective = make("rank:pairwise", lambdarank_pair_method="mean", lambdarank_num_pair_per_sample=k)
        spread.append(
            np.array([derivatives(objective, margin, data, i)[0] for i in range(50)]).std(axis=0).mean()
        )
    assert spread[1] == pytest.approx(spread[0] / 2, rel=0.15)


@pytest.mark.parametrize("method", ["topk", "mean"])
@pytest.mark.parametrize("name", RANKERS)
def test_same_bytes_for_any_threads(name: str, method: str) -> None:
    rng = np.random.default_rng(2)
    sizes = rng.integers(1, 80, 2000)
    rows = int(sizes.sum())
    data = DMatrix(np.zeros((rows, 1)), rng.integers(0, 2, rows), group=sizes)
    margin = rng.normal(size=rows)
    results = []
    for threads in (1, 2, 4):
        objective = make(name, lambdarank_pair_method=method, lambdarank_unbiased=True)
        grad = derivatives(objective, margin, data, 0, threads)
        results.append(
            (np.array(grad).tobytes(), objective.relevant_bias.tobytes(), objective.irrelevant_bias.tobytes())
        )
    assert results[0] == results[1] == results[2]


@pytest.mark.parametrize("near", [True, False])
def test_far_margins(near: bool) -> None:
    data = DMatrix(np.zeros((3, 1)), [0, 1, 2])
    objective = make("rank:pairwise", lambdarank_normalization=False, lambdarank_score_normalization=near)
    grad, hess = derivatives(objective, np.array([5650.0, 5300.0, 5000.0]), data)
    upper, outer, lower = 1 / np.array([350.01, 650.01, 300.01]) if near else np.ones(3)
    want = [upper + outer, lower - upper, -outer - lower]
    np.testing.assert_allclose(grad, want, rtol=1e-9)
    assert np.isfinite(hess).all() and (hess > 0).all()


def test_pairs_are_prepared_again_for_another_table() -> None:
    objective = make("rank:ndcg")
    x, y = np.zeros((6, 1)), np.array([0, 1, 2, 2, 1, 0])
    margin = np.arange(6.0)
    for data in (
        DMatrix(x, y),
        DMatrix(x, y[::-1].copy()),
        DMatrix(x, y, group=[3, 3]),
        DMatrix(x[:4], y[:4]),
    ):
        shown = margin[: data.num_row()]
        want = derivatives(make("rank:ndcg"), shown, data)
        np.testing.assert_array_equal(derivatives(objective, shown, data), want)


def test_only_the_ratios_of_weights_matter() -> None:
    objective = make("rank:ndcg")
    data = DMatrix(np.zeros((6, 1)), [0, 1, 2, 0, 1, 2], group=[4, 2], weight=[30, 10])
    np.testing.assert_allclose(objective.row_weight(data), [1.5] * 4 + [0.5] * 2)
    assert objective.row_weight(DMatrix(np.zeros((1, 1)), [0])).size == 0


@pytest.mark.parametrize(
    ("name", "label", "match"),
    [
        ("rank:pairwise", None, "rank:pairwise needs labels: give"),
        ("rank:ndcg", [1, -1, 2], "rank:ndcg needs labels from 0 to 31, .*, got -1 in row 1: with ndcg_exp"),
        ("rank:ndcg", [1, 2, 32], "got 32 in row 2: with ndcg_exp_gain=False, gains are the labels"),
        ("rank:map", [0, 1, 2], "rank:map needs labels 0 and 1, got 2 in row 2"),
    ],
)
def test_labels_that_do_not_fit(name: str, label: list[float] | None, match: str) -> None:
    with pytest.raises(LabelError, match=match):
        make(name).check(DMatrix(np.zeros((3, 1)), label))
    make("rank:ndcg", ndcg_exp_gain=False).check(DMatrix(np.zeros((2, 1)), [0, 100]))
    make("rank:pairwise").check(DMatrix(np.zeros((2, 1)), [-0.5, 0.25]))


def test_weights_within_a_group() -> None:
    data = DMatrix(np.zeros((3, 1)), [0, 1, 2], weight=[1, 1, 2])
    with pytest.raises(
        LabelError, match="weights of one group's rows differ, first in row 2: .* the 1 groups"
    ):
        make("rank:ndcg").check(data)


def test_file_entry_and_default_metrics() -> None:
    entry = make("rank:ndcg", lambdarank_normalization=False).file_entry()
    assert entry == {
        "name": "rank:ndcg",
        "lambdarank_param": {
            "lambdarank_pair_method": "topk",
            "lambdarank_num_pair_per_sample": "4294967295",
            "lambdarank_normalization": "0",
            "lambdarank_score_normalization": "1",
            "lambdarank_unbiased": "0",
            "lambdarank_bias_norm": "1",
            "ndcg_exp_gain": "1",
        },
    }
    assert make("rank:pairwise").metric == "ndcg@32"
    assert make("rank:map", lambdarank_num_pair_per_sample=5).metric == "map@5"
    assert make("rank:ndcg", lambdarank_pair_method="mean").metric == "ndcg"
    five = make("rank:ndcg", lambdarank_num_pair_per_sample=5).file_entry()
    assert five["lambdarank_param"]["lambdarank_num_pair_per_sample"] == "5"


def searches(queries: int, seed: int) -> tuple[np.ndarray, np.ndarray, list[int]]:
    """Documents of queries: relevance depends on the same features in all queries, its level does not."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(5, 40, queries)
    x = rng.normal(size=(int(sizes.sum()), 8))
    x[:, 0] += np.repeat(rng.normal(size=queries) * 2, sizes)
    score = np.sin(x[:, 1] * 2) + x[:, 2] * x[:, 3] + 0.5 * x[:, 4] + rng.normal(size=len(x)) * 0.5
    return x, np.digitize(score, [0.5, 1.2, 2.0, 3.0]).astype(np.float64), sizes.tolist()


@pytest.mark.parametrize("method", ["topk", "mean"])
@pytest.mark.parametrize("name", RANKERS)
def test_learns_as_well_as_xgboost(name: str, method: str) -> None:
    xgb = pytest.importorskip("xgboost")
    x, y, sizes = searches(150, 0)
    new_x, new_y, new_sizes = searches(150, 1)
    if name == "rank:map":
        y, new_y = (y > 1).astype(np.float64), (new_y > 1).astype(np.float64)
    metric = "map" if name == "rank:map" else "ndcg"
    params = {
        "objective": name,
        "lambdarank_pair_method": method,
        "max_depth": 4,
        "eval_metric": f"{metric}@10",
    }
    scores = []
    for package in (boost, xgb):
        table = package.DMatrix(x, y, group=sizes)
        new = package.DMatrix(new_x, new_y, group=new_sizes)
        history: dict[str, Any] = {}
        package.train(
            {**params, "nthread": 1},
            table,
            40,
            evals=[(new, "new")],
            evals_result=history,
            verbose_eval=False,
        )
        scores.append(history["new"][f"{metric}@10"])
    assert scores[0][-1] > scores[1][-1] - 0.02
    assert scores[0][-1] > scores[0][0] + 0.03
