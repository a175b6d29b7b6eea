"""The record of checked parameters: every kind of mistake, access, changes, pickles."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

from boost.config import config_context
from boost.params import TABLE, ParameterError, Params, resolve, seed_of


def test_aliases_and_types() -> None:
    values = resolve({"learning_rate": 1, "n_jobs": 2.0, "reg_lambda": 0, "eval_metric": "auc"})
    assert (values["eta"], values["nthread"], values["lambda"]) == (1.0, 2, 0.0)
    assert isinstance(values["eta"], float) and isinstance(values["nthread"], int)
    assert values["eval_metric"] == ("auc",)


@pytest.mark.parametrize(
    ("params", "match"),
    [
        ({"eta": 0.1, "learning_rate": 0.1}, "'eta' and 'learning_rate' are the same parameter"),
        ({"eta": -0.1}, "eta must be a number of at least 0, got -0.1"),
        ({"eta": "fast"}, "eta must be a number"),
        ({"eta": float("nan")}, "eta must be"),
        ({"eta": True}, "eta must be"),
        ({"max_depth": 2.5}, "max_depth must be an integer"),
        ({"max_depth": -1}, "max_depth must be"),
        ({"max_bin": 1}, r"max_bin must be an integer in \[2, 65535\], got 1"),
        ({"gamma": -1}, "gamma must be a number of at least 0"),
        ({"max_depth": "2.5"}, "max_depth must be an integer in .*, got '2.5'"),
        ({"one_drop": "yes"}, "one_drop must be True or False, got 'yes'"),
        ({"seed": 2.5}, "seed must be an integer"),
        ({"seed": np.bool_(True)}, "seed must be an integer"),
        ({"base_score": "high"}, "base_score must be a number, or a list"),
        ({"booster": "gblinear"}, "got 'gblinear': linear models are not supported, only trees"),
        ({"tree_method": "gpu_hist"}, "got 'gpu_hist': give 'hist'"),
        ({"device": "cude"}, "device must be 'cpu', got 'cude'.*'cuda:0'"),
        ({"updater": "prone"}, "updater must be of .*, got 'prone'; did you mean 'prune'"),
        ({"updater": "prune"}, "one that grows trees.*to change the trees of a model, give process_type"),
        ({"process_type": "update"}, "process_type='update' needs updater='refresh' or 'prune'"),
        ({"process_type": "update", "updater": "grow_colmaker"}, "updater must be of refresh and prune"),
        ({"objective": "reg:squareerror"}, "did you mean 'reg:squarederror'"),
        ({"objective": 3}, "objective must be one of"),
        ({"tree_method": "exac"}, "tree_method must be one of 'auto', 'hist', 'approx', 'exact'.*did you"),
        ({"eval_metric": 3}, "a name or a list of names, or None"),
        ("eta=1", "params must be a dict of names and values, or a list of such pairs, got 'eta=1'"),
        ([("eta", 1, 2)], "params must be a dict"),
        ([1, 2], "params must be a dict"),
    ],
)
def test_mistakes(params: dict, match: str) -> None:
    with pytest.raises(ParameterError, match=match):
        resolve(params)


@pytest.mark.parametrize(
    ("params", "match"),
    [
        ({"max_dept": 3}, "unknown parameter 'max_dept' is not used; did you mean 'max_depth'"),
        ({"zzz": 3}, "unknown parameter 'zzz' is not used$"),
        ({"objective": "rank:pairwise", "scale_pos_weight": 2}, "it is for reg:logistic, binary:logistic"),
        ({"objective": "reg:linear"}, "objective='reg:linear' is now called 'reg:squarederror'"),
        ({"device": "cuda:0"}, "device='cuda:0' is not supported: the model is trained on the CPU"),
        ({"device": "gpu"}, "device='gpu' is not supported"),
    ],
)
def test_what_is_not_used_gives_a_warning_at_the_callers_line(params: dict, match: str) -> None:
    with pytest.warns(UserWarning, match=match) as record:
        values = resolve(params)
    assert record[0].filename == __file__ and len(record) == 1
    with pytest.raises(ParameterError, match=match):
        resolve(params, strict=True)
    assert values.device == "cpu" and values.objective != "reg:linear"


@pytest.mark.filterwarnings("error")
def test_validate_parameters_silences_the_warnings() -> None:
    given = {"huber_slope": 3, "validate_parameters": False}
    assert resolve({"zzz": 3, **given}) == resolve(given)


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        ("max_depth", "3", 3),
        ("max_depth", np.uint8(3), 3),
        ("max_depth", np.array(3), 3),
        ("max_depth", None, 6),
        ("eta", "1e-1", 0.1),
        ("eta", np.float32(0.5), 0.5),
        ("eta", 0, 0.0),
        ("eta", 1.5, 1.5),
        ("gamma", None, 0.0),
        ("one_drop", "true", True),
        ("one_drop", "0", False),
        ("one_drop", np.bool_(True), True),
        ("one_drop", np.int64(1), True),
        ("tree_method", np.str_("exact"), "exact"),
        ("base_score", "0.25", 0.25),
        ("base_score", "[1, 2]", (1.0, 2.0)),
        ("base_score", np.float32(0.25), 0.25),
        ("eval_metric", np.array(["mae", "rmse"]), ("mae", "rmse")),
        ("monotone_constraints", "(1,-1)", (1, -1)),
        ("seed", -1, -1),
        ("n_jobs", -2, -2),
        ("updater", "grow_colmaker, prune", ("grow_colmaker", "prune")),
    ],
)
def test_values_may_be_text_or_of_numpy(name: str, given: object, expected: object) -> None:
    value = getattr(resolve({name: given}), name)
    assert value == expected and type(value) is type(expected)


def test_an_updater_that_grows_trees_stands_for_a_tree_method() -> None:
    assert resolve({"updater": "grow_colmaker,prune"}).tree_method == "exact"
    assert resolve({"updater": ["grow_histmaker"], "tree_method": "exact"}).tree_method == "approx"


def test_pairs_are_parameters() -> None:
    values = resolve([("eta", 1), ("eval_metric", "mae"), ("eta", 0.5), ("eval_metric", "rmse")])
    assert (values.eta, values.eval_metric) == (0.5, ("mae", "rmse"))
    assert resolve([]) == resolve(None) == resolve({})


def test_seeds_of_generators_are_not_negative() -> None:
    assert [seed_of(resolve({"seed": s})) for s in (None, 0, 7, -1)] == [0, 0, 7, 2**64 - 1]


def test_a_record_reads_as_attributes_and_as_a_mapping() -> None:
    params = resolve({"learning_rate": 0.1, "reg_lambda": 2, "eval_metric": ["auc", "logloss"]})
    assert params.eta == params.learning_rate == params["eta"] == 0.1
    assert params.reg_lambda == params["lambda"] == 2.0
    assert list(params) == [p.name for p in TABLE] and len(params) == len(TABLE)
    assert {**params} == dict(params) == params
    assert resolve(dict(params)) == params and resolve(params) is params
    assert "learning_rate" not in params and "learning_rate" in dir(params)
    with pytest.raises(AttributeError, match="no parameter 'max_dept'; did you mean 'max_depth'"):
        params.max_dept  # noqa: B018
    with pytest.raises(KeyError, match="learning_rate"):
        params["learning_rate"]


def test_a_record_is_immutable() -> None:
    params = resolve({"quantile_alpha": [0.1, 0.9], "objective": "reg:quantileerror"})
    with pytest.raises(AttributeError, match=r"immutable: use replace\(eta=...\)"):
        params.eta = 0.1  # type: ignore[misc]
    with pytest.raises(AttributeError, match="immutable"):
        del params.eta  # type: ignore[misc]
    with pytest.raises(TypeError, match="does not support item assignment"):
        params["eta"] = 0.1  # type: ignore[index]
    assert params.quantile_alpha == (0.1, 0.9)


def test_replace_makes_a_new_checked_record() -> None:
    params = resolve({"eta": 0.1, "max_depth": 4})
    other = params.replace(learning_rate=0.2, **{"lambda": 3})
    assert (other.eta, other.max_depth, other["lambda"], params.eta) == (0.2, 4, 3.0, 0.1)
    assert params != other == resolve({"eta": 0.2, "max_depth": 4, "lambda": 3.0})
    with pytest.raises(ParameterError, match="eta must be a number of at least 0, got -2"):
        params.replace(eta=-2)
    with pytest.warns(UserWarning, match="unknown parameter 'dept'"):
        assert params.replace(dept=2) == params
    with pytest.raises(ParameterError, match="'eta' and 'learning_rate' are the same parameter"):
        params.replace(eta=0.1, learning_rate=0.1)


def test_copies_pickles_and_repr() -> None:
    params = resolve({"monotone_constraints": {"a": 1}, "interaction_constraints": [[0, "b"]], "seed": None})
    for other in (pickle.loads(pickle.dumps(params)), copy.deepcopy(params), copy.copy(params)):
        assert type(other) is Params and other == params
    assert repr(resolve({"learning_rate": 0.1, "lambda": 2})) == "Params({'eta': 0.1, 'lambda': 2.0})"
    assert eval(repr(params), {"Params": Params}) == params


def test_strict_parameters_are_refused_whatever_is_muted() -> None:
    with (
        config_context(verbosity=0),
        pytest.raises(ParameterError, match="unknown parameter 'max_dept'"),
    ):
        resolve({"max_dept": 3}, strict=True)
    assert resolve({"max_depth": 3}, strict=True) == resolve({"max_depth": 3})
