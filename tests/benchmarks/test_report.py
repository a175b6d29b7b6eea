"""Tables for people and for documents, and turns."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks import __main__ as runner
from benchmarks import results
from benchmarks.interleave import interleave
from benchmarks.report import Recorder, Row, cpu_class, heading, record_with, table


def test_a_table_for_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    table(("name", "s"), [("a", "1.25"), ("longer", "3")])
    assert capsys.readouterr().out == "name       s\n------  ----\na       1.25\nlonger     3\n"


def test_a_table_for_a_document(capsys: pytest.CaptureFixture[str]) -> None:
    table(("name", "s"), [("a", "1.25")], markdown=True)
    assert capsys.readouterr().out == "| name | s |\n| --- | ---: |\n| a | 1.25 |\n"


def test_ways_take_turns_and_slow_ones_are_not_tried_twice() -> None:
    calls: list[str] = []
    ways = {name: (lambda name=name: calls.append(name)) for name in "ab"}
    times = interleave(ways, rounds=4, min_seconds=0.0)
    assert calls[:2] == ["a", "b"] and len(calls) == 10
    assert all({calls[i], calls[i + 1]} == {"a", "b"} for i in range(2, 10, 2))
    assert all(len(time.seconds) == 4 for time in times.values())


def test_rows_are_recorded_with_their_circumstances(capsys: pytest.CaptureFixture[str]) -> None:
    recorder = Recorder("boosting", "python -m benchmarks boosting --turns 1")
    record_with(recorder)
    try:
        heading("How fast?", "no-such-package")
        table(("", "s"), [("ours", "1.25"), ("theirs", "3")], title="a table", threads=2)
        heading("How fast, held to AVX2?", cpu="AVX2 (held), 2 cores")
        table(("case", "s"), [("ours", "1.5")])
    finally:
        record_with(None)
    table(("", "s"), [("not recorded", "0")])
    assert "\na table, 2 threads\n" in capsys.readouterr().out
    first, second, third = recorder.rows
    assert first.cells == {"case": "ours", "s": "1.25"} and second.cells["case"] == "theirs"
    assert (first.table, first.threads, first.cpu) == ("a table", "2", cpu_class())
    assert first.versions.endswith("no-such-package not installed")
    assert (third.table, third.threads, third.cpu) == ("How fast, held to AVX2?", "", "AVX2 (held), 2 cores")


def row(case: str, seconds: str, cpu: str = "AVX2, 8 cores") -> Row:
    """A recorded row."""
    cells = {"case": case, "s": seconds}
    return Row("boosting", "fits", cells, "2", cpu, "2026-01-01", "python -m benchmarks boosting", "Python 3")


def test_a_later_measurement_replaces_the_earlier_one_of_the_same_cpu(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    results.update([row("a", "1"), row("b", "2"), row("a", "3", cpu="NEON, 4 cores")], path)
    results.update([row("a", "4"), row("c", "5")], path)
    assert [(r.cells["case"], r.cells["s"], r.cpu[:4]) for r in results.load(path)] == [
        ("a", "4", "AVX2"),
        ("b", "2", "AVX2"),
        ("a", "3", "NEON"),
        ("c", "5", "AVX2"),
    ]
    assert [file.name for file in tmp_path.iterdir()] == ["results.jsonl"]


def test_the_document_has_a_section_for_a_benchmark_and_its_question() -> None:
    text = results.render([row("a", "1"), row("b", "2")])
    assert "## boosting\n\nHow fast do our trees grow" in text
    assert "|  | s | threads | CPU | date | command |\n| --- | ---: | ---: | ---: | ---: | ---: |\n" in text
    assert "| b | 2 | 2 | AVX2, 8 cores | 2026-01-01 | `python -m benchmarks boosting` |\n" in text
    assert text.endswith("- AVX2, 8 cores, 2026-01-01: Python 3.\n")


def test_benchmarks_run_by_their_short_names(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    names = runner.modules()
    assert names["boosting"] == "benchmarks.trees.boosting" and "datasets" not in names
    monkeypatch.setattr(sys, "argv", ["benchmarks", "nothing"])
    with pytest.raises(SystemExit, match="'nothing' is none of: .*boosting"):
        runner.main()
    monkeypatch.setattr(sys, "argv", ["benchmarks", "boosting", "--help"])
    with pytest.raises(SystemExit, match="0"):
        runner.main()
    assert "--cases" in capsys.readouterr().out
