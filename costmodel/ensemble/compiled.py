"""`compile_ensemble` and `CompiledEnsemble`: boosted trees as machine code for tables and for single rows."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from math import isnan
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from boost.booster import Booster
from boost.data.dmatrix import DMatrix
from boost.errors import ModelError
from boost.model.model import Model, Range
from boost.model.model_io import save_raw
from compiler.backend import Target, pipeline
from compiler.backend.registry import backend
from compiler.ir.expr import Buffer, Var
from compiler.passes import run
from compiler.relay.execute.storage import Parts, Record, artifact_from, artifact_record, read, write
from compiler.runtime.artifact import Artifact, ModuleFileError
from costmodel.ensemble.layout import make_layout
from costmodel.ensemble.scorers import programs
from costmodel.ensemble.tables import most_rows

Floats = NDArray[np.float64]
FORM = "ensemble"
# Rows of a sparse table that are made dense at a time.
DENSE_ROWS = 1 << 14


class Scorer:
    """A compiled function that adds an ensemble to margins, and the tables that it reads.

    Parameters
    ----------
    artifact : Artifact
    arrays : sequence of array
        Its arguments between rows and margins.

    Raises
    ------
    ValueError
        If this machine cannot run it.
    """

    def __init__(self, artifact: Artifact, arrays: Sequence[NDArray]) -> None:
        self.artifact, self.arrays = artifact, tuple(arrays)
        self.module = backend(artifact.kind).load(artifact, None)

    def __call__(self, x: NDArray[np.float32], margin: Floats) -> None:
        """Add the trees to the margins of row-major rows; NaN for rows with an infinite value."""
        self.module(x, *self.arrays, margin)


class CompiledModel(Model):
    """A model whose trees are machine code: it predicts as the model that it was made of, and no more.

    Parameters
    ----------
    model : Model
        Objective, columns, categories, base score and attributes; its trees are not used.
    few, many : Scorer
        For a few rows and for many.
    threshold : int
        The number of rows from which on there are many.
    """

    def __init__(self, model: Model, few: Scorer, many: Scorer, threshold: int) -> None:
        self.described = model.slice(0, 0)
        self.described.best_iteration, self.described.best_score = model.best_iteration, model.best_score
        self.__dict__.update({k: v for k, v in vars(self.described).items() if k != "forest"})
        self.few, self.many, self.threshold = few, many, threshold
        self.start_row = self.start_margin()[np.newaxis].copy()
        self.call_rows = most_rows(self.n_features, self.objective.n_outputs)

    @property
    def forest(self) -> NoReturn:  # type: ignore[override]
        """Raises `ModelError`: there are no trees to look at."""
        raise ModelError(
            "a compiled ensemble predicts values, margins and intervals; for contributions, leaves, rounds "
            "and uncertainty take the model that it was compiled from"
        )

    def align(self, data: Any, validate_features: bool = True, own: bool = False) -> DMatrix:
        """Return a table in the model's order of columns, see `boost.model.model.Model.align`."""
        return self.described.align(data, validate_features, own)

    def started(self, rows: int) -> Floats:
        """Return the margins of rows before the first tree."""
        if rows == 1:
            return self.start_row.copy()  # a third of the time of the general way
        margin = np.empty((rows, self.objective.n_outputs))
        margin[:] = self.start_margin()
        return margin

    def add(self, x: NDArray[np.float32], margin: Floats) -> None:
        """Add the trees to the margins of rows.

        Raises
        ------
        DataError
            For infinite values.
        """
        count = len(x)
        if count == 1:
            self.few.module(x, *self.few.arrays, margin)
            if not isnan(margin.item(0)):
                return
        else:
            scorer = self.many if count >= self.threshold else self.few
            for begin in range(0, count, self.call_rows):
                end = begin + self.call_rows
                scorer(x[begin:end], margin[begin:end])
            if not np.isnan(margin[:, 0]).any():
                return
        DMatrix(x)  # raises, with the position

    def array_margins(self, x: NDArray[np.float32], iteration_range: Range | None = (0, 0)) -> Floats:
        """Return the margins of an array that `is_plain_array` accepts; float64, shape (rows, outputs).

        Raises
        ------
        ModelError
            For a range of rounds: all of them are one program.
        """
        _check_rounds(iteration_range)
        margin = self.started(len(x))
        self.add(x, margin)
        return margin

    def margins(self, table: DMatrix, iteration_range: Range | None = (0, 0)) -> Floats:
        """Return the margins of a table; float64, shape (rows, outputs). Errors as for `array_margins`."""
        _check_rounds(iteration_range)
        margin = self.start_margins(table)
        for begin in range(0, len(margin), DENSE_ROWS):
            end = min(begin + DENSE_ROWS, len(margin))
            self.add(np.ascontiguousarray(table.dense_rows(begin, end), np.float32), margin[begin:end])
        return margin


class CompiledEnsemble:
    """Boosted trees as machine code, made by `compile_ensemble` or read by `load`.

    Predictions are those of the booster, bit for bit: the values of leaves are added in the order of the
    trees, in float64. Parallel loops use the threads of `compiler.runtime.set_num_threads`.

    Attributes
    ----------
    booster : Booster
        Predicts tables of any kind by this code: columns are found by name, categories by value. It has no
        trees to look at: contributions, leaves and rounds are the original's.
    """

    def __init__(self, model: CompiledModel) -> None:
        self._model = model
        self.booster = Booster()
        self.booster._wrap(model)

    def predict(self, data: Any, output_margin: bool = False) -> NDArray:
        """Predict for a table.

        Parameters
        ----------
        data : array, frame, sparse matrix or DMatrix
            Row-major float32 arrays, NaN where values are missing, are the fastest.
        output_margin : bool
            Return margins in place of predictions.

        Returns
        -------
        float64 array of shape (rows,), or (rows, outputs)

        Raises
        ------
        DataError
            A ValueError, for columns that the model does not have, missing columns and infinite values.
        """
        model = self._model
        if not model.is_plain_array(data):
            return self.booster.predict(_table(model, data), output_margin=output_margin)
        margin = model.started(len(data))
        model.add(data, margin)
        values = margin if output_margin else model.objective.output(margin)
        return values if values.shape[1] > 1 else values[:, 0]

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write one file of code and tables, completely or not at all.

        It holds machine code: trust it as you would trust a shared library. To load it, nothing is compiled.

        Raises
        ------
        OSError
            If it cannot be written.
        """
        model, parts = self._model, Parts()
        record = {
            "form": FORM,
            "model": parts.add(bytes(save_raw(model.described, "ubj"))),
            "base_score": parts.add(np.asarray(model.base_score)),
            "threshold": model.threshold,
            "few": _record(model.few, parts),
            "many": _record(model.many, parts),
        }
        write(path, record, parts)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> CompiledEnsemble:
        """Read a file that `save` wrote; nothing is compiled.

        Raises
        ------
        ModuleFileError
            A ValueError, if the file is none of `save`, is cut off or damaged, was saved by a newer version,
            or is for another machine.
        OSError
            If it cannot be read.
        """
        where = os.fspath(path)

        def restored(record: Record, parts: Parts) -> CompiledEnsemble:
            if record.get("form") != FORM:
                raise ModuleFileError(f"{where} is a compiled program, but not one of boosted trees")
            model = Booster(model_file=bytearray(parts.bytes(record["model"]))).model
            model.base_score = parts.array(record["base_score"], (model.objective.n_outputs,), "float64")
            few, many = (_restored(record[name], parts, model) for name in ("few", "many"))
            for scorer in (few, many):
                if scorer.module.missing:
                    raise ModuleFileError(
                        f"{where} was built for {scorer.artifact.target}, which cannot run here: "
                        f"{scorer.module.missing}"
                    )
            return cls(CompiledModel(model, few, many, int(record["threshold"])))

        return read(path, restored)


def compile_ensemble(booster: Any, target: str | Target | None = None) -> CompiledEnsemble:
    """Compile the trees of a model to machine code.

    The thresholds of each feature become codes of a byte, and a row the codes of its values. Many rows are
    scored by blocks, a vector of rows for each split; few rows walk down many trees at a time.

    Parameters
    ----------
    booster : Booster, or fitted estimator
        Of any objective; all its rounds. For fewer, slice it: ``booster[:100]``.
    target : str or Target, optional
        A CPU, such as ``"llvm -mcpu=x86-64-v3"``; this machine's by default.

    Returns
    -------
    CompiledEnsemble

    Raises
    ------
    ModelError
        For a model that was not trained.
    ValueError
        For a target that is no CPU.

    Examples
    --------
    >>> scorer = compile_ensemble(booster)  # doctest: +SKIP
    >>> scorer.save("model.module")  # doctest: +SKIP
    >>> CompiledEnsemble.load("model.module").predict(X)  # doctest: +SKIP
    """
    model = (booster.get_booster() if hasattr(booster, "get_booster") else booster).model
    if not model.n_features:
        raise ModelError("the model was not trained: it has no trees to compile")
    chosen = Target.parse(target or "llvm")
    if chosen.kind != "llvm":
        raise ValueError(f"an ensemble is compiled for a CPU, such as 'llvm', not for {chosen}")
    few, many, threshold = programs(make_layout(model.forest, model.n_features), chosen)
    scorers = [
        Scorer(backend(chosen.kind).compile(run(p.function, pipeline(chosen.kind)), chosen.options), p.arrays)
        for p in (few, many)
    ]
    return CompiledEnsemble(CompiledModel(model, scorers[0], scorers[1], threshold))


def is_compiled_ensemble(path: str | os.PathLike[str]) -> bool:
    """Return whether a file is one of `CompiledEnsemble.save`."""
    try:
        return bool(read(path, lambda record, parts: record.get("form") == FORM))
    except (ModuleFileError, OSError):
        return False


def _table(model: CompiledModel, data: Any) -> DMatrix:
    return data if isinstance(data, DMatrix) else model.make_table(data)


def _check_rounds(iteration_range: Range | None) -> None:
    if iteration_range is not None and tuple(iteration_range) != (0, 0):
        raise ModelError(
            f"all rounds of a compiled ensemble are one program: it has no iteration_range "
            f"{tuple(iteration_range)}; compile a slice of the booster, as booster[:100]"
        )


def _record(scorer: Scorer, parts: Parts) -> Record:
    """Return the record of a scorer; the number of rows, which each call brings, is -1 in shapes."""
    artifact = scorer.artifact
    params = tuple(
        Buffer(b.name, tuple(-1 if isinstance(d, Var) else d for d in b.shape), b.dtype)
        for b in artifact.params
    )
    return {
        "artifact": artifact_record(replace(artifact, params=params), parts),
        "arrays": [[parts.add(a), list(a.shape), str(a.dtype)] for a in scorer.arrays],
    }


def _restored(record: Record, parts: Parts, model: Model) -> Scorer:
    artifact = artifact_from(record["artifact"], parts)
    rows = Var("rows", "int32", (1, most_rows(model.n_features, model.objective.n_outputs)))
    params = tuple(
        Buffer(b.name, tuple(rows if d == -1 else d for d in b.shape), b.dtype) for b in artifact.params
    )
    return Scorer(replace(artifact, params=params), [parts.array(*array) for array in record["arrays"]])
