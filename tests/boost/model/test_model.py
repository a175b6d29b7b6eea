"""`Model`: parts, copies, parameters and margins, without a booster around it."""

from __future__ import annotations

import ast
import copy
import pickle
from pathlib import Path

import numpy as np
import pytest

import boost
from boost import DataError, ParameterError
from boost.model.model import Model, differ_in_eta_only
from boost.params import Params
from boost.training.start import start
from boost.training.trainer import Trainer
from tests.boost.small_models import X, Y, model_of


def trained(rounds: int = 3, **params: object) -> Model:
    data, model = boost.DMatrix(X, Y), Model(Params({"max_depth": 2, **params}))
    start(model, data)
    trainer = Trainer(model, data)
    for i in range(rounds):
        trainer.update(i)
    return model


def test_trains_and_predicts_without_a_booster() -> None:
    model = trained()
    table = model.align(X)
    booster = boost.train({"max_depth": 2}, boost.DMatrix(X, Y), 3)
    assert (
        model.margins(table).tobytes() == booster.predict(X, output_margin=True, strict_shape=True).tobytes()
    )
    assert model.array_margins(X).tobytes() == model.margins(table).tobytes()
    *_, last = model.staged_margins(table)
    assert last.tobytes() == model.margins(table).tobytes()


@pytest.mark.parametrize("name", ["data", "forest", "model", "show"])
def test_lower_packages_do_not_import_training_or_boosters(name: str) -> None:
    for path in (Path(boost.__file__).parent / name).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            modules = [node.module] if isinstance(node, ast.ImportFrom) else []
            modules += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for module in modules:
                upper = ("boost.booster", "boost.training", "boost.runs", "boost.estimator", "boost.tables")
                assert not str(module).startswith(upper), f"{path} imports {module}"


def test_parts_and_copies() -> None:
    model = trained(4)
    model.attributes["a"], model.best_iteration = "1", 3
    part = model.slice(1, 4, 2)
    assert part.forest.rounds == 2 and part.best_iteration is None and part.params is model.params
    assert part.forest[0] is model.forest[1] and part.forest[1] is model.forest[3]
    part.attributes["a"] = "2"
    twin = model.copy()
    twin.forest.truncate(1)
    twin.base_score = np.array([5.0])
    assert model.forest.trees == 4 and model.attributes["a"] == "1" and twin.best_iteration == 3
    assert model.start_margin()[0] != 5.0 == twin.start_margin()[0]
    for other in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
        assert other.margins(other.align(X)).tobytes() == model.margins(model.align(X)).tobytes()


def test_parameters_are_replaced_never_changed() -> None:
    model = trained()
    before, objective = model.params, model.objective
    model.change_params(before.replace(eta=0.1))
    assert model.objective is objective and (before.eta, model.params.eta) == (0.3, 0.1)
    assert differ_in_eta_only(before, model.params)
    model.change_params(before.replace(max_depth=5))
    assert model.objective is not objective and not differ_in_eta_only(before, model.params)
    with pytest.raises(AttributeError, match="immutable"):
        model.params.eta = 0.5  # type: ignore[misc]
    with pytest.raises(ParameterError, match="objective cannot change from 'reg:squarederror' to 'count:po"):
        model.change_params(before.replace(objective="count:poisson"))


def test_the_number_of_outputs_survives_new_parameters() -> None:
    model = model_of("targets").model.copy()
    model.change_params(model.params.replace(max_depth=1))
    assert model.objective.n_outputs == 2
    assert model.margins(model.align(X)).shape == (len(X), 2)


def test_a_changed_learning_rate_keeps_the_buffers() -> None:
    data, model = boost.DMatrix(X, Y), Model(Params({"max_depth": 2}))
    start(model, data)
    trainer = Trainer(model, data)
    trainer.update(0)
    grower = trainer._grower
    model.change_params(model.params.replace(eta=0.05))
    trainer.update(1)
    assert trainer._grower is grower
    first, second = (np.abs(model.forest[t].condition[model.forest[t].left < 0]).max() for t in range(2))
    assert second < 0.5 * first
    model.change_params(model.params.replace(max_depth=1))
    trainer.update(2)
    assert trainer._grower is not grower and model.forest[2].leaves == 2


def test_mistakes() -> None:
    model = trained()
    with pytest.raises(ValueError, match=r"iteration_range must lie within \(0, 3\), got \(2, 4\)"):
        model.trees_of((2, 4))
    with pytest.raises(DataError, match="the model has 5 features, the data has 4"):
        model.align(X[:, :4])
    with pytest.raises(ValueError, match=r"base_margin must have the shape \(300, 1\), got \(300, 2\)"):
        model.margins(boost.DMatrix(X, base_margin=np.zeros((300, 2))))
    assert not model.is_plain_array(X.astype(np.float64)) and not model.is_plain_array(np.asfortranarray(X))
