"""Tables for people and for documents, and turns."""

from __future__ import annotations

import pytest

from benchmarks.interleave import interleave
from benchmarks.report import table


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
