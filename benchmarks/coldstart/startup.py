"""How long does a second demo take from its start to its first trial?

Run with ``python -m benchmarks startup``. The figure to reach is under 5 s. Each number is a fresh process
on an empty output folder, with kernels compiled by a run before; it is interrupted once its first trial is
recorded. The last line is an interpreter that imports NumPy and scikit-learn and nothing else.
"""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.interleave import Spread
from benchmarks.report import heading, table

DEMO = "from costmodel.cli import main; main()"
PEER = "import numpy, sklearn.ensemble, sklearn.datasets"


def first_trial() -> tuple[float, float]:
    """Seconds from the start of the demo to the start and to the end of its first trial."""
    with tempfile.TemporaryDirectory() as folder:
        records = Path(folder) / "records.jsonl"
        start = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-c", DEMO, "demo", "--output", folder],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            while not (records.exists() and b"\n" in records.read_bytes()):
                if process.poll() is not None:
                    said = process.stderr.read() if process.stderr else ""
                    raise SystemExit(f"the demo ended before its first trial:\n{said}")
                time.sleep(0.005)
            end = time.perf_counter() - start
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate()
        with records.open(encoding="utf-8") as lines:
            record = json.loads(lines.readline())
        return end - record["seconds"], end


def bare() -> float:
    """Seconds of an interpreter that imports what any such program needs."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", PEER], check=True)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    heading("Seconds from the start of `espalier demo` to its first trial, on a warm machine", "numba")
    first_trial()
    bare()
    begins, ends, bares = [], [], []
    for _ in range(options.rounds):
        begin, end = first_trial()
        begins.append(begin)
        ends.append(end)
        bares.append(bare())
    table(
        ("", "seconds [quartiles]", "times the imports"),
        [
            (name, Spread.of(taken).format(), f"{Spread.of(taken).median / Spread.of(bares).median:.1f}")
            for name, taken in (
                ("start of the first trial", begins),
                ("end of the first trial", ends),
                ("importing NumPy and scikit-learn alone", bares),
            )
        ],
    )


if __name__ == "__main__":
    main()
