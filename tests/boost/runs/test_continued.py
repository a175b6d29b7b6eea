"""Continued training gives the bytes of uninterrupted training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import boost
from boost import DMatrix
from tests.boost.training_tables import OBJECTIVES, rough_table


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_continued_training_is_training(objective: str, tmp_path: Path) -> None:
    x, y = rough_table(4, 500)
    data = DMatrix(x, OBJECTIVES[objective](y))
    classes = 3 if objective.startswith("multi") else 0
    params = {"objective": objective, "num_class": classes, "subsample": 0.7, "max_depth": 3}
    whole = boost.train(params, data, 10)
    first = boost.train(params, data, 4)
    path = tmp_path / "first.json"
    first.save_model(path)
    for start in (first, str(path)):
        rest = boost.train(params, data, 6, xgb_model=start)
        assert rest.predict(x).tobytes() == whole.predict(x).tobytes()
    assert first.num_boosted_rounds() == 4


@pytest.mark.parametrize(
    "extra",
    [
        {"num_parallel_tree": 3},
        {"num_parallel_tree": 2, "sampling_method": "gradient_based"},
        {"multi_strategy": "multi_output_tree"},
        {"objective": "reg:absoluteerror", "num_parallel_tree": 2},
    ],
)
def test_continued_training_of_many_trees(extra: dict, tmp_path: Path) -> None:
    x, y = rough_table(9, 400)
    label = np.column_stack((y, -y)) if "multi_strategy" in extra else y
    data = DMatrix(x, label, weight=np.arange(1.0, 401))
    params = {"subsample": 0.7, "max_depth": 3, "colsample_bytree": 0.8, **extra}
    paths = [tmp_path / f"{i}.json" for i in range(3)]
    boost.train(params, data, 6).save_model(paths[0])
    boost.train(params, data, 4).save_model(paths[1])
    boost.train(params, data, 2, xgb_model=paths[1]).save_model(paths[2])
    assert paths[0].read_bytes() == paths[2].read_bytes()


def test_continued_training_keeps_the_estimates_of_the_loss() -> None:
    x, y = rough_table(9, 400)
    data = DMatrix(x, np.digitize(y, [-1, 1]), group=[20] * 20)
    params = {"objective": "rank:ndcg", "lambdarank_unbiased": True, "max_depth": 3}
    first = boost.train(params, data, 3)
    rest = boost.train(params, data, 3, xgb_model=first)
    assert rest.predict(x).tobytes() == boost.train(params, data, 6).predict(x).tobytes()


def test_continued_training_refuses_another_shape() -> None:
    data = DMatrix([[1.0], [2.0], [3.0]], [0, 1, 0])
    model = boost.train({}, data, 1)
    with pytest.raises(ValueError, match="trained with num_parallel_tree=1 .* but params give 2"):
        boost.train({"num_parallel_tree": 2}, data, 1, xgb_model=model)
