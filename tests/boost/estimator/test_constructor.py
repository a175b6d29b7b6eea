"""Signatures, documentation, and the stub file for editors."""

from __future__ import annotations

import ast
import inspect
import math
from typing import Any

import pytest

from boost import sklearn as estimators
from boost.estimator.constructor import EXTRA
from boost.estimator.stub import PATH, stub
from boost.params import TABLE
from boost.sklearn import (
    BoostClassifier,
    BoostForestClassifier,
    BoostRanker,
    BoostRegressor,
    XGBClassifier,
    XGBRanker,
    XGBRegressor,
)

KINDS = [getattr(estimators, name) for name in estimators.__all__]


@pytest.mark.parametrize("kind", KINDS)
def test_signature_and_documentation_come_from_the_table(kind: type) -> None:
    parameters = inspect.signature(kind).parameters
    assert {p.kind for p in parameters.values()} == {inspect.Parameter.KEYWORD_ONLY}
    assert set(parameters) == set(kind().get_params())
    for p in (*EXTRA, *TABLE):
        if p.estimator in parameters:
            assert f"\n{p.estimator} : {p.allowed}, default " in kind.__doc__
        else:
            assert p.estimator is None or p.estimator in kind.omitted


def test_defaults() -> None:
    for kind, objective in (
        (BoostRegressor, "reg:squarederror"),
        (BoostClassifier, "binary:logistic"),
        (BoostRanker, "rank:ndcg"),
    ):
        parameters = inspect.signature(kind).parameters
        assert parameters["objective"].default == objective
        for name in ("n_estimators", "learning_rate", "max_depth", "reg_lambda", "subsample"):
            assert parameters[name].default is None and parameters[name].annotation.endswith(" | None")
        assert parameters["preset"].default == "espalier"
    for kind in (XGBRegressor, XGBClassifier, XGBRanker):
        parameters = inspect.signature(kind).parameters
        assert parameters["preset"].default == "xgboost" and parameters["n_estimators"].default == 100
        assert parameters["learning_rate"].default == 0.3
        assert parameters["learning_rate"].annotation == "float"
    assert "class_weight" not in inspect.signature(BoostRegressor).parameters
    forest = inspect.signature(BoostForestClassifier).parameters
    assert forest["learning_rate"].default == 1.0 and forest["subsample"].default == 0.8
    assert not {"warm_start", "early_stopping_rounds", "num_parallel_tree"} & set(forest)


def test_the_stub_is_up_to_date() -> None:
    assert PATH.read_text(encoding="utf-8") == stub(), "python -m boost.estimator.stub writes it"


def test_the_stub_has_the_signatures_of_the_program() -> None:
    tree = ast.parse(stub())
    classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    aliases = {
        target.id: node.value.id
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Name)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    assert {*classes, *aliases, "XGBModel"} == set(estimators.__all__)
    for name, node in classes.items():
        (constructor,) = node.body
        assert isinstance(constructor, ast.FunctionDef)
        written = {
            arg.arg: _value(default)
            for arg, default in zip(constructor.args.kwonlyargs, constructor.args.kw_defaults, strict=True)
        }
        built = {n: p.default for n, p in inspect.signature(getattr(estimators, name)).parameters.items()}
        assert list(written) == list(built)
        for parameter, value in built.items():
            same = written[parameter] == value and type(written[parameter]) is type(value)
            assert same or (math.isnan(value) and math.isnan(written[parameter]))
    for alias, name in aliases.items():
        assert getattr(estimators, alias) is getattr(estimators, name)


def _value(node: ast.expr | None) -> Any:
    return math.nan if isinstance(node, ast.Call) else ast.literal_eval(node)  # type: ignore[arg-type]
