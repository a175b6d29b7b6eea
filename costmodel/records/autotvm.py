"""Records in the layout of AutoTVM's log files, as far as the fields carry over.

A line of such a file is an object with ``input`` (target, name of the task, its arguments and keyword
arguments), ``config`` (index, hash of the code, a list of knobs as ``[name, kind, value]`` with the kinds
``"sp"``, ``"re"``, ``"an"`` and ``"ot"``), ``result`` (costs, number of the error, seconds of the
measurement, time) and ``version``. It names neither the machine nor the explorer.
"""

from __future__ import annotations

import json
import shlex
from collections import Counter
from collections.abc import Iterable
from typing import Any

from costmodel.records.record import Record
from costmodel.result import Reason
from costmodel.space import ConfigSpace
from costmodel.task import Task

# AutoTVM's MeasureErrorNo and ours
REASONS = {
    0: Reason.OK,
    1: Reason.TEMPLATE,
    2: Reason.BUILD,
    3: Reason.BUILD,
    4: Reason.RUN,
    5: Reason.WRONG,
    6: Reason.TIMEOUT,
    7: Reason.TIMEOUT,
    8: Reason.CRASH,
}
NUMBERS = {reason.value: number for number, reason in reversed(REASONS.items())}
UNKNOWN_ERROR = 8
# the cost of a failure in these files
FAILED = 1e9
KINDS = {"split": "sp", "reorder": "re", "annotate": "an", "choice": "ot"}
# options of TVM's targets that ours have, too
SHARED_OPTIONS = ("-mcpu", "-mtriple", "-mattr")


def to_autotvm(record: Record) -> str:
    """Return a record as one line of AutoTVM's log, with its line end.

    Machine, explorer, message and time of the build have no place there. The kinds of knobs are those of the
    task's space; where the operator is not known here, all are ``"ot"``.
    """
    kinds = _kinds(record)
    entity = [[name, KINDS.get(kinds.get(name, ""), "ot"), value] for name, value in record.config.items()]
    failed = not record.ok
    fields = {
        "input": [record.target, record.operator, _listed(record.shape), {}],
        "config": {"index": record.index, "code_hash": None, "entity": entity},
        "result": [
            [FAILED] if failed else list(record.costs),
            NUMBERS.get(record.reason, UNKNOWN_ERROR),
            record.seconds,
            record.timestamp,
        ],
        "version": 0.2,
        "tvm_version": "",
    }
    return json.dumps(fields, allow_nan=False) + "\n"


def from_autotvm(lines: Iterable[str], *, cpu: str = "unknown CPU") -> tuple[list[Record], Counter[str]]:
    """Read the lines of AutoTVM's log.

    Parameters
    ----------
    lines : iterable of str
    cpu : str
        The machine that measured, as `Record.cpu` names it. Records of an unknown one are used only to warm a
        model.

    Returns
    -------
    records : list of Record
    set_aside : Counter
        Reason -> number of lines that are no records here: of operators that are not registered, of
        configurations that their space does not have, and broken ones.
    """
    records: list[Record] = []
    aside: Counter[str] = Counter()
    spaces: dict[str, tuple[Task, ConfigSpace]] = {}
    for line in filter(str.strip, lines):
        try:
            fields = json.loads(line)
            target, name, args, _ = fields["input"]
            config, result = fields["config"], fields["result"]
            entities = {knob: (kind, value) for knob, kind, value in config["entity"]}
            costs, number, seconds, timestamp = result
        except (ValueError, KeyError, TypeError):
            aside["broken lines"] += 1
            continue
        try:
            key = json.dumps([target, name, args])
            if key not in spaces:
                task = Task(name, [_tupled(a) for a in args], _target(target))
                spaces[key] = task, task.space
            task, space = spaces[key]
        except (ValueError, TypeError):
            aside["of tasks that are unknown here"] += 1
            continue
        try:
            found = space.config({n: _value(space, n, *given) for n, given in entities.items()})
        except ValueError:
            aside["of configurations that the space does not have"] += 1
            continue
        reason = REASONS.get(number, Reason.CRASH)
        records.append(
            Record(
                task=task.key,
                operator=task.operator.name,
                shape=task.operator.stored(task.shape),
                target=task.target,
                cpu=cpu,
                source="autotvm",
                trial=len(records) + 1,
                index=found.index,
                config=found.plain(),
                costs=tuple(map(float, costs)) if reason is Reason.OK else (),
                reason=reason.value,
                message="" if reason is Reason.OK else f"AutoTVM's error number {number}",
                build_seconds=0.0,
                seconds=float(seconds),
                timestamp=float(timestamp),
            )
        )
    return records, aside


def is_autotvm(line: str) -> bool:
    """Whether a line is of AutoTVM's log."""
    try:
        fields = json.loads(line)
    except ValueError:
        return False
    return isinstance(fields, dict) and {"input", "config", "result"} <= set(fields)


def _target(text: str) -> str:
    words = shlex.split(text)
    return " ".join([words[0], *(w for w in words[1:] if w.partition("=")[0] in SHARED_OPTIONS)])


def _kinds(record: Record) -> dict[str, str]:
    try:
        space = Task(record.operator, record.shape, record.target).space
    except ValueError:
        return {}
    return {knob.name: knob.kind for knob in space.knobs}


def _value(space: ConfigSpace, name: str, kind: str, value: Any) -> Any:
    if kind != "sp" or not value or value[0] != -1 or name not in space.by_name:
        return value
    # AutoTVM leaves the outermost factor to the extent of the axis
    inner = _tupled(value[1:])
    fitting = (o for o in space.by_name[name].options if isinstance(o, tuple) and o[1:] == inner)
    return next(fitting, value)


def _listed(value: Any) -> Any:
    return [_listed(v) for v in value] if isinstance(value, (list, tuple)) else value


def _tupled(value: Any) -> Any:
    return tuple(_tupled(v) for v in value) if isinstance(value, (list, tuple)) else value
