"""The space of a search: text, draws within the limits, neighbours."""

from __future__ import annotations

import numpy as np
import pytest

from boost.errors import ParameterError
from boost.halving.space import SPACE, Values, make_space
from boost.params import resolve


def test_draws_are_within_the_limits_and_legal():
    rng = np.random.default_rng(0)
    for _ in range(200):
        drawn = {name: values.draw(rng) for name, values in SPACE.items()}
        near = {name: values.near(drawn[name], rng, 0.2) for name, values in SPACE.items()}
        for name, values in SPACE.items():
            assert values.low <= drawn[name] <= values.high and values.low <= near[name] <= values.high
        resolve(near, strict=True)


def test_neighbours_are_near():
    rng = np.random.default_rng(0)
    rates = Values(0.01, 1.0, log=True)
    near = np.log([rates.near(0.1, rng, 0.1) for _ in range(300)])
    assert abs(near.mean() - np.log(0.1)) < 0.1 and 0.3 < near.std() < 0.6  # a tenth of log(100)


def test_places_and_values():
    assert Values(1, 5, whole=True).at(0.0) == 1 and Values(1, 5, whole=True).at(1.0) == 5
    assert Values(0.01, 1.0, log=True).at(0.5) == 0.1 and Values(0.01, 1.0, log=True).place(
        0.1
    ) == pytest.approx(0.5)
    assert Values(choices=("a", "b")).at(0.99) == "b"


def test_spaces_by_text():
    space = make_space(
        ["max_depth=2:12", "reg_lambda=0.1:10:log", "grow_policy=depthwise,lossguide"], {"eta": 0.1}
    )
    assert "eta" not in space and "lambda" not in space
    assert space["max_depth"] == Values(2, 12, whole=True)
    assert space["reg_lambda"] == Values(0.1, 10, log=True)
    assert space["grow_policy"].choices == ("depthwise", "lossguide")


@pytest.mark.parametrize(
    "texts, given, message",
    [
        (["max_depth"], {}, "must be NAME=LOW:HIGH.:log. or NAME=A,B"),
        (["max_dept=2:3"], {}, "unknown parameter 'max_dept'; did you mean 'max_depth'"),
        (["eta=a:b"], {}, "the space of eta must be LOW:HIGH"),
        (["eta=0:1:log"], {}, "needs low <= high, and low > 0 with log"),
        (["learning_rate=0:1"], {"eta": 0.1}, "learning_rate has a value already"),
        ([], dict.fromkeys(SPACE, 1), "nothing is left to search"),
    ],
)
def test_spaces_that_are_refused(texts, given, message):
    with pytest.raises(ParameterError, match=message):
        make_space(texts, given)
