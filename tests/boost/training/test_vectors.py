"""Leaves that are vectors, under every loss: as XGBoost where it trains them, and their model files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import boost
from boost import Booster, DMatrix, ParameterError
from boost.params.table import OBJECTIVES

RNG = np.random.default_rng(0)
X = RNG.integers(0, 30, size=(600, 4)).astype(np.float32)
Y = (
    np.abs(np.stack((X[:, 0] + X[:, 1], X[:, 1] - X[:, 2], X[:, 0] * X[:, 3] / 9), axis=1))
    + RNG.random((600, 3))
    + 0.1
)
CODE = RNG.integers(0, 3, 600)
LEVELS = [0.2, 0.5, 0.9]
# Objectives that XGBoost 3.2 does not have.
OURS = ("reg:expectileerror", "reg:normal")


def table(objective: str, kind: Any = DMatrix) -> tuple[dict[str, Any], Any]:
    """Return parameters and a table, with several outputs where the loss has them."""
    name = objective.removeprefix("reg:")
    params: dict[str, Any] = {"objective": objective, "max_depth": 3, "min_child_weight": 0.1}
    data = kind(X)
    if name in ("quantileerror", "expectileerror"):
        params[name.replace("error", "_alpha")] = LEVELS
        data.set_info(label=Y[:, 0])
    elif objective.startswith("multi:"):
        params["num_class"] = 3
        data.set_info(label=CODE)
    elif objective.startswith("rank:"):
        data.set_info(label=CODE > 0, group=[60] * 10)
    elif objective == "survival:aft":
        data.set_info(label_lower_bound=Y[:, 0], label_upper_bound=Y[:, 0] + 1)
    elif objective in ("survival:cox", "reg:normal"):
        data.set_info(label=Y[:, 0])
    else:
        data.set_info(label=np.median(Y, axis=0) < Y if "logi" in name or "hinge" in name else Y)
    return params, data


@pytest.mark.parametrize(
    ("objective", "extra"),
    [
        ("reg:absoluteerror", {}),
        ("reg:quantileerror", {}),
        ("count:poisson", {"max_delta_step": 0.0}),
        ("reg:squarederror", {}),
        ("multi:softprob", {}),
    ],
)
@pytest.mark.parametrize("weighted", [False, True])
def test_as_xgboost(objective: str, extra: dict[str, Any], weighted: bool) -> None:
    xgb = pytest.importorskip("xgboost", minversion="3.2")
    seen = []
    for library in (boost, xgb):
        params, data = table(objective, library.DMatrix)
        if weighted:
            data.set_info(weight=np.linspace(0.5, 2.0, 600))
        params |= {"multi_strategy": "multi_output_tree", **extra}
        seen.append(library.train(params, data, 6).predict(library.DMatrix(X), output_margin=True))
    np.testing.assert_allclose(seen[0], seen[1], rtol=1e-4, atol=1e-4)


def test_limited_steps() -> None:
    params, data = table("count:poisson")
    params |= {"multi_strategy": "multi_output_tree", "eta": 0.5}
    for given, step in (({}, 0.7), ({"max_delta_step": 0.1}, 0.1)):
        model = boost.train({**params, **given}, data, 1)
        leaves = model.forest[0].vectors[model.forest[0].left < 0]
        assert np.abs(leaves).max() == pytest.approx(0.5 * step)
    model = boost.train(params, data, 40)
    assert np.abs(model.predict(X) - Y).mean() < 0.3 * np.abs(Y - Y.mean(axis=0)).mean()


@pytest.mark.slow
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_xgboost_predicts_the_same_from_every_file(objective: str) -> None:
    xgb = pytest.importorskip("xgboost", minversion="3.2")
    params, data = table(objective)
    for booster in ("gbtree", "dart"):
        for strategy in ("one_output_per_tree", "multi_output_tree"):
            for parallel in (1, 2):
                shape = {"booster": booster, "multi_strategy": strategy, "num_parallel_tree": parallel}
                drop = {"rate_drop": 0.5, "one_drop": True} if booster == "dart" else {}
                model = boost.train({**params, **shape, **drop}, data, 4)
                ours = model.predict(X, output_margin=True)
                for form in ("json", "ubj"):
                    raw = model.save_raw(form)
                    again = Booster(model_file=bytes(raw))
                    assert again.predict(X, output_margin=True).tobytes() == ours.tobytes()
                    assert again.save_raw(form) == raw
                    if objective in OURS and xgb.__version__ < "3.3":
                        with pytest.raises(xgb.core.XGBoostError, match=f"Unknown objective.*{objective}"):
                            xgb.Booster(model_file=raw)
                        continue
                    theirs = xgb.Booster(model_file=raw).predict(xgb.DMatrix(X), output_margin=True)
                    np.testing.assert_allclose(theirs.reshape(ours.shape), ours, rtol=2e-5, atol=2e-5)


DROPOUT = {"booster": "dart", "rate_drop": 0.5, "multi_strategy": "multi_output_tree"}


def test_dropout_continues_from_a_file(tmp_path: Path) -> None:
    params, data = table("reg:squarederror")
    whole = boost.train({**params, **DROPOUT}, data, 8)
    for ending in ("json", "ubj"):
        path = tmp_path / f"first.{ending}"
        boost.train({**params, **DROPOUT}, data, 5).save_model(path)
        assert Booster(model_file=path).params["booster"] == "dart"
        rest = boost.train({**params, **DROPOUT}, data, 3, xgb_model=path)
        assert rest.save_raw() == whole.save_raw()


def test_a_file_that_xgboost_has_changed_holds_its_trees() -> None:
    xgb = pytest.importorskip("xgboost", minversion="3.2")
    params, data = table("reg:squarederror")
    model = boost.train({**params, **DROPOUT}, data, 4)
    theirs = xgb.Booster(model_file=model.save_raw())
    back = Booster(model_file=theirs.save_raw())
    assert back.params["booster"] == "dart" and back.predict(X).tobytes() == model.predict(X).tobytes()
    part = theirs[:2]
    back = Booster(model_file=part.save_raw())
    assert back.params["booster"] == "gbtree" and (back.forest.weights == 1.0).all()
    np.testing.assert_allclose(back.predict(X), part.predict(xgb.DMatrix(X)), rtol=1e-5)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"weights": 1}', '{"weights": [1], "leaves": "?"}'])
def test_a_damaged_entry_leaves_the_trees_of_the_file(text: str) -> None:
    params, data = table("reg:squarederror")
    model = boost.train({**params, **DROPOUT}, data, 4)
    raw = bytes(model.save_raw("json")).decode()
    begin = raw.index('"espalier_dropout":') + len('"espalier_dropout":')
    end = raw.index('}"', begin) + 2
    entry = text.replace("\\", "\\\\").replace('"', '\\"')
    loaded = Booster(model_file=f'{raw[:begin]}"{entry}"{raw[end:]}'.encode())
    assert loaded.params["booster"] == "gbtree"
    np.testing.assert_allclose(loaded.predict(X), model.predict(X), rtol=1e-5)


@pytest.mark.parametrize(
    ("extra", "types", "match"),
    [
        ({"monotone_constraints": [1]}, None, "multi_output_tree' does not go with monotone_constraints"),
        ({}, ["c", "q", "q", "q"], "multi_output_tree' does not go with categorical features"),
        ({"tree_method": "exact"}, None, "multi_output_tree' is for tree_method='hist'"),
    ],
)
def test_refused_before_any_round(extra: dict[str, Any], types: Any, match: str) -> None:
    data = DMatrix(X, Y, feature_types=types)
    model = Booster({"multi_strategy": "multi_output_tree", **extra})
    with pytest.raises(ParameterError, match=match):
        model.update(data, 0)
    assert model.num_boosted_rounds() == 0 and not data._binned
