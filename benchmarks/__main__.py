"""Run benchmarks by their short names: ``python -m benchmarks [--record] NAME [options of NAME]``."""

from __future__ import annotations

import os
import runpy
import sys
from pathlib import Path

from benchmarks.report import Recorder, record_with

ROOT = Path(__file__).resolve().parent


def modules() -> dict[str, str]:
    """The module of each benchmark by its short name: every file that can be run as a program."""
    return {
        path.stem: ".".join(path.relative_to(ROOT.parent).with_suffix("").parts)
        for path in sorted(ROOT.rglob("*.py"))
        if '__name__ == "__main__"' in path.read_text(encoding="utf-8") and not path.stem.startswith("__")
    }


def command(name: str, options: list[str]) -> str:
    """The command as recorded rows show it: where a machine has its files is nobody else's concern."""
    return " ".join(["python -m benchmarks", name, *("PATH" if os.path.isabs(o) else o for o in options)])


def main() -> None:
    arguments = sys.argv[1:]
    record = arguments[:1] == ["--record"]
    name, *options = arguments[record:] or [""]
    known = modules()
    if name not in known:
        sys.exit(
            f"usage: python -m benchmarks [--record] NAME [options]\n{name!r} is none of: {', '.join(known)}"
        )
    recorder = Recorder(name, command(name, options))
    record_with(recorder if record else None)
    sys.argv = [f"benchmarks {name}", *options]
    runpy.run_module(known[name], run_name="__main__", alter_sys=True)
    if record:
        from benchmarks.results import update

        update(recorder.rows)
        print(f"\nrecorded {len(recorder.rows)} rows; `make results` writes RESULTS.md from them")


if __name__ == "__main__":
    main()
