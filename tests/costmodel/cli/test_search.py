"""The commands that search, on this machine."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import costmodel
from costmodel.records import load

HOME = str(Path(costmodel.__file__).parent.parent)


def lines(output: str) -> list[str]:
    return [line.rstrip() for line in output.splitlines()]


@pytest.mark.slow
def test_the_template_of_a_file_in_80_columns(operators, tmp_path):
    """As a user runs it: another process, with the output to a pipe."""
    code = f"import sys; sys.path.insert(0, {HOME!r}); from costmodel.cli import main; main()"
    command = [sys.executable, "-c", code, "tune", f"mine.py:{operators}", "--shape", "1024", "--trials", "6"]
    environment = {k: v for k, v in os.environ.items() if k != "COLUMNS"}
    done = subprocess.run(
        [*command, "--explorer", "random"], capture_output=True, text=True, cwd=tmp_path, env=environment
    )
    assert done.returncode == 0, done.stderr
    assert "0 trials from the records, 6 measured" in done.stdout and "failed 0" in done.stdout
    table = lines(done.stdout)[lines(done.stdout).index("Programs, measured interleaved") :]
    (head,) = (line for line in table if "GFLOP/s" in line)
    assert head.split() == ["GFLOP/s", "quartiles", "ms", "checked"] and max(map(len, table)) <= 80
    assert any(line.split()[:2] == ["default", "schedule"] for line in table)
    assert [r.final for r in load(tmp_path / "espalier-records.jsonl")] == [False] * 6 + [True]


@pytest.mark.slow
def test_a_template_that_never_works_ends_with_the_first_error_whole(run, operators):
    output = run("tune", f"mine.py:{operators} broken", "--shape", 64, "--explorer", "random", status=2)
    assert "8 candidates one after another failed in the same way: template error" in output
    assert "KeyError: 'step is odd'" in output


@pytest.mark.slow
def test_many_tasks(run, operators, tmp_path):
    (tmp_path / "net.txt").write_text(f"matmul 32,32,32 x3\nmine.py:{operators} 256\n")
    arguments = ("tune-all", "net.txt", "--explorer", "random", "--records", "r.jsonl")
    output = run(*arguments, "--trials", 8)
    assert "2 tasks on" in output and "0 trials from the records, 8 measured" in output
    rows = {line.split("  ")[0].strip(): line.split() for line in lines(output)}
    assert rows["matmul(32, 32, 32)"][3] == "3" and float(rows["matmul(32, 32, 32)"][-1]) > 0
    assert rows["total"][:3] == ["total", "4", "8"]
    output = run(*arguments, "--trials", 10, "--patience", 100)
    assert "8 trials from the records, 2 measured" in output
    found = load(tmp_path / "r.jsonl")
    assert [r.final for r in found].count(False) == 10 and sum(r.final for r in found) == 4
