"""The number of threads of parallel loops."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from compiler.runtime import num_threads, set_num_threads
from compiler.runtime.threads import MAX_THREADS, on_num_threads

ROOT = Path(__file__).parents[3]


def run(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_the_default_is_what_the_process_may_use() -> None:
    code = (
        "import os; from compiler.runtime import num_threads as n; print(n(), len(os.sched_getaffinity(0)))"
    )
    environment = {k: v for k, v in os.environ.items() if k != "ESPALIER_NUM_THREADS"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60
    )
    ours, available = done.stdout.split()
    assert int(ours) == min(int(available), MAX_THREADS)
    assert run(code, ESPALIER_NUM_THREADS="1").stdout.split()[0] == "1"
    assert run(code, ESPALIER_NUM_THREADS="1000").stdout.split()[0] == available


@pytest.mark.parametrize("text", ["0", "-1", "many", "1.5", ""])
def test_an_invalid_environment_variable(text: str) -> None:
    done = run("from compiler.runtime import num_threads; num_threads()", ESPALIER_NUM_THREADS=text)
    assert f"ESPALIER_NUM_THREADS must be a positive whole number, not {text!r}" in done.stderr


@pytest.mark.parametrize("count", [0, -1, MAX_THREADS + 1, 2.0, "2", True, None])
def test_an_invalid_number_of_threads(count: object) -> None:
    before = num_threads()
    with pytest.raises(ValueError, match="number of threads is a whole number from 1 to 256, not"):
        set_num_threads(count)  # type: ignore[arg-type]
    assert num_threads() == before


def test_a_listener_is_called_now_and_after_each_change() -> None:
    before, seen = num_threads(), []
    on_num_threads(seen.append)
    set_num_threads(3)
    set_num_threads(before)
    assert seen == [before, 3, before]
