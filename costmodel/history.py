"""`apply_history_best`: the best recorded configuration in place of an operator's default one."""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from contextvars import ContextVar
from typing import Any

from compiler import Target
from compiler.ops.chosen import chosen_by
from compiler.ops.operator import Operator, Shape
from costmodel import records as record_file
from costmodel.measure.host import cpu_name
from costmodel.records import Record
from costmodel.space import Config
from costmodel.task import Task

# the blocks that this thread is in, of all `HistoryBest`
_entered: ContextVar[tuple[AbstractContextManager[None], ...]] = ContextVar("entered", default=())


class HistoryWarning(UserWarning):
    """An operator is scheduled by its default, because no record of it can be used."""


class HistoryBest:
    """The best records of each task, applied to the operators that are scheduled inside of its block.

    It may be entered more than once, also by several threads.

    Attributes
    ----------
    used : dict of str to Record
        Key of a task -> the record that was applied to it.
    missed : Counter
        Key of a task without a record -> how often it was scheduled by its default.
    set_aside : Counter
        Reason -> number of records that cannot be used: of another machine, or of a configuration that the
        task's space no longer has.
    """

    def __init__(self, records: Sequence[Record], machine: str | None, *, notice: bool) -> None:
        self.used: dict[str, Record] = {}
        self.missed: Counter[str] = Counter()
        self.set_aside: Counter[str] = Counter()
        self._notice = notice
        self._configs: dict[tuple[Operator, Shape, Target], Config | None] = {}
        here = [r for r in records if machine is None or r.cpu == machine]
        self.set_aside["of another machine"] = len(records) - len(here)
        self._records: dict[str, list[Record]] = {}  # by the name of the operator, the fastest first
        for record in record_file.best(here, n=len(here)):
            self._records.setdefault(record.operator, []).append(record)

    def __enter__(self) -> HistoryBest:
        block = chosen_by(self._choose)
        block.__enter__()
        _entered.set((*_entered.get(), block))
        return self

    def __exit__(self, *error: Any) -> None:
        *outer, block = _entered.get()
        _entered.set(tuple(outer))
        block.__exit__(None, None, None)

    def _choose(self, operator: Operator, shape: Shape, target: Target) -> Config | None:
        key = (operator, shape, target)
        if key not in self._configs:
            self._configs[key] = self._find(operator, shape, target)
        found = self._configs[key]
        if found is None:
            self._miss(Task(operator, shape, str(target)).key)
        return found

    def _find(self, operator: Operator, shape: Shape, target: Target) -> Config | None:
        task: Task | None = None
        for record in self._records.get(operator.name, ()):
            if not _is_of(record, operator, shape, target):
                continue
            task = task or Task(operator, shape, record.target)
            try:
                config = task.space.config(record.config)
            except ValueError:
                self.set_aside["of configurations that the space does not have"] += 1
                continue
            self.used[task.key] = record
            return config
        return None

    def _miss(self, key: str) -> None:
        self.missed[key] += 1
        if self._notice and self.missed[key] == 1:
            warnings.warn(f"no record of {key} on this machine: its default is built", HistoryWarning, 5)


def apply_history_best(
    records: str | os.PathLike[str] | Iterable[Record | str | os.PathLike[str]],
    *,
    machine: str | None = "",
    notice: bool = False,
) -> HistoryBest:
    """Build operators by their best records inside of a ``with`` block.

    Inside, ``operator.schedule(Defaults(), ...)`` and ``task.instantiate()`` make the program of the fastest
    record of the same operator, values, target and machine. Where there is none, those of a block around it
    count, and then the operator's default. The block concerns its own thread alone.

    Parameters
    ----------
    records : path, or iterable of Record and of paths
        Record files, such as those of `tune`, and records.
    machine : str or None
        The machine whose records are used, as `Record.cpu` names it; by default this one, with the number of
        threads that programs have in this process. None for those of every machine: a program that is fast on
        one CPU may be slow on another.
    notice : bool
        Whether to warn, once for each task, where there is no record.

    Returns
    -------
    HistoryBest
        A context, which counts what it applied and what it missed.

    Raises
    ------
    FileNotFoundError
        If a file does not exist.

    Examples
    --------
    >>> with apply_history_best("matmul.jsonl"):
    ...     module = compiler.build(*MATMUL.schedule(Defaults(), 512, 512, 512))
    """
    given = [records] if isinstance(records, (str, os.PathLike)) else records
    found: list[Record] = []
    for one in given:
        found += [one] if isinstance(one, Record) else record_file.load(one)
    return HistoryBest(found, cpu_name() if machine == "" else machine, notice=notice)


def _is_of(record: Record, operator: Operator, shape: Shape, target: Target) -> bool:
    try:
        return operator.shape(*record.shape) == shape and Target.parse(record.target) == target
    except ValueError:  # values that the operator no longer allows, or a back end that is not registered here
        return False
