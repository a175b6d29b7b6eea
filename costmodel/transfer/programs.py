"""`MeasuredProgram`: a loop nest as text and its speed on a machine, to train models of any task from.

A record names a configuration of a template, and means nothing once the template has changed. The text of the
loop nest stays valid, and so do the properties of the target that are stored with it: features are extracted
from both, on any machine and by any later version of the features.
"""

from __future__ import annotations

import gzip
import io
import json
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from boost.atomic import write_bytes
from compiler.backend import Hardware
from compiler.ir.text import parse_function
from costmodel.features import features_of

VERSION = 1
_HARDWARE = ("vector_bits", "vector_registers", "caches", "threads", "byte_products")


@dataclass(frozen=True)
class MeasuredProgram:
    """A measured program.

    Parameters
    ----------
    task : str
        What it computes, for which target and on which machine. Only speeds of one task are compared.
    hardware : Hardware
        Of the target.
    seconds : float
        Per call; infinite for a program that failed.
    nest : str
        Text of the loop nest, as `compiler.loop_nest` returns it.
    """

    task: str
    hardware: Hardware
    seconds: float
    nest: str


@dataclass(frozen=True)
class Examples:
    """The rows that a cost model is trained on.

    Parameters
    ----------
    features : ndarray of float32, shape (n, features)
    throughputs : ndarray of float64, shape (n,)
        Calls per second; zero for a failure.
    groups : ndarray of int64, shape (n,)
        Number of the task of each row, its position in `tasks`.
    tasks : tuple of str
    version : str
        Of the features.
    """

    features: np.ndarray
    throughputs: np.ndarray
    groups: np.ndarray
    tasks: tuple[str, ...]
    version: str

    def __len__(self) -> int:
        return len(self.throughputs)

    def of(self, tasks: Iterable[str]) -> Examples:
        """Return the rows of some of the tasks."""
        chosen = set(tasks)
        rows = np.array([self.tasks[g] in chosen for g in self.groups], dtype=bool)
        return Examples(
            self.features[rows], self.throughputs[rows], self.groups[rows], self.tasks, self.version
        )


def examples(programs: Iterable[MeasuredProgram], family: str = "store") -> Examples:
    """Return the features of programs, and their throughputs by task.

    Parameters
    ----------
    programs : iterable of MeasuredProgram
    family : str
        Family of the features, ``"store"`` or ``"loop"``.

    Raises
    ------
    ValueError
        If there are no programs, or the text of one is no loop nest; names its task.
    """
    rows, throughputs, groups = [], [], []
    tasks: dict[str, int] = {}
    for program in programs:
        try:
            rows.append(features_of(family, program.hardware).extract(parse_function(program.nest)))
        except ValueError as error:
            raise ValueError(f"a program of {program.task} cannot be read: {error}") from error
        throughputs.append(1.0 / program.seconds)
        groups.append(tasks.setdefault(program.task, len(tasks)))
    if not rows:
        raise ValueError("there are no programs to learn from")
    return Examples(
        np.stack(rows),
        np.array(throughputs, np.float64),
        np.array(groups, np.int64),
        tuple(tasks),
        features_of(family).version,
    )


def write_programs(path: str | os.PathLike[str], programs: Sequence[MeasuredProgram]) -> None:
    """Write programs as JSON lines, compressed if the name ends in ``.gz``: one line for each task, followed
    by
    those of its programs.
    """
    lines: list[dict[str, Any]] = [{"version": VERSION}]
    for task in dict.fromkeys(p.task for p in programs):
        own = [p for p in programs if p.task == task]
        hardware = asdict(own[0].hardware)
        lines.append({"task": task, "hardware": {name: hardware[name] for name in _HARDWARE}})
        for program in own:
            seconds = float(f"{program.seconds:.4g}") if math.isfinite(program.seconds) else None
            lines.append({"seconds": seconds, "nest": program.nest})
    raw = "".join(json.dumps(line) + "\n" for line in lines).encode()
    if os.fspath(path).endswith(".gz"):
        buffer = io.BytesIO()
        # without a time and a name, so that equal programs are equal files
        with gzip.GzipFile(filename="", mode="wb", fileobj=buffer, mtime=0) as file:
            file.write(raw)
        raw = buffer.getvalue()
    write_bytes(path, raw)


def read_programs(path: str | os.PathLike[str]) -> list[MeasuredProgram]:
    """Read the programs of a file that `write_programs` wrote.

    Raises
    ------
    FileNotFoundError
        If the file does not exist.
    ValueError
        For a line that is none of this format; names file and line.
    """
    raw = Path(path).read_bytes()
    name = Path(path).name
    if raw[:2] == b"\x1f\x8b":
        raw = gzip.decompress(raw)
    programs: list[MeasuredProgram] = []
    task, hardware = "", Hardware()
    for number, text in enumerate(raw.decode("utf-8", errors="replace").splitlines(), 1):
        try:
            line = json.loads(text)
            if number == 1:
                _check_version(line)
            elif "task" in line:
                task, hardware = str(line["task"]), hardware_of(line["hardware"])
            else:
                seconds = math.inf if line["seconds"] is None else float(line["seconds"])
                if not seconds > 0 or not task:
                    raise ValueError(f"{seconds} seconds, of the task {task!r}")
                programs.append(MeasuredProgram(task, hardware, seconds, str(line["nest"])))
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{name}, line {number} is not one of measured programs: {error}") from error
    return programs


def hardware_of(values: Mapping[str, Any]) -> Hardware:
    """Return the properties of a target from their names and values, as records hold them.

    Raises
    ------
    ValueError
        For an unknown name.
    """
    unknown = [name for name in values if name not in _HARDWARE]
    if unknown:
        raise ValueError(f"hardware has no {unknown[0]!r}, only {', '.join(_HARDWARE)}")
    given: dict[str, Any] = {n: tuple(v) if isinstance(v, list) else v for n, v in values.items()}
    return Hardware(**given)


def _check_version(line: Any) -> None:
    version = line.get("version") if isinstance(line, dict) else None
    if version != VERSION:
        raise ValueError(f'the first line must be {{"version": {VERSION}}}, not {str(line)[:40]}')
