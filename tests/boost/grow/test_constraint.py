"""Monotone constraints and interaction constraints."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import boost
from boost.grow.constraint import InteractionConstraints, monotone_directions
from boost.params import ParameterError, resolve

NAMES = ["age", "size", "price"]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, []),
        ([0, 0, 0], []),
        ([1, -1], [1, -1, 0]),
        ({"price": -1}, [0, 0, -1]),
        ({1: 1}, [0, 1, 0]),
        ("(1,0,-1)", [1, 0, -1]),
    ],
)
def test_monotone_directions(given: object, expected: list[int]) -> None:
    value = resolve({"monotone_constraints": given})["monotone_constraints"]
    np.testing.assert_array_equal(monotone_directions(value, NAMES, 3), np.array(expected, dtype=np.int8))


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ({"pric": 1}, "feature 'pric', which the table does not have; did you mean 'price'"),
        ({3: 1}, "monotone_constraints holds the feature index 3: give an index from 0 to 2"),
        ({-1: 1}, "holds the feature index -1: give an index from 0 to 2"),
        ([0, 0, 0, 1], "has 4 directions for 3 features: give at most one direction for each feature"),
    ],
)
def test_monotone_directions_of_unknown_features(given: object, match: str) -> None:
    with pytest.raises(ParameterError, match=match):
        monotone_directions(given, NAMES, 3)


def test_feature_name_when_features_have_no_names() -> None:
    match = "monotone_constraints names the feature 'age'.*no names, give an index from 0 to 2"
    with pytest.raises(ParameterError, match=match):
        monotone_directions({"age": 1}, None, 3)


@pytest.mark.parametrize("given", [[2], {"age": 0.5}, "1", [True], "nonsense("])
def test_invalid_monotone_constraints(given: object) -> None:
    with pytest.raises(ParameterError, match="monotone_constraints must be a list of -1, 0 and 1"):
        resolve({"monotone_constraints": given})


CATEGORIES = pd.DataFrame(
    {
        "n": np.arange(60.0),
        "c": pd.Categorical(list("abc") * 20),
        "k": pd.Categorical([7, 5] * 30),
    }
)
LABEL = np.arange(60.0)
REFUSED = "monotone_constraints gives the direction -?1 to the feature 'c', which is categorical"


@pytest.mark.parametrize(
    "given", [(1, 1, 0), [0, -1], {"c": 1}, {1: -1}, {"n": 1, "c": -1}, "(0,1)", "(0, -1, 0)", "{'c': 1}"]
)
@pytest.mark.parametrize("method", ["hist", "approx"])
def test_categories_have_no_direction(given: object, method: str) -> None:
    data = boost.DMatrix(CATEGORIES, LABEL)
    with pytest.raises(ParameterError, match=REFUSED):
        boost.train({"monotone_constraints": given, "tree_method": method}, data, 1)
    assert not data._binned  # before any work
    with pytest.raises(ParameterError, match=REFUSED):
        boost.cv({"monotone_constraints": given, "tree_method": method}, data, 1)
    for kind in (boost.BoostRegressor, boost.BoostForestRegressor, boost.BoostRanker):
        with pytest.raises(ParameterError, match=REFUSED):
            kind(monotone_constraints=given, tree_method=method).fit(CATEGORIES, LABEL // 2)
    with pytest.raises(ParameterError, match=REFUSED):
        boost.BoostClassifier(monotone_constraints=given, tree_method=method).fit(CATEGORIES, LABEL > 9)
    model = boost.train({"tree_method": method}, data, 1)
    with pytest.raises(ParameterError, match=REFUSED):
        boost.train({"monotone_constraints": given, "tree_method": method}, data, 1, xgb_model=model)
    with pytest.raises(ParameterError, match=REFUSED):
        model.set_param("monotone_constraints", given)
        model.update(data, 1)


def test_codes_have_no_direction_and_zero_is_none() -> None:
    codes = np.column_stack((LABEL, LABEL % 3))
    data = boost.DMatrix(codes, LABEL, feature_types=["q", "c"])
    with pytest.raises(ParameterError, match="the direction 1 to the feature 1, which is categorical"):
        boost.train({"monotone_constraints": [0, 1]}, data, 1)
    two = boost.DMatrix(codes, np.column_stack((LABEL, LABEL)), feature_types=["q", "c"])
    with pytest.raises(ParameterError, match="the direction 1 to the feature 1, which is categorical"):
        boost.train({"monotone_constraints": [0, 1]}, two, 1)
    with pytest.raises(ParameterError, match="multi_output_tree' does not go with monotone_constraints"):
        boost.train({"monotone_constraints": [0, 1], "multi_strategy": "multi_output_tree"}, two, 1)
    for given in ((1, 0), {0: -1}, [0, 0], "(0,0)"):
        assert boost.train({"monotone_constraints": given}, data, 1).num_boosted_rounds() == 1


@pytest.mark.parametrize(
    ("params", "match"),
    [
        ({"monotone_constraints": (1, 0, 0, 0)}, "has 4 directions for 3 features"),
        ({"monotone_constraints": "(1,0,0,0)"}, "has 4 directions for 3 features"),
        ({"monotone_constraints": {"m": 1}}, "names the feature 'm', which the table does not have"),
        ({"monotone_constraints": {3: 0}}, "monotone_constraints holds the feature index 3"),
        ({"interaction_constraints": [["n", "m"]]}, "names the feature 'm', which the table does not have"),
        ({"interaction_constraints": "[[0, 9]]"}, "interaction_constraints holds the feature index 9"),
        ({"monotone_constraints": (2, 0, 0)}, "2 is not a direction"),
        ({"monotone_constraints": {"n": "up"}}, "'up' is not a direction"),
    ],
)
@pytest.mark.parametrize("extra", [{}, {"tree_method": "approx"}, {"multi_strategy": "multi_output_tree"}])
def test_refused_before_any_work(params: dict, extra: dict, match: str) -> None:
    label = np.column_stack((LABEL, LABEL))
    data = boost.DMatrix(CATEGORIES, label)
    with pytest.raises(ParameterError, match=match):
        boost.train({**params, **extra}, data, 1)
    assert not data._binned
    with pytest.raises(ParameterError, match=match):
        boost.BoostRegressor(**params, **extra).fit(CATEGORIES, label)


def test_features_allowed_below_a_path() -> None:
    constraints = InteractionConstraints([["age", "size"], [1, 2]], NAMES, 4)
    assert constraints.active
    assert constraints.allowed(()).all()
    np.testing.assert_array_equal(constraints.allowed((0,)), [True, True, False, False])
    np.testing.assert_array_equal(constraints.allowed((1,)), [True, True, True, False])
    np.testing.assert_array_equal(constraints.allowed((1, 2)), [False, True, True, False])
    np.testing.assert_array_equal(constraints.allowed((3,)), [False, False, False, True])
    assert not InteractionConstraints(None, None, 4).active


@pytest.mark.parametrize("given", [[[0.5]], [0], "[[", [[None]]])
def test_invalid_interaction_constraints(given: object) -> None:
    with pytest.raises(ParameterError, match="interaction_constraints must be a list of lists"):
        resolve({"interaction_constraints": given})
