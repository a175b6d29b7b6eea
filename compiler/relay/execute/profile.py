"""`Profile`: the time of each call of a program, as a table and as a trace file."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass

from compiler.runtime.file import write_file


@dataclass(frozen=True, slots=True)
class Row:
    """A call of a kernel.

    Parameters
    ----------
    name : str
        Its operators.
    origin : str
        Where it is from.
    seconds : float
        The median of the runs.
    flops : int
        Arithmetic operations, by the definitions of the operators.
    nbytes : int
        Of its inputs and outputs.
    calls : int
        Of how many calls these are the sums.
    """

    name: str
    origin: str
    seconds: float
    flops: int
    nbytes: int
    calls: int = 1


@dataclass(frozen=True, slots=True)
class Profile:
    """Times of a program's calls; ``str(profile)`` is a table, the slowest call first.

    Parameters
    ----------
    rows : tuple of Row
        In the order of execution.
    times : tuple of (int, int)
        When each call of the last run began and ended, in nanoseconds.
    """

    rows: tuple[Row, ...]
    times: tuple[tuple[int, int], ...]

    @staticmethod
    def of(calls: Sequence[tuple[str, str, int, int]], runs: Sequence[Sequence[tuple[int, int]]]) -> Profile:
        """The profile of calls, given as (name, origin, flops, nbytes), from when each began and ended."""
        rows = []
        for number, (name, origin, flops, nbytes) in enumerate(calls):
            seconds = sorted((run[number][1] - run[number][0]) * 1e-9 for run in runs)
            rows.append(Row(name, origin, seconds[len(seconds) // 2], flops, nbytes))
        return Profile(tuple(rows), tuple(runs[-1]))

    @property
    def seconds(self) -> float:
        """The sum of the calls' times."""
        return sum(row.seconds for row in self.rows)

    @property
    def places(self) -> tuple[Row, ...]:
        """The sums of the calls of each kernel at each place, the slowest first: a loop makes many at one."""
        found: dict[tuple[str, str], list[Row]] = {}
        for row in self.rows:
            found.setdefault((row.name, row.origin), []).append(row)
        sums = [
            Row(
                *at,
                sum(row.seconds for row in rows),
                sum(row.flops for row in rows),
                sum(row.nbytes for row in rows),
                len(rows),
            )
            for at, rows in found.items()
        ]
        return tuple(sorted(sums, key=lambda row: -row.seconds))

    def __str__(self) -> str:
        total = self.seconds or 1.0
        head = ("kernel", "calls", "us", "share", "GFLOP/s", "GB/s", "from")
        lines: list[tuple[str, ...]] = [head]
        for row in self.places:
            per = 1e-9 / row.seconds if row.seconds else 0.0
            lines.append(
                (
                    row.name,
                    str(row.calls),
                    f"{row.seconds * 1e6:.1f}",
                    f"{100 * row.seconds / total:.1f}%",
                    f"{row.flops * per:.1f}",
                    f"{row.nbytes * per:.1f}",
                    row.origin,
                )
            )
        lines.append(("all", str(len(self.rows)), f"{self.seconds * 1e6:.1f}", "100.0%", "", "", ""))
        widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
        return "\n".join(
            "  ".join(
                cell.ljust(w) if i in (0, 6) else cell.rjust(w)
                for i, (cell, w) in enumerate(zip(line, widths, strict=True))
            ).rstrip()
            for line in lines
        )

    def save_trace(self, path: str | os.PathLike[str]) -> None:
        """Write the last run as Chrome's trace events in JSON, which https://ui.perfetto.dev opens.

        Raises
        ------
        OSError
            If it cannot be written.
        """
        write_file(path, json.dumps({"traceEvents": self._events(), "displayTimeUnit": "ns"}).encode())

    def _events(self) -> Sequence[dict[str, object]]:
        first = self.times[0][0] if self.times else 0
        return [
            {
                "name": row.name,
                "cat": "kernel",
                "ph": "X",
                "ts": (begin - first) / 1000,
                "dur": (end - begin) / 1000,
                "pid": 0,
                "tid": 0,
                "args": {"from": row.origin, "flops": row.flops, "bytes": row.nbytes},
            }
            for row, (begin, end) in zip(self.rows, self.times, strict=True)
        ]
