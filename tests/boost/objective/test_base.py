"""All losses: labels, outputs, weights, and their entries in model files."""

from __future__ import annotations

import json
import pickle
from typing import Any

import numpy as np
import pytest

from boost import DMatrix, LabelError
from boost.objective import OBJECTIVES, Round, make_objective, read_entry
from boost.params import OBJECTIVES as NAMES
from boost.params import resolve
from boost.threads import Team

SERIAL = Round(0, 0, Team(1))
MULTI = {"num_class": 3}


def table(label: Any = None, **more: Any) -> DMatrix:
    rows = len(next(v for v in (label, *more.values()) if v is not None))
    return DMatrix(np.zeros((rows, 1)), label, **more)


def test_every_objective_of_the_parameters_exists() -> None:
    assert set(OBJECTIVES) == set(NAMES)
    assert all(kind.name == name for name, kind in OBJECTIVES.items())


@pytest.mark.parametrize(
    ("name", "label", "match"),
    [
        ("reg:squaredlogerror", [0, -1, 1], "reg:squaredlogerror needs labels above -1, got -1 in row 1"),
        ("reg:gamma", [1, 2, 0], "reg:gamma needs labels above 0, got 0 in row 2"),
        ("reg:tweedie", [-0.5, 2, 0], "reg:tweedie needs labels of at least 0, got -0.5 in row 0"),
        ("count:poisson", [0, -3, 0], "count:poisson needs labels of at least 0, got -3 in row 1"),
        ("reg:logistic", [0, 0.5, 1.5], "reg:logistic needs labels from 0 to 1, got 1.5 in row 2"),
        (
            "binary:logistic",
            [0, 1, 2],
            r"binary:logistic needs labels 0 and 1, got 2 in row 2 \(numbers between",
        ),
        ("binary:hinge", [0, 0.5, 1], "binary:hinge needs labels 0 and 1, got 0.5 in row 1"),
        ("survival:cox", [3, 0, -2], "survival:cox needs labels other than 0: .* got 0 in row 1"),
        ("survival:aft", [3, 1, 2], "survival:aft needs label_lower_bound and label_upper_bound"),
        ("multi:softmax", [0, 1, 3], "multi:softmax with num_class=3 needs labels 0 to 2, got 3 in row 2"),
        ("multi:softprob", [0, 1.5, 2], "needs labels 0 to 2, got 1.5 in row 1"),
        ("reg:absoluteerror", None, "reg:absoluteerror needs labels: give DMatrix a label"),
        ("reg:quantileerror", [[1, 2], [3, 4]], "reg:quantileerror needs one label a row, got 2"),
        ("count:poisson", [[1, 2], [3, -4]], "got -4 in row 1, column 1"),
    ],
)
def test_wrong_labels(name: str, label: Any, match: str) -> None:
    data = table(label, weight=None if label is not None else [1, 1])
    objective = make_objective(resolve({"objective": name} | (MULTI if "multi" in name else {})))
    with pytest.raises(LabelError, match=match):
        objective.fit_outputs(data)
        objective.start(data)


def test_outputs_come_from_the_labels() -> None:
    label = np.array([[0, 1], [1, 1], [1, 0.0]])
    for name, kind in OBJECTIVES.items():
        if kind.output_per_label:
            objective = make_objective(resolve({"objective": name}))
            data = table(label + (1 if name == "reg:gamma" else 0))
            objective.fit_outputs(data)
            assert objective.n_outputs == 2 and objective.start(data).shape == (2,)
            objective.set_outputs(3)
            with pytest.raises(LabelError, match=f"{name} needs 3 labels a row, got 2"):
                objective.check(data)
    assert make_objective(resolve({}), outputs=4).n_outputs == 4
    with pytest.raises(LabelError, match="survival:cox needs one label a row, got 2"):
        make_objective(resolve({"objective": "survival:cox"}), outputs=2)


def test_outputs_are_independent() -> None:
    rng = np.random.default_rng(0)
    label, margin = rng.uniform(0.1, 0.9, size=(50, 2)), rng.normal(size=(50, 2))
    weight = rng.uniform(0.5, 2, size=50)
    for name, kind in OBJECTIVES.items():
        if not kind.output_per_label:
            continue
        label_here = label.round() if "hinge" in name else label
        both = make_objective(resolve({"objective": name}), outputs=2)
        data = table(label_here, weight=weight)
        start = both.start(data)
        grad, hess = both.gradient(margin, data, SERIAL)
        for k in range(2):
            one = make_objective(resolve({"objective": name}))
            column = table(label_here[:, k], weight=weight)
            assert one.start(column)[0] == start[k]
            g, h = one.gradient(margin[:, k : k + 1], column, SERIAL)
            np.testing.assert_array_equal(g[:, 0], grad[:, k])
            np.testing.assert_array_equal(h[:, 0], hess[:, k])


def test_row_weight_is_made_once() -> None:
    objective = make_objective(resolve({}))
    data = table([1, 2], weight=[1, 3])
    assert objective.row_weight(data).tolist() == [1, 3]
    assert objective.row_weight(data) is objective.row_weight(data)
    assert objective.row_weight(table([1, 2])).size == 0
    assert objective.row_weight(data).tolist() == [1, 3]


def test_any_number_of_threads_gives_the_same_derivatives() -> None:
    rng = np.random.default_rng(0)
    rows = 150_001
    for name, kind in OBJECTIVES.items():
        if name.startswith("rank"):
            continue
        extra: dict[str, Any] = MULTI if "multi" in name else {}
        objective = make_objective(resolve({"objective": name} | extra))
        label = rng.integers(0, 2, size=rows) + (1 if name in ("reg:gamma", "survival:cox") else 0)
        data = (
            table(label_lower_bound=label + 1.0, label_upper_bound=label + 1.5)
            if name == "survival:aft"
            else table(label)
        )
        margin = rng.normal(size=(rows, objective.n_outputs))
        with Team(1) as one, Team(3) as three:
            want = [a.copy() for a in objective.gradient(margin, data, Round(0, 0, one))]
            got = objective.gradient(margin, data, Round(0, 0, three))
        for a, b in zip(want, got, strict=True):
            assert a.tobytes() == b.tobytes(), kind


SETTINGS: dict[str, dict[str, Any]] = {
    "binary:logistic": {"scale_pos_weight": 2.5},
    "reg:pseudohubererror": {"huber_slope": 0.125},
    "reg:quantileerror": {"quantile_alpha": (0.25, 0.75)},
    "reg:expectileerror": {"expectile_alpha": (0.25, 0.75)},
    "count:poisson": {"max_delta_step": 0.5},
    "reg:tweedie": {"tweedie_variance_power": 1.25},
    "survival:aft": {"aft_loss_distribution": "extreme", "aft_loss_distribution_scale": 0.5},
}


@pytest.mark.parametrize("name", SETTINGS)
def test_file_entry_is_read_back(name: str) -> None:
    entry = make_objective(resolve({"objective": name, **SETTINGS[name]})).file_entry()
    assert json.loads(json.dumps(entry)) == entry and entry["name"] == name
    assert all(
        isinstance(v, str) for group in entry.values() if isinstance(group, dict) for v in group.values()
    )
    assert read_entry(entry) == SETTINGS[name]


@pytest.mark.parametrize(
    ("entry", "match"),
    [
        ({"name": "reg:nothing"}, "objective 'reg:nothing' is not supported"),
        (
            {"name": "reg:tweedie", "tweedie_regression_param": {"tweedie_variance_power": "x"}},
            "tweedie_variance_power of reg:tweedie must be a number in",
        ),
        (
            {"name": "survival:aft", "aft_loss_param": {"aft_loss_distribution": "cauchy"}},
            "aft_loss_distribution of survival:aft must be one of",
        ),
        (
            {"name": "reg:quantileerror", "quantile_loss_param": {"quantile_alpha": "__import__('os')"}},
            "quantile_alpha of reg:quantileerror must be",
        ),
    ],
)
def test_damaged_file_entries(entry: dict[str, Any], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        read_entry(entry)


def test_file_entries_without_parameters() -> None:
    assert read_entry({"name": "reg:tweedie"}) == {}
    assert read_entry({"name": "reg:tweedie", "tweedie_regression_param": 3}) == {}
    assert (
        read_entry({"name": "reg:tweedie", "tweedie_regression_param": {"tweedie_variance_power": "7"}}) == {}
    )


@pytest.mark.parametrize("name", [n for n in NAMES if n not in ("reg:expectileerror", "reg:normal")])
def test_xgboost_reads_the_file_entry(name: str) -> None:
    xgboost = pytest.importorskip("xgboost")
    params: dict[str, Any] = {
        "objective": name,
        **SETTINGS.get(name, {}),
        **(MULTI if "multi" in name else {}),
    }
    train = xgboost.DMatrix(np.arange(6.0)[:, np.newaxis], np.array([0, 1, 1, 0, 1, 1]) + ("gamma" in name))
    if name == "survival:aft":
        train.set_info(label_lower_bound=np.ones(6), label_upper_bound=np.ones(6))
    model = xgboost.train({"nthread": 1, **params}, train, 1)
    document = json.loads(model.save_raw("json"))
    theirs = document["learner"]["objective"]
    ours = document["learner"]["objective"] = make_objective(resolve(params)).file_entry()
    assert theirs.keys() <= ours.keys() and theirs["name"] == name
    again = xgboost.Booster(model_file=bytearray(json.dumps(document).encode()))
    written = json.loads(again.save_raw("json"))["learner"]["objective"]
    assert written == theirs


@pytest.mark.parametrize("name", NAMES)
def test_neutral_score_has_margin_zero(name: str) -> None:
    extra: dict[str, Any] = {**SETTINGS.get(name, {}), **(MULTI if "multi" in name else {})}
    objective = make_objective(resolve({"objective": name, **extra}))
    np.testing.assert_allclose(
        objective.to_margin(objective.neutral()), np.zeros(objective.n_outputs), atol=1e-12
    )


def test_state_of_an_earlier_version() -> None:
    """Its pickles name the outputs `groups`, and hold buffers and a table's arrays."""
    objective = make_objective(resolve({"objective": "multi:softprob", **MULTI}))
    old = type(objective).__new__(type(objective))
    pair = (np.empty((2, 3)), np.empty((2, 3)))
    old.__setstate__({"params": objective.params, "groups": 3, "_pair": pair, "_weight": (None, np.empty(0))})
    assert old.__dict__ == {"params": objective.params, "n_outputs": 3}
    data, margin = table([0, 1, 2]), np.zeros((3, 3))
    for a, b in zip(
        old.gradient(margin, data, SERIAL), objective.gradient(margin, data, SERIAL), strict=True
    ):
        np.testing.assert_array_equal(a, b)


def test_a_pickle_holds_no_buffers() -> None:
    objective = make_objective(resolve({}))
    objective.row_weight(table([1, 2], weight=[1, 3]))
    objective.gradient(np.zeros((2, 1)), table([1, 2]), SERIAL)
    state = pickle.loads(pickle.dumps(objective)).__dict__
    assert set(state) == {"params", "factor", "n_outputs"}
