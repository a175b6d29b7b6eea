"""Directions of features, and features that may meet."""

from __future__ import annotations

import numpy as np
import pytest

from boost.grow.constraint import InteractionConstraints, monotone_directions
from boost.params import ParameterError, resolve

NAMES = ["age", "size", "price"]


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (None, []),
        ([0, 0, 0], []),
        ([1, -1], [1, -1, 0]),
        ({"price": -1}, [0, 0, -1]),
        ({1: 1}, [0, 1, 0]),
        ("(1,0,-1)", [1, 0, -1]),
    ],
)
def test_directions(given: object, wanted: list[int]) -> None:
    value = resolve({"monotone_constraints": given})["monotone_constraints"]
    np.testing.assert_array_equal(monotone_directions(value, NAMES, 3), np.array(wanted, dtype=np.int8))


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ({"pric": 1}, "feature 'pric', which the table does not have; did you mean 'price'"),
        ({3: 1}, "holds feature 3, the table has 0 to 2"),
        ([0, 0, 0, 1], "has 4 directions for 3 features"),
    ],
)
def test_directions_of_features_that_are_not_there(given: object, match: str) -> None:
    with pytest.raises(ParameterError, match=match):
        monotone_directions(given, NAMES, 3)


@pytest.mark.parametrize("given", [[2], {"age": 0.5}, "1", [True], "nonsense("])
def test_values_that_are_no_directions(given: object) -> None:
    with pytest.raises(ParameterError, match="monotone_constraints must be a list of -1, 0 and 1"):
        resolve({"monotone_constraints": given})


def test_what_may_follow_on_a_path() -> None:
    rules = InteractionConstraints([["age", "size"], [1, 2]], NAMES, 4)
    assert rules.active
    assert rules.allowed(()).all()
    np.testing.assert_array_equal(rules.allowed((0,)), [True, True, False, False])
    np.testing.assert_array_equal(rules.allowed((1,)), [True, True, True, False])
    np.testing.assert_array_equal(rules.allowed((1, 2)), [False, True, True, False])
    np.testing.assert_array_equal(rules.allowed((3,)), [False, False, False, True])
    assert not InteractionConstraints(None, None, 4).active


@pytest.mark.parametrize("given", [[[0.5]], [0], "[[", [[None]]])
def test_values_that_are_no_groups(given: object) -> None:
    with pytest.raises(ParameterError, match="interaction_constraints must be a list of lists"):
        resolve({"interaction_constraints": given})
