"""A TreeLSTM and a character RNN, recursive on data types, compiled: against NumPy and the interpreter."""

from __future__ import annotations

import numpy as np
import pytest

from compiler.relay import build, evaluate
from tests.compiler.relay import recursive_models as models

SEEDS = (0, 1, 2)


@pytest.mark.parametrize("level", [0, 3])
def test_a_tree_lstm(level: int) -> None:
    module = models.tree_lstm(3, 4)
    program = build(module, level=level, cache=False)
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        weights = models.tree_lstm_weights(3, 4, rng)
        tree = models.random_tree(3, 1 + 5 * seed, rng)
        value = models.as_value(tree, module)
        found = program(value, *weights)
        np.testing.assert_allclose(found, models.tree_lstm_reference(tree, *weights)[0], rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(found, evaluate(module, value, *weights), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("level", [0, 3])
def test_a_character_rnn(level: int) -> None:
    module = models.char_rnn(11, 5)
    program = build(module, level=level, cache=False)
    for seed in SEEDS:
        weights = models.char_rnn_weights(11, 5, np.random.default_rng(seed))
        given = np.array(seed, "int32"), np.array(20 * seed, "int32")
        found = [int(letter) for letter in models.listed(program(*given, *weights))]
        assert found == models.char_rnn_reference(int(given[0]), int(given[1]), *weights)
