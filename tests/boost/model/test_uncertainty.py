"""Virtual ensembles: arithmetic by hand, the identities of the paper, and uncertainty where rows are rare."""

from __future__ import annotations

import numpy as np
import pytest

import boost
from boost import DMatrix, ParameterError

RNG = np.random.default_rng(0)


def gap(rows: int = 2000) -> tuple[np.ndarray, np.ndarray]:
    """Rows to the left and to the right of a gap between -1 and 1."""
    x = np.random.default_rng(1).uniform(1, 3, size=(rows, 1)) * np.where(np.arange(rows) % 2, 1, -1)[:, None]
    noise = np.random.default_rng(2).normal(size=rows)
    return x, np.sin(3 * x[:, 0]) + noise * np.where(x[:, 0] > 0, 0.5, 0.05)


def prefixes(model: boost.Booster, x: np.ndarray, members: int) -> np.ndarray:
    rounds = model.num_boosted_rounds()
    ends = np.linspace(rounds / 2, rounds, members).round().astype(int).tolist()
    return np.array([model.predict(x, iteration_range=(0, end)) for end in ends])


@pytest.mark.parametrize("members", [2, 7, 10])
def test_members_are_the_model_at_earlier_rounds(members: int) -> None:
    x, y = gap(300)
    model = boost.train({"eta": 0.1, "max_depth": 3}, DMatrix(x, y), 25)
    predictions = prefixes(model, x, members)
    result = model.predict_uncertainty(x, members=members)
    np.testing.assert_allclose(result.mean, predictions.mean(axis=0), atol=1e-12)
    np.testing.assert_allclose(result.knowledge, predictions.var(axis=0), atol=1e-12)
    assert result.data is None and result.total is result.knowledge


@pytest.mark.parametrize("rounds", [1, 2, 3, 10])
def test_a_model_of_few_rounds_has_fewer_members(rounds: int) -> None:
    x, y = gap(300)
    model = boost.train({"max_depth": 3}, DMatrix(x, y), rounds)
    start = np.full(len(x), model.base_score[0])
    ends = range(rounds // 2, rounds + 1)
    members = [model.predict(x, iteration_range=(0, end)) if end else start for end in ends]
    result = model.predict_uncertainty(x)
    np.testing.assert_allclose(result.mean, np.mean(members, axis=0), atol=1e-12)
    np.testing.assert_allclose(result.knowledge, np.var(members, axis=0), atol=1e-12)
    assert (result.knowledge > 0).mean() > 0.9


@pytest.mark.parametrize("members", [2, 4, 10])
def test_parallel_trees_are_members(members: int) -> None:
    x, y = gap(300)
    params = {"objective": "multi:softprob", "num_class": 3, "num_parallel_tree": 4, "subsample": 0.5}
    model = boost.train({**params, "max_depth": 3}, DMatrix(x, np.digitize(y, [-0.5, 0.5])), 3)
    forest, groups = model.forest, min(members, 4)
    parts = []
    for k in range(groups):
        margin = np.tile(model.model.start_margin(), (len(x), 1))
        for t in range(forest.trees):
            if t % 4 % groups == k:
                alone = model.model.copy()
                alone.forest = type(forest)(3)
                alone.forest.extend([forest[t]], [forest.output(t)])
                margin += (alone.margins(DMatrix(x)) - alone.start_margin()) * groups
        parts.append(model.objective.transform(margin))
    result = model.predict_uncertainty(x, members=members)
    np.testing.assert_allclose(result.mean, np.mean(parts, axis=0), atol=1e-12)
    np.testing.assert_allclose(result.knowledge, np.var(parts, axis=0), atol=1e-12)


def test_two_rounds_by_hand() -> None:
    # One leaf a round: from 0, each round halves the distance to the mean 4: 2, 3, 3.5, 3.75.
    params = {"eta": 0.5, "lambda": 0.0, "base_score": 0.0, "max_depth": 1, "min_child_weight": 9}
    model = boost.train(params, DMatrix([[0.0], [1.0]], [4.0, 4.0]), 4)
    result = model.predict_uncertainty([[0.0]], members=2)
    np.testing.assert_allclose(result.mean, [(3 + 3.75) / 2])
    np.testing.assert_allclose(result.knowledge, [(0.75 / 2) ** 2])


@pytest.mark.parametrize(
    ("objective", "params"),
    [("binary:logistic", {}), ("multi:softprob", {"num_class": 3}), ("count:poisson", {})],
)
def test_variances_add_up(objective: str, params: dict) -> None:
    x = np.random.default_rng(3).normal(size=(400, 3))
    y = (x[:, 0] > 0).astype(int) + (params.get("num_class") == 3) * (x[:, 1] > 0)
    model = boost.train({"objective": objective, "eta": 0.1, "max_depth": 2, **params}, DMatrix(x, y), 20)
    result = model.predict_uncertainty(x)
    members = prefixes(model, x, 10)
    noise = members if objective == "count:poisson" else members * (1 - members)
    assert result.data is not None
    np.testing.assert_allclose(result.data, noise.mean(axis=0), atol=1e-12)
    np.testing.assert_allclose(result.knowledge, members.var(axis=0), atol=1e-12)
    if objective != "count:poisson":  # the law of total variance
        np.testing.assert_allclose(result.total, result.mean * (1 - result.mean), atol=1e-12)


@pytest.mark.parametrize("classes", [2, 3])
def test_entropy_splits_into_data_and_knowledge(classes: int) -> None:
    x = np.random.default_rng(4).normal(size=(300, 2))
    y = np.digitize(x[:, 0], [-0.4, 0.4][: classes - 1])
    params = (
        {"objective": "multi:softprob", "num_class": 3} if classes == 3 else {"objective": "binary:logistic"}
    )
    model = boost.train({"eta": 0.1, "max_depth": 2, **params}, DMatrix(x, y), 20)
    result = model.predict_uncertainty(x, measure="entropy")
    members = prefixes(model, x, 10)
    p = members if classes == 3 else np.stack((members, 1 - members), axis=2)
    entropy = -(p * np.log(p)).sum(axis=2)
    mean = p.mean(axis=0)
    assert result.data is not None and result.data.shape == (300,)
    np.testing.assert_allclose(result.data, entropy.mean(axis=0), atol=1e-12)
    np.testing.assert_allclose(result.total, -(mean * np.log(mean)).sum(axis=1), atol=1e-12)
    assert (result.knowledge >= 0).all()


def test_knowledge_uncertainty_is_large_where_rows_are_rare() -> None:
    x, y = gap()
    x = np.concatenate((x, [[0.0]] * 4))  # a handful in the gap
    y = np.concatenate((y, [-3.0, 3.0, 2.0, -2.0]))
    params = {"objective": "reg:normal", "eta": 0.05, "max_depth": 4, "subsample": 0.5, "seed": 1}
    model = boost.train(params, DMatrix(x, y), 200)
    at = np.array([[0.0], [2.0], [-2.0]])
    result = model.predict_uncertainty(at)
    assert result.data is not None
    assert result.knowledge[0] > 4 * result.knowledge[1:].max()
    assert 0.35**2 < result.data[1] < 0.65**2 and result.data[2] < 0.15**2


def test_margins_have_no_data_uncertainty() -> None:
    x, y = gap(200)
    model = boost.train({"objective": "binary:logistic", "eta": 0.1}, DMatrix(x, y > 0), 20)
    result = model.predict_uncertainty(x, output_margin=True)
    assert result.data is None
    ends = np.linspace(10, 20, 10).round().astype(int).tolist()
    members = np.array([model.predict(x, output_margin=True, iteration_range=(0, e)) for e in ends])
    np.testing.assert_allclose(result.knowledge, members.var(axis=0), atol=1e-12)


def test_a_part_of_the_rounds() -> None:
    x, y = gap(200)
    model = boost.train({"eta": 0.1}, DMatrix(x, y), 30)
    part = model.predict_uncertainty(x, members=4, iteration_range=(0, 20))
    np.testing.assert_array_equal(part.mean, model[:20].predict_uncertainty(x, members=4).mean)


@pytest.mark.parametrize(
    ("params", "options", "match"),
    [
        ({}, {"members": 1}, "members must be an integer of at least 2, got 1"),
        ({}, {"measure": "std"}, "measure must be 'variance' or 'entropy', got 'std'"),
        ({}, {"measure": "entropy"}, "entropy is for probabilities of classes, not for reg:squarederror"),
        ({"booster": "dart"}, {}, "booster='dart' has no virtual ensemble"),
    ],
)
def test_refused(params: dict, options: dict, match: str) -> None:
    x, y = gap(50)
    model = boost.train(params, DMatrix(x, y), 20)
    with pytest.raises(ParameterError, match=match):
        model.predict_uncertainty(x, **options)
    with pytest.raises(ParameterError, match="at least one round"):
        boost.train({}, DMatrix(x, y), 5).predict_uncertainty(x, iteration_range=(3, 3))
    with pytest.raises(ValueError, match=r"iteration_range must lie within \(0, 20\)"):
        boost.train({}, DMatrix(x, y), 20).predict_uncertainty(x, iteration_range=(0, 21))
