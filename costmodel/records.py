"""Records of measurements: files of JSON lines that are only appended to.

Every line is one object with the fields of `Record` and ``"version"``. A line is written
with a single call, so a killed run leaves at most its last line incomplete; such a line is
reported and skipped, and the next record begins on a new line.
"""

from __future__ import annotations

import json
import math
import os
import statistics
import warnings
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from compiler.suggest import unknown
from costmodel.result import MeasureResult, Reason
from costmodel.space import Config
from costmodel.task import Task

SCHEMA_VERSION = 1

# version -> function that converts the fields of that version to those of the next
CONVERTERS: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {}


class RecordWarning(UserWarning):
    """A line of a record file is skipped."""


@dataclass(frozen=True)
class Record:
    """One measured candidate.

    Parameters
    ----------
    task : str
        The task's key.
    operator : str
    shape : tuple
        Values of the operator's parameters, see `compiler.ops.Operator.stored`.
    target : str
    cpu : str
        The machine, as `costmodel.measure.host.cpu_name` returns it.
    source : str
        The explorer: ``"random"``, ``"model"`` or the name of a custom one.
    trial : int
        Its number in the run, from 1.
    index : int
        The configuration's index in its space.
    config : dict
        The configuration: knob to value, with lists for tuples.
    costs : tuple of float
        Seconds per call, one for each repeat; empty for a failure.
    reason : str
        How the measurement ended, a value of `Reason`.
    message : str
        Description of a failure.
    build_seconds, seconds : float
        Time of the build, and of the whole measurement.
    timestamp : float
        Seconds since 1970.
    """

    task: str
    operator: str
    shape: tuple[Any, ...]
    target: str
    cpu: str
    source: str
    trial: int
    index: int
    config: dict[str, Any]
    costs: tuple[float, ...]
    reason: str
    message: str
    build_seconds: float
    seconds: float
    timestamp: float

    @classmethod
    def of(
        cls, task: Task, config: Config, result: MeasureResult, *, cpu: str, source: str, trial: int
    ) -> Record:
        """Return the record of a measurement."""
        return cls(
            task=task.key,
            operator=task.operator.name,
            shape=task.operator.stored(task.shape),
            target=task.target,
            cpu=cpu,
            source=source,
            trial=trial,
            index=config.index,
            config=config.plain(),
            costs=result.costs,
            reason=result.reason.value,
            message=result.message,
            build_seconds=round(result.build_seconds, 6),
            seconds=round(result.total_seconds, 6),
            timestamp=round(result.timestamp, 3),
        )

    @property
    def ok(self) -> bool:
        """Whether the measurement succeeded."""
        return self.reason == Reason.OK.value

    @property
    def cost(self) -> float:
        """Median seconds per call; infinite for a failure."""
        return statistics.median(self.costs) if self.costs else math.inf

    def line(self) -> str:
        """Return the record as one line of JSON, with its line end."""
        return json.dumps({"version": SCHEMA_VERSION, **asdict(self)}, allow_nan=False) + "\n"

    @classmethod
    def parse(cls, line: str) -> Record:
        """Read the record of one line.

        Raises
        ------
        ValueError
            If it is not a complete record of a known version; states the field and its value.
        """
        try:
            fields = json.loads(line)
        except json.JSONDecodeError as error:
            raise ValueError(f"not a JSON object, perhaps cut short ({error.msg})") from error
        if not isinstance(fields, dict):
            raise ValueError(f"a JSON object is needed, not {type(fields).__name__}")
        version = fields.pop("version", None)
        if not isinstance(version, int) or isinstance(version, bool):
            raise ValueError("there is no schema version")
        if version > SCHEMA_VERSION:
            raise ValueError(
                f"schema version {version} is newer than {SCHEMA_VERSION}, the newest that is supported: "
                "upgrade espalier to read it"
            )
        while version < SCHEMA_VERSION:
            if version not in CONVERTERS:
                raise ValueError(f"schema version {version} is unknown")
            fields = CONVERTERS[version](fields)
            version += 1
        for name in fields:
            if name not in _FIELDS:
                raise ValueError(unknown("field", name, _FIELDS))
        return cls(**{name: _field(fields, name, check) for name, check in _FIELDS.items()})


def _text(value: Any) -> Any:
    return value if isinstance(value, str) else None


def _count(value: Any) -> Any:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _number(value: Any) -> Any:
    plain = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if plain and math.isfinite(value) and value >= 0 else None


def _all(check: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def each(value: Any) -> Any:
        if not isinstance(value, list):
            return None
        checked = tuple(check(v) for v in value)
        return None if None in checked else checked

    return each


def _shape_value(value: Any) -> Any:
    return _text(value) or _all(_count)(value) if isinstance(value, (str, list)) else _count(value)


def _reason(value: Any) -> Any:
    return value if value in {r.value for r in Reason} else None


# field -> function from its JSON value to that of `Record`; None if the value is not allowed
_FIELDS: dict[str, Callable[[Any], Any]] = {
    "task": _text,
    "operator": _text,
    "shape": _all(_shape_value),
    "target": _text,
    "cpu": _text,
    "source": _text,
    "trial": _count,
    "index": _count,
    "config": lambda value: value if isinstance(value, dict) else None,
    "costs": _all(_number),
    "reason": _reason,
    "message": _text,
    "build_seconds": _number,
    "seconds": _number,
    "timestamp": _number,
}


def _field(fields: dict[str, Any], name: str, check: Callable[[Any], Any]) -> Any:
    if name not in fields:
        raise ValueError(f"the field {name!r} is missing")
    value = check(fields[name])
    if value is None:
        raise ValueError(f"the field {name!r} cannot be {fields[name]!r}")
    return value


def append(path: str | os.PathLike[str], record: Record) -> None:
    """Append a record to a file, which is created if it does not exist.

    The line is written by one call. If the last line of the file is incomplete, it is ended first.
    """
    line = record.line()
    with open(path, "ab+", buffering=0) as file:
        size = file.seek(0, os.SEEK_END)
        if size:
            file.seek(size - 1)
            if file.read(1) != b"\n":
                line = "\n" + line
        file.write(line.encode())


def load(path: str | os.PathLike[str]) -> list[Record]:
    """Read all records of a file, in the order in which they were written.

    A line that is not a record is skipped with a `RecordWarning` that names the file, the line and the
    reason.

    Raises
    ------
    FileNotFoundError
        If the file does not exist.
    """
    records = []
    with open(path, encoding="utf-8", errors="replace") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                records.append(Record.parse(line))
            except ValueError as error:
                warnings.warn(
                    f"{Path(path).name}, line {number}: skipped: {error}", RecordWarning, stacklevel=2
                )
    return records


def best(records: Iterable[Record], task: str | None = None, n: int = 1) -> list[Record]:
    """Return the `n` fastest records, fastest first, each configuration once.

    Parameters
    ----------
    records : iterable of Record
    task : str, optional
        Key of a task: only its records.
    n : int
        Number of records.
    """
    ordered = sorted(
        (r for r in records if r.ok and (task is None or r.task == task)), key=lambda r: (r.cost, r.timestamp)
    )
    unique: dict[tuple[str, int], Record] = {}
    for record in ordered:
        unique.setdefault((record.task, record.index), record)
    return list(unique.values())[:n]
