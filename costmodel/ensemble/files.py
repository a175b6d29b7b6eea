"""Files of models and of compiled trees, as the commands `compile` and `predict` take them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from boost.tables.model import TableModel


def compile_trees(model: Path, output: Path, options: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Compile a model file of boosted trees, and return what there is to say about it.

    Parameters
    ----------
    model : path
        Of `espalier train`, XGBoost or LightGBM.
    output : path
    options : mapping
        Those of the command; only the target is one for trees.

    Raises
    ------
    ValueError
        For options that are for ONNX models, and a file that is no model of either kind.
    """
    from boost import Booster, ModelError
    from costmodel.ensemble.compiled import compile_ensemble

    given = [f"--{name.removesuffix('s')}" for name in ("shapes", "values") if options.get(name)]
    given += ["--records"] if options.get("records") else []
    if given:
        raise ValueError(f"{', '.join(given)}: that is for a model .onnx, and {model} holds trees")
    began = time.perf_counter()
    try:
        booster = Booster(model_file=str(model))
    except ModelError as error:
        raise ValueError(f"{model}: a model .onnx is needed, or a file of trees ({error})") from error
    compiled = compile_ensemble(booster, options.get("target"))
    compiled.save(output)
    forest = booster.model.forest
    return [
        ("trees", f"{forest.trees} with {forest.nodes:,} nodes, {booster.num_features()} features"),
        ("objective", booster.model.objective.name),
        ("time", f"{time.perf_counter() - began:.2f} s"),
    ]


def refuse_trees(record: dict[str, Any], path: Path) -> dict[str, Any]:
    """Return the record of a compiled program; raise `ModuleFileError` for compiled trees."""
    from compiler.runtime.artifact import ModuleFileError
    from costmodel.ensemble.compiled import FORM

    if record.get("form") == FORM:
        raise ModuleFileError(f"{path} holds compiled trees: espalier predict {path} TABLE runs them")
    return record


def load_model(path: Path) -> TableModel:
    """Return a model of a table, from a model file or from one of compiled trees."""
    from boost.tables.model import TableModel
    from costmodel.ensemble.compiled import CompiledEnsemble, is_compiled_ensemble

    if path.is_file() and is_compiled_ensemble(path):
        return TableModel.of(CompiledEnsemble.load(path).booster, path)
    return TableModel.load(path)
