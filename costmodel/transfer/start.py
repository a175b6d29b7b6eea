"""`start_model`: the model that a search begins with, from what was measured before."""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

import compiler
from compiler import Target
from costmodel import records as record_file
from costmodel.features import check_version, features_of
from costmodel.learned import BoostedTreeCostModel, CostModel
from costmodel.records import Record, RecordWarning
from costmodel.task import Task
from costmodel.transfer.programs import MeasuredProgram, examples, hardware_of, read_programs
from costmodel.transfer.warm import WarmCostModel

SHIPPED = Path(__file__).parent / "shipped.ubj"
# the kind of target and the family of features of the shipped model
_SHIPPED_FOR = ("llvm", "store")
# A model of many tasks is fitted once, to many more programs than a search measures: more and smaller steps.
ROUNDS, ETA = 300, 0.05

Warm = str | os.PathLike[str] | Record | CostModel
"""What a search can begin with: a file of records, measured programs or a model; a record; a fitted model."""


def start_model(
    task: Task,
    *,
    model: CostModel | None = None,
    warm: Warm | Iterable[Warm] | None = None,
    shipped: bool = True,
    features: str = "store",
    machine: str = "",
    seed: int = 0,
) -> CostModel:
    """Return the model that a search of a task begins with.

    Parameters
    ----------
    task : Task
    model : CostModel, optional
        It is returned as it is.
    warm : path, Record, CostModel, or an iterable of them, optional
        Records and programs of other tasks, shapes and machines, and models of them. Files are those of
        records (``.jsonl``), of measured programs (``.jsonl.gz``) and of models (``.ubj`` and ``.json``).
    shipped : bool
        Whether to begin with the model that comes with the package. It is for CPUs, and the features
        ``"store"``.
    features : str
        The family of features that the model will be given.
    machine : str
        The one that will measure, as `Record.cpu` names it: its records of this task are left out of `warm`,
        as the search itself begins with them.
    seed : int

    Returns
    -------
    CostModel
        Already `fitted` if it begins with a model or with measurements of other tasks.

    Raises
    ------
    ValueError
        If a model is given and also what to warm it with, or a model was trained on other features.
    FileNotFoundError
        If a file does not exist.
    """
    given = () if warm is None else (warm,) if _is_one(warm) else tuple(warm)  # type: ignore[arg-type]
    if model is not None:
        if given:
            raise ValueError("a search has either a model or a warm start, not both: fit the model before")
        return model
    version = features_of(features, space=task.space).version
    prior: CostModel | None = None
    if shipped and (Target.parse(task.target).kind, features) == _SHIPPED_FOR:
        prior = shipped_model()
    measured: list[str | os.PathLike[str] | Record] = []
    for one in given:
        if isinstance(one, (str, os.PathLike)) and os.fspath(one).endswith((".ubj", ".json")):
            prior = load_model(one, version)
        elif isinstance(one, (str, os.PathLike, Record)):
            measured.append(one)
        else:
            prior = cast(CostModel, one)  # whatever has `predict`
    programs = programs_in(measured, features, but=(task.key, machine))
    if programs:
        prior = _learned(programs, prior, features, seed)
    if prior is None:
        return BoostedTreeCostModel(seed=seed)
    return WarmCostModel(prior, seed=seed)


def make_model(
    programs: Sequence[MeasuredProgram], features: str = "store", *, seed: int = 0
) -> BoostedTreeCostModel:
    """Return a model of many tasks, fitted to measured programs of them.

    Raises
    ------
    ValueError
        If there are no programs, or for an unknown family of features.
    """
    rows = examples(programs, features)
    model = BoostedTreeCostModel(rounds=ROUNDS, seed=seed, eta=ETA)
    model.fit(rows.features, rows.throughputs, rows.groups)
    model.version = rows.version
    return model


def _learned(
    programs: Sequence[MeasuredProgram], prior: CostModel | None, features: str, seed: int
) -> CostModel:
    """A model of the programs, on top of a prior if there is one."""
    if prior is None:
        return make_model(programs, features, seed=seed)
    rows = examples(programs, features)
    model = WarmCostModel(prior, rounds=ROUNDS, seed=seed, eta=ETA)
    model.fit(rows.features, rows.throughputs, rows.groups)
    return model


def load_model(path: str | os.PathLike[str], version: str) -> BoostedTreeCostModel:
    """Read a model file for features of a version, see `costmodel.feature_version`.

    Raises
    ------
    ValueError
        If it was trained on other features.
    """
    model = BoostedTreeCostModel()
    model.load(path)
    check_version(model.version or "unknown", version)
    return model


@lru_cache(maxsize=1)
def shipped_model() -> BoostedTreeCostModel | None:
    """Return the model that comes with the package; None, with a warning, if it is of other features."""
    try:
        return load_model(SHIPPED, features_of("store").version)
    except (OSError, ValueError) as error:
        warnings.warn(f"the shipped cost model is not used: {error}", RuntimeWarning, stacklevel=3)
        return None


def programs_in(
    given: Iterable[str | os.PathLike[str] | Record],
    features: str = "store",
    *,
    but: tuple[str, str] = ("", ""),
) -> list[MeasuredProgram]:
    """Return the programs of files of measured programs (``.gz``), of files of records, and of records.

    Parameters
    ----------
    given : iterable of paths and Record
    features : str
        Family of the features that will be extracted.
    but : (str, str)
        Task and machine whose records are left out, as `Record.task` and `Record.cpu` name them.

    Raises
    ------
    FileNotFoundError
        If a file does not exist.
    ValueError
        If a file of programs cannot be read.
    """
    records: list[Record] = []
    programs: list[MeasuredProgram] = []
    for one in given:
        if isinstance(one, Record):
            records.append(one)
        elif os.fspath(one).endswith(".gz"):
            programs += read_programs(one)
        else:
            records += record_file.load(one)
    foreign = [r for r in records if (r.task, r.cpu) != but]
    return programs + (programs_of(foreign, features) if foreign else [])


def programs_of(records: Sequence[Record], features: str = "store") -> list[MeasuredProgram]:
    """Return the programs that records describe, made by the templates of this version.

    Records whose operator, values or configuration this version does not have are set aside, with a
    `RecordWarning` that counts them.
    """
    if features == "knob" and records:
        raise ValueError("the features 'knob' mean nothing for other tasks: choose 'store' or 'loop'")
    programs: list[MeasuredProgram] = []
    aside: Counter[str] = Counter()
    tasks: dict[tuple[Any, ...], Task] = {}
    for record in records:
        try:
            key = (record.operator, record.shape, record.target)
            if key not in tasks:
                tasks[key] = Task(*key)
            task = tasks[key]
            nest = str(compiler.loop_nest(*task.instantiate(task.space.config(record.config))))
        except Exception as error:  # a template may raise anything
            aside[f"{record.operator}: {type(error).__name__}: {str(error)[:120]}"] += 1
            continue
        known = getattr(record, "hardware", None)
        hardware = hardware_of(known) if known else Target.parse(record.target).hardware
        programs.append(MeasuredProgram(f"{record.task}, {record.cpu}", hardware, record.cost, nest))
    if aside:
        first = next(iter(aside))
        warnings.warn(
            f"{sum(aside.values())} of {len(records)} records cannot warm a model, such as {first}",
            RecordWarning,
            stacklevel=3,
        )
    return programs


def _is_one(warm: Any) -> bool:
    return isinstance(warm, (str, os.PathLike, Record)) or hasattr(warm, "predict")
