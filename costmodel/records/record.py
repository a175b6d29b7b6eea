"""`Record`: one measured candidate as one line of JSON, in the newest version of the schema."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

from compiler import Target
from compiler.suggest import unknown
from costmodel.result import MeasureResult, Reason
from costmodel.space import Config
from costmodel.task import Task

# 2: what the target has, and the noise and drift of the measurement
# 3: whether it is the winner of a final comparison
SCHEMA_VERSION = 3

# version -> function that converts the fields of that version to those of the next
CONVERTERS: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {
    1: lambda fields: {**fields, "hardware": {}, "noise": None, "drift": None},
    2: lambda fields: {**fields, "final": False},
}


class NewerSchemaError(ValueError):
    """A line was written by a newer version of the library."""


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
    hardware : dict
        What the target has: ``vector_bits``, ``vector_registers``, ``caches`` (bytes, the nearest first) and
        ``threads``. Empty where it is unknown, as in files of the first version of the schema.
    noise : float or None
        Relative standard error of the cost, as the measurer states it; None where it is unknown.
    drift : float or None
        What the time of a reference program, which took turns with this one, was beside its usual time. The
        costs are those at the usual speed of the machine; times the drift they are what the clock showed.
        None where it is unknown.
    final : bool
        Whether this is no trial, but the winner of a comparison at the end of a search, in which the best
        programs took turns with the default. Its costs are those of the comparison, one for each round, as
        the clock showed them.
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
    hardware: dict[str, Any] = field(default_factory=dict)
    noise: float | None = None
    drift: float | None = None
    final: bool = False

    @classmethod
    def of(
        cls,
        task: Task,
        config: Config,
        result: MeasureResult,
        *,
        cpu: str,
        source: str,
        trial: int,
        final: bool = False,
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
            hardware=hardware_of(task.target),
            noise=result.noise,
            drift=None if final else result.drift,
            final=final,
        )

    @property
    def ok(self) -> bool:
        """Whether the measurement succeeded."""
        return self.reason == Reason.OK.value

    @cached_property
    def cost(self) -> float:
        """Median seconds per call; infinite for a failure."""
        return statistics.median(self.costs) if self.costs else math.inf

    def line(self) -> str:
        """Return the record as one line of JSON, with its line end."""
        return json.dumps(self.fields(), allow_nan=False) + "\n"

    @classmethod
    def parse(cls, line: str) -> Record:
        """Read the record of one line.

        Raises
        ------
        NewerSchemaError
            If its version of the schema is newer than this one.
        ValueError
            If it is not a complete record of a known version; states the field and its value.
        """
        try:
            fields = json.loads(line)
        except json.JSONDecodeError as error:
            raise ValueError(f"not a JSON object, perhaps cut short ({error.msg})") from error
        if not isinstance(fields, dict):
            raise ValueError(f"a JSON object is needed, not {type(fields).__name__}")
        return cls.of_fields(fields)

    @classmethod
    def of_fields(cls, fields: Mapping[str, Any]) -> Record:
        """Check and convert the fields of a record of any version; errors as of `parse`."""
        fields = dict(fields)
        version = fields.pop("version", None)
        if not isinstance(version, int) or isinstance(version, bool):
            raise ValueError("there is no schema version")
        if version > SCHEMA_VERSION:
            raise NewerSchemaError(
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

    def fields(self) -> dict[str, Any]:
        """Return the fields as plain values for JSON, the version of the schema first."""
        return {"version": SCHEMA_VERSION, **asdict(self)}


def hardware_of(target: str) -> dict[str, Any]:
    """Return what a target has, as records hold it."""
    has = Target.parse(target).hardware
    return {
        "vector_bits": has.vector_bits,
        "vector_registers": has.vector_registers,
        "caches": list(has.caches),
        "threads": has.threads,
    }


def _text(value: Any) -> Any:
    return value if isinstance(value, str) else None


def _count(value: Any) -> Any:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _number(value: Any) -> Any:
    plain = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if plain and math.isfinite(value) and value >= 0 else None


def _all(check: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def each(value: Any) -> Any:
        if not isinstance(value, (list, tuple)):
            return None
        checked = tuple(check(v) for v in value)
        return None if None in checked else checked

    return each


def _shape_value(value: Any) -> Any:
    return _text(value) or _all(_count)(value) if isinstance(value, (str, list, tuple)) else _count(value)


def _reason(value: Any) -> Any:
    return value if value in {r.value for r in Reason} else None


# stands for a null that is allowed
_UNKNOWN = object()

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
    "hardware": lambda value: value if isinstance(value, dict) else None,
    "noise": lambda value: _UNKNOWN if value is None else _number(value),
    "drift": lambda value: _UNKNOWN if value is None else _number(value),
    "final": lambda value: value if isinstance(value, bool) else None,
}


def _field(fields: dict[str, Any], name: str, check: Callable[[Any], Any]) -> Any:
    if name not in fields:
        raise ValueError(f"the field {name!r} is missing")
    value = check(fields[name])
    if value is None:
        raise ValueError(f"the field {name!r} cannot be {fields[name]!r}")
    return None if value is _UNKNOWN else value
