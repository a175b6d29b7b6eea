"""Monotone constraints and interaction constraints."""

from __future__ import annotations

import numpy as np
import pytest

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
