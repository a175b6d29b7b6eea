"""Write RESULTS.md from the recorded rows of the benchmarks, `results.jsonl`.

``python -m benchmarks --record NAME`` measures and records; ``python -m benchmarks.results`` writes the
document. Neither the document nor a figure in it is edited by hand.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmarks.report import Row, as_markdown

HERE = Path(__file__).resolve().parent
ROWS = HERE / "results.jsonl"
DOCUMENT = HERE.parent / "RESULTS.md"

INTRODUCTION = """# Results

Generated from `benchmarks/results.jsonl` by `make results`: do not edit. To measure on your machine and to
record the rows, run `make bench BENCHMARKS="boosting exact" RECORD=yes`.

Times are medians, with quartiles in brackets. The runs of the libraries that are compared take turns in one
process, and a ratio is made of neighbouring runs. Every row names the class of the CPU, the date and the
command that prints it. The rows of "AVX-512, 2 cores" are from a shared virtual machine whose clock frequency
changes: compare its ratios, not its seconds.
"""


def load(path: Path = ROWS) -> list[Row]:
    """The recorded rows, in the order of the file."""
    if not path.exists():
        return []
    return [Row(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines() if line]


def update(rows: Iterable[Row], path: Path = ROWS) -> None:
    """Replace the rows that measure the same thing on the same class of CPU, and add the others."""
    merged = {row.key: row for row in load(path)}
    for row in rows:
        merged[row.key] = row
    lines = [json.dumps(row.as_json(), ensure_ascii=False) for row in merged.values()]
    part = path.with_suffix(".part")
    part.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    part.replace(path)


def question(benchmark: str) -> str:
    """The first line of the docstring of a benchmark."""
    paths = [path for path in HERE.rglob(f"{benchmark}.py")]
    text = ast.get_docstring(ast.parse(paths[0].read_text(encoding="utf-8"))) if paths else None
    return text.splitlines()[0] if text else ""


def render(rows: Sequence[Row]) -> str:
    """The document: a section for each benchmark, a table for each title."""
    sections: dict[str, dict[str, list[Row]]] = {}
    for row in rows:
        sections.setdefault(row.benchmark, {}).setdefault(row.table, []).append(row)
    parts = [INTRODUCTION]
    for benchmark, tables in sections.items():
        parts.append(f"## {benchmark}\n\n{question(benchmark)}\n")
        for title, members in tables.items():
            columns = list(dict.fromkeys(name for row in members for name in row.cells))
            body = [
                [row.cells.get(name, "") for name in columns]
                + [row.threads, row.cpu, row.date, f"`{row.command}`"]
                for row in members
            ]
            head = ["" if name == "case" else name for name in columns]
            parts.append(f"{title}\n\n{as_markdown([*head, 'threads', 'CPU', 'date', 'command'], body)}\n")
    versions = sorted({f"- {row.cpu}, {row.date}: {row.versions}." for row in rows if row.versions})
    if versions:
        parts.append("## Versions\n\n" + "\n".join(versions) + "\n")
    return "\n".join(parts)


def main() -> None:
    rows = load()
    DOCUMENT.write_text(render(rows), encoding="utf-8")
    print(f"{DOCUMENT.name}: {len(rows)} rows of {len({row.benchmark for row in rows})} benchmarks")


if __name__ == "__main__":
    main()
