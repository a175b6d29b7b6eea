"""What a benchmark prints: a heading that says where and when, and a table."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


def processor() -> str:
    """The name of this machine's CPU and the number of cores this process may use."""
    name = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                name = line.split(":", 1)[1].strip()
                break
    return f"{name}, {cores()} cores"


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def heading(question: str, *packages: str) -> None:
    """Print the question, the CPU, the date, and the versions of the packages it is about."""
    versions = []
    for package in packages:
        try:
            versions.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            versions.append(f"{package} not installed")
    print(f"\n{question}")
    print(
        f"{processor()}; {date.today().isoformat()}; Python {platform.python_version()}"
        + "".join(f", {v}" for v in versions)
    )


def table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, markdown: bool = False) -> None:
    """Print rows under their columns; the first column to the left, the others to the right.

    Parameters
    ----------
    columns : sequence of str
    rows : sequence of sequences of str
        As long as `columns`.
    markdown : bool
        Print a table of Markdown, for a document.
    """
    if markdown:
        for row in (columns, ["---", *["---:"] * (len(columns) - 1)], *rows):
            print(f"| {' | '.join(row)} |")
        return
    widths = [max(len(row[i]) for row in (columns, *rows)) for i in range(len(columns))]
    for row in (columns, ["-" * width for width in widths], *rows):
        cells = [
            cell.ljust(w) if i == 0 else cell.rjust(w)
            for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        ]
        print("  ".join(cells).rstrip())
