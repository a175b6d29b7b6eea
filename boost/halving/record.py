"""The records of a search: a line of JSON for each evaluation, appended as it ends, and read to resume."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from boost.data.dmatrix import DMatrix
from boost.errors import DataError

# Rows that are digested at a time.
BLOCK_ROWS = 1 << 14


@dataclass(frozen=True)
class Record:
    """One evaluation: a trial after the rounds of a rung.

    Attributes
    ----------
    key : str
        A digest of the table and of what all trials have in common; records of other keys are not used.
    trial, rung : int
    params : dict of str to object
        What the trial tries; empty for the first one, which is the preset alone.
    rounds : int
        How many rounds were trained.
    best_round : int
        The round, from 0, with the best score.
    score : float
    seconds : float
        From the end of the evaluation before it.
    """

    key: str
    trial: int
    rung: int
    params: Mapping[str, Any]
    rounds: int
    best_round: int
    score: float
    seconds: float


class Records:
    """Records in memory, and in a file if there is one.

    Parameters
    ----------
    path : path or None
        Created with the first record.
    key : str

    Attributes
    ----------
    others : int
        Number of records of other keys in the file.

    Raises
    ------
    DataError
        For a file with another line than records; a last line that is incomplete, of a search that was
        killed, is left out.
    """

    def __init__(self, path: str | os.PathLike[str] | None, key: str) -> None:
        self.path = None if path is None else Path(path)
        self.key = key
        self.others = 0
        self._known: dict[tuple[int, int], Record] = {}
        if self.path is None or not self.path.exists():
            return
        lines = self.path.read_text(encoding="utf-8").splitlines(keepends=True)
        for number, line in enumerate(lines, 1):
            if not line.endswith("\n"):
                continue
            try:
                record = Record(**json.loads(line))
            except (ValueError, TypeError):
                raise DataError(
                    f"{self.path}, line {number}: not the record of a search over parameters: name another "
                    "file"
                ) from None
            if record.key == key:
                self._known[record.trial, record.rung] = record
            else:
                self.others += 1

    def __len__(self) -> int:
        return len(self._known)

    def get(self, trial: int, rung: int) -> Record | None:
        """Return the record of a trial and a rung."""
        return self._known.get((trial, rung))

    def add(self, record: Record) -> None:
        """Add a record, and append it to the file in one write."""
        self._known[record.trial, record.rung] = record
        if self.path is None:
            return
        line = json.dumps(asdict(record)) + "\n"
        with open(self.path, "ab+") as file:
            if file.tell():
                file.seek(-1, os.SEEK_END)
                line = line if file.read(1) == b"\n" else "\n" + line
            file.write(line.encode())

    def best_first(self, maximize: bool, before: int | None = None) -> list[Record]:
        """Return the best record of each trial, of those before a number, the best trial first."""
        sign = -1.0 if maximize else 1.0
        best: dict[int, Record] = {}
        for record in self._known.values():
            if (before is None or record.trial < before) and math.isfinite(record.score):
                held = best.get(record.trial)
                if held is None or sign * record.score < sign * held.score:
                    best[record.trial] = record
        return sorted(best.values(), key=lambda r: (sign * r.score, r.trial))


def digest(table: DMatrix, *rest: Any) -> str:
    """Return a digest of the values, labels, weights and groups of a table, and of other objects' text."""
    total = hashlib.sha256(repr((table.num_row(), table.feature_names, rest)).encode())
    for name in ("label", "weight", "base_margin", "label_lower_bound", "label_upper_bound"):
        values = getattr(table, name)
        if values is not None:
            total.update(name.encode() + np.ascontiguousarray(values).tobytes())
    total.update(table.group_bounds().tobytes())
    for begin in range(0, table.num_row(), BLOCK_ROWS):
        block = table.dense_rows(begin, min(begin + BLOCK_ROWS, table.num_row()))
        total.update(np.ascontiguousarray(block).tobytes())
    return total.hexdigest()[:16]
