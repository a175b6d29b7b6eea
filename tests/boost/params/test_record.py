"""The record of checked parameters: every kind of mistake, access, changes, pickles."""

from __future__ import annotations

import copy
import pickle

import pytest

from boost.params import TABLE, ParameterError, Params, resolve


def test_aliases_and_types() -> None:
    values = resolve({"learning_rate": 1, "n_jobs": 2.0, "reg_lambda": 0, "eval_metric": "auc"})
    assert (values["eta"], values["nthread"], values["lambda"]) == (1.0, 2, 0.0)
    assert isinstance(values["eta"], float) and isinstance(values["nthread"], int)
    assert values["eval_metric"] == ("auc",)


@pytest.mark.parametrize(
    ("params", "match"),
    [
        ({"max_dept": 3}, "unknown parameter 'max_dept'; did you mean 'max_depth'"),
        ({"zzz": 3}, "unknown parameter 'zzz'$"),
        ({"eta": 0.1, "learning_rate": 0.1}, "'eta' and 'learning_rate' are the same parameter"),
        ({"eta": 0}, r"eta must be a number in \(0, 1\], got 0"),
        ({"eta": "fast"}, "eta must be a number"),
        ({"eta": float("nan")}, "eta must be"),
        ({"eta": True}, "eta must be"),
        ({"max_depth": 2.5}, "max_depth must be an integer"),
        ({"max_depth": -1}, "max_depth must be"),
        ({"max_bin": 1}, r"max_bin must be an integer in \[2, 65535\], got 1"),
        ({"gamma": -1}, "gamma must be a number of at least 0"),
        ({"gamma": None}, "gamma must be"),
        ({"objective": "reg:squareerror"}, "did you mean 'reg:squarederror'"),
        ({"objective": 3}, "objective must be one of"),
        ({"tree_method": "exac"}, "tree_method must be one of 'auto', 'hist', 'approx', 'exact'.*did you"),
        ({"eval_metric": 3}, "a name or a list of names, or None"),
        (
            {"num_class": 3},
            "num_class is for multi:softmax and multi:softprob only, not for reg:squarederror",
        ),
        (
            {"objective": "rank:pairwise", "scale_pos_weight": 2},
            "scale_pos_weight is for reg:logistic, binary:logistic",
        ),
        ([("eta", 1)], "params must be a dict"),
    ],
)
def test_mistakes(params: dict, match: str) -> None:
    with pytest.raises(ParameterError, match=match):
        resolve(params)


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
    with pytest.raises(ParameterError, match=r"eta must be a number in \(0, 1\], got 2"):
        params.replace(eta=2)
    with pytest.raises(ParameterError, match="unknown parameter 'dept'"):
        params.replace(dept=2)
    with pytest.raises(ParameterError, match="'eta' and 'learning_rate' are the same parameter"):
        params.replace(eta=0.1, learning_rate=0.1)


def test_copies_pickles_and_repr() -> None:
    params = resolve({"monotone_constraints": {"a": 1}, "interaction_constraints": [[0, "b"]], "seed": None})
    for other in (pickle.loads(pickle.dumps(params)), copy.deepcopy(params), copy.copy(params)):
        assert type(other) is Params and other == params
    assert repr(resolve({"learning_rate": 0.1, "lambda": 2})) == "Params({'eta': 0.1, 'lambda': 2.0})"
    assert eval(repr(params), {"Params": Params}) == params
