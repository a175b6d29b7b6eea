"""What a benchmark prints: a heading with machine and date, and tables, whose rows can be recorded."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Row:
    """One row of a table of results, in the form in which all benchmarks are recorded.

    Attributes
    ----------
    benchmark : str
        Short name, ``python -m benchmarks NAME``.
    table : str
        Title of the table that the row belongs to.
    cells : dict of str to str
        Text by column; the first one names the case.
    threads : str
        Number of threads, empty where the columns give it.
    cpu : str
        Class of the CPU, see `cpu_class`.
    date : str
        ISO 8601.
    command : str
        What prints the row.
    versions : str
        Python and the packages that were compared.
    """

    benchmark: str
    table: str
    cells: dict[str, str]
    threads: str
    cpu: str
    date: str
    command: str
    versions: str = ""

    @property
    def key(self) -> tuple[str, ...]:
        """What a later measurement of the same thing has in common with this row."""
        case = next(iter(self.cells.values()), "")
        return self.benchmark, self.table, case, self.threads, self.cpu

    def as_json(self) -> dict[str, Any]:
        """The row as plain data."""
        return asdict(self)


@dataclass
class Recorder:
    """Collects the rows of every table that is printed while it is the current recorder."""

    benchmark: str
    command: str
    question: str = ""
    versions: str = ""
    cpu: str = ""
    rows: list[Row] = field(default_factory=list)

    def add(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], threads: str) -> None:
        """Record the rows of one table."""
        names = [name or "case" for name in columns]
        for row in rows:
            self.rows.append(
                Row(
                    benchmark=self.benchmark,
                    table=title or self.question,
                    cells=dict(zip(names, row, strict=True)),
                    threads=threads,
                    cpu=self.cpu or cpu_class(),
                    date=date.today().isoformat(),
                    command=self.command,
                    versions=self.versions,
                )
            )


_recorder: Recorder | None = None


def record_with(recorder: Recorder | None) -> None:
    """Set the recorder of the tables that this process prints from now on; None for no recording."""
    global _recorder
    _recorder = recorder


def processor() -> str:
    """The name of this machine's CPU, its class and the number of cores this process may use."""
    name = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                name = line.split(":", 1)[1].strip()
                break
    return f"{name} ({cpu_class()})"


def cpu_class() -> str:
    """The widest vector extension of this CPU and the cores of this process, such as ``AVX2, 8 cores``.

    Where ``ESPALIER_CPU`` holds the compiler to a lesser CPU, that of its code: ``AVX2 (held), 2 cores``.
    Hold the peers too: ``OPENBLAS_CORETYPE=Haswell`` and ``ONEDNN_MAX_CPU_ISA=AVX2`` for AVX2.
    """
    if os.environ.get("ESPALIER_CPU"):
        from compiler import Target

        bits = Target.parse("llvm").hardware.vector_bits
        names = {512: "AVX-512", 256: "AVX2"}
        return f"{names.get(bits, f'{bits} bits')} (held), {cores()} cores"
    flags: set[str] = set()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith(("flags", "Features")):
                flags = set(line.split(":", 1)[1].split())
                break
    widest = next(
        (
            name
            for flag, name in (("avx512f", "AVX-512"), ("avx2", "AVX2"), ("asimd", "NEON"))
            if flag in flags
        ),
        platform.machine(),
    )
    return f"{widest}, {cores()} cores"


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def heading(question: str, *packages: str, cpu: str = "") -> None:
    """Print the question, the CPU, the date, and the versions of the packages it is about.

    Parameters
    ----------
    question : str
    *packages : str
        Distributions whose versions are printed.
    cpu : str
        Class of the CPU where the code is held to less than the machine has, as ``AVX2 (held), 2 cores``.
    """
    versions = [f"Python {platform.python_version()}"]
    for package in packages:
        try:
            versions.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            versions.append(f"{package} not installed")
    print(f"\n{question}")
    print(f"{cpu or processor()}; {date.today().isoformat()}; {', '.join(versions)}")
    if _recorder is not None:
        _recorder.question = question
        _recorder.versions = ", ".join(versions)
        _recorder.cpu = cpu


def table(
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    title: str = "",
    threads: int | None = None,
    markdown: bool = False,
) -> None:
    """Print rows under their columns; the first column to the left, the others to the right.

    Parameters
    ----------
    columns : sequence of str
    rows : sequence of sequences of str
        As long as `columns`.
    title : str
        Printed above the table, and recorded; the question of the heading by default.
    threads : int, optional
        Number of threads of all rows, for the record.
    markdown : bool
        Print a table of Markdown, for a document.
    """
    if title:
        print(f"\n{title}" + (f", {threads} thread{'s' * (threads > 1)}" if threads else ""))
    if _recorder is not None:
        _recorder.add(title, columns, rows, "" if threads is None else str(threads))
    if markdown:
        print(as_markdown(columns, rows))
        return
    widths = [max(len(row[i]) for row in (columns, *rows)) for i in range(len(columns))]
    for row in (columns, ["-" * width for width in widths], *rows):
        cells = [
            cell.ljust(w) if i == 0 else cell.rjust(w)
            for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        ]
        print("  ".join(cells).rstrip())


def as_markdown(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of Markdown, the first column to the left, the others to the right."""
    lines = (columns, ["---", *["---:"] * (len(columns) - 1)], *rows)
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
