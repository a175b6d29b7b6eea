"""The state of a run as a line of text."""

from __future__ import annotations

import io

from rich.console import Console

from costmodel.report import LiveLine, progress_line


def test_progress_in_one_line(progress):
    line = progress_line(progress())
    assert line == (
        "matmul · model  trial 12/128  best 31.2 GFLOP/s  rank correlation +0.88  "
        "failed 3 (2 timeout, 1 crash)  1:35 left"
    )


def test_progress_before_the_first_correlation(progress):
    assert "rank correlation -  failed 0" in progress_line(progress(correlation=None, failures={}))
    assert "rank correlation -" in progress_line(progress(correlation=float("nan")))
    assert "rank correlation" not in progress_line(progress(source="random"))


def test_lines_where_there_is_no_terminal(progress, result):
    output = io.StringIO()
    with LiveLine(Console(file=output), every=2) as line:
        for trial in range(6):
            last = result.records[0] if trial else None
            line(progress(trial=trial, trials=5, last=last))
    assert [text.split("trial ")[1][:3] for text in output.getvalue().splitlines()] == ["2/5", "4/5", "5/5"]


def test_live_line_on_a_terminal(progress):
    output = io.StringIO()
    with LiveLine(Console(file=output, force_terminal=True, width=120)) as line:
        line(progress())
    assert "trial 12/128" in output.getvalue()
