"""`save_config` and `load_config`: XGBoost's sections, every parameter, both directions."""

from __future__ import annotations

import json

import numpy as np
import pytest

import boost
from boost import Booster, DMatrix, ParameterError
from boost.params import TABLE

X = np.arange(40.0).reshape(20, 2)
Y = np.arange(20) % 2
ODD = {
    "objective": "binary:logistic",
    "eta": 0.25,
    "max_depth": 3,
    "monotone_constraints": (1, -1),
    "interaction_constraints": ((0,), (1,)),
    "eval_metric": ("auc", "error@0.3"),
    "one_drop": True,
    "booster": "dart",
    "seed": -3,
    "scale_pos_weight": 2.5,
    "process_type": "update",
    "updater": ("refresh", "prune"),
}


def test_every_parameter_comes_back() -> None:
    booster = Booster(ODD)
    other = Booster()
    other.load_config(booster.save_config())
    assert other.params == booster.params
    assert {name for name in ODD if other.params[name] != Booster().params[name]} == set(ODD)


def test_sections_and_texts() -> None:
    model = boost.train(
        {"objective": "multi:softprob", "num_class": 3, "eta": 0.5}, DMatrix(X, np.arange(20) % 3), 2
    )
    learner = json.loads(model.save_config())["learner"]
    assert learner["learner_train_param"]["objective"] == "multi:softprob"
    assert learner["learner_model_param"]["num_class"] == "3"
    assert len(json.loads(learner["learner_model_param"]["base_score"])) == 3
    plain = json.loads(boost.train({"base_score": 0.25}, DMatrix(X, Y), 1).save_config())
    assert plain["learner"]["learner_model_param"]["base_score"] == "[0.25]"
    trees = learner["gradient_booster"]
    assert trees["tree_train_param"]["eta"] == trees["tree_train_param"]["learning_rate"] == "0.5"
    assert trees["gbtree_model_param"]["num_trees"] == "6"
    assert learner["metrics"] == [{"name": "mlogloss"}]

    def leaves(section: object) -> list:
        children = (
            section.values() if isinstance(section, dict) else section if isinstance(section, list) else ()
        )
        return [leaf for child in children for leaf in leaves(child)] if children else [section]

    assert all(isinstance(leaf, str) for leaf in leaves(learner))
    names = str(learner)
    assert all(p.name in names for p in TABLE if p.default is not None and p.name != "num_class")


def test_a_configuration_of_xgboost() -> None:
    xgboost = pytest.importorskip("xgboost")
    params = {"objective": "binary:logistic", "max_depth": 2, "eta": 0.5, "eval_metric": ["auc", "error"]}
    theirs = xgboost.train({**params, "nthread": 1}, xgboost.DMatrix(X, Y), 1)
    ours = Booster()
    ours.load_config(theirs.save_config())
    for name in ("objective", "max_depth", "eta", "nthread", "subsample", "lambda", "tree_method"):
        assert ours.params[name] == Booster({**params, "nthread": 1}).params[name]
    assert ours.params.eval_metric == ("auc", "error") and ours.params.updater is None


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"learner": 3}', '{"learner": {"metrics": 3}}'])
def test_text_that_is_no_configuration(text: str) -> None:
    booster = Booster({"eta": 0.5})
    with pytest.raises(ParameterError, match="config must be the text that save_config returns"):
        booster.load_config(text)
    assert booster.params.eta == 0.5
